//! Indexes that stock clients ask for besides those of packages: descriptions, lists of files, of programs and of commands.
//!
//! apt asks for an index only if the signed Release lists it, and then takes its absence for an error. So an archive that
//! shows upstream's Release has to have all of them. The names are those of apt's own `Acquire::IndexTargets`, and of the
//! files that apt-file, appstream and command-not-found put into /etc/apt/apt.conf.d.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::archive::{IN_RELEASE, IndexKind, IndexName, RELEASE, RELEASE_GPG};
use super::release::{IndexFile, Release};
use crate::formats::compression::Compression;
use crate::path::PublishPath;

/// A kind of index, by the clients that ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIndexKind {
    /// `COMPONENT/i18n/Translation-LANGUAGE`, or `LANGUAGE` in a flat suite: long descriptions, for every apt.
    Translations,
    /// `COMPONENT/Contents-ARCH`, or the same above the components: lists of files, for apt-file.
    Contents,
    /// `COMPONENT/dep11/Components-ARCH.yml`: lists of programs, for appstream.
    Appstream,
    /// `COMPONENT/cnf/Commands-ARCH`: lists of commands, for command-not-found.
    Commands,
    /// `COMPONENT/source/Sources`, or `Sources` in a flat suite: source packages, for `deb-src` lines.
    Sources,
    /// `COMPONENT/dep11/icons-SIZE.tar`: icons of the programs. appstream leaves them disabled.
    Icons,
    /// `COMPONENT/Contents-udeb-ARCH`: files of the installer's packages. apt-file leaves them disabled.
    UdebContents,
    /// `COMPONENT/Contents-source`: files of source packages. apt-file leaves them disabled.
    SourceContents,
    /// `INDEX.diff/Index` with its patches, of each index that is carried. See [`super::pdiff`]. No name of an index is of this
    /// kind: apt asks for patches of what it asks for anyway.
    Pdiffs,
}

impl ClientIndexKind {
    /// The kinds that clients ask for with the settings that they come with, except [`Self::Sources`]: those go with `deb-src`.
    pub const DEFAULT: [Self; 4] = [Self::Translations, Self::Contents, Self::Appstream, Self::Commands];

    /// The kind that apt knows by this name of a target, as `Acquire::IndexTargets` has it, in capitals or not. `None` for
    /// indexes of packages, and for names that no program installs.
    pub fn of_target(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "translations" => Some(Self::Translations),
            "contents-deb" | "contents-deb-legacy" => Some(Self::Contents),
            "contents-udeb" => Some(Self::UdebContents),
            "contents-dsc" => Some(Self::SourceContents),
            "dep-11" => Some(Self::Appstream),
            "cnf" => Some(Self::Commands),
            name if name.starts_with("dep-11-icons") => Some(Self::Icons),
            _ => None,
        }
    }

    /// The consequence of a missing index of this kind.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Translations => "`apt-get update` fails on apt in these languages",
            Self::Contents => "`apt-get update` fails on hosts with apt-file",
            Self::Appstream => "`apt-get update` fails on hosts with appstream",
            Self::Commands => "`apt-get update` fails on hosts with command-not-found",
            Self::Sources => "`apt-get update` fails on hosts with a deb-src line",
            Self::Icons => "`apt-get update` fails on hosts that enable the icons of appstream",
            Self::UdebContents => "`apt-get update` fails on hosts that enable the udebs of apt-file",
            Self::SourceContents => "`apt-get update` fails on hosts that enable the sources of apt-file",
            Self::Pdiffs => "apt fetches these indexes whole",
        }
    }

    /// Returns whether clients ask for it with the settings that they come with.
    fn is_asked_for_by_default(self) -> bool {
        self == Self::Sources || Self::DEFAULT.contains(&self)
    }
}

impl fmt::Display for ClientIndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The name of such an index below its suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIndex<'a> {
    /// Its kind.
    pub kind: ClientIndexKind,
    /// The component; `None` for a list of files of the whole suite, and for all indexes of a flat suite.
    pub component: Option<&'a str>,
    /// The architecture, if it is of one.
    pub architecture: Option<&'a str>,
    /// The language, if it is in one.
    pub language: Option<&'a str>,
    /// The path without the suffix of a compression.
    pub plain_path: &'a str,
}

