//! Files of this machine whose digests are known, so that an export does not read again what has not changed since the last.
//!
//! The workspace keeps a list of them, with one line for each: `SHA256 DEVICE INODE SIZE MTIME CTIME`, the times as seconds and nanoseconds
//! with a dot between them. A file is known again by all of these (stat(2)), as in git's index. A file that changed less than
//! two seconds before it was looked at is read again: another change could bear the same time. A damaged list is ignored.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use crate::digest::Sha256;
use crate::time::Time;

/// The age of a change from which on no other can bear the same time, in seconds: the coarsest times are FAT's.
const SETTLED_SECONDS: i64 = 2;

/// The files of one selection, at its last export and at this one.
#[derive(Debug, Default)]
pub struct StatCache {
    before: HashMap<Mark, Sha256>,
    now: RefCell<BTreeMap<Mark, Sha256>>,
}

/// What a file that has not changed has again: device, inode, size in bytes, and when its bytes and its inode changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Mark([u64; 3], [(i64, i64); 2]);

impl Mark {
    fn of(data: &Metadata) -> Self {
        let times = [(data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec())];
        Self([data.dev(), data.ino(), data.len()], times)
    }
}

impl StatCache {
    /// Reads the list that an earlier export kept; none if it is damaged.
    pub fn parse(text: &str) -> Option<Self> {
        let time = |word: &str| {
            let (seconds, nanoseconds) = word.split_once('.')?;
            Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
        };
        let line = |line: &str| {
            let mut words = line.split(' ');
            let digest = words.next()?.parse().ok()?;
            let mut number = || words.next()?.parse().ok();
            let numbers = [number()?, number()?, number()?];
            let times = [time(words.next()?)?, time(words.next()?)?];
            words.next().is_none().then_some((Mark(numbers, times), digest))
        };
        Some(Self { before: text.lines().map(line).collect::<Option<_>>()?, now: RefCell::default() })
    }

    /// The list to keep.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (Mark([device, inode, size], [modified, changed]), digest) in &*self.now.borrow() {
            let (m, c) = (modified, changed);
            // A String takes all.
            let _ = writeln!(text, "{digest} {device} {inode} {size} {}.{} {}.{}", m.0, m.1, c.0, c.1);
        }
        text
    }

    /// The digest of the file with this metadata, if it was read before and has not changed since.
    pub fn digest(&self, data: &Metadata) -> Option<Sha256> {
        self.before.get(&Mark::of(data)).copied()
    }

    /// Notes the digest of a file that had the metadata `data` before it was read. `looked` is a time before the metadata was
    /// read: by the end of a long read, a change during it would look settled too.
    pub fn note(&self, data: &Metadata, looked: Time, digest: Sha256) {
        if data.ctime().max(data.mtime()) < looked.unix() - SETTLED_SECONDS {
            self.now.borrow_mut().insert(Mark::of(data), digest);
        }
    }

    /// Whether the list is another one than was read.
    pub fn is_news(&self) -> bool {
        let now = self.now.borrow();
        now.len() != self.before.len() || now.iter().any(|(mark, digest)| self.before.get(mark) != Some(digest))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;

    /// Returns whether a file whose digest was noted is known again after `between`.
    fn known_again(path: &Path, between: impl FnOnce()) -> bool {
        let first = StatCache::default();
        first.note(&fs::metadata(path).unwrap(), settled(), Sha256::of(b"one"));
        let second = StatCache::parse(&first.text()).unwrap();
        between();
        second.digest(&fs::metadata(path).unwrap()) == Some(Sha256::of(b"one"))
    }

    /// The clock when what changes now has settled.
    fn settled() -> Time {
        Time::now().plus(SETTLED_SECONDS + 1)
    }

    /// Changes the file at `path` until its inode shows it: the kernel's clock for files ticks some hundred times a second.
    fn visibly(path: &Path, change: impl Fn()) {
        let changed = || fs::metadata(path).map(|data| (data.ino(), data.ctime(), data.ctime_nsec())).ok();
        let before = changed();
        while changed() == before {
            change();
        }
    }

    #[test]
    fn what_has_changed_is_not_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let write = |bytes: &str| {
            fs::write(&path, bytes).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        };
        write("one");
        assert!(known_again(&path, || {}));
        // The same size and time of modification, but the inode tells.
        assert!(!known_again(&path, || visibly(&path, || write("two"))));
        assert!(!known_again(&path, || {
            fs::copy(&path, folder.path().join("other")).unwrap();
            fs::rename(folder.path().join("other"), &path).unwrap();
        }));
    }

    #[test]
    fn what_changed_just_now_is_not_noted_and_a_damaged_list_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let seen = StatCache::default();
        let data = file.as_file().metadata().unwrap();
        let changed = Time::from_unix(data.ctime()).unwrap();
        seen.note(&data, changed.plus(SETTLED_SECONDS), Sha256::of(b""));
        assert_eq!((seen.text().as_str(), seen.is_news()), ("", false));
        seen.note(&data, changed.plus(SETTLED_SECONDS + 1), Sha256::of(b""));
        assert!(seen.is_news());
        let line = format!("{} 1 2 3 4.5 -6.7", Sha256::of(b""));
        assert_eq!(StatCache::parse(&line).unwrap().before.len(), 1);
        for bad in [&line[1..], &line[..66], &format!("{line} 8"), &line.replace('.', ","), "x"] {
            assert!(StatCache::parse(bad).is_none(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_list_says_what_was_noted(noted: Vec<([u64; 3], [(i64, i64); 2], u8)>) {
            let now: BTreeMap<_, _> = noted.iter().map(|(n, times, of)| (Mark(*n, *times), Sha256::of(&[*of]))).collect();
            let seen = StatCache { before: HashMap::new(), now: now.clone().into() };
            let again = StatCache::parse(&seen.text()).unwrap();
            proptest::prop_assert_eq!(again.before.into_iter().collect::<BTreeMap<_, _>>(), now);
        }

        #[test]
        fn any_text_is_a_list_or_none(text in "([0-9a-f]{64}( [0-9]{1,21}){3}( -?[0-9]{1,20}\\.[0-9]{1,9}){2}\n?|\\PC{0,80})") {
            let _ = StatCache::parse(&text);
        }
    }
}
