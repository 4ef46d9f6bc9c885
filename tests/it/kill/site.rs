//! Rollbacks and collections of garbage that are killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::import::{nothing_is_left_over, published, whole_generation};
use super::strace::{kill_at, points};
use crate::apt_client::output;
use crate::support::snapshot::{contents_of, copy, difference};
use crate::support::threads::on_two_threads;
use crate::support::world::{World, bring, contents};

/// A world with a site `template` that has `generations` generations.
fn world_with(content: std::sync::Arc<dyn crate::support::world::Content>, generations: u32) -> World {
    let world = World::new(content, "64 KiB");
    let site = world.site("template");
    for number in 1..=generations {
        world.publish(number);
        bring(&site, &world.bundle()).unwrap();
    }
    world
}

/// Kills `arguments` at points over the copies of `template`, and hands each copy to `check`, before and after it is run again.
fn kill_over(world: &World, arguments: &[&str], check: impl Fn(&Path, &Path, bool) + Sync) {
    let command = |folder: &Path| {
        let _ = fs::remove_dir_all(folder);
        copy(&world.path("template"), folder);
        let mut command: Command = world.gapferry(arguments);
        command.arg("--site").arg(folder);
        command
    };
    let reference = world.path("reference");
    let least = world.content.kills() / 5;
    let points = points(&command(&reference), least * 13 / 10);
    let (kills, worker) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = || world.path(&format!("worker-{}", worker.fetch_add(1, Ordering::Relaxed)));
    on_two_threads(&points, start, |folder, point| {
        let mut command = command(folder);
        if kill_at(&command, point).is_some() {
            kills.fetch_add(1, Ordering::Relaxed);
        }
        check(&reference, folder, false);
        let again = output(&mut command);
        assert!(again.status.success(), "{point:?}: {}", String::from_utf8_lossy(&again.stderr));
        check(&reference, folder, true);
    });
    let kills = kills.into_inner();
    eprintln!("{arguments:?}: {kills} were killed");
    assert!(kills >= least, "only {kills} of {arguments:?} were killed");
}

#[test]
fn a_killed_rollback_leaves_the_old_site_or_the_new_one() {
    for content in contents() {
        let world = world_with(content, 2);
        let before = published(&world, &world.path("template"));
        kill_over(&world, &["rollback", "1"], |reference, folder, finished| {
            let number = whole_generation(&world, folder);
            let is_old = number == 2 && !finished;
            let expected = if is_old { before.clone() } else { published(&world, reference) };
            assert_eq!(difference(&expected, &published(&world, folder)), None);
            match number {
                3 if finished => nothing_is_left_over(folder, &["1", "2", "3"]),
                4 if finished => nothing_is_left_over(folder, &["1", "2", "3", "4"]),
                _ => {}
            }
        });
    }
}

#[test]
fn a_killed_collection_of_garbage_is_finished_by_the_same_command() {
    for content in contents() {
        let world = world_with(content, 3);
        let before = published(&world, &world.path("template"));
        kill_over(&world, &["gc", "--keep", "1"], |reference, folder, finished| {
            assert_eq!(whole_generation(&world, folder), 3);
            assert_eq!(difference(&before, &published(&world, folder)), None);
            if finished {
                let all = |site: &Path| contents_of(site, |path| path != Path::new("audit.jsonl"));
                assert_eq!(difference(&all(reference), &all(folder)), None);
                nothing_is_left_over(folder, &["3"]);
            }
        });
    }
}
