//! A bundle, read as a whole: for tests that look into it, or that forge another one of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use gapferry::bundle::names;
use gapferry::bundle::packing::index::Encoding;
use gapferry::bundle::packing::index::PartLine;
use gapferry::bundle::packing::{Packing, PackingParameters};
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::state::blob_table::{BlobMark, BlobTable};
use gapferry::bundle::state::collections::write_collection;
use gapferry::bundle::state::lists::StateLists;
use gapferry::bundle::state::manifest::{Manifest, StateCollection};
use gapferry::bundle::state::stored_state::StoredState;
use gapferry::bundle::write::{BundleDraft, PackingPlan};
use gapferry::collection::Collection;
use gapferry::depot::{BlobReader, Depot};
use gapferry::digest::Sha256;
use gapferry::numbers::VolumeNumber;
use gapferry::origin::Origin;
use gapferry::progress::Progress;
use gapferry::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, SecretKey, sign};
use serde_json::{Value, json};

/// All that a bundle says. Its header's fields are those of its manifest.
#[derive(Clone, Debug)]
pub(crate) struct ReadBundle {
    pub(crate) folder: PathBuf,
    pub(crate) header: Manifest,
    pub(crate) collections: Vec<Collection>,
    pub(crate) blobs: BlobTable,
    pub(crate) packings: Vec<ReadPacking>,
}

/// A packing of a bundle.
#[derive(Clone, Debug)]
pub(crate) struct ReadPacking {
    /// Its folder.
    pub(crate) folder: PathBuf,
    pub(crate) packing: Packing,
    /// The parts of each volume.
    pub(crate) parts: Vec<Vec<PartLine>>,
}

impl Deref for ReadBundle {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.header
    }
}

impl DerefMut for ReadBundle {
    fn deref_mut(&mut self) -> &mut Manifest {
        &mut self.header
    }
}

/// Reads the bundle in `folder`.
pub(crate) fn read_bundle(folder: &Path) -> ReadBundle {
    let state = StoredState::in_files(&folder.join("manifest.json"), folder).unwrap();
    let packings = folder_names(&folder.join("packings")).into_iter().map(|id| {
        let folder = folder.join("packings").join(id);
        let packing = Packing::parse_any(&fs::read(folder.join("packing.json")).unwrap()).unwrap();
        let numbers = VolumeNumber::all().take(packing.volumes.len());
        let parts = numbers.map(|number| {
            let lines = lines_of(&folder.join(names::volume_index(number)));
            lines.into_iter().map(|line| serde_json::from_value(line).unwrap()).collect()
        });
        ReadPacking { parts: parts.collect(), folder, packing }
    });
    ReadBundle {
        folder: folder.to_owned(),
        collections: state.collections().map(Result::unwrap).collect(),
        blobs: state.lists.check(|_, _| Ok(())).unwrap(),
        header: state.manifest,
        packings: packings.collect(),
    }
}

fn folder_names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

impl ReadBundle {
    /// The only packing.
    #[track_caller]
    pub(crate) fn packing(&self) -> &ReadPacking {
        assert_eq!(self.packings.len(), 1, "{:?}", self.packings);
        &self.packings[0]
    }

    /// The parts of all packings.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &PartLine> {
        self.packings.iter().flat_map(|packing| packing.parts.iter().flatten())
    }

    /// The parts that are patches.
    pub(crate) fn patches(&self) -> impl Iterator<Item = &PartLine> {
        self.parts().filter(|part| part.encoding == Encoding::Patch)
    }

    /// The blobs that patches build on.
    pub(crate) fn bases(&self) -> BTreeSet<Sha256> {
        self.patches().map(|part| part.base.as_ref().unwrap().sha256).collect()
    }

    /// The blobs that travel, with their sizes.
    pub(crate) fn carried(&self) -> BTreeMap<Sha256, u64> {
        let size = |blob: &Sha256| self.blobs.get(blob).unwrap().size;
        self.parts().map(|part| (part.blob, size(&part.blob))).collect()
    }

    /// All blobs, with their sizes.
    pub(crate) fn sizes(&self) -> BTreeMap<Sha256, u64> {
        self.blobs.iter().map(|blob| (blob.sha256, blob.size)).collect()
    }

    /// Bytes of the blobs that travel.
    pub(crate) fn carried_bytes(&self) -> u64 {
        self.carried().values().sum()
    }

    /// Bytes of all volumes.
    pub(crate) fn volume_bytes(&self) -> u64 {
        self.packings.iter().flat_map(|packing| &packing.packing.volumes).map(|volume| volume.size).sum()
    }

    /// The volumes' paths in the bundle's folder, with their sizes.
    pub(crate) fn volumes(&self) -> Vec<(String, u64)> {
        let of = |packing: &ReadPacking| -> Vec<(String, u64)> {
            let packing = &packing.packing;
            let name = |number| packing.volume_file(number).unwrap();
            VolumeNumber::all().zip(&packing.volumes).map(|(number, volume)| (name(number), volume.size)).collect()
        };
        self.packings.iter().flat_map(of).collect()
    }
}

impl ReadPacking {
    /// Writes the indexes as `parts` has them, and signs what names them.
    pub(crate) fn resign(&self, key: &SecretKey) {
        let mut value = serde_json::to_value(&self.packing).unwrap();
        for ((number, parts), volume) in VolumeNumber::all().zip(&self.parts).zip(0..) {
            let lines: Vec<Value> = parts.iter().map(|part| serde_json::to_value(part).unwrap()).collect();
            value["volumes"][volume]["index"] = write_lines(&self.folder.join(names::volume_index(number)), &lines);
        }
        sign_json(&self.folder.join("packing.json"), PACKING_NAMESPACE, key, &value);
    }
}

