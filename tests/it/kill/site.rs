//! Rollbacks, collections of garbage and rotations of the site's key that are killed.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gapferry::progress::Progress;
use gapferry::site::{CheckOptions, SiteError, check};

use super::import::{names_in, nothing_is_left_over, published, whole_generation};
use super::killing::{Killing, Kills};
use crate::apt_client::run;
use crate::support::files::Files;
use crate::support::snaps::open_site;
use crate::support::snapshot::{contents_of, copy, difference};
use crate::support::two_names::two_names;
use crate::support::world::{Content, Role, World, bring, each_content};

/// A world with a site `template` that has `generations` generations.
fn world_with(content: Arc<dyn Content>, generations: u32) -> World {
    let world = World::new(content, "64 KiB");
    let site = world.site("template");
    for number in 1..=generations {
        world.publish(number);
        bring(&site, &world.bundle()).unwrap();
    }
    world
}

/// Kills `arguments` over copies of `template`, and hands each copy to `check` with that of the undisturbed run, before and after
/// it is run again.
fn kill_over(world: &World, arguments: &[&str], check: impl Fn(&Path, &Path, bool)) {
    let root = world.path("");
    let kills = Kills { complete: world.content.kills() / 5, role: world.content.role() };
    let killing = Killing::new(&root, kills, |folder| -> Command {
        copy(&world.path("template"), &folder.join("site"));
        let mut command = world.gapferry(arguments);
        command.arg("--site").arg(folder.join("site"));
        command
    });
    let reference = killing.reference().join("site");
    killing.each(arguments[0], |killed| {
        let site = killed.folder.join("site");
        check(&reference, &site, false);
        killed.again_ends(&[0]);
        check(&reference, &site, true);
    });
}

