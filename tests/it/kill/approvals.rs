//! Imports that wait for approvals, and approvals that publish, killed and cut from power.

use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::storage::audit;
use serde_json::json;

use super::killing::{Killed, Killing, Kills};
use crate::approvals::{FIRST, approve, desk};
use crate::support::desk::Desk;
use crate::support::snapshot::copy;
use crate::support::world::Role;

const KILLS: Kills = Kills { complete: 60, role: Role::Other };

/// The import of these paths of the desk into a copy of its site.
fn import(desk: &Desk, paths: &str, folder: &Path) -> Command {
    copy(&desk.path("site"), &folder.join("site"));
    let mut command = desk.command(&format!("import {paths} --quiet --site"));
    command.arg(folder.join("site"));
    command
}

fn is_published(killed: &Killed<'_>) -> bool {
    killed.folder.join("site/current/apt/demo").exists()
}

/// Writes the approvals of anna and bert into a folder of the desk. Returns their paths.
fn papers(desk: &Desk) -> String {
    let file = |person| approve(desk, person, "--out papers")["file"].as_str().unwrap().to_owned();
    format!("{} {}", file("anna"), file("bert"))
}

#[test]
fn a_killed_import_without_approvals_publishes_nothing() {
    let desk = desk();
    let root = desk.path("");
    let killing = Killing::ending(&root, KILLS, Exit::ApprovalMissing, |folder| import(&desk, FIRST, folder));
    killing.each("imports that wait", |killed| {
        assert!(!is_published(killed), "{:?}", killed.point);
        killed.again_ends(&[11]);
        assert!(!is_published(killed), "{:?}", killed.point);
        let site = killed.folder.join("site");
        let status = desk.run(&format!("status --site {} --json", site.display())).ok().json();
        assert_eq!(status["waiting"][0]["review"]["verdict"], "waiting", "{:?}", killed.point);
        audit::read(&site.join("audit.jsonl")).unwrap();
    });
}

#[test]
fn a_killed_import_of_approvals_publishes_all_or_nothing() {
    let desk = desk();
    desk.import(&desk.path(FIRST)).says(Exit::ApprovalMissing, &[]);
    let (root, papers) = (desk.path(""), papers(&desk));
    let killing = Killing::new(&root, KILLS, |folder| import(&desk, &papers, folder));
    let mut waiting = 0;
    killing.each("approvals that publish", |killed| {
        let was_published = is_published(killed);
        waiting += usize::from(!was_published);
        // One that was published and not tidied up is here already.
        killed.again_ends(if was_published { &[0, 3] } else { &[0] });
        assert!(is_published(killed), "{:?}", killed.point);
        audit::read(&killed.folder.join("site/audit.jsonl")).unwrap();
        let site = killed.folder.join("site");
        let evidence = desk.run(&format!("evidence 1 --site {} --dry-run --json", site.display())).ok().json();
        assert_eq!((&evidence["state"], &evidence["missing"]), (&json!("published"), &json!([])), "{:?}", killed.point);
    });
    assert!(waiting > 0, "no kill came before the switch");
}

#[test]
fn a_rejection_that_was_killed_is_lost_or_kept() {
    let desk = desk();
    let (root, papers) = (desk.path(""), papers(&desk));
    let reject = desk.run(&format!("reject {FIRST} --key carl.key --reason no --out papers --json")).ok().json();
    let all = format!("{FIRST} {} {papers}", reject["file"].as_str().unwrap());
    let killing = Killing::ending(&root, KILLS, Exit::Refused, |folder| import(&desk, &all, folder));
    killing.each("rejections", |killed| {
        assert!(!is_published(killed), "{:?}", killed.point);
        killed.again_ends(&[5]);
        assert!(!is_published(killed), "{:?}", killed.point);
    });
}
