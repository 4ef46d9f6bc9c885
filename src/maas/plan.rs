//! From what a MAAS is like to what it should be like: the list of changes. Pure, so that a dry run is the real one.
//!
//! The order matters: MAAS lists a source's images only after it has read it, takes a release for commissioning only when it
//! has its image, and refuses to drop the selection of the release that it commissions with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::answers::{Repository, Resource, ResourceFile, Selection, Source};
use super::change::{Change, Select};
use super::wanted::{
    Build, Image, RepositoryKind, Setting, Wanted, WantedRepository, WantedSource, WantedUpload, same_url,
};

/// Where MAAS's own boot source is, which no air-gapped MAAS can reach.
pub const DEFAULT_SOURCE_HOST: &str = "images.maas.io";
/// What the names of the archives that are added begin with.
pub const REPOSITORY_PREFIX: &str = "gapferry-";
/// The setting that says what machines are commissioned with.
pub const COMMISSIONING: &str = "commissioning_distro_series";

/// What a MAAS is like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Boot sources with their selections.
    pub sources: Vec<Source>,
    /// Archives.
    pub repositories: Vec<Repository>,
    /// The settings that it knows, of those that are wanted.
    pub settings: BTreeMap<String, Value>,
    /// Images that it has or is about to have, with their versions.
    pub resources: Vec<Resource>,
    /// Images that were uploaded, of those that are wanted.
    pub uploaded: Vec<Resource>,
    /// Whether an import is under way.
    pub importing: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// What turns `state` into `wanted`.
pub fn plan(state: &State, wanted: &Wanted) -> Plan {
    let mut plan = Plan { changes: Vec::new(), notes: wanted.notes.clone() };
    settings(state, wanted, &mut plan);
    sources(state, wanted, &mut plan);
    repositories(state, wanted, &mut plan);
    for source in &wanted.sources {
        selections(state, source, &mut plan);
    }
    let missing = missing(&state.resources, wanted);
    if !missing.is_empty() {
        plan.changes.push(Change::Import { missing, running: state.importing });
    }
    // After the import: MAAS takes no upload for an architecture that it has no image of Ubuntu for.
    for upload in &wanted.uploads {
        let there = state.uploaded.iter().find(|resource| is_uploaded_as(resource, upload));
        if !there.is_some_and(|resource| is_whole(resource, upload)) {
            plan.changes.push(Change::Upload { upload: upload.clone(), again: there.is_some() });
        }
    }
    commissioning(state, wanted, &mut plan);
    for source in &wanted.sources {
        stale_selections(state, source, &mut plan);
    }
    plan
}

fn settings(state: &State, wanted: &Wanted, plan: &mut Plan) {
    for (name, value) in &wanted.settings {
        match state.settings.get(name) {
            None => plan.notes.push(format!("this MAAS has no setting {name}, which is left out")),
            Some(now) if value.is(now) => {}
            Some(_) => plan.changes.push(Change::Set { name: name.clone(), value: value.clone() }),
        }
    }
}

