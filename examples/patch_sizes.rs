//! Prints what the new revision of a file costs in a bundle, with the site holding the old one: `patch_sizes OLD NEW`.
//!
//! The packer itself does it, once without and once with patches; one line of JSON, sizes in bytes and times in seconds.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use gapferry::bundle::names::volume_index;
use gapferry::bundle::packing::index::PartLine;
use gapferry::bundle::packing::{BaseState, PackingParameters, PatchesAllowed};
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::state::line::{ItemLine, ItemTag};
use gapferry::bundle::state::lists::StateLists;
use gapferry::bundle::state::manifest::{FORMAT, Manifest, StateCollection};
use gapferry::bundle::write::{BundleDraft, PackingPlan};
use gapferry::collection::Publish;
use gapferry::depot::{BlobReader, Depot};
use gapferry::digest::Sha256;
use gapferry::kind::{Details, Kind};
use gapferry::numbers::{Epoch, Sequence, VolumeNumber};
use gapferry::origin::Origin;
use gapferry::progress::Progress;
use gapferry::time::Time;
use serde_json::json;

/// As the selection has it by default, in bytes.
const VOLUME_BYTES: u64 = 4_000_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new] = arguments.as_slice() else {
        eprintln!("usage: patch_sizes OLD NEW");
        return ExitCode::FAILURE;
    };
    match compare(Path::new(old), Path::new(new)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patch_sizes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(old: &Path, new: &Path) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir_in(new.parent().unwrap_or(Path::new(".")))?;
    let depot = Depot::open(&folder.path().join("depot"))?;
    let mut digests = Vec::new();
    let mut batch = depot.batch();
    for path in [old, new] {
        let (digest, size) = Sha256::of_reader(&mut fs::File::open(path)?)?;
        depot.put_file(&mut batch, path, digest, size)?;
        digests.push((digest, size));
    }
    batch.commit()?;
    let [(old, _), new] = digests.as_slice() else { return Err("two files are needed".into()) };
    let (plain, plain_time) = packed(&depot, &folder.path().join("plain"), *new, None)?;
    let (patch, patch_time) = packed(&depot, &folder.path().join("patch"), *new, Some(*old))?;
    println!(
        "{}",
        json!({ "size": new.1, "plain": plain, "patch": patch, "plain_time": plain_time, "patch_time": patch_time })
    );
    Ok(())
}

/// A file in the depot: its digest and its size.
type Blob = (Sha256, u64);

/// Packs `blob`, against `older` if there is one. Returns its stored bytes, and the seconds that it took.
fn packed(depot: &Depot, out: &Path, blob: Blob, older: Option<Sha256>) -> Result<(u64, f64), Box<dyn Error>> {
    let draft = BundleDraft::begin(out, "bundle")?;
    let (label, line) = ("x".parse()?, item(blob)?);
    let (summary, list) = draft.list(Kind::Files, &label, |list| list.item(&line))?;
    let manifest = manifest(StateCollection {
        bytes: summary.bytes,
        files: summary.files,
        kind: Kind::Files,
        list: summary.list,
        name: label,
        origin: None,
        publish: Publish::ReIndexed,
        second_digest: None,
        source: "x".parse()?,
    })?;
    let text = draft.manifest(&manifest)?;
    let lists = StateLists::new(&manifest, vec![BlobReader::of_file(list)])?;
    let blobs = lists.check(|_, _| Ok(()))?;
    // Nobody has published the base: only the patch counts here.
    let base = older.map(|older| BaseState { manifest: older, sequence: Sequence::FIRST });
    let plan = PackingPlan {
        parameters: PackingParameters {
            bases: base.into_iter().collect(),
            manifest: Sha256::of(text.as_bytes()),
            patches: older.map(|_| PatchesAllowed),
            request: None,
            volume_size: VOLUME_BYTES,
        },
        lists: &lists,
        blobs: &blobs,
        older: &older.map(|older| (blob.0, older)).into_iter().collect::<BTreeMap<_, _>>(),
        recovery: Amount::default(),
        free_space: Default::default(),
    };
    let start = Instant::now();
    let written = draft.packing(plan, depot, &Progress::hidden())?;
    let seconds = start.elapsed().as_secs_f64();
    let mut stored = 0;
    for number in VolumeNumber::all().take(written.packing.volumes.len()) {
        stored += stored_bytes(&written.folder.join(volume_index(number)))?;
    }
    Ok((stored, seconds))
}

/// Returns the sum of the stored bytes of the parts in a volume's index.
fn stored_bytes(index: &Path) -> Result<u64, Box<dyn Error>> {
    let text = zstd::decode_all(fs::File::open(index)?)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(serde_json::from_slice::<PartLine>(line)?.stored_bytes())).sum()
}

fn item((sha256, size): Blob) -> Result<ItemLine, Box<dyn Error>> {
    Ok(ItemLine {
        architecture: None,
        details: Details::File { origin: Origin::Local },
        licence: None,
        name: "file".into(),
        path: "file".parse()?,
        proof: None,
        publisher: None,
        reason: "requested".into(),
        sha256,
        size,
        source: None,
        tag: ItemTag::Item,
        version: "1".into(),
    })
}

fn manifest(collection: StateCollection) -> Result<Manifest, Box<dyn Error>> {
    Ok(Manifest {
        changed_items: Vec::new(),
        more_changed_items: None,
        classification: None,
        collections: vec![collection],
        created: Time::now(),
        epoch: Epoch::FIRST,
        expires: Time::now().plus(1000),
        format: FORMAT,
        generator: "patch_sizes".into(),
        left_out: Vec::new(),
        name: "x".parse()?,
        next_expected: None,
        overrides: Vec::new(),
        previous: None,
        purpose: None,
        sequence: Sequence::FIRST,
        site: "x".parse()?,
        ticket: None,
        trust: None,
    })
}
