//! Commands that the program prints: each is one that runs. Those that are built from values are parsed in
//! `src/next_command.rs`; here are those in plain texts and in help, and stories that run what they were told.

mod literals;
mod online;
mod site;

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::{Desk, Ended, clean, end, heavy};

/// A desk with an upstream of two packages, the heavier one of which needs several volumes.
fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1");
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    fs::write(desk.path("online/selection.toml"), selection.replace("100 MB", "64 KiB")).unwrap();
    desk
}

/// Publishes a new version of the light package.
fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", heavy("heavy", "1", 150_000));
    upstream.add("stable", "main", DebSpec::new("light", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
}

/// The command in `text` that begins with `start`, as it is printed: between backticks, or on a line of its own.
#[track_caller]
pub(crate) fn command_in(text: &str, start: &str) -> String {
    let quoted = text.split('`').skip(1).step_by(2).find(|part| part.starts_with(start));
    let line = || text.lines().map(str::trim).find(|line| line.starts_with(start));
    quoted.or_else(line).unwrap_or_else(|| panic!("no command {start:?} in: {text}")).to_owned()
}

/// Runs a command as it was printed, by a shell, in the folder `place` of the desk.
pub(crate) fn follow(desk: &Desk, place: &str, command: &str) -> Ended {
    end(&mut shell(desk, place, command))
}

fn shell(desk: &Desk, place: &str, command: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_gapferry"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-c", command]).current_dir(desk.path(place));
    clean(&mut bash);
    bash.env("PATH", format!("{}:{path}", program.parent().unwrap().display()));
    bash
}

/// The same on the online host, where the workspace is the usual one.
fn follow_online(desk: &Desk, place: &str, command: &str) -> Ended {
    end(shell(desk, place, command).env("GAPFERRY_WORKSPACE", desk.path("online/workspace")))
}

/// Alters a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Copies a folder with all that is in it.
fn carry(desk: &Desk, from: &str, to: &str) {
    end(Command::new("cp").arg("-r").arg(desk.path(from)).arg(desk.path(to))).ok();
}
