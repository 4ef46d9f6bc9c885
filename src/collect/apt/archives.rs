//! Which archives, suites and components a source of the selection means, and whose signatures count for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use url::Url;

use crate::address::{Address, is_public_name};
use crate::collect::keyring::{read_keyring, unusable};
use crate::collect::{CollectError, address};
use crate::collection::Publish;
use crate::error_class::Fault;
use crate::error_class::causes;
use crate::fetch::shown;
use crate::formats::apt::client_index::{ClientIndex, ClientIndexKind};
use crate::formats::apt::mirror_list::{Mirror, MirroredFile};
use crate::formats::apt::sources::{SignedBy, SourceEntry};
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::openpgp::Keyring;
use crate::label::Label;
use crate::selection::{AptSource, SourceLists};

/// An archive and what is wanted of it.
#[derive(Debug)]
pub(super) struct WantedArchive {
    /// The name of its collection.
    pub(super) name: Label,
    /// Its root. Of several mirrors, that of the first.
    pub(super) url: Url,
    /// The mirrors of it, if the source list names a list of them.
    pub(super) mirrors: Vec<Mirror>,
    /// The suites.
    pub(super) suites: Vec<SuiteRequest>,
}

/// What is wanted of a suite.
#[derive(Debug)]
pub(super) struct SuiteRequest {
    /// The suite.
    pub(super) suite: SuiteName,
    /// The wanted components. A flat suite has one without a name.
    pub(super) components: Vec<WantedComponent>,
    /// The keys that must have signed it.
    pub(super) keyring: Keyring,
    /// `Signed-By` of the entries that name keys.
    signed_by: Vec<SignedBy>,
    /// Languages of descriptions that a source list names.
    pub(super) languages: Vec<String>,
    /// Kinds of index that a source list names.
    pub(super) indexes: Vec<ClientIndexKind>,
    /// Asks for indexes by their digests whatever Release says.
    pub(super) forces_by_hash: bool,
    /// The consequence if upstream does not have it.
    pub(super) presence: Presence,
    /// The option by which apt takes it without a good signature, if an entry has one.
    pub(super) insecure_option: Option<&'static str>,
}

/// The consequence if upstream does not have a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// An error.
    Required,
    /// A note: a source list names it for one of several architectures, with `$(ARCH)`.
    Optional,
}

/// A component of a suite, as far as it is wanted.
#[derive(Debug)]
pub(super) struct WantedComponent {
    /// The component.
    pub(super) name: String,
    /// The architectures whose packages are wanted. Empty if the entries ask for source packages alone.
    pub(super) architectures: Vec<String>,
    /// Whether source packages are wanted.
    pub(super) source: bool,
}

impl SuiteRequest {
    pub(super) fn new(suite: &SuiteName, keyring: Keyring, presence: Presence) -> Self {
        Self {
            suite: suite.clone(),
            components: Vec::new(),
            keyring,
            signed_by: Vec::new(),
            languages: Vec::new(),
            indexes: Vec::new(),
            forces_by_hash: false,
            presence,
            insecure_option: None,
        }
    }

    /// Returns the error, with the option of the source list that makes apt ignore it.
    pub(super) fn explain(&self, archive: &WantedArchive, error: CollectError) -> CollectError {
        let (suite, url) = (&self.suite, archive.origin());
        match (self.insecure_option, &error) {
            (Some(option), CollectError::Absent(_) | CollectError::Unsigned(_) | CollectError::Untrusted { .. }) => {
                Fault::unverified(format!(
                    "the source list takes the suite {suite} of {url} without a good signature ({option}), which gapferry never \
                     does: carry the .debs that you trust from a folder, with local = \"FOLDER\" in the selection and its source \
                     in allow-unsigned of the site's site.toml, and turn the entry off or leave its suite out of suites"
                ))
                .because(error)
                .into()
            }
            _ => error,
        }
    }

    /// Adds to what is wanted of a component.
    pub(super) fn add(&mut self, wanted: WantedComponent) {
        let Some(known) = self.components.iter_mut().find(|known| known.name == wanted.name) else {
            self.components.push(wanted);
            return;
        };
        let fresh = wanted.architectures.into_iter().filter(|name| !known.architectures.contains(name));
        let fresh: Vec<String> = fresh.collect();
        known.architectures.extend(fresh);
        known.source |= wanted.source;
    }

