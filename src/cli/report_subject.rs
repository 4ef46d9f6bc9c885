//! The subject of a `report.json`, read as a stream: the report of a million changes is larger than what a reviewer's machine should hold.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::error::Failure;
use crate::digest::{Hashing, Sha256};
use crate::storage::{FileError, StorageError};

/// The longest string of a report that is read, in bytes. Texts of manifests and of item lists are far shorter.
const MAX_STRING_BYTES: u64 = 1 << 20;

/// The bundle that a report is on, and the digest of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReportSubject {
    /// The digest of the bundle's manifest.
    pub(super) manifest: Sha256,
    /// The digest of the report.
    pub(super) report: Sha256,
}

/// The part of a `report.json` that says which bundle it is on.
#[derive(Deserialize)]
struct ReportHead {
    bundle: ReportedBundle,
}

#[derive(Deserialize)]
struct ReportedBundle {
    manifest: Sha256,
}

impl ReportSubject {
    /// Reads the `report.json` at `path`, which the operator named. Memory does not grow with the report.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let in_file = |source| FileError::on_named::<StorageError>("read", path)(source);
        Self::parse(File::open(path).map_err(in_file)?).map_err(|error| match error.io_error_kind() {
            Some(kind) if kind != io::ErrorKind::InvalidData => in_file(error.into()).into(),
            _ => Failure::usage(format_args!("{} is not a report.json: {error}", path.display())),
        })
    }

    fn parse(from: impl Read) -> serde_json::Result<Self> {
        let mut report = ReportBytes { from, digest: Hashing::new(()), at: StringPlace::Outside };
        // Nothing but white space may follow the object, and is read too, so the digest is that of the whole file.
        let head: ReportHead = serde_json::from_reader(BufReader::new(&mut report))?;
        Ok(Self { manifest: head.bundle.manifest, report: report.digest.finish().1 })
    }
}

/// The place of the next byte.
#[derive(Clone, Copy)]
enum StringPlace {
    Outside,
    /// In a string, of which so many bytes were read.
    InString(u64),
    /// In a string behind a backslash.
    Escaped(u64),
}

/// Computes the digest of what is read, and fails at a string that is too long: the parser holds one string at a time.
struct ReportBytes<R> {
    from: R,
    digest: Hashing<()>,
    at: StringPlace,
}

impl<R: Read> Read for ReportBytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        let bytes = buffer.get(..length).unwrap_or_default();
        self.digest.absorb(bytes);
        for byte in bytes {
            self.at = match (self.at, byte) {
                (StringPlace::Outside, b'"') => StringPlace::InString(0),
                (StringPlace::InString(_), b'"') | (StringPlace::Outside, _) => StringPlace::Outside,
                (StringPlace::InString(MAX_STRING_BYTES..), _) => {
                    let reason = format!("it has a string of more than {MAX_STRING_BYTES} bytes");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
                (StringPlace::InString(length), b'\\') => StringPlace::Escaped(length + 1),
                (StringPlace::InString(length) | StringPlace::Escaped(length), _) => StringPlace::InString(length + 1),
            };
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> String {
        Sha256::of(b"manifest").to_hex()
    }

    #[test]
    fn reads_the_digests_of_a_report() {
        let text = format!(
            "{{\"alarms\": [{{\"a\": \"\\\"\\\\\"}}], \"bundle\": {{\"manifest\": \"{}\", \"x\": 1}}}}\n",
            manifest()
        );
        let subject = ReportSubject::parse(text.as_bytes()).unwrap();
        assert_eq!(subject, ReportSubject { manifest: Sha256::of(b"manifest"), report: Sha256::of(text.as_bytes()) });
        for wrong in ["", "{}", "[]", &format!("{text}{{"), &text.replace("\"manifest\"", "\"manifesto\"")] {
            assert!(ReportSubject::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn refuses_strings_without_an_end() {
        let long = "\\\"".repeat(MAX_STRING_BYTES as usize);
        for text in [format!("{{\"{long}"), format!("{{\"alarms\": \"{long}"), "{\"".to_owned() + &"x".repeat(2 << 20)]
        {
            let error = ReportSubject::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("a string of more than"), "{error}");
        }
    }
}
