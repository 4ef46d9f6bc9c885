//! Fetches a suite's metadata and verifies it: signature, dates, and the indexes that its Release vouches for.

pub(super) mod client_indexes;
pub(super) mod pdiffs;

use std::collections::{BTreeMap, BTreeSet};

use self::client_indexes::SuiteClientIndexes;
use self::pdiffs::Pdiffs;
use super::archives::{SuiteRequest, WantedArchive};
use super::component_of;
use crate::collect::{CollectContext, CollectError};
use crate::collection::{Proof, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::fetch;
use crate::formats::Invalid;
use crate::formats::apt::archive::{
    IN_RELEASE, IndexEntry, IndexKind, IndexName, MAX_INDEX_BYTES, MAX_INDEX_TEXT_BYTES, MAX_RELEASE_BYTES, RELEASE,
    RELEASE_GPG, SignedRelease, by_hash, expand, read_release,
};
use crate::formats::apt::client_index::ClientIndex;
use crate::formats::apt::mirror_list::MirroredFile;
use crate::formats::apt::packages::packages;
use crate::formats::apt::release::{IndexFile, Release};
use crate::formats::apt::suite_name::{SuiteName, below};
use crate::formats::compression::Compression;
use crate::formats::openpgp::SignedBytes;
use crate::formats::signed_digest::SignedDigest;
use crate::path::PublishPath;
use crate::selection::AptSource;
use crate::terminal::safe;
use crate::time::Time;

/// The largest lead of upstream's clock over ours, in seconds.
const CLOCK_TOLERANCE_S: i64 = 24 * 3600;

/// A suite whose metadata is verified and in the depot.
#[derive(Debug)]
pub(super) struct SuiteData {
    /// Its archive's place among those of the source.
    pub(super) archive: usize,
    /// The suite, as it was asked for.
    pub(super) name: SuiteName,
    /// The host of its archive; empty for local files.
    pub(super) site: String,
    /// Its Release.
    pub(super) release: Release,
    /// The file that is signed.
    pub(super) signed_file: PublishPath,
    /// The architectures whose packages are wanted.
    pub(super) architectures: Vec<String>,
    /// The architectures of the packages of a flat suite, whose one index has them all.
    pub(super) flat_architectures: BTreeSet<String>,
    signed: Vec<(PublishPath, Sha256)>,
    signers: Vec<String>,
    /// Its indexes.
    pub(super) indexes: Vec<StoredIndex>,
    /// The indexes that clients ask for besides.
    pub(super) client_indexes: SuiteClientIndexes,
    /// Patches of all these indexes.
    pub(super) pdiffs: Pdiffs,
    /// Indexes that its Release lists under paths where apt does not find them.
    pub(super) respelled: Vec<Fault>,
}

/// An index in the depot.
#[derive(Debug)]
pub(super) struct StoredIndex {
    /// Below the suite, such as `main/binary-amd64/Packages.xz`.
    pub(super) path: PublishPath,
    /// Its blob, size and digest.
    pub(super) file: IndexFile,
    /// The size that the Release names for its plain form, in bytes.
    plain_size: Option<u64>,
    /// The kind of its entries.
    pub(super) kind: IndexKind,
}

impl SuiteData {
    /// The signed file, and the indexes that it covers.
    pub(super) fn proofs(&self, with: &CollectContext<'_>) -> Vec<Proof> {
        let date = self.release.date.and_then(|date| Time::from_unix(date).ok());
        let signed = self.signed.iter().map(|(path, sha256)| {
            let is_text = *path == self.signed_file;
            let signed_by = if is_text { self.signers.clone() } else { Vec::new() };
            Proof { date: date.filter(|_| is_text), path: path.clone(), sha256: *sha256, signed_by }
        });
        let covered = self.covered().filter_map(|(path, file)| {
            let path = self.name.path(path.as_str()).parse().ok()?;
            let sha256 = with.blob(&file.digest, file.size);
            Some(Proof { date: None, path, sha256, signed_by: Vec::new() })
        });
        signed.chain(covered).collect()
    }

    /// The names that its Release gives it.
    fn signed_names(&self) -> impl Iterator<Item = &str> {
        self.release.suite.iter().chain(&self.release.codename).map(String::as_str)
    }

    /// The carried files that the signed file covers.
    fn covered(&self) -> impl Iterator<Item = (&PublishPath, IndexFile)> {
        let indexes = self.indexes.iter().map(|index| (&index.path, index.file));
        let others = self.client_indexes.carried.iter().chain(&self.pdiffs.carried);
        indexes.chain(others.map(|(path, file)| (path, *file)))
    }

    /// Their signed digests.
    pub(super) fn digests(&self) -> impl Iterator<Item = SignedDigest> {
        self.covered().map(|(_, file)| file.digest)
    }

    /// The names of the suite: the one that was asked for, and those that its Release gives it.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.signed_names().map(str::to_owned).chain([self.name.to_string()]).collect()
    }

    /// Returns whether this is one of its names.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.signed_names().any(|own| own == name) || name.parse().is_ok_and(|name: SuiteName| name == self.name)
    }

    /// Returns whether it has an index of the component.
    pub(super) fn has_index_of(&self, component: &str) -> bool {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        self.indexes.iter().any(|index| last(&component_of(index.path.as_str())) == last(component))
    }

    /// Returns whether it has packages of the architecture, in an index of their own or in that of a flat suite, where those
    /// of `all` count too.
    pub(super) fn has_packages_of(&self, architecture: &str) -> bool {
        let is_of = |index: &StoredIndex| {
            let name = IndexName::parse(index.path.as_str());
            name.is_some_and(|name| name.kind == IndexKind::Packages && name.architecture == architecture)
        };
        let in_flat = [architecture, "all"].iter().any(|name| self.flat_architectures.contains(*name));
        self.indexes.iter().any(is_of) || in_flat
    }

    /// Returns whether it has an index of source packages.
    pub(super) fn has_sources(&self) -> bool {
        self.indexes.iter().any(|index| index.kind == IndexKind::Sources)
    }

    /// Returns whether an entry of one of its indexes is of an architecture that is wanted.
    pub(super) fn wants(&self, entry: &IndexEntry<'_>) -> bool {
        let is_any = ["all", "source"].contains(&entry.architecture);
        !self.name.is_flat() || is_any || self.architectures.iter().any(|name| name == entry.architecture)
    }
}

