//! The same state gives the same bytes, with the same knowledge of what has arrived.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gapferry::time::Time;

use crate::apt_client::{output, run};
use crate::support::snapshot::{Snapshot, contents_of, difference};
use crate::support::world::{Content, World, each_content, manifest_of};

/// An export: a name for its folders, SOURCE_DATE_EPOCH, and how many downloads go on side by side.
type Run<'a> = (&'a str, Option<&'a str>, &'a str);

/// Exports the first two states with the real program, each from all fresh workspaces; returns what is on their media.
fn export<const RUNS: usize>(world: &World, runs: [Run; RUNS]) -> [Snapshot; RUNS] {
    for state in 1..=2 {
        world.publish(state);
        for (name, time, jobs) in runs {
            let (out, workspace) = (format!("out-{name}"), format!("workspace-{name}"));
            let mut command =
                world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key", "--quiet"]);
            command.args(["--out", &out, "--workspace", &workspace, "--jobs", jobs]);
            if let Some(time) = time {
                command.env("SOURCE_DATE_EPOCH", time);
            }
            run(&mut command);
            world.as_promised(&manifest_of(&world.path(&format!("{out}/dc1-base-{state:06}"))));
            world.arrived(&workspace);
            std::thread::sleep(Duration::from_millis(1100)); // the next one is of another second
        }
    }
    runs.map(|(name, ..)| contents_of(&world.path(&format!("out-{name}")), |_| true))
}

each_content!(
    two_fresh_workspaces_give_the_same_volumes,
    with_source_date_epoch_and_one_key_whole_bundles_are_the_same,
    a_time_that_is_none_is_refused
);

fn two_fresh_workspaces_give_the_same_volumes(content: Arc<dyn Content>) {
    let world = World::new(content, "64 KiB");
    let volumes = |snapshot: Snapshot| -> Snapshot {
        let is_volume = |path: &Path| path.extension().is_some_and(|extension| extension == "tar");
        snapshot.into_iter().filter(|(path, _)| is_volume(path)).collect()
    };
    let [first, second] = export(&world, [("one", None, "8"), ("two", None, "1")]).map(volumes);
    assert!(first.len() > 4);
    assert_eq!(difference(&first, &second), None);
}

fn with_source_date_epoch_and_one_key_whole_bundles_are_the_same(content: Arc<dyn Content>) {
    let world = World::with_recovery(content, "64 KiB");
    let time = Time::now().unix().to_string();
    let runs = [("one", Some(&*time), "8"), ("two", Some(&*time), "3"), ("three", Some("1800000000"), "8")];
    let [first, second, later] = export(&world, runs);
    assert!(first.len() > 12);
    assert_eq!(difference(&first, &second), None);
    assert!(difference(&first, &later).is_some());
}

fn a_time_that_is_none_is_refused(content: Arc<dyn Content>) {
    let world = World::new(content, "64 KiB");
    let mut command = world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key"]);
    command.args(["--out", "out", "--workspace", "workspace"]).env("SOURCE_DATE_EPOCH", "yesterday");
    assert_eq!(output(&mut command).status.code(), Some(2));
}
