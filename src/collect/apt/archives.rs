//! Which archives, suites and components a source of the selection means, and whose signatures count for each.

use std::fs;
use std::path::PathBuf;

use url::Url;

use super::AptError;
use super::suite::SuiteData;
use crate::causes::causes;
use crate::collect::address::{self, MalformedAddress};
use crate::collect::fetch::shown;
use crate::collect::keyring::{KeyringError, read_keyring, read_small};
use crate::collection::Label;
use crate::formats::apt::sources::{SignedBy, SourceEntry, parse_suites};
use crate::formats::openpgp::Keyring;
use crate::selection::AptSource;

/// An archive and what is wanted of it.
#[derive(Debug)]
pub(super) struct Archive {
    /// The name of its collection.
    pub(super) name: Label,
    /// Its root.
    pub(super) url: Url,
    /// The suites.
    pub(super) suites: Vec<Wanted>,
}

/// What is wanted of a suite.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The suite, as it stands below `dists/`.
    pub(super) suite: String,
    /// Its components.
    pub(super) components: Vec<String>,
    /// The architectures, the native one first.
    pub(super) architectures: Vec<String>,
    /// Whether source packages are wanted.
    pub(super) source: bool,
    /// Who must have signed it.
    pub(super) keyring: std::sync::Arc<Keyring>,
}

impl Archive {
    /// The address of a file below the archive's root.
    pub(super) fn file_url(&self, path: &str) -> Result<Url, MalformedAddress> {
        address::below(&self.url, path)
    }

    /// The root without credentials, as the manifest names it.
    pub(super) fn origin(&self) -> String {
        address::origin(&self.url)
    }
}

/// The archives of a source that is not a local folder.
///
/// Says in `notes` which files of keys were skipped.
pub(super) fn find(source: &AptSource, notes: &mut Vec<String>) -> Result<Vec<Archive>, AptError> {
    match &source.url {
        Some(url) => {
            let keyring = source.keyring.as_deref().ok_or(AptError::NoKeyring { url: shown(url) })?;
            let wanted = |suite: &String| {
                Ok(Wanted {
                    suite: suite.trim_end_matches('/').to_owned(),
                    components: source.components.clone(),
                    architectures: architectures(source),
                    source: source.deb_src,
                    keyring: std::sync::Arc::new(read_keyring(keyring)?),
                })
            };
            let suites = source.suites.iter().map(wanted).collect::<Result<_, AptError>>()?;
            Ok(vec![Archive { name: source.name.clone(), url: url.clone(), suites }])
        }
        None => from_lists(source, notes),
    }
}

