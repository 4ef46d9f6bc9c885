//! The lock that a killed reprepro leaves behind.
//!
//! reprepro refuses its database while `db/lockfile` is there, whoever made it. We hold the site's lock, so none of ours is at
//! work; what is left to ask is whether someone else's is, or one that outlived a gapferry that was killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error_class::Fault;

/// How long a reprepro may take to end that outlived its gapferry.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until no living process works in the base folder, and says whether one has left its lock.
pub(super) fn is_left(base: &Path) -> Result<bool, Fault> {
    let since = Instant::now();
    while let Some(pid) = holder(base) {
        if since.elapsed() > PATIENCE {
            return Err(Fault::failed(format!(
                "{} is in use by the process {pid}: wait until it is done, then run the same again",
                base.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(is_locked(base))
}

fn is_locked(base: &Path) -> bool {
    base.join("db/lockfile").symlink_metadata().is_ok()
}

/// A living process that has a file of the database open, or that is a reprepro over this base folder.
fn holder(base: &Path) -> Option<u32> {
    let database = base.join("db");
    let database = fs::canonicalize(&database).unwrap_or(database);
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id()).find(|pid| holds(*pid, &database, base))
}

fn holds(pid: u32, database: &Path, base: &Path) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    // One that has ended, and that its parent has not asked for yet, has none.
    let Some(arguments) = fs::read(process.join("cmdline")).ok().filter(|line| !line.is_empty()) else { return false };
    let is_reprepro = fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "reprepro");
    if is_reprepro && arguments.split(|byte| *byte == 0).any(|argument| argument == base.as_os_str().as_encoded_bytes())
    {
        return true;
    }
    match fs::read_dir(process.join("fd")) {
        Ok(open) => {
            let mut files = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
            files.any(|path| path.starts_with(database))
        }
        Err(_) => is_reprepro && is_locked(base), // another user's, which may well be this one
    }
}
