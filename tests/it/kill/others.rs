//! The carrier's and the operator's commands that are killed: `protect`, `recut`, `confirm` and `receipt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::formats::openpgp::{Keyring, binary_keyring};
use gapferry::numbers::Sequence;
use gapferry::receipt::{Receipt, ReceiptNumber};
use gapferry::storage::audit;
use gapferry::time::Time;
use serde_json::Value;

use super::export::left_by;
use super::killing::{Killing, Kills};
use crate::apt_client::{output, run};
use crate::support::desk::names;
use crate::support::files::Files;
use crate::support::read_bundle::packing_folder;
use crate::support::snapshot::{Snapshot, contents_of, copy, difference};
use crate::support::world::{Role, World, bring, manifest_of};

/// For commands that make many calls.
const MANY: Kills = Kills { complete: 30, role: Role::Leading };
/// For commands that make few calls.
const FEW: Kills = Kills { complete: 16, role: Role::Leading };

/// A world with two bundles, the second of which is a delta with patches; both have recovery data.
fn world() -> (World, [PathBuf; 2]) {
    let world = World::with_recovery(Arc::new(Files), "64 KiB");
    let first = world.bundle();
    world.publish(2);
    let second = world.bundle();
    (world, [first, second])
}

/// All that lies in a folder under a final name.
fn finished(folder: &Path) -> Snapshot {
    contents_of(folder, |path| path.extension().is_none_or(|end| end != "part"))
}

/// Fails unless each file that lies in `left` is as in `old` or as in `new`, and none that is in both is missing.
fn old_or_new(left: &Snapshot, old: &Snapshot, new: &Snapshot, what: &dyn std::fmt::Debug) {
    for (path, seen) in left {
        assert!([old, new].iter().any(|side| side.get(path) == Some(seen)), "{what:?}: half of {}", path.display());
    }
    for path in old.keys().filter(|path| new.contains_key(*path)) {
        assert!(left.contains_key(path), "{what:?}: {} is gone", path.display());
    }
}

#[test]
fn a_killed_protect_leaves_recovery_files_that_repair() {
    let (world, [_, second]) = world();
    let (root, old) = (world.path(""), finished(&second));
    let killing = Killing::new(&root, MANY, |folder| -> Command {
        copy(&second, &folder.join("bundle"));
        let mut command = world.gapferry(&["protect", "--quiet", "--recovery", "20 %", "--spare-volumes", "2"]);
        command.arg(folder.join("bundle"));
        command
    });
    let new = finished(&killing.reference().join("bundle"));
    assert!(
        new.keys().any(|path| path.ends_with("spare-002.rec"))
            && !old.keys().any(|path| path.ends_with("spare-002.rec"))
    );
    killing.each("protects", |killed| {
        let (bundle, point) = (killed.folder.join("bundle"), killed.point);
        old_or_new(&finished(&bundle), &old, &new, point);
        let hurt = killed.folder.join("hurt");
        copy(&bundle, &hurt);
        world.hurt(&hurt);
        let mut verify = world.gapferry(&["verify", "--json", "--builder", "online/builder.key.pub"]);
        let value: Value = serde_json::from_slice(&output(verify.arg(&hurt)).stdout).unwrap();
        assert_eq!(value["repairable"], true, "{point:?}: {value}");
        killed.again_ends(&[0]);
        assert_eq!(difference(&new, &contents_of(&bundle, |_| true)), None, "{point:?}");
    });
}

