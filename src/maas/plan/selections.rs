//! The part of a plan that says what MAAS imports of each source.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{COMMISSIONING, MaasPlan, MaasState};
use crate::maas::answers::{BootSelection, BootSource};
use crate::maas::change::{Change, Select};
use crate::maas::wanted::{WantedSource, same_url};

/// The wanted architectures of each release.
fn releases(source: &WantedSource) -> BTreeMap<(&str, &str), BTreeSet<String>> {
    let mut releases: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for image in source.images.keys() {
        releases.entry((image.os.as_str(), image.release.as_str())).or_default().insert(image.arch.clone());
    }
    releases
}

/// The selections that the source has, or will have when it takes the place of another.
fn selections_of<'s>(state: &'s MaasState, source: &WantedSource, plan: &MaasPlan) -> &'s [BootSelection] {
    let replaced = plan.changes.iter().find_map(|change| match change {
        Change::UpdateSource { id, source: by, .. } if by.url == source.url => Some(*id),
        _ => None,
    });
    let is_it = |now: &&BootSource| replaced.map_or_else(|| same_url(&now.url, &source.url), |id| now.id == id);
    state.sources.iter().find(is_it).map(|now| now.selections.as_slice()).unwrap_or_default()
}

/// Adds what makes the selections of the source those that are wanted.
pub(super) fn selections(state: &MaasState, source: &WantedSource, plan: &mut MaasPlan) {
    let there = selections_of(state, source, plan);
    for ((os, release), arches) in releases(source) {
        let of_it: Vec<&BootSelection> = there.iter().filter(|now| now.os == os && now.release == release).collect();
        let source_url = source.url.clone();
        let select = |arches| Select { os: os.to_owned(), release: release.to_owned(), arches };
        match of_it.as_slice() {
            [] => plan.changes.push(Change::AddSelection { source_url, selection: select(arches) }),
            [one] => change_selection(state, &source.url, one, select(arches), plan),
            // One for each architecture, as newer versions keep them.
            many => {
                let has: BTreeSet<&String> = many.iter().flat_map(|now| &now.arches).collect();
                let missing: BTreeSet<String> = arches.iter().filter(|arch| !has.contains(arch)).cloned().collect();
                if !missing.is_empty() {
                    plan.changes.push(Change::AddSelection { source_url, selection: select(missing) });
                }
            }
        }
    }
}

/// Turns the selection `now` into `selection`. If a PUT would leave architectures behind, the selection is deleted and made anew,
/// except for the release that MAAS commissions with, which it refuses to delete.
fn change_selection(state: &MaasState, source_url: &str, now: &BootSelection, selection: Select, plan: &mut MaasPlan) {
    let has: BTreeSet<String> = now.arches.iter().cloned().collect();
    let (source_url, id) = (source_url.to_owned(), now.id);
    if has == selection.arches && now.takes_all() {
        return;
    }
    let dropped: Vec<&str> = has.difference(&selection.arches).map(String::as_str).collect();
    if dropped.is_empty() || !state.version.keeps_architectures_at_put() {
        plan.changes.push(Change::UpdateSelection { source_url, id, selection });
    } else if !commissions_with(state, now) {
        plan.changes.push(Change::ReplaceSelection { source_url, id, selection });
    } else {
        let (os, release, dropped) = (&now.os, &now.release, dropped.join(", "));
        plan.notes.push(format!(
            "MAAS goes on asking for {os}/{release} for {dropped}, which is not published: from 3.8 on that can only be dropped with \
             the whole selection, and MAAS commissions with this release; choose another one for commissioning and run this again"
        ));
        if !selection.arches.is_subset(&has) {
            let selection = Select { arches: has.union(&selection.arches).cloned().collect(), ..selection };
            plan.changes.push(Change::UpdateSelection { source_url, id, selection });
        }
    }
}

fn commissions_with(state: &MaasState, selection: &BootSelection) -> bool {
    let series = state.settings.get(COMMISSIONING).and_then(Value::as_str);
    selection.os == "ubuntu" && series == Some(&selection.release)
}

/// Selections of what is not published: MAAS would complain of them for ever.
pub(super) fn stale_selections(state: &MaasState, source: &WantedSource, plan: &mut MaasPlan) {
    let releases = releases(source);
    let there = selections_of(state, source, plan);
    for now in there {
        let of_it = there.iter().filter(|other| other.os == now.os && other.release == now.release).count();
        let is_stale = match releases.get(&(now.os.as_str(), now.release.as_str())) {
            None => true,
            Some(arches) => of_it > 1 && !now.arches.iter().any(|arch| arches.contains(arch)),
        };
        if is_stale {
            let what = format!("{}/{} for {}", now.os, now.release, now.arches.join(", "));
            plan.changes.push(Change::DeleteSelection { source_url: source.url.clone(), id: now.id, what });
        }
    }
}
