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

use gapferry::bundle::BundleError;
use gapferry::bundle::check::check_bundle;
use gapferry::bundle::packing::found::FoundPacking;
use gapferry::bundle::packing::unpack::{CheckOnly, ContentSink, VolumesRead, unpack};
use gapferry::bundle::packing::volume_files::WrongSize;
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::state::OpenState;
use gapferry::digest::Sha256;
use gapferry::progress::Progress;
use gapferry::upstream::Payload;

use crate::support::bundles::{Memory, PackOptions, Packer, Tree, open};

/// A bundle of blobs of noise with one packing, in a folder of its own.
struct Medium {
    packer: Packer,
    bundle: PathBuf,
    /// The packing's folder.
    folder: PathBuf,
}

impl Medium {
    /// Blobs of these sizes, in volumes of at most `volume` bytes.
    fn new(sizes: &[u64], volume_size: u64, recovery: Amount) -> Self {
        let packer = Packer::new();
        let blob = |(seed, size): (u64, &u64)| {
            let mut bytes = Vec::new();
            Payload::Pseudorandom { size: *size, seed }.reader().read_to_end(&mut bytes).unwrap();
            (format!("files/a/blob-{seed:03}"), bytes)
        };
        let tree: Tree = (0..).zip(sizes).map(blob).collect();
        let bundle = packer.state("out", 1, &tree);
        let folder = packer.pack(&bundle, PackOptions { volume_size, base: None, recovery }).unwrap();
        Self { packer, bundle: bundle.folder, folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn root(&self) -> &Path {
        self.packer.dir.path()
    }

    fn state(&self) -> OpenState {
        open(&self.bundle).unwrap()
    }

    fn packing(&self) -> FoundPacking {
        self.state().packings(WrongSize::Refused, |_| Ok(())).unwrap().found.pop().unwrap()
    }

    /// Checks all of it, as `verify` does.
    fn check(&self) -> Result<(), BundleError> {
        let state = self.state();
        let search = state.packings(WrongSize::Refused, |_| Ok(()))?;
        check_bundle(&state, search, &Progress::hidden()).map(drop)
    }

    /// Inverts bytes of a file.
    fn invert(&self, file: &str, from: u64, length: u64) {
        invert(&self.path(file), from, length);
    }

    fn size(&self, file: &str) -> u64 {
        self.path(file).metadata().unwrap().len()
    }

    fn read(&self) -> Result<VolumesRead, BundleError> {
        self.read_into(&CheckOnly)
    }

    fn read_into<S: ContentSink>(&self, sink: &S) -> Result<VolumesRead, BundleError> {
        let (lists, blobs) = self.state().lists(self.root(), |_, _| Ok(()))?;
        unpack(&self.packing(), &mut lists.walk(&blobs), sink, self.root(), &Progress::hidden())
    }

    /// All blobs' bytes, as they are read now; with what was repaired on the way.
    #[track_caller]
    fn contents(&self) -> (Contents, VolumesRead) {
        let memory = Memory::default();
        let found = self.read_into(&memory).unwrap();
        (memory.blobs(), found)
    }

    /// Fails unless the volumes `numbers` are refused as damaged beyond repair, and no other ones.
    #[track_caller]
    fn beyond_repair(&self, numbers: &[usize]) {
        match self.read() {
            Err(BundleError::Unrepairable(error)) => {
                assert_eq!(error.numbers.iter().map(|number| number.index() + 1).collect::<Vec<_>>(), numbers);
            }
            other => panic!("{other:?}"),
        }
    }
}

type Contents = BTreeMap<Sha256, Vec<u8>>;

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
