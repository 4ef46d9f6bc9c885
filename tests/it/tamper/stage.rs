//! Where attacks take place: copies of a right bundle and of a site, with an eye on all that must not change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapferry::bundle::Manifest;
use gapferry::causes::causes;
use gapferry::depot::Depot;
use gapferry::exit::Exit;
use gapferry::site::{Site, SiteError};
use tempfile::TempDir;

use crate::support::snapshot::{Snapshot, contents_of, copy, difference, snapshot};
use crate::support::world::{Content, World, bring, scratch};

/// Three bundles of a world, `first`, `second` and `third`, and two sites: `empty`, and `site` that has the first.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) first: PathBuf,
    pub(super) second: PathBuf,
    pub(super) third: PathBuf,
}

impl Stage {
    pub(super) fn new(content: Arc<dyn Content>) -> Self {
        let world = World::new(content, "64 KiB");
        let [first, second, third] = [1, 2, 3].map(|number| {
            world.publish(number);
            world.bundle()
        });
        world.site("empty");
        copy(&world.path("empty"), &world.path("site"));
        bring(&Site::open(&world.path("site")).unwrap(), &first).unwrap();
        Self { world, first, second, third }
    }

    /// The manifest of a bundle.
    pub(super) fn manifest(&self, bundle: &Path) -> Manifest {
        Manifest::parse(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap()
    }

    /// The blobs of all bundles.
    pub(super) fn depot(&self) -> Depot {
        Depot::open(&self.world.path("online/workspace/depot")).unwrap()
    }

    /// Copies of `bundle` and of the site `site` in a folder of their own.
    pub(super) fn arena(&self, bundle: &Path, site: &str) -> Arena {
        let root = scratch();
        fs::create_dir(root.path().join("medium")).unwrap();
        fs::write(root.path().join("bystander"), "not part of any site").unwrap();
        let arena = Arena { bundle: root.path().join("medium").join(bundle.file_name().unwrap()), root };
        copy(bundle, &arena.bundle);
        self.fresh_site(&arena, site);
        arena
    }

    /// Puts a copy of the site `site` in the place of the arena's.
    pub(super) fn fresh_site(&self, arena: &Arena, site: &str) {
        let _ = fs::remove_dir_all(arena.site_path());
        match site {
            "empty" => copy_files(&self.world.path(site), &arena.site_path()),
            _ => copy(&self.world.path(site), &arena.site_path()),
        }
    }

    /// Puts the right bundle in the place of the altered one, and fails unless the same site takes it now.
    pub(super) fn right_one_imports(&self, arena: &Arena, right: &Path, attack: &str) {
        let bundle = arena.bundle.with_file_name(right.file_name().unwrap());
        let _ = fs::remove_dir_all(&bundle);
        copy(right, &bundle);
        bring(&arena.site(), &bundle).unwrap_or_else(|error| panic!("after {attack}: {}", causes(&error).join(": ")));
        self.world.content.check(&arena.site_path().join("current"));
    }
}

pub(super) struct Arena {
    root: TempDir,
    pub(super) bundle: PathBuf,
}

impl Arena {
    pub(super) fn site_path(&self) -> PathBuf {
        self.root.path().join("site")
    }

    pub(super) fn site(&self) -> Site {
        Site::open(&self.site_path()).unwrap()
    }

    /// Everything but the site, with times.
    pub(super) fn surroundings(&self) -> Snapshot {
        snapshot(self.root.path(), |path| path != Path::new("site"))
    }

    /// What clients see, and all that could become it.
    pub(super) fn published(&self) -> Snapshot {
        contents_of(&self.site_path(), |path| {
            path == Path::new("") || path.starts_with("current") || path.starts_with("generations")
        })
    }

    /// Imports, and fails unless that is refused as it should be and changes nothing.
    pub(super) fn refuses(&self, attack: &str, exit: Exit, words: &str) {
        let (around, published) = (self.surroundings(), self.published());
        let refusal = bring(&self.site(), &self.bundle);
        judge(attack, refusal.map(|_| ()), exit, words);
        self.unchanged(attack, &around, &published);
    }

    pub(super) fn unchanged(&self, attack: &str, around: &Snapshot, published: &Snapshot) {
        assert_eq!(difference(around, &self.surroundings()), None, "{attack} touched something");
        assert_eq!(difference(published, &self.published()), None, "{attack} published something");
    }
}

/// Copies folders and files that are not linked to each other: faster than [`copy`], for thousands of sites.
fn copy_files(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir(target).unwrap(),
            false => drop(fs::copy(entry.path(), target).map_err(|error| panic!("{error}"))),
        }
    }
}

/// Fails unless the result is a refusal with this exit code and these words.
pub(super) fn judge(attack: &str, result: Result<(), SiteError>, exit: Exit, words: &str) {
    let error = result.expect_err(attack);
    let text = causes(&error).join(": ");
    assert_eq!(error.exit(), exit, "{attack}: {text}");
    assert!(text.contains(words), "{attack}: {text}");
}
