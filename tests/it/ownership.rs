//! Names, addresses and dates that a thief of the builder's key, a mirror or a second selection would take over, with real apt,
//! dnf and sstream-mirror as the victims or the judges.

mod addresses;
mod bundle_names;
mod dates;
mod flat;
mod gone;
mod pins;
mod rpms;
mod streams;
mod suites;

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit;
use gapferry::collection::Collection;
use gapferry::depot::Depot;
use gapferry::trust::SecretKey;
use gapferry::upstream::{DebSpec, Upstream, build_deb};

use crate::apt_client::AptClient;
use crate::support::desk::{Desk, Ended, Serving, end};
use crate::support::read_bundle::{ReadBundle, read_bundle, repack};
use crate::support::server::Server;

/// The address of the archive that the sites publish.
const ARCHIVE: &str = "http://archive.example/ubuntu";

/// Writes the archive below `up/ubuntu` with one package in one suite.
fn archive(desk: &Desk, suite: &str, package: &str, version: &str) {
    let mut upstream = Upstream::new("Ubuntu", &["amd64"]);
    upstream.add(suite, "main", DebSpec::new(package, version, "amd64"));
    desk.archive("up/ubuntu", &mut upstream, &[suite]);
}

/// Exports the selection, whose HTTP addresses all lead to the folder `up`, with more arguments and `--json`.
fn export(desk: &Desk, more: &str) -> Ended {
    let server = Server::start(&desk.path("up"));
    let words =
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --json";
    end(desk.command(&format!("{words} {more}")).env("http_proxy", server.url("").as_str()))
}

/// The folder of the bundle that an export has made.
#[track_caller]
fn folder_of(desk: &Desk, exported: &Ended) -> PathBuf {
    desk.path(exported.json()["bundle"].as_str().unwrap())
}

/// The next bundle of the selection, whose HTTP addresses all lead to the folder `up`.
#[track_caller]
fn bundle(desk: &Desk) -> PathBuf {
    folder_of(desk, &export(desk, "").ok())
}

fn manifest(bundle: &Path) -> ReadBundle {
    read_bundle(bundle)
}

/// A bundle that a thief of the builder's key makes of an honest one, with the next sequence.
fn forge(desk: &Desk, honest: &ReadBundle, edit: impl FnOnce(&mut ReadBundle)) -> PathBuf {
    let key = SecretKey::load(&desk.path("online/builder.key"), || None).unwrap();
    let depot = Depot::open(&desk.path("online/workspace/depot")).unwrap();
    let out = desk.path("forged");
    let _ = fs::remove_dir_all(&out);
    repack(honest, &[], &depot, (&out, &key), |manifest| {
        manifest.sequence = manifest.sequence.next();
        edit(manifest);
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

/// Updates, which must fail, and returns what apt-get says.
#[track_caller]
fn fails(client: &AptClient) -> String {
    let ended = end(client.command("apt-get").arg("update").env("LC_ALL", "C.UTF-8"));
    let said = format!("{}{}", ended.out, ended.err);
    assert!(ended.code != 0 && said.contains("E: "), "{said}");
    said
}

/// The collection of this name.
fn find<'m>(manifest: &'m mut ReadBundle, name: &str) -> &'m mut Collection {
    manifest.collections.iter_mut().find(|collection| collection.name.as_str() == name).unwrap()
}

/// Adds lines to the end of `site.toml`.
fn configure(desk: &Desk, more: &str) {
    let path = desk.path("site/site.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n" + more).unwrap();
}

/// A collection that a source vouches for, and its upstream's address.
struct Genuine<'a> {
    name: &'a str,
    origin: &'a str,
}

/// Lets a thief of the builder's key claim each of `addresses` for the unsigned collection `own`, while the genuine one stays, is
/// moved, or is gone. The site must refuse each claim.
fn refuses_claims(desk: &Desk, honest: &ReadBundle, own: &str, genuine: &str, addresses: &[&str]) {
    let keep: fn(&mut ReadBundle, &str) = |_, _| ();
    let move_away: fn(&mut ReadBundle, &str) =
        |manifest, name| find(manifest, name).origin = "http://elsewhere.example/x".into();
    let remove: fn(&mut ReadBundle, &str) =
        |manifest, name| manifest.collections.retain(|collection| collection.name.as_str() != name);
    for address in addresses {
        for change in [keep, move_away, remove] {
            let forged = forge(desk, honest, |manifest| {
                find(manifest, own).origin = (*address).into();
                change(manifest, genuine);
            });
            let words = [&format!("belongs to the source {genuine}"), "[[serve.alias]]"];
            desk.import(&forged).says(Exit::Refused, &words);
        }
    }
}

/// Lets a thief of the builder's key bring an older state of a collection back under other names and addresses, one of which is
/// `spelled`, the genuine one in another spelling. The site must refuse each, and `check` gets a name for it.
fn refuses_older_states(
    desk: &Desk,
    [older, newest]: [&ReadBundle; 2],
    genuine: &Genuine<'_>,
    spelled: &str,
    check: impl Fn(&str),
) {
    let Genuine { name, origin } = *genuine;
    let beside = forge(desk, newest, |manifest| manifest.collections.push(renamed(older, "a", origin)));
    let instead = [("a", origin), ("a", spelled), (name, origin), (name, "http://elsewhere.example/x")];
    let instead = instead.map(|(name, origin)| (format!("{name} {origin}"), renamed(older, name, origin)));
    let refused = |what: &str, forged: &Path| {
        desk.import(forged).says(Exit::Refused, &["was seen before", "--allow-older-upstream"]);
        check(what);
    };
    refused("a second source beside it", &beside);
    for (what, collection) in instead {
        refused(&what, &forge(desk, newest, |manifest| manifest.collections = vec![collection]));
    }
}

/// The collection of a manifest under another name and address.
fn renamed(manifest: &ReadBundle, name: &str, origin: &str) -> Collection {
    let collection = manifest.collections[0].clone();
    Collection { name: name.parse().unwrap(), source: name.parse().unwrap(), origin: origin.into(), ..collection }
}
