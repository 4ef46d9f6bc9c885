//! The samples in `manifests/`, with a generated stream in the place of MAAS's own: behind a name server that leads to
//! `gapferry serve`, the reference client keeps upstream's address.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::{maas, payload_below};
use crate::apt_client::run;
use crate::stream_client::StreamClient;
use crate::support::desk::{ARCHIVE_KEY, Desk, end};
use crate::support::server::Server;

const UPSTREAM: &str = "http://images.maas.io/ephemeral-v3/stable";

/// A desk whose site has what the sample selects.
fn ferried(sample: &str) -> Desk {
    let desk = Desk::new();
    maas(&["20250615", "20250718"]).write_to(&desk.path("up/ephemeral-v3/stable"), &ARCHIVE_KEY).unwrap();
    fs::write(desk.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    let sample = format!("{}/manifests/{sample}", env!("CARGO_MANIFEST_DIR"));
    let keyring = desk.path("keyring.gpg");
    let text = fs::read_to_string(sample).unwrap();
    let text = text.replace("/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg", keyring.to_str().unwrap());
    fs::write(desk.path("online/selection.toml"), text).unwrap();
    let server = Server::start(&desk.path("up"));
    let mut export =
        desk.command("export online/selection.toml --out medium --key online/builder.key --workspace ws --json");
    let bundle =
        end(export.env("http_proxy", server.url("").as_str())).ok().json()["bundle"].as_str().unwrap().to_owned();
    desk.init(&["maas"], "");
    desk.import(&desk.path(&bundle)).ok();
    desk
}

/// What a client of upstream's address mirrors from the site.
fn mirrored(desk: &Desk, keyring: &[u8], arguments: &[&str]) -> BTreeMap<String, String> {
    let serving = desk.serve();
    let client = StreamClient::new(keyring).behind(&serving.address);
    client.mirror(UPSTREAM, &desk.path("out"), arguments);
    payload_below(&desk.path("out"), |_| true)
}

#[test]
fn a_client_of_upstream_gets_the_images_that_the_first_sample_selects() {
    let desk = ferried("maas-images.toml");
    let keyring = fs::read(desk.path("site/current/keys/site.gpg")).unwrap();
    let files = mirrored(&desk, &keyring, &[]);
    let bootloader = |path: &str| path.contains("/20231004.0/");
    let selected = |path: &str| path.starts_with("jammy/amd64/20250718/") || path.starts_with("noble/amd64/");
    assert_eq!(files, payload_of(&desk, |path| selected(path) || bootloader(path)));
}

#[test]
fn a_client_of_upstream_that_trusts_upstream_gets_the_second_sample() {
    let desk = ferried("maas-verbatim.toml");
    let arguments = ["os=ubuntu", "release=noble", "--max=2"];
    let files = mirrored(&desk, &ARCHIVE_KEY.public_binary().unwrap(), &arguments);
    assert_eq!(files, payload_of(&desk, |path| path.starts_with("noble/")));
}

#[test]
fn images_are_served_in_ranges_and_metadata_whole() {
    let desk = ferried("maas-images.toml");
    let serving = desk.serve();
    let get = |path: &str| {
        let url = format!("http://{}/ephemeral-v3/stable/{path}", serving.address);
        run(Command::new("curl").args(["-s", "-i", "-H", "Host: images.maas.io", "-r", "10-19", &url]))
    };
    let image = get("jammy/amd64/20250718/squashfs.manifest");
    assert!(image.starts_with("HTTP/1.1 206") && image.contains("content-range: bytes 10-19/"), "{image}");
    let index = get("streams/v1/index.sjson");
    assert!(index.starts_with("HTTP/1.1 200") && index.contains("BEGIN PGP SIGNED MESSAGE"), "{index}");
}

#[test]
fn every_sample_is_a_selection() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests")).unwrap() {
        let path = entry.unwrap().path();
        gapferry::selection::Selection::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn payload_of(desk: &Desk, passes: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    payload_below(&desk.path("up/ephemeral-v3/stable"), passes)
}
