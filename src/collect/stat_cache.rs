//! Files of this machine whose digests are known, so that an export does not read again what has not changed since the last.
//!
//! The workspace keeps a list of them, with one line for each: `KEY SHA256`, sorted. The key is the first half of the SHA-256 of device, inode,
//! size, and times of modification and of change (stat(2)). A file is known again by all of these, as in git's index. A file that changed
//! less than two seconds before it was looked at is read again: another change could bear the same time. A damaged list is ignored.
//!
//! A million files take 48 MB of memory: 48 bytes for each that was known before or is new.

use std::cell::RefCell;
use std::fs::Metadata;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::MetadataExt as _;

use crate::digest::Sha256;
use crate::digest::search::place_of;
use crate::time::Time;

/// The age of a change from which on no other can bear the same time, in seconds: the coarsest times are FAT's.
const SETTLED_SECONDS: i64 = 2;

/// The files of one selection, at its last export and at this one.
#[derive(Debug, Default)]
pub struct StatCache {
    /// The files that were known before, sorted.
    before: Vec<KnownFile>,
    now: RefCell<SeenFiles>,
}

/// The files that this export has looked at.
#[derive(Debug, Default)]
struct SeenFiles {
    /// One bit for each file that was known before: it is still there.
    again: Vec<u64>,
    /// Others, in no order.
    new: Vec<KnownFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KnownFile {
    key: StatKey,
    sha256: Sha256,
}

const _: () = assert!(size_of::<KnownFile>() == 48, "what is kept of a file");

/// Half of the digest of what a file that has not changed has again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StatKey([u8; 16]);

impl StatKey {
    fn of(data: &Metadata) -> Self {
        let numbers = [data.dev(), data.ino(), data.len()].map(u64::to_be_bytes);
        let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()].map(i64::to_be_bytes);
        let mut key = [0; 16];
        let digest = Sha256::of([numbers.concat(), times.concat()].concat().as_slice());
        key.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

impl KnownFile {
    /// Parses a line without its LF.
    fn parse(line: &str) -> Option<Self> {
        let (key, sha256) = line.split_once(' ')?;
        if key.len() != 32 || !key.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let key = u128::from_str_radix(key, 16).ok()?.to_be_bytes();
        Some(Self { key: StatKey(key), sha256: sha256.parse().ok()? })
    }
}

impl StatCache {
    /// Reads the list that an earlier export kept; `None` if it is damaged.
    pub fn read(mut from: impl BufRead) -> Option<Self> {
        let (mut before, mut line) = (Vec::<KnownFile>::new(), String::new());
        while from.read_line(&mut line).ok()? > 0 {
            let file = KnownFile::parse(line.strip_suffix('\n')?)?;
            if before.last().is_some_and(|last| last.key >= file.key) {
                return None;
            }
            before.push(file);
            line.clear();
        }
        let again = vec![0; before.len().div_ceil(64)];
        Some(Self { before, now: SeenFiles { again, new: Vec::new() }.into() })
    }

    /// Writes the list to keep.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut now = self.now.borrow_mut();
        let SeenFiles { again, new } = &mut *now;
        new.sort_unstable();
        new.dedup_by_key(|file| file.key);
        let is_again = |(index, _): &(usize, &KnownFile)| is_set(again, *index);
        let mut again = self.before.iter().enumerate().filter(is_again).map(|(_, file)| file).peekable();
        let mut new = new.iter().peekable();
        loop {
            let is_known = match (again.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(again), Some(new)) => again.key < new.key,
                (again, _) => again.is_some(),
            };
            let Some(KnownFile { key, sha256 }) = (if is_known { again.next() } else { new.next() }) else {
                return Ok(());
            };
            writeln!(to, "{:032x} {sha256}", u128::from_be_bytes(key.0))?;
        }
    }

    fn place(&self, key: &StatKey) -> Option<usize> {
        place_of(&self.before, &key.0, |file| &file.key.0)
    }

    /// The digest of the file with this metadata, if it was read before and has not changed since.
    pub fn digest(&self, data: &Metadata) -> Option<Sha256> {
        self.before.get(self.place(&StatKey::of(data))?).map(|file| file.sha256)
    }

