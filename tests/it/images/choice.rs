//! What is taken: filters, `keep`, bootloaders, and what happens where upstream is broken or hostile.

use std::fs;

use gapferry::cli::Exit;
use serde_json::json;

use super::{maas, payload, publish, published, table};
use crate::support::desk::Desk;
use crate::support::server::{Fault, Server, Times};

/// A desk with an upstream that has these serials of jammy, and a site.
fn desk(serials: &[&str]) -> (Desk, Server) {
    let desk = Desk::new();
    publish(&desk, &maas(serials));
    let server = Server::start(&desk.path("up"));
    desk.init(&["maas"], "");
    (desk, server)
}

fn select(desk: &Desk, server: &Server, more: &str) {
    desk.select(&table(desk, server.url("stable").as_str(), more));
}

#[test]
fn an_architecture_does_not_lose_the_bios_bootloader() {
    let (desk, server) = desk(&["20250615", "20250718"]);
    select(&desk, &server, "filter = [\"arch=amd64\", \"release=jammy\"]");
    desk.ferry();
    let newest = |path: &str| path.starts_with("bootloaders/") && path.contains("/20231004.0/");
    assert_eq!(published(&desk), payload(&desk, |path| path.starts_with("jammy/amd64/20250718/") || newest(path)));
    assert!(published(&desk).keys().any(|path| path.contains("i386")));

    select(&desk, &server, "filter = [\"arch=amd64\", \"release=jammy\"]\nbootloaders = false\nkeep = 2");
    let bundle = desk.bundle();
    let items = super::super::journey::items(&desk, &bundle);
    assert!(items.iter().all(|item| item.contains("jammy") || item.contains(":22.04:")), "{items:?}");
    assert_eq!(items.len(), 2 * (2 + 3 * 2));
}

#[test]
fn each_file_is_fetched_once_however_many_products_share_it() {
    let (desk, server) = desk(&["20250718"]);
    select(&desk, &server, "");
    desk.bundle();
    for path in payload(&desk, newest).keys() {
        assert_eq!(server.requests(&format!("stable/{path}")).len(), 1, "{path}");
    }
    let dry = desk.export("--dry-run --force --json").ok().json();
    assert_eq!(dry["fetched"], json!({ "files": 0, "bytes": 0 }));
}

#[test]
fn a_filter_that_matches_nothing_lists_what_there_is() {
    let (desk, server) = desk(&["20250718"]);
    select(&desk, &server, "filter = [\"release=focal\"]");
    desk.export("").says(
        Exit::Usage,
        &["matches nothing", "os=ubuntu release=jammy arch=arm64", "os=centos release=8 arch=amd64"],
    );
    select(&desk, &server, "filter = [\"item_name=squashfs\"]");
    desk.export("").says(Exit::Usage, &["lacks the item boot-initrd", "publish = \"verbatim\""]);
    select(&desk, &server, "filter = [\"release jammy\"]");
    desk.export("").says(Exit::Usage, &["line 9", "release jammy", "key=value"]);
    select(&desk, &server, "filters = [\"release=jammy\"]");
    desk.export("").says(Exit::Usage, &["did you mean `filter`"]);
}

#[test]
fn list_images_shows_what_a_filter_needs() {
    let (desk, server) = desk(&["20250615", "20250718"]);
    let url = server.url("stable/streams/v1/index.sjson");
    let listed = desk.run(&format!("list-images {url} --keyring keyring.gpg")).ok().out;
    let row = listed.lines().find(|line| line.contains("release=jammy  arch=amd64")).unwrap();
    for words in ["os=ubuntu", "20250718", "2 versions", "ga-22.04 ga-22.04-lowlatency hwe-22.04"] {
        assert!(row.contains(words), "{listed}");
    }
    let one = desk.run(&format!("list-images {url} --keyring keyring.gpg --json arch=arm64 os=ubuntu")).ok().json();
    assert_eq!(one["images"].as_array().unwrap().len(), 1);
    let sizes = payload(&desk, |path| path.starts_with("jammy/arm64/"));
    let sizes = sizes.keys().map(|path| fs::metadata(desk.path("up/stable").join(path)).unwrap().len());
    assert_eq!(one["images"][0]["versions"]["20250718"], json!(sizes.sum::<u64>()));
    desk.run(&format!("list-images {url}")).says(Exit::Usage, &["--keyring"]);
    desk.run(&format!("list-images {} --keyring keyring.gpg", server.url("none")))
        .says(Exit::UpstreamUnavailable, &["has no stream"]);
}

