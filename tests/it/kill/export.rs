//! Exports that are killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use gapferry::depot::Depot;
use gapferry::time::Time;

use super::strace::{kill_at, points};
use crate::apt_client::{output, run};
use crate::support::snapshot::{Snapshot, contents_of, copy, difference};
use crate::support::threads::on_two_threads;
use crate::support::world::{World, contents};

/// A world after its first bundle, with something new upstream.
struct Before {
    world: World,
    time: String,
}

impl Before {
    /// The export of the second bundle, in a folder with copies of medium and workspace as they were before.
    fn export(&self, folder: &Path) -> Command {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir(folder).unwrap();
        copy(&self.world.path("medium"), &folder.join("medium"));
        copy(&self.world.path("online/workspace"), &folder.join("workspace"));
        let mut command = self.world.gapferry(&["export", "--quiet"]);
        command.arg(self.world.path("online/selection.toml"));
        command.arg("--key").arg(self.world.path("online/builder.key"));
        command.arg("--out").arg(folder.join("medium")).arg("--workspace").arg(folder.join("workspace"));
        command.env("SOURCE_DATE_EPOCH", &self.time);
        command
    }
}

/// All that a finished export leaves: bundles, history and blobs.
fn left_by(folder: &Path) -> Snapshot {
    contents_of(folder, |path| !path.ends_with("audit.jsonl") && !path.ends_with("lock"))
}

#[test]
fn a_killed_export_is_finished_by_the_same_command() {
    for content in contents() {
        let least = content.kills();
        let world = World::with_recovery(content, "64 KiB");
        let first = world.bundle();
        world.publish(2);
        let before = Before { world, time: Time::now().unix().to_string() };
        let reference = before.world.path("reference");
        let points = points(&before.export(&reference), least * 13 / 10);
        let expected = left_by(&reference);
        let second = PathBuf::from("medium").join(first.file_name().unwrap().to_str().unwrap().replace("01", "02"));
        assert!(expected.contains_key(&second), "{:?}", expected.keys());
        let (kills, worker) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = || before.world.path(&format!("worker-{}", worker.fetch_add(1, Ordering::Relaxed)));
        on_two_threads(&points, start, |folder, point| {
            let mut export = before.export(folder);
            if kill_at(&export, point).is_some() {
                kills.fetch_add(1, Ordering::Relaxed);
            }
            let left = left_by(folder);
            let is_whole = |(path, seen): (&PathBuf, _)| {
                let bundle = path.components().take(2).collect::<PathBuf>();
                let named = bundle.starts_with("medium") && bundle.extension().is_none();
                !named || path == Path::new("medium") || expected.get(path) == Some(seen)
            };
            assert!(left.iter().all(is_whole), "{point:?}: half a bundle: {:?}", difference(&expected, &left));
            let whole = expected.keys().filter(|path| path.starts_with(&second)).all(|path| left.contains_key(path));
            assert!(whole || !left.contains_key(&second), "{point:?}: half a bundle");
            let depot = Depot::open(&folder.join("workspace/depot")).unwrap();
            depot.blobs().unwrap().iter().for_each(|blob| depot.verify(blob).unwrap());

            let again = output(&mut export);
            assert!(
                again.status.success() || (whole && again.status.code() == Some(3)),
                "{point:?}: {}",
                String::from_utf8_lossy(&again.stderr)
            );
            assert_eq!(difference(&expected, &left_by(folder)), None, "{point:?}");
            if point.is_eighth() {
                assert_eq!(output(&mut export).status.code(), Some(3), "{point:?}: nothing is new now");
                let mut verify = before.world.gapferry(&["verify", "--builder", "online/builder.key.pub"]);
                run(verify.arg(folder.join(&second)));
            }
        });
        let kills = kills.into_inner();
        eprintln!("{kills} exports were killed");
        assert!(kills >= least, "only {kills} exports were killed");
    }
}
