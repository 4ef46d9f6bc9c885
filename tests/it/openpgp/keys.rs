//! Keys of every kind, made by the real gpg at fixed times.

use super::gnupg::Gnupg;

/// Seconds in a day.
pub(super) const DAY: i64 = 86_400;
/// When keys are made, in Unix seconds.
pub(super) const BORN: i64 = 1_600_000_000;
/// When messages are signed, unless a row says otherwise.
pub(super) const SIGNED: i64 = BORN + 10 * DAY;
/// When messages are verified, unless a row says otherwise.
pub(super) const NOW: i64 = BORN + 100 * DAY;

/// A gpg with keys, and short ways to use it.
pub(super) struct Keys {
    pub(super) gnupg: Gnupg,
    /// Plain Ed25519 keys.
    pub(super) alice: String,
    pub(super) bob: String,
    /// RSA of 2048 bits: takes weak hashes, which Ed25519 does not.
    pub(super) rsa: String,
}

impl Keys {
    pub(super) fn new() -> Self {
        let gnupg = Gnupg::new();
        let none = String::new();
        let mut keys = Self { gnupg, alice: none.clone(), bob: none.clone(), rsa: none };
        keys.alice = keys.make("alice", "ed25519", "sign", "never");
        keys.bob = keys.make("bob", "ed25519", "sign", "never");
        keys.rsa = keys.make("rsa", "rsa2048", "sign", "never");
        keys
    }

    /// Runs gpg at the faked time `at`.
    pub(super) fn gpg_at(&self, at: i64, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let time = format!("{at}!");
        self.gnupg.gpg(&[&["--faked-system-time", time.as_str()], arguments].concat(), input)
    }

    /// Makes a key at [`BORN`] and returns its fingerprint.
    pub(super) fn make(&self, name: &str, algorithm: &str, usage: &str, expires: &str) -> String {
        self.make_with(&[], name, algorithm, usage, expires)
    }

    pub(super) fn make_with(
        &self,
        options: &[&str],
        name: &str,
        algorithm: &str,
        usage: &str,
        expires: &str,
    ) -> String {
        let command = ["--status-fd", "1", "--quick-gen-key", name, algorithm, usage, expires];
        let status = String::from_utf8(self.gpg_at(BORN, &[options, &command].concat(), b"")).expect("status");
        let created = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] KEY_CREATED P "));
        created.unwrap_or_else(|| panic!("no key: {status}")).trim().to_owned()
    }

    /// Adds a subkey at [`BORN`].
    pub(super) fn add_subkey(&self, primary: &str, algorithm: &str, usage: &str, expires: &str) {
        self.gpg_at(BORN, &["--quick-add-key", primary, algorithm, usage, expires], b"");
    }

    /// A certificate-only primary key with one signing subkey.
    pub(super) fn make_with_subkey(&self, name: &str, expires: &str) -> String {
        let primary = self.make(name, "ed25519", "cert", "never");
        self.add_subkey(&primary, "ed25519", "sign", expires);
        primary
    }

    /// Revokes the whole key with the certificate that gpg made for it.
    pub(super) fn revoke(&self, fingerprint: &str) {
        let certificate = self.gnupg.home().join(format!("openpgp-revocs.d/{fingerprint}.rev"));
        let certificate = std::fs::read_to_string(certificate).expect("revocation certificate");
        self.gnupg.gpg(&["--import"], certificate.replace(":-----", "-----").as_bytes());
    }

    /// The public certificates, one after the other.
    pub(super) fn ring(&self, fingerprints: &[&str]) -> Vec<u8> {
        fingerprints.iter().flat_map(|fingerprint| self.gnupg.gpg(&["--export", fingerprint], b"")).collect()
    }

    /// Clear-signs at [`SIGNED`].
    pub(super) fn clear(&self, who: &[&str], text: &str) -> String {
        self.clear_with(who, text, SIGNED, &[])
    }

    pub(super) fn clear_with(&self, who: &[&str], text: &str, at: i64, options: &[&str]) -> String {
        let users: Vec<&str> = who.iter().flat_map(|who| ["--local-user", *who]).collect();
        let arguments = [options, users.as_slice(), &["--clearsign"]].concat();
        String::from_utf8(self.gpg_at(at, &arguments, text.as_bytes())).expect("UTF-8")
    }

    /// A detached binary signature made at [`SIGNED`].
    pub(super) fn detach(&self, who: &str, data: &[u8], options: &[&str]) -> Vec<u8> {
        self.detach_at(who, data, SIGNED, options)
    }

    pub(super) fn detach_at(&self, who: &str, data: &[u8], at: i64, options: &[&str]) -> Vec<u8> {
        self.gpg_at(at, &[options, &["--local-user", who, "--detach-sign"]].concat(), data)
    }
}
