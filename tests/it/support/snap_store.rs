//! A snap store on loopback for collecting from: answers as the device API does, and can be made to lie.
//!
//! It shares no code with the product's own store. Assertions and snaps are plain files below its folder, so every fault of
//! [`Server`] applies to them; only `/v2/snaps/refresh` is answered by a function.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gapferry::formats::assertions::{Assertion, Sha3};
use gapferry::upstream::assertions::TestAuthority;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Request, Server};
use super::snaps::{assertions, snap_id};

/// One revision of a snap, as the store has it.
#[derive(Clone)]
pub(crate) struct Stocked {
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) yaml: String,
    pub(crate) bytes: Vec<u8>,
    /// Where it is released: architecture and TRACK/RISK.
    pub(crate) releases: Vec<(String, String)>,
}

/// Changes an answer before it is sent.
type Twist = Box<dyn Fn(&mut Value) + Send + Sync>;

/// A running store.
pub(crate) struct TestStore {
    folder: TempDir,
    pub(crate) server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    stock: Mutex<Vec<Stocked>>,
    twist: Mutex<Option<Twist>>,
    root: Mutex<String>,
}

impl TestStore {
    /// An empty store.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path());
        let state = Arc::new(State::default());
        *state.root.lock().unwrap() = server.url("").to_string();
        let answering = state.clone();
        server.on("v2/snaps/refresh", move |request| answering.refresh(request));
        Self { folder, server, state }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.url("").to_string()
    }

    /// Takes a snap into the store, with what `authority` says about it.
    pub(crate) fn stock(&self, authority: &TestAuthority, snap: Stocked) {
        let said = assertions(authority, &snap.name, snap.revision, &snap.bytes);
        self.say(&said);
        self.put(&format!("download/{}_{}.snap", snap_id(&snap.name), snap.revision), &snap.bytes);
        self.state.stock.lock().unwrap().push(snap);
    }

    /// Puts assertions where they are asked for.
    pub(crate) fn say(&self, stream: &[u8]) {
        for assertion in Assertion::parse_stream(stream).unwrap() {
            let name = assertion.reference();
            let path = format!("v2/assertions/{}/{}", name.kind, name.short_key().join("/"));
            self.put(&path, assertion.encoded());
        }
    }

    /// Puts these bytes at `path`.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The store's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets `twist` change all answers from now on.
    pub(crate) fn twist(&self, twist: impl Fn(&mut Value) + Send + Sync + 'static) {
        *self.state.twist.lock().unwrap() = Some(Box::new(twist));
    }

    /// Answers honestly again.
    pub(crate) fn straighten(&self) {
        *self.state.twist.lock().unwrap() = None;
    }
}

impl State {
    fn refresh(&self, request: &Request) -> Vec<u8> {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("snap-device-series"), Some("16"));
        let architecture = request.header("snap-device-architecture").expect("an architecture").to_owned();
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let actions = asked["actions"].as_array().unwrap();
        let results: Vec<Value> = actions.iter().map(|action| self.answer(action, &architecture)).collect();
        let mut reply = json!({ "results": results, "error-list": [] });
        if let Some(twist) = self.twist.lock().unwrap().as_ref() {
            twist(&mut reply);
        }
        reply.to_string().into_bytes()
    }

    fn answer(&self, action: &Value, architecture: &str) -> Value {
        assert_eq!(action["action"], "download");
        let name = action["name"].as_str().unwrap();
        let stock = self.stock.lock().unwrap();
        let of_name: Vec<&Stocked> = stock.iter().filter(|snap| snap.name == name).collect();
        let fits = |snap: &&&Stocked| match (action["revision"].as_u64(), action["channel"].as_str()) {
            (Some(revision), None) => snap.revision == revision,
            (None, Some(channel)) => snap.releases.contains(&(architecture.to_owned(), channel.to_owned())),
            other => panic!("a revision or a channel, not {other:?}"),
        };
        let error = |code: &str, releases: Vec<Value>| {
            json!({ "result": "error", "instance-key": action["instance-key"], "name": name, "snap": {},
                "error": { "code": code, "message": format!("{code}, says the store"), "extra": { "releases": releases } } })
        };
        let Some(snap) = of_name.iter().rev().find(fits) else {
            let releases = of_name.iter().flat_map(|snap| &snap.releases);
            let releases = releases.map(|(a, c)| json!({ "architecture": a, "channel": c })).collect();
            return error(if of_name.is_empty() { "name-not-found" } else { "revision-not-found" }, releases);
        };
        let root = self.root.lock().unwrap();
        json!({
            "result": "download", "instance-key": action["instance-key"], "name": name, "snap-id": snap_id(name),
            "effective-channel": action["channel"],
            "snap": {
                "architectures": ["amd64"], "base": null, "confinement": "strict", "created-at": "2025-01-01T00:00:00Z",
                "description": null, "epoch": { "read": [0], "write": [0] }, "license": null, "name": name, "prices": {},
                "private": false, "publisher": { "id": "x", "username": "x", "display-name": "x", "validation": "verified" },
                "revision": snap.revision, "snap-id": snap_id(name), "snap-yaml": snap.yaml, "summary": "", "title": null,
                "type": "app", "version": "0",
                "download": { "sha3-384": Sha3::of(&snap.bytes).to_hex(), "size": snap.bytes.len(), "deltas": [],
                    "url": format!("{root}download/{}_{}.snap", snap_id(name), snap.revision) },
            },
        })
    }
}
