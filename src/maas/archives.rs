//! Which published archives MAAS hands to its machines, and as what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use walkdir::WalkDir;

use super::MaasError;
use super::answers::{MAIN_ARCHIVE, PORTS_ARCHIVE};
use super::plan::REPOSITORY_PREFIX;
use super::wanted::{RepositoryKind, WantedRepository};
use crate::collection::Collection;
use crate::error_class::Fault;
use crate::formats::apt::archive::{IndexKind, IndexName};

/// The architectures of MAAS's two built-in archives.
const MAIN_ARCHES: [&str; 2] = ["amd64", "i386"];
const PORTS_ARCHES: [&str; 4] = ["arm64", "armhf", "ppc64el", "s390x"];
/// The pockets and components of those archives that can be left out.
const POCKETS: [&str; 3] = ["updates", "security", "backports"];
const COMPONENTS: [&str; 3] = ["restricted", "universe", "multiverse"];
/// The pocket that MAAS never asks for.
const PROPOSED: &str = "proposed";
/// How deep below `dists` an index can be: suite, component with slashes, `binary-ARCH`, file.
const MAX_DEPTH: usize = 8;

/// A published archive.
#[derive(Clone, Debug, Default)]
pub(super) struct PublishedArchive {
    /// The collection.
    pub(super) name: String,
    /// Where it is served.
    pub(super) url: String,
    /// Who signs it, in ASCII armor.
    pub(super) key: String,
    /// What upstream's Release files give as Origin.
    pub(super) publishers: BTreeSet<String>,
    /// What indexes it has.
    pub(super) indexes: Indexes,
}

/// The indexes of an archive.
#[derive(Clone, Debug, Default)]
pub(super) struct Indexes {
    /// Components by suite.
    suites: BTreeMap<String, BTreeSet<String>>,
    arches: BTreeSet<String>,
    has_sources: bool,
    /// Flat suites, which MAAS has no form for: it names components for each suite.
    flat: BTreeSet<String>,
}

impl Indexes {
    /// Finds the indexes below the archive's folder. The items of the collection tell of flat suites.
    pub(super) fn find(folder: &Path, collection: &Collection) -> Self {
        let suites = collection.items.iter().filter_map(|item| item.details.suite());
        let flat = suites.filter(|(suite, _)| suite.is_flat()).map(|(suite, _)| suite.to_string());
        let mut indexes = Self { flat: flat.collect(), ..Self::default() };
        let dists = folder.join("dists");
        let files = WalkDir::new(&dists).follow_links(true).max_depth(MAX_DEPTH).into_iter().filter_map(Result::ok);
        let files: Vec<_> =
            files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect();
        let release = |file: &&std::path::PathBuf| file.ends_with("Release") || file.ends_with("InRelease");
        let suites: BTreeSet<&Path> = files.iter().filter(release).filter_map(|file| file.parent()).collect();
        for file in &files {
            let Some(suite) = file.ancestors().find(|above| suites.contains(above)) else { continue };
            let below = file.strip_prefix(suite).ok().and_then(Path::to_str);
            let name = suite.strip_prefix(&dists).ok().and_then(Path::to_str);
            if let (Some(index), Some(suite)) = (below.and_then(IndexName::parse), name) {
                indexes.add(suite, &index);
            }
        }
        indexes
    }

    fn add(&mut self, suite: &str, index: &IndexName<'_>) {
        match index.kind {
            IndexKind::Packages => {
                self.suites.entry(suite.to_owned()).or_default().insert(index.component.to_owned());
                self.arches.insert(index.architecture.to_owned());
            }
            IndexKind::Sources => self.has_sources = true,
        }
    }

    fn arches_of(&self, known: &[&str]) -> BTreeSet<String> {
        known.iter().filter(|arch| self.arches.contains(**arch)).map(|arch| (*arch).to_owned()).collect()
    }

    /// The suites that are releases and not pockets of one.
    fn releases(&self) -> Vec<&str> {
        let is_pocket = |suite: &str| {
            let pocket = suite.rsplit_once('-').map(|(_, pocket)| pocket);
            pocket.is_some_and(|pocket| POCKETS.contains(&pocket) || pocket == PROPOSED)
        };
        self.suites.keys().map(String::as_str).filter(|suite| !is_pocket(suite)).collect()
    }
}

