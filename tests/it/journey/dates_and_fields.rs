//! Fields of a re-indexed suite's Release that clients read beside its indexes: its date, and those of upstream.

use gapferry::upstream::{DebSpec, Upstream};

use super::{candidate, client, key};
use crate::apt_client::{AptClient, complaint_free, run};
use crate::support::desk::{Desk, at_clock};

fn desk(version: &str) -> Desk {
    let desk = Desk::new();
    publish(&desk, version);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    desk.init(&["demo"], "");
    desk
}

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Fields", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    upstream.suite("stable").edit_release = |text| {
        let more = "Changelogs: https://changelogs.invalid/@CHANGEPATH@_changelog\nSnapshots: https://snapshots.invalid/@SNAPSHOTID@/\n\
                    Signed-By: 0123456789012345678901234567890123456789\n";
        text.replace("Description: ", &format!("{more}Description: "))
    };
    desk.archive("up", &mut upstream, &["stable"]);
}

#[test]
fn changelogs_are_looked_up_where_upstream_has_them() {
    let desk = desk("1.0-1");
    desk.ferry();
    let site = client(&desk, "demo", "stable", "main");
    let upstream = AptClient::new("amd64");
    let unsigned_by = desk.path("keyring.gpg");
    upstream.source("deb", &desk.url("up"), "stable", "main", &unsigned_by);
    for client in [upstream, site] {
        client.updates_without_complaint("");
        let found = run(client.command("apt-get").args(["changelog", "--print-uris", "hello"]));
        assert!(found.contains("https://changelogs.invalid/main/h/hello/hello_1.0-1_changelog"), "{found}");
    }
    let release = std::fs::read_to_string(desk.path("site/current/apt/demo/dists/stable/Release")).unwrap();
    assert!(release.contains("Snapshots: https://snapshots.invalid/@SNAPSHOTID@/\n"), "{release}");
    assert!(!release.contains("Signed-By"), "the site's key signs: {release}");
}

/// Updates with a clock of its own.
fn update_at(client: &AptClient, clock: &str) {
    let mut update = client.command("apt-get");
    update.arg("update");
    complaint_free(&mut at_clock(&update, clock));
}

#[test]
fn a_client_whose_clock_is_behind_takes_what_was_just_imported() {
    let desk = desk("1.0-1");
    desk.ferry();
    let site = client(&desk, "demo", "stable", "main");
    site.source(
        "deb",
        &format!("copy:{}/apt/demo", desk.path("site/current").display()),
        "stable",
        "main",
        &key(&desk),
    );
    let upstream = AptClient::new("amd64");
    upstream.source("deb", &desk.url("up"), "stable", "main", &desk.path("keyring.gpg"));
    for client in [&upstream, &site] {
        update_at(client, "-120s");
        assert_eq!(candidate(client, "hello"), "1.0-1");
    }
    // Dates rise from one import to the next, however soon that comes.
    for version in ["1.0-2", "1.0-3"] {
        publish(&desk, version);
        desk.ferry();
        update_at(&site, "-120s");
        assert_eq!(candidate(&site, "hello"), version);
    }
}
