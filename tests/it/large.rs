//! Sites that are too large for the run of every change: these tests run in a complete run alone (`.config/nextest.toml`).

use std::fs::{self, File};
use std::process::Command;

use crate::apt_client::run;
use crate::memory;
use crate::support::desk::{Desk, clean, end};
use crate::support::skip::{Needs, skip};

/// The number of equal files: more than the 65,000 names that a file of ext4 can have.
const EQUAL_FILES: usize = 70_000;
/// The number of generations.
const GENERATIONS: u32 = 10;

/// Runs a script over a site on an ext4 of its own; `None` where this user cannot mount one.
fn on_ext4(desk: &Desk, script: &str) -> Option<String> {
    File::create(desk.path("ext4.img")).unwrap().set_len(8 << 30).unwrap();
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-b", "1024", "-N", "1600000"]).arg(desk.path("ext4.img")));
    let head = "set -eu; mkdir disk; mount -o loop ext4.img disk || exit 77\n";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &format!("{head}{script}")]);
    command.current_dir(desk.path("")).env("GAPFERRY", env!("CARGO_BIN_EXE_gapferry"));
    clean(&mut command);
    let ended = end(&mut command);
    if ended.code == 77 {
        skip(Needs::Mounts, "this user cannot mount a file system");
        return None;
    }
    Some(ended.ok().out)
}

#[test]
fn seventy_thousand_equal_files_live_through_ten_generations() {
    // Not in memory: the image alone takes 2 GiB.
    let desk = Desk::on_disk();
    for number in 0..EQUAL_FILES {
        let folder = desk.path(&format!("files/{:02}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        fs::write(folder.join(format!("{number:05}")), "equal").unwrap();
    }
    desk.select("[[files]]\nname = \"equal\"\nfrom = \"../files\"\n");
    let bundles: Vec<String> = (1..=GENERATIONS)
        .map(|generation| {
            fs::write(desk.path("files/generation"), generation.to_string()).unwrap();
            desk.bundle().display().to_string()
        })
        .collect();
    let script = format!(
        "$GAPFERRY site init disk/site --name dc1 --builder online/builder.key.pub --allow-unsigned equal\n\
         for bundle in {}; do $GAPFERRY import $bundle --quiet --site disk/site; done\n\
         stat -c %h disk/site/trees/*/00/00001 | sort -n | tail -1\n\
         diff -r files disk/site/current/files/equal\n\
         $GAPFERRY site check --quiet --site disk/site\n\
         $GAPFERRY rollback 1 --quiet --site disk/site; cat disk/site/current/files/equal/generation; echo\n\
         diff -r -x generation files disk/site/current/files/equal\n\
         $GAPFERRY gc --keep 1 --quiet --site disk/site; $GAPFERRY site check --quiet --site disk/site\n\
         diff -r -x generation files disk/site/current/files/equal; find -L disk/site/current/files -type f | wc -l",
        bundles.join(" ")
    );
    let Some(out) = on_ext4(&desk, &script) else { return };
    let lines: Vec<&str> = out.lines().filter(|line| line.bytes().all(|byte| byte.is_ascii_digit())).collect();
    assert_eq!(lines, ["65000", "1", "70001"], "{out}");
}

#[test]
fn exports_of_200_000_packages_stay_below_the_memory_limit() {
    for more in ["packages = [\"package-3\"]", ""] {
        let (_, mib) = memory::peak_of_export(200_000, 300, more);
        assert!(mib <= memory::LIMIT_MIB, "{mib} MiB with {more:?}");
    }
}
