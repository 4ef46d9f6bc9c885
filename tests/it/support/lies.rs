//! Lies of a builder who holds the right key: a manifest that says what upstream never said.

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::bundle::Manifest;
use gapferry::bundle::pack::{Plan, pack};
use gapferry::collection::Collection;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::exit::Exit;
use gapferry::progress::Progress;
use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};

/// A change to an honest collection, and how it is refused.
pub(crate) struct Lie {
    /// What the builder does.
    pub(crate) name: &'static str,
    /// Does it; new blobs go into the depot.
    pub(crate) tell: fn(&mut Collection, &Depot),
    /// The exit code.
    pub(crate) exit: Exit,
    /// What the message says, in part.
    pub(crate) words: &'static str,
}

/// Stores a blob that upstream does not know.
pub(crate) fn put(depot: &Depot, bytes: &[u8]) -> Sha256 {
    let mut batch = depot.batch();
    let digest = depot.put(&mut batch, bytes).unwrap();
    batch.commit().unwrap();
    digest
}

/// Packs what an honest manifest says after `edit`, without the blobs `held`, and signs it: a bundle below `out`.
pub(crate) fn repack(
    honest: &Manifest,
    held: &[Sha256],
    depot: &Depot,
    (out, key): (&Path, &SecretKey),
    edit: impl FnOnce(&mut Manifest),
) -> PathBuf {
    let mut manifest = Manifest { blobs: Vec::new(), volumes: Vec::new(), ..honest.clone() };
    edit(&mut manifest);
    let plan = Plan { manifest, held: held.iter().copied().collect(), volume_bytes: 64 << 10 };
    let packed = pack(plan, depot, out, &Progress::hidden()).unwrap();
    let signature = sign(key, MANIFEST_NAMESPACE, packed.text.as_bytes()).unwrap();
    packed.publish(Some(&signature)).unwrap()
}

/// Puts `text` in the place of a bundle's manifest and signs it.
pub(crate) fn resign(bundle: &Path, key: &SecretKey, text: &[u8]) {
    fs::write(bundle.join("manifest.json"), text).unwrap();
    fs::write(bundle.join("manifest.json.sig"), sign(key, MANIFEST_NAMESPACE, text).unwrap()).unwrap();
}
