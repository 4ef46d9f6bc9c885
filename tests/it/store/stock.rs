//! The stock `snap` program as a client: it reads all that the store says, and refuses it for nothing but its root.

use std::process::Command;

use gapferry::formats::assertions::Sha3;

use super::fixture::desk;
use crate::snapd_clients::shop::serve;
use crate::support::desk::{Desk, Ended, Serving, end};
use crate::support::snapd::{Build, Snapd, cage};
use crate::support::snaps::{snap, snap_id};

pub(crate) fn client(desk: &Desk, serving: &Serving, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", serving.address);
    let mut command = Command::new("snap");
    command.args(arguments).current_dir(desk.path("medium")).env("HOME", desk.path("medium")).env("LC_ALL", "C.UTF-8");
    command.env("SNAPPY_FORCE_API_URL", &url).env("SNAPPY_FORCE_SAS_URL", &url).env("UBUNTU_STORE_ARCH", "amd64");
    end(&mut command)
}

#[test]
fn stock_snap_reads_the_assertions() {
    let desk = desk();
    let serving = desk.serve();
    let digest = format!("snap-sha3-384={}", Sha3::of(&snap("words", 3)));
    let ended = client(&desk, &serving, &["known", "--remote", "snap-revision", &digest]).ok();
    assert!(ended.out.contains(&format!("snap-id: {}\n", snap_id("words"))), "{}", ended.out);
    let id = format!("snap-id={}", snap_id("words"));
    let ended = client(&desk, &serving, &["known", "--remote", "snap-declaration", "series=16", &id]).ok();
    assert!(ended.out.contains("snap-name: words\n"), "{}", ended.out);
    let ended = client(&desk, &serving, &["known", "--remote", "account", "account-id=nobody"]);
    assert!(ended.code != 0 && ended.err.contains("not found"), "{}", ended.err);
}

#[test]
fn stock_snap_downloads_and_then_misses_its_own_root() {
    let desk = desk();
    let serving = desk.serve();
    let ended = client(&desk, &serving, &["download", "words", "--channel=edge"]);
    assert_ne!(ended.code, 0, "stock snap trusts the tests' root: {}", ended.out);
    assert!(ended.err.contains("testsuite"), "{}", ended.err);
    let bytes = std::fs::read(desk.path("medium/words_5.snap")).expect("the download comes before the assertions");
    assert!(bytes == snap("words", 5));
    for (arguments, words) in [
        (&["download", "nothing"][..], "cannot download snap \"nothing\": snap not found"),
        (&["download", "words", "--revision=99"], "no snap revision available"),
        (&["download", "large", "--channel=3/stable"], "no snap revision available"),
    ] {
        let ended = client(&desk, &serving, arguments);
        assert!(ended.code != 0 && ended.err.contains(words), "{}", ended.err);
    }
}

#[test]
fn stock_snapd_finds_describes_and_downloads() {
    let Some(cage) = cage(Build::Stock, &[]) else { return };
    let desk = desk();
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let snapd = Snapd::start(cage, Some("http://127.0.0.1"));
    for (arguments, words) in [
        ("find large", &["large", "11.0", "gap-publisher", "large in one line"][..]),
        (
            "info --verbose words",
            &["publisher: Gap (gap-publisher", "latest/stable:    3.0 2025-01-01 (3) 135kB", "latest/edge:      ^"],
        ),
        ("info nothing", &["no snap found for \"nothing\""]),
        // The download was well, and so is all that is said of it but for who says it.
        ("install core-gap", &["account (testsuite) not found"]),
    ] {
        let ended = snapd.snap(arguments);
        let text = ended.out + &ended.err;
        words.iter().for_each(|word| assert!(text.contains(word), "{arguments}: {word:?} is not in: {text}"));
    }
    let log = snapd.whole_log();
    assert!(log.contains("Catalog refresh succeeded"), "{log}");
}
