//! Runs that are killed while reprepro works, and the locks that stay behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Output, Stdio};

use gapferry::cli::Exit;

use super::{Row, base, desk, reprepro, upstream};
use crate::apt_client::{output, run};
use crate::support::desk::Desk;

/// Many enough that they take several calls.
const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn rows(version: &'static str) -> Vec<Row> {
    ["noble", "noble-updates"].iter().flat_map(|suite| NAMES.map(|name| Row(suite, name, version))).collect()
}

fn versions(desk: &Desk) -> Vec<String> {
    let path = desk.path("site/current/apt/up/dists/noble-updates/main/binary-amd64/Packages");
    let text = fs::read_to_string(path).unwrap();
    let mut versions: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("Version: ")).map(str::to_owned).collect();
    versions.dedup();
    versions
}

#[test]
fn what_a_lock_was_left_in_is_built_again() {
    let desk = desk(&rows("1"));
    upstream(&desk, &rows("2"));
    let bundle = desk.bundle();
    fs::write(base(&desk).join("db/lockfile"), "").unwrap();
    let ended = desk.import(&bundle).ok();
    assert!(ended.err.contains("note: apt/up: an earlier run of reprepro did not end well"), "{}", ended.err);
    assert_eq!(versions(&desk), ["2"]);
    assert!(desk.run("status --site site").ok().out.contains("note: an earlier run of reprepro did not end well"));
}

/// A database of which a page is gone, as kills and full disks leave it.
#[test]
fn a_broken_database_is_built_again_by_the_same_command() {
    let desk = desk(&rows("1"));
    upstream(&desk, &rows("2"));
    let bundle = desk.bundle();
    let database = base(&desk).join("db/packages.db");
    let whole = fs::metadata(&database).unwrap().len();
    fs::File::options().write(true).open(&database).unwrap().set_len(whole / 2).unwrap();
    desk.import(&bundle)
        .says(Exit::Failed, &["Internal error of the underlying BerkeleyDB", "the same command builds"]);
    assert_eq!(versions(&desk), ["1"]);
    desk.import(&bundle).ok();
    assert_eq!(versions(&desk), ["2"]);
    for command in ["check", "checkpool"] {
        reprepro(&desk, command);
    }
    // What is known to be whole is not built again.
    assert!(!desk.run("rollback 1 --site site").ok().err.contains("built again"));
}

#[test]
fn a_lock_that_a_living_process_holds_is_left_alone() {
    let desk = desk(&rows("1"));
    upstream(&desk, &rows("2"));
    let bundle = desk.bundle();
    fs::write(base(&desk).join("db/lockfile"), "").unwrap();
    let database = fs::File::open(base(&desk).join("db/packages.db")).unwrap();
    let mut holder = Command::new("sleep").arg("600").stdin(Stdio::from(database)).spawn().unwrap();
    let ended = desk.import(&bundle);
    let pid = format!("in use by the process {}:", holder.id());
    holder.kill().unwrap();
    holder.wait().unwrap();
    ended.says(Exit::Failed, &[&pid, "run the same again"]);
    assert!(base(&desk).join("db/lockfile").exists());
    assert_eq!(versions(&desk), ["1"]);
    desk.import(&bundle).ok();
    assert_eq!(versions(&desk), ["2"]);
}

/// A reprepro that kills whoever called it, at a call of ours to choose.
struct Killer<'a> {
    desk: &'a Desk,
}

/// Moments at which a call is cut off: before reprepro runs, while it holds its database, or when it has ended.
const WHEN: [&str; 3] = [
    "cut_off; exec \"$@\"",
    "(\"$@\"; : >ENDED) & until [ -e BASE/db/lockfile ] || [ -e ENDED ]; do :; done; cut_off; wait",
    "\"$@\"; cut_off",
];

/// The processes that are killed: gapferry together with all that it runs, or gapferry alone.
const WHOM: [&str; 2] = ["kill -KILL 0", "kill -KILL $PPID"];

impl<'a> Killer<'a> {
    fn new(desk: &'a Desk) -> Self {
        fs::create_dir(desk.path("killer")).unwrap();
        let killer = Self { desk };
        killer.arm(0, "", ":");
        killer
    }

    /// Has call number `nth` from now on, counted from 1, cut off so.
    fn arm(&self, nth: usize, when: &str, whom: &str) {
        let (folder, real) = (self.desk.path("killer"), run(Command::new("sh").args(["-c", "command -v reprepro"])));
        let ended = folder.join("ended");
        let when = when.replace("BASE", base(self.desk).to_str().unwrap()).replace("ENDED", ended.to_str().unwrap());
        let text = format!(
            "#!/bin/sh\necho call >>{0}/calls\ncut_off() {{ {whom}; }}; set -- {1} \"$@\"\n\
             [ $(wc -l <{0}/calls) = {nth} ] || exec \"$@\"\n{when}\n",
            folder.display(),
            real.trim_end()
        );
        let _ = fs::remove_file(&ended); // of the run before
        fs::write(folder.join("calls"), "").unwrap();
        fs::write(folder.join("reprepro"), text).unwrap();
        fs::set_permissions(folder.join("reprepro"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.desk.path("killer/calls")).unwrap().lines().count()
    }

    /// Runs gapferry so, in a process group of its own.
    fn gapferry(&self, arguments: &str) -> Output {
        let path = format!("{}:{}", self.desk.path("killer").display(), std::env::var("PATH").unwrap());
        let mut command = self.desk.command(arguments);
        output(command.env("PATH", path).process_group(0))
    }
}

/// At calls of reprepro all over an import and a rollback, gapferry is killed together with the reprepro that it runs, or alone.
#[test]
fn a_killed_import_is_finished_by_the_same_command() {
    let desk = desk(&rows("1"));
    upstream(&desk, &rows("2"));
    let bundle = desk.bundle();
    let killer = Killer::new(&desk);
    let import = format!("import {} --site site", bundle.display());
    killed_at(&killer, &import, (2, 1, 0));
    assert!(killer.gapferry("rollback 1 --site site").status.success());
    let calls = killer.calls();
    assert!(calls > 4, "{calls} calls of reprepro");
    for number in 0..12 {
        // In this order every call meets every kind of kill, the more calls there are the fewer.
        killed_at(&killer, "rollback 2 --site site", (1 + number * calls / 12, number % 3, number / 3 % 2));
        desk.run("rollback 1 --site site").ok();
        assert_eq!(versions(&desk), ["1"]);
    }
}

/// Kills `command`, which leads from state 1 to 2, at a call of reprepro, and finishes it.
fn killed_at(killer: &Killer<'_>, command: &str, (nth, when, whom): (usize, usize, usize)) {
    let desk = killer.desk;
    killer.arm(nth, WHEN[when], WHOM[whom]);
    let killed = killer.gapferry(command);
    let at = format!("{command}, call {nth}, {}, {}", WHEN[when], WHOM[whom]);
    assert_eq!(killed.status.signal(), Some(9), "{at}: {killed:?}");
    assert_eq!(versions(desk), ["1"], "{at}");
    killer.arm(0, "", ":");
    let again = desk.run(command);
    assert_eq!(again.code, 0, "{at}: {}", again.err);
    assert_eq!(versions(desk), ["2"], "{at}");
    assert_eq!(reprepro(desk, "list noble").lines().count(), NAMES.len());
    reprepro(desk, "checkpool");
    reprepro(desk, "check");
    assert!(!base(desk).join("gnupg").exists());
}
