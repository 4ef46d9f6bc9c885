//! The cycle of updates, with sstream-mirror as the client of a server that is never restarted: serials come and go, and
//! what a client has read of a moment ago is still there to fetch.

mod interrupted;
mod rollback;

use std::collections::BTreeSet;
use std::path::Path;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::upstream::{DebSpec, Upstream};

use super::{client, maas, payload, publish, table};
use crate::serve::fetch;
use crate::stream_client::files_of;
use crate::support::desk::{Desk, Serving};
use crate::support::server::Server;

const SERIALS: [&str; 5] = ["20250515", "20250615", "20250718", "20250801", "20250915"];

/// Some of [`SERIALS`].
type Serials = BTreeSet<String>;

/// The serials at these places of [`SERIALS`].
fn serials(range: impl std::slice::SliceIndex<[&'static str], Output = [&'static str]>) -> Serials {
    SERIALS[range].iter().map(|&serial| serial.to_owned()).collect()
}

/// Both sides of the gap, and the site's server.
struct Cycle {
    desk: Desk,
    upstream: Server,
    serving: Serving,
    keep: usize,
}

impl Cycle {
    /// Carries `keep` serials of jammy, of which the first `keep` are published.
    fn new(keep: usize) -> Self {
        let desk = Desk::new();
        let upstream = Server::start(&desk.path("up"));
        publish(&desk, &maas(&SERIALS[..keep]));
        select(&desk, &upstream, keep, "");
        desk.init(&["maas", "debs", "more"], "");
        desk.ferry();
        let serving = desk.serve();
        Self { desk, upstream, serving, keep }
    }

    /// The next serial is published and ferried.
    fn update(&self, newest: usize) {
        publish(&self.desk, &maas(&SERIALS[..=newest]));
        self.desk.ferry();
    }

    fn url(&self) -> String {
        format!("http://{}/images/maas", self.serving.address)
    }

    /// The serials that sstream-query sees.
    fn listed(&self) -> Serials {
        let index = format!("{}/streams/v1/index.sjson", self.url());
        let lines = client(&self.desk).query(&index, "%(version_name)s", &["release=jammy", "arch=amd64"]);
        lines.into_iter().collect()
    }

    /// The serials of which the server has all files. Half a serial fails the test.
    #[track_caller]
    fn reachable(&self) -> Serials {
        let whole = |serial: &&str| {
            let files = payload(&self.desk, |path| path.starts_with(&format!("jammy/amd64/{serial}/")));
            let good = files.iter().filter(|(path, digest)| {
                let (status, body) = fetch(&self.serving, &format!("/images/maas/{path}"));
                assert!([200, 404].contains(&status), "{path}: {status}");
                status == 200 && Sha256::of(&body).to_hex() == **digest
            });
            let (good, all) = (good.count(), files.len());
            assert!(good == 0 || good == all, "{serial}: {good} of {all} files");
            good > 0
        };
        SERIALS.into_iter().filter(whole).map(str::to_owned).collect()
    }

    /// sstream-mirror into `out`; the serials that it then has of jammy, each whole.
    #[track_caller]
    fn mirror(&self, out: &str, arguments: &[&str]) -> Serials {
        let out = self.desk.path(out);
        client(&self.desk).mirror(&self.url(), &out, arguments);
        serials_in(&self.desk, &out)
    }

    /// Only the last generation stays.
    fn collect_garbage(&self) {
        self.desk.run("gc --keep 1 --site site").ok();
    }
}

/// The selection: `keep` serials of jammy, and more tables.
fn select(desk: &Desk, upstream: &Server, keep: usize, more: &str) {
    let images = format!("keep = {keep}\nfilter = [\"release=jammy\", \"arch=amd64\"]");
    desk.select(&(table(desk, upstream.url("stable").as_str(), &images) + more));
}

/// The serials of jammy that a client's folder has, each whole and as upstream has it.
#[track_caller]
fn serials_in(desk: &Desk, out: &Path) -> Serials {
    let files = files_of(out);
    let mut there = files.clone();
    there.retain(|path, _| path.starts_with("jammy/amd64/"));
    let found: Serials = there.keys().filter_map(|path| Some(path.split('/').nth(2)?.to_owned())).collect();
    let whole = payload(desk, |path| found.iter().any(|serial| path.starts_with(&format!("jammy/amd64/{serial}/"))));
    assert_eq!(there, whole);
    // All bootloaders, too.
    assert_eq!(files.keys().filter(|path| path.starts_with("bootloaders/")).count() % 6, 0);
    found
}