/// What the operator chose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ArchiveChoice<'c> {
    pub(super) main: Option<&'c str>,
    pub(super) ports: Option<&'c str>,
    /// Archives to be added though they are Debian's.
    pub(super) also: &'c [String],
}

/// The repositories, and notes on what is left out.
pub(super) fn repositories(
    archives: &[PublishedArchive],
    chosen: ArchiveChoice<'_>,
) -> Result<(Vec<WantedRepository>, Vec<String>), MaasError> {
    let (mut repositories, mut notes) = (Vec::new(), Vec::new());
    for name in chosen.also {
        named(archives, name, "repository")?;
    }
    let main = built_in(archives, chosen.main, "main-archive", &MAIN_ARCHES)?;
    let ports = built_in(archives, chosen.ports, "ports-archive", &PORTS_ARCHES)?;
    for (name, archive) in [(MAIN_ARCHIVE, main), (PORTS_ARCHIVE, ports)] {
        match archive {
            Some(archive) => repositories.push(archive.as_built_in(name)),
            None => notes.push(format!("no Ubuntu archive is published for {name}")),
        }
    }
    for archive in archives {
        if [main, ports].into_iter().flatten().any(|built_in| built_in.name == archive.name) {
            continue;
        }
        let is_debian = archive.publishers.iter().any(|publisher| publisher.starts_with("Debian"));
        let arches = archive.indexes.arches_of(&[&MAIN_ARCHES[..], &PORTS_ARCHES].concat());
        if is_debian && !chosen.also.contains(&archive.name) {
            let name = &archive.name;
            notes.push(format!(
                "apt/{name} is Debian's, and MAAS would hand it to Ubuntu machines: it is left out, unless --repository {name}"
            ));
        } else if arches.is_empty() && !archive.indexes.flat.is_empty() {
            notes.push(format!("apt/{} has only flat suites, which MAAS cannot name: it is left out", archive.name));
        } else if arches.is_empty() {
            notes.push(format!(
                "apt/{} has packages for no architecture that MAAS knows, and is left out",
                archive.name
            ));
        } else {
            repositories.push(archive.as_additional(arches));
        }
    }
    Ok((repositories, notes))
}

/// The archive that is to be one of MAAS's own: the chosen one, or the only one of Ubuntu's that can be it.
fn built_in<'a>(
    archives: &'a [PublishedArchive],
    chosen: Option<&str>,
    option: &str,
    arches: &[&str],
) -> Result<Option<&'a PublishedArchive>, Fault> {
    if let Some(name) = chosen {
        return named(archives, name, option).map(Some);
    }
    let fits = |archive: &&PublishedArchive| {
        let indexes = &archive.indexes;
        let is_ubuntu = archive.publishers.iter().any(|publisher| publisher == "Ubuntu");
        is_ubuntu && !indexes.releases().is_empty() && !indexes.arches_of(arches).is_empty()
    };
    let fitting: Vec<&PublishedArchive> = archives.iter().filter(fits).collect();
    match fitting.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        many => {
            let names: Vec<&str> = many.iter().map(|archive| archive.name.as_str()).collect();
            Err(Fault::usage(format!(
                "{} can each be MAAS's own archive: choose with --{option} NAME",
                names.join(" and ")
            )))
        }
    }
}

fn named<'a>(archives: &'a [PublishedArchive], name: &str, option: &str) -> Result<&'a PublishedArchive, Fault> {
    let refuse = || {
        let names: Vec<&str> = archives.iter().map(|archive| archive.name.as_str()).collect();
        Fault::usage(format!("--{option} {name:?}: no such archive is published, but {}", listed(&names)))
    };
    archives.iter().find(|archive| archive.name == name).ok_or_else(refuse)
}

/// Lists names for a message.
pub(super) fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { names.join(", ") }
}

impl PublishedArchive {
    /// MAAS writes one line for each pocket of a machine's release, with all components: what is not there is to be left out.
    fn as_built_in(&self, name: &str) -> WantedRepository {
        let (suites, releases) = (&self.indexes.suites, self.indexes.releases());
        let lacks = |pocket: &&str| releases.iter().any(|release| !suites.contains_key(&format!("{release}-{pocket}")));
        let has = |component: &str| {
            releases.iter().any(|release| suites.get(*release).is_some_and(|of| of.contains(component)))
        };
        let kind = RepositoryKind::BuiltIn {
            disabled_pockets: POCKETS.iter().copied().filter(lacks).map(str::to_owned).collect(),
            disabled_components: COMPONENTS.iter().copied().filter(|name| !has(name)).map(str::to_owned).collect(),
        };
        self.repository(name.to_owned(), kind)
    }

