//! Snaps are installed and refreshed, with a base and with snapd itself.

use super::shop::{FIRST, SECOND, desk, publish, serve};
use crate::support::snapd::{Build, Snapd, cage};

#[test]
fn snaps_are_installed_and_refreshed() {
    let Some(cage) = cage(Build::TrustsTests, &[]) else { return };
    let desk = desk(FIRST);
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
    let ended = snapd.snap("install gapword").ok();
    eprintln!("{}{}", ended.out, ended.err);
    eprintln!("{}", snapd.snap("list").ok().out);
    eprintln!("{}", snapd.snap("changes").ok().out);
    publish(&desk, 2, &[FIRST, SECOND].concat());
    let ended = snapd.snap("refresh").ok();
    eprintln!("{}{}", ended.out, ended.err);
    eprintln!("{}", snapd.snap("list").ok().out);
    eprintln!("{}", snapd.shell("grep squashfs /proc/mounts; ls -l /snap/* /snap/bin; cat bin/systemctl.log").ok().out);
    eprintln!("{}", snapd.snap("run gapword").ok().out);
}
