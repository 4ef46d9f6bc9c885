//! What reprepro is to publish, read from the stanzas that upstream vouches for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::re_index::{RewrittenIndex, SuiteIndexes};
use super::PublishError;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::formats::apt::archive::{EntryFile, IndexEntry, IndexKind, entries};
use crate::formats::apt::deb822::Stanzas;
use crate::formats::apt::release::Release;
use crate::path::PublishPath;

/// The architecture under which reprepro keeps source packages.
pub(super) const SOURCE: &str = "source";

/// Fields that an archive sets besides what the package says of itself, as far as they mean something to clients.
const OVERRIDDEN: [&str; 4] = ["Section", "Priority", "Task", "Phased-Update-Percentage"];

/// One suite.
#[derive(Debug)]
pub(super) struct WantedSuite {
    /// Its name below `dists/`, which is what reprepro calls its codename.
    pub(super) name: String,
    /// What its Release is to say.
    pub(super) release: Release,
    /// What each of its indexes is to list, by the packages' names.
    pub(super) targets: BTreeMap<IndexTarget, BTreeMap<String, WantedPackage>>,
    /// What packages do not say of themselves: name → fields.
    pub(super) overrides: BTreeMap<String, Vec<(&'static str, String)>>,
}

/// Files of a collection with their blobs.
type Blobs = BTreeMap<PublishPath, Sha256>;

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IndexTarget {
    /// The component.
    pub(super) component: String,
    /// The architecture, or [`SOURCE`].
    pub(super) architecture: String,
}

/// One binary or source package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedPackage {
    /// Its version.
    pub(super) version: String,
    /// Its own architecture, or [`SOURCE`].
    pub(super) architecture: String,
    /// Its files, by the names that they have in reprepro's pool. A binary package has one; a source package's .dsc is among
    /// them.
    pub(super) files: BTreeMap<String, Sha256>,
    /// Size of them all, in bytes.
    pub(super) size: u64,
}

impl fmt::Display for IndexTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.component, self.architecture)
    }
}

impl IndexTarget {
    /// Whether it lists source packages.
    pub(super) fn is_source(&self) -> bool {
        self.architecture == SOURCE
    }

    /// reprepro's options that name it.
    pub(super) fn options(&self) -> Vec<String> {
        let kind = if self.is_source() { "dsc" } else { "deb" };
        let pairs = [("-C", self.component.as_str()), ("-A", &self.architecture), ("-T", kind)];
        pairs.iter().flat_map(|(option, value)| [(*option).to_owned(), (*value).to_owned()]).collect()
    }

    /// Where its index is below the suite.
    pub(super) fn index(&self) -> String {
        match self.is_source() {
            true => format!("{}/source/Sources", self.component),
            false => format!("{}/binary-{}/Packages", self.component, self.architecture),
        }
    }
}

impl WantedSuite {
    /// Reads the suite's indexes. `release` is what its Release is to say, and `blobs` has all files.
    pub(super) fn read(
        name: &str,
        release: Release,
        suite: &SuiteIndexes,
        blobs: &Blobs,
    ) -> Result<Self, PublishError> {
        let mut wanted = Self { name: name.to_owned(), release, targets: BTreeMap::new(), overrides: BTreeMap::new() };
        // What an index of `all` lists is for every architecture: reprepro has no such index.
        let (for_all, own): (Vec<_>, Vec<_>) = suite.indexes.values().partition(|index| index.architecture == "all");
        for index in own {
            wanted.add(index, &index.architecture, blobs)?;
        }
        let architectures: BTreeSet<String> =
            wanted.targets.keys().map(|target| target.architecture.clone()).filter(|a| a != SOURCE).collect();
        for index in for_all {
            architectures.iter().try_for_each(|architecture| wanted.add(index, architecture, blobs))?;
        }
        wanted.release.architectures = architectures.into_iter().collect();
        Ok(wanted)
    }