/// Three updates.
fn serials_move_forward(keep: usize) {
    let cycle = Cycle::new(keep);
    let max = format!("--max={keep}");
    assert_eq!(cycle.mirror("out", &[&max]), serials(..keep));
    for newest in keep..keep + 3 {
        cycle.update(newest);
        let listed = serials(newest + 1 - keep..=newest);
        assert_eq!(cycle.listed(), listed);
        assert_eq!(cycle.mirror("out", &[&max]), listed);
        let reachable = serials(newest - keep..=newest);
        assert!(cycle.reachable().is_superset(&reachable), "what was listed before is there");
        cycle.collect_garbage();
        assert_eq!(cycle.reachable(), reachable, "and nothing older, once older generations are gone");
    }
    // A client that is new and takes all there is.
    assert_eq!(cycle.mirror("all", &[]), serials(3..keep + 3));
}

#[test]
fn serials_move_forward_and_old_ones_go() {
    serials_move_forward(1);
}

#[test]
fn pairs_of_serials_move_forward_and_old_ones_go() {
    serials_move_forward(2);
}

/// Publishes packages, and gives their table.
fn debs(desk: &Desk, name: &str, version: &str) -> String {
    let mut upstream = Upstream::new("Debs", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    desk.archive("debs", &mut upstream, &["stable"]);
    format!("\n{}", desk.table(name, &desk.url("debs"), "stable main amd64", ""))
}

/// Whatever makes new generations without new images, the serial of a moment ago outlives it.
#[test]
fn the_serial_before_outlives_what_changes_no_image() {
    let cycle = Cycle::new(1);
    let desk = &cycle.desk;
    cycle.update(1);
    let check = |what: &str| {
        assert_eq!((cycle.listed(), cycle.reachable()), (serials(1..=1), serials(..=1)), "{what}");
        cycle.collect_garbage();
        assert_eq!(cycle.reachable(), serials(..=1), "{what}");
    };
    check("an update");
    desk.import(&desk.path("medium/dc1-base-000002")).says(Exit::NothingNew, &["is here already"]);
    check("the same bundle");
    let forced = desk.export("--force --json").ok().json();
    desk.import(&desk.path(forced["bundle"].as_str().unwrap())).ok();
    check("a bundle with nothing new");
    for version in ["1.0-1", "2.0-1"] {
        select(desk, &cycle.upstream, cycle.keep, &debs(desk, "debs", version));
        desk.ferry();
        check("new packages");
    }
    desk.select_as("other", &debs(desk, "more", "3.0-1"));
    desk.ferry();
    check("a bundle of another name");
    assert_eq!(cycle.mirror("out", &[]), serials(1..=1));
    desk.run("rollback --site site").says(Exit::Usage, &["no earlier generation"]);
    select(desk, &cycle.upstream, cycle.keep, "");
    cycle.update(2);
    cycle.collect_garbage();
    assert_eq!((cycle.listed(), cycle.reachable()), (serials(2..=2), serials(1..=2)), "the next update ends it");
}

#[test]
fn a_verbatim_stream_keeps_the_serial_before_too_and_goes_back() {
    let desk = Desk::new();
    let upstream = Server::start(&desk.path("up"));
    for newest in 0..3 {
        publish(&desk, &maas(&SERIALS[..=newest]));
        if newest == 0 {
            desk.init(&["maas"], "");
        }
        select(&desk, &upstream, 1, "publish = \"verbatim\"");
        desk.ferry();
    }
    let on_disk = || serials_in(&desk, &desk.path("site/current/images/maas"));
    assert_eq!(on_disk(), serials(1..3), "the one that is carried, and the one before");
    let back = desk.run("rollback --site site --json").ok();
    // Clients of streams take what is there, older or not; only apt would keep what it has seen.
    assert_eq!(back.json()["clients_keep_newer"], serde_json::json!([]));
    assert_eq!(on_disk(), serials(1..3));
    let index = fetch(&desk.serve(), "/images/maas/streams/v1/index.sjson").1;
    let theirs = std::fs::read(desk.path("site/current/proofs/images/maas/streams/v1/index.sjson")).unwrap();
    assert!(index == theirs, "upstream's own index, of the older state");
}
