//! Where the contents of parts go.

use crate::bundle::BundleError;
use crate::bundle::manifest::{Blob, Part, Slice};

/// Where the contents of parts go.
pub trait ContentSink: Sync {
    /// Takes one part's content, piece by piece.
    type Part: PartSink;

    /// Whether the part is to be read at all; one that is here already need not be.
    fn wants(&self, blob: &Blob, part: &Part) -> bool;

    /// What a patch builds on; none where it is not here. Then the part's stored bytes are checked, and it is passed over.
    fn base(&self, _base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(None)
    }

    /// Whether what a patch builds on has changed on disk: asked after a patch gave something wrong. Then it is passed over.
    fn is_rotten(&self, _base: &Slice) -> Result<bool, BundleError> {
        Ok(false)
    }

    /// Starts a part.
    fn begin(&self, blob: &Blob, part: &Part) -> Result<Self::Part, BundleError>;

    /// Takes note of a part whose every byte was good.
    fn done(&self, blob: &Blob, part: &Part, content: Self::Part) -> Result<(), BundleError>;

    /// Takes note of a part whose content was not what it must be.
    fn bad(&self, blob: &Blob, part: &Part, content: Self::Part);
}

/// Takes the content of one part.
pub trait PartSink {
    /// The next piece.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError>;
}

/// Looks at nothing: checks volumes without unpacking them.
#[derive(Debug)]
pub struct CheckOnly;

impl PartSink for () {
    fn write(&mut self, _: &[u8]) -> Result<(), BundleError> {
        Ok(())
    }
}

impl ContentSink for CheckOnly {
    type Part = ();

    fn wants(&self, _: &Blob, _: &Part) -> bool {
        true
    }

    fn begin(&self, _: &Blob, _: &Part) -> Result<(), BundleError> {
        Ok(())
    }

    fn done(&self, _: &Blob, _: &Part, (): ()) -> Result<(), BundleError> {
        Ok(())
    }

    fn bad(&self, _: &Blob, _: &Part, (): ()) {}
}
