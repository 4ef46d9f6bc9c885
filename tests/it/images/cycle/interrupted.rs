//! Exports that are killed in the middle of an update.

use std::fs;
use std::process::Stdio;

use gapferry::depot::Depot;
use gapferry::upstream::{Stream, UbuntuSerial};

use super::{Cycle, SERIALS, maas, publish, serials};
use crate::support::desk::{Desk, names, wait_for};
use crate::support::server::{Fault, Server, Times};

/// The newest serial of jammy, with a root file system that takes its time.
fn update() -> Stream {
    let mut stream = maas(&SERIALS[..1]);
    let kernels = ["ga-22.04", "hwe-22.04", "ga-22.04-lowlatency"];
    let jammy = UbuntuSerial::new("jammy", "22.04", "amd64", SERIALS[1]).kernels(&kernels);
    stream.ubuntu(&UbuntuSerial { squashfs_bytes: 8_000_000, ..jammy });
    stream
}

const EXPORT: &str = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";

/// Starts an export, and kills it once it has asked for `path`, which does not come to its end, and `is_time`.
fn kill(desk: &Desk, upstream: &Server, path: &str, is_time: impl Fn() -> bool) {
    let asked = upstream.requests(path).len();
    let mut child = desk.command(EXPORT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let asked_and_time = || {
        assert!(child.try_wait().unwrap().is_none(), "the export ended by itself: {path}");
        (upstream.requests(path).len() > asked && is_time()).then_some(())
    };
    wait_for(|| format!("{path} was never on its way"), asked_and_time);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_export_leaves_nothing_behind() {
    let cycle = Cycle::new(1);
    let Cycle { desk, upstream, .. } = &cycle;
    assert_eq!(cycle.mirror("out", &["--max=1"]), serials(..1));
    publish(desk, &update());
    let partial = desk.path("online/workspace/depot/partial");
    let largest = || {
        let lengths =
            fs::read_dir(&partial).into_iter().flatten().filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
        lengths.max().unwrap_or(0)
    };
    let squashfs = format!("stable/jammy/amd64/{}/squashfs", SERIALS[1]);
    for (path, at, enough) in [
        ("stable/streams/v1/index.sjson", 100, 0),
        ("stable/streams/v1/com.ubuntu.maas:stable:v3:download.sjson", 1000, 0),
        (squashfs.as_str(), 6_000_000, 4_000_000),
    ] {
        upstream.fault(path, Times(1), Fault::StallAt(at));
        kill(desk, upstream, path, || largest() >= enough);
        assert_eq!(names(&desk.path("medium")), ["dc1-base-000001"], "killed at {path}");
    }
    // The same command again.
    desk.run(EXPORT).ok();
    assert_eq!(names(&desk.path("medium")), ["dc1-base-000001", "dc1-base-000002"]);
    assert_eq!(names(&partial), [""; 0]);
    let depot = Depot::open(&desk.path("online/workspace/depot")).unwrap();
    depot.blobs().unwrap().iter().for_each(|blob| depot.verify(blob).unwrap());
    let [.., again] = &upstream.requests(&squashfs)[..] else { unreachable!() };
    assert!(again.header("range").is_some(), "what had come is not fetched again: {again:?}");

    desk.import(&desk.path("medium/dc1-base-000002")).ok();
    assert_eq!(cycle.mirror("out", &["--max=1"]), serials(1..=1));
    assert_eq!(cycle.reachable(), serials(..=1));
}
