//! Upstreams, networks and disks that fail: the documented code, words that help, and nothing lost for the next run.

mod disk;
mod malformed;
mod metadata;
mod network;
mod resume;

use gapferry::upstream::Upstream;

use crate::support::desk::{Desk, heavy, names};
use crate::support::server::Server;

/// How many packages the upstream has.
const PACKAGES: usize = 6;

/// A desk whose selection takes all of an upstream behind a server that can be made to fail.
struct Fault {
    desk: Desk,
    server: Server,
}

/// Where a package is at the upstream.
fn deb(number: usize) -> String {
    format!("pool/main/p/package-{number}/package-{number}_1.0-1_amd64.deb")
}

const IN_RELEASE: &str = "dists/stable/InRelease";

fn upstream() -> Upstream {
    let mut upstream = Upstream::new("Faulty", &["amd64"]);
    for number in 0..PACKAGES {
        upstream.add("stable", "main", heavy(&format!("package-{number}"), "1.0-1", 100_000));
    }
    upstream.by_hash = false;
    upstream
}

impl Fault {
    fn new() -> Self {
        Self::of(upstream())
    }

    fn of(mut upstream: Upstream) -> Self {
        let desk = Desk::new();
        desk.archive("up", &mut upstream, &["stable"]);
        let server = Server::start(&desk.path("up"));
        let fault = Self { desk, server };
        fault.select();
        fault
    }

    fn select(&self) {
        self.desk.select(&self.desk.table("demo", self.server.url("").as_str(), "stable main amd64", ""));
    }

    /// How often each package was asked for.
    fn asked(&self) -> Vec<usize> {
        (0..PACKAGES).map(|number| self.server.requests(&deb(number)).len()).collect()
    }

    /// The export goes well now, and the site takes what it made.
    #[track_caller]
    fn recovers(&self) {
        self.desk.init(&["demo"], "");
        let imported = self.desk.ferry();
        assert_eq!((&imported["items"], &imported["generation"]), (&PACKAGES.into(), &1.into()));
        assert_eq!(names(&self.desk.path("medium")), ["dc1-base-000001"], "no sequence was used up");
    }

    /// Nothing came out, not even half of it.
    #[track_caller]
    fn wrote_nothing(&self) {
        assert_eq!(names(&self.desk.path("medium")), [""; 0]);
    }
}
