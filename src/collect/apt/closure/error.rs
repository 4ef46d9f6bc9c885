//! Why there is no closure.

use super::UnusableEntry;
use crate::error_class::ErrorClass;
use crate::formats::Invalid;

/// Why there is no closure.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    #[error("cannot carry {seed}")]
    Unusable { seed: String, source: Invalid },
    #[error("a relation of {package} is malformed")]
    Relation { package: String, source: Invalid },
    #[error("no package is called {seed}{}", did_you_mean(near))]
    Unknown { seed: String, near: Vec<String> },
    #[error("there is no {seed}; there is: {}", known.join(", "))]
    NoSuchVersion { seed: String, known: Vec<String> },
    #[error("{seed} is a virtual package; choose one of its providers: {}", providers.join(", "))]
    Virtual { seed: String, providers: Vec<String> },
    #[error("no package has priority {priority}")]
    NoSuchPriority { priority: String },
    #[error("no package belongs to task {task}")]
    NoSuchTask { task: String },
    #[error("cannot be installed: {}", problems.join("; "))]
    Unsatisfiable { problems: Vec<String> },
    #[error("no thread for the solver")]
    Thread(#[source] std::io::Error),
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
            .filter(|entry| is_named(entry.error.place()))
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