impl<'a> ClientIndex<'a> {
    /// Reads the name. Returns `None` for any other file.
    pub fn parse(path: &'a str) -> Option<Self> {
        let plain_path = path.strip_suffix(Compression::of_name(path).suffix())?;
        let (folder, file) =
            plain_path.rsplit_once('/').map_or((None, plain_path), |(folder, file)| (Some(folder), file));
        let of = |kind, component| Self { kind, component, architecture: None, language: None, plain_path };
        let inside = |name: &str| folder?.strip_suffix(name)?.strip_suffix('/');
        if let Some(language) = file.strip_prefix("Translation-").filter(|language| is_language(language)) {
            return Some(Self { language: Some(language), ..of(ClientIndexKind::Translations, Some(inside("i18n")?)) });
        }
        if folder.is_none() && is_flat_language(file) {
            return Some(Self { language: Some(file), ..of(ClientIndexKind::Translations, None) });
        }
        if file == "Sources" && folder.is_none() {
            return Some(of(ClientIndexKind::Sources, None));
        }
        if file == "Sources" {
            return Some(of(ClientIndexKind::Sources, Some(inside("source")?)));
        }
        if file.strip_prefix("icons-").is_some_and(|rest| rest.ends_with(".tar")) {
            return Some(of(ClientIndexKind::Icons, Some(inside("dep11")?)));
        }
        if file == "Contents-source" {
            return Some(of(ClientIndexKind::SourceContents, folder));
        }
        let (kind, component, architecture) = if let Some(rest) = file.strip_prefix("Components-") {
            (ClientIndexKind::Appstream, Some(inside("dep11")?), rest.strip_suffix(".yml")?)
        } else if let Some(architecture) = file.strip_prefix("Commands-") {
            (ClientIndexKind::Commands, Some(inside("cnf")?), architecture)
        } else if let Some(architecture) = file.strip_prefix("Contents-udeb-") {
            (ClientIndexKind::UdebContents, folder, architecture)
        } else {
            (ClientIndexKind::Contents, folder, file.strip_prefix("Contents-")?)
        };
        is_architecture(architecture).then(|| Self { architecture: Some(architecture), ..of(kind, component) })
    }
}

fn is_language(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_@-".contains(&byte))
}

/// Returns whether it is the name of a language alone, such as `de` or `pt_BR`. In a flat suite it is that of a file.
fn is_flat_language(text: &str) -> bool {
    let (language, rest) = text.split_at_checked(text.find(['_', '@']).unwrap_or(text.len())).unwrap_or((text, ""));
    (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && (rest.is_empty() || is_language(rest))
}

/// Returns whether the file at `path` below the root of an archive is a part of the metadata of a flat suite: a Release, its
/// signature, an index, or a patch of one.
pub fn is_flat_metadata(path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let is_index = |file: &str| {
        let client_index = ClientIndex::parse(file);
        IndexName::parse(file).is_some() || client_index.is_some_and(|index| index.kind != ClientIndexKind::Appstream)
    };
    let indexed = folder.rsplit('/').next().and_then(|folder| folder.strip_suffix(".diff"));
    [IN_RELEASE, RELEASE, RELEASE_GPG].contains(&file) || is_index(file) || indexed.is_some_and(is_index)
}

fn is_architecture(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The components and architectures of a suite that are carried, which is what its clients can use of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuiteScope {
    components: BTreeSet<String>,
    architectures: BTreeSet<String>,
    /// Is true if a flat index is carried.
    is_flat: bool,
}

impl SuiteScope {
    /// Adds the component and the architecture of an index of binary packages, and ignores every other file. The index of a flat
    /// suite is of the architectures `flat`.
    pub fn add<'a>(&mut self, index: &IndexName<'_>, flat: impl IntoIterator<Item = &'a str>) {
        if index.kind != IndexKind::Packages {
            return;
        }
        if index.is_flat() {
            self.is_flat = true;
            self.architectures.extend(flat.into_iter().map(str::to_owned));
        } else {
            self.components.insert(index.component.to_owned());
            self.architectures.insert(index.architecture.to_owned());
        }
    }

    /// Returns whether a client of this scope would ask for the index.
    fn has(&self, index: &ClientIndex<'_>) -> bool {
        // A list of the files of `all` is asked for beside that of each architecture.
        let architecture = |name: &str| name == "all" || self.architectures.contains(name);
        // A client of source packages alone asks for none of them.
        let is_of_flat_suite =
            index.component.is_none() && matches!(index.kind, ClientIndexKind::Translations | ClientIndexKind::Sources);
        !self.architectures.is_empty()
            && (self.is_flat || !is_of_flat_suite)
            && index.component.is_none_or(|name| self.components.contains(name))
            && index.architecture.is_none_or(architecture)
    }

    /// Returns the indexes that `release` lists and that clients of this scope may ask for, by their plain paths.
    pub fn listed<'r>(&self, release: &'r Release) -> BTreeMap<&'r str, ListedIndex<'r>> {
        let mut listed: BTreeMap<&str, ListedIndex<'_>> = BTreeMap::new();
        for (path, file) in &release.files {
            if let Some(name) = ClientIndex::parse(path.as_str()).filter(|name| self.has(name)) {
                let entry = listed.entry(name.plain_path);
                entry.or_insert_with(|| ListedIndex { name, forms: Vec::new() }).forms.push((path, *file));
            }
        }
        for index in listed.values_mut() {
            index.forms.sort_by_key(|(path, _)| preference(path));
        }
        listed
    }
}

