//! All that can end a command, with its exit code.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::bundle::Damage;
use crate::bundle::{BundleError, pieces};
use crate::exit::Exit;
use crate::export::ExportError;
use crate::next_command;
use crate::selection::SelectionError;
use crate::site::SiteError;
use crate::storage::StorageError;
use crate::trust::TrustError;
use crate::workspace::WorkspaceError;

/// What ended a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Delivery(#[from] crate::workspace::DeliveryError),
    #[error(transparent)]
    Receipt(#[from] crate::workspace::ReceiptFileError),
    #[error(transparent)]
    Recut(#[from] crate::recut::RecutError),
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    #[error(transparent)]
    Access(#[from] crate::collect::access::AccessError),
    #[error(transparent)]
    Images(#[from] crate::collect::images::ImagesError),
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    #[error(transparent)]
    Setup(#[from] crate::setup::SetupError),
    #[error(transparent)]
    Maas(#[from] crate::maas::MaasError),
    #[error(
        "{} of {} exports were not taken by the Enterprise Store, and are tried again at the next import or by `{}`: {}",
        failed.len(), failed.len() + pushed, next_command::push(site), failed.iter().map(|(file, why)| format!("{file}: {why}")).collect::<Vec<_>>().join("; ")
    )]
    NotPushed { site: PathBuf, pushed: usize, failed: Vec<(String, String)> },
    #[error("there is nothing to push: the Enterprise Store has been given all exports that the site publishes")]
    NothingToPush,
    #[error(transparent)]
    NotMounted(#[from] crate::media::NotMounted),
    #[error("files of {bundle} that are on no medium yet: {files}; needed: {next}")]
    NotAllCopied {
        bundle: String,
        /// Files that are on no medium.
        files: usize,
        /// The media that are needed.
        next: String,
        /// The report of the copy, for programs.
        report: Value,
    },
    #[error("{bundle} is damaged: {}; {} all of it, so it can be imported as it is", pieces(damage), remedy(damage))]
    Repairable { bundle: String, damage: Vec<Damage> },
    #[error("cannot write the result to stdout; what the command has changed stays changed")]
    Unwritable(#[source] std::io::Error),
    #[error(
        "there is no bundle {}: it was looked for in {}; give its folder", name.display(),
        looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
    )]
    NoBundle { name: PathBuf, looked: Vec<PathBuf> },
    #[error(
        "there is no bundle {} in {}, and the workspace {} cannot make it again: only the last bundle of each name is \
         remembered, and only if it was signed when it was exported", name.display(),
        looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "), workspace.display()
    )]
    NotRemembered { name: PathBuf, looked: Vec<PathBuf>, workspace: PathBuf },
    #[error("{words}")]
    SiteFlawed { words: String, value: Box<Value> },
    #[error("{0}")]
    Usage(String),
}

/// What makes up for the damage.
fn remedy(damage: &[Damage]) -> &'static str {
    let is_copied = |piece: &Damage| piece.instead.is_some();
    match (damage.iter().all(is_copied), damage.iter().any(is_copied)) {
        (true, _) => "the other media have",
        (false, true) => "recovery data and the other media make up for",
        (false, false) => "recovery data repair",
    }
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Export(error) => error.exit(),
            Self::Selection(error) => error.exit(),
            Self::Bundle(error) => error.exit(),
            Self::Site(error) => error.exit(),
            Self::Workspace(error) => error.exit(),
            Self::Storage(error) => error.exit(),
            Self::Trust(error) => error.exit(),
            Self::Delivery(error) => error.exit(),
            Self::Receipt(error) => error.exit(),
            Self::Recut(error) => error.exit(),
            Self::Media(error) => error.exit(),
            Self::Access(error) => error.exit(),
            Self::Images(error) => error.exit(),
            Self::Demo(error) => error.exit(),
            Self::Serve(error) => error.exit(),
            Self::Setup(error) => error.exit(),
            Self::Maas(error) => error.exit(),
            Self::NotPushed { .. } => Exit::Failed,
            Self::NothingToPush => Exit::NothingNew,
            Self::NotAllCopied { .. } => Exit::VolumesMissing,
            Self::NotMounted(_) => Exit::Usage,
            Self::Repairable { .. } | Self::SiteFlawed { .. } => Exit::VerificationFailed,
            Self::Unwritable(error) => Exit::of_io(error),
            Self::NoBundle { .. } | Self::NotRemembered { .. } | Self::Usage(_) => Exit::Usage,
        }
    }

    /// What programs are told besides the words.
    pub(super) fn fields(&self) -> Option<Value> {
        let (damage, repairable) = match self {
            Self::SiteFlawed { value, .. } => return Some((**value).clone()),
            Self::NotAllCopied { report, .. } => return Some(report.clone()),
            Self::Repairable { damage, .. } => (damage, true),
            Self::Bundle(BundleError::Unrepairable { damage, .. })
            | Self::Site(SiteError::Bundle(BundleError::Unrepairable { damage, .. })) => (damage, false),
            _ => return None,
        };
        Some(json!({ "damaged": damage, "repairable": repairable }))
    }
}
