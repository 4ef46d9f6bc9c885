//! A model of MAAS that does what it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::*;
use crate::maas::answers::{BootSelection, ResourceSet};
use crate::maas::change::Select;
use crate::maas::wanted::Setting;

pub(super) const DEFAULT: &str = "http://images.maas.io/ephemeral-v3/stable/";

pub(super) fn image(release: &str, arch: &str) -> WantedImage {
    WantedImage { os: "ubuntu".into(), release: release.into(), arch: arch.into() }
}

pub(super) fn wanted_source(name: &str, images: &[(&str, &str)]) -> WantedSource {
    let build = || Build { version: "20250718".into(), bytes: 5 };
    WantedSource {
        name: name.into(),
        url: format!("http://gapferry/images/{name}/"),
        keyring: b"\x99key".to_vec(),
        images: images.iter().map(|(release, arch)| (image(release, arch), build())).collect(),
    }
}

pub(super) fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn wanted() -> WantedState {
    let main = WantedRepository {
        name: MAIN_ARCHIVE.into(),
        url: "http://gapferry/apt/ubuntu".into(),
        key: "KEY".into(),
        no_sources: true,
        kind: RepositoryKind::BuiltIn { disabled_pockets: set(&["backports"]), disabled_components: set(&[]) },
    };
    let kind = RepositoryKind::Additional {
        distributions: set(&["stable"]),
        components: set(&["main"]),
        arches: set(&["amd64"]),
    };
    let own =
        WantedRepository { name: "gapferry-own".into(), url: "http://gapferry/apt/own".into(), kind, ..main.clone() };
    WantedState {
        serve_url: "http://gapferry".into(),
        sources: vec![wanted_source("maas", &[("jammy", "amd64"), ("jammy", "arm64"), ("noble", "amd64")])],
        uploads: vec![],
        repositories: vec![main, own],
        settings: [("enable_analytics", false), (NO_PROXY, true)]
            .map(|(name, value)| (name.to_owned(), Setting::Switch(value)))
            .into(),
        lost_archives: LostArchives::Keep,
        commissioning: vec!["noble".into(), "jammy".into()],
        notes: vec![],
    }
}

/// The release of a MAAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestedRelease {
    Before38,
    Since38,
}

pub(super) use TestedRelease::{Before38, Since38};

/// MAAS as it is after its installation.
pub(super) fn fresh(release: TestedRelease) -> MaasState {
    let selection = BootSelection {
        id: 7,
        os: "ubuntu".into(),
        release: "focal".into(),
        arches: vec!["amd64".into()],
        ..BootSelection::default()
    };
    let source = BootSource {
        id: 1,
        url: DEFAULT.into(),
        keyring_filename: "/k.gpg".into(),
        enabled: (release == Since38).then_some(true),
        selections: vec![selection],
        ..BootSource::default()
    };
    let main = PackageRepository {
        id: 1,
        name: MAIN_ARCHIVE.into(),
        url: "http://archive.invalid/ubuntu".into(),
        ..PackageRepository::default()
    };
    let settings = [
        ("enable_analytics", json!(true)),
        (NO_PROXY, json!(false)),
        (COMMISSIONING, json!("focal")),
        (DEFAULT_OSYSTEM, json!("ubuntu")),
        (DEFAULT_SERIES, json!("focal")),
    ];
    MaasState {
        version: match release {
            Before38 => MaasVersion::default(),
            Since38 => MaasVersion::V3_8,
        },
        sources: vec![source],
        repositories: vec![main],
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..MaasState::default()
    }
}

impl MaasState {
    /// Does what a MAAS would.
    pub(super) fn take(&mut self, change: &Change, wanted: &WantedState) {
        let next = 100 + self.sources.iter().map(|source| source.id + source.selections.len() as u64).sum::<u64>();
        let new = self.version.has_source_fields();
        match change {
            Change::Set { name, value } => drop(self.settings.insert(
                name.clone(),
                match value {
                    Setting::Switch(value) => json!(value),
                    other => json!(other.to_string()),
                },
            )),
            Change::AddSource { source, name } => {
                assert_eq!(name.is_some(), new);
                let made = BootSource { id: next, enabled: new.then_some(true), ..BootSource::default() };
                self.sources.push(made);
                set_source(self.sources.last_mut().unwrap(), source, name.as_ref());
            }
            Change::UpdateSource { id, source, name, .. } => {
                assert_eq!(name.is_some(), new);
                set_source(self.source(*id), source, name.as_ref());
            }
            Change::DisableSource { id, .. } => {
                assert!(new);
                self.source(*id).enabled = Some(false);
            }
            Change::DeleteSource { id, .. } => {
                assert!(!new);
                self.sources.retain(|source| source.id != *id);
            }
            Change::AddRepository { repository } => {
                let id = 100 + self.repositories.len() as u64;
                self.repositories.push(PackageRepository { id, ..made(repository) });
            }
            Change::UpdateRepository { id, repository, .. } => {
                let now = self.repositories.iter_mut().find(|now| now.id == *id).unwrap();
                *now = PackageRepository { id: *id, ..made(repository) };
            }
            Change::DeleteRepository { id, .. } => self.repositories.retain(|now| now.id != *id),
            Change::AddSelection { source_url, selection } => {
                let made = BootSelection { id: next, ..selected(selection) };
                self.at(source_url).selections.push(made);
            }
            Change::ReplaceSelection { source_url, id, selection } => {
                assert!(new && !commissions_with(&self.settings, &selection.release));
                // MAAS drops the images with the selection.
                self.resources.retain(|resource| resource.name != format!("{}/{}", selection.os, selection.release));
                let made = BootSelection { id: next, ..selected(selection) };
                let there = &mut self.at(source_url).selections;
                there.retain(|now| now.id != *id);
                there.push(made);
            }
            Change::UpdateSelection { source_url, id, selection } => {
                let now = self.at(source_url).selections.iter().find(|now| now.id == *id).map(|now| now.arches.clone());
                let drops = now.unwrap().iter().any(|arch| !selection.arches.contains(arch));
                assert!(!(new && drops), "a PUT drops nothing in 3.8: {selection}");
                let now = self.at(source_url).selections.iter_mut().find(|now| now.id == *id).unwrap();
                *now = BootSelection { id: *id, ..selected(selection) };
            }
            Change::DeleteSelection { source_url, id, .. } => {
                self.at(source_url).selections.retain(|now| now.id != *id)
            }
            Change::Upload { upload, .. } => {
                self.uploaded.retain(|resource| !is_uploaded_as(resource, upload));
                self.uploaded.push(uploaded(upload, "20250718"));
            }
            Change::Import { .. } => {
                let images = wanted.sources.iter().flat_map(|source| &source.images);
                let resource = |(image, build): (&WantedImage, &Build)| resource(image, &build.version);
                self.resources = images.map(resource).collect();
                self.importing = false;
            }
        }
    }

