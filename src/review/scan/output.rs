//! Reads what a scanner says of files that have numbers for names.

use super::process::{ProcessEnd, ProcessLimit};
use crate::terminal::beginning;

/// The exit code of a scanner that has found nothing (clamscan(1)).
const CLEAN: i32 = 0;
/// The exit code of a scanner that has found something.
const FOUND: i32 = 1;
/// The end of a line of clamscan about a file that it has found something in.
const FOUND_WORD: &str = " FOUND";
/// The longest finding, in bytes.
const MAX_FINDING_BYTES: usize = 500;
/// The longest error, in bytes.
const MAX_ERROR_BYTES: usize = 1000;

/// A file of which a scanner has said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberedFinding {
    /// Its number; `None` if the scanner does not say which file it is.
    pub(super) number: Option<usize>,
    pub(super) finding: String,
}

/// The result of a run of a scanner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ScanVerdict {
    pub(super) found: Vec<NumberedFinding>,
    /// The reason for which the run does not count.
    pub(super) error: Option<String>,
}

/// Reads the end of a scanner that went through the files in `folder`.
pub(super) fn verdict(ended: &ProcessEnd, folder: &str) -> ScanVerdict {
    let mut found = found_files(&ended.stdout, folder);
    let error = match (ended.end, ended.code) {
        (ProcessLimit::TookTooLong, _) => Some("the scanner took too long, and was stopped".to_owned()),
        (ProcessLimit::WroteTooMuch, _) => Some("the scanner wrote more than is read".to_owned()),
        (ProcessLimit::Kept, Some(CLEAN)) => None,
        (ProcessLimit::Kept, Some(FOUND)) => {
            if found.is_empty() {
                found.push(NumberedFinding {
                    number: None,
                    finding: "the scanner does not say in which file".to_owned(),
                });
            }
            None
        }
        (ProcessLimit::Kept, code) => {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("the exit code {code}"));
            let last = ended.stderr.lines().chain(ended.stdout.lines()).rfind(|line| !line.trim().is_empty());
            let last = beginning(last.unwrap_or_default(), MAX_ERROR_BYTES).replace(folder, "");
            Some(format!("the scanner ended with {code}: {last}"))
        }
    };
    ScanVerdict { found, error }
}

/// Returns the files in lines such as `/tmp/x/12: Eicar-Test FOUND`.
fn found_files(output: &str, folder: &str) -> Vec<NumberedFinding> {
    let line = |line: &str| {
        let (path, finding) = line.strip_suffix(FOUND_WORD)?.split_once(": ")?;
        let number = path.strip_prefix(folder).and_then(|rest| rest.trim_start_matches('/').parse().ok());
        let finding = beginning(finding.trim(), MAX_FINDING_BYTES).to_owned();
        Some(NumberedFinding { number, finding })
    };
    output.lines().filter_map(line).collect()
}
