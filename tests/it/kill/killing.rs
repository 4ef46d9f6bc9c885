//! One command, killed at many places, and cut from power.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gapferry::cli::Exit;

use super::power_cut::PowerCuts;
use super::strace::{Point, REFERENCE, kill_at, points_of_ending};
use crate::apt_client::output;
use crate::support::sample::Level;
use crate::support::world::Role;

/// The number of kills of one command.
#[derive(Clone, Copy)]
pub(super) struct Kills {
    /// The least number in a complete run.
    pub(super) complete: usize,
    /// Decides how many points a sample takes.
    pub(super) role: Role,
}

/// A command that has run undisturbed once, and is now to be killed at chosen points.
pub(super) struct Killing<'a, C> {
    /// Folders in which it runs are made in this one.
    root: &'a Path,
    prepare: C,
    /// The exit code of an undisturbed run.
    exit: Exit,
    points: Vec<Point>,
    least: usize,
    power_cuts: usize,
}

/// The state after a run that was killed, that ended before its point came, or that a power cut ended.
pub(super) struct Killed<'a> {
    /// Where it ran.
    pub(super) folder: &'a Path,
    pub(super) point: &'a Point,
    command: Command,
}

impl<'a, C: Fn(&Path) -> Command> Killing<'a, C> {
    /// `prepare` puts all that the command works on into a new folder, and returns the command.
    pub(super) fn new(root: &'a Path, kills: Kills, prepare: C) -> Self {
        Self::ending(root, kills, Exit::Done, prepare)
    }

    /// The same for a command that ends with this exit code.
    pub(super) fn ending(root: &'a Path, kills: Kills, exit: Exit, prepare: C) -> Self {
        let power_cuts = Level::of_run().pick(if kills.role == Role::Leading { 16 } else { 5 }, kills.complete * 4);
        let mut killing = Self { root, prepare, exit, points: Vec::new(), least: 0, power_cuts };
        let command = killing.command(&killing.reference());
        killing.points = points_of_ending(&command, exit, kills.complete * 13 / 10, kills.role);
        killing.least = Level::of_run().pick(killing.points.len() * 10 / 13, kills.complete);
        killing
    }

    /// Where the undisturbed run took place.
    pub(super) fn reference(&self) -> PathBuf {
        self.root.join(REFERENCE)
    }

    fn command(&self, folder: &Path) -> Command {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        (self.prepare)(folder)
    }

    /// Kills it at each point, in a folder as new, and has `judge` look at what is left, run it again and look once more. Then
    /// does the same with what disks may hold after power cuts.
    pub(super) fn each(&self, what: &str, mut judge: impl FnMut(&mut Killed)) {
        let (mut kills, folder) = (0, self.root.join("killed"));
        for point in &self.points {
            let command = self.command(&folder);
            kills += usize::from(kill_at(&command, point, self.exit).is_some());
            judge(&mut Killed { folder: &folder, point, command });
        }
        eprintln!("{what}: {kills} were killed");
        assert!(kills >= self.least, "only {kills} of {what} were killed, of {} points", self.points.len());

        let cuts = PowerCuts::of(&self.root.join("uncut"), self.exit, |folder| (self.prepare)(folder));
        cuts.each(self.power_cuts, |point, lay_out| {
            let command = self.command(&folder);
            fs::remove_dir_all(&folder).unwrap();
            lay_out(&folder);
            judge(&mut Killed { folder: &folder, point, command });
        });
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