    /// Gives suites of which nothing is carried what the others have: reprepro knows no suite without architectures and
    /// components.
    pub(super) fn fill(suites: &mut [Self]) {
        let all = |pick: fn(&Release) -> &Vec<String>, suites: &[Self]| {
            let all: BTreeSet<String> = suites.iter().flat_map(|suite| pick(&suite.release)).cloned().collect();
            all.into_iter().collect::<Vec<_>>()
        };
        let (architectures, components) = (all(|r| &r.architectures, suites), all(|r| &r.components, suites));
        for release in suites.iter_mut().map(|suite| &mut suite.release) {
            for (own, all) in [(&mut release.architectures, &architectures), (&mut release.components, &components)] {
                if own.is_empty() {
                    own.clone_from(all);
                }
            }
        }
    }

    fn add(&mut self, index: &RewrittenIndex, architecture: &str, blobs: &Blobs) -> Result<(), PublishError> {
        let target = IndexTarget { component: index.component.clone(), architecture: architecture.to_owned() };
        plain("the component", &target.component)?;
        plain("the architecture", &target.architecture)?;
        let packages = self.targets.entry(target.clone()).or_default();
        let indexes = Stanzas::new(&index.text);
        for (entry, stanza) in entries(index.kind, &index.text).zip(indexes) {
            let Ok(entry) = entry else { continue }; // it was read before it was taken
            plain("the package", entry.name)?;
            plain("the version", entry.version)?;
            let package = WantedPackage::of(&entry, index.kind, blobs)?;
            if index.kind == IndexKind::Packages {
                let said = OVERRIDDEN.into_iter().filter_map(|field| Some((field, stanza.field(field)?.to_owned())));
                let mut fields: Vec<(&'static str, String)> = said.filter(|(_, value)| is_line(value)).collect();
                for (field, value) in [("Section", "misc"), ("Priority", "optional")] {
                    // reprepro refuses packages without.
                    if !fields.iter().any(|(known, _)| *known == field) {
                        fields.push((field, value.to_owned()));
                    }
                }
                self.overrides.insert(entry.name.to_owned(), fields);
            }
            match packages.insert(entry.name.to_owned(), package.clone()) {
                Some(other) if other != package => {
                    let (suite, name, one, other) = (&self.name, entry.name, &other.version, &package.version);
                    return Err(Fault::refused(format!(
                        "{suite} {target} has {name} in the versions {one} and {other}, and reprepro keeps one: {RE_INDEX}"
                    ))
                    .into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Each package with the index that is to list it.
    pub(super) fn packages(&self) -> impl Iterator<Item = (&IndexTarget, &str, &WantedPackage)> {
        self.targets
            .iter()
            .flat_map(|(target, packages)| packages.iter().map(move |(name, package)| (target, name.as_str(), package)))
    }
}

impl WantedPackage {
    fn of(entry: &IndexEntry<'_>, kind: IndexKind, blobs: &Blobs) -> Result<Self, PublishError> {
        let mut files = BTreeMap::new();
        for EntryFile { path, .. } in &entry.files {
            let Some(blob) = blobs.get(path) else { continue }; // all were there when the entry was taken
            let name = match kind {
                // A pool has the version without its epoch in the name (Policy 5.6.12).
                IndexKind::Packages => {
                    let version = entry.version.split_once(':').map_or(entry.version, |(_, version)| version);
                    format!("{}_{version}_{}.deb", entry.name, entry.architecture)
                }
                IndexKind::Sources => path.file_name().to_owned(),
            };
            plain("the file", &name)?;
            files.insert(name, *blob);
        }
        Ok(Self {
            version: entry.version.to_owned(),
            architecture: entry.architecture.to_owned(),
            files,
            size: entry.files.iter().map(|file| file.size).sum(),
        })
    }

    /// The file that reprepro is told of: the .deb or the .dsc.
    pub(super) fn main_file(&self) -> Option<(&str, Sha256)> {
        let is_main = |name: &&String| self.architecture != SOURCE || name.ends_with(".dsc");
        let name = self.files.keys().find(is_main)?;
        Some((name, *self.files.get(name)?))
    }
}

/// The advice for what reprepro cannot publish.
pub(super) const RE_INDEX: &str = "have the source published with publish = \"re-indexed\"";

/// Makes the error of words that have a meaning in reprepro's files or among its arguments.
pub(super) fn not_for_reprepro(what: &str, text: &str) -> Fault {
    Fault::refused(format!("{what} {text:?} cannot be told to reprepro: {RE_INDEX}"))
}

/// What has a meaning neither in reprepro's files nor among its arguments.
pub(super) fn plain(what: &str, text: &str) -> Result<(), Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+~:-/%".contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed) {
        true => Ok(()),
        false => Err(not_for_reprepro(what, &text.chars().take(64).collect::<String>())),
    }
}

/// Whether the value can stand on a line of its own, all of it.
pub(super) fn is_line(value: &str) -> bool {
    !value.is_empty() && value.trim() == value && !value.contains(|c: char| c.is_control() || c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::apt::archive::IndexName;

    fn suite(rows: &[(&str, &str)]) -> SuiteIndexes {
        let mut suite = SuiteIndexes::default();
        for (index, stanza) in rows {
            suite.index(&IndexName::parse(index).unwrap()).push(stanza.as_bytes()).unwrap();
        }
        suite
    }

    fn stanza(name: &str, version: &str, architecture: &str) -> String {
        let digest = Sha256::of(format!("{name}{version}").as_bytes());
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nPriority: required\nTask: a, b\n\
             Filename: pool/x/{name}.deb\nSize: 7\nSHA256: {digest}"
        )
    }

    fn blobs() -> Blobs {
        let path = |name: &str| format!("pool/x/{name}.deb").parse().unwrap();
        ["a", "b"].into_iter().map(|name| (path(name), Sha256::of(name.as_bytes()))).collect()
    }

    #[test]
    fn an_index_of_all_counts_for_every_architecture() {
        let (a, b) = (stanza("a", "1:2-3", "amd64"), stanza("b", "1", "all"));
        let rows = [
            ("main/binary-amd64/Packages", a.as_str()),
            ("main/binary-all/Packages", &b),
            ("x/binary-arm64/Packages", &b),
        ];
        let wanted = WantedSuite::read("noble", Release::default(), &suite(&rows), &blobs()).unwrap();
        assert_eq!(wanted.release.architectures, ["amd64", "arm64"]);
        let all: Vec<String> = wanted.packages().map(|(target, name, _)| format!("{target} {name}")).collect();
        assert_eq!(all, ["main/amd64 a", "main/amd64 b", "main/arm64 b", "x/arm64 b"]);
        let (_, _, package) = wanted.packages().next().unwrap();
        assert_eq!(package.files.keys().collect::<Vec<_>>(), ["a_2-3_amd64.deb"]);
        let expected = [("Priority", "required"), ("Task", "a, b"), ("Section", "misc")];
        assert_eq!(wanted.overrides["a"], expected.map(|(field, value)| (field, value.to_owned())));
    }

    #[test]
    fn what_reprepro_cannot_keep_is_refused() {
        let two = [stanza("a", "1", "amd64"), stanza("a", "2", "amd64")];
        let rows = two.each_ref().map(|stanza| ("main/binary-amd64/Packages", stanza.as_str()));
        let error = WantedSuite::read("noble", Release::default(), &suite(&rows), &blobs()).unwrap_err().to_string();
        assert!(error.starts_with("noble main/amd64 has a in the versions 1 and 2, and"), "{error}");
        for text in ["-x", "a b", "a\nb", "", "!x", "a\"", "é", "a#"] {
            assert!(plain("the package", text).is_err(), "{text:?}");
        }
        assert!(!is_line("a # b") && !is_line("a\nb") && is_line("a, b"));
    }
}
