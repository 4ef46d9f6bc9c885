//! The state that an export makes: its item lists and its manifest.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use super::{ExportError, Settings};
use crate::bundle::state::collections::write_collection;
use crate::bundle::state::manifest::{FORMAT, LeftOut, Manifest, StateCollection};
use crate::bundle::write::{BundleDraft, write_list};
use crate::bundle::{BundleError, names};
use crate::collect::Tally;
use crate::collection::Collection;
use crate::depot::{BlobReader, Depot};
use crate::digest::Sha256;
use crate::formats::apt::client_index::MissingIndexes;
use crate::numbers::Sequence;
use crate::origin::Origin;
use crate::selection::Selection;
use crate::time::Time;

const DAY_SECONDS: i64 = 24 * 3600;

/// The item lists of an export, in nameless files, and what the manifest says of them.
pub(super) struct NewLists {
    pub(super) collections: Vec<StateCollection>,
    files: Vec<File>,
}

impl NewLists {
    /// Writes the lists of collections, whose blobs are in the depot. The files are in the folder `scratch`.
    pub(super) fn write(collections: &[Collection], depot: &Depot, scratch: &Path) -> Result<Self, ExportError> {
        let mut lists = Self { collections: Vec::new(), files: Vec::new() };
        for collection in collections {
            let path = Path::new(&names::item_list(collection.kind, &collection.name)).to_owned();
            let file = tempfile::tempfile_in(scratch).map_err(BundleError::io("create a file in", scratch))?;
            let fill = |list: &mut _| write_collection(collection, list, |digest| depot.size(digest));
            let (summary, file) = write_list(file, fill).map_err(BundleError::in_file(&path))?;
            lists.collections.push(StateCollection {
                bytes: summary.bytes,
                files: summary.files,
                kind: collection.kind,
                list: summary.list,
                name: collection.name.clone(),
                origin: of_origin(&collection.origin),
                publish: collection.publish,
                second_digest: collection.second_digest,
                source: collection.source.clone(),
            });
            lists.files.push(file);
        }
        Ok(lists)
    }

    /// Copies the lists into a bundle.
    pub(super) fn copy_into(&mut self, draft: &BundleDraft) -> Result<(), BundleError> {
        let files = self.files.iter_mut();
        self.collections.iter().zip(files).try_for_each(|(collection, file)| {
            file.rewind().map_err(BundleError::io("read", Path::new(&collection.list_file())))?;
            draft.copy_list(collection, file.by_ref())
        })
    }

    /// The lists, to be read.
    pub(super) fn into_readers(self) -> Vec<BlobReader> {
        self.files.into_iter().map(BlobReader::of_file).collect()
    }
}

/// Returns the manifest without its collections.
pub(super) fn header(
    selection: &Selection,
    settings: &Settings<'_>,
    tally: &Tally,
    last: Option<(&Manifest, Sha256)>,
) -> Manifest {
    let created = settings.created.unwrap_or_else(Time::now);
    let overrides = [(settings.allow_older_upstream, "--allow-older-upstream")];
    let mut left_out: Vec<LeftOut> = tally.missing_indexes.borrow().iter().map(left_out).collect();
    left_out.sort();
    left_out.dedup();
    Manifest {
        classification: selection.classification.clone(),
        collections: Vec::new(),
        created,
        epoch: selection.epoch,
        expires: created.plus(i64::from(selection.expires.0) * DAY_SECONDS),
        format: FORMAT,
        generator: format!("gapferry {}", env!("CARGO_PKG_VERSION")),
        left_out,
        name: selection.name.clone(),
        next_expected: selection.next_expected.map(|days| created.plus(i64::from(days.0) * DAY_SECONDS)),
        overrides: overrides.into_iter().filter(|(is_used, _)| *is_used).map(|(_, flag)| flag.to_owned()).collect(),
        previous: last.map(|(_, digest)| digest),
        purpose: selection.purpose.clone(),
        sequence: next_sequence(selection, last.map(|(manifest, _)| manifest)),
        site: selection.site.clone(),
        ticket: selection.ticket.clone(),
        trust: None,
    }
}

fn of_origin(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Local => None,
        Origin::Url(url) => Some(url.clone()),
    }
}

fn left_out(missing: &MissingIndexes) -> LeftOut {
    let collection = missing.suite.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    LeftOut { collection, what: missing.suite.clone(), why: missing.to_string() }
}

/// Returns the sequence of the next bundle. A new epoch starts afresh.
pub(super) fn next_sequence(selection: &Selection, last: Option<&Manifest>) -> Sequence {
    last.filter(|last| last.epoch == selection.epoch).map_or(Sequence::FIRST, |last| last.sequence.next())
}
