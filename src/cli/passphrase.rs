//! A key's passphrase: from a file, or asked on a terminal.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::Failure;
use crate::storage::FileError;
use crate::trust::{SecretKey, TrustError};

/// The first line of the file.
pub(super) fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(FileError::on_named::<TrustError>("read", path))?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Asks for a passphrase without showing it; none where there is no terminal.
pub(super) fn ask(prompt: &str) -> Option<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return None;
    }
    rpassword::prompt_password(prompt).ok().map(Zeroizing::new)
}

/// Loads a secret key; if it is encrypted, with the passphrase of the file or of the terminal.
pub(super) fn load_key(key: &Path, file: Option<&PathBuf>) -> Result<SecretKey, Failure> {
    let given = file.map(|path| from_file(path)).transpose()?;
    let prompt = format!("Passphrase of {}: ", key.display());
    Ok(SecretKey::load(key, || given.or_else(|| ask(&prompt)))?)
}
