//! The subject of a `report.json`, read as a stream: the report of a million changes is larger than what a reviewer's machine should hold.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Failure;
use crate::digest::{Hashing, Sha256};
use crate::review::{Alarm, AlarmKind};
use crate::storage::{FileError, StorageError};
use crate::trust::{ApprovedDatabase, ApprovedScan};

/// The longest string of a report that is read, in bytes. Texts of manifests and of item lists are far shorter.
const MAX_STRING_BYTES: u64 = 1 << 20;

/// The bundle that a report is on, the digest of the report, and what only volumes could tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportSubject {
    /// Its alarms that need volumes. A site does not compute these again.
    pub(super) alarms: Vec<Alarm>,
    /// The digest of the bundle's manifest.
    pub(super) manifest: Sha256,
    /// The digest of the report.
    pub(super) report: Sha256,
    /// Its scan, as statements have it.
    pub(super) scan: Option<ApprovedScan>,
}

/// The parts of a `report.json` that are read.
#[derive(Deserialize)]
struct ReportHead {
    #[serde(default)]
    alarms: VolumeAlarms,
    bundle: ReportedBundle,
    scan: Option<ReportedScan>,
}

/// The alarms that need volumes; others are passed over while they are read.
#[derive(Default)]
struct VolumeAlarms(Vec<Alarm>);

/// The most alarms that need volumes. A statement has no room for more.
const MAX_VOLUME_ALARMS: usize = 1000;

impl<'de> Deserialize<'de> for VolumeAlarms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AlarmVisitor;
        impl<'de> Visitor<'de> for AlarmVisitor {
            type Value = VolumeAlarms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of alarms")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<VolumeAlarms, A::Error> {
                let mut alarms = Vec::new();
                while let Some(alarm) = list.next_element::<serde_json::Value>()? {
                    let kind = alarm.get("alarm").and_then(serde_json::Value::as_str);
                    if AlarmKind::ALL.iter().any(|known| known.needs_volumes() && Some(known.as_str()) == kind) {
                        alarms.push(serde_json::from_value(alarm).map_err(A::Error::custom)?);
                    }
                    if alarms.len() > MAX_VOLUME_ALARMS {
                        let reason = format!("it has more than {MAX_VOLUME_ALARMS} alarms that need volumes");
                        return Err(A::Error::custom(reason));
                    }
                }
                Ok(VolumeAlarms(alarms))
            }
        }
        deserializer.deserialize_seq(AlarmVisitor)
    }
}

/// The scan in a report, as far as a statement has it.
#[derive(Deserialize)]
struct ReportedScan {
    command: String,
    #[serde(default)]
    databases: Vec<ApprovedDatabase>,
    result: String,
    version: String,
}

impl From<ReportedScan> for ApprovedScan {
    fn from(scan: ReportedScan) -> Self {
        let ReportedScan { command, databases, result, version } = scan;
        Self { databases, result, tool: if version.is_empty() { command } else { version } }
    }
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
        let (alarms, scan) = (head.alarms.0, head.scan.map(ApprovedScan::from));
        Ok(Self { alarms, manifest: head.bundle.manifest, report: report.digest.finish().1, scan })
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
        let (manifest, report) = (Sha256::of(b"manifest"), Sha256::of(text.as_bytes()));
        assert_eq!(subject, ReportSubject { alarms: Vec::new(), manifest, report, scan: None });
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
