//! Upstream's own metadata, byte for byte: clients keep their sources and their keyring.

use std::fs;

use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Upstream};

use super::{candidate, client_with_keyring};
use crate::apt_client::AptClient;
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::server::Server;

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Verbatim", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", version, "amd64"));
    upstream.add("stable", "main", DebSpec::new("elsewhere", version, "amd64"));
    upstream.suite("stable").valid_until = Some(Time::now().unix() + 7 * 24 * 3600);
    desk.archive("up/debian", &mut upstream, &["stable"]);
}

#[test]
fn clients_of_the_upstream_notice_nothing() {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    let server = Server::start(&desk.path("up"));
    let origin = server.url("debian").to_string();
    desk.select(&desk.table("demo", &origin, "stable main amd64", "packages = [\"hello\"]\npublish = \"verbatim\""));
    desk.init(&["demo"], "");
    desk.ferry();
    drop(server); // there is no upstream on this side

    let upstreams = fs::read(desk.path("up/debian/dists/stable/InRelease")).unwrap();
    assert_eq!(fs::read(desk.path("site/current/apt/demo/dists/stable/InRelease")).unwrap(), upstreams);
    let status = desk.run("status --site site").ok().out;
    let words = [
        "1 files that upstream's metadata names are not carried, such as pool/main/e/elsewhere/",
        "clients refuse it from",
    ];
    words.iter().for_each(|words| assert!(status.contains(words), "{status}"));

    let serving = desk.serve();
    let client = AptClient::new("amd64");
    let keyring = client.path("upstream.gpg");
    fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    client.source("deb", &origin, "stable", "main", &keyring);
    let proxy = format!(
        "-o Acquire::http::Proxy=http://{} -o Acquire::http::Proxy::127.0.0.1=http://{}",
        serving.address, serving.address
    );
    client.updates_without_complaint(&proxy);
    client.apt_get(&format!("install -y --download-only {proxy} hello"));
    assert_eq!(client.downloaded(), ["hello_1.0-1_amd64.deb"]);

    // A newer state is seen; going back is not possible for clients, and the command says so.
    publish(&desk, "2.0-1");
    let server = Server::start(&desk.path("up"));
    let moved = server.url("debian").to_string();
    desk.select(&desk.table("demo", &moved, "stable main amd64", "packages = [\"hello\"]\npublish = \"verbatim\""));
    desk.ferry();
    let on_disk = super::client(&desk, "demo", "stable", "main");
    on_disk.source(
        "deb",
        &format!("file://{}/apt/demo", desk.path("site/current").display()),
        "stable",
        "main",
        &keyring,
    );
    on_disk.apt_get("update");
    assert_eq!(candidate(&on_disk, "hello"), "2.0-1");
    let ended = desk.run("rollback --site site --json").ok();
    assert!(ended.err.contains("clients that saw newer metadata keep it"), "{}", ended.err);
    assert_eq!(ended.json()["clients_keep_newer"], serde_json::json!(["apt/demo"]));
    let fresh = client_with_keyring(&desk, &keyring);
    fresh.apt_get("update");
    assert_eq!(candidate(&fresh, "hello"), "1.0-1");
}
