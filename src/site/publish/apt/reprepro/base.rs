//! The base folder: what is configured there, and which files its pool has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::PublishError;
use super::program::Program;
use super::program::unreadable;
use super::wanted::not_for_reprepro;
use super::wanted::{WantedSuite, is_line, plain};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::storage::FileError;
use crate::storage::remove_file_if_there;

/// A base folder with the program that works in it.
#[derive(Debug)]
pub(super) struct BaseFolder {
    /// Its absolute path.
    pub(super) folder: PathBuf,
    /// reprepro over it.
    pub(super) reprepro: Program,
}

/// What reprepro's pool has: path → digest.
pub(super) type PoolDigests = BTreeMap<String, Sha256>;

impl BaseFolder {
    /// Writes `conf/`; whether what packages do not say of themselves has changed comes back, by suite.
    pub(super) fn configure(&self, suites: &[WantedSuite], fingerprint: &str) -> Result<Vec<bool>, PublishError> {
        let conf = self.folder.join("conf");
        fs::create_dir_all(&conf).map_err(FileError::on::<FileError>("create", &conf))?;
        let mut changed = Vec::new();
        let mut distributions = String::from("# Written by gapferry; changes are lost.\n");
        for (number, suite) in suites.iter().enumerate() {
            let file = format!("override.{number}");
            distributions += &distribution(suite, fingerprint, &file)?;
            let path = conf.join(file);
            let text = overrides(suite);
            changed.push(fs::read_to_string(&path).is_ok_and(|old| old != text));
            write(&path, &text)?;
        }
        write(&conf.join("distributions"), &distributions)?;
        Ok(changed)
    }

    /// What reprepro knows of its pool.
    pub(super) fn pool(&self) -> Result<PoolDigests, PublishError> {
        const WHAT: &str = "_listchecksums";
        let text = self.reprepro.run(WHAT, &[WHAT])?;
        let line = |line: &str| {
            // PATH :1:SHA1 :2:SHA256 MD5 SIZE
            let mut words = line.split(' ');
            let path = words.next()?.to_owned();
            let sha256 = words.find_map(|word| word.strip_prefix(":2:"))?;
            Some((path, sha256.parse().ok()?))
        };
        let text = String::from_utf8_lossy(&text);
        text.lines().map(|text| line(text).ok_or_else(|| unreadable(&format!("reprepro {WHAT}"), text))).collect()
    }

    /// Lets the pool and the depot share the bytes of these files: reprepro copies what it includes.
    pub(super) fn share<'f>(
        &self,
        files: impl Iterator<Item = (&'f String, &'f Sha256)>,
        depot: &Depot,
    ) -> Result<(), PublishError> {
        let scratch = self.folder.join("incoming/shared");
        for (path, digest) in files {
            let Some(blob) = depot.local_file(digest) else { continue };
            let path = self.folder.join(path);
            let inode = |path: &Path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
            if inode(&path) == inode(&blob) || inode(&path).is_none() || inode(&blob).is_none() {
                continue;
            }
            remove_file(&scratch)?;
            // Where they are on different file systems, each has its copy.
            if fs::hard_link(&blob, &scratch).is_ok() {
                fs::rename(&scratch, &path).map_err(FileError::on::<FileError>("rename", &scratch))?;
            }
        }
        Ok(())
    }
}

fn distribution(suite: &WantedSuite, fingerprint: &str, overrides: &str) -> Result<String, Fault> {
    plain("the suite", &suite.name)?;
    let release = &suite.release;
    let mut text = format!("\nCodename: {}\n", suite.name);
    let said = [
        ("Suite", &release.suite),
        ("Origin", &release.origin),
        ("Label", &release.label),
        ("Version", &release.version),
        ("Description", &release.description),
    ];
    for (field, value) in said {
        let Some(value) = value else { continue };
        if !is_line(value) {
            return Err(not_for_reprepro(field, value));
        }
        let _ = writeln!(text, "{field}: {value}"); // writing to a String cannot fail
    }
    for (field, set) in
        [("NotAutomatic", release.not_automatic), ("ButAutomaticUpgrades", release.but_automatic_upgrades)]
    {
        if set {
            let _ = writeln!(text, "{field}: yes");
        }
    }
    for (what, words) in [("the architectures", &release.architectures), ("the components", &release.components)] {
        if words.is_empty() {
            return Err(not_for_reprepro(what, ""));
        }
    }
    let source = if suite.targets.keys().any(super::wanted::IndexTarget::is_source) { " source" } else { "" };
    let _ = write!(
        text,
        "Architectures: {}{source}\nComponents: {}\nSignWith: {fingerprint}\nDebIndices: Packages Release . .gz .xz\n\
         DscIndices: Sources Release . .gz .xz\nDebOverride: {overrides}\n",
        release.architectures.join(" "),
        release.components.join(" "),
    );
    Ok(text)
}

fn overrides(suite: &WantedSuite) -> String {
    let line = |name: &String, (field, value): &(&str, String)| format!("{name}\t{field}\t{value}\n");
    suite.overrides.iter().flat_map(|(name, fields)| fields.iter().map(move |field| line(name, field))).collect()
}

fn write(path: &Path, text: &str) -> Result<(), FileError> {
    fs::write(path, text).map_err(FileError::on("write", path))
}

/// Removes a file; none there is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), FileError> {
    remove_file_if_there(path).map_err(FileError::on("remove", path))
}

/// Removes a folder with all that is in it; none there is fine.
pub(super) fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", path)(error)),
        _ => Ok(()),
    }
}
