//! Why a package is in a closure.

use std::fmt;

use crate::formats::apt::packages::Priority;

/// Why a package is in a closure: the first thing that selected it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It was asked for by name.
    Requested,
    /// It has a priority that was asked for.
    Priority(Priority),
    /// It belongs to a task that was asked for.
    Task(String),
    /// Another package of the closure needs it.
    Needed {
        /// How.
        need: PackageNeed,
        /// The name of the other package.
        by: String,
    },
    /// An installed package that changes along with another of the closure.
    UpgradedWith(String),
}

/// How one package needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageNeed {
    /// By its `Pre-Depends`.
    PreDepends,
    /// By its `Depends`.
    Depends,
    /// By its `Recommends`.
    Recommends,
    /// By its `Suggests`: apt does not follow these, but keeps what it has selected for something else.
    Suggests,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Priority(priority) => write!(f, "priority {priority}"),
            Self::Task(task) => write!(f, "task {task}"),
            Self::Needed { need: PackageNeed::PreDepends | PackageNeed::Depends, by } => write!(f, "needed by {by}"),
            Self::Needed { need: PackageNeed::Recommends, by } => write!(f, "recommended by {by}"),
            Self::Needed { need: PackageNeed::Suggests, by } => write!(f, "suggested by {by}"),
            Self::UpgradedWith(other) => write!(f, "upgraded with {other}"),
        }
    }
}
