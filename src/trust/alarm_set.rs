//! The alarms of a bundle, each of which an approval must acknowledge.

use super::approval::{AllAlarms, Approval};
use crate::digest::Sha256;

/// The digests of all alarms of a bundle against an older state.
#[derive(Clone, Debug)]
pub struct AlarmSet {
    /// The digest of the older manifest; `None` if all of the bundle counts as new.
    against: Option<Sha256>,
    /// Sorted, each once.
    digests: Vec<Sha256>,
}

impl AlarmSet {
    /// Makes the set of these alarms.
    pub fn new(against: Option<Sha256>, mut digests: Vec<Sha256>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        Self { against, digests }
    }

    /// Returns the acknowledgement of all of them.
    pub fn acknowledge(&self, reason: &str) -> AllAlarms {
        AllAlarms { against: self.against, digest: self.digest(), reason: reason.to_owned() }
    }

    /// Returns the alarms that an approval does not acknowledge.
    pub fn left_out(&self, approval: &Approval) -> Vec<Sha256> {
        let has_all = |all: &AllAlarms| all.against == self.against && all.digest == self.digest();
        if approval.all_alarms.as_ref().is_some_and(has_all) {
            return Vec::new();
        }
        self.digests.iter().filter(|digest| !approval.acknowledged.contains_key(digest)).copied().collect()
    }

    /// The digest of a text with a line for each alarm, as `sort` and `sha256sum` compute it.
    fn digest(&self) -> Sha256 {
        let lines: String = self.digests.iter().map(|digest| format!("{digest}\n")).collect();
        Sha256::of(lines.as_bytes())
    }
}
