//! Imports that are killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use gapferry::site::{Site, status};

use super::strace::{kill_at, points};
use crate::apt_client::output;
use crate::support::snapshot::{Snapshot, contents_of, copy, difference, snapshot};
use crate::support::threads::on_two_threads;
use crate::support::world::{World, bring, contents};

/// What clients see, without dates and signatures.
pub(super) fn published(world: &World, site: &Path) -> Snapshot {
    let current = fs::canonicalize(site.join("current")).unwrap();
    let mut snapshot = contents_of(&current, |path| !path.ends_with("generation.json"));
    for (path, seen) in &mut snapshot {
        let text = fs::read_to_string(current.join(path)).ok();
        if let Some(text) = text.and_then(|text| world.content.undated(path, &text)) {
            seen.put_text(&text);
        }
    }
    snapshot
}

/// The number of the generation that clients see; fails unless it is whole and the site is sound.
pub(super) fn whole_generation(world: &World, folder: &Path) -> u64 {
    let site = Site::open(folder).unwrap();
    let status = status(&site).unwrap();
    assert_eq!(status.generations.last().unwrap().0, status.current.number);
    world.content.check(&folder.join("current"));
    status.current.number
}

/// Fails unless nothing of an interrupted run is left.
pub(super) fn nothing_is_left_over(folder: &Path, generations: &[&str]) {
    for empty in ["journal", "quarantine", "depot/partial"] {
        assert_eq!(names_in(&folder.join(empty)), [""; 0], "{empty}");
    }
    assert_eq!(names_in(&folder.join("generations")), generations);
    assert!(folder.join("current.part").symlink_metadata().is_err());
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_killed_import_leaves_the_old_site_or_the_new_one_and_is_finished_by_the_same_command() {
    for content in contents() {
        let least = content.kills();
        let world = World::new(content, "64 KiB");
        let first = world.bundle();
        world.publish(2);
        let second = world.bundle();
        bring(&world.site("template"), &first).unwrap();
        let import = |folder: &Path| {
            let _ = fs::remove_dir_all(folder);
            copy(&world.path("template"), folder);
            let mut command: Command = world.gapferry(&["import", "--quiet"]);
            command.arg(&second).arg("--site").arg(folder);
            command
        };
        let reference = world.path("reference");
        let points = points(&import(&reference), least * 13 / 10);
        let expected = published(&world, &reference);
        let old = published(&world, &world.path("template"));
        let medium = snapshot(&world.path("medium"), |_| true);
        let (kills, flipped, worker) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let start = || world.path(&format!("worker-{}", worker.fetch_add(1, Ordering::Relaxed)));
        on_two_threads(&points, start, |folder, point| {
            let mut import = import(folder);
            if kill_at(&import, point).is_some() {
                kills.fetch_add(1, Ordering::Relaxed);
            }
            let number = whole_generation(&world, folder);
            flipped.fetch_add(usize::from(number == 2), Ordering::Relaxed);
            let should_be = if number == 1 { &old } else { &expected };
            assert_eq!(difference(should_be, &published(&world, folder)), None, "{point:?}");

            let again = output(&mut import);
            let code = if number == 1 { 0 } else { 3 };
            assert_eq!(again.status.code(), Some(code), "{point:?}: {}", String::from_utf8_lossy(&again.stderr));
            assert_eq!(whole_generation(&world, folder), 2, "{point:?}");
            assert_eq!(difference(&expected, &published(&world, folder)), None, "{point:?}");
            nothing_is_left_over(folder, &["1", "2"]);
        });
        assert_eq!(difference(&medium, &snapshot(&world.path("medium"), |_| true)), None, "the medium was touched");
        let (kills, flipped) = (kills.into_inner(), flipped.into_inner());
        eprintln!("{kills} imports were killed, {flipped} of them after the flip");
        assert!(kills >= least, "only {kills} imports were killed");
    }
}