    pub(super) fn source(&mut self, id: u64) -> &mut BootSource {
        self.sources.iter_mut().find(|source| source.id == id).unwrap()
    }

    pub(super) fn at(&mut self, url: &str) -> &mut BootSource {
        self.sources.iter_mut().find(|source| same_url(&source.url, url)).unwrap()
    }
}

pub(super) fn commissions_with(settings: &BTreeMap<String, Value>, release: &str) -> bool {
    settings[COMMISSIONING] == json!(release)
}

pub(super) fn set_source(now: &mut BootSource, source: &WantedSource, name: Option<&String>) {
    now.name = name.cloned();
    // As MAAS 3.8 does, without the slash.
    now.url = source.url.trim_end_matches('/').to_owned();
    now.keyring_data = STANDARD.encode(&source.keyring);
    now.keyring_filename.clear();
    now.enabled = now.enabled.map(|_| true);
    now.skip_keyring_verification = now.skip_keyring_verification.map(|_| false);
}

pub(super) fn selected(selection: &Select) -> BootSelection {
    let arches = selection.arches.iter().cloned().collect();
    BootSelection { os: selection.os.clone(), release: selection.release.clone(), arches, ..BootSelection::default() }
}

pub(super) fn made(wanted: &WantedRepository) -> PackageRepository {
    let words = |set: &BTreeSet<String>| set.iter().cloned().collect();
    let now = PackageRepository {
        name: wanted.name.clone(),
        url: wanted.url.clone(),
        key: wanted.key.clone(),
        disable_sources: Some(true),
        enabled: Some(true),
        ..PackageRepository::default()
    };
    match &wanted.kind {
        RepositoryKind::BuiltIn { disabled_pockets, disabled_components } => {
            let (pockets, components) = (words(disabled_pockets), words(disabled_components));
            PackageRepository { disabled_pockets: pockets, disabled_components: components, ..now }
        }
        RepositoryKind::Additional { distributions, components, arches } => PackageRepository {
            distributions: words(distributions),
            components: words(components),
            arches: words(arches),
            ..now
        },
    }
}

pub(super) fn resource(image: &WantedImage, version: &str) -> Resource {
    let sets =
        BTreeMap::from([(version.to_owned(), ResourceSet { complete: true, size: 5, ..ResourceSet::default() })]);
    Resource { id: 1, name: image.resource(), architecture: format!("{}/ga-22.04", image.arch), sets }
}

pub(super) fn upload(name: &str, resource: &str, content: &[u8]) -> WantedUpload {
    WantedUpload {
        name: name.into(),
        resource: resource.into(),
        architecture: "amd64/generic".into(),
        title: "An image".into(),
        filetype: "tgz".into(),
        base_image: None,
        sha256: crate::digest::Sha256::of(content),
        size: content.len() as u64,
        path: "/i".into(),
    }
}

/// The resource as it is before all of it has arrived.
pub(super) fn incomplete(mut resource: Resource) -> Resource {
    for set in resource.sets.values_mut() {
        set.complete = false;
        set.files.values_mut().for_each(|file| file.complete = false);
    }
    resource
}

pub(super) fn uploaded(upload: &WantedUpload, version: &str) -> Resource {
    let file =
        ResourceFile { sha256: upload.sha256.to_hex(), size: upload.size, complete: true, ..ResourceFile::default() };
    let set = ResourceSet { complete: true, size: upload.size, files: BTreeMap::from([("root.tgz".into(), file)]) };
    let sets = BTreeMap::from([(version.to_owned(), set)]);
    Resource { id: 9, name: upload.resource.clone(), architecture: upload.architecture.clone(), sets }
}
