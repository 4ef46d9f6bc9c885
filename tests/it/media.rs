//! The carrier's job: copies onto real small disks, in any order, with accidents, and imports from them.

mod blocks;
mod copies;
mod file_systems;
mod foreign;
mod imports;
mod kills;
mod mounts;
mod pairs;
mod pulls;
mod spares;

use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::upstream::Upstream;

use crate::support::desk::{Desk, Ended, clean, end, heavy};
use crate::support::read_bundle::packing_folder;
use crate::support::skip::{Needs, skip};

/// How many packages travel, each of 100 kB.
const PACKAGES: usize = 6;

/// A desk with bundles of volumes of 100 kB.
struct Carrier {
    desk: Desk,
    upstream: Upstream,
}

impl Carrier {
    /// A carrier with the first bundle in `medium/`.
    fn new() -> Self {
        Self::with_packages_of(100_000)
    }

    /// The same, of packages of so many bytes.
    fn with_packages_of(bytes: u64) -> Self {
        let mut upstream = Upstream::new("Media", &["amd64"]);
        for number in 0..PACKAGES {
            upstream.add("stable", "main", heavy(&format!("package-{number}"), "1.0-1", bytes));
        }
        upstream.by_hash = false;
        let desk = Desk::new();
        desk.archive("up", &mut upstream, &["stable"]);
        desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
        let selection = desk.path("online/selection.toml");
        let small = std::fs::read_to_string(&selection).unwrap().replace("100 MB", "100 kB");
        std::fs::write(&selection, small).unwrap();
        desk.bundle();
        desk.init(&["demo"], "");
        Self { desk, upstream }
    }

    /// The path of a file of the first bundle's packing, below the bundle's folder: `packings/ID/FILE`.
    fn in_packing(&self, file: &str) -> String {
        let bundle = self.desk.path("medium/dc1-base-000001");
        let folder = packing_folder(&bundle);
        format!("{}/{file}", folder.strip_prefix(&bundle).unwrap().display())
    }

    /// The ID of the first bundle's packing.
    fn packing_id(&self) -> String {
        folder_name(&packing_folder(&self.desk.path("medium/dc1-base-000001")))
    }

    /// The next bundle, with one more package.
    fn next(&mut self, name: &str) -> PathBuf {
        self.upstream.add("stable", "main", heavy(name, "1.0-1", 100_000));
        self.desk.archive("up", &mut self.upstream, &["stable"]);
        self.desk.bundle()
    }

    /// Runs a script in which `gapferry` is the program, and mounts are private to it; none where that is not possible.
    ///
    /// `disk DIR OPTIONS` mounts a small disk, `try COMMAND…` shows the exit code, `copy` and `import` have their usual options,
    /// `await WORDS FILE` waits until a program has written the words, `B` is the first bundle, and `P` its packing's folder below it.
    fn script(&self, what: &str, text: &str) -> Option<Ended> {
        let allowed = Command::new("unshare").args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            skip(Needs::Mounts, &format!("{what}: this user cannot mount anything"));
            return None;
        }
        let head = "set -u\nB=medium/dc1-base-000001; N=dc1-base-000001; P=$(cd $B && echo packings/*)\n\
                    gapferry() { $GAPFERRY \"$@\"; }\n\
                    disk() { mkdir -p $1; mount -t tmpfs -o $2 none $1; }\n\
                    await() {\n\
                        n=0; until grep -q \"$1\" $2; do sleep 0.05; n=$((n+1)); [ $n -lt 2400 ] || exit 9; done\n\
                    }\n\
                    try() { echo \"$ $*\" >&2; \"$@\"; echo \"exit $?\" >&2; }\n\
                    copy() { try gapferry copy \"$@\" --workspace online/workspace --quiet; }\n\
                    import() { try gapferry import \"$@\" --site site --quiet; }\n";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &format!("{head}{text}")]);
        command.current_dir(self.desk.path("")).env("GAPFERRY", env!("CARGO_BIN_EXE_gapferry"));
        clean(&mut command);
        Some(end(&mut command).ok())
    }
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The exit codes that the script showed.
fn exits(ended: &Ended) -> Vec<&str> {
    ended.err.lines().filter_map(|line| line.strip_prefix("exit ")).collect()
}

#[track_caller]
fn says(ended: &Ended, codes: &[&str], words: &[&str]) {
    assert_eq!(exits(ended), codes, "{}\n{}", ended.out, ended.err);
    words.iter().for_each(|word| {
        assert!(ended.err.contains(word) || ended.out.contains(word), "{word:?}: {}\n{}", ended.out, ended.err);
    });
}
