//! All that can end a command, with its exit code.

use std::fmt::Display;
use std::io;

use serde_json::{Value, json};

use crate::bundle::Damage;
use crate::bundle::{BundleError, pieces};
use crate::error_class::{ErrorClass, Fault};
use crate::export::ExportError;
use crate::selection::SelectionError;
use crate::site::SiteError;
use crate::storage::StorageError;
use crate::trust::TrustError;
use crate::workspace::WorkspaceError;

/// What ended a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Fault(#[from] Fault),
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
    Recut(#[from] crate::recut::RecutError),
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    #[error(transparent)]
    Collect(#[from] crate::collect::CollectError),
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    #[error(transparent)]
    Setup(#[from] crate::setup::SetupError),
    #[error(transparent)]
    Maas(#[from] crate::maas::MaasError),
    #[error(transparent)]
    Vulnerabilities(#[from] crate::review::VulnerabilityError),
    #[error(transparent)]
    NotMounted(#[from] crate::media::NotMounted),
    #[error("files of {bundle} that are on no medium yet: {files}; needed: {next}")]
    NotAllCopied { bundle: String, files: usize, next: String, report: Value },
    #[error("{bundle} is damaged: {}; {} all of it, so it can be imported as it is", pieces(damage), remedy(damage))]
    Repairable { bundle: String, damage: Vec<Damage> },
    #[error("the rollback would be refused")]
    RollbackRefused { source: Box<SiteError>, plan: Box<Value> },
    #[error("{words}")]
    SiteFlawed { words: String, value: Box<Value> },
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
    /// Makes the error of a command line that is wrong.
    pub(super) fn usage(what: impl Display) -> Self {
        Fault::usage(what).into()
    }

    /// Makes the error of a result that cannot be written.
    pub(super) fn unwritable(error: io::Error) -> Self {
        let what = "cannot write the result to stdout; what the command has changed stays changed";
        Fault::new(ErrorClass::of_io(&error), what).because(error).into()
    }

    pub(super) fn class(&self) -> ErrorClass {
        match self {
            Self::Fault(error) => error.class(),
            Self::Export(error) => error.class(),
            Self::Vulnerabilities(error) => error.class(),
            Self::Selection(error) => error.class(),
            Self::Bundle(error) => error.class(),
            Self::Site(error) => error.class(),
            Self::Workspace(error) => error.class(),
            Self::Storage(error) => error.class(),
            Self::Trust(error) => error.class(),
            Self::Recut(error) => error.class(),
            Self::Media(error) => error.class(),
            Self::Collect(error) => error.class(),
            Self::Demo(error) => error.class(),
            Self::Serve(error) => error.class(),
            Self::Setup(error) => error.class(),
            Self::Maas(error) => error.class(),
            Self::NotAllCopied { .. } => ErrorClass::VolumesMissing,
            Self::NotMounted(_) => ErrorClass::Usage,
            Self::Repairable { .. } => ErrorClass::VerificationFailed,
            Self::RollbackRefused { source, .. } => source.class(),
            Self::SiteFlawed { .. } => ErrorClass::RotFound,
        }
    }

    /// What programs are told besides the words.
    pub(super) fn fields(&self) -> Option<Value> {
        let (damage, repairable) = match self {
            Self::RollbackRefused { plan: value, .. } | Self::SiteFlawed { value, .. } => {
                return Some((**value).clone());
            }
            Self::NotAllCopied { report, .. } => return Some(report.clone()),
            Self::Repairable { damage, .. } => (damage, true),
            Self::Bundle(BundleError::Unrepairable(error))
            | Self::Site(SiteError::Bundle(BundleError::Unrepairable(error))) => (&error.damage, false),
            _ => return None,
        };
        Some(json!({ "damaged": damage, "repairable": repairable }))
    }
}
