//! Writes a large file so that its bytes go to the disk while more of them come.
//!
//! A sync at the end finds little left to do then. `fdatasync` on a thread of its own does that without `sync_file_range`, which no
//! crate offers in safe code.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::thread::{self, JoinHandle};

/// A sync starts after so many bytes: enough of them that its journal commit costs little. A debug build does so early, so that the
/// tests that kill it meet many.
const SYNC_BYTES: u64 = if cfg!(debug_assertions) { 16 << 10 } else { 32 << 20 };

/// The most bytes of one call. For a larger one the page cache of Linux takes larger folios, of an order above 3
/// (`PAGE_ALLOC_COSTLY_ORDER`). If memory is in pieces, as it is on a machine that has been up for a while, the kernel moves pages
/// together for them: 1 GiB took 1.2 to 3.6 s of CPU in calls of 1 MiB, and 0.2 to 0.3 s in these.
const CALL_BYTES: usize = 32 << 10;

/// The syncs of one file that is being written. At most one of them runs.
#[derive(Debug, Default)]
pub(crate) struct WriteBehind {
    unsynced: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBehind {
    /// Writes all of `bytes` to `file` from `position` on. Starts a sync if there is enough for one.
    pub(crate) fn write(&mut self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        for (piece, start) in bytes.chunks(CALL_BYTES).zip((position..).step_by(CALL_BYTES)) {
            file.write_all_at(piece, start)?;
        }
        self.unsynced += bytes.len() as u64;
        if self.unsynced < SYNC_BYTES || self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.finish()?;
        self.unsynced = 0;
        let file = file.try_clone()?;
        self.running = Some(thread::Builder::new().name("sync".to_owned()).spawn(move || file.sync_data())?);
        Ok(())
    }

    /// Waits for the sync that runs. The kernel reports a failed write to one sync alone, so the caller must see the error of each.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        running.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread stopped")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_written_where_they_belong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        let bytes: Vec<u8> = (0..3 * CALL_BYTES as u32 + 7).map(|at| (at % 251) as u8).collect();
        let mut behind = WriteBehind::default();
        let (first, rest) = bytes.split_at(CALL_BYTES + 1);
        behind.write(&file, rest, first.len() as u64).unwrap();
        behind.write(&file, first, 0).unwrap();
        behind.finish().unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
    }

    #[test]
    fn the_error_of_a_sync_reaches_the_writer() {
        // A character device takes bytes, and refuses to be synced (fsync(2), EINVAL).
        let device = File::options().write(true).open("/dev/null").unwrap();
        let mut behind = WriteBehind::default();
        behind.write(&device, &vec![0; SYNC_BYTES as usize], 0).unwrap();
        assert_eq!(behind.finish().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        behind.finish().unwrap();
    }
}
