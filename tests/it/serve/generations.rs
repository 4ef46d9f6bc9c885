//! A new generation in the middle of a client's work, with real clients.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use gapferry::formats::openpgp::SiteKey;
use gapferry::kind::Kind;
use gapferry::site::{Pinning, pin};

use super::between::between;
use super::tree::{desk as empty_desk, generation, published, switch};
use super::{fetch, publish, select};
use crate::apt_client::{AptClient, run};
use crate::stream_client::StreamClient;
use crate::support::desk::{ARCHIVE_KEY, Desk, end};
use crate::support::server::Server;
use crate::support::snaps::snap;
use crate::support::world::{World, bring};
use crate::support::yum::{REPOSITORY_KEY, Yum};

/// apt has read InRelease of one generation, and finds the indexes and packages that it names after the next two have come.
#[test]
fn apt_finishes_on_the_generation_that_it_began_with() {
    for publish_as in ["re-indexed", "verbatim"] {
        let desk = super::desk(publish_as);
        let serving = desk.serve();
        let later = || {
            for version in ["2", "3"] {
                publish(&desk, version);
                let server = Server::start(&desk.path("up"));
                select(&desk, &server, publish_as);
                desk.ferry();
            }
        };
        let apt = AptClient::new("amd64");
        let key = if publish_as == "verbatim" { "keyring.gpg" } else { "site/current/keys/site.gpg" };
        let uri = format!("http://{}/apt/demo", serving.address);
        apt.source("deb", &uri, "stable", "main", &desk.path(key));
        between(&serving.address, "InRelease", later, |proxy| {
            apt.apt_get(&format!("update -o Acquire::http::Proxy=http://{proxy}"));
        });
        let plan = apt.apt_get("install -s -y changing");
        assert!(plan.contains("Inst changing (1 "), "{publish_as}: {plan}");
        apt.apt_get("install -y --download-only changing");
        apt.apt_get("update");
        let plan = apt.apt_get("install -s -y changing");
        assert!(plan.contains("Inst changing (3 "), "{publish_as}: {plan}");
        // What was withdrawn stays until the old generations go.
        let old = "/apt/demo/pool/main/c/changing/changing_1_all.deb";
        assert_eq!(fetch(&serving, old).0, 200, "{publish_as}");
        desk.run("gc --site site --keep 1").ok();
        assert_eq!(fetch(&serving, old).0, 404, "{publish_as}");
    }
}

#[test]
fn sstream_mirror_finishes_on_the_products_that_it_has_read() {
    let desk = Desk::new();
    let server = Server::start(&desk.path("up"));
    let published = |serial: &str| {
        crate::images::publish(&desk, &crate::images::maas(&[serial]));
        desk.select(&crate::images::table(&desk, server.url("stable").as_str(), "publish = \"verbatim\""));
    };
    published("20250515");
    desk.init(&["maas"], "");
    desk.ferry();
    let serving = desk.serve();
    let later = || {
        for serial in ["20250615", "20250718", "20250801"] {
            published(serial);
            desk.ferry();
        }
    };
    let base = format!("http://{}/images/maas", serving.address);
    let out = desk.path("out");
    between(&serving.address, "/20250515/", later, |proxy| {
        let client = StreamClient::new(&ARCHIVE_KEY.public_binary().unwrap()).behind(proxy);
        client.mirror(&base, &out, &["arch=amd64", "release=jammy"]);
    });
    assert!(out.join("jammy/amd64/20250515").is_dir() && !out.join("jammy/amd64/20250801").exists());
}

/// Stock snap asks for the snap, fetches it, and asks for what vouches for it.
#[test]
fn snap_download_finishes_on_the_store_that_it_has_asked() {
    use crate::store::fixture;
    let desk = fixture::desk();
    let serving = desk.serve();
    let later = || {
        fixture::generation(&desk, 2, &[("core-gap", 7, &["all"])], &[("core-gap", "amd64", "latest/stable", 7)]);
    };
    between(&serving.address, "/v2/snaps/refresh", later, |proxy| {
        let url = format!("http://{proxy}");
        let mut command = Command::new("snap");
        command.args(["download", "words"]).current_dir(desk.path("medium")).env("HOME", desk.path("medium"));
        command.env("SNAPPY_FORCE_API_URL", &url).env("SNAPPY_FORCE_SAS_URL", &url).env("UBUNTU_STORE_ARCH", "amd64");
        let ended = end(&mut command);
        // As far as stock snap comes: to a root that it does not trust, behind all assertions.
        assert!(ended.code != 0 && ended.err.contains("testsuite"), "{}", ended.err);
    });
    assert!(fs::read(desk.path("medium/words_3.snap")).unwrap() == snap("words", 3));
    let found = |name| fetch(&serving, &format!("/v2/snaps/info/{name}")).0;
    assert_eq!((found("core-gap"), found("words")), (200, 404), "what is offered is of the current generation");
}

