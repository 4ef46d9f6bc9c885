//! Commands that take trust files, killed and cut from power.

use std::path::Path;

use gapferry::site::Site;
use gapferry::storage::audit;
use gapferry::upstream::{DebSpec, Upstream};

use super::killing::{Killing, Kills};
use crate::support::desk::Desk;
use crate::support::snapshot::{contents_of, copy, difference};
use crate::support::world::Role;

/// A desk with a site `template`, two trust files that follow its own, and a selection that carries them.
fn desk() -> Desk {
    let desk = Desk::new();
    for person in ["anna", "bert"] {
        desk.run(&format!("keygen {person}.key")).ok();
    }
    let roots = "--root anna=anna.key.pub --root bert=bert.key.pub";
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    let table = desk.table("demo", &desk.url("up"), "stable main amd64", "");
    desk.select(&format!("trust = \"..\"\n{table}"));
    let pin = "--keyring demo=keyring.gpg";
    desk.run(&format!("site init template --name dc1 --builder online/builder.key.pub {pin} {roots}")).ok();
    for (from, to) in [("template", "2.json"), ("2.json", "3.json")] {
        desk.run(&format!("trust edit {from} --out {to} --expires 2099-01-01T00:00:00Z")).ok();
        ["anna", "bert"].iter().for_each(|person| drop(desk.run(&format!("trust sign {to} --key {person}.key")).ok()));
    }
    desk
}

fn apply(desk: &Desk, folder: &Path) -> std::process::Command {
    copy(&desk.path("template"), &folder.join("site"));
    let mut command = desk.command("trust apply 2.json 3.json --quiet --site");
    command.arg(folder.join("site"));
    command
}

fn import(desk: &Desk, bundle: &Path, folder: &Path) -> std::process::Command {
    copy(&desk.path("template"), &folder.join("site"));
    let mut command = desk.command("import --quiet");
    command.arg(bundle).arg("--site").arg(folder.join("site"));
    command
}

/// Fails unless the site has the old trust file or the new one, and a whole log. Returns the version.
fn old_or_new(site: &Path, what: &dyn std::fmt::Debug) -> u64 {
    let version = Site::open(site).unwrap_or_else(|e| panic!("{what:?}: {e}")).newest_trust().unwrap().version;
    assert!([1, 3].contains(&version), "{what:?}: version {version}");
    version
}

#[test]
fn a_killed_apply_leaves_the_old_trust_file_or_the_new_one() {
    let desk = desk();
    let root = desk.path("");
    let kills = Kills { complete: 30, role: Role::Leading };
    let killing = Killing::new(&root, kills, |folder| apply(&desk, folder));
    let trust = |folder: &Path| contents_of(&folder.join("site/trust"), |_| true);
    let expected = trust(&killing.reference());
    let mut new = 0;
    killing.each("trust files", |killed| {
        let version = old_or_new(&killed.folder.join("site"), killed.point);
        new += usize::from(version == 3);
        killed.again_ends(&[if version == 1 { 0 } else { 3 }]);
        assert_eq!(difference(&expected, &trust(killed.folder)), None, "{:?}", killed.point);
        audit::read(&killed.folder.join("site/audit.jsonl")).unwrap();
    });
    assert!(new > 0, "no kill came after the switch");
}

#[test]
fn a_killed_import_publishes_nothing_before_the_trust_file_that_it_carries() {
    let desk = desk();
    let (root, bundle) = (desk.path(""), desk.bundle());
    let kills = Kills { complete: 60, role: Role::Leading };
    let killing = Killing::new(&root, kills, |folder| import(&desk, &bundle, folder));
    let mut new = 0;
    killing.each("imports with trust files", |killed| {
        let site = killed.folder.join("site");
        let version = old_or_new(&site, killed.point);
        let is_published = site.join("current").exists();
        assert!(version == 3 || !is_published, "{:?}", killed.point);
        new += usize::from(version == 3 && !is_published);
        killed.again_ends(&[if is_published { 3 } else { 0 }]);
        assert_eq!(old_or_new(&site, killed.point), 3);
        assert!(site.join("current").exists());
        audit::read(&site.join("audit.jsonl")).unwrap();
    });
    assert!(new > 0, "no kill came between the trust file and the switch");
}