    fn as_additional(&self, arches: BTreeSet<String>) -> WantedRepository {
        let components = self.indexes.suites.values().flatten().cloned().collect();
        let distributions = self.indexes.suites.keys().cloned().collect();
        let kind = RepositoryKind::Additional { distributions, components, arches };
        self.repository(format!("{REPOSITORY_PREFIX}{}", self.name), kind)
    }

    fn repository(&self, name: String, kind: RepositoryKind) -> WantedRepository {
        let (url, key) = (self.url.clone(), self.key.trim().to_owned());
        WantedRepository { name, url, key, no_sources: !self.indexes.has_sources, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with suites of `main` and `universe`.
    fn archive(name: &str, publisher: &str, suites: &[&str], arches: &[&str]) -> PublishedArchive {
        let mut indexes = Indexes::default();
        for suite in suites {
            for arch in arches {
                for component in ["main", "universe"] {
                    let path = format!("{component}/binary-{arch}/Packages.gz");
                    indexes.add(suite, &IndexName::parse(&path).unwrap());
                }
            }
        }
        let publishers = BTreeSet::from([publisher.to_owned()]);
        PublishedArchive {
            name: name.into(),
            url: format!("http://s/apt/{name}"),
            key: "k\n".into(),
            publishers,
            indexes,
        }
    }

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn ubuntus_archives_become_those_that_are_built_in() {
        let all = [
            archive(
                "ubuntu",
                "Ubuntu",
                &["jammy", "jammy-updates", "noble", "noble-updates", "jammy-security"],
                &["amd64"],
            ),
            archive("ports", "Ubuntu", &["noble"], &["arm64"]),
            archive("security", "Ubuntu", &["noble-security"], &["amd64", "riscv64"]),
            archive("debian", "Debian", &["bookworm"], &["amd64"]),
            archive("own", "", &["stable"], &["all"]),
        ];
        let (found, notes) = repositories(&all, ArchiveChoice::default()).unwrap();
        let names: Vec<&str> = found.iter().map(|repository| repository.name.as_str()).collect();
        assert_eq!(names, ["main_archive", "ports_archive", "gapferry-security"]);
        let off = |pockets, components| RepositoryKind::BuiltIn {
            disabled_pockets: set(pockets),
            disabled_components: set(components),
        };
        assert_eq!(found[0].kind, off(&["security", "backports"], &["restricted", "multiverse"]));
        assert_eq!(found[1].kind, off(&["updates", "security", "backports"], &["restricted", "multiverse"]));
        let kind = RepositoryKind::Additional {
            distributions: set(&["noble-security"]),
            components: set(&["main", "universe"]),
            arches: set(&["amd64"]),
        };
        assert_eq!((&found[2].kind, found[2].no_sources, found[2].key.as_str()), (&kind, true, "k"));
        assert!(
            notes.len() == 2 && notes[0].contains("apt/debian is Debian's") && notes[1].contains("apt/own"),
            "{notes:?}"
        );
        let also = ["debian".to_owned()];
        let (found, _) = repositories(&all, ArchiveChoice { also: &also, ..ArchiveChoice::default() }).unwrap();
        assert!(found.iter().any(|repository| repository.name == "gapferry-debian"));
    }

    #[test]
    fn what_is_not_clear_has_to_be_chosen() {
        let all = [archive("a", "Ubuntu", &["jammy"], &["amd64"]), archive("b", "Ubuntu", &["noble"], &["amd64"])];
        let error = repositories(&all, ArchiveChoice::default()).unwrap_err().to_string();
        assert!(error.contains("a and b") && error.contains("--main-archive"), "{error}");
        let (found, _) = repositories(&all, ArchiveChoice { main: Some("b"), ..ArchiveChoice::default() }).unwrap();
        assert_eq!((found[0].url.as_str(), found[1].name.as_str()), ("http://s/apt/b", "gapferry-a"));
        assert!(repositories(&all, ArchiveChoice { ports: Some("c"), ..ArchiveChoice::default() }).is_err());
    }
}