    /// Adds the keys of one more entry. An entry that names none has all keys that apt trusts, which count only if no entry
    /// of the suite names some.
    pub(super) fn trust(&mut self, keyring: Keyring, signed_by: Option<&SignedBy>) {
        let Some(signed_by) = signed_by.filter(|own| !self.signed_by.contains(own)) else { return };
        self.keyring = if self.signed_by.is_empty() { keyring } else { Keyring::join(self.keyring.clone(), keyring) };
        self.signed_by.push(signed_by.clone());
    }

    /// The kinds of index that are carried besides those of packages: those of the selection, or else those that a source list
    /// names too, if clients see upstream's Release.
    pub(super) fn index_kinds(&self, source: &AptSource) -> Vec<ClientIndexKind> {
        let is_free = source.publish == Publish::Verbatim && source.indexes.is_none();
        let named = self.indexes.iter().filter(|_| is_free);
        source.index_kinds().iter().chain(named).copied().collect()
    }

    /// Returns whether the index is carried.
    pub(super) fn wants_index(&self, index: &ClientIndex<'_>, source: &AptSource) -> bool {
        let is_named = |language: &str| source.languages.is_none() && self.languages.iter().any(|own| own == language);
        self.index_kinds(source).contains(&index.kind)
            && index.language.is_none_or(|language| source.wants_language(language) || is_named(language))
    }

    /// The architectures whose packages are wanted, each once.
    pub(super) fn architectures(&self) -> Vec<String> {
        let mut architectures: Vec<String> = Vec::new();
        for name in self.components.iter().flat_map(|component| &component.architectures) {
            if !architectures.contains(name) {
                architectures.push(name.clone());
            }
        }
        architectures
    }
}

impl WantedArchive {
    /// The addresses of a file below the archive's root, in the order in which they are asked: one, or that of each mirror that is
    /// for such files.
    pub(super) fn file_urls(&self, path: &str, file: &MirroredFile<'_>) -> Vec<Url> {
        let roots: Vec<&Url> =
            self.mirrors.iter().filter(|mirror| mirror.has(file)).map(|mirror| &mirror.url).collect();
        let roots = if roots.is_empty() { vec![&self.url] } else { roots };
        roots.into_iter().map(|root| address::below(root, path)).collect()
    }

    /// The root without credentials, as the manifest names it.
    pub(super) fn origin(&self) -> String {
        address::origin(&self.url)
    }
}

/// The archive that the selection itself names.
pub(super) fn of_url(source: &AptSource, url: &Url, keyring: &Path) -> Result<WantedArchive, CollectError> {
    let wanted = |suite: &SuiteName| {
        let mut wanted = SuiteRequest::new(suite, read_keyring(keyring)?, Presence::Required);
        for name in components_of(suite, &source.components) {
            let architectures = architectures(source);
            wanted.add(WantedComponent { name: name.to_owned(), architectures, source: source.deb_src });
        }
        Ok(wanted)
    };
    let suites = source.suites.iter().map(wanted).collect::<Result<_, CollectError>>()?;
    Ok(WantedArchive { name: source.name.clone(), url: url.clone(), mirrors: Vec::new(), suites })
}

/// The components of a suite; of a flat one, a component without a name.
pub(super) fn components_of<'c>(suite: &SuiteName, components: &'c [String]) -> impl Iterator<Item = &'c str> {
    let named = components.iter().map(String::as_str).filter(|_| !suite.is_flat());
    named.chain(suite.is_flat().then_some(""))
}

/// The architectures of the selection; the host's where it names none.
pub(super) fn architectures(source: &AptSource) -> Vec<String> {
    match source.architectures.is_empty() {
        true => vec![host_architecture().to_owned()],
        false => source.architectures.clone(),
    }
}

/// Debian's name of the architecture that we run on.
pub(super) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "i386",
        "arm" => "armhf",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

