//! Folders with many files, which the trees of several generations share.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit;

use super::older::start;
use super::web::{OWN, get};
use crate::apt_client::run;
use crate::kill::strace::traced;
use crate::support::desk::{Desk, names};
use crate::support::port::port;

/// From so many files on a folder is shared.
const MANY: usize = 256;

/// A desk with a folder of files, and a site that may take them.
fn desk() -> Desk {
    let desk = Desk::new();
    for folder in ["pool/a", "pool/b", "pool/few"] {
        fs::create_dir_all(desk.path("online/files").join(folder)).unwrap();
    }
    (0..MANY).for_each(|number| {
        write(&desk, &format!("pool/a/{number:03}"), &number.to_string());
        write(&desk, &format!("pool/b/{number:03}"), &format!("b{number}"));
    });
    write(&desk, "pool/few/0", "few");
    write(&desk, "top", "top");
    desk.select("[[files]]\nname = \"own\"\nfrom = \"files\"\n");
    desk.init(&[], "--allow-unsigned own");
    desk
}

fn write(desk: &Desk, path: &str, content: &str) {
    fs::write(desk.path("online/files").join(path), content).unwrap();
}

/// Carries a state, and one with a file changed and a file more.
fn ferry_two(desk: &Desk) {
    desk.ferry();
    write(desk, "pool/a/007", "changed");
    write(desk, "pool/few/1", "new");
    desk.ferry();
}

/// Returns the folder of a generation that has this path, without links.
fn place(desk: &Desk, generation: u64, folder: &str) -> PathBuf {
    let published = desk.path(&format!("site/generations/{generation}/files/own"));
    fs::canonicalize(published.join(folder)).unwrap()
}

/// Fails unless a generation has the files that the folder of the online side has.
#[track_caller]
fn is_whole(desk: &Desk, generation: u64) {
    let published = desk.path(&format!("site/generations/{generation}/files/own"));
    run(Command::new("diff").arg("-r").arg(desk.path("online/files")).arg(published));
}

/// Fails unless each tree is one of a generation, or one has it as a folder.
#[track_caller]
fn no_tree_is_left_over(desk: &Desk) {
    let trees = desk.path("site/trees");
    let links = |folder: &Path| {
        let found =
            walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|entry| entry.path_is_symlink());
        found.map(|entry| fs::canonicalize(entry.path()).unwrap()).collect::<BTreeSet<_>>()
    };
    let used: BTreeSet<_> = links(&desk.path("site/generations")).union(&links(&trees)).cloned().collect();
    let there: BTreeSet<_> = names(&trees).iter().map(|name| fs::canonicalize(trees.join(name)).unwrap()).collect();
    assert_eq!(there, used);
}

#[test]
fn unchanged_folders_are_shared_and_served() {
    let desk = desk();
    ferry_two(&desk);
    is_whole(&desk, 2);
    let is_shared = |folder| place(&desk, 1, folder) == place(&desk, 2, folder);
    assert_eq!(["pool/b", "pool/a", "pool/few", "pool"].map(is_shared), [true, false, false, false]);
    for what in ["nginx", "apache"] {
        let port = port();
        let _server = start(&desk, what, port);
        for (path, content) in [("b/000", "b0"), ("a/007", "changed"), ("few/1", "new")] {
            let (status, _, body) = get(port, OWN, &format!("/files/own/pool/{path}"));
            assert_eq!((status.as_str(), body.as_slice()), ("200", content.as_bytes()), "{what}: {path}");
        }
        for folder in ["/files/own/pool", "/files/own/pool/", "/files/own/pool/a/"] {
            assert_eq!(get(port, OWN, folder).0, "404", "{what}: {folder}");
        }
    }
    desk.run("rollback --site site").ok();
    assert_eq!(fs::read(place(&desk, 3, "pool/a").join("007")).unwrap(), b"7");
    assert_eq!(["pool/a", "pool/b"].map(|folder| place(&desk, 1, folder) == place(&desk, 3, folder)), [true, true]);
    desk.run("rollback 2 --site site").ok();
    no_tree_is_left_over(&desk);
    desk.run("gc --keep 1 --site site").ok();
    no_tree_is_left_over(&desk);
    is_whole(&desk, 4);
    desk.run("site check --site site").ok();
}

#[test]
fn a_lost_folder_is_made_again_and_shared_again() {
    let desk = desk();
    ferry_two(&desk);
    fs::remove_dir_all(place(&desk, 2, "pool/b")).unwrap();
    desk.run("site check --site site").says(Exit::RotFound, &["pool/b/000", "is missing"]);
    desk.run("site check --repair --site site").ok();
    is_whole(&desk, 2);
    desk.run("site check --site site").ok();
    write(&desk, "pool/few/2", "newer");
    desk.ferry();
    is_whole(&desk, 3);
    desk.run("gc --keep 1 --site site").ok();
    is_whole(&desk, 3);
    no_tree_is_left_over(&desk);
}

#[test]
fn rot_in_a_shared_folder_is_taken_away_and_healed() {
    let desk = desk();
    ferry_two(&desk);
    let bundle = desk.path("medium/dc1-base-000002");
    // Linked to its blob, and in a copy of the site that has bytes of its own.
    run(Command::new("cp").arg("-r").arg(desk.path("site")).arg(desk.path("copy")));
    for site in ["site", "copy"] {
        let file = desk.path(site).join("current/files/own/pool/b/000");
        run(Command::new("chmod").arg("u+w").arg(&file));
        fs::write(&file, "xx").unwrap();
        desk.run(&format!("site check --site {site}")).says(Exit::RotFound, &["changed on disk"]);
    }
    desk.run("site check --repair --site copy").ok();
    desk.run("site check --repair --site site").says(Exit::RotFound, &[]);
    assert!(!desk.path("site/current/files/own/pool/b/000").exists());
    desk.run(&format!("import {} --reread --site site", bundle.display())).ok();
    for site in ["site", "copy"] {
        for generation in ["1", "2"] {
            let file = desk.path(site).join("generations").join(generation).join("files/own/pool/b/000");
            assert_eq!(fs::read(file).unwrap(), b"b0", "{site}");
        }
        desk.run(&format!("site check --site {site}")).ok();
    }
}

#[test]
fn a_killed_import_leaves_no_shared_folder() {
    let desk = desk();
    desk.ferry();
    write(&desk, "pool/a/007", "changed");
    write(&desk, "pool/few/1", "new");
    let bundle = desk.bundle();
    run(Command::new("cp").arg("-a").arg(desk.path("site")).arg(desk.path("template")));
    // The first three links are those of the generation, the next ones those of shared folders; the last one is the switch.
    for (call, nth) in
        [("link,linkat", 100), ("symlink,symlinkat", 4), ("symlink,symlinkat", 6), ("symlink,symlinkat", 7)]
    {
        let kill = format!("{call}:signal=KILL:when={nth}");
        fs::remove_dir_all(desk.path("site")).unwrap();
        run(Command::new("cp").arg("-a").arg(desk.path("template")).arg(desk.path("site")));
        let options = ["-o", "/dev/null", "-e", &format!("inject={kill}")];
        let killed =
            traced(&desk.command(&format!("import {} --site site", bundle.display())), &options).output().unwrap();
        assert!(!killed.status.success(), "{kill}");
        assert_eq!(fs::read_link(desk.path("site/current")).unwrap(), Path::new("generations/1"), "{kill}");
        desk.import(&bundle).ok();
        is_whole(&desk, 2);
        no_tree_is_left_over(&desk);
        desk.run("site check --site site").ok();
    }
}
