//! Runs every row through the real gpgv and through us, and compares both with what the row expects.

use std::io::Cursor;

use gapferry::formats::Invalid;
use gapferry::formats::openpgp::{Keyring, verify_clear_signed, verify_detached, verify_detached_file};

use super::gnupg::{Gnupg, GpgvSays};
use super::keys::{Keys, NOW};
use super::{rows_crafted, rows_keys, rows_signatures, rows_text};

/// One message under one keyring at one time.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// As we get it.
    pub(super) keyring: Vec<u8>,
    /// As gpgv gets it, which does not read armor; apt takes the armor off for it.
    pub(super) gpgv_keyring: Option<Vec<u8>>,
    /// Clear-signed, or a detached signature if there is `data`.
    pub(super) message: Vec<u8>,
    pub(super) data: Option<Vec<u8>>,
    pub(super) now: i64,
    pub(super) expect: Expect,
}

/// The two verdicts. Where they differ, the reason is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expect {
    BothAccept,
    BothRefuse,
    /// Both accept; our text is not gpgv's.
    OtherText(&'static str),
    OnlyGpgv(&'static str),
    OnlyUs(&'static str),
}

impl Row {
    pub(super) fn clear(name: &'static str, keyring: &[u8], message: impl Into<Vec<u8>>, expect: Expect) -> Self {
        let (keyring, message) = (keyring.to_vec(), message.into());
        Self { name, keyring, gpgv_keyring: None, message, data: None, now: NOW, expect }
    }

    pub(super) fn detached(
        name: &'static str,
        keyring: &[u8],
        data: &[u8],
        signature: impl Into<Vec<u8>>,
        expect: Expect,
    ) -> Self {
        Self { data: Some(data.to_vec()), ..Self::clear(name, keyring, signature, expect) }
    }

    pub(super) fn at(self, now: i64) -> Self {
        Self { now, ..self }
    }

    fn ask_gpgv(&self, gnupg: &Gnupg) -> GpgvSays {
        let keyring = self.gpgv_keyring.as_ref().unwrap_or(&self.keyring);
        gnupg.gpgv(keyring, &self.message, self.data.as_deref(), self.now)
    }

    /// Our verdict; the text is empty for detached signatures.
    fn ask_us(&self) -> Result<Vec<u8>, Invalid> {
        let keyring = Keyring::parse(&self.keyring)?;
        match &self.data {
            Some(data) => {
                let verdict = verify_detached(data, &self.message, &keyring, self.now);
                let of_file = verify_detached_file(&mut Cursor::new(data), &self.message, &keyring, self.now);
                assert_eq!(verdict.as_ref().ok(), of_file.as_ref().ok(), "{}", self.name);
                verdict.map(|_| Vec::new())
            }
            None => verify_clear_signed(&self.message, &keyring, self.now).map(|verified| verified.text),
        }
    }
}

#[test]
fn our_verdicts_are_gpgv_s_or_differ_on_purpose() {
    let keys = Keys::new();
    let groups =
        [rows_text::rows(&keys), rows_signatures::rows(&keys), rows_keys::rows(&keys), rows_crafted::rows(&keys)];
    let rows: Vec<Row> = groups.into_iter().flatten().collect();
    assert!(rows.len() >= 30);
    let mut wrong = Vec::new();
    for row in &rows {
        let gpgv = row.ask_gpgv(&keys.gnupg);
        let ours = row.ask_us();
        let seen = match (gpgv.accepts, &ours) {
            (true, Ok(text)) if row.data.is_some() || *text == gpgv.text => Expect::BothAccept,
            (true, Ok(_)) => Expect::OtherText(reason(row.expect)),
            (false, Err(_)) => Expect::BothRefuse,
            (true, Err(_)) => Expect::OnlyGpgv(reason(row.expect)),
            (false, Ok(_)) => Expect::OnlyUs(reason(row.expect)),
        };
        let words = gpgv.words.join(" ");
        let line = match &ours {
            Ok(_) => format!("{}: gpgv {words}; ours good; {seen:?}", row.name),
            Err(error) => format!("{}: gpgv {words}; ours: {error}; {seen:?}", row.name),
        };
        eprintln!("{line}");
        if seen != row.expect {
            wrong.push(format!("{line}, but expected {:?}", row.expect));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn reason(expect: Expect) -> &'static str {
    match expect {
        Expect::BothAccept | Expect::BothRefuse => "not expected",
        Expect::OtherText(reason) | Expect::OnlyGpgv(reason) | Expect::OnlyUs(reason) => reason,
    }
}
