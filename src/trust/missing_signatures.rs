//! The signatures that a trust file lacks.

use std::collections::BTreeSet;
use std::fmt;

use super::quorum::Quorum;
use crate::label::Label;

/// The signatures that a trust file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSignatures {
    /// The version that lacks signatures.
    pub version: u64,
    /// The version whose root quorum did not sign.
    pub judge_version: u64,
    /// The root quorum.
    pub quorum: Quorum,
    /// The persons who signed.
    pub signed: BTreeSet<Label>,
    /// The reasons for which other signatures do not count.
    pub not_counted: Vec<String>,
}

impl fmt::Display for MissingSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed: Vec<&str> = self.signed.iter().map(Label::as_str).collect();
        let signed = if signed.is_empty() { "nobody of them".to_owned() } else { signed.join(", ") };
        write!(
            f,
            "version {} of the trust file needs the signatures of {}, the root quorum of version {}; signed by {signed}",
            self.version, self.quorum, self.judge_version
        )?;
        self.not_counted.iter().try_for_each(|reason| write!(f, "; not counted: {reason}"))
    }
}
