//! `[[apt]]`: a source of Debian packages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::access::has_access;
use super::placed::{Placed, PlacedTable};
use super::table::SourceTable;
use super::{MissingFiles, OneOrMany, yes};
use crate::collection::Publish;
use crate::fetch::access::Scope;
use crate::formats::apt::client_index::ClientIndexKind;
use crate::formats::apt::packages::Priority;
use crate::formats::apt::seed::Seed;
use crate::formats::apt::suite_name::SuiteName;
use crate::kind::Kind;
use crate::label::Label;

/// A source of Debian packages.
pub type AptSource = Placed<AptTable>;

/// The place of Debian packages.
#[derive(Clone, Debug)]
pub enum AptPlace {
    /// One archive.
    Archive {
        /// Its root.
        url: Url,
        /// The keys of which one must have signed it.
        keyring: PathBuf,
    },
    /// Several archives, by apt's own source lists.
    SourceLists(SourceLists),
    /// A folder of .debs, which come without proof by upstream.
    Folder(PathBuf),
}

/// apt's own source lists.
#[derive(Clone, Debug)]
pub struct SourceLists {
    /// The lists. Those that do not exist are passed over, but one must.
    pub files: Vec<PathBuf>,
    /// By an archive's URL, the name of its source and collection; the others are named after their URLs.
    pub names: BTreeMap<Url, Label>,
    /// The keys of which one must have signed each archive; without it, `Signed-By` of the lists counts.
    pub keyring: Option<PathBuf>,
}

/// `[[apt]]` as it is written: one archive by its URL, several by apt's own source lists, or a folder of .debs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AptTable {
    /// Its name; the site pins upstream's keyring under it.
    pub name: Label,
    /// Root of the archive.
    url: Option<Url>,
    /// apt's own source lists, instead of `url`; those that do not exist are passed over, but one must.
    #[serde(default)]
    sources: OneOrMany<PathBuf>,
    /// By the URL of an archive of `sources`, the name of its source and collection; the others are named after their URLs.
    #[serde(default)]
    names: BTreeMap<Url, Label>,
    /// A folder of .debs, instead of `url`. They come without proof by upstream.
    local: Option<PathBuf>,
    /// Suites and pockets; solved together.
    #[serde(default)]
    pub suites: Vec<SuiteName>,
    /// Components of the suites that are not flat.
    #[serde(default)]
    pub components: Vec<String>,
    /// Architectures, the native one first; the host's where empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Who must have signed the archive; with `sources`, their own Signed-By counts unless this is given.
    keyring: Option<PathBuf>,
    /// Packages to carry with all that they need; with no packages, priorities and tasks, everything is carried.
    #[serde(default)]
    pub packages: Vec<Seed>,
    /// Priorities whose packages are carried too, such as `required`.
    #[serde(default)]
    pub priorities: Vec<PriorityText>,
    /// Tasks whose packages are carried too.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// Whether what packages recommend is carried too, as apt installs it by default.
    #[serde(default = "yes")]
    pub recommends: bool,
    /// Suites whose closure is solved over each of them alone too, so that a client of one suite is complete.
    #[serde(default)]
    pub self_contained: Vec<String>,
    /// Suites from which debootstrap and mmdebstrap make a system: what they ask for by themselves is carried too, and the
    /// suites are self-contained.
    #[serde(default)]
    pub debootstrap: Vec<String>,
    /// dpkg's status file of the target; what it has is left out.
    pub installed: Option<PathBuf>,
    /// apt's preferences (apt_preferences(5)), as files and folders. Without it, those of the apt folder that has the source
    /// lists.
    pub preferences: Option<OneOrMany<PathBuf>>,
    /// Whether source packages are carried too: those of the selected packages.
    #[serde(default)]
    pub deb_src: bool,
    /// Source packages whose build dependencies are carried too.
    #[serde(default)]
    pub build_dep: BuildDep,
    /// Build profiles that are active where these are built, such as `nocheck`.
    #[serde(default)]
    pub build_profiles: Vec<String>,
    /// How it is published at the site.
    #[serde(default)]
    pub publish: Publish,
    /// Languages of descriptions. Without it, all that upstream lists where its metadata is published verbatim, or else English.
    pub languages: Option<Vec<String>>,
    /// Indexes besides those of packages that are carried. Without it, those that stock clients ask for.
    pub indexes: Option<Vec<ClientIndexKind>>,
    /// By suite, the Suite or Codename that the archive is known to sign instead of the suite's own name; empty if it signs none.
    #[serde(default)]
    pub signed_as: BTreeMap<SuiteName, String>,
    /// The answer to packages that upstream lists and does not have.
    #[serde(default)]
    pub missing: MissingFiles,
    /// Take metadata whose Valid-Until is past.
    #[serde(default)]
    pub allow_expired: bool,
    /// Files of logins, in the form of apt's auth.conf.
    #[serde(default)]
    pub auth_file: OneOrMany<PathBuf>,
    /// The user name for the secret, which is a password then; without it, the secret is a bearer token.
    pub login: Option<String>,
    /// A file with the password or token for the URL, readable to few.
    pub secret_file: Option<PathBuf>,
    /// A PEM file with this client's certificate for https.
    pub client_cert: Option<PathBuf>,
    /// A PEM file with its key; without it, the key is in the certificate's file.
    pub client_key: Option<PathBuf>,
}

