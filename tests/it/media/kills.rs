//! `copy` that is killed: the same command finishes, and nothing half-written ever has a volume's name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use gapferry::digest::Sha256;
use serde_json::Value;

use super::Carrier;
use crate::apt_client::output;
use crate::kill::strace::{kill_at, points};
use crate::support::desk::names;
use crate::support::threads::on_two_threads;

const BUNDLE: &str = "dc1-base-000001";

fn digest(path: &Path) -> Sha256 {
    Sha256::of(&fs::read(path).unwrap())
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
        fs::create_dir_all(folder.join("b").join(BUNDLE)).unwrap();
        fs::write(folder.join("b").join(BUNDLE).join("volume-001.tar.part"), "half").unwrap();
        let mut command = carrier.desk.command("copy --quiet --json --allow-folder");
        command
            .arg(&bundle)
            .arg(folder.join("a"))
            .arg(folder.join("b"))
            .arg("--workspace")
            .arg(folder.join("workspace"));
        command
    };
    let reference = carrier.desk.path("reference");
    let points = points(&copy(&reference), 80);
    let (kills, worker) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = || carrier.desk.path(&format!("worker-{}", worker.fetch_add(1, Ordering::Relaxed)));
    on_two_threads(&points, start, |folder, point| {
        let mut copy = copy(folder);
        if kill_at(&copy, point).is_some() {
            kills.fetch_add(1, Ordering::Relaxed);
        }
        for side in ["a", "b"].map(|side| folder.join(side).join(BUNDLE)).iter().filter(|side| side.exists()) {
            for file in names(side).iter().filter(|file| file.ends_with(".tar") || file.ends_with(".rec")) {
                assert_eq!(digest(&side.join(file)), digest(&bundle.join(file)), "{point:?}: {file}");
            }
        }
        let again = output(&mut copy);
        assert_eq!(again.status.code(), Some(0), "{point:?}: {}", String::from_utf8_lossy(&again.stderr));
        let value: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(value["remaining"], serde_json::json!([]), "{point:?}");
        let side = folder.join("a").join(BUNDLE);
        for file in names(&bundle) {
            assert_eq!(digest(&side.join(&file)), digest(&bundle.join(&file)), "{point:?}: {file}");
        }
        assert!(!names(&side).iter().any(|file| file.ends_with(".part")), "{point:?}");
        gapferry::site::audit::read(&folder.join("workspace/audit.jsonl")).unwrap();
    });
    let kills = kills.into_inner();
    eprintln!("{kills} copies were killed");
    assert!(kills >= 50, "only {kills} copies were killed");
}
