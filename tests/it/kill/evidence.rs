//! Evidence that is written, and evidence that `gc` removes, killed and cut from power.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::killing::{Killing, Kills};
use crate::approvals::desk;
use crate::evidence::{publish_first, replace};
use crate::support::desk::Desk;
use crate::support::snapshot::{contents_of, copy, difference};
use crate::support::world::Role;

const KILLS: Kills = Kills { complete: 40, role: Role::Other };

/// A command over a copy of the desk's site.
fn over_copy(desk: &Desk, arguments: &str, folder: &Path) -> Command {
    copy(&desk.path("site"), &folder.join("site"));
    let mut command = desk.command(arguments);
    command.arg("--site").arg(folder.join("site"));
    command
}

#[test]
fn killed_evidence_is_whole_or_not_there() {
    let desk = desk();
    publish_first(&desk);
    let root = desk.path("");
    let killing = Killing::new(&root, KILLS, |folder| {
        let mut command = over_copy(&desk, "evidence 1 --quiet", folder);
        command.arg("--out").arg(folder.join("out"));
        command
    });
    let whole = contents_of(&killing.reference().join("out"), |_| true);
    killing.each("evidence", |killed| {
        let out = killed.folder.join("out");
        let was_there = out.exists();
        // One that is there already is not written again.
        killed.again_ends(if was_there { &[2] } else { &[0] });
        assert_eq!(difference(&whole, &contents_of(&out, |_| true)), None, "{:?}", killed.point);
    });
}

#[test]
fn a_killed_removal_of_evidence_is_finished_by_the_same_command() {
    let desk = desk();
    publish_first(&desk);
    ["2.0-1", "3.0-1"].iter().for_each(|version| replace(&desk, version));
    let evidence = desk.path("site/evidence");
    for path in fs::read_dir(&evidence).unwrap().map(|entry| entry.unwrap().path()) {
        let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        record["newest"] = "2001-01-01T00:00:00Z".into();
        fs::write(&path, serde_json::to_string_pretty(&record).unwrap() + "\n").unwrap();
    }
    let root = desk.path("");
    let killing = Killing::new(&root, KILLS, |folder| over_copy(&desk, "gc --keep 1", folder));
    let all = |folder: &Path| contents_of(&folder.join("site"), |path| path != Path::new("audit.jsonl"));
    let right = all(&killing.reference());
    assert_eq!(fs::read_dir(killing.reference().join("site/evidence")).unwrap().count(), 1);
    let of_published = |folder: &Path| {
        let site = folder.join("site");
        let said = desk.run(&format!("evidence 3 --site {} --dry-run --json", site.display())).ok().json();
        assert_eq!(said["missing"], serde_json::json!([]), "the evidence on what is published");
    };
    killing.each("removals of evidence", |killed| {
        of_published(killed.folder);
        killed.again_ends(&[0]);
        assert_eq!(difference(&right, &all(killed.folder)), None, "{:?}", killed.point);
        of_published(killed.folder);
    });
}