impl AptTable {
    /// Whether everything is carried, rather than a closure.
    pub fn whole(&self) -> bool {
        self.asks_for_no_binaries() && !matches!(&self.build_dep, BuildDep::Named(names) if !names.is_empty())
    }

    /// Returns whether it names neither packages nor priorities, tasks or suites to bootstrap.
    pub fn asks_for_no_binaries(&self) -> bool {
        self.packages.is_empty() && self.priorities.is_empty() && self.tasks.is_empty() && self.debootstrap.is_empty()
    }

    /// The suites that must be complete without the others.
    pub fn complete_alone(&self) -> impl Iterator<Item = &str> {
        self.self_contained.iter().chain(&self.debootstrap).map(String::as_str)
    }

    /// Returns what makes no sense in it.
    fn contradiction(&self, place: &AptPlace) -> Option<&'static str> {
        let is_archive = matches!(place, AptPlace::Archive { .. });
        let all_are_flat = self.suites.iter().all(SuiteName::is_flat);
        if is_archive && (self.suites.is_empty() || (self.components.is_empty() && !all_are_flat)) {
            return Some("with url it needs suites and components");
        }
        if is_archive && all_are_flat && !self.components.is_empty() {
            return Some("suites that end in a slash are flat, and have no components");
        }
        if self.publish == Publish::Reprepro && self.suites.iter().any(SuiteName::is_flat) {
            return Some("reprepro publishes no flat suites: publish them re-indexed or verbatim");
        }
        if self.debootstrap.iter().any(|suite| suite.ends_with('/')) {
            return Some("debootstrap makes no system from a flat suite");
        }
        if !self.self_contained.is_empty() && self.whole() {
            return Some("self-contained needs packages, priorities or tasks: whole suites have their own versions");
        }
        if self.complete_alone().next().is_some() && self.installed.is_some() {
            return Some(
                "installed excludes self-contained and debootstrap: a suite lacks what the target has already",
            );
        }
        if !self.build_dep.is_nothing() && !self.deb_src {
            return Some("build-dep needs deb-src = true: apt reads build dependencies from source packages");
        }
        if self.build_dep == BuildDep::OfAll(true) && self.asks_for_no_binaries() {
            return Some("build-dep = true needs packages, priorities or tasks: whole suites have all packages");
        }
        if self.indexes.is_some() && self.publish == Publish::Reprepro {
            return Some("indexes excludes publish = \"reprepro\": reprepro writes its own indexes");
        }
        let cannot_be_cut = |kind: &ClientIndexKind| !ClientIndexKind::DEFAULT.contains(kind);
        if self.publish == Publish::ReIndexed && self.indexes.iter().flatten().any(cannot_be_cut) {
            return Some(
                "these indexes need publish = \"verbatim\": re-indexed suites have translations, contents, appstream and commands",
            );
        }
        if self.indexes.iter().flatten().any(|kind| *kind == ClientIndexKind::Sources) {
            return Some("the index sources is carried with deb-src = true, and cannot be named in indexes");
        }
        None
    }

    /// The kinds of index that are carried besides those of packages.
    pub fn index_kinds(&self) -> &[ClientIndexKind] {
        match (self.publish, &self.indexes) {
            (Publish::Verbatim | Publish::ReIndexed, Some(kinds)) => kinds,
            (Publish::Verbatim | Publish::ReIndexed, None) => &ClientIndexKind::DEFAULT,
            // reprepro reads whole descriptions from the packages themselves.
            (Publish::Reprepro, _) => &[],
        }
    }

    /// Returns whether patches of the carried indexes are carried too.
    pub fn wants_pdiffs(&self) -> bool {
        self.index_kinds().contains(&ClientIndexKind::Pdiffs)
    }

    /// Returns whether descriptions in the language are carried.
    pub fn wants_language(&self, language: &str) -> bool {
        match &self.languages {
            Some(languages) => languages.iter().any(|own| own == language),
            None => self.publish == Publish::Verbatim || language == "en",
        }
    }
}