each_content!(a_killed_rollback_leaves_the_old_site_or_the_new_one);
fn a_killed_rollback_leaves_the_old_site_or_the_new_one(content: Arc<dyn Content>) {
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

#[test]
fn a_killed_rollback_of_one_name_leaves_the_other_as_it_is() {
    let desk = two_names();
    let root = desk.path("");
    let kills = Kills { complete: 30, role: Role::Leading };
    let killing = Killing::new(&root, kills, |folder| -> Command {
        copy(&desk.path("site"), &folder.join("site"));
        let mut command = desk.command("rollback 1 --name base --site");
        command.arg(folder.join("site"));
        command
    });
    let tools = open_site(&desk.path("site")).current().unwrap().mounts["apt/other"];
    killing.each("rollbacks of one name", |killed| {
        let folder = killed.folder.join("site");
        let look = || {
            let current = open_site(&folder).current().unwrap();
            assert_eq!(current.mounts["apt/other"], tools);
            let index = folder.join("current/apt/demo/dists/stable/main/binary-amd64/Packages");
            let index = fs::read_to_string(index).unwrap();
            (current.number, index.contains("Version: 2.0-1\n"), index.contains("Package: hello-demo\n"))
        };
        let (number, is_new, is_whole) = look();
        assert!(is_whole && (number == 4) == is_new, "{:?}: {number}", killed.point);
        killed.again_ends(&[0]);
        assert_eq!(look(), (number + 1, false, true), "{:?}", killed.point);
        let all: Vec<String> = (1..=number + 1).map(|number| number.to_string()).collect();
        nothing_is_left_over(&folder, &all.iter().map(String::as_str).collect::<Vec<_>>());
    });
}

each_content!(a_killed_collection_of_garbage_is_finished_by_the_same_command);
fn a_killed_collection_of_garbage_is_finished_by_the_same_command(content: Arc<dyn Content>) {
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

#[test]
fn a_killed_rotation_of_the_key_is_finished_by_the_same_command() {
    let world = world_with(Arc::new(Files), 1);
    let root = world.path("");
    let before = key_of(&world.path("template"));
    let kills = Kills { complete: 30, role: Role::Leading };
    let killing = Killing::new(&root, kills, |folder| -> Command {
        copy(&world.path("template"), &folder.join("site"));
        let mut command = world.gapferry(&["site", "rotate-key", "--now", "--site"]);
        command.arg(folder.join("site"));
        command
    });
    killing.each("rotations", |killed| {
        let site = killed.folder.join("site");
        whole_generation(&world, &site);
        let is_begun = site.join("keys/next.pgp").exists();
        let is_done = !is_begun && key_of(&site) != before;
        match (is_begun, is_done) {
            // The key that took over is there: ending the rotation is what is left.
            (true, _) => drop(killed.again_ends(&[2])),
            (_, true) => {}
            _ => drop(killed.again_ends(&[0])),
        }
        if is_begun {
            run(&mut world.gapferry(&["site", "rotate-key", "--finish", "--site", site.to_str().unwrap()]));
        }
        assert_ne!(key_of(&site), before, "{:?}", killed.point);
        assert!(!site.join("keys/next.pgp").exists(), "{:?}", killed.point);
        whole_generation(&world, &site);
    });
}

/// The fingerprint of the key that signs.
fn key_of(site: &Path) -> String {
    gapferry::site::Site::open(site).unwrap().key_fingerprint().unwrap()
}

each_content!(a_killed_repair_is_finished_by_the_same_command);
fn a_killed_repair_is_finished_by_the_same_command(content: Arc<dyn Content>) {
    let world = world_with(content, 0);
    world.publish(1);
    let bundle = world.bundle();
    bring(&open_site(&world.path("template")), &bundle).unwrap();
    let right = published(&world, &world.path("template"));
    let largest = largest_blob(&world.path("template/depot/sha256"));
    rot(&largest);
    let from = bundle.to_str().unwrap();
    kill_over(&world, &["site", "check", "--repair", "--from", from], |_, folder, finished| {
        if finished {
            assert_eq!(difference(&right, &published(&world, folder)), None);
            let checked = check(&open_site(folder), CheckOptions::default(), &Progress::hidden()).unwrap();
            assert!(checked.flawed.is_empty(), "{:?}", checked.flawed);
            assert!(names_in(&folder.join("depot/bad")).is_empty());
            fs::remove_dir_all(folder.join("rotten")).unwrap();
            nothing_is_left_over(folder, &["1"]);
        }
    });
}

#[test]
fn an_import_after_a_killed_repair_and_a_check_finishes_it() {
    let world = world_with(Arc::new(Files), 0);
    let bundle = world.bundle();
    bring(&open_site(&world.path("template")), &bundle).unwrap();
    let right = published(&world, &world.path("template"));
    rot(&largest_blob(&world.path("template/depot/sha256")));
    let from = bundle.to_str().unwrap();
    let imported = world.path("imported");
    kill_over(&world, &["site", "check", "--repair", "--from", from], |_, folder, finished| {
        if !finished {
            copy(folder, &imported);
            let site = open_site(&imported);
            check(&site, CheckOptions::default(), &Progress::hidden()).unwrap();
            match bring(&site, &bundle) {
                Err(SiteError::AlreadyImported { .. }) => {}
                ended => drop(ended.unwrap()),
            }
            assert_eq!(difference(&right, &published(&world, &imported)), None);
            fs::remove_dir_all(&imported).unwrap();
        }
    });
}

fn largest_blob(depot: &Path) -> PathBuf {
    let files = walkdir::WalkDir::new(depot).into_iter().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.is_file()).max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

/// Overwrites a byte of a blob, and of the files that are links to it.
fn rot(blob: &Path) {
    fs::set_permissions(blob, fs::Permissions::from_mode(0o644)).unwrap();
    let file = File::options().read(true).write(true).open(blob).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    file.write_all_at(&[!byte[0]], 0).unwrap();
    fs::set_permissions(blob, fs::Permissions::from_mode(0o444)).unwrap();
}
