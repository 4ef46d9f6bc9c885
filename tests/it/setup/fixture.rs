//! A site with packages, images and snaps whose upstreams have names.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gapferry::bundle::state::stored_state::StoredState;
use gapferry::depot::Depot;
use gapferry::site::Site;

use crate::support::desk::{Ended, PATIENCE, end};
use crate::support::snaps::authority;
use crate::support::together::Together;
use crate::support::world::{World, bring};

pub(super) const ARCHIVE: &str = "archive.example.com";
pub(super) const IMAGES: &str = "images.example.com";

/// A world whose site publishes everything, as from upstreams at [`ARCHIVE`]/debian and [`IMAGES`]/v3/stable.
pub(super) fn world() -> (World, Site) {
    let world = World::new(Arc::new(Together::all()), "100 MB");
    let site = world.site("site");
    bring(&site, &world.bundle()).unwrap();
    set_origins(&site, |kind| match kind {
        "apt" => format!("http://{ARCHIVE}/debian"),
        "images" => format!("http://{IMAGES}/v3/stable/"),
        _ => "https://api.snapcraft.io/".to_owned(),
    });
    // Servers read as users that are nobody.
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    (world, site)
}

/// Changes where the site's current generation says that its collections of each kind are from. Tests have upstreams on
/// loopback only.
pub(super) fn set_origins(site: &Site, origin: impl Fn(&str) -> String) {
    let mut generation = site.current().unwrap();
    let state = generation.names.values_mut().next().unwrap();
    let depot = Depot::open(&site.root().join("depot")).unwrap();
    let mut manifest = StoredState::manifest(&depot, &state.manifest.unwrap()).unwrap();
    for collection in &mut manifest.collections {
        collection.origin = Some(origin(collection.kind.as_str()));
    }
    let mut batch = depot.batch();
    state.manifest = Some(depot.put(&mut batch, manifest.to_text().unwrap().as_ref()).unwrap());
    batch.commit().unwrap();
    for published in generation.published.values_mut() {
        published.origin = origin(published.kind.as_str()).into();
    }
    fs::write(site.root().join("current/generation.json"), generation.to_json()).unwrap();
}

/// Gives the site a store assertion with this URL.
pub(super) fn set_store(world: &World, url: &str) -> Vec<u8> {
    let key = &authority().store;
    let parts = [
        authority().store_key().to_vec(),
        authority().account("operator", "operator", "verified").sign(key).unwrap(),
        authority().store_at("gapStore", "operator", url).sign(key).unwrap(),
    ];
    let stream = parts.join(&b"\n"[..]);
    fs::write(world.path("file.assert"), &stream).unwrap();
    end(&mut world.gapferry(&["store-assertion", "--site", "site", "file.assert"])).ok();
    stream
}

/// Runs `gapferry setup` with these words.
pub(super) fn setup(world: &World, words: &str) -> Ended {
    let words: Vec<&str> = words.split_whitespace().collect();
    let [what, rest @ ..] = words.as_slice() else { panic!("what?") };
    end(&mut world.gapferry(&[&["setup", what, "--site", "site"], rest].concat()))
}

/// What it writes to stdout.
pub(super) fn text(world: &World, words: &str) -> String {
    setup(world, words).ok().out
}

/// A server that ends with the value.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}; tests/run installs what the tests need")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx and Apache end their workers on SIGTERM, not on SIGKILL.
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes a program.
pub(super) fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
