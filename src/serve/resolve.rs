//! From a request's host and path to a file: of the current generation, or of an older one where the name says that what
//! bears it never changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::file::{Blocked, Delivery, Permanence};
use super::host::Host;
use super::open_file_cache::{CachedFile, OpenFileCache, TreeAge};
use super::published_files::{FileDate, PublishedFiles};
use super::status::Overview;
use super::store::Loaded;
use crate::address::{RoutingTable, normal_path};
use crate::kind::{ClientProgram, Kind};
use crate::path::PublishPath;
use crate::site::{
    CURRENT, Generation, Published, Serve, Site, Unanswered, answering, generation_folder, list_generations,
    read_generation,
};
use crate::storage::Store;

/// How many older generations are looked through for a file, at most. A client in the middle of an update is behind by one,
/// or by a few.
const MAX_OLDER: usize = 64;

/// The time before the server reads a current generation again that it could not read.
const RETRY: Duration = Duration::from_secs(1);

/// Time for which the target of `current` counts as just read, by all connections. A busy server would else spend a twentieth of
/// its time on reading it.
const FRESH: Duration = Duration::from_millis(1);

/// Finds the current generation; remembers what it says of itself.
#[derive(Debug)]
pub(super) struct Resolver {
    /// The site's name.
    pub(super) name: String,
    served: Arc<ServedSite>,
    known: RwLock<KnownView>,
    started: Instant,
    /// Time from the start to the last reading of `current` that found the known view, in microseconds.
    read_at: AtomicU64,
}

/// The site, as all its generations need it.
#[derive(Debug)]
struct ServedSite {
    root: PathBuf,
    store: Arc<dyn Store>,
    config: Serve,
    /// The number of files of the current generation that stay open.
    open_files: usize,
}

/// The result of the last reading.
#[derive(Debug, Default)]
struct KnownView {
    view: Option<Arc<View>>,
    /// The target of `current` when it could not be read, and the time of that.
    failed: Option<(String, Instant)>,
}

/// All that is answered while one generation is the current one.
#[derive(Debug)]
pub(super) struct View {
    /// The folder that `current` points to.
    link: String,
    /// The current generation.
    pub(super) tree: Arc<ServedTree>,
    served: Arc<ServedSite>,
    older: OnceLock<Vec<Older>>,
    /// Set once another generation is the current one.
    replaced: AtomicBool,
}

/// A generation before the current one; read when it is wanted first.
#[derive(Debug)]
struct Older {
    number: u64,
    tree: OnceLock<Option<Arc<ServedTree>>>,
}

/// One generation.
#[derive(Debug)]
pub(super) struct ServedTree {
    folder: PathBuf,
    /// What it says of itself, but for what only publishers need.
    pub(super) generation: Generation,
    /// The collections that answer for each upstream's address.
    pub(super) routes: RoutingTable,
    /// Collections, suites and addresses that older generations had and this one lacks.
    pub(super) unanswered: Unanswered,
    files: PublishedFiles,
    recent: OpenFileCache,
    /// Read when it is wanted first.
    catalogue: OnceLock<Option<Arc<Loaded>>>,
    /// Read when it is wanted first.
    overview: OnceLock<Arc<Overview>>,
}

/// Returns true if this process, or the system, cannot open one file more.
fn is_out_of_files(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn name(host: Option<&Host>) -> Option<&str> {
    host.map(|host| host.name.as_str())
}

impl Resolver {
    /// Returns a resolver for a site. Up to `open_files` files of its current generation stay open.
    pub(super) fn new(site: &Site, open_files: usize) -> Self {
        let served = ServedSite {
            root: site.root().to_owned(),
            store: site.store().clone(),
            config: site.config.serve.clone(),
            open_files,
        };
        let (known, started, read_at) = (RwLock::default(), Instant::now(), AtomicU64::new(0));
        Self { name: site.config.name.to_string(), served: Arc::new(served), known, started, read_at }
    }

    /// The site's folder.
    pub(super) fn root(&self) -> &Path {
        &self.served.root
    }

    /// Returns the view that answers from `now` on. `before` is the last one of the asking connection, which saves it a lock.
    pub(super) async fn current(self: &Arc<Self>, before: Option<Arc<View>>, now: Instant) -> Option<Arc<View>> {
        let now = u64::try_from(now.duration_since(self.started).as_micros()).unwrap_or(u64::MAX);
        let before = before.filter(|view| !view.replaced.load(Ordering::Acquire));
        let is_fresh = u128::from(now.saturating_sub(self.read_at.load(Ordering::Relaxed))) < FRESH.as_micros();
        if is_fresh && before.is_some() {
            return before;
        }
        let link = self.served.store.target(CURRENT).ok()??;
        if let Some(view) = before.filter(|view| view.link == link) {
            self.read_at.store(now, Ordering::Relaxed);
            return Some(view);
        }
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).of(&link) {
            return known;
        }
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.load(link)).await.ok().flatten()
    }

    fn load(&self, link: String) -> Option<Arc<View>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.of(&link) {
            return known; // another request was faster
        }
        let tree = ServedTree::load(&self.served, &link).filter(ServedTree::has_its_path_maps);
        let Some(tree) = tree.map(Arc::new) else {
            known.failed = Some((link, Instant::now()));
            return None;
        };
        let view = Arc::new(View {
            link,
            tree,
            served: self.served.clone(),
            older: OnceLock::new(),
            replaced: AtomicBool::new(false),
        });
        if let Some(before) = known.view.replace(view.clone()) {
            before.replaced.store(true, Ordering::Release);
            before.tree.recent.retire();
        }
        Some(view)
    }
}

