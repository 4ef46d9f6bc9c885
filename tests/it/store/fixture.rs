//! A site whose current generation has snaps, written as the publisher writes them.

use std::fs;
use std::path::Path;

use gapferry::collection::Publish;
use gapferry::formats::assertions::Sha3;
use gapferry::formats::snap::api::{Download, Publisher, Snap};
use gapferry::kind::Kind;
use gapferry::site::{ChannelEntry, Generation, Published, STORE_INDEX, Site, StoreIndex};
use serde_json::Value;

use crate::serve::{Answer, raw};
use crate::support::desk::{Desk, Serving, names};
use crate::support::published_tree::add_files;
use crate::support::snaps::{assertions, authority, snap, snap_id};

/// NAME, revision, architectures.
pub(crate) type Made<'a> = (&'a str, u64, &'a [&'a str]);

/// What the site has unless a test says otherwise.
pub(super) const SNAPS: &[Made<'static>] = &[
    ("words", 3, &["amd64", "arm64"]),
    ("words", 5, &["amd64"]),
    ("words", 6, &["arm64"]),
    ("large", 11, &["amd64"]),
    ("core-gap", 7, &["all"]),
];
/// Which channel has what: name, architecture, channel, revision.
pub(super) const CHANNELS: &[(&str, &str, &str, u64)] = &[
    ("core-gap", "amd64", "latest/stable", 7),
    ("core-gap", "arm64", "latest/stable", 7),
    ("large", "amd64", "2/beta", 11),
    ("words", "amd64", "latest/candidate", 5),
    ("words", "amd64", "latest/edge/fix", 5),
    ("words", "amd64", "latest/stable", 3),
    ("words", "amd64", "3.6/stable", 3),
    ("words", "arm64", "latest/stable", 6),
];

/// A desk with a site that has [`SNAPS`] in generation 1.
pub(crate) fn desk() -> Desk {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    generation(&desk, 1, SNAPS, CHANNELS);
    desk
}

/// Adds a published archive of this origin to generation `number`.
pub(super) fn archive(desk: &Desk, number: u64, origin: &str) {
    let file = desk.path(&format!("site/generations/{number}/generation.json"));
    let mut generation = Site::open(&desk.path("site")).unwrap().generation(number).unwrap();
    let mut published = generation.published.values().next().unwrap().clone();
    (published.kind, published.origin) = (Kind::Apt, origin.into());
    generation.published.insert("apt/store".to_owned(), published);
    fs::write(file, generation.to_json()).unwrap();
}

/// Writes generation `number`, and makes it the current one.
pub(crate) fn generation(desk: &Desk, number: u64, snaps: &[Made<'_>], channels: &[(&str, &str, &str, u64)]) {
    let folder = desk.path(&format!("site/generations/{number}/snaps/store"));
    fs::create_dir_all(&folder).unwrap();
    let index = StoreIndex {
        format: 1,
        snaps: snaps.iter().map(|made| write(&folder, *made)).collect(),
        channels: channels
            .iter()
            .map(|(name, architecture, channel, revision)| ChannelEntry {
                name: (*name).to_owned(),
                architecture: (*architecture).to_owned(),
                channel: (*channel).to_owned(),
                revision: *revision,
            })
            .collect(),
    };
    fs::write(folder.join(STORE_INDEX), serde_json::to_vec(&index).unwrap()).unwrap();
    let mut generation = Generation::none();
    generation.number = number;
    let published = Published {
        kind: Kind::Snaps,
        name: "store".parse().unwrap(),
        origin: "https://store.invalid/".into(),
        publish: Publish::Verbatim,
        items: snaps.len() as u64,
        unsigned: 0,
        vouched: true,
        suites: Default::default(),
        not_carried: 0,
        not_carried_examples: Vec::new(),
        before: None,
        valid_until: None,
        missing_indexes: Vec::new(),
        oldest_data: None,
        notes: Vec::new(),
    };
    generation.published.insert("snaps/store".to_owned(), published);
    let root = folder.ancestors().nth(2).unwrap();
    fs::write(root.join("generation.json"), generation.to_json()).unwrap();
    let file = |name: String| (format!("snaps/store/{name}"), fs::read(folder.join(&name)).unwrap());
    add_files(&desk.path("site"), root, &names(&folder).into_iter().map(file).collect::<Vec<_>>());
    let link = desk.path("site/current");
    let _ = fs::remove_file(&link); // there is none before the first
    std::os::unix::fs::symlink(format!("generations/{number}"), link).unwrap();
}

fn write(folder: &Path, (name, revision, architectures): Made<'_>) -> Snap {
    let bytes = snap(name, revision);
    fs::write(folder.join(format!("{name}_{revision}.assert")), assertions(authority(), name, revision, &bytes))
        .unwrap();
    fs::write(folder.join(format!("{name}_{revision}.snap")), &bytes).unwrap();
    Snap {
        architectures: architectures.iter().map(|one| (*one).to_owned()).collect(),
        base: (name != "core-gap").then(|| "core-gap".to_owned()),
        confinement: "strict".to_owned(),
        created_at: "2025-01-01T00:00:00Z".to_owned(),
        description: format!("all of {name}"),
        download: Download { sha3_384: Sha3::of(&bytes).to_hex(), size: bytes.len() as u64, url: String::new() },
        name: name.to_owned(),
        publisher: Publisher {
            id: "p".to_owned(),
            username: "gap-publisher".to_owned(),
            display_name: "Gap".to_owned(),
            validation: "verified".to_owned(),
        },
        revision,
        snap_id: snap_id(name),
        snap_yaml: format!("name: {name}\n"),
        summary: format!("{name} in one line"),
        title: name.to_uppercase(),
        kind: if name == "core-gap" { "base" } else { "app" }.to_owned(),
        version: format!("{revision}.0"),
        ..Snap::default()
    }
}

impl Answer {
    /// The body, which must be JSON of this very content type, by a store that says its version.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.headers["snap-store-version"], "55");
        assert_eq!(self.headers["content-type"], "application/json", "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the one error in a list of errors.
    #[track_caller]
    pub(super) fn code(&self) -> String {
        let value = self.json();
        assert_eq!(value["error-list"].as_array().map(Vec::len), Some(1), "{value}");
        assert!(value["error-list"][0]["message"].is_string());
        value["error-list"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// Posts `body` to `target`; each of `headers` ends with a line break.
pub(super) fn post(serving: &Serving, target: &str, headers: &str, body: &[u8]) -> Answer {
    let host = if headers.contains("Host:") { "" } else { "Host: store.test:81\r\n" };
    let length = body.len();
    let head =
        format!("POST {target} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    raw(serving, &[head.as_bytes(), body].concat())
}
