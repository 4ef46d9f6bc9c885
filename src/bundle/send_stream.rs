//! Sends a bundle as one stream. `bundle_stream` reads it.

use std::io::{Read as _, Write};
use std::path::Path;

use super::folder::open;
use super::layout::{TRAILER, header, padding};
use super::packing::Packing;
use super::packing::volume_files::WrongSize;
use super::state::SignedState;
use super::write::files_in;
use super::{BundleError, STREAM_NAME, names, trust_files};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes the bundle in `folder` to `out`. Its manifest and its packings, whose volumes must all be here, are signed.
pub fn send(folder: &Path, out: &mut dyn Write, progress: &Progress) -> Result<(), BundleError> {
    let state = SignedState::open(folder)?.trusted(|_| Ok::<_, BundleError>(()))?;
    let search = state.packings(WrongSize::Refused, |_| Ok(()))?;
    if let Some(error) = search.absent.into_iter().next() {
        return Err(error);
    }
    for packing in &search.found {
        let missing = packing.files.missing();
        if !missing.is_empty() {
            return Err(BundleError::VolumesMissing { folder: folder.to_owned(), missing });
        }
    }
    let total = search.found.iter().flat_map(|found| &found.packing.volumes).map(|volume| volume.size).sum();
    let progress = progress.phase("sending", total);
    let mut sender =
        Sender { folder, name: state.manifest.folder(), out, progress: &progress, buffer: vec![0; BUFFER_BYTES] };
    sender.trust_files()?;
    sender.file(names::MANIFEST)?;
    sender.file(names::SIGNATURE)?;
    sender.folder_of(names::APPROVALS)?;
    state.manifest.collections.iter().try_for_each(|collection| sender.file(&collection.list_file()))?;
    for found in &search.found {
        sender.packing(&found.id, &found.packing)?;
    }
    sender.file(names::SHA256SUMS)?;
    sender.file(names::VERIFY)?;
    let end = sender.out.write_all(&[0; TRAILER as usize]).and_then(|()| sender.out.flush());
    progress.finish();
    end.map_err(BundleError::io("write to", Path::new(STREAM_NAME)))
}

/// Writes files of a bundle to a stream.
struct Sender<'a> {
    folder: &'a Path,
    name: String,
    out: &'a mut dyn Write,
    progress: &'a Progress,
    buffer: Vec<u8>,
}

impl Sender<'_> {
    fn packing(&mut self, id: &str, packing: &Packing) -> Result<(), BundleError> {
        let below = format!("{}/{id}", names::PACKINGS);
        self.file(&format!("{below}/{}", names::PACKING))?;
        self.file(&format!("{below}/{}", names::PACKING_SIGNATURE))?;
        for number in VolumeNumber::all().take(packing.volumes.len()) {
            self.file(&format!("{below}/{}", names::volume_index(number)))?;
            self.file(&format!("{below}/{}", names::volume(number)))?;
        }
        Ok(())
    }

    /// Writes the trust files in order, each before its signatures.
    fn trust_files(&mut self) -> Result<(), BundleError> {
        for version in trust_files::versions(&trust_files::folder_in(self.folder))? {
            let name = format!("{}/{}", names::TRUST, trust_files::file_name(version));
            self.file(&name)?;
            let signatures = format!("{name}.sig");
            if self.folder.join(&signatures).exists() {
                self.file(&signatures)?;
            }
        }
        Ok(())
    }

    /// Writes the files of a folder, if there is one, in the order of their names.
    fn folder_of(&mut self, below: &str) -> Result<(), BundleError> {
        let files = files_in(&self.folder.join(below))?;
        files.iter().try_for_each(|file| self.file(&format!("{below}/{file}")))
    }

    fn file(&mut self, file: &str) -> Result<(), BundleError> {
        let path = self.folder.join(file);
        let (mut from, size) = open(&path)?;
        let to_stream = |error| BundleError::io("write to", Path::new(STREAM_NAME))(error);
        self.out.write_all(&header(&format!("{}/{file}", self.name), size)).map_err(to_stream)?;
        let mut left = size;
        while left > 0 {
            let piece = self.buffer.get_mut(..left.min(BUFFER_BYTES as u64) as usize).unwrap_or_default();
            from.read_exact(piece).map_err(BundleError::io("read", &path))?;
            self.out.write_all(piece).map_err(to_stream)?;
            left -= piece.len() as u64;
            self.progress.add(if file.ends_with(".tar") { piece.len() as u64 } else { 0 });
        }
        self.out.write_all(&vec![0; padding(size) as usize]).map_err(to_stream)
    }
}
