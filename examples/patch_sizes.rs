//! Prints what the new revision of a file costs in a bundle, with the site holding the old one: `patch_sizes OLD NEW`.
//!
//! The packer itself does it, once without and once with patches; one line of JSON, sizes in bytes and times in seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use gapferry::bundle::Manifest;
use gapferry::bundle::manifest::FORMAT;
use gapferry::bundle::pack::{PackPlan, pack};
use gapferry::collection::{Collection, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::kind::Kind;
use gapferry::numbers::{Epoch, Sequence};
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
    let [(old, _), (new, size)] = digests.as_slice() else { return Err("two files are needed".into()) };
    let (plain, plain_time) = packed(&depot, &folder.path().join("plain"), *new, None)?;
    let (patch, patch_time) = packed(&depot, &folder.path().join("patch"), *new, Some(*old))?;
    println!(
        "{}",
        json!({ "size": size, "plain": plain, "patch": patch, "plain_time": plain_time, "patch_time": patch_time })
    );
    Ok(())
}

/// The stored bytes of the blob, and how long that took.
fn packed(depot: &Depot, out: &Path, blob: Sha256, older: Option<Sha256>) -> Result<(u64, f64), Box<dyn Error>> {
    let collection = Collection {
        files: BTreeMap::from([("file".parse()?, blob)]),
        items: Vec::new(),
        kind: Kind::Files,
        name: "x".parse()?,
        origin: "local".into(),
        proofs: Vec::new(),
        publish: Publish::ReIndexed,
        second_digest: None,
        source: "x".parse()?,
    };
    let manifest = Manifest {
        blobs: Vec::new(),
        collections: vec![collection],
        created: Time::now(),
        epoch: Epoch::FIRST,
        expires: Time::now().plus(1000),
        format: FORMAT,
        generator: "patch_sizes".into(),
        name: "x".parse()?,
        previous: None,
        sequence: Sequence::FIRST,
        site: "x".parse()?,
        volumes: Vec::new(),
    };
    let older = older.map(|older| (blob, older)).into_iter().collect();
    let plan = PackPlan {
        manifest,
        held: BTreeSet::new(),
        older,
        volume_bytes: VOLUME_BYTES,
        recovery: Default::default(),
        free_space: Default::default(),
    };
    let start = Instant::now();
    let done = pack(plan, depot, out, &Progress::hidden())?;
    let stored = done.manifest.blobs.iter().flat_map(|blob| &blob.parts).map(|part| part.stored).sum();
    Ok((stored, start.elapsed().as_secs_f64()))
}
