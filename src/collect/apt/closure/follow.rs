//! A package asked for from one suite takes along what it needs from there: where no candidate meets a versioned
//! dependency and the suite's version does, that becomes the candidate.

use super::state::{Marks, When};
use super::universe::{Universe, VersionId};

impl<'u, 'a> Marks<'u, 'a> {
    /// Changes candidates so that what `version` needs can come from the suite that `is_of_suite` tells.
    pub(super) fn follow_suite(&mut self, version: VersionId, is_of_suite: &dyn Fn(VersionId) -> bool) {
        let universe: &'u Universe<'a> = self.universe;
        let mut open = vec![version];
        while let Some(version) = open.pop() {
            let owner = universe.version(version).package;
            for clause in universe.clauses(version) {
                let met = self.holds(owner, clause, When::Now) || self.holds(owner, clause, When::Possible);
                if met || clause.kind.is_negative() || !self.is_important(clause.kind) {
                    continue;
                }
                let better = clause.alternatives.iter().find_map(|target| {
                    let versions = universe.all_meeting(owner, clause.kind, target);
                    versions.into_iter().find(|id| is_of_suite(*id))
                });
                if let Some(better) = better {
                    self.set_candidate(universe.version(better).package, Some(better));
                    open.push(better);
                }
            }
        }
    }
}
