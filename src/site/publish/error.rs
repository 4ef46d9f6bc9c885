//! Why a collection cannot be published.

use super::RepreproError;
use crate::depot::DepotError;
use crate::error_class::ErrorClass;
use crate::formats::{Invalid, ReadError};
use crate::label::Label;
use crate::next_command::ShellCommand;
use crate::path::{MalformedPath, PublishPath};
use crate::trust::{OlderUpstream, OtherStream};

/// Why a collection cannot be published.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Path(#[from] MalformedPath),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error(transparent)]
    Older(#[from] OlderUpstream),
    #[error(transparent)]
    OtherStream(#[from] OtherStream),
    #[error("no upstream keyring is pinned for the source {source_name}: check its fingerprint, then run `{pin}`")]
    NoKeyring { source_name: String, pin: ShellCommand },
    #[error("{path} is not vouched for by the keys pinned here")]
    Suite { path: PublishPath, source: Invalid },
    #[error("{path} is not vouched for by the keys pinned here")]
    Signature { path: PublishPath, source: Invalid },
    #[error("{path} does not vouch for its snap")]
    Assertions { path: PublishPath, source: Invalid },
    #[error("cannot read what {path} says of itself")]
    SnapMetadata { path: PublishPath, source: ReadError },
    #[error("cannot use {path}")]
    Stream { path: PublishPath, source: Invalid },
    #[error("cannot use {path}")]
    Rpm { path: PublishPath, source: Invalid },
    #[error("cannot write the keys for clients")]
    Keys(#[source] Invalid),
    #[error("the repository's {path} is not carried")]
    DataMissing { path: PublishPath },
    #[error("{path} comes without its signature")]
    NoSignature { path: PublishPath },
    #[error("upstream's signed metadata does not vouch for {path}")]
    IndexNotVouched { path: PublishPath },
    #[error("the stream's index is not carried")]
    NoIndex,
    #[error("{path} belongs to an image of which not all is carried that clients need")]
    IncompleteImage { path: PublishPath },
    #[error("the index names {path}, which is not carried")]
    ListMissing { path: PublishPath },
    #[error("{path} is no image that MAAS takes")]
    OsImage { path: PublishPath, source: Invalid },
    #[error("the images do not go together")]
    OsImages(#[source] Invalid),
    #[error(
        "it belongs to the source {known} and not to {found}: keys and policy go by source; give it another name, or its own source's"
    )]
    OtherSource { known: String, found: String },
    #[error(
        "it has items without upstream's proof and would answer for {address}, but {theirs} belongs to the source {owner}; if it is to \
         answer there, say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and collection = \"{collection}\""
    )]
    AddressTaken { address: String, theirs: String, owner: Label, collection: Box<str> },
    #[error(
        "it would answer for {address}, but {theirs} belongs to the source {owner}, for which other keys are pinned; if it is to answer there, \
         say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and collection = \"{collection}\""
    )]
    AddressOfOtherKeys { address: String, theirs: String, owner: Label, collection: Box<str> },
    #[error(
        "{path} was asked for as {suite:?}, and upstream signs {} in it: a mirror passes one suite off as another. If the archive is known \
         to differ, write in site.toml, under [policy.signed-as.{source_name}]: \"{suite}\" = \"{}\"",
        or_nothing(.signed), .signed.last().map_or("", String::as_str)
    )]
    OtherSuite { path: PublishPath, suite: String, signed: Vec<String>, source_name: Label },
    #[error(
        "{suite} is a flat suite, and reprepro publishes none: export it with publish = \"re-indexed\" or \"verbatim\""
    )]
    FlatForReprepro { suite: String },
    #[error("the source {source_name} is for {kind} alone, and allows nothing else")]
    OtherKind { source_name: String, kind: &'static str },
    #[error("{path} is no proof of a kind that we know")]
    UnknownProof { path: PublishPath },
    #[error(transparent)]
    Index(#[from] Invalid),
    #[error("upstream's signed indexes do not vouch for {path}: it was swapped, or carried without its proof")]
    ItemNotVouched { path: PublishPath },
    #[error(
        "{path} comes without proof by upstream: if that is meant, add the source {source_name} to allow-unsigned in site.toml"
    )]
    Unsigned { path: PublishPath, source_name: String },
    #[error("{path} is a file that no item of the collection names")]
    FileWithoutItem { path: PublishPath },
    #[error("the generated index {index} names {path}, which is not in the tree")]
    Dangling { index: String, path: String },
    #[error("{kind} cannot be published by reprepro, which knows packages alone: the bundle's selection is wrong")]
    NotForReprepro { kind: &'static str },
    #[error(transparent)]
    Reprepro(Box<RepreproError>),
    #[error("cannot write a Release file")]
    Release(#[source] Invalid),
    #[error("cannot write a stream's metadata")]
    WriteStream(#[source] Invalid),
    #[error("cannot sign with the site's key")]
    Sign(#[source] Invalid),
    #[error("cannot compress an index")]
    Compress(#[source] std::io::Error),
}

impl PublishError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Depot(error) => error.class(),
            Self::Reprepro(error) => error.class(),
            Self::SnapMetadata { source, .. } => source.class_or(ErrorClass::VerificationFailed),
            Self::Older(_)
            | Self::OtherStream(_)
            | Self::NoKeyring { .. }
            | Self::Unsigned { .. }
            | Self::OtherSource { .. }
            | Self::AddressTaken { .. }
            | Self::AddressOfOtherKeys { .. } => ErrorClass::Refused,
            Self::OtherSuite { .. } => ErrorClass::VerificationFailed,
            Self::Path(_)
            | Self::Assertions { .. }
            | Self::Suite { .. }
            | Self::Signature { .. }
            | Self::Stream { .. }
            | Self::Rpm { .. }
            | Self::Index(_)
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
            Self::Dangling { .. }
            | Self::Release(_)
            | Self::WriteStream(_)
            | Self::Keys(_)
            | Self::Sign(_)
            | Self::Compress(_) => ErrorClass::Failed,
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
