//! The places of a state's blobs: volumes, or the depot of a site.

use std::path::{Path, PathBuf};

use super::blobs::{BlobLook, BlobSink};
use super::wanted::WantedBlobs;
use crate::bundle::BundleError;
use crate::bundle::packing::found::PackedState;
use crate::bundle::packing::unpack::unpack;
use crate::bundle::packing::volume_files::WrongSize;
use crate::depot::{Depot, DepotError};
use crate::progress::Progress;
use crate::review::state::ReviewedState;

/// The places of a state's blobs.
#[derive(Clone, Debug)]
pub struct ContentPlace<'a> {
    /// The state.
    pub state: &'a ReviewedState,
    /// The bundle's folder on each medium; empty if only a depot has the state.
    pub folders: Vec<PathBuf>,
    /// The depot of a site.
    pub depot: Option<&'a Depot>,
}

impl ContentPlace<'_> {
    /// Hands each wanted blob that is here to `look`, verified. `bases` has what patches build on.
    pub(in crate::review) fn read(
        &self,
        wanted: &WantedBlobs,
        bases: Option<&Depot>,
        scratch: &Path,
        look: &BlobLook<'_>,
        progress: &Progress,
    ) -> Result<(), BundleError> {
        let sink = BlobSink::new(wanted, bases.or(self.depot), scratch, look);
        if !wanted.is_empty() && !self.folders.is_empty() {
            self.read_volumes(&sink, scratch, progress)?;
        }
        let Some(depot) = self.depot else { return Ok(()) };
        let mut missing: Vec<_> = wanted.keys().filter(|digest| !sink.has(digest)).collect();
        missing.sort_unstable();
        for digest in missing {
            match depot.verify(digest) {
                Ok(()) => look(digest, &mut depot.open_blob(digest)?)?,
                Err(DepotError::Missing { .. } | DepotError::DigestMismatch { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_volumes(&self, sink: &BlobSink<'_>, scratch: &Path, progress: &Progress) -> Result<(), BundleError> {
        let (state, bundle) = (self.state, self.state.manifest.folder());
        let packed = PackedState {
            bundle: &bundle,
            manifest: &state.digest,
            folders: &self.folders,
            wrong_size: WrongSize::Missing,
        };
        let packings = packed.search(|_| Ok(()))?.found;
        let blobs = state.lists.check(|_, _| Ok(())).map_err(BundleError::in_file(&state.place))?;
        let bytes = packings.iter().flat_map(|packing| &packing.packing.volumes).map(|volume| volume.size).sum();
        let progress = progress.phase("looking into packages", bytes);
        for packing in &packings {
            unpack(packing, &mut state.lists.walk(&blobs), sink, scratch, &progress)?;
        }
        progress.finish();
        Ok(())
    }
}
