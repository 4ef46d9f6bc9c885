//! Finds one path in a path map without reading all of it: the map is sorted, so a few short reads are enough, however many
//! files are published.

use std::io;

use crate::digest::Sha256;
use crate::path::{MAX_PATH_BYTES, PublishPath};

/// Length of the longest line of a path map: digest, two spaces, path and the line's end.
const MAX_LINE_BYTES: usize = 64 + 2 + MAX_PATH_BYTES + 1;
/// Number of bytes that are read to find one whole line.
const PROBE_BYTES: usize = 2 * MAX_LINE_BYTES;
/// A stretch of at most this many bytes is read as a whole.
const STRETCH_BYTES: u64 = 8 << 10;

/// Returns the blob at `path` according to the path map of `length` bytes, which `read` reads: it fills the buffer with the
/// bytes from an offset on.
///
/// A damaged map leads to `None`, or to the blob of another line; it never leads to bytes under a digest that is not theirs.
pub(crate) fn find_blob<E: From<io::Error>>(
    path: &PublishPath,
    length: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Option<Sha256>, E> {
    let (mut low, mut high) = (0, length);
    while high - low > STRETCH_BYTES {
        let middle = low + (high - low) / 2;
        let mut probe = [0; PROBE_BYTES];
        read(middle, &mut probe)?; // it ends before `high`: half of a stretch is longer
        let Some((skipped, line)) = whole_line(&probe) else { return Ok(None) };
        let start = middle + skipped as u64;
        match path_of(line) {
            Some(found) if found <= path.as_str().as_bytes() => low = start,
            Some(_) => high = start,
            None => return Ok(None),
        }
    }
    let mut stretch = vec![0; usize::try_from(high - low).map_err(io::Error::other)?];
    read(low, &mut stretch)?;
    let mut lines = stretch.split(|byte| *byte == b'\n');
    let line = lines.find(|line| path_of(line) == Some(path.as_str().as_bytes()));
    Ok(line.and_then(|line| std::str::from_utf8(line.get(..64)?).ok()?.parse().ok()))
}

/// Returns the first whole line of a text that begins anywhere, with the number of bytes before it.
fn whole_line(text: &[u8]) -> Option<(usize, &[u8])> {
    let start = memchr::memchr(b'\n', text)? + 1;
    let rest = text.get(start..)?;
    Some((start, rest.get(..memchr::memchr(b'\n', rest)?)?))
}

fn path_of(line: &[u8]) -> Option<&[u8]> {
    line.get(64..)?.strip_prefix(b"  ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn text(files: &BTreeMap<PublishPath, Sha256>) -> Vec<u8> {
        files.iter().flat_map(|(path, digest)| format!("{digest}  {path}\n").into_bytes()).collect()
    }

    fn find(map: &[u8], path: &str) -> Option<Sha256> {
        let read = |at: u64, into: &mut [u8]| {
            let bytes = map.get(usize::try_from(at).unwrap()..).and_then(|rest| rest.get(..into.len()));
            into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok::<_, io::Error>(())
        };
        find_blob(&path.parse().unwrap(), map.len() as u64, read).unwrap()
    }

    #[test]
    fn finds_a_file_and_a_folder_that_share_a_beginning() {
        let names = ["a", "a-b", "a/b", "a/b.c", "a0", "b"];
        let files = names.map(|name| (name.parse().unwrap(), Sha256::of(name.as_bytes())));
        let map = text(&BTreeMap::from(files));
        for name in names {
            assert_eq!(find(&map, name), Some(Sha256::of(name.as_bytes())), "{name}");
        }
        for absent in ["A", "a/c", "a-", "c", "a/b/c"] {
            assert_eq!(find(&map, absent), None, "{absent}");
        }
        assert_eq!(find(b"", "a"), None);
    }

    proptest::proptest! {
        #[test]
        fn finds_every_line_and_no_other(names in proptest::collection::btree_set("[a-c0-9_.+-]{1,3}(/[a-z]{150,190}){0,5}", 0..200)) {
            let files: BTreeMap<PublishPath, Sha256> =
                names.iter().filter_map(|name| Some((name.parse().ok()?, Sha256::of(name.as_bytes())))).collect();
            let map = text(&files);
            for path in files.keys() {
                assert_eq!(find(&map, path.as_str()), Some(files[path]), "{path}");
                let absent = format!("{path}0");
                let expected = absent.parse().ok().and_then(|path| files.get::<PublishPath>(&path)).copied();
                if absent.parse::<PublishPath>().is_ok() {
                    assert_eq!(find(&map, &absent), expected, "{absent}");
                }
            }
        }

        #[test]
        fn never_panics(map in proptest::collection::vec(proptest::num::u8::ANY, 0..30_000)) {
            find(&map, "a/b");
        }
    }
}
