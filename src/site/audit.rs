//! The audit log: JSON lines, each with the digest of the line before it.
//!
//! An event is recorded before it takes effect, so the same event twice in a row means that the first was interrupted. No
//! secrets and no host paths are recorded.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SiteError;
use crate::digest::Sha256;
use crate::time::Time;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
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

/// Appends an event to the log at `path`, and syncs it.
///
/// What an interrupted write left behind the last complete line is cut off first.
pub fn append(path: &Path, event: &str, subject: &str, detail: &str) -> Result<(), SiteError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let (end, last) = last_line(&mut file)?;
        let record = Record {
            event: event.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
            time: Time::now(),
            previous: Sha256::of(&last),
        };
        let line = serde_json::to_string(&record)? + "\n";
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    };
    write().map_err(SiteError::io("write", path))
}

/// Where the last complete line ends, and that line.
fn last_line(file: &mut File) -> io::Result<(u64, Vec<u8>)> {
    const WINDOW: u64 = 64 << 10; // far above the longest line that we write
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(WINDOW);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(WINDOW).read_to_end(&mut tail)?;
    let Some(last_break) = tail.iter().rposition(|&b| b == b'\n') else {
        return Ok((0, Vec::new()));
    };
    let line_start = tail.get(..last_break).and_then(|t| t.iter().rposition(|&b| b == b'\n')).map_or(0, |at| at + 1);
    Ok((start + last_break as u64 + 1, tail.get(line_start..last_break).unwrap_or_default().to_vec()))
}

/// Reads the log at `path` and checks its chain; returns its records, or the number of the first broken line.
pub fn read(path: &Path) -> Result<Vec<Record>, SiteError> {
    let text = match std::fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SiteError::io("read", path))?,
    };
    let mut previous = Sha256::of(b"");
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))) {
        let broken =
            |reason: String| SiteError::Damaged { path: path.to_owned(), reason: format!("line {number}: {reason}") };
        let record: Record = serde_json::from_str(line).map_err(|e| broken(e.to_string()))?;
        if record.previous != previous {
            return Err(broken("it does not follow the line before it".to_owned()));
        }
        previous = Sha256::of(line.as_bytes());
        records.push(record);
    }
    Ok(records)
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
}
