//! A gpg with a home of its own, and gpgv's verdict as apt reads it.

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A temporary GNUPGHOME and a place for files.
pub(super) struct Gnupg {
    dir: TempDir,
}

/// What gpgv says of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GpgvSays {
    /// At least one good signature and no bad one: apt's rule (methods/gpgv.cc).
    pub(super) accepts: bool,
    /// The text that it wrote, if it verified clear-signed text.
    pub(super) text: Vec<u8>,
    /// The words of its status lines that tell how each signature fared.
    pub(super) words: Vec<String>,
}

impl Gnupg {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gf").tempdir().expect("temporary folder");
        std::fs::create_dir(dir.path().join("home")).expect("GNUPGHOME");
        let gnupg = Self { dir };
        let home = gnupg.home();
        std::fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
        gnupg
    }

    pub(super) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Writes a file and returns its path.
    pub(super) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).expect("write");
        path
    }

    /// Runs gpg and returns its standard output; fails the test if gpg does.
    pub(super) fn gpg(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.try_gpg(arguments, input);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "gpg {arguments:?}: {errors}");
        output.stdout
    }

    fn try_gpg(&self, arguments: &[&str], input: &[u8]) -> Output {
        self.run(&[&["--batch"], arguments].concat(), input)
    }

    /// Types `commands` into the editor of the key.
    pub(super) fn edit(&self, fingerprint: &str, commands: &str) {
        self.dialogue(&["--edit-key", fingerprint], commands);
    }

    /// Runs gpg with `answers` to its questions, and returns its standard output.
    pub(super) fn dialogue(&self, arguments: &[&str], answers: &str) -> Vec<u8> {
        let output = self.run(&[&["--command-fd", "0"], arguments].concat(), answers.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let input = self.file("input", input);
        Command::new("gpg")
            .args(["--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(["--no-auto-check-trustdb", "--trust-model", "always", "--homedir"])
            .arg(self.home())
            .args(arguments)
            .stdin(std::fs::File::open(input).expect("input"))
            .output()
            .expect("run gpg (Debian package gnupg)")
    }

    /// Runs gpgv at the faked time `now` over clear-signed text, or over `data` with a detached signature.
    pub(super) fn gpgv(&self, keyring: &[u8], message: &[u8], data: Option<&[u8]>, now: i64) -> GpgvSays {
        let out = self.dir.path().join("out");
        let _ = std::fs::remove_file(&out);
        let keyring = self.file("keyring.gpg", keyring);
        let message = self.file("message", message);
        let mut command = Command::new("faketime");
        command.arg(format!("@{now}")).args(["gpgv", "--status-fd", "1", "--homedir"]).arg(self.home());
        command.arg("--keyring").arg(keyring);
        match data {
            Some(data) => command.arg(message).arg(self.file("data", data)),
            None => command.arg("--output").arg(&out).arg(message),
        };
        let output = command.output().expect("run faketime (Debian package faketime)");
        says(&output.stdout, std::fs::read(out).unwrap_or_default())
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.home()).args(["--kill", "all"]).output();
    }
}

fn says(status: &[u8], text: Vec<u8>) -> GpgvSays {
    const TOLD: [&str; 8] = ["GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "NODATA"];
    let status = String::from_utf8_lossy(status);
    let words: Vec<String> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] ")?.split(' ').next())
        .filter(|word| TOLD.contains(word))
        .map(str::to_owned)
        .collect();
    // apt counts no signature with MD5, SHA-1 or RIPEMD-160, though gpgv calls it good; VALIDSIG tells the digest.
    let weak = ["1", "2", "3"];
    let strong = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] VALIDSIG "))
        .any(|line| line.split(' ').nth(7).is_some_and(|digest| !weak.contains(&digest)));
    let has = |word: &str| words.iter().any(|told| told == word);
    GpgvSays { accepts: has("GOODSIG") && strong && !has("BADSIG") && !has("NODATA"), text, words }
}
