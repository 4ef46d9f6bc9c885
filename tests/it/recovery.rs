//! Media that flip bits, lose blocks and get lost: what recovery data reach is read as if nothing had happened, what they do not
//! reach is named, and what they say is never believed.

mod damage;
mod forged;
mod lost;
mod stories;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gapferry::bundle::pack::{PackPlan, pack};
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::unpack::{CheckOnly, ReadReport, unpack};
use gapferry::bundle::{Bundle, BundleError};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::path::PublishPath;
use gapferry::progress::Progress;
use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};
use gapferry::upstream::Payload;
use tempfile::TempDir;

use crate::bundle_format::{Memory, manifest, open};
use crate::support::world::scratch;

/// A bundle of blobs of noise, in a folder of its own.
struct Medium {
    root: TempDir,
    folder: PathBuf,
}

impl Medium {
    /// Blobs of these sizes, in volumes of at most `volume` bytes.
    fn new(sizes: &[u64], volume: u64, amount: Amount) -> Self {
        let root = scratch();
        let depot = Depot::open(&root.path().join("depot")).unwrap();
        let mut batch = depot.batch();
        let mut files: BTreeMap<PublishPath, Sha256> = BTreeMap::new();
        for (seed, size) in (0..).zip(sizes) {
            let mut bytes = Vec::new();
            Payload::Pseudorandom { size: *size, seed }.reader().read_to_end(&mut bytes).unwrap();
            files.insert(format!("blob-{seed:03}").parse().unwrap(), depot.put(&mut batch, &bytes).unwrap());
        }
        batch.commit().unwrap();
        let plan = PackPlan {
            manifest: manifest(files),
            held: Default::default(),
            older: Default::default(),
            volume_bytes: volume,
            recovery: amount,
            free_space: Default::default(),
        };
        let packed = pack(plan, &depot, &root.path().join("out"), &Progress::hidden()).unwrap();
        let signature = sign(&SecretKey::generate(), MANIFEST_NAMESPACE, packed.text.as_bytes()).unwrap();
        let folder = packed.publish(Some(&signature)).unwrap().0;
        Self { root, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn bundle(&self) -> Bundle {
        open(&self.folder)
    }

    /// Inverts bytes of a file.
    fn invert(&self, file: &str, from: u64, length: u64) {
        invert(&self.path(file), from, length);
    }

    fn size(&self, file: &str) -> u64 {
        self.path(file).metadata().unwrap().len()
    }

    fn read(&self) -> Result<ReadReport, BundleError> {
        unpack(&self.bundle(), &CheckOnly, self.root.path(), &Progress::hidden())
    }

    /// All blobs' bytes, as they are read now; with what was repaired on the way.
    #[track_caller]
    fn contents(&self) -> (Contents, ReadReport) {
        let memory = Memory::default();
        let found = unpack(&self.bundle(), &memory, self.root.path(), &Progress::hidden()).unwrap();
        (memory.0.into_inner().unwrap(), found)
    }

    /// Fails unless the volumes `numbers` are refused as damaged beyond repair, and no other ones.
    #[track_caller]
    fn beyond_repair(&self, numbers: &[usize]) {
        match self.read() {
            Err(BundleError::Unrepairable { numbers: found, .. }) => {
                assert_eq!(found.into_iter().map(|number| number.index() + 1).collect::<Vec<_>>(), numbers);
            }
            other => panic!("{other:?}"),
        }
    }
}

type Contents = BTreeMap<Sha256, BTreeMap<u64, Vec<u8>>>;

/// Inverts bytes of the file at `path`; twice is as before.
fn invert(path: &Path, from: u64, length: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, from).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
    file.write_all_at(&bytes, from).unwrap();
}

fn percent(percent: u32) -> Amount {
    Amount { percent: Some(percent), spares: 0 }
}

fn spares(spares: u32) -> Amount {
    Amount { percent: None, spares }
}

/// Every file of a folder, with its digest.
fn digests(folder: &Path) -> BTreeMap<String, Sha256> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), Sha256::of(&fs::read(entry.path()).unwrap())))
        .collect()
}