/// The place of a form in the order in which apt asks for forms.
fn preference(path: &PublishPath) -> Option<usize> {
    let compression = Compression::of_name(path.as_str());
    Compression::ALL.iter().position(|other| *other == compression)
}

/// An index that a Release lists, in all its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedIndex<'r> {
    /// Its name.
    pub name: ClientIndex<'r>,
    /// The files that hold it, in the order in which apt asks for them.
    pub forms: Vec<(&'r PublishPath, IndexFile)>,
}

/// Indexes of one kind that a suite's Release lists and that clients ask for in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingIndexes {
    /// The suite's folder below a generation, such as `apt/debian/dists/bookworm`.
    pub suite: String,
    /// Their kind.
    pub kind: ClientIndexKind,
    /// Their number.
    pub count: u64,
    /// The first few of them, without the suffix of a compression.
    pub examples: Vec<String>,
}

/// The number of missing indexes of a kind that a message names.
const EXAMPLES: usize = 5;

impl MissingIndexes {
    /// An empty group of the suite in `folder`.
    fn new(folder: &str, kind: ClientIndexKind) -> Self {
        Self { suite: folder.to_owned(), kind, count: 0, examples: Vec::new() }
    }

    fn add(&mut self, path: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(path.to_owned());
        }
    }

    /// Groups missing indexes of the suite in `folder` by their kinds.
    fn group<'r>(folder: &str, missing: impl Iterator<Item = ClientIndex<'r>>) -> Vec<Self> {
        let mut groups: BTreeMap<ClientIndexKind, Self> = BTreeMap::new();
        for ClientIndex { kind, plain_path, .. } in missing {
            groups.entry(kind).or_insert_with(|| Self::new(folder, kind)).add(plain_path);
        }
        groups.into_values().collect()
    }

    /// Returns the lists of patches of the suite in `folder` that are missing, or `None` if there are none.
    pub fn of_pdiffs<'p>(folder: &str, missing: impl Iterator<Item = &'p PublishPath>) -> Option<Self> {
        let mut group = Self::new(folder, ClientIndexKind::Pdiffs);
        missing.for_each(|path| group.add(path.as_str()));
        (group.count > 0).then_some(group)
    }

    /// Finds the listed indexes that clients ask for with the settings that they come with, or that are `selected`, and of
    /// which no form `is_carried`.
    pub fn among<'r>(
        listed: impl Iterator<Item = &'r ListedIndex<'r>>,
        folder: &str,
        selected: &[ClientIndexKind],
        is_carried: impl Fn(&PublishPath) -> bool,
    ) -> Vec<Self> {
        let is_asked_for = |kind: ClientIndexKind| kind.is_asked_for_by_default() || selected.contains(&kind);
        let missing = listed.filter(|index| is_asked_for(index.name.kind));
        let missing = missing.filter(|index| !index.forms.iter().any(|(path, _)| is_carried(path)));
        Self::group(folder, missing.map(|index| index.name))
    }
}

