//! The scanner: its command, its version, its databases of signatures.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::isolation::ScanIsolation;
use super::process::run_limited;
use crate::digest::Sha256;
use crate::terminal::beginning;

/// The scanner that is known best.
const CLAMSCAN: &str = "clamscan";
/// Its arguments: what it finds alone, and no file passed over since it is large, which by default counts as clean (clamscan(1)).
const CLAMSCAN_ARGUMENTS: [&str; 7] = [
    "--recursive",
    "--infected",
    "--no-summary",
    "--stdout",
    "--alert-exceeds-max=yes",
    "--max-filesize=2000M",
    "--max-scansize=2000M",
];
/// The folder of its databases, where nothing else is said.
const CLAMAV_FOLDER: &str = "/var/lib/clamav";
/// The most files of a folder of databases.
const MAX_DATABASES: usize = 256;
/// The first bytes of a database that names its date (ClamAV's "CVD file format").
const CVD_START: &str = "ClamAV-VDB:";
/// The bytes that have the header of such a database.
const CVD_HEADER_BYTES: u64 = 512;
/// The longest version, in bytes.
const MAX_VERSION_BYTES: usize = 200;
/// The time that a program may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

/// The command of a scanner, without a shell: words between spaces. The folder to scan is its last argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCommand {
    words: Vec<String>,
}

/// A file of signatures. Fields stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ScanDatabase {
    /// The date that it has in its header; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Its file name.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256,
}

impl FromStr for ScanCommand {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() { Err("it names no program") } else { Ok(Self { words }) }
    }
}

impl ScanCommand {
    /// Returns its words, as they were given.
    pub fn text(&self) -> String {
        self.words.join(" ")
    }

    /// Returns the program.
    pub fn program(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns whether the program is there.
    pub fn is_installed(&self) -> bool {
        let program = Path::new(self.program());
        match program.components().count() {
            1 => std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file())),
            _ => program.is_file(),
        }
    }

    fn is_clamscan(&self) -> bool {
        Path::new(self.program()).file_name().is_some_and(|name| name == CLAMSCAN)
    }

    /// Returns the command that scans a folder.
    pub(super) fn scan(&self, folder: &Path, isolation: &ScanIsolation) -> Command {
        let mut command = isolation.command(self.program());
        if self.is_clamscan() {
            command.args(CLAMSCAN_ARGUMENTS);
        }
        command.args(self.words.iter().skip(1)).arg(folder);
        command
    }

    /// Returns the first line of what the program says of its version.
    pub(super) fn version(&self, isolation: &ScanIsolation) -> io::Result<String> {
        let mut command = isolation.command(self.program());
        command.arg("--version");
        let ended = run_limited(command, VERSION_LIMIT)?;
        let line = ended.stdout.lines().next().unwrap_or_default();
        Ok(beginning(line, MAX_VERSION_BYTES).to_owned())
    }

    /// Returns the databases, sorted by name; `None` if the program is none of which it is known where they are.
    pub(super) fn databases(&self) -> io::Result<Option<Vec<ScanDatabase>>> {
        if !self.is_clamscan() {
            return Ok(None);
        }
        let mut named = self.named_databases();
        if named.is_empty() {
            named.push(PathBuf::from(CLAMAV_FOLDER));
        }
        let mut databases = Vec::new();
        for path in named {
            match fs::read_dir(&path) {
                Ok(entries) => {
                    let entries = entries.take(MAX_DATABASES).collect::<io::Result<Vec<_>>>()?;
                    let files = entries.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
                    databases
                        .extend(files.map(|entry| ScanDatabase::read(&entry.path())).collect::<io::Result<Vec<_>>>()?);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => databases.push(ScanDatabase::read(&path)?),
            }
        }
        databases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(databases))
    }

    /// The databases that its arguments name (clamscan(1): `-d FILE/DIR`, `--database=FILE/DIR`).
    fn named_databases(&self) -> Vec<PathBuf> {
        let mut named = Vec::new();
        let mut words = self.words.iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-d" | "--database" => named.extend(words.next().map(PathBuf::from)),
                word => {
                    let value = word.strip_prefix("--database=").or(word.strip_prefix("-d"));
                    named.extend(value.filter(|value| !value.is_empty()).map(PathBuf::from));
                }
            }
        }
        named
    }
}

impl ScanDatabase {
    fn read(path: &Path) -> io::Result<Self> {
        let mut header = Vec::new();
        File::open(path)?.take(CVD_HEADER_BYTES).read_to_end(&mut header)?;
        let header = String::from_utf8_lossy(&header);
        let date = header.strip_prefix(CVD_START).and_then(|rest| rest.split(':').next()).map(str::to_owned);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { date, name, sha256: Sha256::of_reader(&mut File::open(path)?)?.0 })
    }
}