/// The architectures of the selection; the host's where it names none.
fn architectures(source: &AptSource) -> Vec<String> {
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

/// The archives that apt's own source lists name.
fn from_lists(source: &AptSource, notes: &mut Vec<String>) -> Result<Vec<Archive>, AptError> {
    let mut archives: Vec<Archive> = Vec::new();
    let lists = source.sources.0.iter().filter(|path| path.exists());
    let mut found = false;
    for path in lists {
        found = true;
        let text = String::from_utf8_lossy(&read_small(path)?).into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entries = parse_suites(&name, &text, &source.suites);
        let entries = entries.map_err(|source| AptError::SourceList { path: path.clone(), source })?;
        for entry in entries.iter().filter(|entry| wanted(source, entry)) {
            add_entry(source, entry, &mut archives, notes)?;
        }
    }
    match (found, archives.is_empty()) {
        (false, _) => Err(AptError::NoSourceLists { paths: source.sources.0.clone() }),
        (true, true) => Err(AptError::NothingInSourceLists { paths: source.sources.0.clone() }),
        (true, false) => name_archives(source, archives),
    }
}

/// deb-src entries count only where the selection asks for sources; they then go with their binary entry.
fn wanted(source: &AptSource, entry: &SourceEntry) -> bool {
    entry.binary || (entry.source && source.deb_src)
}

fn add_entry(
    source: &AptSource,
    entry: &SourceEntry,
    archives: &mut Vec<Archive>,
    notes: &mut Vec<String>,
) -> Result<(), AptError> {
    let keyring = std::sync::Arc::new(entry_keyring(source, entry, notes)?);
    let at = archives.iter().position(|archive| archive.url == entry.url).unwrap_or_else(|| {
        archives.push(Archive { name: source.name.clone(), url: entry.url.clone(), suites: Vec::new() });
        archives.len() - 1
    });
    let Some(archive) = archives.get_mut(at) else { return Ok(()) };
    for suite in entry.suites.iter().filter(|suite| source.suites.is_empty() || source.suites.contains(suite)) {
        let keep = |component: &&String| source.components.is_empty() || source.components.contains(component);
        let components: Vec<String> = entry.components.iter().filter(keep).cloned().collect();
        if let Some(known) = archive.suites.iter_mut().find(|known| known.suite == *suite) {
            known.components.extend(components);
            known.components.sort();
            known.components.dedup();
            known.source |= entry.source && source.deb_src;
            continue;
        }
        let own = !entry.architectures.is_empty() && source.architectures.is_empty();
        archive.suites.push(Wanted {
            suite: suite.clone(),
            components,
            architectures: if own { entry.architectures.clone() } else { architectures(source) },
            source: source.deb_src,
            keyring: keyring.clone(),
        });
    }
    Ok(())
}

/// One archive bears the source's name; several bear the last part of their path too.
fn name_archives(source: &AptSource, mut archives: Vec<Archive>) -> Result<Vec<Archive>, AptError> {
    archives.retain(|archive| !archive.suites.is_empty());
    if archives.len() < 2 {
        return Ok(archives);
    }
    let mut names: Vec<Label> = Vec::new();
    for archive in &mut archives {
        let last = archive.url.path_segments().and_then(|mut s| s.rfind(|part| !part.is_empty()));
        let slug: String =
            last.unwrap_or("root").to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let numbered = (1..100).map(|n| if n == 1 { String::new() } else { format!("-{n}") });
        let room = Label::MAX_BYTES - 3;
        let mut candidates = numbered.filter_map(|number| {
            let base: String = format!("{}-{slug}", source.name).chars().take(room).collect();
            format!("{}{number}", base.trim_end_matches('-')).parse::<Label>().ok()
        });
        let name = candidates.find(|name| !names.contains(name)).ok_or(AptError::NoName { url: archive.origin() })?;
        names.push(name.clone());
        archive.name = name;
    }
    Ok(archives)
}

/// The keys that count for an entry of a source list: the selection's, its own, or all that apt trusts.
fn entry_keyring(source: &AptSource, entry: &SourceEntry, notes: &mut Vec<String>) -> Result<Keyring, AptError> {
    if let Some(path) = &source.keyring {
        return Ok(read_keyring(path)?);
    }
    match &entry.signed_by {
        Some(SignedBy::Inline(block)) => {
            let path = PathBuf::from("Signed-By");
            Keyring::parse(block.as_bytes()).map_err(|source| KeyringError::Unusable { path, source }.into())
        }
        Some(SignedBy::Named { files, fingerprints }) => {
            let keyring = match files.is_empty() {
                true => usable_keyrings(&apts_own_keyrings(), notes)?,
                false => read_keyrings(&files.iter().map(PathBuf::from).collect::<Vec<_>>())?,
            };
            if fingerprints.is_empty() {
                return Ok(keyring);
            }
            let no_such_key = || AptError::NoSuchKey { url: shown(&entry.url), fingerprints: fingerprints.clone() };
            keyring.limited_to(fingerprints).ok_or_else(no_such_key)
        }
        None => usable_keyrings(&apts_own_keyrings(), notes),
    }
}

/// The keys of those files that can be used. apt warns of the others too, and goes on.
fn usable_keyrings(paths: &[PathBuf], notes: &mut Vec<String>) -> Result<Keyring, AptError> {
    let mut usable = Vec::new();
    for path in paths {
        match read_keyring(path) {
            Ok(keyring) => usable.push(keyring),
            Err(error) => notes.push(format!("skipped a file of keys: {}", causes(&error).join(": "))),
        }
    }
    notes.sort();
    notes.dedup();
    usable.into_iter().reduce(Keyring::join).ok_or(AptError::NoAptKeyrings)
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
fn read_keyrings(paths: &[PathBuf]) -> Result<Keyring, AptError> {
    let mut keyrings = paths.iter().map(|path| read_keyring(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
    let first = keyrings.next().ok_or(AptError::NoAptKeyrings)?;
    Ok(keyrings.fold(first, Keyring::join))
}

/// Each component that was asked for is in at least one suite of its archive; each architecture, and source packages, in
/// at least one suite of the source: of several archives not each has all of them.
pub(super) fn everything_was_found(
    source: &AptSource,
    archives: &[Archive],
    suites: &[SuiteData],
) -> Result<(), AptError> {
    every_component(archives, suites)?;
    let name = source.name.to_string();
    let has = |folder: &str| suites.iter().any(|suite| suite.has_indexes_in(folder));
    let wanted = archives.iter().flat_map(|archive| &archive.suites).flat_map(|wanted| &wanted.architectures);
    let is_served = |architecture: &String| {
        has(&format!("binary-{architecture}")) || suites.iter().any(|suite| serves_from_all(suite, architecture))
    };
    if let Some(architecture) = wanted.into_iter().find(|architecture| !is_served(architecture)) {
        let known = suites.iter().flat_map(|suite| suite.release.architectures.clone()).collect();
        return Err(AptError::NoSuchArchitecture { name, architecture: architecture.clone(), known });
    }
    let languages = || suites.iter().flat_map(|suite| &suite.client_indexes.languages);
    let unknown = |language: &&String| !languages().any(|known| known == *language);
    if let Some(language) = source.languages.iter().flatten().find(unknown) {
        let known = languages().cloned().collect();
        return Err(AptError::NoSuchLanguage { name, language: language.clone(), known });
    }
    if source.deb_src && !has("source") { Err(AptError::NoSources { name }) } else { Ok(()) }
}

/// Returns whether a suite without an index of the architecture serves it from that of `all`.
fn serves_from_all(suite: &SuiteData, architecture: &str) -> bool {
    let mut others = suite.release.architectures.iter().filter(|name| *name != "all" && *name != "source").peekable();
    suite.has_indexes_in("binary-all") && (others.peek().is_none() || others.any(|name| name == architecture))
}

fn every_component(archives: &[Archive], suites: &[SuiteData]) -> Result<(), AptError> {
    for (at, archive) in archives.iter().enumerate() {
        let of_archive = || suites.iter().filter(|suite| suite.archive == at);
        for component in archive.suites.iter().flat_map(|wanted| &wanted.components) {
            if !of_archive().any(|suite| suite.has_index_of(component)) {
                return Err(AptError::NoSuchComponent {
                    component: component.clone(),
                    url: archive.origin(),
                    known: of_archive().flat_map(|suite| suite.release.components.clone()).collect(),
                    architectures: of_archive().flat_map(|suite| suite.release.architectures.clone()).collect(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(matches!(usable_keyrings(&paths, &mut notes), Err(AptError::NoAptKeyrings)));
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
