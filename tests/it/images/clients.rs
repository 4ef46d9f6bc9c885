//! A whole stream through export, bundle, import and serve, in both ways of publishing.

use std::fs;
use std::process::Command;

use super::{client, maas, payload, payload_below, publish, published, table};
use crate::apt_client::run;
use crate::stream_client::{StreamClient, files_of};
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::server::Server;

/// Every signed file of the published stream, judged by gpgv with the keyring at `keyring`.
fn gpgv_is_content(desk: &Desk, keyring: &str) {
    let folder = desk.path("site/current/images/maas/streams/v1");
    let mut judged = 0;
    for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--keyring").arg(desk.path(keyring)).arg(&path);
        if let Some(text) = name.strip_suffix(".gpg") {
            gpgv.arg(folder.join(text));
        } else if !name.ends_with(".sjson") {
            continue;
        }
        run(&mut gpgv);
        judged += 1;
    }
    assert!(judged > 0);
}

#[test]
fn sstream_mirror_takes_all_of_a_re_indexed_site() {
    let desk = Desk::new();
    publish(&desk, &maas(&["20250615", "20250718"]));
    let server = Server::start(&desk.path("up"));
    desk.select(&table(&desk, server.url("stable").as_str(), "keep = 2"));
    desk.init(&["maas"], "");
    desk.ferry();
    drop(server); // there is no upstream on this side
    assert_eq!(published(&desk), payload(&desk, |_| true));
    gpgv_is_content(&desk, "site/current/keys/site.gpg");

    let serving = desk.serve();
    let url = format!("http://{}/images/maas", serving.address);
    for path in ["streams/v1/index.sjson", "streams/v1/index.json"] {
        let out = desk.path(path.rsplit('.').next().unwrap());
        client(&desk).mirror(&url, &out, &[&format!("--path={path}")]);
        assert_eq!(payload_below(&out, |_| true), payload(&desk, |_| true), "{path}");
    }
    let paths =
        client(&desk).query(&format!("{url}/streams/v1/index.sjson"), "%(path)s", &["release=jammy", "arch=amd64"]);
    assert_eq!(paths.len(), 2 * 3 * 4, "{paths:?}");
    // Upstream's own key no longer counts here.
    let other = StreamClient::new(&ARCHIVE_KEY.public_binary().unwrap());
    assert!(!other.try_mirror(&url, &desk.path("other"), &[]).status.success());
}

#[test]
fn sstream_mirror_takes_a_verbatim_site_with_the_same_filter() {
    let desk = Desk::new();
    publish(&desk, &maas(&["20250615", "20250718"]));
    let server = Server::start(&desk.path("up"));
    let filter = ["arch=amd64", "release~(jammy|noble)"];
    let more = "filter = [\"arch=amd64\", \"release~(jammy|noble)\"]\nbootloaders = false\npublish = \"verbatim\"";
    desk.select(&table(&desk, server.url("stable").as_str(), more));
    desk.init(&["maas"], "");
    desk.ferry();
    drop(server);
    let upstream = files_of(&desk.path("up/stable/streams"));
    let site = files_of(&desk.path("site/current/images/maas/streams"));
    assert!(!site.is_empty() && site.iter().all(|(path, digest)| upstream.get(path) == Some(digest)), "{site:?}");
    gpgv_is_content(&desk, "keyring.gpg");

    let serving = desk.serve();
    let client = StreamClient::new(&ARCHIVE_KEY.public_binary().unwrap());
    let out = desk.path("out");
    let arguments: Vec<&str> = filter.into_iter().chain(["--max=1"]).collect();
    client.mirror(&format!("http://{}/images/maas", serving.address), &out, &arguments);
    let files = payload_below(&out, |_| true);
    let wanted = payload(&desk, |path| path.starts_with("jammy/amd64/20250718/") || path.starts_with("noble/"));
    assert_eq!(files, wanted);
    assert_eq!(published(&desk), wanted);
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("files that upstream's metadata names are not carried"), "{status}");
}