impl StoredIndex {
    /// Reads its text.
    pub(super) fn read(&self, with: &CollectContext<'_>) -> Result<Vec<u8>, CollectError> {
        let bytes = with.depot.read(&with.blob(&self.file.digest, self.file.size), MAX_INDEX_TEXT_BYTES)?;
        Ok(expand(&bytes, &self.path, self.plain_size)?)
    }
}

/// Fetches the suite's signed file and the wanted indexes.
pub(super) fn fetch(
    at: usize,
    archive: &WantedArchive,
    wanted: &SuiteRequest,
    source: &AptSource,
    with: &CollectContext<'_>,
) -> Result<SuiteData, CollectError> {
    let suite = &wanted.suite;
    if suite.is_flat() && source.publish == Publish::Reprepro {
        let url = archive.origin();
        return Err(Fault::usage(format!(
            "{suite} of {url} is a flat suite, and reprepro publishes none: write publish = \"re-indexed\" or \"verbatim\""
        ))
        .into());
    }
    let (signed, release) = signed_release(archive, wanted, with)?;
    check_name(&release.release, archive, suite, source)?;
    check_dates(&release.release, suite, source, with.now)?;
    can_be_published(&release.release, source).map_err(|error| untrusted(archive, suite, error))?;
    let mut batch = with.depot.batch();
    let mut stored = Vec::new();
    for (file, bytes) in signed {
        let path = suite.path(file).parse()?;
        stored.push((path, with.depot.put(&mut batch, &bytes)?));
    }
    batch.commit()?;
    let suite_files = SuiteFiles { archive, wanted, release: &release.release };
    let plain = wanted_indexes(&release.release, wanted);
    let listed = listed_indexes(&release.release, &plain);
    let respelled = plain
        .iter()
        .filter_map(|path| respelled_form(&release.release, path))
        .map(|found| respelled_index(archive, suite, found));
    let mut respelled: Vec<Fault> = respelled.collect();
    if listed.is_empty() && !respelled.is_empty() {
        return Err(respelled.remove(0).into());
    }
    with.tally.say(respelled.iter().map(|error| format!("{}: {error}", source.name)));
    let indexes = suite_files.fetch_first_forms(listed, with)?;
    if suite.is_flat() && indexes.is_empty() {
        let url = archive.origin();
        return Err(Fault::unverified(format!(
            "the flat suite {suite} of {url} lists none of the wanted indexes Packages and Sources"
        ))
        .into());
    }
    let undated = release.release.unreadable_date.as_ref();
    with.tally.say(undated.map(|text| {
        let text = text.escape_debug();
        format!(
            "{}: the Release of {suite} counts as undated, for apt too: it cannot read the date {text}",
            source.name
        )
    }));
    let client_indexes = client_indexes::fetch(&suite_files, &indexes, source, with)?;
    let of_clients = client_indexes.carried.iter().map(|(path, _)| path);
    let pdiffs = match source.wants_pdiffs() {
        true => pdiffs::fetch(&suite_files, indexes.iter().map(|index| &index.path).chain(of_clients), with)?,
        false => Pdiffs::default(),
    };
    let signed_file = stored.first().map(|(path, _)| PublishPath::clone(path));
    let mut signers: Vec<String> = release.signers.into_iter().map(|signer| signer.fingerprint).collect();
    signers.sort();
    signers.dedup();
    Ok(SuiteData {
        archive: at,
        name: suite.clone(),
        site: archive.url.host_str().unwrap_or_default().to_owned(),
        signed_file: signed_file.ok_or_else(|| no_suite(archive, suite))?,
        release: release.release,
        architectures: wanted.architectures(),
        flat_architectures: flat_architectures(&indexes, with)?,
        signed: stored,
        signers,
        indexes,
        client_indexes,
        pdiffs,
        respelled,
    })
}

