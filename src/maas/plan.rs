//! From what a MAAS is like to what it should be like: the list of changes. Pure, so that a dry run is the real one.
//!
//! The order matters. Sources come before the settings, some of which make MAAS read its sources: one that is out of reach leaves
//! notices for all users behind. MAAS lists a source's images only after it has read it, takes a release as a default only when
//! it has its image, and refuses to drop the selection of the release that it commissions with.

mod defaults;
mod needs;
mod selections;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::defaults::defaults;
pub(super) use self::needs::LOOKED_AT;
use self::needs::needs;
use self::selections::{selections, stale_selections};
use super::answers::{BootSource, MAIN_ARCHIVE, PORTS_ARCHIVE, PackageRepository, Resource, ResourceFile};
use super::change::Change;
use super::version::MaasVersion;
use super::wanted::{
    Build, LostArchives, RepositoryKind, WantedImage, WantedRepository, WantedSource, WantedState, WantedUpload,
    same_url,
};

/// Where MAAS's own boot source is, which no air-gapped MAAS can reach.
pub const DEFAULT_SOURCE_HOST: &str = "images.maas.io";
/// What the names of the archives that are added begin with.
pub const REPOSITORY_PREFIX: &str = "gapferry-";
/// The setting that says what machines are commissioned with.
pub const COMMISSIONING: &str = "commissioning_distro_series";
/// The setting with the operating system that is deployed unless another is named.
pub const DEFAULT_OSYSTEM: &str = "default_osystem";
/// The setting with its release.
pub const DEFAULT_SERIES: &str = "default_distro_series";
/// The setting that makes MAAS read its sources past every proxy. Unlike the other settings of proxies it has to be right before
/// MAAS reads a source, and makes it read none.
pub const NO_PROXY: &str = "boot_images_no_proxy";
/// Ubuntu's own archives, which MAAS's built-in archives point at after its installation.
const UBUNTU_ARCHIVES: [(&str, &str); 2] =
    [(MAIN_ARCHIVE, "http://archive.ubuntu.com/ubuntu"), (PORTS_ARCHIVE, "http://ports.ubuntu.com/ubuntu-ports")];

/// What a MAAS is like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaasState {
    /// The version of MAAS.
    pub version: MaasVersion,
    /// Boot sources with their selections.
    pub sources: Vec<BootSource>,
    /// Archives.
    pub repositories: Vec<PackageRepository>,
    /// The settings that it knows, of those that are wanted or looked at.
    pub settings: BTreeMap<String, Value>,
    /// Images that it has or is about to have, with their versions.
    pub resources: Vec<Resource>,
    /// Images that were uploaded, of those that are wanted.
    pub uploaded: Vec<Resource>,
    /// The names of all images that were uploaded.
    pub uploaded_names: BTreeSet<String>,
    /// Whether an import is under way.
    pub importing: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaasPlan {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// What turns `state` into `wanted`.
pub fn plan(state: &MaasState, wanted: &WantedState) -> MaasPlan {
    let mut plan = MaasPlan { changes: Vec::new(), notes: wanted.notes.clone() };
    settings(state, wanted, |name| name == NO_PROXY, &mut plan);
    sources(state, wanted, &mut plan);
    settings(state, wanted, |name| name != NO_PROXY, &mut plan);
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
    defaults(state, wanted, &mut plan);
    for source in &wanted.sources {
        stale_selections(state, source, &mut plan);
    }
    needs(state, wanted, &mut plan);
    plan
}

fn settings(state: &MaasState, wanted: &WantedState, takes: impl Fn(&str) -> bool, plan: &mut MaasPlan) {
    for (name, value) in wanted.settings.iter().filter(|(name, _)| takes(name)) {
        match state.settings.get(name) {
            None => plan.notes.push(format!("this MAAS has no setting {name}, which is left out")),
            Some(now) if value.is(now) => {}
            Some(_) => plan.changes.push(Change::Set { name: name.clone(), value: value.clone() }),
        }
    }
}

/// A boot source for each that is wanted; MAAS's own goes. Up to MAAS 3.7 the first takes the place of MAAS's own, from 3.8 on
/// MAAS's own is disabled.
fn sources(state: &MaasState, wanted: &WantedState, plan: &mut MaasPlan) {
    if wanted.sources.is_empty() {
        return;
    }
    let (own, foreign): (Vec<&BootSource>, Vec<&BootSource>) =
        other_sources(state, wanted).into_iter().partition(|source| is_default(&source.url));
    let mut own = own.into_iter();
    let mut added = Vec::new();
    for wanted in &wanted.sources {
        match state.sources.iter().find(|source| same_url(&wanted.url, &source.url)) {
            Some(source) if is_as(source, wanted) => {}
            Some(source) => plan.changes.push(update(state, source, wanted)),
            None => match own.as_slice().first().filter(|_| !state.version.has_source_fields()) {
                Some(source) => {
                    plan.changes.push(update(state, source, wanted));
                    own.next();
                }
                None => {
                    let name = state.version.has_source_fields().then(|| free_name(state, wanted));
                    added.push(Change::AddSource { source: wanted.clone(), name });
                }
            },
        }
    }
    // Before one is added, which up to 3.7 makes MAAS read all of them.
    plan.changes.extend(own.filter_map(|source| retire(state.version, source)));
    plan.changes.extend(added);
    for source in foreign.into_iter().filter(|source| source.is_enabled()) {
        plan.notes.push(format!("the boot source {} stays as it is", source.url));
    }
}

/// The sources that are none of those wanted.
fn other_sources<'s>(state: &'s MaasState, wanted: &WantedState) -> Vec<&'s BootSource> {
    let is_wanted = |source: &&BootSource| wanted.sources.iter().any(|wanted| same_url(&wanted.url, &source.url));
    state.sources.iter().filter(|source| !is_wanted(source)).collect()
}

