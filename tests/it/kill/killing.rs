//! One command, killed at many places.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::strace::{Point, kill_at, points};
use crate::apt_client::output;
use crate::support::threads::on_two_threads;

/// A command that has run undisturbed once, and is now to be killed at least `least` times.
pub(super) struct Killing<'a, C> {
    /// Folders in which it runs are made in this one.
    root: &'a Path,
    prepare: C,
    points: Vec<Point>,
    least: usize,
}

/// One run that was killed, or that ended before its point came.
pub(super) struct Killed<'a> {
    /// Where it ran.
    pub(super) folder: &'a Path,
    pub(super) point: &'a Point,
    command: Command,
}

impl<'a, C: Fn(&Path) -> Command + Sync> Killing<'a, C> {
    /// `prepare` puts all that the command works on into a new folder, and returns the command.
    pub(super) fn new(root: &'a Path, least: usize, prepare: C) -> Self {
        let mut killing = Self { root, prepare, points: Vec::new(), least };
        killing.points = points(&killing.command(&killing.reference()), least * 13 / 10);
        killing
    }

    /// Where the undisturbed run took place.
    pub(super) fn reference(&self) -> PathBuf {
        self.root.join("reference")
    }

    fn command(&self, folder: &Path) -> Command {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        (self.prepare)(folder)
    }

    /// Kills it at each point, in a folder as new, and has `judge` look at what is left, run it again and look once more.
    pub(super) fn each(&self, what: &str, judge: impl Fn(&mut Killed) + Sync) {
        let (kills, worker) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = || self.root.join(format!("worker-{}", worker.fetch_add(1, Ordering::Relaxed)));
        on_two_threads(&self.points, start, |folder, point| {
            let command = self.command(folder);
            if kill_at(&command, point).is_some() {
                kills.fetch_add(1, Ordering::Relaxed);
            }
            judge(&mut Killed { folder, point, command });
        });
        let (kills, least) = (kills.into_inner(), self.least);
        eprintln!("{what}: {kills} were killed");
        assert!(kills >= least, "only {kills} of {what} were killed");
    }
}

impl Killed<'_> {
    /// Runs the same command again, on what the killed one has left; fails unless it ends with one of these exit codes, which
    /// it returns.
    #[track_caller]
    pub(super) fn again_ends(&mut self, codes: &[i32]) -> i32 {
        let Output { status, stderr, .. } = output(&mut self.command);
        let code = status.code().unwrap_or(-1);
        assert!(codes.contains(&code), "{:?}: {status} {}", self.point, String::from_utf8_lossy(&stderr));
        code
    }
}
