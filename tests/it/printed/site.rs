//! Commands that are printed on the site's host, or for it.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;

use super::{carry, command_in, desk, follow, follow_online, publish, shell};
use crate::support::desk::{clean, end};

/// Each message leads to the next, from no site to a site with two generations.
#[test]
fn messages_lead_from_no_site_to_a_published_one() {
    let desk = desk();
    let first = desk.bundle();
    publish(&desk, "2");
    desk.bundle();
    fs::create_dir(desk.path("root")).unwrap();
    fs::copy(desk.path("online/builder.key.pub"), desk.path("root/builder.key.pub")).unwrap();
    fs::copy(desk.path("keyring.gpg"), desk.path("root/demo.gpg")).unwrap();

    let site = desk.path("a site").display().to_string();
    let status = format!("gapferry status --site '{site}'");
    let told = follow(&desk, "root", &status).says(Exit::Usage, &["is not a site"]);
    follow(&desk, "root", &command_in(&told.err, "gapferry site init")).ok();
    let told = follow(&desk, "root", &status).ok();
    let import = command_in(&told.out, "gapferry import");
    let told = follow(&desk, "medium/dc1-base-000001", &import).says(Exit::Refused, &["no upstream keyring"]);
    follow(&desk, "root", &command_in(&told.err, "gapferry site pin")).ok();
    let told = follow(&desk, "root", &status).ok();
    follow(&desk, "medium/dc1-base-000001", &command_in(&told.out, "gapferry import")).ok();
    let told = follow(&desk, "root", &format!("gapferry rollback --site '{site}'")).says(Exit::Usage, &["no earlier"]);
    follow(&desk, "root", &command_in(&told.err, "gapferry status")).ok();
    follow(&desk, "medium", &import).ok();
    let old = format!("gapferry import {} --site '{site}'", first.display());
    let told = follow(&desk, "root", &old).says(Exit::Refused, &["an older state"]);
    follow(&desk, "root", &command_in(&told.err, "gapferry rollback")).ok();
}

/// A site that lacks what a delta builds on asks for it; what it prints is run where its files were taken.
#[test]
fn a_request_is_answered_as_the_site_says() {
    let desk = desk();
    desk.bundle();
    desk.run("confirm dc1-base-000001 --workspace online/workspace").ok();
    publish(&desk, "2");
    let delta = desk.bundle();
    desk.init(&["demo"], "");
    let told = desk.import(&delta).says(Exit::VolumesMissing, &["requests/dc1-base-000002.txt", "site.asc"]);
    carry(&desk, "site/requests", "asked");
    fs::copy(desk.path("online/builder.key"), desk.path("asked/builder.key")).unwrap();
    follow_online(&desk, "asked", &command_in(&told.err, "gapferry recut")).ok();
    desk.run("import asked --site site").ok();
}

#[test]
fn a_receipt_is_confirmed_as_the_site_says() {
    let desk = desk();
    desk.init(&["demo"], "");
    desk.ferry();
    fs::create_dir(desk.path("stick")).unwrap();
    let told = desk.run("receipt --site site --out stick/r.txt").ok();
    fs::copy(desk.path("site/current/keys/site.asc"), desk.path("stick/site.asc")).unwrap();
    let confirm = command_in(&told.out, "gapferry confirm");
    follow_online(&desk, "stick", &confirm).ok();
}

/// The sheet on a medium, and `copy` itself, say how to import; the site is where README.md has it.
#[test]
fn a_medium_is_imported_as_its_sheet_says() {
    let desk = desk();
    desk.init(&["demo"], "");
    desk.bundle();
    fs::create_dir(desk.path("stick")).unwrap();
    let copied = desk.run("copy medium/dc1-base-000001 stick --allow-folder --workspace online/workspace").ok();
    let sheet = fs::read_to_string(desk.path("stick/dc1-base-000001/MEDIUM.txt")).unwrap();
    let of_sheet = command_in(&sheet, "gapferry import");
    assert_eq!(of_sheet, command_in(&copied.out, "gapferry import"));
    let mount = "mount -t tmpfs none /srv && mkdir /srv/gapferry && mount --bind ../../site /srv/gapferry";
    let script = format!("{mount} && {of_sheet}");
    let inner = shell(&desk, "stick/dc1-base-000001", &script);
    let mut outer = Command::new("unshare");
    outer.args(["--map-root-user", "--mount", "bash", "-c", &script]).current_dir(desk.path("stick/dc1-base-000001"));
    clean(&mut outer);
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    end(&mut outer).ok();
    desk.run("status --site site").ok();
    assert!(desk.path("site/current/apt/demo").exists());
}

#[test]
fn a_demo_that_is_kept_is_served_as_it_says() {
    let desk = desk();
    let told = desk.run("demo --keep kept").ok();
    let serve = command_in(&told.out, "Look around: ").replace("Look around: ", "exec ").replace(":8080", ":0");
    let mut child = shell(&desk, "", &serve).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
}
