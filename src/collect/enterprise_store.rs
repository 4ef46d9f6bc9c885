//! Collects what `store-admin export` wrote. Nothing outside of these files vouches for them, and the manifest says so.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::CollectContext;
use crate::collection::{Collection, Item, Publish};
use crate::depot::DepotError;
use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::formats::enterprise_store::ExportName;
use crate::kind::{Details, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::path::{MalformedPath, PublishPath};
use crate::selection::EnterpriseStoreSource;
use crate::storage::FileError;

/// Why exports cannot be collected.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ExportsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is not a pattern", pattern.display())]
    Pattern { pattern: PathBuf, source: glob::PatternError },
    #[error("there is no file {}: write some with `store-admin export snaps NAME --export-dir DIR`", pattern.display())]
    NoExports { pattern: PathBuf },
    #[error("cannot take {}", path.display())]
    Name { path: PathBuf, source: Invalid },
    #[error("two different files are named {path}")]
    TwoFiles { path: PublishPath },
    #[error(transparent)]
    Path(#[from] MalformedPath),
    #[error(transparent)]
    Depot(#[from] DepotError),
}

impl ExportsError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Depot(error) => error.class(),
            Self::Pattern { .. }
            | Self::NoExports { .. }
            | Self::Name { .. }
            | Self::TwoFiles { .. }
            | Self::Path(_) => ErrorClass::Usage,
        }
    }
}

/// Takes the files of all sources into the depot, as the collection `name` of the source `source`.
pub fn collect(
    (source, name): (Label, Label),
    sources: &[EnterpriseStoreSource],
    with: &CollectContext<'_>,
) -> Result<Collection, ExportsError> {
    let mut batch = with.depot.batch();
    let (mut files, mut items) = (BTreeMap::new(), BTreeMap::new());
    for path in sources.iter().map(|source| exports(&source.exports)).collect::<Result<Vec<_>, _>>()?.concat() {
        let malformed = |source| ExportsError::Name { path: path.clone(), source };
        let title: ExportName = path.file_name().unwrap_or_default().to_string_lossy().parse().map_err(malformed)?;
        let digest = || Sha256::of_reader(&mut File::open(&path)?);
        let (sha256, size) = digest().map_err(FileError::on::<ExportsError>("read", &path))?;
        let file: PublishPath = title.to_string().parse()?;
        match files.insert(file.clone(), sha256) {
            Some(other) if other != sha256 => return Err(ExportsError::TwoFiles { path: file }),
            Some(_) => continue,
            None => {}
        }
        if !with.dry_run {
            with.depot.put_file(&mut batch, &path, (sha256, size))?;
        }
        with.tally.add(1, size);
        items.insert(file.clone(), item(title, file));
    }
    batch.commit()?;
    Ok(Collection {
        files,
        items: items.into_values().collect(),
        kind: Kind::EnterpriseStore,
        name,
        origin: Origin::Local,
        proofs: Vec::new(),
        publish: Publish::Verbatim,
        second_digest: None,
        source,
    })
}

fn item(title: ExportName, file: PublishPath) -> Item {
    Item {
        architecture: String::new(), // known only to who opens it
        file,
        details: Details::File { origin: Origin::Local },
        name: title.name,
        proof: None,
        publisher: String::new(),
        reason: "local file".to_owned(),
        version: title.made,
    }
}

/// The files that match the pattern, in the order of their names.
fn exports(pattern: &Path) -> Result<Vec<PathBuf>, ExportsError> {
    let bad = |source| ExportsError::Pattern { pattern: pattern.to_owned(), source };
    let mut paths = Vec::new();
    for path in glob::glob(&pattern.to_string_lossy()).map_err(bad)? {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            FileError::on::<FileError>("read", &path)(error.into())
        })?;
        paths.extend(path.is_file().then_some(path));
    }
    if paths.is_empty() { Err(ExportsError::NoExports { pattern: pattern.to_owned() }) } else { Ok(paths) }
}
