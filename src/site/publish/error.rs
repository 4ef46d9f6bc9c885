//! Why a collection cannot be published.

use super::RepreproError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::formats::apt::archive::{ArchiveError, IndexFileError};
use crate::formats::apt::release::ReleaseError;
use crate::formats::assertions::AssertionError;
use crate::formats::openpgp::OpenPgpError;
use crate::formats::os_image::BadImage;
use crate::formats::rpm::RpmError;
use crate::formats::simplestreams::StreamError;
use crate::formats::snap::{MalformedListing, MetadataError};
use crate::label::Label;
use crate::next_command::ShellCommand;
use crate::path::{MalformedPath, PublishPath};
use crate::trust::{OlderUpstream, OtherStream};

/// Why a collection cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A path is too long where it is to stand.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// A depot refused.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// Upstream's metadata is older than what was seen.
    #[error(transparent)]
    Older(#[from] OlderUpstream),
    /// Upstream's index is that of another stream than was seen.
    #[error(transparent)]
    OtherStream(#[from] OtherStream),
    /// The site pins no keys for the source.
    #[error("no upstream keyring is pinned for the source {source_name}: check its fingerprint, then run `{pin}`")]
    NoKeyring {
        /// The source.
        source_name: String,
        /// Pins the keyring, of which the name is a guess.
        pin: ShellCommand,
    },
    /// A suite's signed file is not good.
    #[error("{path} is not vouched for by the keys pinned here")]
    Suite {
        /// The signed file.
        path: PublishPath,
        /// Why not.
        source: ArchiveError,
    },
    /// A stream's signed file is not good.
    #[error("{path} is not vouched for by the keys pinned here")]
    Signature {
        /// The signed file.
        path: PublishPath,
        /// Why not.
        source: OpenPgpError,
    },
    /// Assertions do not vouch for a snap.
    #[error("{path} does not vouch for its snap")]
    Assertions {
        /// The assertions.
        path: PublishPath,
        /// Why not.
        source: Box<AssertionError>,
    },
    /// A snap's own metadata cannot be read.
    #[error("cannot read what {path} says of itself")]
    SnapMetadata {
        /// The snap.
        path: PublishPath,
        /// Why not.
        source: Box<MetadataError>,
    },
    /// Where a snap is said to be listed makes no sense.
    #[error("where {path} is listed makes no sense")]
    Listing {
        /// The snap.
        path: PublishPath,
        /// Why not.
        source: MalformedListing,
    },
    /// A stream's file says what cannot be.
    #[error("cannot use {path}")]
    Stream {
        /// The file.
        path: PublishPath,
        /// Why not.
        source: StreamError,
    },
    /// A repository's metadata says what cannot be.
    #[error("cannot use {path}")]
    Rpm {
        /// The file.
        path: PublishPath,
        /// Why not.
        source: Box<RpmError>,
    },
    /// A repository without its signed file, or without what that names.
    #[error("the repository's {path} is not carried")]
    DataMissing {
        /// The file.
        path: PublishPath,
    },
    /// A signed file has no signature beside it.
    #[error("{path} comes without its signature")]
    NoSignature {
        /// The Release file.
        path: PublishPath,
    },
    /// An index is not one that a signed Release names.
    #[error("upstream's signed metadata does not vouch for {path}")]
    IndexNotVouched {
        /// The index.
        path: PublishPath,
    },
    /// A stream without an index.
    #[error("the stream's index is not carried")]
    NoIndex,
    /// An image lacks something, so that no list can name what there is of it.
    #[error("{path} belongs to an image of which not all is carried that clients need")]
    IncompleteImage {
        /// A file of the image.
        path: PublishPath,
    },
    /// A products file that the index names is not carried, and clients would ask for it.
    #[error("the index names {path}, which is not carried")]
    ListMissing {
        /// The products file.
        path: PublishPath,
    },
    /// An image that MAAS would not take as what it is said to be.
    #[error("{path} is no image that MAAS takes")]
    OsImage {
        /// The image.
        path: PublishPath,
        /// Why not.
        source: Box<BadImage>,
    },
    /// Images that do not go together.
    #[error("the images do not go together")]
    OsImages(#[source] Box<BadImage>),
    /// A collection changes its source.
    #[error(
        "it belongs to the source {known} and not to {found}: keys and policy go by source; give it another name, or its own source's"
    )]
    OtherSource {
        /// The source that it was published for first.
        known: String,
        /// What the manifest says now.
        found: String,
    },
    /// A collection without proof would answer for another source's address.
    #[error(
        "it has items without upstream's proof and would answer for {address}, but {theirs} belongs to the source {owner}; if it is to \
         answer there, say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and collection = \"{collection}\""
    )]
    AddressTaken {
        /// The address that it claims.
        address: String,
        /// The address of the other source.
        theirs: String,
        /// The other source.
        owner: Label,
        /// The collection, as KIND/NAME.
        collection: Box<str>,
    },
    /// The address that it would answer for belongs to a source with other pinned keys.
    #[error(
        "it would answer for {address}, but {theirs} belongs to the source {owner}, for which other keys are pinned; if it is to answer there, \
         say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and collection = \"{collection}\""
    )]
    AddressOfOtherKeys {
        /// The address that it claims.
        address: String,
        /// The address of the other source.
        theirs: String,
        /// The other source.
        owner: Label,
        /// The collection, as KIND/NAME.
        collection: Box<str>,
    },
    /// Upstream signs another name inside than the suite was asked for by.
    #[error(
        "{path} was asked for as {suite:?}, and upstream signs {} in it: a mirror passes one suite off as another. If the archive is known \
         to differ, write in site.toml, under [policy.signed-as.{source_name}]: \"{suite}\" = \"{}\"",
        or_nothing(.signed), .signed.last().map_or("", String::as_str)
    )]
    OtherSuite {
        /// The signed file.
        path: PublishPath,
        /// The suite that was asked for.
        suite: String,
        /// The suite and codename that are signed.
        signed: Vec<String>,
        /// The source.
        source_name: Label,
    },
    /// A flat suite is to be published by reprepro.
    #[error(
        "{suite} is a flat suite, and reprepro publishes none: export it with publish = \"re-indexed\" or \"verbatim\""
    )]
    FlatForReprepro {
        /// The suite.
        suite: String,
    },
    /// A source that only one kind of content may have.
    #[error("the source {source_name} is for {kind} alone, and allows nothing else")]
    OtherKind {
        /// The source.
        source_name: String,
        /// The kind.
        kind: &'static str,
    },
    /// A file among the proofs is neither a signed file nor an index.
    #[error("{path} is no proof of a kind that we know")]
    UnknownProof {
        /// The file.
        path: PublishPath,
    },
    /// An index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexFileError),
    /// No index of the suite that the item names lists it with these bytes.
    #[error("upstream's signed indexes do not vouch for {path}: it was swapped, or carried without its proof")]
    ItemNotVouched {
        /// The item's file.
        path: PublishPath,
    },
    /// The item has no proof, and the site does not allow that.
    #[error(
        "{path} comes without proof by upstream: if that is meant, add the source {source_name} to allow-unsigned in site.toml"
    )]
    Unsigned {
        /// The item's file.
        path: PublishPath,
        /// The source.
        source_name: String,
    },
    /// Files and items do not go together one to one.
    #[error("{path} is a file that no item of the collection names")]
    FileWithoutItem {
        /// The file.
        path: PublishPath,
    },
    /// Metadata that was just generated names a file that is not there.
    #[error("the generated index {index} names {path}, which is not in the tree")]
    Dangling {
        /// The index.
        index: String,
        /// The file.
        path: String,
    },
    /// Only packages can be published by reprepro.
    #[error("{kind} cannot be published by reprepro, which knows packages alone: the bundle's selection is wrong")]
    NotForReprepro {
        /// The collection's kind.
        kind: &'static str,
    },
    /// reprepro, or what it works with, refused.
    #[error(transparent)]
    Reprepro(Box<RepreproError>),
    /// A Release cannot be written.
    #[error("cannot write a Release file")]
    Release(#[source] ReleaseError),
    /// A stream's metadata cannot be written.
    #[error("cannot write a stream's metadata")]
    WriteStream(#[source] StreamError),
    /// The site's key cannot sign.
    #[error("cannot sign with the site's key")]
    Sign(#[source] OpenPgpError),
    /// Memory or disk failed while compressing.
    #[error("cannot compress an index")]
    Compress(#[source] std::io::Error),
}

impl PublishError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Depot(error) => error.class(),
            Self::Reprepro(error) => error.class(),
            Self::Index(error) => error.class(),
            Self::Assertions { source, .. } => source.class(),
            Self::Rpm { source, .. } => source.class(),
            Self::Older(_)
            | Self::OtherStream(_)
            | Self::NoKeyring { .. }
            | Self::Unsigned { .. }
            | Self::OtherSource { .. }
            | Self::AddressTaken { .. }
            | Self::AddressOfOtherKeys { .. } => ErrorClass::Refused,
            Self::OtherSuite { .. } => ErrorClass::VerificationFailed,
            Self::Path(_)
            | Self::SnapMetadata { .. }
            | Self::Listing { .. }
            | Self::Suite { .. }
            | Self::Signature { .. }
            | Self::Stream { .. }
            | Self::NoSignature { .. }
            | Self::NotForReprepro { .. }
            | Self::FlatForReprepro { .. }
            | Self::IndexNotVouched { .. }
            | Self::DataMissing { .. }
            | Self::NoIndex
            | Self::IncompleteImage { .. }
            | Self::ListMissing { .. }
            | Self::OsImage { .. }
            | Self::OsImages(_)
            | Self::OtherKind { .. }
            | Self::UnknownProof { .. }
            | Self::ItemNotVouched { .. }
            | Self::FileWithoutItem { .. } => ErrorClass::VerificationFailed,
            Self::Dangling { .. } | Self::Release(_) | Self::WriteStream(_) | Self::Sign(_) | Self::Compress(_) => {
                ErrorClass::Failed
            }
        }
    }
}

fn or_nothing(names: &[String]) -> String {
    if names.is_empty() {
        "no name".to_owned()
    } else {
        names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ")
    }
}

impl From<RepreproError> for PublishError {
    fn from(error: RepreproError) -> Self {
        Self::Reprepro(Box::new(error))
    }
}
