//! Ends a program at a chosen system call.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use crate::apt_client::output;
use crate::support::desk::inside;
use crate::support::sample::{Level, Sample};
use crate::support::world::{Role, scratch};
use gapferry::cli::Exit;

/// The calls that change something, and those that open files.
const CALLS: &str = "write,pwrite64,writev,copy_file_range,sendfile,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,\
                     linkat,mkdir,mkdirat,unlink,unlinkat,rmdir,symlink,symlinkat,ftruncate,chmod,fchmod,fchmodat,\
                     utimensat,flock,openat";

/// The n-th call of its kind in one thread.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(super) call: String,
    pub(super) nth: usize,
    /// The part of the command's folder that the call works on, in the undisturbed run.
    pub(super) place: String,
}

/// `command` under strace with these options.
pub(crate) fn traced(command: &Command, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={CALLS}")]).args(options);
    inside(strace, command)
}

/// The folder's name in which [`points`] expects the undisturbed run to work.
pub(crate) const REFERENCE: &str = "reference";

/// Runs `command` undisturbed in a folder named [`REFERENCE`], and chooses points at which to kill it. A complete run takes
/// about `count` points, spread over all calls. A sample is stratified by the system call and by what it works on.
pub(crate) fn points(command: &Command, count: usize, role: Role) -> Vec<Point> {
    points_of_ending(command, Exit::Done, count, role)
}

/// The same for a command that ends with this exit code.
pub(crate) fn points_of_ending(command: &Command, exit: Exit, count: usize, role: Role) -> Vec<Point> {
    let mut sample = Sample::new();
    let all = calls(command, exit);
    let chosen = match (sample.level, role) {
        (Level::Complete, _) => spread(&all, count, sample.below(1 << 20)),
        (Level::Sampled, Role::Leading) => sample.strata(all, 0, |point| (point.call.clone(), point.place.clone())),
        (Level::Sampled, Role::Other) => sample.strata(all, 0, |point| point.call.clone()),
    };
    eprintln!("{} points", chosen.len());
    chosen
}

/// Every `all.len() / count`-th of the points. The seed moves them.
fn spread(all: &[Point], count: usize, start: usize) -> Vec<Point> {
    let step = (all.len() as f64 / count as f64).max(1.0);
    let start = start % step as usize;
    let at = |n| start + (f64::from(n) * step) as usize;
    (0..).map(at).take_while(|at| *at < all.len()).map(|at| all[at].clone()).collect()
}

/// Runs `command` undisturbed, and returns a point for each call and each number that a thread reaches first, by the call.
fn calls(command: &Command, exit: Exit) -> Vec<Point> {
    let folder = scratch();
    let log = folder.path().join("log");
    let run = output(&mut traced(command, &["-y", "-o", log.to_str().unwrap()]));
    assert_eq!(run.status.code(), Some(exit.code().into()), "{}", String::from_utf8_lossy(&run.stderr));
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    let log = fs::read(&log).unwrap();
    let log = String::from_utf8_lossy(&log);
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue; // the second half of a call that another thread's line interrupted
        }
        let nth = counts.entry((call, thread)).or_default();
        *nth += 1;
        let points = points.entry(call).or_default();
        if *nth > points.len() {
            points.push(Point { call: call.to_owned(), nth: *nth, place: place(arguments) });
        }
    }
    points.into_values().flatten().collect()
}

/// The first three parts of the path below the folder [`REFERENCE`] that a call names, without numbers and digests.
fn place(arguments: &str) -> String {
    let below = arguments.split_once(&format!("/{REFERENCE}/")).map_or("", |(_, below)| below);
    let path = below.split(['"', '>', ',']).next().unwrap_or_default();
    let kind = |part: &str| match part.len() >= 32 && part.bytes().take(32).all(|byte| byte.is_ascii_hexdigit()) {
        true => "digest".to_owned(),
        false => part.replace(|c: char| c.is_ascii_digit(), "0"),
    };
    path.split('/').take(3).map(kind).collect::<Vec<_>>().join("/")
}

/// Runs `command` until the point. Returns `None` if the command never came there, and ended as it does undisturbed.
pub(crate) fn kill_at(command: &Command, point: &Point, undisturbed: Exit) -> Option<()> {
    let inject = format!("inject={}:signal=SIGKILL:when={}", point.call, point.nth);
    let Output { status, stderr, .. } = output(&mut traced(command, &["-o", "/dev/null", "-e", &inject]));
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9) || status.code() == Some(137);
    let ended = status.code() == Some(undisturbed.code().into());
    assert!(killed || ended, "{point:?}: {status} {}", String::from_utf8_lossy(&stderr));
    killed.then_some(())
}

impl Point {
    /// Whether this is one of those after which more is looked at.
    pub(crate) fn is_eighth(&self) -> bool {
        self.nth % 8 == 1
    }
}
