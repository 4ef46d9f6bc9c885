//! Imports that are killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gapferry::site::status;

use super::killing::{Killing, Kills};
use crate::support::snaps::open_site;
use crate::support::snapshot::{Snapshot, contents_through_links, copy, difference, snapshot};
use crate::support::world::{Content, World, bring, each_content_and_flat};

/// What clients see, without dates and signatures.
pub(crate) fn published(world: &World, site: &Path) -> Snapshot {
    let current = fs::canonicalize(site.join("current")).unwrap();
    let mut snapshot = contents_through_links(&current, |path| !path.ends_with("generation.json"));
    for (path, seen) in &mut snapshot {
        let text = fs::read_to_string(current.join(path)).ok();
        if let Some(text) = text.and_then(|text| world.content.undated(path, &text)) {
            seen.put_text(&text);
        }
    }
    snapshot
}

/// The number of the generation that clients see; fails unless it is whole and the site is sound.
pub(crate) fn whole_generation(world: &World, folder: &Path) -> u64 {
    let site = open_site(folder);
    let status = status(&site).unwrap();
    assert_eq!(status.generations.last().unwrap().0, status.current.number);
    world.content.check(&folder.join("current"));
    status.current.number
}

/// Fails unless nothing of an interrupted run is left.
pub(crate) fn nothing_is_left_over(folder: &Path, generations: &[&str]) {
    for empty in ["waiting", "refused", "depot/partial"] {
        assert_eq!(names_in(&folder.join(empty)), [""; 0], "{empty}");
    }
    for gone in ["check.json", "rotten"] {
        assert!(!folder.join(gone).exists(), "{gone}");
    }
    assert_eq!(names_in(&folder.join("generations")), generations);
    let site = open_site(folder);
    let mounts = site.generations().unwrap().into_iter().flat_map(|number| site.generation(number).unwrap().mounts);
    let named: BTreeSet<String> =
        mounts.map(|(below, mount)| format!("{}-{}", below.replace('/', "-"), mount.paths)).collect();
    assert_eq!(names_in(&folder.join("trees")), named.into_iter().collect::<Vec<_>>(), "trees of no generation");
    assert!(folder.join("current.part").symlink_metadata().is_err());
}

pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

each_content_and_flat!(a_killed_import_leaves_the_old_site_or_the_new_one_and_is_finished_by_the_same_command);
fn a_killed_import_leaves_the_old_site_or_the_new_one_and_is_finished_by_the_same_command(content: Arc<dyn Content>) {
    let kills = Kills { complete: content.kills(), role: content.role() };
    let world = World::with_recovery(content, "64 KiB");
    let first = world.bundle();
    world.publish(2);
    let second = world.bundle();
    world.hurt(&second);
    bring(&world.site("template"), &first).unwrap();
    let root = world.path("");
    let killing = Killing::new(&root, kills, |folder| -> Command {
        copy(&world.path("template"), &folder.join("site"));
        let mut command = world.gapferry(&["import", "--quiet"]);
        command.arg(&second).arg("--site").arg(folder.join("site"));
        command
    });
    let expected = published(&world, &killing.reference().join("site"));
    let old = published(&world, &world.path("template"));
    let medium = snapshot(&world.path("medium"), |_| true);
    let mut flipped = 0;
    killing.each("imports", |killed| {
        let (site, point) = (&killed.folder.join("site"), killed.point);
        let number = whole_generation(&world, site);
        flipped += usize::from(number == 2);
        let should_be = if number == 1 { &old } else { &expected };
        assert_eq!(difference(should_be, &published(&world, site)), None, "{point:?}");

        killed.again_ends(&[if number == 1 { 0 } else { 3 }]);
        assert_eq!(whole_generation(&world, site), 2, "{point:?}");
        assert_eq!(difference(&expected, &published(&world, site)), None, "{point:?}");
        nothing_is_left_over(site, &["1", "2"]);
    });
    assert_eq!(difference(&medium, &snapshot(&world.path("medium"), |_| true)), None, "the medium was touched");
    eprintln!("{flipped} of them after the flip");
}
