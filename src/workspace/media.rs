//! Which volumes of a bundle went to which medium.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Workspace;
use crate::digest::Sha256;
use crate::media::{MediaJournal, Register};
use crate::storage::{StorageError, audit, modes, write_atomically};

impl MediaJournal for Workspace {
    fn media(&self, bundle: &str, manifest: &Sha256) -> Result<Register, StorageError> {
        Self::media_of(&self.root, bundle, manifest)
    }

    fn note_media(&self, bundle: &str, register: &Register) -> Result<(), StorageError> {
        let path = path(&self.root, bundle);
        let folder = self.root.join("media");
        modes::create_public_folders(&folder).map_err(StorageError::io("create", &folder))?;
        let text = serde_json::to_string_pretty(register).map_err(StorageError::damaged(&path))?;
        write_atomically(&path, format!("{text}\n").as_bytes(), 0o644)
    }

    fn log_medium(&self, event: &str, bundle: &str, detail: &str) -> Result<(), StorageError> {
        audit::append(&self.root.join("audit.jsonl"), event, bundle, detail)
    }
}

impl Workspace {
    /// Returns the media of the bundle, from a workspace that is not open and need not be there.
    pub fn media_of(root: &Path, bundle: &str, manifest: &Sha256) -> Result<Register, StorageError> {
        let path = path(root, bundle);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Register::new(*manifest)),
            other => other.map_err(StorageError::io("read", &path))?,
        };
        let register: Register = serde_json::from_slice(&bytes).map_err(StorageError::damaged(&path))?;
        Ok(if register.manifest == *manifest { register } else { Register::new(*manifest) })
    }

    /// Remembers that these volumes of the bundle were made again: those on media are lost or damaged.
    pub fn note_made_again(
        &self,
        bundle: &str,
        manifest: &Sha256,
        files: &BTreeSet<String>,
    ) -> Result<(), StorageError> {
        let mut register = self.media(bundle, manifest)?;
        for entry in &mut register.media {
            entry.files.retain(|file| !files.contains(file));
        }
        register.made_again.extend(files.iter().cloned());
        self.note_media(bundle, &register)
    }
}

fn path(root: &Path, bundle: &str) -> PathBuf {
    root.join("media").join(format!("{bundle}.json"))
}
