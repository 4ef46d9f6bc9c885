//! The lock that a killed reprepro leaves behind.
//!
//! reprepro refuses its database while `db/lockfile` is there, whoever made it. We hold the site's lock, so none of ours is at
//! work; what is left to ask is whether someone else's is, or one that outlived a gapferry that was killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::RepreproError;
use crate::file_error::FileError;

/// How long a reprepro may take to end that outlived its gapferry.
const PATIENCE: Duration = Duration::from_secs(20);

/// Removes a lock that no living process holds, and says whether there was one.
pub(super) fn free(base: &Path) -> Result<bool, RepreproError> {
    let lock = base.join("db/lockfile");
    let since = Instant::now();
    while lock.symlink_metadata().is_ok() {
        match holder(base) {
            None => {
                return match fs::remove_file(&lock) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(FileError::on("remove", &lock)(error))
                    }
                    _ => Ok(true),
                };
            }
            Some(pid) if since.elapsed() > PATIENCE => return Err(RepreproError::Busy { base: base.to_owned(), pid }),
            Some(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    Ok(false)
}

/// A living process that has a file of the database open, or that is a reprepro over this base folder.
fn holder(base: &Path) -> Option<u32> {
    let database = fs::canonicalize(base.join("db")).ok()?;
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id()).find(|pid| holds(*pid, &database, base))
}

fn holds(pid: u32, database: &Path, base: &Path) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let is_reprepro = fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "reprepro");
    let Ok(open) = fs::read_dir(process.join("fd")) else {
        return is_reprepro && process.exists(); // another user's, which may well be this one
    };
    let files = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let names_base = || {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let base = base.as_os_str().as_encoded_bytes();
        line.split(|byte| *byte == 0).any(|argument| argument == base)
    };
    files.into_iter().any(|path| path.starts_with(database)) || is_reprepro && names_base()
}
