//! The audit log: JSON lines, each with the digest of the line before it.
//!
//! An event is recorded before it takes effect, so the same event twice in a row means that the first was interrupted. No
//! secrets and no host paths are recorded.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StorageError;
use crate::digest::Sha256;
use crate::terminal::beginning;
use crate::time::Time;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// What is being done, such as `publish`.
    pub event: String,
    /// To what, such as `dc1-base-000042`.
    pub subject: String,
    /// More about it, such as a reason or a digest.
    pub detail: String,
    /// When.
    pub time: Time,
    /// Digest of the line before, without its line break; of nothing for the first.
    pub previous: Sha256,
}

/// The most bytes of a detail that are recorded: a list of thousands of volumes is cut, so that a line stays readable.
const MAX_DETAIL_BYTES: usize = 8 << 10;

/// Appends an event to the log at `path`, and syncs it. Cuts a detail above 8 KiB, and records how much was cut.
///
/// Cuts off what an interrupted write left behind the last complete line; complete lines are never touched.
pub fn append(path: &Path, event: &str, subject: &str, detail: &str) -> Result<(), StorageError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let (end, last) = last_line(&mut file)?;
        let record = AuditRecord {
            event: event.to_owned(),
            subject: subject.to_owned(),
            detail: bounded(detail),
            time: Time::now(),
            previous: Sha256::of(&last),
        };
        let line = serde_json::to_string(&record)? + "\n";
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    };
    write().map_err(StorageError::io("write", path))
}

fn bounded(detail: &str) -> String {
    let kept = beginning(detail, MAX_DETAIL_BYTES);
    match detail.get(kept.len()..).unwrap_or_default() {
        "" => detail.to_owned(),
        rest => format!("{kept} … ({} more bytes)", rest.len()),
    }
}

/// Returns the end of the last complete line, and that line. Reads backwards until it has both of the line's ends, however
/// long the line is.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    const WINDOW: u64 = 64 << 10;
    let length = file.seek(SeekFrom::End(0))?;
    let mut window = WINDOW;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(length - start).read_to_end(&mut tail)?;
        let mut breaks = tail.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        let (last, before) = (breaks.next(), breaks.next());
        match (last, before) {
            (Some(last), Some(before)) => return Ok(ended(start, &tail, before + 1, last)),
            (Some(last), None) if start == 0 => return Ok(ended(start, &tail, 0, last)),
            (None, _) if start == 0 => return Ok((0, Vec::new())),
            _ => window = window.saturating_mul(2),
        }
    }
}

fn ended(start: u64, tail: &[u8], from: usize, line_break: usize) -> (u64, Vec<u8>) {
    (start + line_break as u64 + 1, tail.get(from..line_break).unwrap_or_default().to_vec())
}

/// A log whose chain holds.
#[derive(Clone, Debug)]
pub struct AuditChain {
    /// Its records, in order.
    pub records: Vec<AuditRecord>,
    /// The digest of the last line, without its line break; of nothing if there is none.
    pub head: Sha256,
}

impl AuditChain {
    /// Returns the digest of line `count`, counted from 1: the head that the log had when it had so many records. Returns `None` if it
    /// has fewer.
    pub fn head_at(&self, count: usize) -> Option<Sha256> {
        match self.records.get(count) {
            Some(next) => Some(next.previous),
            None => (count == self.records.len()).then_some(self.head),
        }
    }
}

/// Reads the log at `path` and checks its chain; returns its records, or the number of the first broken line.
pub fn read(path: &Path) -> Result<Vec<AuditRecord>, StorageError> {
    Ok(read_chain(path)?.records)
}

/// Does the same, and returns the head of the chain too.
pub fn read_chain(path: &Path) -> Result<AuditChain, StorageError> {
    let text = match std::fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(StorageError::io("read", path))?,
    };
    parse_chain(&text, path)
}

/// Checks the chain of a log's text, which was read from `path`.
pub fn parse_chain(text: &str, path: &Path) -> Result<AuditChain, StorageError> {
    let mut head = Sha256::of(b"");
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))) {
        let broken = |reason: String| StorageError::Damaged {
            path: path.to_owned(),
            reason: format!("line {number}: {reason}"),
        };
        let record: AuditRecord = serde_json::from_str(line).map_err(|e| broken(e.to_string()))?;
        if record.previous != head {
            return Err(broken("it does not follow the line before it".to_owned()));
        }
        head = Sha256::of(line.as_bytes());
        records.push(record);
    }
    Ok(AuditChain { records, head })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_holds_survives_a_torn_write_and_shows_an_edit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        append(&path, "init", "dc1", "").unwrap();
        append(&path, "import", "dc1-base-000001", "first").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"torn").unwrap();
        append(&path, "import", "dc1-base-000002", "second").unwrap();
        let events: Vec<_> = read(&path).unwrap().into_iter().map(|r| r.detail).collect();
        assert_eq!(events, ["", "first", "second"]);

        let edited = std::fs::read_to_string(&path).unwrap().replace("first", "fir5t");
        std::fs::write(&path, edited).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 3"));
    }

    #[test]
    fn details_are_bounded_at_a_character() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        append(&path, "import", "dc1-base-000001", &"ü".repeat(100_000)).unwrap();
        append(&path, "import", "dc1-base-000002", "second").unwrap();
        let records = read(&path).unwrap();
        assert!(records[0].detail.len() < MAX_DETAIL_BYTES + 100);
        assert!(records[0].detail.ends_with(&format!("ü … ({} more bytes)", 200_000 - MAX_DETAIL_BYTES)));
    }

    /// Lines of this length were written before details were bounded, and a subject is as long as a name on disk.
    #[test]
    fn the_chain_goes_on_after_a_long_line_and_a_torn_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        append(&path, "init", "dc1", "").unwrap();
        append(&path, "import", &"x".repeat(200_000), "long").unwrap();
        append(&path, "import", "dc1-base-000002", "after").unwrap();
        append(&path, "import", &"y".repeat(70_000), "last").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[b'z'; 100_000]).unwrap();
        append(&path, "gc", "dc1", "end").unwrap();
        let details: Vec<_> = read(&path).unwrap().into_iter().map(|record| record.detail).collect();
        assert_eq!(details, ["", "long", "after", "last", "end"]);
    }
}