/// Names the archives of source lists: each is a source of its own, with its own pinned keyring. A name rests on the archive's URL and
/// the selection alone, so that it stays when other lines are added, removed or moved.
pub(super) fn name_archives(
    source: &AptSource,
    lists: &SourceLists,
    mut archives: Vec<WantedArchive>,
) -> Result<Vec<WantedArchive>, CollectError> {
    archives.retain(|archive| !archive.suites.is_empty());
    let mut names: BTreeMap<Label, String> = BTreeMap::new();
    for archive in &mut archives {
        let url = archive.origin();
        let given = lists.names.iter().find(|(named, _)| is_same(named, &archive.url)).map(|(_, name)| name.clone());
        let name = given.or_else(|| derived_name(&source.name, &archive.url));
        let owner = &source.name;
        let no_name = || {
            Fault::usage(format!(
                "the archive {url} cannot be given a name of its own: write in the selection, for {owner}: \
                 names = {{ \"{url}\" = \"NAME\" }}"
            ))
        };
        let name = name.ok_or_else(no_name)?;
        if let Some(one) = names.insert(name.clone(), url.clone()) {
            return Err(Fault::usage(format!(
                "the archives {one} and {url} would both be called {name}: name one of them in the selection, for {owner}: \
                 names = {{ \"{url}\" = \"NAME\" }}"
            ))
            .into());
        }
        archive.name = name;
    }
    Ok(archives)
}

fn is_same(one: &Url, other: &Url) -> bool {
    match (Address::of_url(one), Address::of_url(other)) {
        (Some(one), Some(other)) => one == other,
        _ => address::origin(one) == address::origin(other),
    }
}

/// Parts of host names that say nothing of an archive.
const COMMON: [&str; 10] = ["apt", "archive", "cdn", "deb", "download", "ftp", "mirror", "packages", "repo", "www"];

/// Returns the source's name followed by words of the URL: those of its path, then those of its host that are not in the path. Whole
/// words are left out, those of the host first, until the name is short enough; `None` if no word is left.
fn derived_name(source: &Label, url: &Url) -> Option<Label> {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let upstream = Address::of_url(url);
    let mut path = match &upstream {
        Some(upstream) => words(upstream.path()),
        None => words(url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default()),
    };
    let host = upstream.filter(|upstream| is_public_name(upstream.host()));
    let mut host =
        host.map(|upstream| words(upstream.host().rsplit_once('.').map_or(upstream.host(), |(name, _)| name)));
    let host = host.get_or_insert_default();
    host.retain(|word| !path.contains(word) && !COMMON.contains(&word.as_str()));
    while !path.is_empty() || !host.is_empty() {
        let words = path.iter().chain(&*host).map(String::as_str).collect::<Vec<_>>().join("-");
        let is_led =
            words == source.as_str() || words.strip_prefix(source.as_str()).is_some_and(|rest| rest.starts_with('-'));
        let name = if is_led { words } else { format!("{source}-{words}") };
        if let Ok(name) = name.parse() {
            return Some(name);
        }
        if host.pop().is_none() {
            path.remove(0);
        }
    }
    None
}

/// The keys that count for an entry of a source list: the selection's, its own, or all that apt trusts.
pub(super) fn entry_keyring(
    lists: &SourceLists,
    entry: &SourceEntry,
    notes: &mut Vec<String>,
) -> Result<Keyring, CollectError> {
    if let Some(path) = &lists.keyring {
        return read_keyring(path);
    }
    match &entry.signed_by {
        Some(SignedBy::Inline(block)) => {
            Keyring::parse(block.as_bytes()).map_err(|error| unusable(Path::new("Signed-By"), error))
        }
        Some(SignedBy::Named { files, fingerprints }) => {
            let keyring = match files.is_empty() {
                true => usable_keyrings(&apts_own_keyrings(), notes)?,
                false => read_keyrings(&files.iter().map(PathBuf::from).collect::<Vec<_>>())?,
            };
            if fingerprints.is_empty() {
                return Ok(keyring);
            }
            let no_such_key = || {
                let (url, keys) = (shown(&entry.url), fingerprints.join(", "));
                Fault::usage(format!(
                    "no keyring has the keys {keys} that Signed-By of {url} names: give a keyring in the selection"
                ))
                .into()
            };
            keyring.limited_to(fingerprints).ok_or_else(no_such_key)
        }
        None => usable_keyrings(&apts_own_keyrings(), notes),
    }
}

/// The keys of those files that can be used. apt warns of the others too, and goes on.
fn usable_keyrings(paths: &[PathBuf], notes: &mut Vec<String>) -> Result<Keyring, CollectError> {
    let mut usable = Vec::new();
    for path in paths {
        match read_keyring(path) {
            Ok(keyring) => usable.push(keyring),
            Err(error) => notes.push(format!("skipped a file of keys: {}", causes(&error).join(": "))),
        }
    }
    notes.sort();
    notes.dedup();
    usable.into_iter().reduce(Keyring::join).ok_or_else(no_apt_keyrings)
}

