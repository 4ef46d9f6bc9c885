//! Security data that a bundle carries, taken out of its volumes.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::contents::{ContentPlace, WantedBlob};
use super::vulnerabilities::FeedFile;
use crate::bundle::BundleError;
use crate::bundle::state::ListLine;
use crate::digest::Sha256;
use crate::progress::Progress;

/// Security data of a bundle.
#[derive(Debug, Default)]
pub struct PackedFeeds {
    /// The files that are in volumes here, by their names.
    pub files: Vec<FeedFile>,
    /// The names of those whose volumes are not here.
    pub missing: Vec<String>,
}

impl PackedFeeds {
    /// Takes the security data of a bundle out of its volumes, verified, into files in `folder`.
    pub fn unpack(place: &ContentPlace<'_>, folder: &Path, progress: &Progress) -> Result<Self, BundleError> {
        let state = place.state;
        let failed = |error| BundleError::in_file(&state.place)(error);
        let (mut all, mut wanted) = (Vec::new(), HashMap::new());
        for (index, collection) in state.manifest.collections.iter().enumerate() {
            let mut list = state.lists.read(index).map_err(failed)?;
            while let Some(line) = list.next_line().map_err(failed)? {
                let ListLine::Item(item) = line else { continue };
                let Some((format, date)) = item.details.feed() else { break }; // a kind has items of one form
                wanted.insert(item.sha256, WantedBlob::of(&item));
                let name = format!("{}/{}", collection.name, item.path);
                let (sha256, size) = (item.sha256, item.size);
                all.push(FeedFile { name, format, date, sha256, size, place: folder.join(sha256.to_hex()) });
            }
        }
        let found = Mutex::new(Vec::new());
        let keep = |digest: &Sha256, mut file: &mut dyn super::contents::PackageFile| {
            let path = folder.join(digest.to_hex());
            let copy = File::create(&path).and_then(|mut copy| io::copy(&mut file, &mut copy));
            copy.map_err(BundleError::io("write", &path))?;
            found.lock().unwrap_or_else(PoisonError::into_inner).push(*digest);
            Ok(())
        };
        place.read(&wanted, None, folder, &keep, progress)?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut files, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|file| found.contains(&file.sha256));
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { files, missing: missing.into_iter().map(|file| file.name).collect() })
    }
}
