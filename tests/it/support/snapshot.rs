//! What lies below a folder, to be compared with what lay there before.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        // By this way it is faster: half of the time of thousands of attacks would be spent here.
        (true, _) => Sha256::of_reader(&mut fs::File::open(path).unwrap()).unwrap().0.to_hex(),
        (_, true) => format!("-> {}", fs::read_link(path).unwrap().display()),
        _ => format!("{kind:?}"),
    };
    let time =
        (!kind.is_dir()).then(|| i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()));
    Seen { mode: metadata.mode(), time, content }
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
