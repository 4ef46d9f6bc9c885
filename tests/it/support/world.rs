//! A world: an upstream, a selection, a workspace, a builder's key, a medium and sites, all below one temporary folder.
//!
//! What differs from one kind of content to the next stands behind [`Content`], so that a suite written over worlds runs
//! over every kind in [`contents`]: with [`each_content`], it is one test of each kind.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use gapferry::error_class::ErrorClass;
use gapferry::export::{ExportError, Exported, Settings, export};
use gapferry::label::Label;
use gapferry::numbers::Sequence;
use gapferry::progress::Progress;
use gapferry::selection::Selection;
use gapferry::site::{Imported, NewSite, Site, SiteError, import, init};
use gapferry::time::Time;
use gapferry::trust::{Overrides, SecretKey, TrustFile};
use gapferry::workspace::Workspace;
use rustix::fs::StatVfsMountFlags;
use tempfile::TempDir;

use super::lies::{Lie, Truth};
use super::read_bundle::{ReadBundle, packing_folder, read_bundle};
use super::snaps::{open_site, roots};

/// One kind of content, as far as the suites must know it.
pub(crate) trait Content: Send + Sync {
    /// Writes state `number` of the upstream, counted from 1, into the folder `upstream`: each has something new.
    fn publish(&self, upstream: &Path, number: u32);

    /// The selection's tables of sources, such as `[[apt]]…`.
    fn sources(&self, upstream: &Path) -> String;

    /// The keyrings that a site pins, each with its source.
    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)>;

    /// The sources that a site takes without proof.
    fn allows(&self) -> Vec<Label> {
        Vec::new()
    }

    /// Fails unless the generation in `folder` is whole: its signatures are good, and every file that its indexes name is
    /// there with the bytes that they name.
    fn check(&self, folder: &Path);

    /// What a published file, at `path` below its generation, says besides its date and its signature; none for a file that
    /// has neither.
    fn undated(&self, path: &Path, text: &str) -> Option<String>;

    /// Whether upstream's metadata has a date, which may not go back.
    fn dated(&self) -> bool {
        true
    }

    /// Whether it has a path for which tar needs an extended header.
    fn long_names(&self) -> bool {
        true
    }

    /// The least number of kills of one command in a complete run.
    fn kills(&self) -> usize;

    /// Its part in suites that do not depend on the kind.
    fn role(&self) -> Role {
        Role::Other
    }

    /// Whether suites that have no damage in them give its bundles recovery data.
    fn recovery(&self) -> bool {
        false
    }

    /// Whether the online side knows that each bundle has arrived, so that the ones after the first are deltas with patches.
    fn deltas(&self) -> bool {
        false
    }

    /// What a builder who holds the right key could say against upstream's word.
    fn lies(&self) -> Vec<Lie>;

    /// What the same builder may do.
    fn truths(&self) -> Vec<Truth>;
}

/// The part of a kind of content in a sample of a suite that does not depend on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// All, or many of each stratum.
    Leading,
    /// A few, as a smoke test.
    Other,
}

/// Hands one small world's content of each kind, with a name for its tests, to another macro: the one list of them.
macro_rules! with_contents {
    ($macro:ident $($more:tt)*) => {
        $crate::support::world::$macro! {
            packages: $crate::support::debs::Debs::small(),
            images: $crate::support::images::Images::small(),
            snaps: $crate::support::snaps::Snaps,
            os_images: $crate::support::os_images::OsImages,
            files: $crate::support::files::Files,
            yum: $crate::support::yum::Yum;
            $($more)*
        }
    };
}

/// Makes a test of each kind of content out of each of these functions, which get one: `FUNCTION::packages` and so on.
macro_rules! each_content {
    ($($function:ident),*) => {
        $($crate::support::world::with_contents! { tests_of $function })*
    };
}

/// The same, and a test of a flat repository: for suites about what a collector finds and a publisher checks. The others see
/// no difference between it and other Debian packages.
macro_rules! each_content_and_flat {
    ($($function:ident),*) => {
        $($crate::support::world::with_contents! { tests_and_flat_of $function })*
    };
}

