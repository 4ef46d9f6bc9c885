//! The same state gives the same bytes, with the same knowledge of what has arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gapferry::time::Time;
use serde_json::Value;

use crate::apt_client::{output, run};
use crate::support::desk::at_clock;
use crate::support::read_bundle::read_bundle;
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
    /// As the selection names it.
    volume_size: &'a str,
}

const SMALL: &str = "64 KiB";

/// Exports the first two states with the real program, each from all fresh workspaces; returns what is on their media.
fn export<const RUNS: usize>(world: &World, runs: [Run; RUNS]) -> [Snapshot; RUNS] {
    for state in 1..=2 {
        world.publish(state);
        for Run { name, source_date_epoch, clock, jobs, volume_size } in &runs {
            let (out, workspace) = (format!("out-{name}"), format!("workspace-{name}"));
            let text = fs::read_to_string(world.path("online/selection.toml")).unwrap();
            let selection = format!("online/{name}.toml");
            fs::write(world.path(&selection), text.replace(SMALL, volume_size)).unwrap();
            let mut command = world.gapferry(&["export", &selection, "--key", "online/builder.key", "--quiet"]);
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
    volumes_of_another_size_leave_the_state_as_it_is,
    a_diff_of_item_lists_shows_what_changed_and_nothing_else,
    a_time_that_is_none_is_refused
);

fn two_fresh_workspaces_give_the_same_volumes(content: Arc<dyn Content>) {
    let world = World::new(content, SMALL);
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
    let one = Run { name: "one", source_date_epoch: None, clock: "+0s", jobs: "8", volume_size: SMALL };
    let two = Run { name: "two", clock: "+1h", jobs: "1", ..one };
    let [first, second] = export(&world, [one, two]).map(volumes);
    assert!(first.len() > 4);
    assert_eq!(difference(&first, &second), None);
}

fn with_source_date_epoch_and_one_key_whole_bundles_are_the_same(content: Arc<dyn Content>) {
    let world = World::with_recovery(content, SMALL);
    let time = Time::now().unix().to_string();
    let one = Run { name: "one", source_date_epoch: Some(&time), clock: "+0s", jobs: "8", volume_size: SMALL };
    let two = Run { name: "two", clock: "+1h", jobs: "3", ..one };
    let three = Run { name: "three", source_date_epoch: Some("1800000000"), ..one };
    let [first, second, later] = export(&world, [one, two, three]);
    assert!(first.len() > 12);
    assert_eq!(difference(&first, &second), None);
    assert!(difference(&first, &later).is_some());
}

fn volumes_of_another_size_leave_the_state_as_it_is(content: Arc<dyn Content>) {
    let world = World::new(content, SMALL);
    let time = Time::now().unix().to_string();
    let small = Run { name: "small", source_date_epoch: Some(&time), clock: "+0s", jobs: "8", volume_size: SMALL };
    let large = Run { name: "large", clock: "+1h", volume_size: "1 GB", ..small };
    let [small, large] = export(&world, [small, large]);
    assert!(small.len() > large.len(), "both have as many volumes");
    let state = |mut snapshot: Snapshot| {
        snapshot.retain(|path, _| {
            !path.components().any(|part| ["packings", "SHA256SUMS"].map(OsStr::new).contains(&part.as_os_str()))
        });
        snapshot
    };
    let (small, large) = (state(small), state(large));
    assert!(
        ["manifest.json", "manifest.json.sig", "VERIFY.txt"]
            .iter()
            .all(|name| small.keys().any(|path| path.ends_with(name)))
    );
    assert_eq!(difference(&small, &large), None);
}

fn a_diff_of_item_lists_shows_what_changed_and_nothing_else(content: Arc<dyn Content>) {
    let world = World::new(content, SMALL);
    let first = world.bundle();
    world.publish(2);
    let second = world.bundle();
    let list = read_bundle(&second).header.collections[0].list_file();
    let script = "zstd -dcq \"$1\" > one; zstd -dcq \"$2\" > two; diff one two";
    let mut diff = Command::new("sh");
    diff.args(["-c", script, "sh"]).args([first.join(&list), second.join(&list)]).current_dir(world.path(""));
    let diff = String::from_utf8(output(&mut diff).stdout).unwrap();
    let side = |sign: &str| -> BTreeMap<String, String> {
        let lines = diff.lines().filter_map(|line| line.strip_prefix(sign));
        let values = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        values.map(|line| (text(&line["path"]), text(&line["sha256"]))).collect()
    };
    let (old, new) = (side("< "), side("> "));
    assert!(!new.is_empty(), "{diff}");
    let paths = |bundle: &Path| {
        let collection = read_bundle(bundle).collections.remove(0);
        collection.paths().map(|(path, digest)| (path.to_string(), digest.to_hex())).collect::<BTreeSet<_>>()
    };
    let (before, after) = (paths(&first), paths(&second));
    assert_eq!(after.difference(&before).cloned().collect::<BTreeMap<_, _>>(), new);
    assert_eq!(before.difference(&after).cloned().collect::<BTreeMap<_, _>>(), old);
}

fn a_time_that_is_none_is_refused(content: Arc<dyn Content>) {
    let world = World::new(content, SMALL);
    let mut command = world.gapferry(&["export", "online/selection.toml", "--key", "online/builder.key"]);
    command.args(["--out", "out", "--workspace", "workspace"]).env("SOURCE_DATE_EPOCH", "yesterday");
    assert_eq!(output(&mut command).status.code(), Some(2));
}
