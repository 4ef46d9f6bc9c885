//! From a request's host and path to a file of the current generation.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::store::Loaded;
use crate::collection::Kind;
use crate::path::PublishPath;
use crate::site::{Generation, Published};

/// A file to answer with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is, within one generation.
    pub(super) path: PathBuf,
    /// Whether what bears this name never changes, as in a pool.
    pub(super) immutable: bool,
}

/// Finds the current generation; remembers what it says of itself.
#[derive(Debug)]
pub(super) struct Resolver {
    root: PathBuf,
    known: Mutex<Option<Arc<Current>>>,
}

/// A generation that is, or just was, the current one.
#[derive(Debug)]
pub(super) struct Current {
    folder: PathBuf,
    generation: Generation,
    /// Read when it is wanted first.
    catalogue: OnceLock<Option<Arc<Loaded>>>,
}

impl Resolver {
    /// For the site in `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Mutex::new(None) }
    }

    /// The site's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The generation that `current` points to now.
    pub(super) fn current(&self) -> Option<Arc<Current>> {
        let folder = self.root.join(fs::read_link(self.root.join("current")).ok()?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = known.as_ref().filter(|current| current.folder == folder) {
            return Some(current.clone());
        }
        let generation = Generation::load(&folder).ok()?;
        let current = Arc::new(Current { folder, generation, catalogue: OnceLock::new() });
        *known = Some(current.clone());
        Some(current)
    }
}

impl Current {
    /// The file for a request; none if there is no such file.
    pub(super) fn resolve(&self, host: &str, path: &str) -> Option<Found> {
        let decoded = percent_decode(path)?;
        // Of several collections of one upstream, each answers for what it has.
        let of_origin = self.by_origin(host, &decoded).map(|(of, rest)| format!("{}/{rest}", of.folder()));
        let candidates: Vec<String> = of_origin.collect();
        let candidates = match candidates.is_empty() {
            true => vec![decoded.strip_prefix('/')?.to_owned()],
            false => candidates,
        };
        candidates.iter().find_map(|below| look(&self.folder, &self.generation, below))
    }

    /// Whether a published upstream has this host and this path.
    pub(super) fn is_of_upstream(&self, host: &str, path: &str) -> bool {
        percent_decode(path).is_some_and(|path| self.by_origin(host, &path).next().is_some())
    }

    /// The snaps and what is said of them; none if no snaps are published with an index.
    pub(super) async fn catalogue(self: &Arc<Self>) -> Option<Arc<Loaded>> {
        if let Some(known) = self.catalogue.get() {
            return known.clone();
        }
        let this = self.clone();
        let load = move || this.catalogue.get_or_init(|| Loaded::read(&this.folders_of_snaps()).map(Arc::new)).clone();
        tokio::task::spawn_blocking(load).await.ok().flatten()
    }

    fn folders_of_snaps(&self) -> Vec<PathBuf> {
        let snaps = self.generation.published.values().filter(|published| published.kind == Kind::Snaps);
        snaps.map(|published| self.folder.join(published.folder())).collect()
    }

    /// The collections of an upstream with this host and path. A snap store's addresses are not those of files.
    fn by_origin<'p>(&self, host: &str, path: &'p str) -> impl Iterator<Item = (&Published, &'p str)> {
        let host =
            host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
        self.generation.by_origin(host, path).filter(|(published, _)| published.kind != Kind::Snaps)
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
pub(super) fn percent_decode(text: &str) -> Option<String> {
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
