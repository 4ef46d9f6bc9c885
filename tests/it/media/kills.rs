//! `copy` that is killed: the same command finishes, and nothing half-written ever has a volume's name.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use serde_json::Value;

use super::Carrier;
use crate::apt_client::output;
use crate::kill::strace::{REFERENCE, kill_at, points};
use crate::support::sample::Level;
use crate::support::world::Role;

const BUNDLE: &str = "dc1-base-000001";

fn digest(path: &Path) -> Sha256 {
    Sha256::of(&fs::read(path).unwrap())
}

/// The paths of all files below a folder.
fn paths(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_killed_copy_is_finished_by_the_same_command() {
    let carrier = Carrier::new();
    let bundle = carrier.desk.path("medium").join(BUNDLE);
    carrier.desk.run(&format!("protect medium/{BUNDLE} --recovery 5% --spare-volumes 1")).ok();
    let copy = |folder: &Path| -> Command {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::create_dir_all(folder.join("b")).unwrap();
        // What an earlier copy left behind is a part of the story.
        let half = folder.join("b").join(BUNDLE).join(carrier.in_packing("volume-001.tar.part"));
        fs::create_dir_all(half.parent().unwrap()).unwrap();
        fs::write(half, "half").unwrap();
        let mut command = carrier.desk.command("copy --quiet --json --allow-folder");
        command
            .arg(&bundle)
            .arg(folder.join("a"))
            .arg(folder.join("b"))
            .arg("--workspace")
            .arg(folder.join("workspace"));
        command
    };
    let points = points(&copy(&carrier.desk.path(REFERENCE)), 80, Role::Leading);
    let (mut kills, folder) = (0, &carrier.desk.path("killed"));
    for point in &points {
        let mut copy = copy(folder);
        kills += usize::from(kill_at(&copy, point, Exit::Done).is_some());
        for side in ["a", "b"].map(|side| folder.join(side).join(BUNDLE)).iter().filter(|side| side.exists()) {
            for file in paths(side).iter().filter(|file| file.ends_with(".tar") || file.ends_with(".rec")) {
                assert_eq!(digest(&side.join(file)), digest(&bundle.join(file)), "{point:?}: {file}");
            }
        }
        let again = output(&mut copy);
        assert_eq!(again.status.code(), Some(0), "{point:?}: {}", String::from_utf8_lossy(&again.stderr));
        let value: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(value["remaining"], serde_json::json!([]), "{point:?}");
        let side = folder.join("a").join(BUNDLE);
        for file in paths(&bundle) {
            assert_eq!(digest(&side.join(&file)), digest(&bundle.join(&file)), "{point:?}: {file}");
        }
        assert!(!paths(&side).iter().any(|file| file.ends_with(".part")), "{point:?}");
        gapferry::storage::audit::read(&folder.join("workspace/audit.jsonl")).unwrap();
    }
    eprintln!("{kills} copies were killed");
    let least = Level::of_run().pick(points.len() * 5 / 8, 50);
    assert!(kills >= least, "only {kills} copies were killed, of {} points", points.len());
}