/// [`tests_of`] with one more content.
macro_rules! tests_and_flat_of {
    ($($name:ident: $content:expr),*; $function:ident) => {
        $crate::support::world::tests_of! { $($name: $content),*, flat: $crate::support::flat::Flat; $function }
    };
}

/// A module of tests that is named like the function.
macro_rules! tests_of {
    ($($name:ident: $content:expr),*; $function:ident) => {
        mod $function {
            $(#[test]
            fn $name() {
                super::$function(std::sync::Arc::new($content));
            })*
        }
    };
}

/// All of it in a `Vec`.
macro_rules! list_of {
    ($($name:ident: $content:expr),*;) => { vec![$(Arc::new($content)),*] };
}

pub(crate) use {each_content, each_content_and_flat, list_of, tests_and_flat_of, tests_of, with_contents};

/// All of them.
pub(crate) fn contents() -> Vec<Arc<dyn Content>> {
    with_contents! { list_of }
}

/// Folders below its root: `upstream`, `online` (key, selection, workspace), `medium` (bundles), and sites.
pub(crate) struct World {
    root: TempDir,
    /// What its upstream has.
    pub(crate) content: Arc<dyn Content>,
    /// The builder's key; also in `online/builder.key`, with `.pub` beside it.
    pub(crate) key: SecretKey,
}