/// Files with their bytes, the signed text first.
type Files = Vec<(&'static str, Vec<u8>)>;

/// InRelease, or else Release with Release.gpg.
fn signed_release(
    archive: &WantedArchive,
    wanted: &SuiteRequest,
    with: &CollectContext<'_>,
) -> Result<(Files, SignedRelease), CollectError> {
    let get = |file: &str| {
        let index = MirroredFile { kind: "index", ..MirroredFile::default() };
        let mut failed = None;
        for url in archive.file_urls(&wanted.suite.path(file), &index) {
            match with.fetcher.get_optional(&url, MAX_RELEASE_BYTES) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), |error| Err(CollectError::Fetch(error)))
    };
    let now = with.now.unix();
    let bad = |error| untrusted(archive, &wanted.suite, error);
    if let Some(message) = get(IN_RELEASE)? {
        let release = read_release(SignedBytes::Inline(&message), &wanted.keyring, now).map_err(bad)?;
        return Ok((vec![(IN_RELEASE, message)], release));
    }
    match (get(RELEASE)?, get(RELEASE_GPG)?) {
        (Some(text), Some(signature)) => {
            let signed = SignedBytes::Detached { text: &text, signature: &signature };
            let release = read_release(signed, &wanted.keyring, now).map_err(bad)?;
            Ok((vec![(RELEASE, text), (RELEASE_GPG, signature)], release))
        }
        (Some(_), None) => Err(CollectError::Unsigned(format!(
            "the suite {} of {} is signed by nobody: there is a Release, but neither InRelease nor Release.gpg. Packages that \
             you trust all the same can be carried from a folder, with local = \"FOLDER\" in the selection",
            wanted.suite,
            archive.origin()
        ))),
        (None, _) => Err(no_suite(archive, &wanted.suite)),
    }
}

fn untrusted(archive: &WantedArchive, suite: &SuiteName, source: Invalid) -> CollectError {
    CollectError::Untrusted { what: format!("cannot trust the suite {suite} of {}", archive.origin()), source }
}

fn no_suite(archive: &WantedArchive, suite: &SuiteName) -> CollectError {
    let url = archive.origin();
    CollectError::Absent(format!("{url} has no suite {suite}: there is neither InRelease nor Release with Release.gpg"))
}

/// Makes the error of an index that the Release lists as `found`.
fn respelled_index(archive: &WantedArchive, suite: &SuiteName, found: &str) -> Fault {
    let (url, found) = (archive.origin(), safe(found));
    Fault::unverified(format!(
        "the Release of {suite} at {url} lists {found}: apt looks for this path without ./ and double slashes, and finds no \
         index. Upstream must list it so"
    ))
}

/// The site writes a Release with upstream's words in it; what cannot be written is better found on this side of the gap.
fn can_be_published(release: &Release, source: &AptSource) -> Result<(), Invalid> {
    match source.publish {
        Publish::ReIndexed | Publish::Reprepro => {
            Release { files: BTreeMap::new(), ..release.clone() }.to_text().map(drop)
        }
        Publish::Verbatim => Ok(()),
    }
}

/// The site refuses a suite that is signed under another name, and apt warns of it.
fn check_name(release: &Release, archive: &WantedArchive, suite: &SuiteName, source: &AptSource) -> Result<(), Fault> {
    match release.is_suite(suite, source.signed_as.get(suite).map(String::as_str)) {
        true => Ok(()),
        false => Err(other_suite(release, archive, suite, source)),
    }
}