    /// Notes the digest of a file that had the metadata `data` before it was read. `looked` is a time before the metadata was
    /// read: by the end of a long read, a change during it would look settled too.
    pub fn note(&self, data: &Metadata, looked: Time, sha256: Sha256) {
        if data.ctime().max(data.mtime()) < looked.unix() - SETTLED_SECONDS {
            self.note_key(StatKey::of(data), sha256);
        }
    }

    fn note_key(&self, key: StatKey, sha256: Sha256) {
        let mut now = self.now.borrow_mut();
        let known = self.place(&key).filter(|at| self.before.get(*at).is_some_and(|file| file.sha256 == sha256));
        match known.and_then(|at| Some((now.again.get_mut(at / 64)?, at % 64))) {
            Some((bits, bit)) => *bits |= 1 << bit,
            None => now.new.push(KnownFile { key, sha256 }),
        }
    }

    /// Returns `true` if the list is another one than was read.
    pub fn is_news(&self) -> bool {
        let now = self.now.borrow();
        !now.new.is_empty() || (0..self.before.len()).any(|at| !is_set(&now.again, at))
    }
}

fn is_set(bits: &[u64], at: usize) -> bool {
    bits.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn text(cache: &StatCache) -> String {
        let mut text = Vec::new();
        cache.write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn read(text: &str) -> Option<StatCache> {
        StatCache::read(text.as_bytes())
    }

    /// Returns whether a file whose digest was noted is known again after `between`.
    fn known_again(path: &Path, between: impl FnOnce()) -> bool {
        let first = StatCache::default();
        first.note(&fs::metadata(path).unwrap(), settled(), Sha256::of(b"one"));
        let second = read(&text(&first)).unwrap();
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
        assert_eq!((text(&seen).as_str(), seen.is_news()), ("", false));
        seen.note(&data, changed.plus(SETTLED_SECONDS + 1), Sha256::of(b""));
        assert!(seen.is_news());
        let line = format!("{:032x} {}\n", 7, Sha256::of(b""));
        assert_eq!(read(&line).unwrap().before.len(), 1);
        let more = format!("{:032x} {}\n", 8, Sha256::of(b""));
        assert_eq!(read(&format!("{line}{more}")).unwrap().before.len(), 2);
        for bad in [
            &line[1..],
            &line[..66],
            &line.replace(' ', ","),
            &line.replacen('0', "+", 1),
            &format!("{more}{line}"),
            &line.repeat(2),
            "x",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_list_is_news_if_a_file_is_new_changed_or_gone() {
        let key = |number: u8| StatKey([number; 16]);
        let first = StatCache::default();
        [3, 1, 2].iter().for_each(|number| first.note_key(key(*number), Sha256::of(&[*number])));
        let kept = text(&first);
        for (noted, is_news) in [
            (&[(1, 1), (2, 2), (3, 3)][..], false),
            (&[(1, 1), (2, 2), (3, 3), (3, 3)], false),
            (&[(1, 1), (3, 3)], true),
            (&[(1, 1), (2, 9), (3, 3)], true),
            (&[(1, 1), (2, 2), (3, 3), (4, 4)], true),
        ] {
            let next = read(&kept).unwrap();
            noted.iter().for_each(|(number, of)| next.note_key(key(*number), Sha256::of(&[*of])));
            assert_eq!(next.is_news(), is_news, "{noted:?}");
            let again = read(&text(&next)).unwrap();
            let wanted: std::collections::BTreeMap<_, _> =
                noted.iter().map(|(n, of)| (key(*n), Sha256::of(&[*of]))).collect();
            assert_eq!(
                again.before.iter().map(|file| (file.key, file.sha256)).collect::<Vec<_>>(),
                wanted.into_iter().collect::<Vec<_>>()
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_list_or_none(text in "([0-9a-f]{32} [0-9a-f]{64}\n?|\\PC{0,80}){0,3}") {
            let _ = read(&text);
        }
    }
}
