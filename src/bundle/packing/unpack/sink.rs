//! The receiver of the contents of parts.

use crate::bundle::BundleError;
use crate::bundle::packing::index::Slice;
use crate::bundle::packing::volume_parts::VolumePart;

/// Receives the contents of parts.
pub trait ContentSink: Sync {
    /// Takes one part's content, piece by piece.
    type Part: PartSink;

    /// Returns `true` if the part is to be read; one that is here already need not be.
    fn wants(&self, part: &VolumePart) -> bool;

    /// Returns what a patch builds on, or `None` if it is not here. Then the reader checks the part's stored bytes and goes on.
    fn base(&self, _base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(None)
    }

    /// Returns `true` if what a patch builds on has changed on disk: asked after a patch gave something wrong. Then the reader goes on.
    fn is_rotten(&self, _base: &Slice) -> Result<bool, BundleError> {
        Ok(false)
    }

    /// Starts a part.
    fn begin(&self, part: &VolumePart) -> Result<Self::Part, BundleError>;

    /// Takes note of a part whose every byte was good.
    fn done(&self, part: &VolumePart, content: Self::Part) -> Result<(), BundleError>;

    /// Takes note of a part whose content was not what it must be.
    fn bad(&self, part: &VolumePart, content: Self::Part);
}

/// Takes the content of one part.
pub trait PartSink {
    /// Takes the next piece.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError>;
}

/// Keeps nothing: checks volumes without unpacking them.
#[derive(Debug)]
pub struct CheckOnly;

impl PartSink for () {
    fn write(&mut self, _: &[u8]) -> Result<(), BundleError> {
        Ok(())
    }
}

impl ContentSink for CheckOnly {
    type Part = ();

    fn wants(&self, _: &VolumePart) -> bool {
        true
    }

    fn begin(&self, _: &VolumePart) -> Result<(), BundleError> {
        Ok(())
    }

    fn done(&self, _: &VolumePart, (): ()) -> Result<(), BundleError> {
        Ok(())
    }

    fn bad(&self, _: &VolumePart, (): ()) {}
}
