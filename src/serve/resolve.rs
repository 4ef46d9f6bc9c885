//! From a request's host and path to a file of the current generation.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::collection::Kind;
use crate::path::PublishPath;
use crate::site::Generation;

/// A file to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is, within one generation.
    pub(super) path: PathBuf,
    /// Whether what bears this name never changes, as in a pool.
    pub(super) immutable: bool,
}

/// Looks files up; remembers what the current generation says of itself.
#[derive(Debug)]
pub(super) struct Resolver {
    root: PathBuf,
    known: Mutex<Option<(PathBuf, Arc<Generation>)>>,
}

impl Resolver {
    /// For the site in `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Mutex::new(None) }
    }

    /// The file for a request; none if there is no such file.
    pub(super) fn resolve(&self, host: &str, path: &str) -> Option<Found> {
        let (folder, generation) = self.current()?;
        let decoded = percent_decode(path)?;
        let host =
            host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
        // Of several collections of one upstream, each answers for what it has.
        let of_origin = generation.by_origin(host, &decoded).map(|(of, rest)| format!("{}/{rest}", of.folder()));
        let candidates: Vec<String> = of_origin.collect();
        let candidates = match candidates.is_empty() {
            true => vec![decoded.strip_prefix('/')?.to_owned()],
            false => candidates,
        };
        candidates.iter().find_map(|below| look(&folder, &generation, below))
    }

    /// The folder that `current` points to now, and what it says.
    fn current(&self) -> Option<(PathBuf, Arc<Generation>)> {
        let folder = self.root.join(fs::read_link(self.root.join("current")).ok()?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, generation)) = known.as_ref().filter(|(path, _)| *path == folder) {
            return Some((path.clone(), generation.clone()));
        }
        let generation = Arc::new(Generation::load(&folder).ok()?);
        *known = Some((folder.clone(), generation.clone()));
        Some((folder, generation))
    }
}

/// The file at `below` of the generation in `folder`, if it is one that is published.
fn look(folder: &Path, generation: &Generation, below: &str) -> Option<Found> {
    let below: PublishPath = below.parse().ok()?; // so it cannot leave the folder
    let top = below.as_str().split('/').next()?;
    let published = generation.published.values().any(|p| p.kind.as_str() == top) || top == "keys";
    let path = folder.join(&below);
    let is_file = fs::metadata(&path).is_ok_and(|file| file.is_file());
    (published && is_file).then(|| Found { immutable: !Kind::is_metadata(below.as_str()), path })
}

/// Decodes `%XX` once (RFC 3986, section 2.1).
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs() {
        assert_eq!(percent_decode("/a_1%253a2%7e.deb").as_deref(), Some("/a_1%3a2~.deb"));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
    }
}
