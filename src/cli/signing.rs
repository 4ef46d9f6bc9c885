//! Signatures of persons: with a secret key file, or by ssh-keygen with ssh-agent or a hardware token.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Failure;
use super::passphrase::load_key;
use crate::trust::{KeyKind, TrustError, sign};

/// Signs a text. If `key` is a public key file, ssh-agent signs with the secret half; if it is that of a hardware token, the token
/// does, and asks for a touch. Returns the armored signature, of which nothing is checked.
pub(super) fn sign_text(
    key: &Path,
    passphrase_file: Option<&PathBuf>,
    namespace: &'static str,
    text: &[u8],
) -> Result<String, Failure> {
    match KeyKind::of_file(key)? {
        KeyKind::Secret => Ok(sign(&load_key(key, passphrase_file)?, namespace, text)?),
        KeyKind::Public | KeyKind::Token => by_ssh_keygen(key, namespace, text),
    }
}

/// Lets ssh-keygen sign: it asks ssh-agent or the token, and its user on the terminal.
fn by_ssh_keygen(key: &Path, namespace: &'static str, text: &[u8]) -> Result<String, Failure> {
    let failed = |reason: String| TrustError::NotSigned { key: key.to_owned(), reason };
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", namespace, "-f"]).arg(key);
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("ssh-keygen is not there: install openssh-client".to_owned()),
        _ => failed(error.to_string()),
    })?;
    if let Some(mut input) = child.stdin.take() {
        // If ssh-keygen ends without reading it, its own words are the error.
        let _ = input.write_all(text);
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()).into());
    }
    String::from_utf8(output.stdout).map_err(|_| failed("its signature is not text".to_owned()).into())
}
