//! Finds security data for a report: in a folder, in a bundle, or at a site.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::Failure;
use super::output::note;
use super::snap_roots::open_site;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::feed::{SIGNATURE_SUFFIX, likely_format};
use crate::progress::Progress;
use crate::review::{ContentPlace, FeedFile, PackedFeeds, ReviewedState};
use crate::storage::{FileError, StorageError};
use crate::terminal::safe;
use crate::time::Time;

/// The most files of security data.
const MAX_FILES: usize = 10_000;
/// Bytes of a file by which its format is told.
const START_BYTES: u64 = 64 << 10;

/// The files of security data at `place`, sorted by their names. Dates are those that a state or the site has for files of these digests: the
/// time of a file says when somebody copied it.
pub(super) fn feed_files(
    place: &Path,
    state: &ReviewedState,
    scratch: &Path,
    progress: &Progress,
) -> Result<Vec<FeedFile>, Failure> {
    if place.join("site.toml").is_file() {
        return Ok(open_site(place)?.published_feeds()?);
    }
    if place.join("manifest.json").is_file() {
        return packed(place, scratch, progress);
    }
    let dates: HashMap<Sha256, Time> = state.feed_dates()?.into_iter().collect();
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(place).sort_by_file_name() {
        let entry = entry.map_err(|error| Fault::failed(format!("cannot list {}", place.display())).because(error))?;
        let is_data = entry.path().is_file() && !entry.file_name().to_string_lossy().ends_with(SIGNATURE_SUFFIX);
        if !is_data {
            continue;
        }
        if files.len() >= MAX_FILES {
            return Err(Failure::usage(format_args!("{} has more than {MAX_FILES} files", place.display())));
        }
        let name = entry.path().strip_prefix(place).unwrap_or(entry.path()).to_string_lossy().into_owned();
        match open(entry.path(), &name)? {
            Some(file) => files.push(FeedFile { date: dates.get(&file.sha256).copied(), ..file }),
            None => note(&format!("note: {} is no security data of a known format, and is left out", safe(&name))),
        }
    }
    match files.is_empty() {
        true => Err(Failure::usage(format_args!("{} has no security data", place.display()))),
        false => Ok(files),
    }
}

/// Takes the files of a bundle out of its volumes, into `scratch`.
fn packed(place: &Path, scratch: &Path, progress: &Progress) -> Result<Vec<FeedFile>, Failure> {
    let state = ReviewedState::of_bundle(place)?;
    let content = ContentPlace { state: &state, folders: vec![place.to_owned()], depot: None };
    let PackedFeeds { files, missing } = PackedFeeds::unpack(&content, scratch, progress)?;
    for name in &missing {
        note(&format!("note: the volume with {} is not here, so that this data is left out", safe(name)));
    }
    match files.is_empty() {
        true => Err(Failure::usage(format_args!("no volume in {} has security data", place.display()))),
        false => Ok(files),
    }
}

/// Returns `None` if nothing is known of its format.
fn open(path: &Path, name: &str) -> Result<Option<FeedFile>, Failure> {
    let unreadable = || FileError::on_named::<StorageError>("read", path);
    let mut file = File::open(path).map_err(unreadable())?;
    let mut start = Vec::new();
    file.by_ref().take(START_BYTES).read_to_end(&mut start).map_err(unreadable())?;
    let Some(format) = likely_format(name, &start) else { return Ok(None) };
    let mut file = File::open(path).map_err(unreadable())?;
    let (sha256, size) = Sha256::of_reader(&mut file).map_err(unreadable())?;
    Ok(Some(FeedFile { name: name.to_owned(), format, date: None, sha256, size, place: path.to_owned() }))
}
