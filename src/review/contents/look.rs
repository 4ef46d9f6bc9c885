//! Looks into all packages that a difference brings in.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::blobs::PackageFile;
use super::facts::FactCollector;
use super::findings::{LookedInto, PackageContents};
use super::form::PackageForm;
use super::licences::{LicenceCollector, PackageLicences};
use super::places::ContentPlace;
use super::wanted::{NewContent, PackageLook, WantedBlob, WantedBlobs, WantedPair};
use crate::bundle::{BundleError, FormatError};
use crate::digest::Sha256;
use crate::error_class::causes;
use crate::formats::ReadError;
use crate::formats::archive::{ArchiveCaps, ArchiveEntry, EntryKind, EntryPlace, EntryVisitor, walk_tar};
use crate::formats::compression::reader;
use crate::formats::deb::walk_deb;
use crate::formats::rpm::walk_rpm;
use crate::formats::snap::squashfs::walk_squashfs;
use crate::progress::Progress;
use crate::review::alarm::{Alarm, AlarmKind};
use crate::review::item_change::shown_version;
use crate::review::scan::{ScanCommand, ScanFacts, ScanReport, ScanSession, ScannedItem};
use crate::review::state_diff::StateDiff;

/// The results of looks into packages.
#[derive(Debug, Default)]
pub struct PackageLooks {
    /// Their contents, if these were looked for.
    pub contents: Option<PackageContents>,
    /// Their licences, if these were looked for.
    pub licences: Option<PackageLicences>,
    /// The scan, if there was one.
    pub scan: Option<ScanReport>,
    /// Alarms about what was found.
    pub alarms: Vec<Alarm>,
}

/// A scanner, and the time that a run of it may take.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The scanner.
    pub command: ScanCommand,
    /// The most time that one run of it takes.
    pub limit: Duration,
}

/// A request to look into packages.
#[derive(Debug)]
pub struct LookRequest<'a> {
    /// The places of the newer state's blobs.
    pub after: ContentPlace<'a>,
    /// Those of the older state's.
    pub before: Option<ContentPlace<'a>>,
    /// The things that are looked for.
    pub looks: BTreeSet<PackageLook>,
    /// The scanner, if one is asked for.
    pub scan: Option<ScanRequest>,
    /// A folder for nameless files.
    pub scratch: &'a Path,
}

/// The most bytes of texts that are kept of all packages.
const MAX_KEPT_BYTES: usize = 128 << 20;

/// Facts and licences by the digests of packages.
#[derive(Debug, Default)]
struct LookResults {
    kept_bytes: usize,
    facts: HashMap<Sha256, LookedInto>,
    licences: HashMap<Sha256, String>,
}

/// Looks into the packages that the newer state of a difference brings in, and into those that they take the place of. Fails if it
/// finds none of the former.
pub fn look_into(
    diff: &StateDiff<'_>,
    request: &LookRequest<'_>,
    progress: &Progress,
) -> Result<PackageLooks, BundleError> {
    let in_lists = |error| BundleError::in_file(&diff.after.place)(error);
    let wanted = WantedPair::of(diff, &request.looks).map_err(in_lists)?;
    let in_scratch = |error| BundleError::io("scan in", request.scratch)(error);
    let start = |scan: &ScanRequest| ScanSession::start(scan.command.clone(), scan.limit, request.scratch);
    let scan = request.scan.as_ref().map(start).transpose().map_err(in_scratch)?.map(Mutex::new);
    let results = Mutex::new(LookResults::default());
    let read = |place: &ContentPlace<'_>, wanted: &WantedBlobs| {
        let look = |digest: &Sha256, file: &mut dyn PackageFile| {
            let Some(blob) = wanted.get(digest) else { return Ok(()) };
            let scan = scan.as_ref().filter(|_| blob.is_new);
            let looked = BlobLooker { digest, blob, scan }.look(file).map_err(in_scratch)?;
            lock(&results).add(digest, looked);
            Ok(())
        };
        let bases = request.before.as_ref().and_then(|before| before.depot);
        place.read(wanted, bases, request.scratch, &look, progress)
    };
    read(&request.after, &wanted.after)?;
    if lock(&results).facts.is_empty() && !wanted.after.is_empty() {
        let missing = vec!["all that have packages to look into".to_owned()];
        return Err(BundleError::VolumesMissing { folder: request.after.state.place.clone(), missing });
    }
    if let Some(before) = &request.before {
        read(before, &wanted.before)?;
    }
    let scanned = scan.map(|scan| scan.into_inner().unwrap_or_else(PoisonError::into_inner).finish());
    let scanned = scanned.transpose().map_err(in_scratch)?;
    results.into_inner().unwrap_or_else(PoisonError::into_inner).finish(diff, request, scanned)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LookResults {
    /// Keeps what was found in a package, unless all packages have too much of that.
    fn add(&mut self, digest: &Sha256, looked: LookedBlob) {
        let LookedBlob { bytes, mut facts, licence } = looked;
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        if self.kept_bytes > MAX_KEPT_BYTES && matches!(facts, LookedInto::Facts(_)) {
            facts = LookedInto::Not("all packages together have more findings than gapferry keeps".to_owned());
        }
        self.licences.extend(licence.map(|licence| (*digest, licence)));
        self.facts.insert(*digest, facts);
    }

    fn finish(
        self,
        diff: &StateDiff<'_>,
        request: &LookRequest<'_>,
        scanned: Option<ScanFacts>,
    ) -> Result<PackageLooks, BundleError> {
        let in_lists = |error| BundleError::in_file(&diff.after.place)(error);
        let mut looks = PackageLooks::default();
        if request.looks.contains(&PackageLook::Contents) {
            let contents = PackageContents::new(diff, self.facts).map_err(in_lists)?;
            looks.alarms.extend(contents.alarms.iter().cloned());
            looks.contents = Some(contents);
        }
        if request.looks.contains(&PackageLook::Licences) {
            looks.licences = Some(PackageLicences::new(diff.after, self.licences).map_err(in_lists)?);
        }
        if let Some(facts) = scanned {
            looks.scan = Some(scan_report(diff, &facts, &mut looks.alarms).map_err(in_lists)?);
        }
        Ok(looks)
    }
}