#[test]
fn only_what_never_changes_is_taken_from_older_generations() {
    let desk = empty_desk();
    let what = [
        published(Kind::Apt, "u", "http://u.test/ubuntu"),
        published(Kind::Images, "m", "http://m.test/"),
        published(Kind::Snaps, "s", "https://s.test/"),
    ];
    let text = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
    let by_hash = "apt/u/dists/x/main/binary-amd64/by-hash/SHA256/0a";
    let old = [
        text("apt/u/pool/a.deb", "old"),
        text("apt/u/pool/both.deb", "old"),
        text(by_hash, "old"),
        text("images/m/20250101/disk.img", "old"),
        text("snaps/s/a_1.snap", "old"),
        text("apt/u/dists/x/InRelease", "old"),
        text("apt/u/dists/gone/InRelease", "old"),
        text("images/m/streams/v1/gone.json", "old"),
        text("snaps/s/a_1.assert", "old"),
        text("keys/old.gpg", "old"),
        text("proofs/apt/u/x.deb", "old"),
    ];
    generation(&desk, 1, &what, &old);
    generation(&desk, 2, &what, &[text("apt/u/pool/a.deb", "newer"), text("apt/u/pool/both.deb", "newer")]);
    generation(&desk, 3, &what, &[text("apt/u/pool/both.deb", "newest"), text("apt/u/dists/x/InRelease", "newest")]);
    // One that was built and never switched to.
    generation(&desk, 4, &what, &[text("apt/u/pool/next.deb", "next")]);
    switch(&desk, 3);
    let serving = desk.serve();
    let body = |target: &str| {
        let (status, body) = fetch(&serving, target);
        (status == 200).then(|| String::from_utf8(body).unwrap())
    };
    for (path, wanted) in [
        ("apt/u/pool/a.deb", Some("newer")),
        ("apt/u/pool/both.deb", Some("newest")),
        (by_hash, Some("old")),
        ("images/m/20250101/disk.img", Some("old")),
        ("snaps/s/a_1.snap", Some("old")),
        ("apt/u/dists/x/InRelease", Some("newest")),
        ("apt/u/dists/gone/InRelease", None),
        ("images/m/streams/v1/gone.json", None),
        ("snaps/s/a_1.assert", None),
        ("keys/old.gpg", None),
        ("proofs/apt/u/x.deb", None),
        ("apt/u/pool/next.deb", None),
    ] {
        assert_eq!(body(&format!("/{path}")).as_deref(), wanted, "{path}");
    }
    let answer = super::ask(&serving, "GET", "/ubuntu/pool/a.deb", "Host: u.test\r\n");
    assert!(answer.status == 200 && answer.body == b"newer");
    assert_eq!(super::ask(&serving, "GET", "/ubuntu/dists/gone/InRelease", "Host: u.test\r\n").status, 404);
}

/// Keys change under their names when others are pinned, and what is pinned again is an old file. curl keeps what it has unless
/// the server's is newer by a second.
#[test]
fn a_key_that_is_pinned_again_reaches_clients_with_a_copy() {
    let world = World::new(Arc::new(Yum), "100 MB");
    let site = world.site("site");
    let server = gapferry::serve::Server::start(&site, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let url = format!("http://{}/keys/yum/rocky.asc", server.address);
    let (source, _) = world.content.pins(&world.path("upstream")).remove(0);
    let key = REPOSITORY_KEY.public_binary().unwrap();
    let other = SiteKey::generate("Other <other@test.invalid>", 1_700_000_000).unwrap().public_binary().unwrap();
    for (state, keys) in [(1, key.clone()), (2, [key.clone(), other].concat()), (3, key)] {
        fs::write(world.path("pinned"), keys).unwrap();
        pin(&site, &source, &world.path("pinned"), Pinning::Replace).unwrap();
        world.publish(state);
        bring(&site, &world.bundle()).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--noproxy", "*", "-R", "-z", "copy", "-o", "copy", &url]).current_dir(world.path(""));
        run(&mut curl);
        let published = fs::read(world.path("site/current/keys/yum/rocky.asc")).unwrap();
        assert!(fs::read(world.path("copy")).unwrap() == published, "state {state}");
    }
}
