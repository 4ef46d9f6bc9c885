//! What can go wrong with reprepro.

use std::path::PathBuf;

use crate::digest::Sha256;
use crate::error_class::ErrorClass;
use crate::formats::openpgp::OpenPgpError;
use crate::storage::FileError;
use crate::time::Time;

/// Why reprepro cannot publish a collection. What clients see stays what it was, and the base folder can be used again.
#[derive(Debug, thiserror::Error)]
pub enum RepreproError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A program is not installed.
    #[error(
        "{program} is not here: install the package {package} and run the same again, or have the source published with publish = \"re-indexed\", which needs neither"
    )]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program failed.
    #[error(
        "{program} ended with {status}: {said}; once its cause is gone, the same command builds {} again from the depot",
        base.display()
    )]
    Failed {
        /// What was run, such as `reprepro export`.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        said: String,
        /// The base folder.
        base: PathBuf,
    },
    /// A program said what we do not understand.
    #[error("{program} said {line:?}, which we do not understand")]
    Unreadable {
        /// What was run.
        program: String,
        /// A line of it.
        line: String,
    },
    /// Another process works in the base folder.
    #[error("{} is in use by the process {pid}: wait until it is done, then run the same again", base.display())]
    Busy {
        /// The base folder.
        base: PathBuf,
        /// The process.
        pid: u32,
    },
    /// The secret key is not there.
    #[error(
        "{} has no secret key {fingerprint} to sign with ({said}): bring it there with `gpg --homedir {} --import FILE`, or change [reprepro] in site.toml, then run the same again",
        home.display(),
        home.display()
    )]
    NoKey {
        /// The fingerprint.
        fingerprint: String,
        /// gpg's folder.
        home: PathBuf,
        /// The end of what gpg said.
        said: String,
    },
    /// The public half of the operator's key cannot be used.
    #[error("the key {fingerprint} in {} is none that clients could check with", home.display())]
    BadKey {
        /// The fingerprint.
        fingerprint: String,
        /// gpg's folder.
        home: PathBuf,
        /// Why not.
        source: OpenPgpError,
    },
    /// The base folder has a file with other bytes.
    #[error(transparent)]
    OtherBytes(#[from] Box<OtherBytes>),
    /// A suite has two versions of a package.
    #[error(
        "{target} has {package} in the versions {versions}, and reprepro keeps one: have the source published with publish = \"re-indexed\""
    )]
    TwoVersions {
        /// The suite, component and architecture.
        target: String,
        /// The package.
        package: String,
        /// Its versions.
        versions: String,
    },
    /// Two files are to stand under one name.
    #[error(
        "{file} has different bytes in different suites, and reprepro's pool has one place for it: have the source published with publish = \"re-indexed\""
    )]
    TwoFiles {
        /// The file's name.
        file: String,
    },
    /// Something cannot stand in reprepro's files or arguments.
    #[error("{what} {text:?} cannot be told to reprepro: have the source published with publish = \"re-indexed\"")]
    Words {
        /// What it is.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Clients know the suite by another codename.
    #[error(
        "clients know {suite} by the codename {codename}, and reprepro would publish it as {name}, which apt refuses: keep publish = \"re-indexed\", or give the source another name"
    )]
    Codename {
        /// The suite, as KIND/NAME/SUITE.
        suite: String,
        /// What it is called.
        codename: String,
        /// What reprepro would call it.
        name: String,
    },
    /// reprepro wrote something else than was wanted.
    #[error("{path} as reprepro wrote it is not as it must be: {reason}")]
    NotAsWanted {
        /// The file, below the base folder.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The clock went back while reprepro ran.
    #[error(
        "reprepro dated {suite} {date}, which is not after {published}: apt clients would ignore it, so set the clock"
    )]
    ClockBehind {
        /// The suite.
        suite: String,
        /// Its date.
        date: Time,
        /// The date that it must not be before.
        published: Time,
    },
}

/// The base folder has a file with other bytes.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} has {path} with the SHA-256 {there}, and it is to be published with {wanted}: if the latter is right, take the former away with `{command}`, then run the same again",
    base.display()
)]
pub struct OtherBytes {
    /// The base folder.
    pub base: PathBuf,
    /// The file in it.
    pub path: String,
    /// What it has.
    pub there: Sha256,
    /// What it is to have.
    pub wanted: Sha256,
    /// What takes it away.
    pub command: String,
}

impl RepreproError {
    /// Whether the base folder may now have what reprepro did not mean to be there: so it has to be built again.
    pub(super) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::File(_) | Self::Failed { .. } | Self::Unreadable { .. } | Self::NotAsWanted { .. })
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::NotInstalled { .. }
            | Self::Failed { .. }
            | Self::Unreadable { .. }
            | Self::Busy { .. }
            | Self::NotAsWanted { .. }
            | Self::ClockBehind { .. } => ErrorClass::Failed,
            Self::NoKey { .. } | Self::BadKey { .. } => ErrorClass::Usage,
            Self::OtherBytes(_)
            | Self::TwoVersions { .. }
            | Self::TwoFiles { .. }
            | Self::Words { .. }
            | Self::Codename { .. } => ErrorClass::Refused,
        }
    }
}