#[test]
fn a_killed_recut_leaves_volumes_that_are_whole() {
    let (world, [_, second]) = world();
    let (root, name) = (world.path(""), second.file_name().unwrap());
    let prepared = |folder: &Path| {
        copy(&world.path("online/workspace"), &folder.join("workspace"));
        fs::create_dir(folder.join("out")).unwrap();
        let bundle = folder.join("out").join(name);
        copy(&second, &bundle);
        world.hurt(&bundle);
        fs::remove_file(packing_folder(&bundle).join("volume-002.tar")).unwrap();
    };
    fs::create_dir(world.path("before")).unwrap();
    prepared(&world.path("before"));
    let old = finished(&world.path("before"));
    let killing = Killing::new(&root, MANY, |folder| -> Command {
        prepared(folder);
        let mut command = world.gapferry(&["recut", "--quiet", "--volumes", "1,2"]);
        command.arg(&second).arg("--out").arg(folder.join("out")).arg("--workspace").arg(folder.join("workspace"));
        command
    });
    let new = finished(&killing.reference());
    assert_eq!(difference(&finished(&second), &finished(&killing.reference().join("out").join(name))), None);
    killing.each("recuts of volumes", |killed| {
        let (folder, point) = (killed.folder, killed.point);
        old_or_new(&finished(folder), &old, &new, point);
        killed.again_ends(&[0]);
        assert_eq!(difference(&new, &contents_of(folder, |_| true)), None, "{point:?}");
    });
}

#[test]
fn a_killed_answer_to_a_request_is_finished_by_the_same_command() {
    let (world, [first, second]) = world();
    let site = world.site("site");
    bring(&site, &first).unwrap();
    let depot = Depot::open(&world.path("site/depot")).unwrap();
    let (read, carried) = (manifest_of(&second), manifest_of(&second).carried());
    let held = read.blobs.iter().find(|blob| !carried.contains_key(&blob.sha256)).unwrap();
    depot.remove(&held.sha256).unwrap();
    assert_eq!(Exit::from(bring(&site, &second).unwrap_err().class()), Exit::VolumesMissing);
    let (root, time) = (world.path(""), Time::now().unix().to_string());
    let killing = Killing::new(&root, MANY, |folder| -> Command {
        copy(&world.path("medium"), &folder.join("medium"));
        copy(&world.path("online/workspace"), &folder.join("workspace"));
        let mut command = world.gapferry(&["recut", "--quiet", "--key", "online/builder.key", "--request"]);
        command.arg("site/requests/dc1-base-000002.txt").args(["--site-key", "site/current/keys/site.asc"]);
        command.arg(folder.join("medium/dc1-base-000002"));
        command.arg("--out").arg(folder.join("medium")).arg("--workspace").arg(folder.join("workspace"));
        command.env("SOURCE_DATE_EPOCH", &time);
        command
    });
    let (expected, bundle) = (left_by(&killing.reference()), Path::new("medium/dc1-base-000002"));
    // What lies under a final name: packings that are being written have `.part` behind theirs.
    let finished = |folder: &Path| -> Snapshot {
        let is_part = |path: &Path| path.iter().any(|name| name.to_string_lossy().ends_with(".part"));
        contents_of(&folder.join(bundle), |path| !is_part(path))
    };
    let (old, new) = (contents_of(&second, |_| true), finished(&killing.reference()));
    assert!(new.len() > old.len(), "the answer is a packing beside the first");
    killing.each("answers", |killed| {
        let left = finished(killed.folder);
        old_or_new(&left, &old, &new, killed.point);
        let signed = |path: &&PathBuf| !old.contains_key(*path) && path.ends_with("packing.json.sig");
        if left.keys().any(|path| signed(&path)) {
            assert!(new.keys().all(|path| left.contains_key(path)), "{:?}: half a packing is signed", killed.point);
        }
        let depot = Depot::open(&killed.folder.join("workspace/depot")).unwrap();
        depot.blobs().unwrap().iter().for_each(|blob| depot.verify(blob).unwrap());
        killed.again_ends(&[0]);
        assert_eq!(difference(&expected, &left_by(killed.folder)), None, "{:?}", killed.point);
    });
    bring(&site, &killing.reference().join(bundle)).unwrap();
    world.content.check(&world.path("site/current"));
}

/// What a workspace knows to have arrived: the sequence, and how that is known.
fn delivered(workspace: &Path) -> (u64, String) {
    let value: Value = serde_json::from_slice(&fs::read(workspace.join(DELIVERED)).unwrap()).unwrap();
    (value["sequence"].as_u64().unwrap(), value["how"].as_str().unwrap().to_owned())
}

const DELIVERED: &str = "history/dc1-base.delivered";

