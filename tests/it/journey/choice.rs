//! What is taken: recommends, what the target has already, priorities, versions, and what cannot be.

use std::fs;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use super::items;
use crate::support::desk::{Desk, names};

fn desk(more: &str) -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Choice", &["amd64"]);
    let server = DebSpec {
        depends: "libgap1 (>= 1), mailer".into(),
        recommends: "server-doc".into(),
        suggests: "server-gui".into(),
        ..DebSpec::new("server", "2:1.0-1", "amd64")
    };
    let base = DebSpec { priority: "required".into(), essential: true, ..DebSpec::new("base-thing", "1", "amd64") };
    upstream
        .add("stable", "main", server)
        .add("stable", "main", DebSpec::new("libgap1", "1.0-1", "amd64"))
        .add("stable", "main", DebSpec::new("server-doc", "1", "all"))
        .add("stable", "main", DebSpec::new("server-gui", "1", "all"))
        .add("stable", "main", DebSpec { provides: "mailer".into(), ..DebSpec::new("postman", "1", "all") })
        .add("stable", "main", DebSpec { provides: "mailer".into(), ..DebSpec::new("pigeon", "1", "all") })
        .add("stable", "main", DebSpec { depends: "never-made".into(), ..DebSpec::new("broken", "1", "all") })
        .add("stable", "main", base);
    upstream.suite("empty");
    upstream.add("empty", "other", DebSpec::new("only-i386", "1", "i386"));
    desk.archive("up", &mut upstream, &["stable", "empty"]);
    desk.select(&desk.table("choice", &desk.url("up"), "stable main amd64", more));
    desk
}

fn chosen(more: &str) -> Vec<String> {
    let desk = desk(more);
    let items = items(&desk, &desk.bundle());
    let mut names: Vec<String> = items.iter().map(|item| item.split('_').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_is_recommended_comes_along_unless_it_is_not_to() {
    assert_eq!(chosen("packages = [\"server\", \"pigeon\"]"), ["libgap1", "pigeon", "server", "server-doc"]);
    assert_eq!(chosen("packages = [\"server\", \"pigeon\"]\nrecommends = false"), ["libgap1", "pigeon", "server"]);
}

#[test]
fn priorities_are_seeds() {
    assert_eq!(chosen("priorities = [\"required\"]"), ["base-thing"]);
}

#[test]
fn what_the_target_has_is_left_out() {
    let desk = desk("packages = [\"server\", \"pigeon\"]\ninstalled = \"status\"");
    let status = "Package: libgap1\nStatus: install ok installed\nPriority: optional\nSection: misc\nMaintainer: x\n\
                  Architecture: amd64\nVersion: 1.0-1\nDescription: x\n\n";
    fs::write(desk.path("online/status"), status).unwrap();
    assert_eq!(items(&desk, &desk.bundle()), ["pigeon_1_all", "server-doc_1_all", "server_2:1.0-1_amd64"]);
}

#[test]
fn nothing_left_to_carry_is_an_error_and_no_news() {
    let desk = desk("packages = [\"libgap1\"]\ninstalled = \"status\"");
    let status = "Package: libgap1\nStatus: install ok installed\nMaintainer: x\nArchitecture: amd64\nVersion: 1.0-1\n\
                  Description: x\n\n";
    fs::write(desk.path("online/status"), status).unwrap();
    desk.export("").says(Exit::Usage, &["choice", "yields no packages"]);
    assert!(names(&desk.path("medium")).is_empty());
    desk.select(&desk.table("choice", &desk.url("up"), "empty other amd64", ""));
    desk.export("").says(Exit::Usage, &["choice", "yields no packages"]);
}

#[test]
fn a_wrong_wish_is_explained() {
    for (wish, exit, words) in [
        ("packages = [\"sever\"]", Exit::Usage, ["no package is called sever", "did you mean server"]),
        ("packages = [\"mailer\"]", Exit::Usage, ["virtual package", "pigeon, postman"]),
        ("packages = [\"server=9\"]", Exit::Usage, ["there is no server=9", "2:1.0-1"]),
        ("packages = [\"broken\"]", Exit::UpstreamUnavailable, ["cannot be installed", "never-made"]),
        ("tasks = [\"web\"]", Exit::Usage, ["task", "web"]),
        ("priorities = [\"important\"]", Exit::Usage, ["priority", "important"]),
    ] {
        let desk = desk(wish);
        let ended = desk.export("--json").says(exit, &words);
        assert_eq!(ended.json()["outcome"], exit.word(), "{wish}");
        assert!(names(&desk.path("medium")).is_empty());
    }
}

#[test]
fn a_component_or_suite_that_is_not_there() {
    let desk = desk("");
    desk.select(&desk.table("choice", &desk.url("up"), "stable main,universe amd64", ""));
    desk.export("").says(Exit::Usage, &["no component universe", "components main"]);
    desk.select(&desk.table("choice", &desk.url("up"), "stabel main amd64", ""));
    desk.export("").says(Exit::UpstreamUnavailable, &["no suite stabel", "neither InRelease nor Release"]);
}
