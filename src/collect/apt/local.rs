//! A folder of local .debs as a source of its own: no upstream vouches for it, and the item list says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::archives::host_architecture;
use crate::collect::folder::list_folder;
use crate::collect::{CollectContext, CollectError};
use crate::collection::{Collection, Item, Proof, Publish, SourcePackage};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::ReadError;
use crate::formats::apt::archive::SourceName;
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::deb::{packages_stanza, read_control};
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::AptSource;
use crate::storage::FileError;

/// The folder of the suite of all local packages.
const SUITE_FOLDER: &str = "dists/local";
/// Their component.
const COMPONENT: &str = "main";

/// Takes every .deb below `folder` into the depot, and writes the index that describes them.
pub(super) fn collect(
    source: &AptSource,
    folder: &Path,
    with: &CollectContext<'_>,
) -> Result<Collection, CollectError> {
    let suite = SuiteName::of_folder(SUITE_FOLDER)?;
    let mut batch = with.depot.batch();
    let (mut files, mut items) = (BTreeMap::new(), BTreeMap::new());
    let mut stanzas: Vec<(String, String)> = Vec::new();
    for path in debs(folder)? {
        let mut file = File::open(&path).map_err(FileError::on::<CollectError>("read", &path))?;
        let control = read_control(&mut file).map_err(|error| cannot_read(&path, error))?;
        let (sha256, size) = digest(&path)?;
        if !with.dry_run {
            with.depot.put_file(&mut batch, &path, sha256, size)?;
        }
        with.tally.add(1, size);
        let published = published_path(control.package(), control.version(), control.architecture())?;
        if files.insert(published.clone(), sha256).is_some_and(|other| other != sha256) {
            return Err(Fault::unverified(format!("two different files claim the path {published}")).into());
        }
        stanzas.push((control.architecture().to_owned(), packages_stanza(&control, &published, size, sha256)));
        let own = SourceName { name: control.package(), version: control.version() };
        let source = SourceName::of_field(control.field("Source").unwrap_or_default(), own);
        let item = Item {
            architecture: control.architecture().to_owned(),
            file: published.clone(),
            details: Details::Deb { component: Some(COMPONENT.to_owned()), suite: suite.clone() },
            licence: String::new(), // control files do not say
            name: control.package().to_owned(),
            proof: None,
            publisher: String::new(),
            reason: "local file".to_owned(),
            source: source.map(SourcePackage::from),
            version: control.version().to_owned(),
        };
        items.insert(published, item);
    }
    if files.is_empty() {
        return Err(Fault::usage(format!("there is no .deb file in {}", folder.display())).into());
    }
    let mut proofs = Vec::new();
    for architecture in architectures(source, &stanzas) {
        let of = |(a, _): &&(String, String)| *a == architecture || a == "all";
        let text: String = stanzas.iter().filter(of).map(|(_, stanza)| format!("{}\n\n", stanza.trim_end())).collect();
        let path = suite.path(&format!("{COMPONENT}/binary-{architecture}/Packages")).parse()?;
        proofs.push(Proof {
            date: None,
            path,
            sha256: with.depot.put(&mut batch, text.as_bytes())?,
            signed_by: vec![],
        });
    }
    batch.commit()?;
    Ok(Collection {
        files,
        items: items.into_values().collect(),
        kind: Kind::Apt,
        name: source.name.clone(),
        origin: Origin::Local,
        proofs,
        publish: match source.publish {
            Publish::Verbatim => Publish::ReIndexed, // there is no upstream whose words these could be
            other => other,
        },
        second_digest: None,
        source: source.name.clone(),
    })
}

fn cannot_read(path: &Path, error: ReadError) -> CollectError {
    let unusable = |error| Fault::unverified(format!("{} is not a usable .deb", path.display())).because(error).into();
    error.map(FileError::on("read", path), unusable)
}

/// Digest and size of a file that is only looked at.
fn digest(path: &Path) -> Result<(Sha256, u64), CollectError> {
    let digest = || Sha256::of_reader(&mut File::open(path)?);
    digest().map_err(FileError::on("read", path))
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let is_deb = |path: &Path| path.extension().is_some_and(|extension| extension == "deb");
    Ok(list_folder(folder, is_deb)?.into_iter().map(|file| file.path).collect())
}

/// Where a pool has it; a colon is written as `%3a`, as in the names that dpkg gives.
fn published_path(package: &str, version: &str, architecture: &str) -> Result<PublishPath, CollectError> {
    let version = version.replace(':', "%3a");
    format!("pool/{COMPONENT}/{package}/{package}_{version}_{architecture}.deb").parse().map_err(CollectError::Path)
}

/// The architectures of the debs themselves; for packages of `all` alone those of the selection, or the host's.
fn architectures(source: &AptSource, stanzas: &[(String, String)]) -> BTreeSet<String> {
    let mut architectures: BTreeSet<String> = stanzas.iter().map(|(a, _)| a.clone()).filter(|a| a != "all").collect();
    architectures.extend(source.architectures.iter().cloned());
    if architectures.is_empty() {
        architectures.insert(host_architecture().to_owned());
    }
    architectures
}
