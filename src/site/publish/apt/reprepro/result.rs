//! Reads what reprepro has written, and checks it as a client would: signature, digests, and that each index lists exactly
//! what was wanted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::super::{Context, PublishError};
use super::keys::ReadyKey;
use super::wanted::{IndexTarget, WantedPackage, WantedSuite};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::archive::{
    EntryFile, IN_RELEASE, IndexKind, IndexName, MAX_INDEX_BYTES, MAX_RELEASE_BYTES, RELEASE, RELEASE_GPG, entries,
    read_release,
};
use crate::formats::apt::release::Release;
use crate::formats::compression::Compression;
use crate::formats::openpgp::SignedBytes;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;
use crate::site::publish::error::untrusted;
use crate::site::tree::Tree;
use crate::storage::FileError;
use crate::time::Time;

/// Adds what reprepro exported for the suite to the tree: its metadata, and what that lists from the pool.
pub(super) fn read(
    base: &Path,
    suite: &WantedSuite,
    signing: &ReadyKey,
    tree: &mut Tree,
    context: &mut Context<'_, '_>,
) -> Result<(), PublishError> {
    let folder = format!("dists/{}", suite.name);
    let file = |name: &str, cap| bytes(base, &format!("{folder}/{name}"), cap);
    let now = Time::now().unix();
    let release = file(RELEASE, MAX_RELEASE_BYTES)?;
    let signature = file(RELEASE_GPG, MAX_RELEASE_BYTES)?;
    let inline = file(IN_RELEASE, MAX_RELEASE_BYTES)?;
    let beside = SignedBytes::Detached { text: &release, signature: &signature };
    let signed = [(RELEASE, beside), (IN_RELEASE, SignedBytes::Inline(&inline))];
    let mut said = Vec::new();
    for (name, signed) in signed {
        let read = read_release(signed, &signing.keyring, now);
        let path: PublishPath = format!("{folder}/{name}").parse()?;
        said.push(read.map_err(|error| untrusted(&path, error))?.release);
    }
    let [said, inside] = said.as_slice() else { return Ok(()) };
    if said != inside {
        return Err(not_as_wanted(&format!("{folder}/{IN_RELEASE}"), "it differs from Release"));
    }
    is_as_described(&folder, suite, said)?;
    dated(suite, said, context)?;
    for (name, bytes) in [(RELEASE, &release), (RELEASE_GPG, &signature), (IN_RELEASE, &inline)] {
        let digest = context.put(bytes)?;
        tree.add(format!("{folder}/{name}").parse()?, digest);
    }
    let mut lists: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (path, listed) in &said.files {
        let full = format!("{folder}/{path}");
        let Some(bytes) = bytes_if_there(base, &full, MAX_INDEX_BYTES)? else { continue };
        if SignedDigest::from(Sha256::of(&bytes)) != listed.digest {
            return Err(not_as_wanted(&full, "its digest is not the one in Release"));
        }
        let digest = context.put(&bytes)?;
        tree.add(full.parse()?, digest);
        if IndexName::parse(path.as_str()).is_some_and(|name| name.compression == Compression::Plain) {
            lists.insert(path.to_string(), bytes);
        }
    }
    for (target, packages) in &suite.targets {
        let index = target.index();
        let text = lists.remove(&index).unwrap_or_default();
        lists_exactly(&format!("{folder}/{index}"), target, &text, packages, tree)?;
    }
    // reprepro has an index for every pair of component and architecture; the others have to be empty.
    match lists.iter().find(|(_, text)| !text.is_empty()) {
        Some((path, _)) => Err(not_as_wanted(&format!("{folder}/{path}"), "nothing was to be in it")),
        None => Ok(()),
    }
}

/// The fields by which apt knows a repository again.
fn is_as_described(folder: &str, suite: &WantedSuite, said: &Release) -> Result<(), PublishError> {
    let wanted = &suite.release;
    let fields = [
        ("Origin", &said.origin, &wanted.origin),
        ("Label", &said.label, &wanted.label),
        ("Codename", &said.codename, &wanted.codename),
        ("Suite", &said.suite, &wanted.suite),
    ];
    match fields.into_iter().find(|(_, said, wanted)| said != wanted) {
        Some((field, said, wanted)) => Err(not_as_wanted(
            &format!("{folder}/{RELEASE}"),
            &format!(
                "its {field} is {:?} and not {:?}",
                said.as_deref().unwrap_or(""),
                wanted.as_deref().unwrap_or("")
            ),
        )),
        None => Ok(()),
    }
}

/// reprepro dates by the clock, and clients ignore what is not newer than all before.
fn dated(suite: &WantedSuite, said: &Release, context: &mut Context<'_, '_>) -> Result<(), Fault> {
    let date = said.date.and_then(|date| Time::from_unix(date).ok()).unwrap_or_default();
    if date < context.date {
        let (suite, published) = (&suite.name, context.date);
        return Err(Fault::failed(format!(
            "reprepro dated {suite} {date}, which is not after {published}: apt clients would ignore it, so set the clock"
        )));
    }
    *context.of_kind.reprepro.newest = date.max(*context.of_kind.reprepro.newest);
    Ok(())
}

/// Checks an index against what was wanted, and adds the files that it names.
fn lists_exactly(
    index: &str,
    target: &IndexTarget,
    text: &[u8],
    wanted: &BTreeMap<String, WantedPackage>,
    tree: &mut Tree,
) -> Result<(), PublishError> {
    let kind = if target.is_source() { IndexKind::Sources } else { IndexKind::Packages };
    let mut listed = 0;
    for entry in entries(kind, text) {
        let entry = entry.map_err(|error| not_as_wanted(index, &error.to_string()))?;
        let other = || not_as_wanted(index, &format!("it lists {} {}", entry.name, entry.version));
        let package = wanted.get(entry.name).filter(|package| package.version == entry.version).ok_or_else(other)?;
        if package.architecture != entry.architecture || package.files.len() != entry.files.len() {
            return Err(other());
        }
        for EntryFile { path, digest, .. } in &entry.files {
            match package.files.get(path.file_name()) {
                Some(blob) if digest.sha256() == Some(*blob) => tree.add(path.clone(), *blob),
                _ => return Err(not_as_wanted(index, &format!("it lists {path} with other bytes"))),
            }
        }
        listed += 1;
    }
    match listed == wanted.len() {
        true => Ok(()),
        false => Err(not_as_wanted(index, &format!("it lists {listed} packages of {}", wanted.len()))),
    }
}

fn not_as_wanted(path: &str, reason: &str) -> PublishError {
    PublishError::InDoubt(Fault::failed(format!("{path} as reprepro wrote it is not as it must be: {reason}")))
}

fn bytes(base: &Path, path: &str, cap: u64) -> Result<Vec<u8>, PublishError> {
    bytes_if_there(base, path, cap)?.ok_or_else(|| not_as_wanted(path, "it is not there"))
}

fn bytes_if_there(base: &Path, path: &str, cap: u64) -> Result<Option<Vec<u8>>, PublishError> {
    let full = base.join(path);
    match fs::symlink_metadata(&full) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Ok(metadata) if !metadata.is_file() || metadata.len() > cap => {
            Err(not_as_wanted(path, "it is no file, or too large"))
        }
        _ => fs::read(&full).map(Some).map_err(FileError::on("read", &full)),
    }
}
