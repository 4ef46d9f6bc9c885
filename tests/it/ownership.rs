//! Names, addresses and dates that a thief of the builder's key, a mirror or a second selection would take over, with real apt as
//! the victim or the judge.

mod addresses;
mod bundle_names;
mod dates;
mod pins;
mod suites;

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::bundle::Manifest;
use gapferry::demo::upstream::{DebSpec, Upstream, build_deb};
use gapferry::depot::Depot;
use gapferry::trust::SecretKey;

use crate::apt_client::AptClient;
use crate::support::desk::{Desk, Serving, end};
use crate::support::lies::repack;
use crate::support::server::Server;

/// The address of the archive that the sites publish.
const ARCHIVE: &str = "http://archive.example/ubuntu";

/// Writes the archive below `up/ubuntu` with one package in one suite.
fn archive(desk: &Desk, suite: &str, package: &str, version: &str) {
    let mut upstream = Upstream::new("Ubuntu", &["amd64"]);
    upstream.add(suite, "main", DebSpec::new(package, version, "amd64"));
    desk.archive("up/ubuntu", &mut upstream, &[suite]);
}

/// The next bundle of the selection, whose HTTP addresses all lead to the folder `up`.
#[track_caller]
fn bundle(desk: &Desk) -> PathBuf {
    let server = Server::start(&desk.path("up"));
    let mut command = desk.command(
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --json",
    );
    let ended = end(command.env("http_proxy", server.url("").as_str())).ok();
    desk.path(ended.json()["bundle"].as_str().unwrap())
}

fn manifest(bundle: &Path) -> Manifest {
    Manifest::parse(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap()
}

/// A bundle that a thief of the builder's key makes of an honest one, with the next sequence.
fn forge(desk: &Desk, honest: &Manifest, edit: impl FnOnce(&mut Manifest)) -> PathBuf {
    let key = SecretKey::load(&desk.path("online/builder.key"), || None).unwrap();
    let depot = Depot::open(&desk.path("online/workspace/depot")).unwrap();
    let out = desk.path("forged");
    let _ = fs::remove_dir_all(&out);
    repack(honest, &[], &depot, (&out, &key), |manifest| {
        manifest.sequence += 1;
        edit(manifest);
        manifest.collections.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    })
}

/// Writes a package that nobody signs into the folder `online/debs` of local packages.
fn own_deb(desk: &Desk, package: &str, version: &str) {
    fs::create_dir_all(desk.path("online/debs")).unwrap();
    let path = desk.path(&format!("online/debs/{package}_{version}.deb"));
    fs::write(path, build_deb(&DebSpec::new(package, version, "amd64")).unwrap()).unwrap();
}

/// A client that asks the site, by a proxy setting, for all of upstream's addresses, and trusts the site's key.
fn client(desk: &Desk, serving: &Serving, uri: &str, suite: &str) -> AptClient {
    let client = AptClient::new("amd64");
    client.source("deb", uri, suite, "main", &desk.path("site/current/keys/site.gpg"));
    let proxy = format!("Acquire::http::Proxy \"http://{}\";\n", serving.address);
    fs::write(client.path("etc/apt/apt.conf.d/proxy"), proxy).unwrap();
    client
}

/// Downloads the package as a client does, and returns the names of the files.
fn downloads(client: &AptClient, package: &str) -> Vec<String> {
    client.apt_get("update");
    client.apt_get(&format!("install -y --download-only {package}"));
    client.downloaded()
}

/// Adds lines to the end of `site.toml`.
fn configure(desk: &Desk, more: &str) {
    let path = desk.path("site/site.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n" + more).unwrap();
}