impl KnownView {
    /// Returns what is known of the generation that `current` points to: its view, or that it could not be read just now.
    fn of(&self, link: &str) -> Option<Option<Arc<View>>> {
        let view = self.view.as_ref().filter(|view| view.link == link).cloned();
        let failed = self.failed.as_ref().is_some_and(|(failed, when)| failed == link && when.elapsed() < RETRY);
        if view.is_some() || failed { Some(view) } else { None }
    }
}

impl View {
    /// The file for a request, or none; waits on another thread where the kernel does not remember it.
    pub(super) async fn find(self: &Arc<Self>, host: Option<&Host>, path: &str) -> io::Result<Option<Arc<CachedFile>>> {
        let Some(normal) = normal_path(path) else { return Ok(None) };
        if let Ok(found) = self.look(host, &normal, Delivery::Cached) {
            return found;
        }
        let (this, host, normal) = (self.clone(), host.cloned(), normal.into_owned());
        let look = move || this.look(host.as_ref(), &normal, Delivery::Blocking).unwrap_or(Ok(None));
        tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?
    }

    fn look(
        &self,
        host: Option<&Host>,
        path: &str,
        how: Delivery,
    ) -> Result<io::Result<Option<Arc<CachedFile>>>, Blocked> {
        match self.tree.find(host, path, how, TreeAge::Current)? {
            Ok(None) => {}
            found => return Ok(found),
        }
        if self.older.get().is_none() && how == Delivery::Cached {
            return Err(Blocked);
        }
        for older in self.older() {
            let tree = match (older.tree.get(), how) {
                (None, Delivery::Cached) => return Err(Blocked),
                _ => older.tree(&self.served),
            };
            let Some(tree) = tree else { continue };
            if let found @ Ok(Some(_)) = tree.find(host, path, how, TreeAge::Older)? {
                return Ok(found);
            }
        }
        Ok(Ok(None))
    }

    /// Up to `most` older generations, the newest first.
    pub(super) async fn older_trees(self: &Arc<Self>, most: usize) -> Vec<Arc<ServedTree>> {
        let this = self.clone();
        let trees = move || {
            let trees = this.older().iter().take(most).filter_map(|older| older.tree(&this.served));
            trees.cloned().collect()
        };
        tokio::task::spawn_blocking(trees).await.unwrap_or_default()
    }

    fn older(&self) -> &[Older] {
        self.older.get_or_init(|| {
            let numbers = list_generations(self.served.store.as_ref()).unwrap_or_default();
            let older = numbers.into_iter().rev().filter(|number| *number < self.tree.generation.number);
            older.take(MAX_OLDER).map(|number| Older { number, tree: OnceLock::new() }).collect()
        })
    }
}

impl Older {
    fn tree(&self, served: &ServedSite) -> Option<&Arc<ServedTree>> {
        let load = || ServedTree::load(served, &generation_folder(self.number));
        self.tree.get_or_init(|| load().map(Arc::new)).as_ref()
    }
}

impl ServedTree {
    /// Reads the generation of a folder in the store.
    fn load(served: &ServedSite, folder: &str) -> Option<Self> {
        let mut generation = read_generation(served.store.as_ref(), folder).ok()?;
        let folder = served.root.join(folder);
        let routes = RoutingTable::new(answering(&generation, &served.config));
        let unanswered = Unanswered::of(&generation, &served.config);
        let files = PublishedFiles::new(&served.root, std::mem::take(&mut generation.mounts));
        (generation.upstream_dates, generation.second_digests, generation.identities) = Default::default();
        (generation.addresses, generation.keyrings) = Default::default();
        let (recent, catalogue, overview) = (OpenFileCache::new(served.open_files), OnceLock::new(), OnceLock::new());
        Some(Self { folder, generation, routes, unanswered, files, recent, catalogue, overview })
    }

    /// Returns true if the path maps are what they were when the generation was made.
    fn has_its_path_maps(&self) -> bool {
        self.files.verify().is_ok()
    }

    /// Returns true if the host is the name of a published upstream. An address is nobody's name.
    pub(super) fn is_named_upstream(&self, host: Option<&Host>) -> bool {
        !self.routes.answers_by_path(name(host))
    }