/// The sources that are neither wanted nor MAAS's own, and that MAAS reads.
pub(super) fn foreign_sources<'s>(state: &'s MaasState, wanted: &WantedState) -> Vec<&'s BootSource> {
    let foreign = |source: &&BootSource| source.is_enabled() && !is_default(&source.url);
    other_sources(state, wanted).into_iter().filter(foreign).collect()
}

/// Disables a source of MAAS's own, or deletes it if MAAS cannot disable it.
fn retire(version: MaasVersion, source: &BootSource) -> Option<Change> {
    let (id, url) = (source.id, source.url.clone());
    if !version.has_source_fields() {
        return Some(Change::DeleteSource { id, url });
    }
    let skip_keyring_verification = source.skip_keyring_verification.unwrap_or(false);
    let disable = || Change::DisableSource { id, url, skip_keyring_verification, keyring: source.keyring() };
    source.is_enabled().then(disable)
}

fn is_as(source: &BootSource, wanted: &WantedSource) -> bool {
    let keyring = source.keyring().is_some_and(|keyring| keyring == wanted.keyring);
    let is_named = source.name.is_none() || source.given_name().is_some();
    keyring && is_named && source.is_enabled() && source.skip_keyring_verification != Some(true)
}

/// MAAS takes a name that a change leaves out for the address, so a name that somebody gave is sent along.
fn update(state: &MaasState, source: &BootSource, wanted: &WantedSource) -> Change {
    let name = || source.given_name().map_or_else(|| free_name(state, wanted), str::to_owned);
    let name = state.version.has_source_fields().then(name);
    Change::UpdateSource { id: source.id, was: source.url.clone(), source: wanted.clone(), name }
}

/// A name that no other source has: MAAS takes each only once.
fn free_name(state: &MaasState, wanted: &WantedSource) -> String {
    let name = format!("{REPOSITORY_PREFIX}{}", wanted.name);
    let taken = |source: &BootSource| source.name.as_deref() == Some(&name) && !same_url(&source.url, &wanted.url);
    match state.sources.iter().any(taken) {
        true => format!("{name} of {}", wanted.url.trim_end_matches('/')),
        false => name,
    }
}

fn is_default(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.host_str() == Some(DEFAULT_SOURCE_HOST))
}

fn repositories(state: &MaasState, wanted: &WantedState, plan: &mut MaasPlan) {
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
    let ours = |now: &&PackageRepository| now.name.starts_with(REPOSITORY_PREFIX) && now.url.starts_with(&below);
    for now in state.repositories.iter().filter(ours) {
        if !wanted.repositories.iter().any(|repository| repository.name == now.name) {
            plan.changes.push(Change::DeleteRepository { id: now.id, name: now.name.clone() });
        }
    }
    for (name, upstream) in UBUNTU_ARCHIVES {
        let is_lost = |now: &&PackageRepository| now.name == name && now.url.starts_with(&below);
        let is_wanted = wanted.repositories.iter().any(|repository| repository.name == name);
        if let Some(now) = state.repositories.iter().find(is_lost).filter(|_| !is_wanted) {
            lost_archive(now, upstream, wanted.lost_archives, plan);
        }
    }
}

/// An archive of MAAS's own that points at this site, which publishes none for it any more.
fn lost_archive(now: &PackageRepository, upstream: &str, fate: LostArchives, plan: &mut MaasPlan) {
    let (name, url) = (&now.name, &now.url);
    match fate {
        LostArchives::Keep => plan.notes.push(format!(
            "{name} still points at {url}, where no Ubuntu archive is published any more, so machines find no packages: publish one, \
             or run this again with --reset-archives to point it at {upstream}"
        )),
        LostArchives::Reset => plan.changes.push(Change::UpdateRepository {
            id: now.id,
            arches: now.arches.clone(),
            disable_sources: now.disable_sources.unwrap_or(true),
            repository: WantedRepository {
                name: name.clone(),
                url: upstream.to_owned(),
                key: String::new(),
                no_sources: false,
                kind: RepositoryKind::BuiltIn {
                    disabled_pockets: BTreeSet::new(),
                    disabled_components: BTreeSet::new(),
                },
            },
        }),
    }
}

fn repository_is_as(now: &PackageRepository, wanted: &WantedRepository) -> bool {
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

/// The wanted images that MAAS does not have in their newest version.
pub fn missing(resources: &[Resource], wanted: &WantedState) -> BTreeSet<WantedImage> {
    let images = wanted.sources.iter().flat_map(|source| &source.images);
    images.filter(|(image, build)| !has(resources, image, build)).map(|(image, _)| image.clone()).collect()
}

/// Whether MAAS has one kernel in the newest version, and all kernels whole.
fn has(resources: &[Resource], image: &WantedImage, build: &Build) -> bool {
    let of_it: Vec<&Resource> = resources.iter().filter(|resource| is_of(resource, image)).collect();
    let newest =
        |resource: &Resource| resource.sets.iter().next_back().map(|(version, set)| (version.clone(), set.complete));
    let newest: Vec<(String, bool)> = of_it.iter().filter_map(|resource| newest(resource)).collect();
    newest.len() == of_it.len()
        && newest.iter().all(|(_, complete)| *complete)
        && newest.iter().any(|(version, _)| *version >= build.version)
}

/// Whether the resource is a kernel of the image.
pub(super) fn is_of(resource: &Resource, image: &WantedImage) -> bool {
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

#[cfg(test)]
mod tests;
