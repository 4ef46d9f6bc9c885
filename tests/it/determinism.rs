//! The same state gives the same bytes.

use std::path::Path;

use crate::apt_client::run;
use crate::support::snapshot::{Snapshot, contents_of, difference};
use crate::support::world::{World, contents};

/// Exports from a fresh workspace with the real program; returns what is on the medium.
fn export(world: &World, run_name: &str, time: Option<&str>, jobs: &str) -> Snapshot {
    let (out, workspace) = (format!("out-{run_name}"), format!("workspace-{run_name}"));
    let mut command = world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key", "--quiet"]);
    command.args(["--out", &out, "--workspace", &workspace, "--jobs", jobs]);
    if let Some(time) = time {
        command.env("SOURCE_DATE_EPOCH", time);
    }
    run(&mut command);
    contents_of(&world.path(&out), |_| true)
}

#[test]
fn two_fresh_workspaces_give_the_same_volumes() {
    for content in contents() {
        let world = World::new(content, "64 KiB");
        let volumes = |snapshot: Snapshot| -> Snapshot {
            let is_volume = |path: &Path| path.extension().is_some_and(|extension| extension == "tar");
            snapshot.into_iter().filter(|(path, _)| is_volume(path)).collect()
        };
        let first = volumes(export(&world, "one", None, "8"));
        // Another second, another number of downloads side by side.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = volumes(export(&world, "two", None, "1"));
        assert!(first.len() > 2);
        assert_eq!(difference(&first, &second), None);
    }
}

#[test]
fn with_source_date_epoch_and_one_key_whole_bundles_are_the_same() {
    for content in contents() {
        let world = World::with_recovery(content, "64 KiB");
        let time = gapferry::time::Time::now().unix().to_string();
        let first = export(&world, "one", Some(&time), "8");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = export(&world, "two", Some(&time), "3");
        assert!(first.len() > 6);
        assert_eq!(difference(&first, &second), None);
        let later = export(&world, "three", Some("1800000000"), "8");
        assert!(difference(&first, &later).is_some());
    }
}

#[test]
fn a_time_that_is_none_is_refused() {
    for content in contents() {
        let world = World::new(content, "64 KiB");
        let mut command = world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key"]);
        command.args(["--out", "out", "--workspace", "workspace"]).env("SOURCE_DATE_EPOCH", "yesterday");
        assert_eq!(crate::apt_client::output(&mut command).status.code(), Some(2));
    }
}