/// A boot source for each that is wanted; MAAS's own goes. Up to MAAS 3.7 there should be one alone, so that one takes the
/// place of MAAS's own.
fn sources(state: &State, wanted: &Wanted, plan: &mut Plan) {
    if wanted.sources.is_empty() {
        return;
    }
    let is_wanted = |source: &&Source| wanted.sources.iter().any(|wanted| same_url(&wanted.url, &source.url));
    let others: Vec<&Source> = state.sources.iter().filter(|source| !is_wanted(source)).collect();
    let (own, foreign): (Vec<&Source>, Vec<&Source>) = others.into_iter().partition(|source| is_default(&source.url));
    let mut own = own.into_iter();
    for wanted in &wanted.sources {
        match state.sources.iter().find(|source| same_url(&wanted.url, &source.url)) {
            Some(source) if is_as(source, wanted) => {}
            Some(source) => plan.changes.push(update(source, wanted)),
            None => match own.as_slice().first().filter(|source| !source.can_be_disabled()) {
                Some(source) => {
                    plan.changes.push(update(source, wanted));
                    own.next();
                }
                None => plan.changes.push(Change::AddSource { source: wanted.clone() }),
            },
        }
    }
    for source in own {
        let (id, url) = (source.id, source.url.clone());
        match source.enabled {
            Some(false) => {}
            Some(true) => {
                let skip_keyring_verification = source.skip_keyring_verification.unwrap_or(false);
                plan.changes.push(Change::DisableSource { id, url, skip_keyring_verification });
            }
            None => plan.changes.push(Change::DeleteSource { id, url }),
        }
    }
    for source in foreign.into_iter().filter(|source| source.is_enabled()) {
        let more = if source.can_be_disabled() { "" } else { ", but this MAAS should have no other" };
        plan.notes.push(format!("the boot source {} stays as it is{more}", source.url));
    }
}

fn is_as(source: &Source, wanted: &WantedSource) -> bool {
    let keyring = source.keyring().is_some_and(|keyring| keyring == wanted.keyring);
    keyring && source.is_enabled() && source.skip_keyring_verification != Some(true)
}

fn update(source: &Source, wanted: &WantedSource) -> Change {
    let (was, can_be_disabled) = (source.url.clone(), source.can_be_disabled());
    Change::UpdateSource { id: source.id, was, source: wanted.clone(), can_be_disabled }
}

fn is_default(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.host_str() == Some(DEFAULT_SOURCE_HOST))
}

fn repositories(state: &State, wanted: &Wanted, plan: &mut Plan) {
    for repository in &wanted.repositories {
        match state.repositories.iter().find(|now| now.name == repository.name) {
            Some(now) if repository_is_as(now, repository) => {}
            Some(now) => plan.changes.push(Change::UpdateRepository {
                id: now.id,
                arches: now.arches.clone(),
                disable_sources: repository.no_sources || now.disable_sources.unwrap_or(true),
                repository: repository.clone(),
            }),
            None => plan.changes.push(Change::AddRepository { repository: repository.clone() }),
        }
    }
    // Of another site's, or of another address of this one, nothing is known.
    let below = format!("{}/", wanted.serve_url);
    let ours = |now: &&Repository| now.name.starts_with(REPOSITORY_PREFIX) && now.url.starts_with(&below);
    for now in state.repositories.iter().filter(ours) {
        if !wanted.repositories.iter().any(|repository| repository.name == now.name) {
            plan.changes.push(Change::DeleteRepository { id: now.id, name: now.name.clone() });
        }
    }
}

fn repository_is_as(now: &Repository, wanted: &WantedRepository) -> bool {
    let key = now.key.replace('\r', "").trim() == wanted.key.trim();
    let sources = !wanted.no_sources || now.disable_sources != Some(false);
    let same = |list: &[String], set: &BTreeSet<String>| list.iter().collect::<BTreeSet<_>>() == set.iter().collect();
    let lists = match &wanted.kind {
        RepositoryKind::BuiltIn { disabled_pockets, disabled_components } => {
            same(&now.disabled_pockets, disabled_pockets) && same(&now.disabled_components, disabled_components)
        }
        RepositoryKind::Additional { distributions, components, arches } => {
            same(&now.distributions, distributions) && same(&now.components, components) && same(&now.arches, arches)
        }
    };
    same_url(&now.url, &wanted.url) && key && sources && lists && now.enabled != Some(false)
}

/// The wanted architectures of each release.
fn releases(source: &WantedSource) -> BTreeMap<(&str, &str), BTreeSet<String>> {
    let mut releases: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for image in source.images.keys() {
        releases.entry((image.os.as_str(), image.release.as_str())).or_default().insert(image.arch.clone());
    }
    releases
}

