//! Where attacks take place: copies of a right bundle and of a site, with an eye on all that must not change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::error_class::causes;
use gapferry::site::{Site, SiteError};
use tempfile::TempDir;

use crate::support::read_bundle::ReadBundle;
use crate::support::snaps::open_site;
use crate::support::snapshot::{Snapshot, contents_of, copy, difference, snapshot};
use crate::support::world::{Content, World, bring, manifest_of, scratch};

/// Three bundles of a world, `first`, `second` and `third`, and two sites: `empty`, and `site` that has the first.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) first: PathBuf,
    pub(super) second: PathBuf,
    pub(super) third: PathBuf,
    pub(super) target: Target,
}

/// Whose volumes are attacked: a delta if the world has any, and else the first bundle, since an empty site is copied in no time.
pub(super) struct Target {
    /// The bundle.
    pub(super) bundle: PathBuf,
    /// The site that takes it.
    pub(super) site: &'static str,
    /// The bundle after it.
    pub(super) next: PathBuf,
}

impl Stage {
    pub(super) fn new(content: Arc<dyn Content>) -> Self {
        Self::of(World::new(content, "64 KiB"))
    }

    /// The same in a world that has only just begun.
    pub(super) fn of(world: World) -> Self {
        let [first, second, third] = [1, 2, 3].map(|number| {
            world.publish(number);
            world.bundle()
        });
        world.site("empty");
        copy(&world.path("empty"), &world.path("site"));
        bring(&open_site(&world.path("site")), &first).unwrap();
        let target = match world.content.deltas() {
            true => Target { bundle: second.clone(), site: "site", next: third.clone() },
            false => Target { bundle: first.clone(), site: "empty", next: second.clone() },
        };
        Self { world, first, second, third, target }
    }

    /// The manifest of a bundle.
    pub(super) fn manifest(&self, bundle: &Path) -> ReadBundle {
        manifest_of(bundle)
    }

    /// Copies of the target and of its site.
    pub(super) fn target(&self) -> Arena {
        self.arena(&self.target.bundle, self.target.site)
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
        copy_site(&self.world.path(site), &arena.site_path());
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

/// What an arena was like before an attack.
pub(super) struct Before {
    around: Snapshot,
    published: Snapshot,
    held: Snapshot,
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
        open_site(&self.site_path())
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

    /// The blobs that the site holds.
    fn held(&self) -> Snapshot {
        contents_of(&self.site_path().join("depot/sha256"), |_| true)
    }

    /// All that no attack may change.
    pub(super) fn now(&self) -> Before {
        Before { around: self.surroundings(), published: self.published(), held: self.held() }
    }

    /// Imports, and fails unless that is refused as it should be and changes nothing.
    pub(super) fn refuses(&self, attack: &str, exit: Exit, words: &str) {
        let before = self.now();
        let refusal = bring(&self.site(), &self.bundle);
        judge(attack, refusal.map(|_| ()), exit, words);
        self.unchanged(attack, &before);
    }

    /// Fails if anything around the site or in what it publishes has changed, or a blob that it held; new ones it may have.
    pub(super) fn unchanged(&self, attack: &str, before: &Before) {
        self.untouched(attack, before);
        assert_eq!(difference(&before.published, &self.published()), None, "{attack} published something");
    }

    /// The same, but for what it publishes.
    pub(super) fn untouched(&self, attack: &str, before: &Before) {
        assert_eq!(difference(&before.around, &self.surroundings()), None, "{attack} touched something");
        let mut now = self.held();
        now.retain(|path, _| before.held.contains_key(path));
        assert_eq!(difference(&before.held, &now), None, "{attack} changed what the site held");
    }
}

/// Copies a site in no time, for thousands of them: blobs and what is published, which nothing may write to, are links.
fn copy_site(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let below = entry.path().strip_prefix(from).unwrap();
        let (kind, target) = (entry.file_type(), to.join(below));
        let fixed = ["depot/sha256", "trees"].iter().any(|folder| below.starts_with(folder));
        if kind.is_dir() {
            fs::create_dir(target).unwrap();
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else if fixed {
            fs::hard_link(entry.path(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Fails unless the result is a refusal with this exit code and these words.
pub(super) fn judge(attack: &str, result: Result<(), SiteError>, exit: Exit, words: &str) {
    let error = result.expect_err(attack);
    let text = causes(&error).join(": ");
    assert_eq!(Exit::from(error.class()), exit, "{attack}: {text}");
    assert!(text.contains(words), "{attack}: {text}");
}
