//! Exports that are killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gapferry::depot::Depot;
use gapferry::time::Time;

use super::killing::{Killed, Killing, Kills};
use crate::apt_client::run;
use crate::support::snapshot::{Snapshot, contents_of, copy, difference};
use crate::support::world::{Content, World, each_content, manifest_of};

/// All that a command of the online side leaves in a folder with `medium` and `workspace`: bundles, history and blobs. The list of
/// files that need not be read again depends on how old they are by then.
pub(super) fn left_by(folder: &Path) -> Snapshot {
    contents_of(folder, |path| {
        // A bundle's place is an absolute path, which differs from run to run.
        let is_place = path.extension().is_some_and(|extension| extension == "place");
        !is_place && !["audit.jsonl", "lock", "history/dc1-base.seen"].iter().any(|name| path.ends_with(name))
    })
}

/// Whether the bundle at `new` is there; fails unless it is whole then, and all other ones are what they were.
pub(super) fn is_made(killed: &Killed, expected: &Snapshot, new: &Path) -> bool {
    let (point, left) = (killed.point, left_by(killed.folder));
    let is_whole = |(path, seen): (&PathBuf, _)| {
        let bundle = path.components().take(2).collect::<PathBuf>();
        let named = bundle.starts_with("medium") && bundle.extension().is_none();
        !named || path == Path::new("medium") || expected.get(path) == Some(seen)
    };
    assert!(left.iter().all(is_whole), "{point:?}: half a bundle: {:?}", difference(expected, &left));
    let whole = expected.keys().filter(|path| path.starts_with(new)).all(|path| left.contains_key(path));
    assert!(whole || !left.contains_key(new), "{point:?}: half a bundle");
    let depot = Depot::open(&killed.folder.join("workspace/depot")).unwrap();
    depot.blobs().unwrap().iter().for_each(|blob| depot.verify(blob).unwrap());
    whole
}

each_content!(a_killed_export_is_finished_by_the_same_command);
fn a_killed_export_is_finished_by_the_same_command(content: Arc<dyn Content>) {
    let kills = Kills { complete: content.kills(), role: content.role() };
    let world = World::with_recovery(content, "64 KiB");
    world.bundle();
    world.publish(2);
    let (root, time) = (world.path(""), Time::now().unix().to_string());
    let killing = Killing::new(&root, kills, |folder| -> Command {
        copy(&world.path("medium"), &folder.join("medium"));
        copy(&world.path("online/workspace"), &folder.join("workspace"));
        let mut command = world.gapferry(&["export", "--quiet"]);
        command.arg(world.path("online/selection.toml"));
        command.arg("--key").arg(world.path("online/builder.key"));
        command.arg("--out").arg(folder.join("medium")).arg("--workspace").arg(folder.join("workspace"));
        command.env("SOURCE_DATE_EPOCH", &time);
        command
    });
    let expected = left_by(&killing.reference());
    let second = Path::new("medium/dc1-base-000002");
    world.as_promised(&manifest_of(&killing.reference().join(second)));
    killing.each("exports", |killed| {
        let (folder, point) = (killed.folder, killed.point);
        let whole = is_made(killed, &expected, second);
        killed.again_ends(if whole { &[0, 3] } else { &[0] });
        assert_eq!(difference(&expected, &left_by(folder)), None, "{point:?}");
        if point.is_eighth() {
            killed.again_ends(&[3]); // nothing is new now
            let mut verify = world.gapferry(&["verify", "--builder", "online/builder.key.pub"]);
            run(verify.arg(folder.join(second)));
        }
    });
}
