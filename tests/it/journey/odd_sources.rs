//! Source lists as they really are: apt's own reader is the control.

use std::fs;

use gapferry::demo::upstream::{DebSpec, Upstream};
use gapferry::formats::openpgp::Keyring;

use super::candidate;
use crate::apt_client::AptClient;
use crate::support::desk::{ARCHIVE_KEY, Desk};

fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Lists", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    fs::write(desk.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    desk
}

/// Lets apt read the list from the upstream, carries it, and lets apt read the site.
fn is_carried(desk: &Desk, file: &str, text: &str) {
    let control = AptClient::new("amd64");
    fs::write(control.path("etc/apt/sources.list.d").join(file), text).unwrap();
    control.apt_get("update");
    assert_eq!(candidate(&control, "hello"), "1.0-1");

    fs::write(desk.path("online").join(file), text).unwrap();
    desk.select(&format!("[[apt]]\nname = \"host\"\nsources = \"{file}\"\narchitectures = [\"amd64\"]\n"));
    desk.init(&["host-up"], "");
    desk.ferry();
    let client = super::client(desk, "host-up", "stable", "main");
    client.apt_get("update");
    assert_eq!(candidate(&client, "hello"), "1.0-1");
}

#[test]
fn quotes_and_keys_of_one_line_lists() {
    let desk = desk();
    let key = Keyring::parse(&ARCHIVE_KEY.public_binary().unwrap()).unwrap().fingerprints().remove(0);
    let signed_by = format!("{},{key}", desk.path("keyring.gpg").display());
    let text = format!("deb [signed-by={signed_by}] \"{}\" \"stable\" main # \"\n", desk.url("up"));
    is_carried(&desk, "host.list", &text);
}

#[test]
fn stanzas_that_are_turned_off_are_not_looked_at() {
    let desk = desk();
    let text = format!(
        "Types: deb\nURIs: {}\nSuites: stable\nComponents: main\nSigned-By: {}\n\n\
         Enabled: no\nTypes: deb\nURIs: cdrom:[x]/ http://a.invalid/$(ARCH)\nSuites: ./\nArchitectures-Remove: i386\n",
        desk.url("up"),
        desk.path("keyring.gpg").display()
    );
    is_carried(&desk, "host.sources", &text);
}

#[test]
fn suites_leave_out_unsupported_entries() {
    let desk = desk();
    let text = format!(
        "deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main\ndeb http://a.invalid ./\n\
         deb [signed-by={}] {} stable main\n",
        desk.path("keyring.gpg").display(),
        desk.url("up")
    );
    fs::write(desk.path("online/host.list"), text).unwrap();
    desk.select(
        "[[apt]]\nname = \"host\"\nsources = \"host.list\"\nsuites = [\"stable\"]\narchitectures = [\"amd64\"]\n",
    );
    desk.export("").ok();
}
