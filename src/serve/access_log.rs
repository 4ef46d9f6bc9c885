//! The access log: one JSON object a line, written by a thread of its own, so that no answer waits for it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::storage::FileError;

/// How many lines wait for the disk at most.
const WAITING: usize = 8192;

/// The longest path that is logged, in characters.
const MAX_PATH_CHARS: usize = 2048;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// To standard output.
    Stdout,
    /// Behind what is in this file; opened again at SIGHUP.
    File(PathBuf),
}

/// One answer.
#[derive(Debug, Serialize)]
pub(super) struct AccessRecord {
    /// When the request came.
    #[serde(serialize_with = "to_the_millisecond")]
    pub(super) time: Timestamp,
    /// Who asked.
    pub(super) remote: IpAddr,
    /// The host that was asked for, as it came; none if there was none, or a malformed one.
    pub(super) host: Option<String>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// As it came.
    pub(super) method: String,
    /// As it came, without a query.
    #[serde(serialize_with = "escaped")]
    pub(super) path: String,
    /// Of the answer.
    pub(super) status: u16,
    /// Of the answer's body, as far as it went out.
    pub(super) bytes: u64,
    /// Whether all of it went out.
    pub(super) complete: bool,
    /// From the request's head to the end of the answer.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub(super) duration: Duration,
    /// The current generation; 0 if there was none.
    pub(super) generation: u64,
}

/// A running log.
#[derive(Debug)]
pub(super) struct AccessLog {
    lines: SyncSender<LogMessage>,
}

/// The thread that writes it; it ends when all [`AccessLog`]s are gone.
pub(super) type LogThread = JoinHandle<()>;

#[derive(Debug)]
enum LogMessage {
    Line(Box<AccessRecord>),
    Reopen,
}

impl AccessLog {
    /// Opens the log, and starts its thread.
    pub(super) fn start(target: LogTarget) -> Result<(Self, LogThread), FileError> {
        let out = open(&target)?;
        let (lines, receiver) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("access-log".to_owned());
        let writer = thread.spawn(move || write_all(out, &target, &receiver));
        let writer = writer.map_err(FileError::on("start a thread for", Path::new("the access log")))?;
        Ok((Self { lines }, writer))
    }

    /// Logs an answer; false if there is no room.
    pub(super) fn write(&self, record: AccessRecord) -> bool {
        !matches!(self.lines.try_send(LogMessage::Line(Box::new(record))), Err(TrySendError::Full(_)))
    }

    /// Closes the file and opens it by its name once more, after it was moved away.
    pub(super) fn reopen(&self) {
        let _ = self.lines.send(LogMessage::Reopen); // without a thread there is nothing to open
    }
}

type Out = BufWriter<Box<dyn Write + Send>>;

fn open(target: &LogTarget) -> Result<Out, FileError> {
    Ok(BufWriter::new(match target {
        LogTarget::Stdout => Box::new(io::stdout()),
        LogTarget::File(path) => {
            let file: Result<File, FileError> =
                File::options().create(true).append(true).open(path).map_err(FileError::on_named("open", path));
            Box::new(file?)
        }
    }))
}

fn write_all(mut out: Out, target: &LogTarget, messages: &Receiver<LogMessage>) {
    // What cannot be written is lost: a full disk must not end the service.
    loop {
        let message = match messages.try_recv() {
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                messages.recv().ok()
            }
            message => message.ok(),
        };
        match message {
            Some(LogMessage::Line(record)) => {
                let line = serde_json::to_string(&record).unwrap_or_default() + "\n";
                let _ = out.write_all(line.as_bytes());
            }
            Some(LogMessage::Reopen) => {
                let _ = out.flush();
                // Where the name cannot be opened, the file that is open is better than none.
                if let Ok(new) = open(target) {
                    out = new;
                }
            }
            None => break,
        }
    }
    let _ = out.flush();
}

fn to_the_millisecond<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// Nothing but printable ASCII, and not without an end.
fn escaped<S: Serializer>(path: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(path.len());
    for c in path.chars().take(MAX_PATH_CHARS) {
        if (' '..='~').contains(&c) { text.push(c) } else { text.extend(c.escape_unicode()) }
    }
    serializer.serialize_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_ascii_and_bounded() {
        let record = AccessRecord {
            time: Timestamp::from_millisecond(1_795_255_200_007).unwrap(),
            remote: [127, 0, 0, 1].into(),
            host: Some("a".to_owned()),
            scheme: "http",
            method: "GET".to_owned(),
            path: format!("/é\u{202e}\"\n{}", "a".repeat(5000)),
            status: 200,
            bytes: 3,
            complete: true,
            duration: Duration::from_micros(1500),
            generation: 7,
        };
        let line = serde_json::to_string(&record).unwrap();
        assert!(line.starts_with("{\"time\":\"2026-11-21T10:00:00.007Z\",\"remote\":\"127.0.0.1\""), "{line}");
        assert!(line.contains("/\\\\u{e9}\\\\u{202e}\\\"\\\\u{a}aaa") && line.len() < 2500, "{line}");
        assert!(line.contains("\"duration_ms\":1.5,\"generation\":7"), "{line}");
    }
}
