//! Which suites, components and architectures an archive has: as its tree says, since upstream's own Release files also list
//! what is not carried.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::collection::Collection;
use crate::formats::apt::archive::{IN_RELEASE, IndexKind, IndexName, RELEASE, RELEASE_GPG};
use crate::formats::apt::suite_name::SuiteName;
use crate::path::PublishPath;

/// How deep below `dists` an index can be: suite, component with slashes, `binary-ARCH`, file.
const MAX_DEPTH: usize = 8;

/// What is published of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSuite {
    /// The name that source lists give it.
    pub name: SuiteName,
    /// Components with packages. Empty in a flat suite.
    pub components: BTreeSet<PublishPath>,
    /// Architectures of which there are packages, `all` not among them.
    pub architectures: BTreeSet<PublishPath>,
    /// Components with source packages.
    pub sources: BTreeSet<PublishPath>,
    /// The indexes of a flat suite.
    pub flat: BTreeSet<IndexKind>,
}

impl PublishedSuite {
    fn new(name: SuiteName) -> Self {
        Self {
            name,
            components: BTreeSet::new(),
            architectures: BTreeSet::new(),
            sources: BTreeSet::new(),
            flat: BTreeSet::new(),
        }
    }

    /// Returns the components of its binary or source packages, which are none in a flat suite; `None` if it has no such packages.
    pub fn components_of(&self, kind: IndexKind) -> Option<&BTreeSet<PublishPath>> {
        let components = if kind == IndexKind::Packages { &self.components } else { &self.sources };
        (!components.is_empty() || self.flat.contains(&kind)).then_some(components)
    }
}

/// The suites of a collection whose tree is in `folder`, by their names. A suite is a folder with signed metadata and with indexes.
pub fn suites(folder: &Path, collection: &Collection) -> Vec<PublishedSuite> {
    let mut suites = suites_below_dists(folder);
    // A client that used the other name of a suite too would fetch all of it twice.
    suites.retain(|suite| {
        let folder = format!("dists/{}/", suite.name);
        collection.proofs.iter().any(|proof| proof.path.as_str().starts_with(&folder))
    });
    suites.extend(flat_suites(folder, collection));
    suites
}

/// The flat suites of a collection. Its proofs tell where they are, since they may be anywhere.
fn flat_suites(folder: &Path, collection: &Collection) -> Vec<PublishedSuite> {
    let mut suites = BTreeMap::new();
    for proof in &collection.proofs {
        let (place, file) = proof.path.as_str().rsplit_once('/').unwrap_or(("", proof.path.as_str()));
        let is_flat = IndexName::parse(proof.path.as_str()).is_none_or(|name| name.is_flat());
        let Some(index) = IndexName::parse(file).filter(|_| is_flat && is_signed(&folder.join(place))) else {
            continue;
        };
        if let Ok(name) = SuiteName::flat(place) {
            suites.entry(name.clone()).or_insert_with(|| PublishedSuite::new(name)).flat.insert(index.kind);
        }
    }
    for item in &collection.items {
        let suite = item.details.suite().and_then(|(name, _)| suites.get_mut(name));
        if let (Some(suite), Ok(architecture)) = (suite, item.architecture.parse::<PublishPath>()) {
            suite.architectures.extend(Some(architecture).filter(|name| !["all", "source"].contains(&name.as_str())));
        }
    }
    suites.into_values().collect()
}

fn is_signed(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has(IN_RELEASE) || (has(RELEASE) && has(RELEASE_GPG))
}

fn suites_below_dists(folder: &Path) -> Vec<PublishedSuite> {
    let dists = folder.join("dists");
    let entries = WalkDir::new(&dists)
        .follow_links(true)
        .max_depth(MAX_DEPTH)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok);
    let files: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect();
    let releases = files.iter().filter(|file| file.ends_with(IN_RELEASE) || file.ends_with(RELEASE));
    let folders: BTreeSet<&Path> =
        releases.filter_map(|file| file.parent()).filter(|folder| is_signed(folder)).collect();
    let mut suites = BTreeMap::new();
    for file in &files {
        let Some(folder) = file.ancestors().find(|above| folders.contains(above)) else { continue };
        let name = folder.strip_prefix(&dists).ok().and_then(Path::to_str).and_then(|name| name.parse().ok());
        let index = file.strip_prefix(folder).ok().and_then(Path::to_str).and_then(IndexName::parse);
        if let (Some(name), Some(index)) = (name, index.filter(|index| !index.is_flat())) {
            add(&mut suites, &name, &index);
        }
    }
    suites.into_values().collect()
}

fn add(suites: &mut BTreeMap<SuiteName, PublishedSuite>, name: &SuiteName, index: &IndexName<'_>) {
    let (Ok(component), Ok(architecture)) = (index.component.parse(), index.architecture.parse::<PublishPath>()) else {
        return;
    };
    let suite = suites.entry(name.clone()).or_insert_with(|| PublishedSuite::new(name.clone()));
    match index.kind {
        IndexKind::Sources => suite.sources.insert(component),
        IndexKind::Packages => {
            if architecture.as_str() != "all" {
                suite.architectures.insert(architecture);
            }
            suite.components.insert(component)
        }
    };
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_counts() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "stable/InRelease",
            "stable/main/binary-amd64/Packages.gz",
            "stable/main/binary-all/Packages",
            "stable/main/source/Sources.xz",
            "stable/contrib/binary-arm64/Packages.xz",
            "stable/main/binary-amd64/Release",
            "book/updates/Release",
            "book/updates/Release.gpg",
            "book/updates/main/binary-i386/Packages",
            "unsigned/Release",
            "unsigned/main/binary-amd64/Packages",
            "bad name;$(id)/InRelease",
            "bad name;$(id)/main/binary-amd64/Packages",
            "stable/a\nb/binary-amd64/Packages",
        ] {
            let path = root.path().join("dists").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = suites_below_dists(root.path());
        let words = |set: &BTreeSet<PublishPath>| set.iter().map(PublishPath::as_str).collect::<Vec<_>>().join(" ");
        let rows: Vec<[String; 4]> = found
            .iter()
            .map(|s| [s.name.to_string(), words(&s.components), words(&s.architectures), words(&s.sources)])
            .collect();
        assert_eq!(rows, [["book/updates", "main", "i386", ""], ["stable", "contrib main", "amd64 arm64", "main"]]);
        assert!(suites_below_dists(&root.path().join("absent")).is_empty());
    }
}