/// The selections that the source has, or will have when it takes the place of another.
fn selections_of<'s>(state: &'s State, source: &WantedSource, plan: &Plan) -> &'s [Selection] {
    let replaced = plan.changes.iter().find_map(|change| match change {
        Change::UpdateSource { id, source: by, .. } if by.url == source.url => Some(*id),
        _ => None,
    });
    let is_it = |now: &&Source| replaced.map_or_else(|| same_url(&now.url, &source.url), |id| now.id == id);
    state.sources.iter().find(is_it).map(|now| now.selections.as_slice()).unwrap_or_default()
}

fn selections(state: &State, source: &WantedSource, plan: &mut Plan) {
    let there = selections_of(state, source, plan);
    for ((os, release), arches) in releases(source) {
        let of_it: Vec<&Selection> = there.iter().filter(|now| now.os == os && now.release == release).collect();
        let source_url = source.url.clone();
        let select = |arches| Select { os: os.to_owned(), release: release.to_owned(), arches };
        match of_it.as_slice() {
            [] => plan.changes.push(Change::AddSelection { source_url, selection: select(arches) }),
            [one] => {
                let same = one.arches.iter().collect::<BTreeSet<_>>() == arches.iter().collect();
                if !same || !one.takes_all() {
                    plan.changes.push(Change::UpdateSelection { source_url, id: one.id, selection: select(arches) });
                }
            }
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

/// Selections of what is not published: MAAS would complain of them for ever.
fn stale_selections(state: &State, source: &WantedSource, plan: &mut Plan) {
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

/// The wanted images that MAAS does not have in their newest version.
pub fn missing(resources: &[Resource], wanted: &Wanted) -> BTreeSet<Image> {
    let images = wanted.sources.iter().flat_map(|source| &source.images);
    images.filter(|(image, build)| !has(resources, image, build)).map(|(image, _)| image.clone()).collect()
}

/// Whether MAAS has one kernel in the newest version, and all kernels whole.
fn has(resources: &[Resource], image: &Image, build: &Build) -> bool {
    let of_it: Vec<&Resource> = resources.iter().filter(|resource| is_of(resource, image)).collect();
    let newest =
        |resource: &Resource| resource.sets.iter().next_back().map(|(version, set)| (version.clone(), set.complete));
    let newest: Vec<(String, bool)> = of_it.iter().filter_map(|resource| newest(resource)).collect();
    newest.len() == of_it.len()
        && newest.iter().all(|(_, complete)| *complete)
        && newest.iter().any(|(version, _)| *version >= build.version)
}

/// Whether the resource is a kernel of the image.
pub(super) fn is_of(resource: &Resource, image: &Image) -> bool {
    resource.name == image.resource() && resource.architecture.split('/').next() == Some(image.arch.as_str())
}

/// Whether the resource is what MAAS makes of such an upload.
pub(super) fn is_uploaded_as(resource: &Resource, upload: &WantedUpload) -> bool {
    [&upload.resource, &upload.name].contains(&&resource.name) && resource.architecture == upload.architecture
}

/// Whether the newest version of the resource is the image, and MAAS has all of it.
pub(super) fn is_whole(resource: &Resource, upload: &WantedUpload) -> bool {
    let digest = upload.sha256.to_hex();
    resource.newest().is_some_and(|set| {
        let same = |file: &ResourceFile| file.complete && file.sha256 == digest && file.size == upload.size;
        set.complete && !set.files.is_empty() && set.files.values().all(same)
    })
}

fn commissioning(state: &State, wanted: &Wanted, plan: &mut Plan) {
    let Some(best) = wanted.commissioning.first() else { return };
    let now = state.settings.get(COMMISSIONING).and_then(Value::as_str).unwrap_or_default();
    if !wanted.commissioning.iter().any(|release| release == now) {
        plan.changes.push(Change::Set { name: COMMISSIONING.to_owned(), value: Setting::Text(best.clone()) });
    }
}

#[cfg(test)]
mod tests;
