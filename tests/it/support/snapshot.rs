//! What lies below a folder, to be compared with what lay there before.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use gapferry::digest::Sha256;

use crate::apt_client::run;

/// Files above this size, in bytes, are compared by their size and time alone.
const MAX_HASHED_BYTES: u64 = 16 << 20;

/// Path → what is there.
pub(crate) type Snapshot = BTreeMap<PathBuf, Seen>;

/// One entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    mode: u32,
    /// Modification time in nanoseconds; none for folders.
    time: Option<i128>,
    content: String,
}

impl Seen {
    /// Puts what counts in a file in the place of its digest.
    pub(crate) fn put_text(&mut self, text: &str) {
        text.clone_into(&mut self.content);
    }
}

/// Everything below `root` that `wanted` does not leave out; it gets the path below `root`.
pub(crate) fn snapshot(root: &Path, wanted: impl Fn(&Path) -> bool) -> Snapshot {
    let below = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    let walk = walkdir::WalkDir::new(root).into_iter().filter_entry(|entry| wanted(&below(entry.path())));
    walk.map(Result::unwrap).map(|entry| (below(entry.path()), see(entry.path()))).collect()
}

/// Names and contents below `root` as a client sees them that follows links, without times.
pub(crate) fn contents_through_links(root: &Path, wanted: impl Fn(&Path) -> bool) -> Snapshot {
    let below = |path: &Path| path.strip_prefix(root).unwrap().to_owned();
    let walk = walkdir::WalkDir::new(root).follow_links(true).into_iter().map(Result::unwrap);
    let files = walk.filter(|entry| entry.file_type().is_file() && wanted(&below(entry.path())));
    let see = |entry: walkdir::DirEntry| (below(entry.path()), Seen { time: None, ..see(entry.path()) });
    files.map(see).collect()
}

/// Names and contents below `root`, without their times.
pub(crate) fn contents_of(root: &Path, wanted: impl Fn(&Path) -> bool) -> Snapshot {
    let mut snapshot = snapshot(root, wanted);
    snapshot.values_mut().for_each(|seen| seen.time = None);
    snapshot
}

fn see(path: &Path) -> Seen {
    let metadata = path.symlink_metadata().unwrap();
    let kind = metadata.file_type();
    let content = match (kind.is_file(), kind.is_symlink()) {
        (true, _) if metadata.len() > MAX_HASHED_BYTES => format!("{} bytes", metadata.len()),
        (true, _) => digest(path, &metadata).to_hex(),
        (_, true) => format!("-> {}", fs::read_link(path).unwrap().display()),
        _ => format!("{kind:?}"),
    };
    let time =
        (!kind.is_dir()).then(|| i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()));
    Seen { mode: metadata.mode(), time, content }
}

/// Device, inode, size, modification time and change time of a file. A write changes the change time, which no program
/// can set. A new hard link changes it too, so the mark of a file with several links does without.
type Mark = (u64, u64, u64, (i64, i64), Option<(i64, i64)>);

/// The digests of files, by their marks: suites look at the same trees thousands of times.
static DIGESTS: LazyLock<Mutex<HashMap<Mark, Sha256>>> = LazyLock::new(Mutex::default);

/// A file that was changed this recently may change again without another time: the kernel's clock ticks every 10 ms or less.
const RECENT: Duration = Duration::from_millis(50);

fn digest(path: &Path, metadata: &Metadata) -> Sha256 {
    let changed = (metadata.nlink() == 1).then(|| (metadata.ctime(), metadata.ctime_nsec()));
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    let mark = (metadata.dev(), metadata.ino(), metadata.len(), modified, changed);
    let known = DIGESTS.lock().unwrap().get(&mark).copied();
    known.unwrap_or_else(|| {
        let digest = Sha256::of_reader(&mut fs::File::open(path).unwrap()).unwrap().0;
        let (seconds, nanoseconds) = changed.unwrap_or(modified);
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds as u64, nanoseconds as u32);
        if SystemTime::now().duration_since(changed).is_ok_and(|age| age > RECENT) {
            DIGESTS.lock().unwrap().insert(mark, digest);
        }
        digest
    })
}

/// Copies a folder with its times and hard links.
pub(crate) fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg("-T").arg(from).arg(to));
}

/// Says in which entries two snapshots differ; nothing where they are the same.
pub(crate) fn difference(before: &Snapshot, after: &Snapshot) -> Option<String> {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let lines: Vec<String> =
        differs.map(|path| format!("{}: {:?} → {:?}", path.display(), before.get(path), after.get(path))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
