//! Bundles of given files, straight from the library: states, packings, and a sink that keeps all in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use gapferry::bundle::BundleError;
use gapferry::bundle::packing::index::Slice;
use gapferry::bundle::packing::unpack::{ContentSink, PartSink, unpack};
use gapferry::bundle::packing::volume_files::WrongSize;
use gapferry::bundle::packing::volume_parts::VolumePart;
use gapferry::bundle::packing::{BaseState, PackingParameters, PatchesAllowed};
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::state::blob_table::{BlobMark, BlobTable};
use gapferry::bundle::state::line::{ItemLine, ItemTag, ProofLine, ProofTag};
use gapferry::bundle::state::lists::StateLists;
use gapferry::bundle::state::manifest::{FORMAT, Manifest, StateCollection};
use gapferry::bundle::state::{OpenState, SignedState};
use gapferry::bundle::write::{BundleDraft, PackingPlan, write_packing, write_sums};
use gapferry::collection::Publish;
use gapferry::depot::{BlobReader, Depot};
use gapferry::digest::Sha256;
use gapferry::kind::{Details, Kind};
use gapferry::numbers::Epoch;
use gapferry::origin::Origin;
use gapferry::progress::Progress;
use gapferry::time::Time;
use gapferry::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, SecretKey, sign};
use serde_json::Value;
use tempfile::TempDir;

use super::world::scratch;
use crate::apt_client::output;

/// Content by path in a tree of collections, such as `files/tools/a`.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// An online side that packs what it is given.
pub(crate) struct Packer {
    pub(crate) dir: TempDir,
    pub(crate) depot: Depot,
    pub(crate) key: SecretKey,
}

/// A bundle that was written.
pub(crate) struct WrittenBundle {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) digest: Sha256,
    pub(crate) lists: StateLists,
    pub(crate) blobs: BlobTable,
}

/// The options of a packing.
#[derive(Clone, Copy)]
pub(crate) struct PackOptions<'a> {
    pub(crate) volume_size: u64,
    /// A state that the site holds.
    pub(crate) base: Option<&'a WrittenBundle>,
    pub(crate) recovery: Amount,
}

impl PackOptions<'_> {
    pub(crate) fn full(volume_size: u64) -> Self {
        Self { volume_size, base: None, recovery: Amount { percent: None, spares: 0 } }
    }
}

impl Packer {
    pub(crate) fn new() -> Self {
        let dir = scratch();
        let depot = Depot::open(&dir.path().join("depot")).unwrap();
        let key = SecretKey::generate();
        fs::write(dir.path().join("builder.pub"), key.public().to_line()).unwrap();
        Self { dir, depot, key }
    }

