//! Which suites, components and architectures an archive has: as its tree says, since upstream's own Release files also list
//! what is not carried.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::formats::apt::archive::{IN_RELEASE, IndexKind, IndexName, RELEASE, RELEASE_GPG};
use crate::path::PublishPath;

/// How deep below `dists` an index can be: suite, component with slashes, `binary-ARCH`, file.
const MAX_DEPTH: usize = 8;

/// What is published of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its folder below `dists`, which is what sources name it by.
    pub name: PublishPath,
    /// Components with packages.
    pub components: BTreeSet<PublishPath>,
    /// Architectures of which there are packages, `all` not among them.
    pub architectures: BTreeSet<PublishPath>,
    /// Components with source packages.
    pub sources: BTreeSet<PublishPath>,
}

/// The suites of the archive in `folder`, by their names. A suite is a folder with signed metadata and with indexes.
pub fn suites(folder: &Path) -> Vec<Suite> {
    let dists = folder.join("dists");
    let entries = WalkDir::new(&dists).max_depth(MAX_DEPTH).sort_by_file_name().into_iter().filter_map(Result::ok);
    let files: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect();
    let signed = |folder: &Path| {
        let has = |name: &str| folder.join(name).is_file();
        has(IN_RELEASE) || (has(RELEASE) && has(RELEASE_GPG))
    };
    let releases = files.iter().filter(|file| file.ends_with(IN_RELEASE) || file.ends_with(RELEASE));
    let folders: BTreeSet<&Path> = releases.filter_map(|file| file.parent()).filter(|folder| signed(folder)).collect();
    let mut suites = BTreeMap::new();
    for file in &files {
        let Some(folder) = file.ancestors().find(|above| folders.contains(above)) else { continue };
        let name = folder.strip_prefix(&dists).ok().and_then(Path::to_str).and_then(|name| name.parse().ok());
        let index = file.strip_prefix(folder).ok().and_then(Path::to_str).and_then(IndexName::parse);
        if let (Some(name), Some(index)) = (name, index) {
            add(&mut suites, &name, &index);
        }
    }
    suites.into_values().collect()
}

fn add(suites: &mut BTreeMap<PublishPath, Suite>, name: &PublishPath, index: &IndexName<'_>) {
    let (Ok(component), Ok(architecture)) = (index.component.parse(), index.architecture.parse::<PublishPath>()) else {
        return;
    };
    let new = || Suite {
        name: name.clone(),
        components: BTreeSet::new(),
        architectures: BTreeSet::new(),
        sources: BTreeSet::new(),
    };
    let suite = suites.entry(name.clone()).or_insert_with(new);
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
        let found = suites(root.path());
        let words = |set: &BTreeSet<PublishPath>| set.iter().map(PublishPath::as_str).collect::<Vec<_>>().join(" ");
        let rows: Vec<[String; 4]> = found
            .iter()
            .map(|s| [s.name.to_string(), words(&s.components), words(&s.architectures), words(&s.sources)])
            .collect();
        assert_eq!(rows, [["book/updates", "main", "i386", ""], ["stable", "contrib main", "amd64 arm64", "main"]]);
        assert!(suites(&root.path().join("absent")).is_empty());
    }
}
