//! One run of the Enterprise Store's own program.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::EnterpriseStore;
use crate::storage::{create_new, modes};
use crate::terminal::safe;

/// How much of the program's words is kept, in characters.
const KEPT: usize = 400;

/// Places the export that lies at `blob` and lets the program push it; the error is why not, in words.
///
/// What was placed is removed once the store has taken it. After a failure it stays, for whoever looks into that.
pub(super) fn push(store: &EnterpriseStore, file: &str, blob: &Path) -> Result<(), String> {
    let target = store.folder.join(file);
    place(blob, &target).map_err(|error| format!("cannot place it at {}: {error}", target.display()))?;
    let mut command = Command::new(&store.program);
    command.arg("push-snap").arg(&target).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", store.program.display()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(format!("{} says {}: {}", store.program.display(), output.status, end_of(&said)));
    }
    fs::remove_file(&target).map_err(|error| format!("pushed, but cannot remove {}: {error}", target.display()))
}

/// Copies the blob to where the program reads: under a scratch name first, so that nobody pushes half of it.
fn place(blob: &Path, target: &Path) -> io::Result<()> {
    let scratch = target.with_extension("part");
    let mut file = create_new(&scratch, modes::PUBLIC_FILE)?;
    io::copy(&mut File::open(blob)?, &mut file)?;
    file.sync_all()?;
    fs::rename(&scratch, target)
}

/// The last of what was said, on one line.
fn end_of(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let skip = line.chars().count().saturating_sub(KEPT);
    let line: String = line.chars().skip(skip).collect();
    safe(&line).to_string()
}