/// Makes the error of a suite that is signed under another name.
fn other_suite(release: &Release, archive: &WantedArchive, suite: &SuiteName, source: &AptSource) -> Fault {
    let (url, name, signed) = (archive.origin(), &source.name, release.names());
    let (names, last) = (release.quoted_names(), signed.last().map_or("", String::as_str));
    Fault::unverified(format!(
        "{url} was asked for the suite {suite}, and upstream signs {names} in it: the mirror passes one suite off as another. If \
         the archive is known to differ, write for {name}: signed-as = {{ \"{suite}\" = \"{last}\" }}; its site needs the same in \
         site.toml"
    ))
}

fn check_dates(release: &Release, suite: &SuiteName, source: &AptSource, now: Time) -> Result<(), Fault> {
    if let Some(date) = release.date.filter(|date| *date > now.plus(CLOCK_TOLERANCE_S).unix()) {
        let date = Time::from_unix(date).unwrap_or_default();
        return Err(Fault::refused(format!(
            "the Release of {suite} is of {date}, and the clock here says {now}: set the clock"
        )));
    }
    if let Some(until) = release.valid_until.filter(|until| *until < now.unix() && !source.allow_expired) {
        let until = Time::from_unix(until).unwrap_or_default();
        let name = &source.name;
        return Err(Fault::refused(format!(
            "the Release of {suite} was valid until {until}: the mirror is stale; if that is meant, set allow-expired = true for \
             {name}"
        )));
    }
    Ok(())
}

/// The forms of an index that a Release names, in the order in which apt asks for them.
type IndexForms = Vec<StoredIndex>;

/// The wanted indexes that the Release names.
fn listed_indexes(release: &Release, plain: &[String]) -> Vec<IndexForms> {
    plain.iter().map(|path| forms(release, path)).filter(|forms| !forms.is_empty()).collect()
}

/// The path under which the Release lists a form of an index, if apt does not find it there.
fn respelled_form<'r>(release: &'r Release, plain: &str) -> Option<&'r String> {
    let form =
        |compression: Compression| release.respelled.get(&format!("{plain}{}", compression.suffix()).parse().ok()?);
    let found = Compression::ALL.into_iter().find_map(form);
    found.filter(|_| forms(release, plain).is_empty())
}

/// The plain paths of the wanted indexes.
fn wanted_indexes(release: &Release, wanted: &SuiteRequest) -> Vec<String> {
    // As apt does: an index of `Architecture: all` packages counts only where the Release claims that architecture, and
    // does not say that the other indexes have them too. Some archives list such an index and leave it stale.
    let has_all = release.architectures.iter().any(|a| a == "all") && !release.no_support_for_architecture_all;
    let mut plain = Vec::new();
    if wanted.suite.is_flat() {
        plain.extend((!wanted.architectures().is_empty()).then(|| "Packages".to_owned()));
        plain.extend(wanted.components.iter().any(|of| of.source).then(|| "Sources".to_owned()));
    }
    for wanted in wanted.components.iter().filter(|_| !wanted.suite.is_flat()) {
        let component = index_folder(release, &wanted.name);
        let all = (has_all && !wanted.architectures.is_empty()).then_some("all");
        let architectures = wanted.architectures.iter().map(String::as_str).chain(all);
        plain.extend(architectures.map(|a| format!("{component}/binary-{a}/Packages")));
        plain.extend(wanted.source.then(|| format!("{component}/source/Sources")));
    }
    plain
}

/// The folder with the indexes of a component: its own, or that of its last part, as `updates/main` has them in `main`.
fn index_folder<'a>(release: &Release, component: &'a str) -> &'a str {
    let is_of = |path: &PublishPath| IndexName::parse(path.as_str()).is_some_and(|name| name.component == component);
    let last = component.rsplit('/').next().unwrap_or(component);
    if release.files.keys().any(is_of) { component } else { last }
}

fn forms(release: &Release, plain: &str) -> IndexForms {
    let listed = |path: &str| release.files.get(&path.parse().ok()?).copied();
    let plain_size = listed(plain).map(|file| file.size);
    let form = |compression: Compression| {
        let path: PublishPath = format!("{plain}{}", compression.suffix()).parse().ok()?;
        let file = listed(path.as_str())?;
        let kind = IndexName::parse(path.as_str())?.kind;
        Some(StoredIndex { path, file, plain_size, kind })
    };
    Compression::ALL.into_iter().filter_map(form).collect()
}

