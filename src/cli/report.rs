//! `gapferry report`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::Failure;
use super::feed_files::feed_files;
use super::output::{Output, write_json_line};
use super::package_looks::{LookArgs, ReportPlaces};
use super::reviewed::{open_after, open_one, source};
use crate::bundle::overview::packing_outlines;
use crate::digest::{Hashing, Sha256};
use crate::error_class::Fault;
use crate::label::Label;
use crate::progress::Progress;
use crate::review::{
    Against, CycloneDxBom, KeyNames, ReportJson, ReviewReport, ReviewedState, Sbom, SpdxDocument, compare,
    find_vulnerabilities, write_html, write_report_text,
};
use crate::site::Site;
use crate::storage::{StorageError, modes, place_atomically_with};
use crate::terminal::safe;

/// Write a report on a bundle, for people who approve or refuse it
///
/// Writes report.html, a page without scripts, report.txt and report.json into a folder, and bills of materials: sbom.cdx.json
/// (CycloneDX 1.6) and sbom.spdx.json (SPDX 2.3). The same bundle, older state and site give the same bytes. The manifest and the item
/// lists suffice, and no key is needed. Only --contents, --licences and --scan read volumes: they look into packages, and run nothing of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry report /media/usb/dc1-base-000042 --against dc1-base-000041 --out review-42\n  \
    gapferry report /media/usb --against /srv/gapferry --site /srv/gapferry --out review-42\n  \
    gapferry report /media/usb/dc1-base-000042 --against /srv/gapferry --contents --licences --out review-42\n  \
    gapferry report /media/usb/dc1-base-000042 --against /srv/gapferry --scan 'clamscan -d /srv/signatures' --out review-42"
)]
pub(super) struct ReportArgs {
    /// The bundle's folder or name, or a medium that has one bundle
    bundle: PathBuf,
    /// The older state: a bundle, a medium, or a site's folder; without it, all items count as new
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// The folder for the report; it is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Security data that says which vulnerabilities are fixed and stay open: a folder of such files, a bundle that carries them, or a site that publishes them
    #[arg(long, value_name = "DIR")]
    feeds: Option<PathBuf>,
    /// A site whose trust file and pinned keys give names to fingerprints
    #[arg(long, value_name = "SITE")]
    site: Option<PathBuf>,
    #[command(flatten)]
    looks: LookArgs,
}

pub(super) fn run(args: &ReportArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let (before, after) = match &args.against {
        Some(against) => open_after(against, &args.bundle)?,
        None => {
            let after = open_one(&args.bundle)?;
            (after.without_items(), after)
        }
    };
    let sources: Vec<Label> = after.manifest.collections.iter().map(|collection| collection.source.clone()).collect();
    let names = args.site.as_deref().map(|site| names(site, &sources)).transpose()?.unwrap_or_default();
    let scratch = std::env::temp_dir();
    let mut diff = compare(&before, &after, &scratch)?;
    let places = ReportPlaces { bundle: &args.bundle, against: args.against.as_deref(), site: args.site.as_deref() };
    let looks = args.looks.look(&diff, places, &scratch, progress)?;
    diff.add_alarms(looks.alarms.iter().cloned());
    let against = if args.against.is_some() { Against::State } else { Against::Nothing };
    let vulnerabilities = args.feeds.as_deref().map(|place| {
        let scratch = tempfile::tempdir_in(&scratch).map_err(StorageError::io("make a folder in", &scratch))?;
        let feeds = feed_files(place, &after, scratch.path(), progress)?;
        Ok::<_, Failure>(find_vulnerabilities(&before, &after, &feeds)?)
    });
    let vulnerabilities = vulnerabilities.transpose()?;
    let packings = match source(&args.bundle)?.folder() {
        Some(folder) => packing_outlines(&folder, &after.manifest, &after.digest)?,
        None => Vec::new(),
    };
    let report = ReviewReport { diff, against, names, looks, vulnerabilities, packings };
    let digest = write_report(&report, &after, &args.out)?;
    say(&report, args, digest, out)
}

/// Prints the result. Fails if a scan was asked for and failed.
fn say(report: &ReviewReport<'_>, args: &ReportArgs, digest: Sha256, out: &Output) -> Result<(), Failure> {
    let (bundle, alarms) = (report.diff.after.manifest.folder(), report.diff.totals.alarm_count());
    let folder = args.out.display().to_string();
    let scan = report.looks.scan.as_ref();
    let value = json!({
        "bundle": bundle, "out": folder, "alarms": alarms, "report_sha256": digest,
        "scan": scan.map(|scan| scan.result),
    });
    let mut words = format!(
        "wrote {}/report.html, report.txt, report.json, sbom.cdx.json and sbom.spdx.json on {bundle}: {alarms} alarms\nreport.json has the digest {digest}\n",
        safe(&folder)
    );
    if let Some(scan) = scan {
        words += &format!("malware scan: {}\n", scan.result.words());
    }
    if let Some(error) = scan.and_then(|scan| scan.errors.first()) {
        let place = args.out.join("report.txt");
        return Err(
            Fault::failed(format_args!("the scan does not count: {error}; {} has more", place.display())).into()
        );
    }
    out.done(value, &words);
    Ok(())
}

/// Writes all files of a report on a state into a folder. Returns the digest of report.json.
pub(super) fn write_report(report: &ReviewReport<'_>, state: &ReviewedState, folder: &Path) -> Result<Sha256, Failure> {
    modes::create_public_folders(folder).map_err(StorageError::io("create", folder))?;
    let mut digest = Sha256::of(b"");
    write(folder, "report.json", |to| {
        let mut to = Hashing::new(to);
        write_json_line(&ReportJson(report), &mut to)?;
        digest = to.finish().1;
        Ok(())
    })?;
    write(folder, "report.txt", |to| write_report_text(report, to))?;
    write(folder, "report.html", |to| write_html(report, to))?;
    let licences = report.looks.licences.as_ref();
    let sbom = Sbom { state, scratch: &std::env::temp_dir(), licences };
    write(folder, "sbom.cdx.json", |to| Ok(write_json_line(&CycloneDxBom(&sbom), to)?))?;
    write(folder, "sbom.spdx.json", |to| Ok(write_json_line(&SpdxDocument(&sbom), to)?))?;
    Ok(digest)
}

/// Writes a file of the report.
fn write(folder: &Path, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let path = folder.join(name);
    Ok(place_atomically_with(&path, 0o644, fill).map_err(StorageError::io("write", &path))?)
}

/// Reads the names that a site gives to keys.
fn names(site: &Path, sources: &[Label]) -> Result<KeyNames, Failure> {
    let site = Site::open(site)?;
    let mut names = KeyNames::of_persons(&site.trust);
    for source in sources {
        let keyring = site.keyring(source.as_str())?;
        names.keys.extend(keyring.iter().flat_map(|keyring| keyring.names()));
    }
    Ok(names)
}