    /// Writes a state of these files into a folder `out/NAME`: of the kind `files` in collections, those below `proofs/` as proofs.
    pub(crate) fn state(&self, out: &str, sequence: u64, tree: &Tree) -> WrittenBundle {
        let mut batch = self.depot.batch();
        for bytes in tree.values() {
            self.depot.put(&mut batch, bytes).unwrap();
        }
        batch.commit().unwrap();
        let name = format!("dc1-base-{sequence:06}");
        let draft = BundleDraft::begin(&self.dir.path().join(out), &name).unwrap();
        let (mut collections, mut files) = (Vec::new(), Vec::new());
        let names: BTreeSet<&str> = tree.keys().map(|path| path.split('/').nth(1).unwrap()).collect();
        for name in names {
            let below = format!("files/{name}/");
            let label = name.parse().unwrap();
            let (summary, file) = draft
                .list(Kind::Files, &label, |list| {
                    let own = || tree.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(&below)?, bytes)));
                    own()
                        .filter(|(path, _)| path.starts_with("proofs/"))
                        .try_for_each(|(path, bytes)| list.proof(&proof(path, bytes)))?;
                    own()
                        .filter(|(path, _)| !path.starts_with("proofs/"))
                        .try_for_each(|(path, bytes)| list.item(&item(path, bytes)))
                })
                .unwrap();
            files.push(BlobReader::of_file(file));
            collections.push(StateCollection {
                bytes: summary.bytes,
                files: summary.files,
                kind: Kind::Files,
                list: summary.list,
                name: label,
                origin: None,
                publish: Publish::ReIndexed,
                second_digest: None,
                source: "own".parse().unwrap(),
            });
        }
        let manifest = manifest(sequence, Time::from_unix(1_795_341_600).unwrap(), collections);
        let text = draft.manifest(&manifest).unwrap();
        let signature = sign(&self.key, MANIFEST_NAMESPACE, text.as_bytes()).unwrap();
        draft.signature(&draft.folder().join("manifest.json"), &signature).unwrap();
        let folder = draft.finish(&name, &[]).unwrap();
        let lists = StateLists::new(&manifest, files).unwrap();
        let blobs = lists.check(|_, _| Ok(())).unwrap();
        WrittenBundle { folder, manifest, digest: Sha256::of(text.as_bytes()), lists, blobs }
    }

    /// Adds a packing to a state. Returns its folder.
    pub(crate) fn pack(&self, bundle: &WrittenBundle, options: PackOptions<'_>) -> Result<PathBuf, BundleError> {
        let mut blobs = bundle.blobs.clone();
        let mut older = BTreeMap::new();
        if let Some(base) = options.base {
            blobs.mark_where(BlobMark::Held, |blob| base.blobs.get(&blob.sha256).is_some());
            older = revisions(base, bundle);
        }
        let bases =
            options.base.iter().map(|base| BaseState { manifest: base.digest, sequence: base.manifest.sequence });
        let parameters = PackingParameters {
            bases: bases.collect(),
            manifest: bundle.digest,
            patches: options.base.map(|_| PatchesAllowed),
            request: None,
            volume_size: options.volume_size,
        };
        let plan = PackingPlan {
            parameters,
            lists: &bundle.lists,
            blobs: &blobs,
            older: &older,
            recovery: options.recovery,
            free_space: Default::default(),
        };
        let written = write_packing(&bundle.folder, plan, &self.depot, &Progress::hidden())?;
        let signature = sign(&self.key, PACKING_NAMESPACE, written.text.as_bytes()).unwrap();
        fs::write(written.folder.join("packing.json.sig"), signature).unwrap();
        write_sums(&bundle.folder, &written.recovery).unwrap();
        Ok(written.folder)
    }

    /// Runs the reader in Python over a bundle's folder, or `-` for what `stream` has. Returns its exit code and its report.
    pub(crate) fn python(&self, folder: &Path, more: &[&str]) -> (i32, Value) {
        let mut command = self.python_command();
        let output = output(command.args(more).arg(folder));
        report(&output)
    }

    /// Fails if the reader in Python finds all of one of these bundles good.
    pub(crate) fn assert_python_refuses(&self, bundles: &[(String, PathBuf)]) {
        let run = output(self.python_command().args(bundles.iter().map(|(_, folder)| folder)));
        let text = String::from_utf8_lossy(&run.stdout);
        let reports: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(reports.len(), bundles.len(), "{}", String::from_utf8_lossy(&run.stderr));
        for ((what, _), report) in bundles.iter().zip(reports) {
            let is_missing = report["missing"].as_array().is_some_and(|missing| !missing.is_empty());
            assert!(report["refused"].is_string() || is_missing, "the reader in Python takes {what}: {report}");
        }
    }

    /// Copies a bundle's folder as it is now. Returns the copy.
    pub(crate) fn copy(&self, folder: &Path, name: &str) -> PathBuf {
        let copy = self.dir.path().join(name);
        assert!(output(Command::new("cp").arg("-r").arg(folder).arg(&copy)).status.success());
        copy
    }

    /// The reader in Python, with the builder's key.
    pub(crate) fn python_command(&self) -> Command {
        let mut command = Command::new("python3");
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/gapferry_reader.py");
        command.arg("-B").arg(reader).arg("--key").arg(self.dir.path().join("builder.pub"));
        command
    }
}

/// The exit code and the report of the reader in Python.
pub(crate) fn report(output: &std::process::Output) -> (i32, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text);
    (
        output.status.code().unwrap(),
        value.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))),
    )
}

/// Returns the older blob of each blob of `new` that has another content than its path had in `old`.
fn revisions(old: &WrittenBundle, new: &WrittenBundle) -> BTreeMap<Sha256, Sha256> {
    let names = |bundle: &WrittenBundle| {
        let (mut walk, mut names) = (bundle.lists.walk(&bundle.blobs), BTreeMap::new());
        while let Some(blob) = walk.next_blob().unwrap() {
            names.insert(blob.name.clone(), blob.sha256);
        }
        names
    };
    let before = names(old);
    names(new).into_iter().filter_map(|(name, digest)| Some((digest, *before.get(&name)?))).collect()
}

