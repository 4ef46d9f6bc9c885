//! Collects what `store-admin export` wrote. Nothing outside of these files vouches for them, and the item list says so.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::files::matching;
use super::{CollectContext, CollectError, CollectionNames};
use crate::collection::{Collection, Item, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::enterprise_store::ExportName;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::path::PublishPath;
use crate::selection::EnterpriseStoreSource;
use crate::storage::FileError;

/// Takes the files of all sources into the depot, as the collection `name` of the source `source`.
pub fn collect(
    names: CollectionNames,
    sources: &[EnterpriseStoreSource],
    with: &CollectContext<'_>,
) -> Result<Collection, CollectError> {
    let mut batch = with.depot.batch();
    let (mut files, mut items) = (BTreeMap::new(), BTreeMap::new());
    for path in sources.iter().map(|source| exports(&source.exports)).collect::<Result<Vec<_>, _>>()?.concat() {
        let malformed = |error| Fault::usage(format!("cannot take {}", path.display())).because(error);
        let title: ExportName = path.file_name().unwrap_or_default().to_string_lossy().parse().map_err(malformed)?;
        let digest = || Sha256::of_reader(&mut File::open(&path)?);
        let (sha256, size) = digest().map_err(FileError::on::<CollectError>("read", &path))?;
        let file: PublishPath = title.to_string().parse().map_err(Fault::usage)?;
        match files.insert(file.clone(), sha256) {
            Some(other) if other != sha256 => {
                return Err(Fault::usage(format!("two different files are named {file}")).into());
            }
            Some(_) => continue,
            None => {}
        }
        if !with.dry_run {
            with.depot.put_file(&mut batch, &path, sha256, size)?;
        }
        with.tally.add(1, size);
        items.insert(file.clone(), item(title, file));
    }
    batch.commit()?;
    Ok(Collection {
        files,
        items: items.into_values().collect(),
        kind: Kind::EnterpriseStore,
        name: names.collection,
        origin: Origin::Local,
        proofs: Vec::new(),
        publish: Publish::Verbatim,
        second_digest: None,
        source: names.source,
    })
}

fn item(title: ExportName, file: PublishPath) -> Item {
    Item {
        architecture: String::new(), // known only to who opens it
        file,
        details: Details::File { origin: Origin::Local },
        licence: String::new(),
        name: title.name,
        proof: None,
        publisher: String::new(),
        reason: "local file".to_owned(),
        source: None,
        version: title.made,
    }
}

/// The files that match the pattern, in the order of their names.
fn exports(pattern: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let mut paths = matching(pattern)?;
    paths.retain(|path| path.is_file());
    let none = || {
        let pattern = pattern.display();
        Fault::usage(format!(
            "there is no file {pattern}: write some with `store-admin export snaps NAME --export-dir DIR`"
        ))
    };
    if paths.is_empty() { Err(none().into()) } else { Ok(paths) }
}
