//! `gapferry evidence`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::error::Failure;
use super::evidence_reports::{EvidenceReport, write_reports};
use super::output::{Output, note, write_json_line};
use super::snap_roots::open_site;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::label::Label;
use crate::numbers::Sequence;
use crate::site::{EvidenceFacts, EvidenceState, guide};
use crate::storage::{FileError, StorageError, modes, sync_file_system, sync_parent};

/// The digests of all other files, as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

/// Write all that was known and decided about a bundle into one folder, which ssh-keygen and sha256sum check
///
/// The folder has the manifest with its signature, item lists, packings, statements of reviewers, the report and bills of materials, upstream's
/// own signed files, trust files, the policy at the import, the audit log, and README.txt with the commands that check all of it without
/// gapferry. It works for bundles that are published, that wait, and that were refused. Payloads are not in it. The site stays as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry evidence 42 --site /srv/gapferry --out evidence-42\n  \
    gapferry evidence 42 --name images --site /srv/gapferry --out evidence-42 --report review/report.json\n  \
    gapferry evidence 42 --site /srv/gapferry --dry-run")]
pub(super) struct EvidenceArgs {
    /// The sequence of the bundle
    sequence: Sequence,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// The folder to be made; its parent is there
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// The name of the bundle, if the site has several
    #[arg(long, value_name = "NAME")]
    name: Option<Label>,
    /// The digest of the manifest, if the site has several of that name and sequence
    #[arg(long, value_name = "DIGEST")]
    manifest: Option<Sha256>,
    /// A report.json that a statement names and that cannot be made again; can be given several times
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Only say what would be written
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// `evidence.json`.
#[derive(Serialize)]
struct EvidenceJson<'a> {
    #[serde(flatten)]
    facts: &'a EvidenceFacts,
    reports: &'a [EvidenceReport],
}

pub(super) fn run(args: &EvidenceArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let record = site.find_evidence(args.sequence, args.name.as_ref(), args.manifest.as_ref())?;
    let target = args.out.as_deref().filter(|_| !args.dry_run);
    let staging = staging(target)?;
    let folder = staging.path().join("evidence");
    let mut evidence = site.write_evidence(&record, &folder)?;
    // Of what was never unpacked the site had no more.
    let was_whole = matches!(evidence.facts.state, EvidenceState::Published | EvidenceState::WasPublished);
    let lost: Vec<String> = evidence.facts.missing.iter().filter(|_| was_whole).cloned().collect();
    let reports = write_reports(&mut evidence, &folder, &args.report)?;
    let by = reports.iter().map(EvidenceReport::reported_by).collect::<Vec<_>>();
    write(&folder, "README.txt", guide(&evidence, &by).as_bytes())?;
    let facts = &evidence.facts;
    let mut text = Vec::new();
    write_json_line(&EvidenceJson { facts, reports: &reports }, &mut text).map_err(Fault::failed)?;
    write(&folder, "evidence.json", &text)?;
    let (sums, files) = sums(&folder)?;
    write(&folder, SUMS, sums.as_bytes())?;
    let digest = Sha256::of(sums.as_bytes());
    if let Some(target) = target {
        place(&folder, target)?;
    }
    facts.missing.iter().for_each(|name| note(&format!("warning: not in the folder: {name}")));
    let value = json!({
        "bundle": facts.bundle, "manifest": facts.manifest, "state": facts.state, "out": target, "files": files,
        "sha256sums": digest, "missing": facts.missing, "reports": reports, "log": facts.log, "dry_run": args.dry_run,
    });
    if !lost.is_empty() {
        let words = format!("files of the evidence on {} are lost: {}", facts.bundle, lost.join("; "));
        return Err(Failure::SiteFlawed { words, value: Box::new(value) });
    }
    let verb = if args.dry_run { "would write" } else { "wrote" };
    let place = target.map(|target| format!(" to {}", target.display())).unwrap_or_default();
    let (bundle, state) = (&facts.bundle, facts.state.message());
    let words = format!(
        "{verb} the evidence on {bundle}, which {state}{place}: {} files; README.txt has the commands that check it\n{SUMS} has the digest {digest}\n",
        files + 1
    );
    out.done(value, &words);
    Ok(())
}

/// Returns a folder that goes away: beside the target, or a scratch folder. Fails if the target is there and not empty.
fn staging(target: Option<&Path>) -> Result<TempDir, Failure> {
    let Some(target) = target else {
        let folder = std::env::temp_dir();
        return Ok(TempDir::new_in(&folder).map_err(StorageError::io("make a folder in", &folder))?);
    };
    if target.symlink_metadata().is_ok() && fs::read_dir(target).map_or(true, |mut entries| entries.next().is_some()) {
        let place = target.display();
        return Err(Failure::usage(format_args!(
            "{place} exists already and is not empty: evidence is written to a new folder"
        )));
    }
    let parent = target.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".gapferry-evidence-").tempdir_in(parent);
    Ok(folder.map_err(FileError::on_named::<StorageError>("make a folder in", parent))?)
}

/// Gives the finished folder its name, in one step.
fn place(folder: &Path, target: &Path) -> Result<(), Failure> {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(modes::PUBLIC_FOLDER)); // a file system without modes refuses
    sync_file_system(folder).map_err(StorageError::io("sync", folder))?;
    fs::rename(folder, target).map_err(StorageError::io("rename to", target))?;
    Ok(sync_parent(target).map_err(StorageError::io("sync the folder of", target))?)
}

/// Returns the digests of all files, by their paths, and their number.
fn sums(folder: &Path) -> Result<(String, usize), Failure> {
    let mut paths = BTreeSet::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|error| Fault::failed(error.to_string()))?;
        if entry.file_type().is_file() {
            paths.insert(entry.into_path());
        }
    }
    let mut sums = String::new();
    for path in &paths {
        let digest = File::open(path).and_then(|mut file| Sha256::of_reader(&mut file));
        let (digest, _) = digest.map_err(StorageError::io("read", path))?;
        let below = path.strip_prefix(folder).unwrap_or(path).display();
        sums += &format!("{digest}  {below}\n");
    }
    Ok((sums, paths.len()))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let written = modes::create_public_file(&path).and_then(|mut file| file.write_all(bytes));
    Ok(written.map_err(StorageError::io("write", &path))?)
}
