//! A scan of many packages: their files are collected in a scratch folder, and scanned whenever that has enough of them.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::command::ScanCommand;
use super::isolation::ScanIsolation;
use super::output::verdict;
use super::process::run_limited;
use super::report::{FoundInBlob, ScanFacts};
use crate::digest::Sha256;

/// The most bytes in the scratch folder, but for the last file.
const MAX_BATCH_BYTES: u64 = 1 << 30;
/// The most files in the scratch folder.
const MAX_BATCH_FILES: usize = 20_000;
/// The largest file that is scanned: clamscan takes none of 2 GiB.
const MAX_FILE_BYTES: u64 = 2000 << 20;
/// The most findings that are kept.
const MAX_FINDINGS: usize = 10_000;
/// The most errors that are kept.
const MAX_ERRORS: usize = 20;

/// A file in the scratch folder: the table from numbers back to names.
#[derive(Clone, Debug)]
struct ScratchFile {
    blob: Sha256,
    path: String,
}

/// A scan that is going on.
#[derive(Debug)]
pub(in crate::review) struct ScanSession {
    command: ScanCommand,
    isolation: ScanIsolation,
    limit: Duration,
    folder: TempDir,
    /// The files in the folder; each one's name is its place here.
    files: Vec<ScratchFile>,
    bytes: u64,
    findings: usize,
    facts: ScanFacts,
}

impl ScanSession {
    /// Starts a scan. `limit` is the time that one run of the scanner may take.
    pub(in crate::review) fn start(command: ScanCommand, limit: Duration, scratch: &Path) -> io::Result<Self> {
        let isolation = ScanIsolation::find();
        let version = command.version(&isolation)?;
        let databases = command.databases()?;
        let folder = tempfile::Builder::new().prefix("gapferry-scan-").tempdir_in(scratch)?;
        // The scanner may run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let facts = ScanFacts {
            bytes: 0,
            command: command.text(),
            databases,
            errors: Vec::new(),
            files: 0,
            found: HashMap::new(),
            isolation: isolation.clone(),
            not_scanned: HashMap::new(),
            scanned: Default::default(),
            version,
        };
        Ok(Self { command, isolation, limit, folder, files: Vec::new(), bytes: 0, findings: 0, facts })
    }

    /// Takes a file of a package, and returns it as it was written; `None` if it is too large to be scanned. `path` is only remembered.
    pub(in crate::review) fn add(
        &mut self,
        blob: &Sha256,
        path: &str,
        content: &mut dyn Read,
    ) -> io::Result<Option<File>> {
        if self.files.len() >= MAX_BATCH_FILES || self.bytes >= MAX_BATCH_BYTES {
            self.scan()?;
        }
        let target = self.place(self.files.len());
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&target)?;
        let written = io::copy(&mut content.take(MAX_FILE_BYTES + 1), &mut file)?;
        if written > MAX_FILE_BYTES {
            fs::remove_file(&target)?;
            self.leave_out(blob, format!("{path} is larger than the {MAX_FILE_BYTES} bytes that are scanned"));
            return Ok(None);
        }
        self.files.push(ScratchFile { blob: *blob, path: path.to_owned() });
        self.bytes += written;
        self.facts.files += 1;
        self.facts.bytes += written;
        io::Seek::rewind(&mut file)?;
        Ok(Some(file))
    }

    /// Takes note that all of a package has been taken.
    pub(in crate::review) fn end_package(&mut self, blob: &Sha256) {
        self.facts.scanned.insert(*blob);
    }

    /// Takes note that a package, or a part of it, is not scanned.
    pub(in crate::review) fn leave_out(&mut self, blob: &Sha256, why: String) {
        self.facts.not_scanned.entry(*blob).or_insert(why);
    }

    /// Scans what is left, and returns what was found.
    pub(in crate::review) fn finish(mut self) -> io::Result<ScanFacts> {
        self.scan()?;
        Ok(self.facts)
    }

    fn place(&self, number: usize) -> PathBuf {
        self.folder.path().join(number.to_string())
    }

    /// Scans the files in the scratch folder, and removes them.
    fn scan(&mut self) -> io::Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        let command = self.command.scan(self.folder.path(), &self.isolation);
        let ended = run_limited(command, self.limit)?;
        let verdict = verdict(&ended, &self.folder.path().to_string_lossy());
        for found in verdict.found.into_iter().take(MAX_FINDINGS.saturating_sub(self.findings)) {
            self.findings += 1;
            let file = found.number.and_then(|number| self.files.get(number));
            let path = file.map(|file| file.path.clone()).unwrap_or_default();
            let blob = file.map(|file| file.blob);
            self.facts.found.entry(blob).or_default().push(FoundInBlob { path, finding: found.finding });
        }
        self.facts.errors.extend(verdict.error.filter(|_| self.facts.errors.len() < MAX_ERRORS));
        for number in 0..self.files.len() {
            fs::remove_file(self.place(number))?;
        }
        self.files.clear();
        self.bytes = 0;
        Ok(())
    }
}
