//! Runs that are killed while reprepro works, and the locks that stay behind.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use gapferry::exit::Exit;

use super::{Row, base, desk, reprepro, upstream};
use crate::support::desk::{Desk, ended};

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

/// At instants all over an import, gapferry is killed together with the reprepro that it runs, or alone.
#[test]
fn a_killed_import_is_finished_by_the_same_command() {
    let desk = desk(&rows("1"));
    upstream(&desk, &rows("2"));
    let bundle = desk.bundle();
    let mut killed = 0;
    for (number, millis) in (0..14).map(|number| (number, 20 + number * 60)) {
        if versions(&desk) == ["2"] {
            desk.run("rollback 1 --site site"); // which may be what the next kill left undone
            assert_eq!(versions(&desk), ["1"]);
        }
        let command = match desk.run("status --site site --json").ok().json()["generation"].as_u64() {
            Some(1) => format!("import {} --site site", bundle.display()),
            _ => "rollback 2 --site site".to_owned(),
        };
        // A group of its own, so that one signal reaches all of it.
        let mut child = std::os::unix::process::CommandExt::process_group(&mut desk.command(&command), 0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        let group = if number % 3 == 0 { "" } else { "-" };
        let target = format!("{group}{}", child.id());
        if child.try_wait().unwrap().is_none() {
            killed += 1;
            let _ = Command::new("kill").args(["-KILL", "--", &target]).status();
        }
        drop(ended(&child.wait_with_output().unwrap()));
        assert!(matches!(versions(&desk).as_slice(), [one] if one == "1" || one == "2"));
        if versions(&desk) == ["1"] {
            let again = desk.run(&command);
            assert_eq!(again.code, 0, "{command} after {millis} ms: {}", again.err);
        }
        assert_eq!(versions(&desk), ["2"], "{command} after {millis} ms");
        assert_eq!(reprepro(&desk, "list noble").lines().count(), NAMES.len());
        reprepro(&desk, "checkpool");
        reprepro(&desk, "check");
        assert!(!base(&desk).join("gnupg").exists());
    }
    eprintln!("{killed} were killed");
    assert!(killed >= 8, "only {killed} were killed");
}
