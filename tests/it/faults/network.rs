//! Servers that are gone, slow, broken or lying.

use std::time::Duration;

use gapferry::cli::Exit;
use gapferry::export::{Settings, export};
use gapferry::fetch::FetchOptions;
use gapferry::progress::Progress;
use gapferry::selection::Selection;
use gapferry::trust::SecretKey;

use super::{Fault, IN_RELEASE, PACKAGES, deb};
use crate::support::server::{self, Server, Times};
use crate::support::snaps::roots;

#[test]
fn an_upstream_that_is_gone() {
    let Fault { desk, server } = Fault::new();
    let address = server.url("").to_string();
    drop(server);
    desk.export("--json").says(Exit::UpstreamUnavailable, &["cannot reach", &address, "check the network"]);
    let fault = Fault { server: Server::start(&desk.path("up")), desk };
    fault.wrote_nothing();
    fault.select();
    fault.recovers();
}

#[test]
fn a_file_that_is_not_there_in_the_middle_of_the_pool() {
    let fault = Fault::new();
    fault.server.fault(&deb(3), Times::ALWAYS, server::Fault::Status(404, vec![]));
    fault.desk.export("").says(Exit::UpstreamUnavailable, &[&deb(3), "does not exist", "run again"]);
    fault.wrote_nothing();
    fault.server.heal(&deb(3));
    fault.recovers();
    let mut once = vec![1; PACKAGES];
    once[3] = 2;
    assert_eq!(fault.asked(), once, "what came the first time is not fetched again");
}

#[test]
fn lies_about_lengths_and_bodies_that_go_on() {
    for (lie, words) in [
        (server::Fault::Announce(1 << 40), "is larger than the"),
        (server::Fault::Announce(50_000), "bytes where"),
        (server::Fault::ChunkedExtra(10_000_000), "is larger than the"),
        (server::Fault::Flip(50_000), "is signed; nothing of it was kept"),
    ] {
        let fault = Fault::new();
        fault.server.fault(&deb(2), Times::ALWAYS, lie.clone());
        fault.desk.export("").says(Exit::VerificationFailed, &[&deb(2), words]);
        fault.wrote_nothing();
        let tried = fault.asked();
        fault.server.heal(&deb(2));
        fault.recovers();
        let again: usize = fault.asked().iter().sum::<usize>() - tried.iter().sum::<usize>();
        assert_eq!(again, 1, "{lie:?}: only what is missing is fetched");
    }
}

/// With the library, since the program waits longer than a test should. All cases at once, since each of them mostly waits.
#[test]
fn a_server_that_drips_or_falls_silent() {
    let drip = server::Fault::Drip(Duration::from_millis(20));
    std::thread::scope(|scope| {
        for (slow, words) in [(drip, "bytes per second where"), (server::Fault::StallAt(1000), "sent nothing for")] {
            for path in [deb(1), IN_RELEASE.to_owned()] {
                let slow = slow.clone();
                scope.spawn(move || is_given_up(&path, slow, words));
            }
        }
    });
}

/// Fails unless an export gives up on the file at `path`, if it is so slow, and says so with `words`.
fn is_given_up(path: &str, slow: server::Fault, words: &str) {
    let fault = Fault::new();
    fault.server.fault(path, Times::ALWAYS, slow);
    let selection = Selection::load(&fault.desk.path("online/selection.toml")).unwrap();
    // Far longer than all other files take.
    let patience = Duration::from_secs(2);
    let options = FetchOptions {
        retries: 1,
        connect_timeout: patience,
        stall_timeout: patience,
        rate_window: patience,
        ..FetchOptions::default()
    };
    let key = SecretKey::load(&fault.desk.path("online/builder.key"), || None).unwrap();
    let (out, workspace) = (fault.desk.path("medium"), fault.desk.path("online/workspace"));
    let progress = Progress::hidden();
    let settings =
        Settings { fetch: options, snap_roots: roots(), ..Settings::new(&out, &workspace, Some(&key), &progress) };
    let error = export(&selection, &settings).map(|exported| exported.folder);
    // InRelease is shorter than where the others stall.
    if path == IN_RELEASE && words.starts_with("sent") && error.is_ok() {
        return;
    }
    let error = error.unwrap_err();
    let text = gapferry::error_class::causes(&error).join(": ");
    assert!(text.contains(words) && text.contains(path), "{text}");
    assert_eq!(Exit::from(error.class()), Exit::UpstreamUnavailable);
    fault.wrote_nothing();
    fault.server.heal(path);
    fault.recovers();
}

#[test]
fn a_server_that_has_hiccups_is_no_error() {
    let fault = Fault::new();
    fault.server.fault(&deb(0), Times(1), server::Fault::CutAt(30_000));
    fault.server.fault(&deb(1), Times(1), server::Fault::Status(503, vec![]));
    fault.server.fault(IN_RELEASE, Times(1), server::Fault::Status(500, vec![]));
    fault.recovers();
    assert_eq!(fault.asked(), [2, 2, 1, 1, 1, 1]);
    let range = fault.server.requests(&deb(0))[1].header("range").map(str::to_owned);
    assert_eq!(range.as_deref(), Some("bytes=30000-"));
}
