//! Snaps are installed, run and refreshed, with their base and with snapd itself.

use super::shop::{FIRST, SECOND, app_of_epoch, bring, desk, serve};
use crate::support::snapd::{Build, Snapd, cage};

/// Fails unless `snap list` has each snap in this revision, and each is mounted as the current one.
#[track_caller]
fn installed(snapd: &Snapd, revision: u64) {
    let list = snapd.snap("list").ok().out;
    for name in ["gapbase", "gapword", "snapd"] {
        let line = list.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{list}"));
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let version = format!("{revision}.0");
        assert_eq!(fields, [name, &version, &revision.to_string(), "latest/stable", "gap-publisher**"]);
        let mounted =
            format!("grep ' /snap/{name}/{revision} squashfs ' /proc/mounts; cat /snap/{name}/current/meta/snap.yaml");
        let mounted = snapd.shell(&mounted).ok().out;
        assert!(mounted.contains(&format!("version: '{version}'")), "{mounted}");
    }
}

#[test]
fn snaps_are_installed_run_refreshed_and_removed() {
    let Some(cage) = cage(Build::TrustsTests, &[]) else { return };
    let desk = desk(FIRST);
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
    let found = snapd.snap("find gapword").ok().out;
    assert!(found.contains("generated snap gapword"), "{found}");
    let info = snapd.snap("info gapword").ok().out;
    assert!(info.contains("summary:   generated snap gapword") && info.contains("latest/stable:    1.0"), "{info}");

    // It asks for `core`, which is not here.
    let connected = snapd.snap("debug connectivity").ok().out;
    assert!(connected.contains("PASS"), "{connected}");

    // The base and snapd come with it, unasked.
    snapd.snap("install gapword").ok();
    installed(&snapd, 1);
    assert_eq!(snapd.snap("run gapword.says").ok().out, "revision 1\n");
    let again = snapd.snap("refresh").ok();
    assert!(again.err.contains("All snaps up to date."), "{again:?}");

    bring(&desk, SECOND);
    let offered = snapd.snap("refresh --list").ok().out;
    assert!(["gapbase", "gapword", "snapd"].iter().all(|name| offered.contains(name)), "{offered}");
    snapd.snap("refresh").ok();
    installed(&snapd, 2);
    assert_eq!(snapd.snap("run gapword.says").ok().out, "revision 2\n");
    let known = snapd.snap("known snap-revision snap-revision=2").ok().out;
    assert_eq!(known.matches("type: snap-revision").count(), 3, "{known}");

    snapd.snap("revert gapword").ok();
    assert_eq!(snapd.snap("run gapword.says").ok().out, "revision 1\n");
    snapd.snap("remove --purge gapword").ok();
    let missing = snapd.snap("install nothing");
    assert!(missing.code != 0 && missing.err.contains("snap \"nothing\" not found"), "{}", missing.err);
}

/// Revision 3 cannot read what revision 1 has written, and revision 2 can read the data of both.
#[test]
fn snapd_refreshes_over_the_revision_between_two_epochs() {
    let Some(cage) = cage(Build::TrustsTests, &[]) else { return };
    let desk = desk(FIRST);
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
    snapd.snap("install gapword").ok();
    let says = || snapd.snap("run gapword.says").ok().out;
    // Without the revision between, snapd is offered nothing, and keeps what it has.
    bring(&desk, &[app_of_epoch(3, "2*")]);
    snapd.snap("refresh").ok();
    assert_eq!(says(), "revision 1\n");
    bring(&desk, &[app_of_epoch(2, "1*")]);
    // snapd itself asks again after a refresh to another epoch (its task "check-rerefresh").
    snapd.snap("refresh").ok();
    assert_eq!(says(), "revision 3\n");
    let all = snapd.snap("list --all gapword").ok().out;
    // It keeps the last two.
    assert!(["2.0", "3.0"].iter().all(|version| all.contains(version)), "{all}");
    let again = snapd.snap("refresh").ok();
    assert!(again.err.contains("All snaps up to date."), "{again:?}");
}

#[test]
fn stock_snapd_installs_nothing_that_the_tests_signed() {
    let Some(cage) = cage(Build::Stock, &[]) else { return };
    let desk = desk(FIRST);
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
    let refused = snapd.snap("install gapword");
    assert_ne!(refused.code, 0, "stock snapd trusts the tests' root: {}", refused.out);
    assert!(refused.err.contains("account (testsuite) not found"), "{}", refused.err);
    let list = snapd.snap("list");
    assert!(list.err.contains("No snaps are installed yet"), "{list:?}");
}