impl AptSource {
    /// apt's source lists. Returns an empty list if the packages come from elsewhere.
    pub fn lists(&self) -> &[PathBuf] {
        match &self.place {
            AptPlace::SourceLists(lists) => &lists.files,
            AptPlace::Archive { .. } | AptPlace::Folder(_) => &[],
        }
    }
}

impl PlacedTable for AptTable {
    type Place = AptPlace;

    const KIND: Kind = Kind::Apt;

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn take_place(&mut self) -> Result<AptPlace, String> {
        let (keyring, names) = (self.keyring.take(), std::mem::take(&mut self.names));
        let (url, OneOrMany(files), folder) = (self.url.take(), std::mem::take(&mut self.sources), self.local.take());
        let is_named = !names.is_empty();
        let place = match (url, files.is_empty(), folder) {
            (Some(url), true, None) => AptPlace::Archive {
                url,
                keyring: keyring.ok_or("with url it needs a keyring: upstream's signatures are never passed over")?,
            },
            (None, false, None) => AptPlace::SourceLists(SourceLists { files, names, keyring }),
            (None, true, Some(folder)) => AptPlace::Folder(folder),
            _ => return Err("it needs exactly one of url, sources and local".to_owned()),
        };
        if is_named && !matches!(place, AptPlace::SourceLists(_)) {
            return Err("names is for the archives of sources".to_owned());
        }
        self.contradiction(&place).map_or(Ok(place), |reason| Err(reason.to_owned()))
    }

    fn paths_of(place: &mut AptPlace) -> Vec<&mut PathBuf> {
        match place {
            AptPlace::Archive { keyring, .. } => vec![keyring],
            AptPlace::SourceLists(lists) => lists.files.iter_mut().chain(&mut lists.keyring).collect(),
            AptPlace::Folder(folder) => vec![folder],
        }
    }
}

impl SourceTable for AptSource {
    fn kind(&self) -> Kind {
        AptTable::KIND
    }

    fn title(&self) -> String {
        PlacedTable::title(&**self)
    }

    fn name(&self) -> Option<&Label> {
        Some(&self.name)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let (place, table) = self.parts();
        let preferences = table.preferences.iter_mut().flat_map(|paths| &mut paths.0);
        AptTable::paths_of(place).into_iter().chain(preferences).chain(&mut table.installed).collect()
    }

    has_access!(AptTable, archive_url, Scope::of_folder);
}

fn archive_url(source: &AptSource) -> Option<Url> {
    match &source.place {
        AptPlace::Archive { url, .. } => Some(url.clone()),
        AptPlace::SourceLists(_) | AptPlace::Folder(_) => None,
    }
}

/// Source packages whose build dependencies are carried.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum BuildDep {
    /// Those of the selected packages, or none.
    OfAll(bool),
    /// Those of these names, as `apt-get build-dep` takes them.
    Named(Vec<String>),
}

impl BuildDep {
    fn is_nothing(&self) -> bool {
        match self {
            Self::OfAll(all) => !all,
            Self::Named(names) => names.is_empty(),
        }
    }
}

impl Default for BuildDep {
    fn default() -> Self {
        Self::OfAll(false)
    }
}

/// A [`Priority`] as a selection writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityText(pub Priority);

impl<'de> Deserialize<'de> for PriorityText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| serde::de::Error::custom(format!("{text:?} is {error}")))
    }
}
