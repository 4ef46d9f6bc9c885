//! Suites by their other names: clients may name a suite by its Suite or by its Codename.

use std::os::unix::fs::symlink;

use gapferry::upstream::DebSpec;

use super::odd_archive::{OddArchive, PACKAGES, site_url, yesterday};
use crate::apt_client::AptClient;
use crate::support::server::Server;

/// An archive of `bookworm`, whose Suite is `oldstable` and has a link, as in Debian.
fn archive() -> OddArchive {
    let names = "Origin: Odd\nSuite: oldstable\nCodename: bookworm\nArchitectures: amd64\nComponents: main\n";
    let head = format!("{names}Acquire-By-Hash: yes\nDate: {} UTC\n", yesterday().day_and_time()).into_bytes();
    let archive = OddArchive { head, ..OddArchive::new() };
    let hello = archive.deb(&DebSpec::new("hello", "1.0", "amd64"), "pool/hello.deb", "pool/hello.deb");
    archive.publish_suite("bookworm", &[(PACKAGES, hello.as_bytes())]);
    symlink("bookworm", archive.desk.path("up/dists/oldstable")).unwrap();
    archive
}

#[test]
fn suite_and_codename_both_answer_at_the_site() {
    for publish in ["re-indexed", "verbatim", "reprepro"] {
        for carried in ["bookworm", "oldstable"] {
            if (publish, carried) == ("reprepro", "oldstable") {
                continue; // reprepro knows suites by their codenames alone
            }
            let archive = archive();
            let server = Server::start(&archive.desk.path("up"));
            let url = server.url("").to_string();
            let what = format!("{carried} main amd64");
            archive.desk.select(&archive.desk.table("odd", &url, &what, &format!("publish = \"{publish}\"")));
            archive.desk.init(&["odd"], "");
            archive.desk.ferry();
            let serving = archive.desk.serve();
            let upstream_key =
                archive.write("control.gpg", &crate::support::desk::ARCHIVE_KEY.public_binary().unwrap());
            let site_key = if publish == "verbatim" { upstream_key.clone() } else { super::key(&archive.desk) };
            for named in ["bookworm", "oldstable"] {
                for (url, key) in [(&url, &upstream_key), (&site_url(&serving), &site_key)] {
                    let client = AptClient::new("amd64");
                    client.source("deb", url, named, "main", key);
                    client.updates_without_complaint("");
                    client.apt_get("install -y --download-only hello");
                    assert_eq!(client.downloaded(), ["hello_1.0_amd64.deb"], "{publish} {carried} {named}");
                }
            }
            let told = "setup apt --site site --serve-url http://gapferry.test";
            let sources = archive.desk.run(told).ok().out;
            let suites: Vec<&str> = sources.lines().filter(|line| line.starts_with("Suites:")).collect();
            assert_eq!(suites, [format!("Suites: {carried}")], "{sources}");
        }
    }
}