impl fmt::Display for MissingIndexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suite, kind, count, examples } = self;
        let (examples, more) = (examples.join(", "), if *count > EXAMPLES as u64 { ", …" } else { "" });
        let consequence = kind.consequence();
        write!(f, "{suite}: {count} indexes are listed but not carried ({examples}{more}): {consequence}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn parses_the_names_that_clients_ask_for() {
        let row = |path| {
            let index = ClientIndex::parse(path)?;
            let words = [index.component, index.architecture, index.language].map(Option::unwrap_or_default);
            Some(format!("{} {} {}", index.kind, words.join(","), index.plain_path))
        };
        for (path, expected) in [
            ("main/i18n/Translation-pt_BR.bz2", "translations main,,pt_BR main/i18n/Translation-pt_BR"),
            ("main/Contents-amd64.gz", "contents main,amd64, main/Contents-amd64"),
            ("Contents-amd64.gz", "contents ,amd64, Contents-amd64"),
            ("main/dep11/Components-amd64.yml.xz", "appstream main,amd64, main/dep11/Components-amd64.yml"),
            ("main/dep11/icons-64x64@2.tar.gz", "icons main,, main/dep11/icons-64x64@2.tar"),
            ("main/cnf/Commands-arm64.xz", "commands main,arm64, main/cnf/Commands-arm64"),
            ("main/source/Sources", "sources main,, main/source/Sources"),
            ("main/Contents-udeb-amd64.gz", "udeb-contents main,amd64, main/Contents-udeb-amd64"),
            ("main/Contents-source.gz", "source-contents main,, main/Contents-source"),
            ("pt_BR.xz", "translations ,,pt_BR pt_BR"),
            ("en", "translations ,,en en"),
            ("Sources.gz", "sources ,, Sources"),
        ] {
            assert_eq!(row(path).as_deref(), Some(expected));
        }
        for path in [
            "main/binary-amd64/Packages.xz",
            "main/Contents-amd64.diff/Index",
            "main/i18n/Translation-en.lz4",
            "main/i18n/Translation-",
            "i18n/Translation-en",
            "main/Translation-en",
            "main/dep11/Components-amd64.xml",
            "main/dep11/CID-Index-amd64.json.gz",
            "InRelease",
            "README",
            "en.txt",
            "x/en",
            "",
        ] {
            assert_eq!(row(path), None, "{path}");
        }
    }

    #[test]
    fn knows_the_metadata_of_flat_suites_by_name() {
        for path in [
            "InRelease",
            "bookworm/Release.gpg",
            "Packages.gz",
            "a/Sources",
            "a/b/Contents-amd64.xz",
            "de.gz",
            "Packages.diff/Index",
            "a/Packages.diff/T-1-F-2.gz",
        ] {
            assert!(is_flat_metadata(path), "{path}");
        }
        for path in
            ["a_1_all.deb", "amd64/a.deb", "a_1.dsc", "a_1.tar.xz", "pool/main/h/hello/hello_1.diff.gz", "x.diff/a"]
        {
            assert!(!is_flat_metadata(path), "{path}");
        }
    }

    #[test]
    fn clients_of_a_flat_suite_ask_for_its_own_indexes() {
        let paths = [
            "Packages",
            "Sources.gz",
            "en.gz",
            "Contents-amd64.gz",
            "Contents-arm64.gz",
            "main/i18n/Translation-en.xz",
        ];
        let release = release(&paths);
        let mut flat = SuiteScope::default();
        flat.add(&IndexName::parse("Packages").unwrap(), ["amd64"]);
        assert_eq!(flat.listed(&release).into_keys().collect::<Vec<_>>(), ["Contents-amd64", "Sources", "en"]);
        let with_components = scope().listed(&release).into_keys().collect::<Vec<_>>();
        assert_eq!(with_components, ["Contents-amd64", "main/i18n/Translation-en"]);
    }

    fn release(paths: &[&str]) -> Release {
        let file = IndexFile { size: 1, digest: Sha256::of(b"").into() };
        Release { files: paths.iter().map(|path| (path.parse().unwrap(), file)).collect(), ..Release::default() }
    }

    fn scope() -> SuiteScope {
        let mut scope = SuiteScope::default();
        scope.add(&IndexName::parse("main/binary-amd64/Packages").unwrap(), []);
        scope.add(&IndexName::parse("contrib/source/Sources").unwrap(), []);
        scope
    }

    #[test]
    fn lists_what_clients_of_the_scope_ask_for_in_apts_order() {
        let release = release(&[
            "main/Contents-amd64",
            "main/Contents-amd64.gz",
            "main/Contents-amd64.xz",
            "main/Contents-amd64.zst",
            "main/Contents-amd64.bz2",
            "main/Contents-all.gz",
            "main/Contents-arm64.gz",
            "contrib/Contents-amd64.gz",
        ]);
        let listed = scope().listed(&release);
        assert_eq!(listed.keys().collect::<Vec<_>>(), [&"main/Contents-all", &"main/Contents-amd64"]);
        let forms: Vec<&str> = listed["main/Contents-amd64"].forms.iter().map(|(path, _)| path.as_str()).collect();
        let suffixes: Vec<&str> = forms.iter().map(|form| form.strip_prefix("main/Contents-amd64").unwrap()).collect();
        assert_eq!(suffixes, [".xz", ".bz2", ".gz", ".zst", ""]);
    }

    #[test]
    fn names_missing_indexes_and_the_clients_that_fail() {
        let languages: Vec<String> = (0..7).map(|n| format!("main/i18n/Translation-x{n}.xz")).collect();
        let mut paths: Vec<&str> = languages.iter().map(String::as_str).collect();
        paths.extend(["main/source/Sources.xz", "main/Contents-source.gz", "main/Contents-amd64.gz"]);
        let carried = |path: &PublishPath| path.as_str() == "main/Contents-amd64.gz";
        let (release, scope) = (release(&paths), scope());
        let listed = scope.listed(&release);
        let missing = MissingIndexes::among(listed.values(), "dists/s", &[], carried);
        let words: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "dists/s: 7 indexes are listed but not carried (main/i18n/Translation-x0, main/i18n/Translation-x1, \
                 main/i18n/Translation-x2, main/i18n/Translation-x3, main/i18n/Translation-x4, …): `apt-get update` fails on \
                 apt in these languages",
                "dists/s: 1 indexes are listed but not carried (main/source/Sources): `apt-get update` fails on hosts with a \
                 deb-src line",
            ]
        );
    }
}
