//! The demo's snaps: an app with its base and snapd, signed by an authority of the demo's own, and a device that asks the site's
//! store for them as snapd does.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use url::Url;

use super::DemoError;
use crate::fetch::{FetchOptions, Fetcher, Question};
use crate::formats::Invalid;
use crate::formats::assertions::snaps::verify;
use crate::formats::assertions::{Assertion, Pool, Reference, SERIES, Sha3, Trust};
use crate::formats::snap::api::{Action, Installed, Reply, Snap, StoreRequest};
use crate::serve::Server;
use crate::time::Time;
use crate::upstream::assertions::TestAuthority;
use crate::upstream::{Payload, SnapSpec, build_snap};

/// The app. What it needs besides follows.
pub(super) const APP: &str = "greet-gap";
const BASE: &str = "core-gap";
const SNAPD: &str = "snapd";
/// The account that publishes all of them.
const PUBLISHER: &str = "demoPublisherDemoPublisherDemoPu";
/// More than any snap of the demo has, and any answer about one, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The root that the demo's snaps are signed under. The real store's cannot sign what was generated here, and nothing but the
/// demo's own export, site and device takes this one.
pub(super) fn roots() -> Result<&'static Trust, DemoError> {
    static ROOTS: LazyLock<Option<Trust>> =
        LazyLock::new(|| Trust::with_test_root(TestAuthority::shared()?.roots()).ok());
    ROOTS.as_ref().ok_or_else(no_keys)
}

fn no_keys() -> DemoError {
    DemoError::failed("no keys can be made for the demo's snaps".to_owned())
}

/// Leaves the snaps in a folder as `snap download` does, the app in this revision.
pub(super) fn publish(folder: &Path, revision: u64) -> Result<(), DemoError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(DemoError::io("empty", folder))?;
    }
    fs::create_dir(folder).map_err(DemoError::io("create", folder))?;
    let noise = Payload::Pseudorandom { size: 100_000, seed: revision };
    let app = SnapSpec::new(APP, &format!("{revision}.0")).with_file("noise", noise);
    let app = SnapSpec { base: Some(BASE.to_owned()), ..app };
    let needed = [SnapSpec::of_kind("base", BASE, "24"), SnapSpec::of_kind("snapd", SNAPD, "2.70")];
    write(folder, &app, revision)?;
    needed.iter().try_for_each(|spec| write(folder, spec, 1))
}

/// NAME_REV.snap, and NAME_REV.assert with all that is signed about it.
fn write(folder: &Path, spec: &SnapSpec, revision: u64) -> Result<(), DemoError> {
    let authority = TestAuthority::shared().ok_or_else(no_keys)?;
    let id = snap_id(&spec.name);
    let path = folder.join(format!("{}_{revision}.snap", spec.name));
    let bytes = build_snap(spec).map_err(DemoError::io("write", &path))?;
    let (sha3, size) = (Sha3::of(&bytes), bytes.len() as u64);
    let said = [
        authority.account(PUBLISHER, "demo-publisher", "verified"),
        authority.snap_declaration(&id, &spec.name, PUBLISHER),
        authority.snap_revision(sha3, size, &id, revision, PUBLISHER),
    ];
    let mut stream = vec![authority.store_key().to_vec()];
    for draft in said {
        stream.push(draft.sign(&authority.store)?);
    }
    fs::write(&path, bytes).map_err(DemoError::io("write", &path))?;
    let path = path.with_extension("assert");
    fs::write(&path, stream.join(&b"\n"[..])).map_err(DemoError::io("write", &path))
}

/// Ids are 32 letters and digits.
fn snap_id(name: &str) -> String {
    format!("{:0<32}", name.replace('-', ""))
}

/// The selection's table.
pub(super) fn table() -> &'static str {
    "\n[[snaps]]\nfrom = \"../upstream/snaps\"\n"
}

/// A device whose snapd asks the site's store, and trusts the demo's root.
pub(super) struct DemoDevice {
    store: Url,
    fetcher: Fetcher,
}

impl DemoDevice {
    /// A device that has no snaps yet.
    pub(super) fn new(server: &Server) -> Result<Self, DemoError> {
        let store = Url::parse(&format!("http://{}/", server.address)).map_err(malformed)?;
        Ok(Self { store, fetcher: Fetcher::new(FetchOptions::default())? })
    }

    /// Installs the app with what it needs, which gets this revision of it; returns the sentence that says so.
    pub(super) fn installs(&self, revision: u64) -> Result<String, DemoError> {
        for (name, revision) in [(SNAPD, 1), (BASE, 1), (APP, revision)] {
            self.check(self.offer(None, name)?, name, revision)?;
        }
        Ok(format!(
            "Asked as snapd asks, the snap store at {} offers {APP} revision {revision}, its base and snapd: digests and \
             assertions are good, down to a root of the demo's own, since the real store does not sign what is made here.",
            self.store
        ))
    }

