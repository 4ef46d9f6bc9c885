//! The same state gives the same bytes, with the same knowledge of what has arrived.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gapferry::time::Time;

use crate::apt_client::{output, run};
use crate::support::desk::at_clock;
use crate::support::snapshot::{Snapshot, contents_of, difference};
use crate::support::world::{Content, World, each_content_and_flat, manifest_of};

/// One of several exports of the same state.
#[derive(Clone, Copy)]
struct Run<'a> {
    /// A name for its folders.
    name: &'a str,
    source_date_epoch: Option<&'a str>,
    /// The clock, as [`at_clock`] takes it.
    clock: &'a str,
    /// The number of downloads at once.
    jobs: &'a str,
}

/// Exports the first two states with the real program, each from all fresh workspaces; returns what is on their media.
fn export<const RUNS: usize>(world: &World, runs: [Run; RUNS]) -> [Snapshot; RUNS] {
    for state in 1..=2 {
        world.publish(state);
        for Run { name, source_date_epoch, clock, jobs } in &runs {
            let (out, workspace) = (format!("out-{name}"), format!("workspace-{name}"));
            let mut command =
                world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key", "--quiet"]);
            command.args(["--out", &out, "--workspace", &workspace, "--jobs", jobs]);
            if let Some(time) = source_date_epoch {
                command.env("SOURCE_DATE_EPOCH", time);
            }
            run(&mut at_clock(&command, clock));
            world.as_promised(&manifest_of(&world.path(&format!("{out}/dc1-base-{state:06}"))));
            world.arrived(&workspace);
        }
    }
    runs.map(|Run { name, .. }| contents_of(&world.path(&format!("out-{name}")), |_| true))
}

each_content_and_flat!(
    two_fresh_workspaces_give_the_same_volumes,
    with_source_date_epoch_and_one_key_whole_bundles_are_the_same,
    a_time_that_is_none_is_refused
);

fn two_fresh_workspaces_give_the_same_volumes(content: Arc<dyn Content>) {
    let world = World::new(content, "64 KiB");
    let volumes = |snapshot: Snapshot| -> Snapshot {
        let is_volume = |path: &Path| path.extension().is_some_and(|extension| extension == "tar");
        // The manifest's digest, with its time, is among what a packing is called after.
        let without_packing = |path: PathBuf| path.components().filter(|part| part.as_os_str().len() != 12).collect();
        snapshot
            .into_iter()
            .filter(|(path, _)| is_volume(path))
            .map(|(path, seen)| (without_packing(path), seen))
            .collect()
    };
    let one = Run { name: "one", source_date_epoch: None, clock: "+0s", jobs: "8" };
    let two = Run { name: "two", clock: "+1h", jobs: "1", ..one };
    let [first, second] = export(&world, [one, two]).map(volumes);
    assert!(first.len() > 4);
    assert_eq!(difference(&first, &second), None);
}

fn with_source_date_epoch_and_one_key_whole_bundles_are_the_same(content: Arc<dyn Content>) {
    let world = World::with_recovery(content, "64 KiB");
    let time = Time::now().unix().to_string();
    let one = Run { name: "one", source_date_epoch: Some(&time), clock: "+0s", jobs: "8" };
    let two = Run { name: "two", clock: "+1h", jobs: "3", ..one };
    let three = Run { name: "three", source_date_epoch: Some("1800000000"), ..one };
    let [first, second, later] = export(&world, [one, two, three]);
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
