//! Fetches the signed file of a suite, and checks its name and dates.

use std::collections::BTreeMap;

use crate::collect::apt::archives::{SuiteRequest, WantedArchive};
use crate::collect::{CollectContext, CollectError};
use crate::collection::Publish;
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::apt::archive::{IN_RELEASE, MAX_RELEASE_BYTES, RELEASE, RELEASE_GPG, SignedRelease, read_release};
use crate::formats::apt::mirror_list::MirroredFile;
use crate::formats::apt::release::Release;
use crate::formats::apt::suite_name::SuiteName;
use crate::formats::openpgp::SignedBytes;
use crate::selection::AptSource;
use crate::time::Time;

/// The largest lead of upstream's clock over ours, in seconds.
const CLOCK_TOLERANCE_S: i64 = 24 * 3600;

/// Files with their bytes, the signed text first.
pub(super) type Files = Vec<(&'static str, Vec<u8>)>;

/// InRelease, or else Release with Release.gpg.
pub(super) fn signed_release(
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

pub(super) fn no_suite(archive: &WantedArchive, suite: &SuiteName) -> CollectError {
    let url = archive.origin();
    CollectError::Absent(format!("{url} has no suite {suite}: there is neither InRelease nor Release with Release.gpg"))
}

/// Refuses a Release of another suite, one whose time has not come or is over, and one that the site could not publish.
pub(super) fn check(
    release: &Release,
    archive: &WantedArchive,
    suite: &SuiteName,
    source: &AptSource,
    now: Time,
) -> Result<(), CollectError> {
    check_name(release, archive, suite, source)?;
    check_dates(release, suite, source, now)?;
    can_be_published(release, source).map_err(|error| untrusted(archive, suite, error))
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