fn no_apt_keyrings() -> CollectError {
    let what = "an apt source names no keyring, and the host's apt trusts no key: give a keyring in the selection";
    Fault::usage(what).into()
}

/// What apt trusts where nothing is said (apt-secure(8)).
fn apts_own_keyrings() -> Vec<PathBuf> {
    let folder = fs::read_dir("/etc/apt/trusted.gpg.d").into_iter().flatten().filter_map(Result::ok);
    let is_key = |path: &PathBuf| path.extension().is_some_and(|e| e == "gpg" || e == "asc");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.path()).filter(is_key).collect();
    paths.push(PathBuf::from("/etc/apt/trusted.gpg"));
    paths.sort();
    paths.retain(|path| path.exists());
    paths
}

/// The keys of all the files together.
fn read_keyrings(paths: &[PathBuf]) -> Result<Keyring, CollectError> {
    let mut keyrings = paths.iter().map(|path| read_keyring(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
    let first = keyrings.next().ok_or_else(no_apt_keyrings)?;
    Ok(keyrings.fold(first, Keyring::join))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::ErrorClass;

    #[test]
    fn names_are_whole_words_of_the_url() {
        for (source, url, name) in [
            ("ubuntu", "http://archive.ubuntu.com/ubuntu", "ubuntu"),
            ("ubuntu", "http://security.ubuntu.com/ubuntu/", "ubuntu-security"),
            ("host", "http://archive.ubuntu.com/ubuntu", "host-ubuntu"),
            ("host", "http://ports.ubuntu.com/ubuntu-ports", "host-ubuntu-ports"),
            ("debian", "http://deb.debian.org/debian-security", "debian-security"),
            ("debian", "http://security.debian.org/debian-security", "debian-security"),
            ("host", "https://download.docker.com/linux/ubuntu", "host-linux-ubuntu-docker"),
            ("host", "https://ppa.launchpadcontent.net/deadsnakes/ppa/ubuntu", "host-ppa-ubuntu"),
            ("host", "http://10.0.0.1:8080/a_b", "host-a-b"),
            ("host", "https://apt.releases.example/", "host-releases"),
            ("host", "file:///srv/mirror/debian/", "host-debian"),
        ] {
            let found = derived_name(&source.parse().unwrap(), &url.parse().unwrap());
            assert_eq!(found.as_ref().map(Label::as_str), Some(name), "{url}");
        }
        let long = format!("http://10.0.0.1/{}", "a".repeat(30));
        assert_eq!(derived_name(&"host".parse().unwrap(), &long.parse().unwrap()), None);
    }

    #[test]
    fn unusable_files_of_keys_are_skipped_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let key = crate::formats::openpgp::SiteKey::generate("Test <test@test.invalid>", 1_700_000_000).unwrap();
        let mut keybox = vec![0; 32];
        keybox[8..12].copy_from_slice(b"KBXf");
        let mut paths = vec![
            write("empty.gpg", b""),
            write("keybox.gpg", &keybox),
            write("page.asc", b"<!DOCTYPE html><title>404</title>"),
            folder.path().join("gone.gpg"),
        ];
        let mut notes = Vec::new();
        assert!(usable_keyrings(&paths, &mut notes).is_err_and(|error| error.class() == ErrorClass::Usage));
        paths.push(write("good.gpg", &key.public_binary().unwrap()));
        let keyring = usable_keyrings(&paths, &mut notes).unwrap();
        assert_eq!((keyring.fingerprints().len(), notes.len()), (1, 4), "{notes:#?}");
        for reason in ["empty.gpg is not", "keybox, which", "page.asc is not", "gone.gpg"] {
            assert!(notes.iter().any(|note| note.contains(reason)), "{reason}: {notes:#?}");
        }
        let fingerprint = keyring.fingerprints().remove(0);
        assert!(keyring.clone().limited_to(&[fingerprint.to_lowercase()]).is_some());
        assert!(keyring.clone().limited_to(&[format!("{fingerprint}!")]).is_some());
        assert!(keyring.limited_to(&["0".repeat(40)]).is_none());
    }
}