/// Kills `gapferry confirm` with these arguments, of the second bundle, after which it is known in the way `how`.
fn kill_confirm(world: &World, arguments: &[&str], how: &str) {
    let root = world.path("");
    let killing = Killing::new(&root, FEW, |folder| -> Command {
        copy(&world.path("online/workspace"), &folder.join("workspace"));
        let mut command = world.gapferry(&["confirm", "--quiet"]);
        command.args(arguments).arg("--workspace").arg(folder.join("workspace"));
        command
    });
    let all = |folder: &Path| {
        contents_of(&folder.join("workspace"), |path| {
            ![DELIVERED, "audit.jsonl", "lock"].iter().any(|name| path == Path::new(name))
        })
    };
    let (old, new) = ((1, "confirmed".to_owned()), (2, how.to_owned()));
    assert_eq!(delivered(&killing.reference().join("workspace")), new);
    let expected = all(&killing.reference());
    killing.each("confirms", |killed| {
        let (workspace, point) = (killed.folder.join("workspace"), killed.point);
        let known = delivered(&workspace);
        assert!(known == old || known == new, "{point:?}: {known:?}");
        killed.again_ends(&[if known == old { 0 } else { 3 }]);
        assert_eq!(delivered(&workspace), new, "{point:?}");
        assert_eq!(difference(&expected, &all(killed.folder)), None, "{point:?}");
        audit::read(&workspace.join("audit.jsonl")).unwrap();
    });
}

#[test]
fn a_killed_confirmation_counts_or_does_not() {
    let (world, _) = world();
    kill_confirm(&world, &["dc1-base-000002"], "confirmed");
}

#[test]
fn a_killed_confirmation_by_receipt_counts_or_does_not() {
    let (world, bundles) = world();
    let site = world.site("site");
    bundles.iter().for_each(|bundle| drop(bring(&site, bundle).unwrap()));
    run(&mut world.gapferry(&["receipt", "--site", "site", "--out", "receipt"]));
    kill_confirm(&world, &["--receipt", "receipt", "--site-key", "site/current/keys/site.asc"], "receipt");
}

#[test]
fn a_killed_receipt_is_the_old_one_or_the_new_one() {
    let (world, bundles) = world();
    let site = world.site("site");
    bring(&site, &bundles[0]).unwrap();
    run(&mut world.gapferry(&["receipt", "--quiet", "--site", "site", "--out", "old"]));
    bring(&site, &bundles[1]).unwrap();
    let key = binary_keyring(&fs::read(world.path("site/current/keys/site.asc")).unwrap()).unwrap();
    let keyring = Keyring::parse(&key).unwrap();
    let root = world.path("");
    let killing = Killing::new(&root, FEW, |folder| -> Command {
        fs::copy(world.path("old"), folder.join("receipt")).unwrap();
        copy(&world.path("site"), &folder.join("site"));
        let mut command = world.gapferry(&["receipt", "--quiet", "--out"]);
        command.arg(folder.join("receipt")).arg("--site").arg(folder.join("site"));
        command
    });
    // Number and time are those of the run.
    let number: ReceiptNumber = "0".parse().unwrap();
    let said = |folder: &Path| {
        let bytes = fs::read(folder.join("receipt")).unwrap();
        Receipt { number, made: Time::default(), ..Receipt::verify(&bytes, &keyring, Time::now()).unwrap() }
    };
    let new = said(&killing.reference());
    assert_eq!(
        new.published.map(|state| state.manifest),
        Some(Sha256::of(&fs::read(bundles[1].join("manifest.json")).unwrap()))
    );
    // A killed run skips a number.
    let site = |site: &Path| contents_of(site, |path| !path.to_string_lossy().starts_with("receipt-number"));
    let before = site(&world.path("site"));
    killing.each("receipts", |killed| {
        let now = said(killed.folder);
        assert!(
            now == new || now.published.map(|state| state.sequence) == Some(Sequence::FIRST),
            "{:?}: {now:?}",
            killed.point
        );
        killed.again_ends(&[0]);
        assert_eq!(said(killed.folder), new, "{:?}", killed.point);
        assert_eq!(names(killed.folder), ["receipt", "site"], "{:?}", killed.point);
        assert_eq!(difference(&before, &site(&killed.folder.join("site"))), None, "{:?}", killed.point);
    });
}