    /// Whether a published upstream has this host and this path.
    pub(super) fn is_of_upstream(&self, host: Option<&Host>, path: &str) -> bool {
        normal_path(path).is_some_and(|path| self.routes.find(name(host), &path).next().is_some())
    }

    /// Returns whether a request is for the folder `pool/` of a published archive. `pro attach` fetches that of each archive of
    /// Ubuntu Pro with its credentials, and gives up unless the answer is good (uaclient/apt.py of ubuntu-pro-client).
    pub(super) fn is_pool(&self, host: Option<&Host>, path: &str) -> bool {
        let Some(path) = normal_path(path).filter(|path| path.ends_with("/pool/")) else { return false };
        let is_archive = |below: &str| {
            let folder = below.strip_suffix("/pool/").unwrap_or_default();
            self.generation.published.get(folder).is_some_and(|published| published.kind.client() == ClientProgram::Apt)
        };
        let by_path = path.strip_prefix('/').filter(|_| self.routes.answers_by_path(name(host)));
        by_path.is_some_and(is_archive) || self.routes.find(name(host), &path).any(|below| is_archive(&below))
    }

    /// The file for a host and a path in normal form; of an older generation only what is immutable by its name.
    fn find(
        &self,
        host: Option<&Host>,
        path: &str,
        how: Delivery,
        age: TreeAge,
    ) -> Result<io::Result<Option<Arc<CachedFile>>>, Blocked> {
        let mut of_upstream = self.routes.find(name(host), path).peekable();
        if of_upstream.peek().is_none() && self.routes.answers_by_path(name(host)) {
            return path.strip_prefix('/').map_or(Ok(Ok(None)), |below| self.open(below, how, age));
        }
        for below in of_upstream {
            match self.open(&below, how, age)? {
                Ok(None) => {}
                found => return Ok(found),
            }
        }
        Ok(Ok(None))
    }

    /// The file at `below`, if it is one that is published.
    fn open(&self, below: &str, how: Delivery, age: TreeAge) -> Result<io::Result<Option<Arc<CachedFile>>>, Blocked> {
        if let Some(known) = self.recent.get(below).filter(|_| age == TreeAge::Current) {
            return Ok(Ok(Some(known)));
        }
        let Ok(below) = below.parse::<PublishPath>() else { return Ok(Ok(None)) }; // so it cannot leave the folder
        let top = below.as_str().split('/').next().unwrap_or_default();
        let published = self.generation.published.values().any(|p| p.kind.as_str() == top) || top == "keys";
        let (permanence, date) = match Kind::is_immutable(below.as_str()) {
            true => (Permanence::Immutable, FileDate::OfBlob),
            false => (Permanence::Changing, FileDate::OfTree),
        };
        if !published || (age == TreeAge::Older && permanence == Permanence::Changing) {
            return Ok(Ok(None));
        }
        // Caches compare dates by the second. Metadata and keys change under their names, so those of a new tree are newer than
        // all before, also where it has old content again.
        let mut file = self.files.open(&below, date, how)?;
        if file.as_ref().is_err_and(is_out_of_files) && self.recent.clear() {
            file = self.files.open(&below, date, how)?;
        }
        Ok(file.map(|file| {
            let found = Arc::new(CachedFile { file: file?, below, permanence, age });
            if age == TreeAge::Current {
                self.recent.put(&found);
            }
            Some(found)
        }))
    }

    /// The snaps and what is said of them; none if no snaps are published with an index.
    pub(super) async fn catalogue(self: &Arc<Self>) -> Option<Arc<Loaded>> {
        let this = self.clone();
        match self.catalogue.get() {
            Some(known) => known.clone(),
            None => tokio::task::spawn_blocking(move || this.load_catalogue()).await.ok().flatten(),
        }
    }

    fn load_catalogue(&self) -> Option<Arc<Loaded>> {
        self.catalogue.get_or_init(|| Loaded::read(&self.folders_of_snaps()).map(Arc::new)).clone()
    }

    /// What the status page shows of it.
    pub(super) async fn overview(self: &Arc<Self>) -> Arc<Overview> {
        let this = self.clone();
        let load = move || {
            let overview = this.overview.get_or_init(|| Arc::new(Overview::load(&this.folder, &this.generation)));
            overview.clone()
        };
        tokio::task::spawn_blocking(load).await.unwrap_or_default()
    }

    /// Whether snaps are published.
    pub(super) fn has_snaps(&self) -> bool {
        self.snaps().next().is_some()
    }

    fn folders_of_snaps(&self) -> Vec<PathBuf> {
        self.snaps().map(|published| self.folder.join(published.folder())).collect()
    }

    /// The collections that the store answers from.
    fn snaps(&self) -> impl Iterator<Item = &Published> {
        self.generation.published.values().filter(|published| published.kind.client() == ClientProgram::Snapd)
    }
}
