//! A scanner's process: its output up to a cap, and no longer than it may take.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// The most bytes of each output that are kept.
const MAX_OUTPUT_BYTES: u64 = 8 << 20;
/// The time between two looks at whether it has ended.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// The end of a process, with its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessEnd {
    /// Its exit code; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) end: ProcessLimit,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// The limit that ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessLimit {
    /// It ended by itself.
    Kept,
    /// It took too long, and was killed.
    TookTooLong,
    /// It wrote more than is kept.
    WroteTooMuch,
}

/// Runs a command to its end, or kills it and what it has started.
pub(super) fn run_limited(mut command: Command, limit: Duration) -> io::Result<ProcessEnd> {
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = wait(&mut child, limit);
    // Nothing that it has started goes on, or holds its output open.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let (status, [out, err]) = (status?, [stdout, stderr].map(|thread| thread.join().unwrap_or_default()));
    let is_too_long = [&out, &err].iter().any(|text| text.len() as u64 > MAX_OUTPUT_BYTES);
    let end = match (&status, is_too_long) {
        (None, _) => ProcessLimit::TookTooLong,
        (Some(_), true) => ProcessLimit::WroteTooMuch,
        (Some(_), false) => ProcessLimit::Kept,
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(ProcessEnd { code: status.and_then(|status| status.code()), end, stdout: text(out), stderr: text(err) })
}

/// Waits for the end of a child. Kills it and returns `None` if that takes too long.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL_EVERY);
    }
}

/// Reads an output on a thread: up to one byte more than is kept, and the rest into nothing.
fn collect(output: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (Some(mut output), mut bytes) = (output, Vec::new()) else { return Vec::new() };
        let _ = (&mut output).take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut bytes);
        let _ = io::copy(&mut output, &mut io::sink());
        bytes
    })
}
