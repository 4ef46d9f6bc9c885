//! Ends a program at a chosen system call.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use crate::apt_client::output;
use crate::support::desk::inside;
use crate::support::world::scratch;

/// The calls that change something, and those that open files.
const CALLS: &str = "write,pwrite64,writev,copy_file_range,sendfile,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,\
                     linkat,mkdir,mkdirat,unlink,unlinkat,rmdir,symlink,symlinkat,ftruncate,chmod,fchmod,fchmodat,\
                     utimensat,flock,openat";

/// The n-th call of its kind in one thread.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    call: String,
    nth: usize,
}

/// `command` under strace with these options.
pub(crate) fn traced(command: &Command, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={CALLS}")]).args(options);
    inside(strace, command)
}

/// Runs `command` undisturbed, and returns about `count` points spread over all calls that it makes.
pub(crate) fn points(command: &Command, count: usize) -> Vec<Point> {
    let folder = scratch();
    let log = folder.path().join("log");
    let run = output(&mut traced(command, &["-o", log.to_str().unwrap()]));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue; // the second half of a call that another thread's line interrupted
        }
        *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let entry = most.entry(call).or_default();
        *entry = count.max(*entry);
    }
    eprintln!("calls in one thread: {most:?}");
    let all: Vec<Point> =
        most.into_iter().flat_map(|(call, n)| (1..=n).map(move |nth| Point { call: call.clone(), nth })).collect();
    let step = (all.len() as f64 / count as f64).max(1.0);
    (0..).map(|n| (f64::from(n) * step) as usize).take_while(|at| *at < all.len()).map(|at| all[at].clone()).collect()
}

/// Runs `command` until the point; none if it never came there, and ended by itself.
pub(crate) fn kill_at(command: &Command, point: &Point) -> Option<()> {
    let inject = format!("inject={}:signal=SIGKILL:when={}", point.call, point.nth);
    let Output { status, stderr, .. } = output(&mut traced(command, &["-o", "/dev/null", "-e", &inject]));
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9) || status.code() == Some(137);
    assert!(killed || status.success(), "{point:?}: {status} {}", String::from_utf8_lossy(&stderr));
    killed.then_some(())
}

impl Point {
    /// Whether this is one of those after which more is looked at.
    pub(crate) fn is_eighth(&self) -> bool {
        self.nth % 8 == 1
    }
}
