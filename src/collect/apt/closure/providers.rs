//! Which versions could meet a clause, the one that apt prefers first.

use std::cmp::Ordering;

use super::state::{Marks, PlannedAction, When};
use super::universe::clause::{Clause, RelationTarget};
use super::universe::{PackageId, VersionId};
use crate::formats::apt::packages::MultiArch;

impl<'a> Marks<'_, 'a> {
    /// The versions that meet a clause in a state: alternative by alternative, in each the best provider first, but packages
    /// that the target has already before all others. What was decided against is left out.
    pub(super) fn solutions(&self, owner: PackageId, clause: &Clause<'a>, when: When) -> Vec<VersionId> {
        let (mut there, mut new) = (Vec::new(), Vec::new());
        for target in &clause.alternatives {
            let mut versions = self.meeting(owner, clause, target, when);
            versions.sort_by(|a, b| self.prefer(target, *a, *b));
            for version in versions {
                let package = self.universe.version(version).package;
                if self.current(package).is_some() { &mut there } else { &mut new }.push(version);
            }
        }
        there.append(&mut new);
        there.dedup();
        if !clause.kind.is_negative() {
            there.retain(|version| !self.is_ruled_out(self.universe.version(*version).package));
        }
        there
    }

    /// How many versions meet a clause now or could meet it.
    pub(super) fn count_solutions(&self, owner: PackageId, clause: &Clause<'a>) -> Vec<VersionId> {
        let mut versions = Vec::new();
        for target in &clause.alternatives {
            versions.extend(self.meeting(owner, clause, target, When::Possible));
            versions.extend(self.meeting(owner, clause, target, When::Now));
        }
        versions.sort();
        versions.dedup();
        versions.retain(|version| !self.is_ruled_out(self.universe.version(*version).package));
        versions
    }

    fn is_ruled_out(&self, package: PackageId) -> bool {
        let state = self.state(package);
        let absent = state.mode == PlannedAction::Delete
            || (state.mode == PlannedAction::Keep && self.current(package).is_none());
        state.protected && absent
    }

    /// The order of versions that meet one target. Each step decides only where the two differ.
    fn prefer(&self, target: &RelationTarget<'a>, a: VersionId, b: VersionId) -> Ordering {
        let (a_version, b_version) = (self.universe.version(a), self.universe.version(b));
        let (a_id, b_id) = (a_version.package, b_version.package);
        let (a_entry, b_entry) = (self.universe.entry(a_id), self.universe.entry(b_id));
        let first = |a: bool, b: bool| b.cmp(&a);
        first(self.state(a_id).protected, self.state(b_id).protected)
            .then_with(|| first(self.has_installed_sibling(a), self.has_installed_sibling(b)))
            .then_with(|| first(a_entry.current.is_some(), b_entry.current.is_some()))
            .then_with(|| first(target.bears(a_entry.name), target.bears(b_entry.name)))
            .then_with(|| first(a_entry.essential, b_entry.essential))
            .then_with(|| first(a_entry.protected, b_entry.protected))
            .then_with(|| a_entry.architecture.cmp(&b_entry.architecture))
            .then_with(|| a_version.importance.cmp(&b_version.importance))
            .then_with(|| {
                if a_id == b_id {
                    Ordering::Equal
                } else {
                    self.universe.mention(b_id).cmp(&self.universe.mention(a_id))
                }
            })
    }

    /// Whether it is `Multi-Arch: same` and the target has it in some architecture.
    fn has_installed_sibling(&self, id: VersionId) -> bool {
        let version = self.universe.version(id);
        let name = self.universe.entry(version.package).name;
        version.multi_arch == MultiArch::Same
            && self.universe.group(name).packages.iter().any(|package| self.current(*package).is_some())
    }
}
