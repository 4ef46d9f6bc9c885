//! Wrong clocks: what they may not do to a site, and the ways out. gpgv and apt, whose clocks are right, are the judges.

use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::{candidate, client};
use crate::printed::{command_in, follow};
use crate::support::desk::{Desk, Ended, at_clock, end};

/// A desk with an upstream, and no site yet.
fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    desk
}

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
}

/// Runs gapferry with another clock.
fn at(desk: &Desk, clock: &str, arguments: &str) -> Ended {
    end(&mut at_clock(&desk.command(arguments), clock))
}

/// Returns whether gpgv, with the site's published key, accepts what the site publishes.
fn gpgv_accepts(desk: &Desk) -> bool {
    let mut gpgv = Command::new("gpgv");
    gpgv.arg("--keyring").arg(desk.path("site/current/keys/site.gpg"));
    end(gpgv.arg(desk.path("site/current/apt/demo/dists/stable/InRelease"))).code == 0
}

/// Fails unless a new apt finds this version.
#[track_caller]
fn apt_sees(desk: &Desk, version: &str) {
    let client = client(desk, "demo", "stable", "main");
    client.apt_get("update -o APT::Update::Error-Mode=any");
    assert_eq!(candidate(&client, "hello"), version);
}

#[test]
fn a_clock_far_ahead_is_doubted_before_anything_is_published() {
    let desk = desk();
    desk.init(&["demo"], "");
    let first = desk.bundle().display().to_string();
    let import = format!("import {first} --site site --allow-expired");
    at(&desk, "+200d", &import).says(Exit::WrongClock, &["newest time", "set the clock", "--trust-clock"]);
    at(&desk, "+200d", &format!("{import} --dry-run")).says(Exit::WrongClock, &["--trust-clock"]);
    assert!(!desk.path("site/current").exists());
    desk.import(&desk.path(&first)).ok();
    publish(&desk, "2.0-1");
    desk.ferry();
    at(&desk, "+200d", "rollback --site site").says(Exit::WrongClock, &["--trust-clock"]);
    at(&desk, "+200d", "site rotate-key --site site").says(Exit::WrongClock, &["--trust-clock"]);
    apt_sees(&desk, "2.0-1");
}

/// A site that has published with a clock ahead, by less than is doubted or because it was told to, is right again after one command.
#[test]
fn a_site_that_published_in_the_future_is_corrected_by_the_command_that_is_printed() {
    for (clock, more) in [("+60d", ""), ("+200d", " --allow-expired --trust-clock")] {
        let desk = desk();
        desk.init(&["demo"], "");
        let first = desk.bundle().display().to_string();
        at(&desk, clock, &format!("import {first} --site site{more}")).ok();
        let client = client(&desk, "demo", "stable", "main");
        let refused = end(client.command("apt-get").args(["update", "-o", "APT::Update::Error-Mode=any"]));
        assert!(refused.code != 0 && refused.err.contains("not valid yet"), "{refused:?}");
        publish(&desk, "2.0-1");
        let second = desk.bundle();
        let told = desk.import(&second).says(Exit::WrongClock, &["published at", "set the clock"]);
        assert!(desk.run("status --site site").ok().out.contains("WRONG CLOCK"));
        follow(&desk, "", &command_in(&told.err, "gapferry site redate")).ok();
        assert!(gpgv_accepts(&desk));
        apt_sees(&desk, "1.0-1");
        desk.import(&second).ok();
        apt_sees(&desk, "2.0-1");
        desk.run("site redate --site site").says(Exit::NothingNew, &["nothing to correct"]);
        let status = desk.run("status --site site --json").ok().json();
        assert!(status["future_date"].is_null(), "{status}");
        let log = std::fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
        assert!(log.contains("\"redate\""), "{log}");
    }
}

/// A key that was made in the future signs nothing that a client takes.
#[test]
fn a_site_that_was_made_in_the_future_gets_another_key() {
    let desk = desk();
    let init = "site init site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg";
    at(&desk, "+200d", init).ok();
    let first = desk.bundle();
    let told = desk.import(&first).says(Exit::WrongClock, &["the site's key", "no client takes", "set the clock"]);
    follow(&desk, "", &command_in(&told.err, "gapferry site rotate-key")).ok();
    desk.import(&first).ok();
    assert!(gpgv_accepts(&desk));
    apt_sees(&desk, "1.0-1");
}

/// Key and generation are of the future: each message leads to the next, and the last one corrects both.
#[test]
fn a_site_that_was_made_and_published_in_the_future_is_corrected_step_by_step() {
    let desk = desk();
    let init = "site init site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg";
    at(&desk, "+60d", init).ok();
    let first = desk.bundle().display().to_string();
    at(&desk, "+60d", &format!("import {first} --site site")).ok();
    publish(&desk, "2.0-1");
    let second = desk.bundle();
    let told = desk.import(&second).says(Exit::WrongClock, &["published at"]);
    let told = follow(&desk, "", &command_in(&told.err, "gapferry site redate")).says(Exit::WrongClock, &["key"]);
    desk.run("site rotate-key --site site").says(Exit::WrongClock, &["published at"]);
    follow(&desk, "", &command_in(&told.err, "gapferry site rotate-key")).ok();
    assert!(gpgv_accepts(&desk));
    apt_sees(&desk, "1.0-1");
    desk.import(&second).ok();
    apt_sees(&desk, "2.0-1");
}

/// apt with a wrong clock has taken what was dated in the future, and takes what is right after its lists are removed.
#[test]
fn a_client_whose_clock_was_wrong_too_needs_new_lists() {
    let desk = desk();
    desk.init(&["demo"], "");
    let first = desk.bundle().display().to_string();
    at(&desk, "+60d", &format!("import {first} --site site")).ok();
    let client = client(&desk, "demo", "stable", "main");
    let mut update = client.command("apt-get");
    end(&mut at_clock(update.args(["update", "-o", "APT::Update::Error-Mode=any"]), "+60d")).ok();
    desk.run("site redate --site site").ok();
    publish(&desk, "2.0-1");
    desk.ferry();
    end(client.command("apt-get").arg("update"));
    assert_eq!(candidate(&client, "hello"), "1.0-1", "apt takes no older Date");
    std::fs::remove_dir_all(client.path("var/lib/apt/lists")).unwrap();
    client.apt_get("update -o APT::Update::Error-Mode=any");
    assert_eq!(candidate(&client, "hello"), "2.0-1");
}
