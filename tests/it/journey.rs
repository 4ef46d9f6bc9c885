//! The breadth of what can be selected, carried and published, with a real apt as the judge of what arrives.

mod backup;
mod build_dep;
mod changed;
mod choice;
mod client_indexes;
mod clock;
mod copied;
mod dates_and_fields;
mod described;
mod entries;
pub(crate) mod flat;
mod list_options;
mod local;
mod odd;
mod odd_archive;
mod odd_sources;
mod older;
mod owner;
mod pdiffs;
mod pins;
mod receipts;
mod rollback;
mod rollback_names;
mod rot;
mod sha512;
mod shapes;
mod site_key;
mod sources;
mod states;
mod suite_names;
mod together;
mod trees;
mod umask;
mod verbatim;
mod verify;
mod workspace;

use std::path::Path;

use crate::apt_client::AptClient;
use crate::support::desk::Desk;

/// A client of the site's collection `name`, over `file:`, with the site's key.
fn client(desk: &Desk, name: &str, suites: &str, components: &str) -> AptClient {
    let client = AptClient::new("amd64");
    let address = format!("file://{}/apt/{name}", desk.path("site/current").display());
    client.source("deb", &address, suites, components, &key(desk));
    client
}

/// A client of the site's collection `demo`, over `file:`, with this keyring.
fn client_with_keyring(desk: &Desk, keyring: &Path) -> AptClient {
    let client = AptClient::new("amd64");
    let address = format!("file://{}/apt/demo", desk.path("site/current").display());
    client.source("deb", &address, "stable", "main", keyring);
    client
}

/// The site's public key.
fn key(desk: &Desk) -> std::path::PathBuf {
    desk.path("site/current/keys/site.gpg")
}

/// The items of a bundle or a site, as `NAME_VERSION_ARCHITECTURE`, sorted.
pub(crate) fn items(desk: &Desk, bundle: &Path) -> Vec<String> {
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let collections = inspected["collections"].as_array().unwrap().iter();
    let text = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap().to_owned();
    let items = collections.flat_map(|collection| collection["items"].as_array().unwrap());
    let mut names: Vec<String> =
        items.map(|i| format!("{}_{}_{}", text(i, "name"), text(i, "version"), text(i, "architecture"))).collect();
    names.sort();
    names
}

/// The version that the client would install of a package.
fn candidate(client: &AptClient, package: &str) -> String {
    let policy = crate::apt_client::run(client.command("apt-cache").args(["policy", package]));
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    line.unwrap_or_else(|| panic!("{package} is not known: {policy}")).to_owned()
}