impl World {
    /// A world whose upstream is in state 1, with volumes of at most `volume_size`, such as `4 GB`.
    pub(crate) fn new(content: Arc<dyn Content>, volume_size: &str) -> Self {
        let world = Self { root: scratch(), content, key: SecretKey::generate() };
        for folder in ["upstream", "online", "medium"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.key.save(&world.path("online/builder.key"), "test builder", None).unwrap();
        world.publish(1);
        let head = format!("site = \"dc1\"\nname = \"base\"\nvolume-size = \"{volume_size}\"\n\n");
        world.select(&(head + &world.content.sources(&world.path("upstream"))));
        world
    }

    /// The same, with recovery data for content that asks for them.
    pub(crate) fn with_recovery(content: Arc<dyn Content>, volume_size: &str) -> Self {
        let world = Self::new(content, volume_size);
        if world.content.recovery() {
            let text = fs::read_to_string(world.path("online/selection.toml")).unwrap();
            world.select(&format!("recovery = \"10 %\"\nspare-volumes = 1\n{text}"));
        }
        world
    }

    /// Damages a bundle that has recovery data, as far as they reach; others stay as they are.
    pub(crate) fn hurt(&self, bundle: &Path) {
        if packing_folder(bundle).join("volume-001.rec").exists() {
            let volume = fs::File::options().write(true).open(packing_folder(bundle).join("volume-001.tar")).unwrap();
            volume.write_all_at(b"a dead block", 10_000).unwrap();
        }
    }

    /// A path below the world's root.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Puts the upstream into state `number`, and what the selection says of it. By then the last bundle has arrived, where that
    /// is ever known.
    pub(crate) fn publish(&self, number: u32) {
        let upstream = self.path("upstream");
        let selected = fs::read_to_string(self.path("online/selection.toml")).ok();
        let selected = selected.map(|text| (text, self.content.sources(&upstream)));
        self.content.publish(&upstream, number);
        if let Some((text, before)) = selected {
            self.select(&text.replace(&before, &self.content.sources(&upstream)));
        }
        self.arrived("online/workspace");
    }

    /// Tells a workspace that its last bundle has arrived, where the content is of a kind for that.
    pub(crate) fn arrived(&self, workspace: &str) {
        if !self.content.deltas() || !self.path(workspace).exists() {
            return;
        }
        let workspace = Workspace::open_there(&self.path(workspace)).unwrap();
        if let Some(last) = workspace.last(&"dc1".parse().unwrap(), &"base".parse().unwrap()).unwrap() {
            match workspace.confirm(&last.manifest.folder()) {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::NothingNew => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Replaces the selection's text.
    pub(crate) fn select(&self, text: &str) {
        fs::write(self.path("online/selection.toml"), text).unwrap();
    }

    /// Exports from the workspace `online/workspace` to `medium`.
    pub(crate) fn export(&self) -> Result<Exported, ExportError> {
        self.export_with(false)
    }

    /// The same; with `allow_older_upstream` also of an upstream that has gone back.
    pub(crate) fn export_with(&self, allow_older_upstream: bool) -> Result<Exported, ExportError> {
        let selection = Selection::load(&self.path("online/selection.toml")).unwrap();
        let (out, workspace, progress) = (self.path("medium"), self.path("online/workspace"), Progress::hidden());
        let usual = Settings::new(&out, &workspace, Some(&self.key), &progress);
        let settings = Settings { allow_older_upstream, snap_roots: roots(), ..usual };
        let exported = export(&selection, &settings)?;
        if let Some(folder) = &exported.folder {
            self.as_promised(&read_bundle(folder));
        }
        Ok(exported)
    }

    /// Fails unless a bundle after the first is a delta with patches, where the content promises that: without this, what the
    /// suites cover could get less without a word. A suite that exports by itself calls it for that bundle.
    pub(crate) fn as_promised(&self, bundle: &ReadBundle) {
        if self.content.deltas() && bundle.sequence > Sequence::FIRST {
            let held = bundle.blobs.len() - bundle.carried().len();
            let whole = bundle.parts().filter(|part| part.base.is_none()).count();
            assert!(held > 0 && whole > 0 && bundle.patches().count() > 0, "{bundle:?}");
        }
    }

    /// The folder of the next bundle.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.export().unwrap().folder.unwrap()
    }

    /// A new site in the folder `below`, called `dc1`, that trusts the builder and pins the upstream's keys.
    pub(crate) fn site(&self, below: &str) -> Site {
        let pins = self.content.pins(&self.path("upstream"));
        let allows = self.content.allows().into_iter().collect();
        let new = NewSite {
            name: "dc1".parse().unwrap(),
            trust: TrustFile::of_builder(&"dc1".parse().unwrap(), &self.key.public()),
            allow_unsigned: allows,
            keyrings: pins,
            key_algorithm: Default::default(),
        };
        init(&self.path(below), &new).unwrap();
        open_site(&self.path(below))
    }

    /// The real program, with neither its own nor apt's settings in its environment.
    pub(crate) fn gapferry(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(gapferry());
        command.args(arguments).current_dir(self.root.path()).env("LC_ALL", "C.UTF-8");
        // With the test runner's path of libraries, most of its system calls would be looks for libraries.
        for name in ["GAPFERRY_SITE", "GAPFERRY_WORKSPACE", "SOURCE_DATE_EPOCH", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        command
    }
}

/// The date of an upstream's state `number`: later for each, whenever it is written, and in the past.
pub(crate) fn date_of_state(number: u32) -> i64 {
    static START: LazyLock<i64> = LazyLock::new(|| Time::now().unix() - 1000);
    *START + i64::from(number)
}

/// The manifest of the bundle in `folder`.
pub(crate) fn manifest_of(folder: &Path) -> ReadBundle {
    read_bundle(folder)
}

/// Imports without any override.
pub(crate) fn bring(site: &Site, bundle: &Path) -> Result<Imported, SiteError> {
    import(site, bundle, Overrides::default(), &Progress::hidden())
}

/// The lines above the signature in a text, or all where there is none, but for those that `is_date` finds.
pub(crate) fn without_dates(text: &str, is_date: impl Fn(&str) -> bool) -> String {
    let lines = text.lines().take_while(|line| *line != "-----BEGIN PGP SIGNATURE-----");
    lines.filter(|line| !is_date(line)).map(|line| format!("{line}\n")).collect()
}

/// The program under test: as the test runner says, or else as cargo built it.
pub(crate) fn gapferry() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_gapferry").map_or_else(|| env!("CARGO_BIN_EXE_gapferry").into(), PathBuf::from)
}

/// A temporary folder; in memory if that has much room and runs scripts, since these tests make ten thousands of syncs.
pub(crate) fn scratch() -> TempDir {
    const MEMORY: &str = "/dev/shm";
    const ENOUGH_BYTES: u64 = 2 << 30;
    match rustix::fs::statvfs(MEMORY) {
        Ok(room)
            if room.f_bavail * room.f_frsize > ENOUGH_BYTES && !room.f_flag.contains(StatVfsMountFlags::NOEXEC) =>
        {
            tempfile::tempdir_in(MEMORY).unwrap()
        }
        _ => tempfile::tempdir().unwrap(),
    }
}
