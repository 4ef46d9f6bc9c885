//! Bundles as streams, as over a diode: no way back, and nothing but what is signed is believed.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Payload, Upstream};

use crate::support::desk::{Desk, Ended, end, ended};

fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    desk.select(&desk.table("up", &desk.url("up"), "stable main amd64", ""));
    let path = desk.path("online/selection.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("100 MB", "150 kB")).unwrap();
    desk.init(&["up"], "");
    desk
}

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Up", &["amd64"]);
    for n in 0..6 {
        let payload = Payload::Pseudorandom { size: 60_000, seed: n + version.len() as u64 };
        upstream.add("stable", "main", DebSpec { payload, ..DebSpec::new(&format!("p{n}"), version, "amd64") });
    }
    desk.archive("up", &mut upstream, &["stable"]);
}

const EXPORT: &str = "export online/selection.toml --to - --key online/builder.key --workspace online/workspace";

/// The stream of the next bundle.
fn stream(desk: &Desk) -> Vec<u8> {
    let output = desk.command(EXPORT).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn import(desk: &Desk, bytes: &[u8]) -> Ended {
    let mut command = desk.command("import - --site site");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(bytes); // it may have seen enough
    ended(&child.wait_with_output().unwrap())
}

#[test]
fn what_is_sent_is_published_and_tar_can_read_it() {
    let desk = desk();
    let bytes = stream(&desk);
    import(&desk, &bytes).ok();
    import(&desk, &bytes).says(Exit::NothingNew, &["here already"]);
    // The same, on a medium, by tar.
    fs::write(desk.path("stream.tar"), &bytes).unwrap();
    end(Command::new("tar").args(["-xf", "stream.tar"]).current_dir(desk.path(""))).ok();
    desk.run("verify dc1-base-000001 --builder online/builder.key.pub").ok();
    // What was sent is not kept, and is not sent again.
    assert!(!desk.path("online/workspace/outgoing").exists());
    desk.run(EXPORT).says(Exit::NothingNew, &[]);
    publish(&desk, "2.0-1");
    import(&desk, &stream(&desk)).ok();
}

#[test]
fn a_stream_that_nobody_took_is_sent_again() {
    let desk = desk();
    let mut command = desk.command(EXPORT);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    import(&desk, &stream(&desk)).ok();
}

#[test]
fn a_stream_that_ends_early_is_gone_on_with() {
    let desk = desk();
    let bytes = stream(&desk);
    for part in [0, 100, 600, 1500, 5000] {
        let ended = import(&desk, &bytes[..part]);
        assert!([2, 4, 6].contains(&ended.code), "{ended:?}");
    }
    let most = bytes.len() * 2 / 3;
    import(&desk, &bytes[..most]).says(Exit::VolumesMissing, &["send it again"]);
    assert!(
        desk.run("status --site site")
            .ok()
            .out
            .contains("dc1-base-000001 is waiting for another run of the same import")
    );
    import(&desk, &bytes).ok();
}

#[test]
fn an_altered_stream_is_refused_wherever_it_was_altered() {
    let desk = desk();
    let bytes = stream(&desk);
    let tail = bytes.windows(11).rposition(|name| name == b"/SHA256SUMS").unwrap() - 100;
    for step in 0..60 {
        let at = (step * tail / 60 + 11 * step).min(tail - 1);
        let mut altered = bytes.clone();
        altered[at] ^= 0x20;
        let ended = import(&desk, &altered);
        assert!([2, 4, 6].contains(&ended.code), "byte {at}: {ended:?}");
    }
    assert!(!desk.path("site/current").exists(), "nothing was published");
    import(&desk, &bytes).ok();
}
