//! The key that reprepro signs with, by way of gpg: the site's own in a private folder for the time of one run, or the
//! operator's where site.toml names it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde::{Deserialize, Serialize};

use super::PublishError;
use super::program::{Program, end_of};
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::openpgp::{Keyring, SiteKey};
use crate::storage::FileError;

/// `[reprepro]` in `site.toml`: a key of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepreproKey {
    /// The key's whole fingerprint, in hexadecimal.
    pub sign_with: String,
    /// gpg's folder that has the secret key, as an absolute path.
    pub gnupg_home: PathBuf,
}

impl RepreproKey {
    /// Refuses what gpg could take for something else.
    pub(in crate::site) fn check(&self) -> Result<(), String> {
        let hexadecimal = self.sign_with.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !matches!(self.sign_with.len(), 40 | 64) || !hexadecimal {
            return Err("sign-with of [reprepro] must be a whole fingerprint: 40 hexadecimal digits".to_owned());
        }
        if !self.gnupg_home.is_absolute() {
            return Err("gnupg-home of [reprepro] must be an absolute path".to_owned());
        }
        Ok(())
    }
}

/// A key that is ready to sign.
#[derive(Debug)]
pub(super) struct ReadyKey {
    /// Its fingerprint.
    pub(super) fingerprint: String,
    /// gpg's folder.
    pub(super) home: PathBuf,
    /// Who checks what it signs.
    pub(super) keyring: Keyring,
    /// Its public half, where it is not the site's key.
    pub(super) public: Option<Vec<u8>>,
    /// Ends the agent and removes the secret when it goes.
    _private: Option<Private>,
}

impl ReadyKey {
    /// Makes the key ready: the operator's, or else the site's.
    pub(super) fn prepare(base: &Path, site: &SiteKey, own: Option<&RepreproKey>) -> Result<Self, PublishError> {
        match own {
            Some(own) => Self::operators(base, own),
            None => Self::sites(base, site),
        }
    }

    fn sites(base: &Path, key: &SiteKey) -> Result<Self, PublishError> {
        let fingerprint = key.fingerprint();
        let private = Private::make(base)?;
        let home = private.home.clone();
        let keyring = key.public_binary().and_then(|bytes| Keyring::parse(&bytes));
        let keyring = keyring.map_err(bad_key(&fingerprint, &home))?;
        let secret = key.to_bytes().map_err(bad_key(&fingerprint, &home))?;
        let gpg = Program::gpg(base, &home);
        let output = gpg.output(&["--batch", "--no-tty", "--import"], &secret)?;
        if !output.status.success() {
            return Err(no_key(&fingerprint, &home, &output).into());
        }
        Ok(Self { fingerprint, home, keyring, public: None, _private: Some(private) })
    }

    fn operators(base: &Path, own: &RepreproKey) -> Result<Self, PublishError> {
        let (fingerprint, home) = (own.sign_with.to_uppercase(), own.gnupg_home.clone());
        let gpg = Program::gpg(base, &home);
        let listed = gpg.output(&["--batch", "--no-tty", "--with-colons", "--list-secret-keys", &fingerprint], &[])?;
        if !listed.status.success() {
            return Err(no_key(&fingerprint, &home, &listed).into());
        }
        let public = gpg.run("--export", &["--batch", "--no-tty", "--export", &fingerprint])?;
        let keyring = Keyring::parse(&public).map_err(bad_key(&fingerprint, &home))?;
        Ok(Self { fingerprint, home, keyring, public: Some(public), _private: None })
    }
}

fn no_key(fingerprint: &str, home: &Path, output: &Output) -> Fault {
    let (home, end) = (home.display(), end_of(output));
    Fault::usage(format!(
        "{home} has no secret key {fingerprint} to sign with ({end}): bring it there with `gpg --homedir {home} --import FILE`, or \
         change [reprepro] in site.toml, then run the same again"
    ))
}

/// For `map_err`: the key cannot be used.
pub(super) fn bad_key(fingerprint: &str, home: &Path) -> impl Fn(Invalid) -> Fault {
    move |error| {
        let home = home.display();
        Fault::usage(format!("the key {fingerprint} in {home} is none that clients could check with")).because(error)
    }
}

/// A folder for gpg that nobody else may look into, and that goes with its agent and its secret.
#[derive(Debug)]
struct Private {
    base: PathBuf,
    home: PathBuf,
}

impl Private {
    /// Over what a killed run left.
    fn make(base: &Path) -> Result<Self, PublishError> {
        let private = Self { base: base.to_owned(), home: base.join("gnupg") };
        private.clear()?;
        DirBuilder::new()
            .mode(0o700)
            .create(&private.home)
            .map_err(FileError::on::<FileError>("create", &private.home))?;
        Ok(private)
    }

    fn clear(&self) -> Result<(), PublishError> {
        if !self.home.exists() {
            return Ok(());
        }
        // An agent that does not listen ends by itself when its folder goes.
        let _ = Program::gpgconf(&self.base, &self.home).output(&["--kill", "all"], &[]);
        match fs::remove_dir_all(&self.home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", &self.home)(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = self.clear(); // the next run clears it, too
    }
}
