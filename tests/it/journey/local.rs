//! A folder of own .debs: allowed only where the site says so, and marked wherever it is listed.

use std::fs;
use std::os::unix::fs::symlink;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, build_deb};

use super::client;
use crate::support::desk::{Desk, names};

fn put(desk: &Desk, file: &str, deb: &DebSpec) {
    fs::create_dir_all(desk.path("online/debs/more")).unwrap();
    fs::write(desk.path("online/debs").join(file), build_deb(deb).unwrap()).unwrap();
}

fn own_debs() -> Desk {
    let desk = Desk::new();
    put(&desk, "tool.deb", &DebSpec { depends: "own-lib".into(), ..DebSpec::new("own-tool", "1:1.0-1", "amd64") });
    put(&desk, "more/lib.deb", &DebSpec::new("own-lib", "2", "all"));
    fs::write(desk.path("online/debs/README"), "not a package").unwrap();
    desk.select("[[apt]]\nname = \"own\"\nlocal = \"debs\"\n");
    desk
}

#[test]
fn own_packages_need_the_sites_leave_and_are_marked() {
    let desk = own_debs();
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {}", bundle.display())).ok().out;
    assert_eq!(inspected.matches("WITHOUT UPSTREAM PROOF").count(), 2, "{inspected}");

    desk.init(&[], "");
    desk.import(&bundle).says(Exit::Refused, &["comes without proof by upstream", "allow-unsigned", "own"]);
    assert!(!desk.path("site/current").exists());
    fs::remove_dir_all(desk.path("site")).unwrap();
    desk.init(&[], "--allow-unsigned other");
    desk.import(&bundle).says(Exit::Refused, &["comes without proof by upstream"]);
    fs::remove_dir_all(desk.path("site")).unwrap();

    desk.init(&[], "--allow-unsigned own");
    desk.import(&bundle).ok();
    let status = desk.run("status --site site").ok().out;
    assert!(status.contains("2 items WITHOUT UPSTREAM PROOF"), "{status}");
    let client = client(&desk, "own", "local", "main");
    client.apt_get("update");
    assert_eq!(client.would_install("own-tool"), ["own-lib", "own-tool"]);
}

#[test]
fn what_is_no_package_is_named() {
    let desk = own_debs();
    fs::write(desk.path("online/debs/more/bad.deb"), "garbage").unwrap();
    desk.export("").says(Exit::VerificationFailed, &["bad.deb", "not a usable .deb"]);
    fs::remove_file(desk.path("online/debs/more/bad.deb")).unwrap();
    put(
        &desk,
        "again.deb",
        &DebSpec { extra: vec![("X".into(), "other".into())], ..DebSpec::new("own-lib", "2", "all") },
    );
    desk.export("").says(Exit::VerificationFailed, &["two different files", "own-lib_2_all.deb"]);
    fs::remove_dir_all(desk.path("online/debs/more")).unwrap();
    names(&desk.path("online/debs"))
        .iter()
        .for_each(|name| fs::remove_file(desk.path("online/debs").join(name)).unwrap());
    desk.export("").says(Exit::Usage, &["no .deb file", "debs"]);
}

#[test]
fn links_within_the_folder_are_followed_and_others_refused_by_name() {
    let desk = own_debs();
    fs::rename(desk.path("online/debs/tool.deb"), desk.path("online/debs/more/tool-1")).unwrap();
    symlink("more/tool-1", desk.path("online/debs/tool.deb")).unwrap();
    assert_eq!(desk.export("--dry-run --json").ok().json()["selected"]["files"], 2);
    symlink("/usr/share/far.deb", desk.path("online/debs/gone.deb")).unwrap();
    desk.export("").says(Exit::Usage, &["debs/gone.deb is a symbolic link that leads nowhere"]);
    fs::remove_file(desk.path("online/debs/gone.deb")).unwrap();
    fs::rename(desk.path("online/debs/more/lib.deb"), desk.path("lib.deb")).unwrap();
    symlink(desk.path("lib.deb"), desk.path("online/debs/more/lib.deb")).unwrap();
    desk.export("").says(Exit::Usage, &["debs/more/lib.deb is a symbolic link that leads out of its folder"]);
}

#[test]
fn a_dry_run_copies_no_package() {
    let desk = own_debs();
    let ended = desk.export("--dry-run --json").ok().json();
    assert_eq!((&ended["selected"]["files"], &ended["dry_run"]), (&2.into(), &true.into()));
    assert!(names(&desk.path("medium")).is_empty());
    let blobs = walkdir::WalkDir::new(desk.path("online/workspace/depot")).into_iter().map(Result::unwrap);
    let debs = blobs.filter(|e| e.file_type().is_file() && fs::read(e.path()).unwrap().starts_with(b"!<arch>")).count();
    assert_eq!(debs, 0);
}
