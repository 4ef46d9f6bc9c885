//! Why there is no closure.

use super::UnusableEntry;
use crate::error_class::ErrorClass;
use crate::formats::apt::packages::IndexError;
use crate::formats::apt::relation::MalformedRelation;

/// Why there is no closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// A requested package has only an entry that cannot be used.
    #[error("cannot carry {seed}")]
    Unusable {
        /// The request.
        seed: String,
        /// The fault of the entry.
        #[source]
        source: IndexError,
    },
    /// A dependency field of a package that is needed cannot be read.
    #[error("a relation of {package} is malformed")]
    Relation {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: MalformedRelation,
    },
    /// No index has a package of this name.
    #[error("no package is called {seed}{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        seed: String,
        /// Names that are like it, the nearest first.
        near: Vec<String>,
    },
    /// The package exists, but not in the version, suite or architecture asked for.
    #[error("there is no {seed}; there is: {}", known.join(", "))]
    NoSuchVersion {
        /// What was asked for.
        seed: String,
        /// The versions that exist.
        known: Vec<String>,
    },
    /// Several packages provide the name, none bears it.
    #[error("{seed} is a virtual package; choose one of its providers: {}", providers.join(", "))]
    Virtual {
        /// What was asked for.
        seed: String,
        /// The packages that provide it.
        providers: Vec<String>,
    },
    /// No package has a priority that was asked for.
    #[error("no package has priority {priority}")]
    NoSuchPriority {
        /// The priority.
        priority: String,
    },
    /// No package belongs to a task that was asked for.
    #[error("no package belongs to task {task}")]
    NoSuchTask {
        /// The task.
        task: String,
    },
    /// The packages cannot be installed together.
    #[error("cannot be installed: {}", problems.join("; "))]
    Unsatisfiable {
        /// What is broken, one sentence per relation.
        problems: Vec<String>,
    },
    /// The system gives no thread to solve in.
    #[error("no thread for the solver")]
    Thread(#[source] std::io::Error),
    /// Nothing was asked for.
    #[error("the closure is empty: nothing was asked for")]
    Empty,
}

impl ClosureError {
    /// Adds to problems the reasons why entries of the packages that they name cannot be used.
    pub(super) fn with_unusable(self, unusable: &[UnusableEntry]) -> Self {
        let Self::Unsatisfiable { mut problems } = self else { return self };
        let is_named = |package: &str| {
            problems.iter().any(|problem| problem.split([' ', ':', ',', '(', ')']).any(|word| word == package))
        };
        let mut named: Vec<String> = unusable
            .iter()
            .filter(|entry| is_named(entry.error.package()))
            .map(|entry| entry.error.to_string())
            .collect();
        named.dedup();
        problems.extend(named);
        Self::Unsatisfiable { problems }
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unusable { .. } | Self::Relation { .. } => ErrorClass::VerificationFailed,
            Self::Thread(_) => ErrorClass::Failed,
            Self::Unsatisfiable { .. } => ErrorClass::UpstreamUnavailable,
            Self::Unknown { .. }
            | Self::NoSuchVersion { .. }
            | Self::Virtual { .. }
            | Self::NoSuchPriority { .. }
            | Self::NoSuchTask { .. }
            | Self::Empty => ErrorClass::Usage,
        }
    }
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}