/// Makes the report of a scan, and an alarm for each item in which something was found.
fn scan_report(diff: &StateDiff<'_>, facts: &ScanFacts, alarms: &mut Vec<Alarm>) -> Result<ScanReport, FormatError> {
    facts.report(|each| {
        diff.each_change(|change| {
            let Some(NewContent { after, .. }) = NewContent::of(&change) else { return Ok(()) };
            let (collection, version, blob) = (&change.collection, shown_version(after), after.sha256);
            each(ScannedItem { collection, name: &after.name, version: &version, blob })?;
            let found = facts.found_in(&blob);
            if let Some(first) = found.first() {
                let more = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
                let text = format!("{} {version}: {} in {}{more}", after.name, first.finding, first.path);
                alarms.push(Alarm::of_change(AlarmKind::Malware, &change, text));
            }
            Ok(())
        })
    })
}

/// The result of looking into one package.
struct LookedBlob {
    /// The bytes of its facts.
    bytes: usize,
    facts: LookedInto,
    licence: Option<String>,
}

/// Looks into one package.
struct BlobLooker<'a> {
    digest: &'a Sha256,
    blob: &'a WantedBlob,
    scan: Option<&'a Mutex<ScanSession>>,
}

impl BlobLooker<'_> {
    /// Returns its facts and its licence. Fails if what is to be scanned cannot be written.
    fn look(&self, file: &mut dyn PackageFile) -> io::Result<LookedBlob> {
        let (mut facts, mut licence) = (FactCollector::default(), LicenceCollector::of(&self.blob.name));
        let mut scan = self.scan.map(lock);
        let walked = walk(self.blob.form, file, &mut |entry, content| {
            let mut written = match &mut scan {
                Some(scan) if entry.kind == EntryKind::File => scan.add(self.digest, &named(entry), content)?,
                _ => None,
            };
            let content: &mut dyn Read = match &mut written {
                Some(written) => written,
                None => content,
            };
            licence.entry(entry, content)?;
            facts.entry(entry, content)
        });
        let why = walked.as_ref().err().map(reason);
        if let Some(scan) = &mut scan {
            self.end_scan(scan, file, why.as_deref())?;
        }
        let not = |why| LookedBlob { bytes: 0, facts: LookedInto::Not(why), licence: None };
        Ok(match (self.blob.form, why) {
            (PackageForm::Other, _) => not("it is no package".to_owned()),
            (_, Some(why)) => not(why),
            (_, None) => {
                LookedBlob { bytes: facts.bytes(), facts: LookedInto::Facts(facts.finish()), licence: licence.finish() }
            }
        })
    }

    /// Scans the whole file of what cannot be unpacked.
    fn end_scan(&self, scan: &mut ScanSession, file: &mut dyn PackageFile, why: Option<&str>) -> io::Result<()> {
        if self.blob.form == PackageForm::Other || why.is_some() {
            file.rewind()?;
            scan.add(self.digest, "the file itself", file)?;
        }
        if let Some(why) = why {
            scan.leave_out(self.digest, format!("it was not unpacked: {why}"));
        }
        scan.end_package(self.digest);
        Ok(())
    }
}

/// Names an entry as a finding does.
fn named(entry: &ArchiveEntry) -> String {
    match entry.place {
        EntryPlace::Control => format!("control data: {}", entry.path),
        EntryPlace::Payload => entry.path.clone(),
    }
}

/// Hands each entry of a package to `visit`.
fn walk(form: PackageForm, mut file: &mut dyn PackageFile, visit: &mut EntryVisitor<'_>) -> Result<(), ReadError> {
    let caps = ArchiveCaps::of_stored(file.seek(SeekFrom::End(0))?);
    file.rewind()?;
    match form {
        PackageForm::Deb => walk_deb(&mut file, visit),
        PackageForm::Squashfs => walk_squashfs(&mut file, caps, visit),
        PackageForm::Tar(compression) => walk_tar(reader(file, compression)?, EntryPlace::Payload, caps, visit),
        PackageForm::Rpm => walk_rpm(&mut file, visit),
        PackageForm::Other => Ok(()),
    }
}

/// Returns an error with its causes in one line.
fn reason(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) if error.kind() == io::ErrorKind::Other => error.to_string(),
        error => causes(error).join(": "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::contents::facts::{FactKind, FactName};

    #[test]
    fn findings_of_all_packages_have_a_cap() {
        let mut results = LookResults::default();
        let name = FactName { kind: FactKind::Setuid, name: "/a".to_owned() };
        let looked = |bytes| LookedBlob {
            bytes,
            facts: LookedInto::Facts([(name.clone(), String::new())].into()),
            licence: None,
        };
        let [first, second] = [b"first", b"other"].map(|text| Sha256::of(text));
        results.add(&first, looked(MAX_KEPT_BYTES));
        results.add(&second, looked(1));
        assert!(matches!(results.facts.get(&first), Some(LookedInto::Facts(_))));
        assert!(matches!(results.facts.get(&second), Some(LookedInto::Not(_))));
    }
}