#[test]
fn one_bad_file_does_not_stop_the_others_and_all_are_named() {
    let (desk, server) = desk(&["20250718"]);
    select(&desk, &server, "");
    let bad = ["jammy/amd64/20250718/squashfs", "noble/amd64/20250709/squashfs"].map(|path| format!("stable/{path}"));
    server.fault(&bad[0], Times::ALWAYS, Fault::Flip(100));
    server.fault(&bad[1], Times::ALWAYS, Fault::Status(404, vec![]));
    let ended = desk.export("");
    assert!(ended.code != 0 && bad.iter().all(|path| ended.err.contains(path.as_str())), "{}", ended.err);
    bad.iter().for_each(|path| server.heal(path));
    let before: usize = payload(&desk, newest).keys().map(|p| server.requests(&format!("stable/{p}")).len()).sum();
    desk.ferry();
    let after: usize = payload(&desk, newest).keys().map(|p| server.requests(&format!("stable/{p}")).len()).sum();
    assert_eq!(after - before, 2, "only what was missing is fetched");
    assert_eq!(published(&desk), payload(&desk, newest));
}

#[test]
fn what_rots_in_the_workspace_is_found_and_fetched_again() {
    let (desk, server) = desk(&["20250718"]);
    select(&desk, &server, "");
    desk.export("--collect-only").ok();
    let files = payload(&desk, |path| path.ends_with("/squashfs"));
    for digest in files.values() {
        let blob = desk.path("online/workspace/depot/sha256").join(&digest[..2]).join(digest);
        let mut bytes = fs::read(&blob).unwrap();
        bytes[7] ^= 1;
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, bytes).unwrap();
    }
    let ended = desk.export("--json").ok();
    assert_eq!(ended.json()["replaced"], json!(files.len()));
    assert!(ended.err.contains("had changed on disk"), "{}", ended.err);
    desk.import(&desk.path("medium/dc1-base-000001")).ok();
    assert_eq!(published(&desk), payload(&desk, newest));
}

#[test]
fn an_unsigned_stream_is_taken_only_where_both_sides_say_so() {
    use gapferry::upstream::Signing;
    let desk = Desk::new();
    let mut stream = maas(&["20250718"]);
    stream.signing = Signing::Unsigned;
    publish(&desk, &stream);
    let server = Server::start(&desk.path("up"));
    let url = server.url("stable");
    select(&desk, &server, "");
    desk.export("").says(Exit::VerificationFailed, &["nobody signed", "allow-unsigned = true"]);
    let own = |more: &str| format!("[[images]]\nname = \"maas\"\nurl = \"{url}\"\n{more}");
    desk.select(&own(""));
    desk.export("").says(Exit::Usage, &["needs a keyring"]);
    desk.select(&own("allow-unsigned = true"));
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    assert!(inspected.contains("WITHOUT UPSTREAM PROOF"), "{inspected}");
    desk.init(&[], "");
    desk.import(&bundle).says(Exit::Refused, &["without proof by upstream", "allow-unsigned in site.toml"]);
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&[], "--allow-unsigned maas");
    desk.import(&bundle).ok();
    assert_eq!(published(&desk), payload(&desk, newest));
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("WITHOUT UPSTREAM PROOF") || status.contains("without"), "{status}");
}

#[test]
fn a_stream_that_is_signed_beside_itself_is_carried_too() {
    use gapferry::upstream::Signing;
    for publish_as in ["re-indexed", "verbatim"] {
        let desk = Desk::new();
        let mut stream = maas(&["20250718"]);
        stream.signing = Signing::Detached;
        publish(&desk, &stream);
        let server = Server::start(&desk.path("up"));
        select(&desk, &server, &format!("publish = \"{publish_as}\""));
        desk.init(&["maas"], "");
        desk.ferry();
        assert_eq!(published(&desk), payload(&desk, newest), "{publish_as}");
    }
}

/// Of two versions of the bootloaders the newer one, which is what `keep = 1` leaves, and all else.
fn newest(path: &str) -> bool {
    !path.contains("/20230222.0/")
}