    /// Refreshes the app from `old`, and gets `new`; returns the sentence that says so.
    pub(super) fn refreshes(&self, old: u64, new: u64) -> Result<String, DemoError> {
        self.check(self.offer(Some(old), APP)?, APP, new)?;
        Ok(format!(
            "A device that has {APP} revision {old} and refreshes is offered revision {new}, which is as well signed."
        ))
    }

    /// Refreshes the app from `newer`, and gets nothing, while a new device gets `revision`; returns the sentence.
    pub(super) fn stays(&self, newer: u64, revision: u64) -> Result<String, DemoError> {
        if let Some(offer) = self.offer(Some(newer), APP)? {
            let taken = format!("a device with revision {newer} of {APP} is taken to revision {}", offer.revision);
            return Err(DemoError::failed(taken));
        }
        self.installs(revision)?;
        Ok(format!(
            "The store offers {APP} revision {revision} again, and takes no device back by itself: to one with revision \
             {newer} it offers nothing."
        ))
    }

    /// What the store offers: to a device that has this revision, or to one that installs the snap.
    fn offer(&self, installed: Option<u64>, name: &str) -> Result<Option<Snap>, DemoError> {
        let (action, snap_id) = (if installed.is_some() { "refresh" } else { "install" }, snap_id(name));
        let context = installed.map(|revision| Installed {
            snap_id: snap_id.clone(),
            instance_key: snap_id.clone(),
            revision: i64::try_from(revision).unwrap_or_default(),
            tracking_channel: "latest/stable".to_owned(),
            epoch: None,
        });
        let action = Action { action: action.to_owned(), instance_key: snap_id.clone(), ..Action::default() };
        let action = match &context {
            Some(_) => Action { snap_id, ..action },
            None => Action { name: name.to_owned(), channel: Some("stable".to_owned()), ..action },
        };
        let request =
            StoreRequest { context: context.into_iter().collect(), actions: vec![action], fields: Vec::new() };
        let reply: Reply = serde_json::from_slice(&self.post("v2/snaps/refresh", &request)?).map_err(malformed)?;
        let Some(answer) = reply.results.into_iter().next() else { return Ok(None) };
        match (answer.snap, answer.error) {
            (Some(snap), None) => Ok(Some(snap)),
            (_, error) => Err(DemoError::failed(format!("the store refuses {name}: {error:?}"))),
        }
    }

    /// Downloads what is offered, and verifies that it is this revision of the snap.
    fn check(&self, offer: Option<Snap>, name: &str, revision: u64) -> Result<(), DemoError> {
        let offer = offer.ok_or_else(|| DemoError::failed(format!("the store offers no {name}")))?;
        let url = Url::parse(&offer.download.url).map_err(malformed)?;
        let bytes = self.fetcher.get(&url, MAX_FILE_BYTES)?;
        let sha3 = Sha3::of(&bytes);
        if sha3.to_hex() != offer.download.sha3_384 {
            return Err(DemoError::failed(format!("{url} is not what the store says")));
        }
        let said = self.assertions(sha3)?;
        let carried = verify(roots()?, &said, Time::now(), sha3, bytes.len() as u64).map_err(untrusted)?;
        match (carried.name.as_str(), carried.revision) == (name, revision) {
            true => Ok(()),
            false => Err(DemoError::failed(format!("{url} is {} revision {}", carried.name, carried.revision))),
        }
    }

    /// What the store has about a snap of this digest, and all that it rests on, each asked for by its name.
    fn assertions(&self, sha3: Sha3) -> Result<Pool, DemoError> {
        let mut pool = Pool::default();
        loop {
            let missing = pool.missing(roots()?, &Reference::snap_revision(sha3));
            if missing.is_empty() {
                return Ok(pool);
            }
            for reference in missing {
                let path = format!("v2/assertions/{}/{}", reference.kind, reference.short_key().join("/"));
                let url = self.store.join(&path).map_err(malformed)?;
                let bytes = self.fetcher.get(&url, MAX_FILE_BYTES)?;
                let assertion = Assertion::parse(&bytes).map_err(untrusted)?;
                if !pool.add(assertion).map_err(untrusted)? {
                    return Err(DemoError::failed(format!("{url} is another assertion")));
                }
            }
        }
    }

    fn post(&self, path: &str, request: &StoreRequest) -> Result<Vec<u8>, DemoError> {
        let headers = vec![("Snap-Device-Series", SERIES.to_owned()), ("Snap-Device-Architecture", "amd64".to_owned())];
        let url = self.store.join(path).map_err(malformed)?;
        let body = Some(serde_json::to_string(request).map_err(malformed)?);
        let answers = self.fetcher.ask_all(vec![Question { url, headers, body, cap: MAX_FILE_BYTES }]);
        let answer = answers.into_iter().next().ok_or_else(|| DemoError::failed("no answer".to_owned()))?;
        Ok(answer?)
    }
}

fn untrusted(error: Invalid) -> DemoError {
    DemoError::Invalid(error)
}

fn malformed(error: impl std::fmt::Display) -> DemoError {
    DemoError::failed(format!("the store's answer cannot be read: {error}"))
}