/// The folder of a bundle's only packing.
#[track_caller]
pub(crate) fn packing_folder(bundle: &Path) -> PathBuf {
    let ids = folder_names(&bundle.join("packings"));
    assert_eq!(ids.len(), 1, "{ids:?}");
    bundle.join("packings").join(ids.first().unwrap())
}

/// Copies all of a bundle but its volumes and its recovery data.
pub(crate) fn copy_small_part(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        let is_large = entry.path().extension().is_some_and(|end| end == "tar" || end == "rec");
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).unwrap(),
            false if is_large => {}
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Reads the lines of a stored list.
pub(crate) fn lines_of(path: &Path) -> Vec<Value> {
    let text = zstd::stream::decode_all(&fs::read(path).unwrap()[..]).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Writes a stored list. Returns what names it.
pub(crate) fn write_lines(path: &Path, lines: &[Value]) -> Value {
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    let stored = zstd::stream::encode_all(text.as_bytes(), 3).unwrap();
    fs::write(path, &stored).unwrap();
    let named = |bytes: &[u8]| (Sha256::of(bytes).to_hex(), bytes.len());
    let ((sha256, size), (stored_sha256, stored_size)) = (named(text.as_bytes()), named(&stored));
    json!({"sha256": sha256, "size": size, "stored": {"sha256": stored_sha256, "size": stored_size}})
}

/// Writes a value in its canonical text, and its signature beside it.
pub(crate) fn sign_json(path: &Path, namespace: &'static str, key: &SecretKey, value: &Value) {
    sign_text(path, namespace, key, (serde_json::to_string_pretty(value).unwrap() + "\n").as_bytes());
}

/// Writes a text, and its signature beside it.
pub(crate) fn sign_text(path: &Path, namespace: &'static str, key: &SecretKey, text: &[u8]) {
    fs::write(path, text).unwrap();
    fs::write(path.with_extension("json.sig"), sign(key, namespace, text).unwrap()).unwrap();
}

/// Puts `text` in the place of a bundle's manifest, and signs it. Packings are of the new manifest then.
pub(crate) fn resign(bundle: &Path, key: &SecretKey, text: &[u8]) {
    sign_text(&bundle.join("manifest.json"), MANIFEST_NAMESPACE, key, text);
    for id in folder_names(&bundle.join("packings")) {
        let folder = bundle.join("packings").join(id);
        let mut value: Value = serde_json::from_slice(&fs::read(folder.join("packing.json")).unwrap()).unwrap();
        value["parameters"]["manifest"] = json!(Sha256::of(text).to_hex());
        let parameters: PackingParameters = serde_json::from_value(value["parameters"].clone()).unwrap();
        let renamed = folder.with_file_name(parameters.id().unwrap());
        fs::rename(&folder, &renamed).unwrap();
        sign_json(&renamed.join("packing.json"), PACKING_NAMESPACE, key, &value);
    }
}

/// Packs what an honest bundle says after `edit`, without the blobs `held`, and signs it: a bundle below `out`.
pub(crate) fn repack(
    honest: &ReadBundle,
    held: &[Sha256],
    depot: &Depot,
    (out, key): (&Path, &SecretKey),
    edit: impl FnOnce(&mut ReadBundle),
) -> PathBuf {
    let mut told = honest.clone();
    edit(&mut told);
    told.collections.sort_by(|a, b| (a.kind.as_str(), &a.name).cmp(&(b.kind.as_str(), &b.name)));
    let name = told.header.folder();
    let draft = BundleDraft::begin(out, &name).unwrap();
    let (mut collections, mut files) = (Vec::new(), Vec::new());
    for collection in &told.collections {
        let fill = |list: &mut _| write_collection(collection, list, |digest| depot.size(digest).unwrap());
        let (summary, file) = draft.list(collection.kind, &collection.name, fill).unwrap();
        let origin = match &collection.origin {
            Origin::Local => None,
            Origin::Url(url) => Some(url.clone()),
        };
        files.push(BlobReader::of_file(file));
        collections.push(StateCollection {
            bytes: summary.bytes,
            files: summary.files,
            kind: collection.kind,
            list: summary.list,
            name: collection.name.clone(),
            origin,
            publish: collection.publish,
            second_digest: collection.second_digest,
            source: collection.source.clone(),
        });
    }
    let manifest = Manifest { collections, ..told.header };
    let text = draft.manifest(&manifest).unwrap();
    let signature = sign(key, MANIFEST_NAMESPACE, text.as_bytes()).unwrap();
    draft.signature(&draft.folder().join("manifest.json"), &signature).unwrap();
    let lists = StateLists::new(&manifest, files).unwrap();
    let mut blobs = lists.blobs().unwrap(); // without checks, since a lie may be one that they find
    blobs.mark_where(BlobMark::Held, |blob| held.contains(&blob.sha256));
    let parameters = PackingParameters {
        bases: Vec::new(),
        manifest: Sha256::of(text.as_bytes()),
        patches: None,
        request: None,
        volume_size: 64 << 10,
    };
    let plan = PackingPlan {
        parameters,
        lists: &lists,
        blobs: &blobs,
        older: &BTreeMap::new(),
        recovery: Amount::default(),
        free_space: Default::default(),
    };
    let written = draft.packing(plan, depot, &Progress::hidden()).unwrap();
    let signature = sign(key, PACKING_NAMESPACE, written.text.as_bytes()).unwrap();
    draft.signature(&written.folder.join("packing.json"), &signature).unwrap();
    draft.finish(&name, &written.recovery).unwrap()
}