/// The architectures of the packages in the index of a flat suite.
fn flat_architectures(indexes: &[StoredIndex], with: &CollectContext<'_>) -> Result<BTreeSet<String>, CollectError> {
    let mut architectures = BTreeSet::new();
    let is_flat = |index: &&StoredIndex| IndexName::parse(index.path.as_str()).is_some_and(|name| name.is_flat());
    for index in indexes.iter().filter(|index| index.kind == IndexKind::Packages).filter(is_flat) {
        let text = index.read(with)?;
        architectures.extend(packages(&text).flatten().map(|package| package.control.architecture.to_owned()));
    }
    Ok(architectures)
}

/// Makes the error of an index above a limit.
fn too_large(path: &PublishPath, size: u64) -> Fault {
    Fault::unverified(format!("the index {path} has {size} bytes, more than gapferry reads"))
}

/// The files of a suite at upstream, with their signed digests.
pub(super) struct SuiteFiles<'a> {
    /// The archive.
    pub(super) archive: &'a WantedArchive,
    /// The suite.
    pub(super) wanted: &'a SuiteRequest,
    /// Its verified Release.
    pub(super) release: &'a Release,
}

impl SuiteFiles<'_> {
    /// The suite's folder below a generation, such as `apt/debian/dists/bookworm`.
    pub(super) fn published_folder(&self) -> String {
        below(&format!("apt/{}", self.archive.name), self.wanted.suite.folder())
    }

    /// The index at `path` as limits of mirrors name it.
    fn mirrored<'p>(&'p self, path: &'p PublishPath) -> MirroredFile<'p> {
        let (index, client) = (IndexName::parse(path.as_str()), ClientIndex::parse(path.as_str()));
        let of_client = client.as_ref();
        MirroredFile {
            kind: "index",
            architecture: index
                .map(|name| name.architecture)
                .or(of_client.and_then(|name| name.architecture))
                .unwrap_or_default(),
            component: index
                .map(|name| name.component)
                .or(of_client.and_then(|name| name.component))
                .unwrap_or_default(),
            language: of_client.and_then(|name| name.language).unwrap_or_default(),
            suite: self.release.suite.as_deref().unwrap_or_default(),
            codename: self.release.codename.as_deref().unwrap_or_default(),
        }
    }

    /// Fetches each index in the first form that the archive has, as apt does. Fails if it has none of the forms.
    fn fetch_first_forms(
        &self,
        wanted: Vec<IndexForms>,
        with: &CollectContext<'_>,
    ) -> Result<Vec<StoredIndex>, CollectError> {
        let mut wanted: Vec<_> = wanted.into_iter().map(|forms| forms.into_iter().peekable()).collect();
        loop {
            let first: Vec<_> =
                wanted.iter_mut().filter_map(|forms| Some((forms.peek()?.path.clone(), forms.peek()?.file))).collect();
            let Err(error) = self.fetch(first.iter().map(|(path, file)| (path, *file)), with) else {
                return Ok(wanted.into_iter().filter_map(|mut forms| forms.next()).collect());
            };
            let mut is_lost = !error.is_absence();
            for forms in &mut wanted {
                forms.next_if(|index| with.held(&index.file.digest, index.file.size).is_none());
                is_lost |= forms.peek().is_none();
            }
            if is_lost {
                return Err(error);
            }
        }
    }

    /// Fetches the files that the depot lacks, by hash if the archive offers that.
    pub(super) fn fetch<'p>(
        &self,
        files: impl Iterator<Item = (&'p PublishPath, IndexFile)>,
        with: &CollectContext<'_>,
    ) -> Result<(), CollectError> {
        let suite = &self.wanted.suite;
        let mut wanted = Vec::new();
        for (path, file) in files.filter(|(_, file)| with.held(&file.digest, file.size).is_none()) {
            if file.size > MAX_INDEX_BYTES {
                return Err(too_large(path, file.size).into());
            }
            let parent = path.as_str().rsplit_once('/').map_or(String::new(), |(parent, _)| format!("{parent}/"));
            let by_hash = suite.path(&format!("{parent}{}", by_hash(&file.digest)));
            let asks_by_hash = self.release.acquire_by_hash || self.wanted.forces_by_hash;
            let names = asks_by_hash.then_some(by_hash).into_iter().chain([suite.path(path.as_str())]);
            let limits = self.mirrored(path);
            let urls = names.map(|name| self.archive.file_urls(&name, &limits));
            wanted.push(fetch::Wanted {
                urls: urls.flatten().collect(),
                size: file.size,
                digest: file.digest,
                to: with.partial_path(&file.digest),
            });
        }
        with.fetch(&format!("fetching the indexes of {suite}"), wanted)
    }
}