fn manifest(sequence: u64, created: Time, collections: Vec<StateCollection>) -> Manifest {
    Manifest {
        classification: None,
        collections,
        created,
        epoch: Epoch::FIRST,
        expires: created.plus(30 * 24 * 3600),
        format: FORMAT,
        generator: "gapferry test".into(),
        changed_items: Vec::new(),
        left_out: Vec::new(),
        more_changed_items: None,
        name: "base".parse().unwrap(),
        next_expected: None,
        overrides: Vec::new(),
        previous: None,
        purpose: None,
        sequence: sequence.try_into().unwrap(),
        site: "dc1".parse().unwrap(),
        ticket: None,
        trust: None,
    }
}

fn proof(path: &str, bytes: &[u8]) -> ProofLine {
    ProofLine {
        date: None,
        path: path.parse().unwrap(),
        sha256: Sha256::of(bytes),
        signed_by: Vec::new(),
        size: bytes.len() as u64,
        tag: ProofTag::Proof,
    }
}

fn item(path: &str, bytes: &[u8]) -> ItemLine {
    let sha256 = Sha256::of(bytes);
    ItemLine {
        architecture: None,
        details: Details::File { origin: Origin::Local },
        licence: None,
        name: path.into(),
        path: path.parse().unwrap(),
        proof: None,
        publisher: None,
        reason: "requested".into(),
        sha256,
        size: bytes.len() as u64,
        source: None,
        tag: ItemTag::Item,
        version: sha256.to_hex()[..12].into(),
    }
}

/// Opens a bundle, whoever signed it.
pub(crate) fn open(folder: &Path) -> Result<OpenState, BundleError> {
    SignedState::open(folder)?.trusted(|_| Ok(()))
}

/// Reads all of a bundle that is in these folders. Returns the blobs that are complete, and the packings that count as absent.
pub(crate) fn read(folders: &[PathBuf], memory: &Memory) -> Result<Vec<String>, BundleError> {
    let scratch = scratch();
    let state = open(&folders[0])?.also_in(&folders[1..])?;
    let (lists, blobs) = state.lists(scratch.path(), |_, _| Ok(()))?;
    let search = state.packings(WrongSize::Missing, |_| Ok(()))?;
    for packing in &search.found {
        unpack(packing, &mut lists.walk(&blobs), memory, scratch.path(), &Progress::hidden())?;
    }
    Ok(search.absent.iter().map(|error| gapferry::error_class::causes(error).join(": ")).collect())
}

/// Parts of a blob, each with its offset.
type Parts = Vec<(u64, Vec<u8>)>;

/// Collects the parts of each blob in memory, with where they start, and has blobs that patches build on.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) parts: Mutex<BTreeMap<Sha256, Parts>>,
    pub(crate) held: BTreeMap<Sha256, Vec<u8>>,
}

#[derive(Default)]
pub(crate) struct Piece(Vec<u8>);

impl Memory {
    /// The blobs that are complete.
    pub(crate) fn blobs(self) -> BTreeMap<Sha256, Vec<u8>> {
        let whole = self.parts.into_inner().unwrap().into_values().map(|parts| {
            let mut bytes = Vec::new();
            for (start, piece) in parts {
                let start = start as usize;
                bytes.resize(bytes.len().max(start + piece.len()), 0);
                bytes[start..start + piece.len()].copy_from_slice(&piece);
            }
            (Sha256::of(&bytes), bytes)
        });
        whole.collect()
    }
}

impl PartSink for Piece {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl ContentSink for Memory {
    type Part = Piece;

    fn wants(&self, _: &VolumePart) -> bool {
        true
    }

    fn base(&self, base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        let slice = base.start as usize..(base.start + base.length) as usize;
        Ok(self.held.get(&base.sha256).and_then(|bytes| bytes.get(slice)).map(<[u8]>::to_vec))
    }

    fn begin(&self, _: &VolumePart) -> Result<Piece, BundleError> {
        Ok(Piece::default())
    }

    fn done(&self, part: &VolumePart, content: Piece) -> Result<(), BundleError> {
        self.parts.lock().unwrap().entry(part.line.blob).or_default().push((part.line.start, content.0));
        Ok(())
    }

    fn bad(&self, _: &VolumePart, _: Piece) {}
}
