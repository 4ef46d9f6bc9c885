//! Disks that are too small, fill up, or cannot be written to. Needs root, to mount such disks in a namespace of its own.

use std::process::Command;

use super::{Fault, PACKAGES};
use crate::support::desk::{Desk, Ended, clean, end};
use crate::support::skip::{Needs, skip};

/// Runs a script in which `gapferry` is the program and mounts are private to it; none where that is not possible.
///
/// `disk DIR OPTIONS` mounts a small disk, `grow DIR OPTIONS` changes it, and `try COMMAND…` shows the exit code.
fn script(desk: &Desk, text: &str) -> Option<Ended> {
    let allowed = Command::new("unshare").args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip(Needs::Mounts, "this user cannot mount a small disk");
        return None;
    }
    let head = "set -u\ndisk() { mkdir -p $1; mount -t tmpfs -o $2 none $1; }\ngrow() { mount -o remount,$2 $1; }\n\
                try() { echo \"$ $*\" >&2; \"$@\"; echo \"exit $?\" >&2; }\n\
                export_() { try gapferry export online/selection.toml --out medium --key online/builder.key \
                --workspace online/workspace \"$@\"; }\n";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &format!("{head}gapferry() {{ $GAPFERRY \"$@\"; }}\n{text}")]);
    command.current_dir(desk.path("")).env("GAPFERRY", env!("CARGO_BIN_EXE_gapferry"));
    clean(&mut command);
    Some(end(&mut command).ok())
}

/// The exit codes that the script showed.
fn exits(ended: &Ended) -> Vec<&str> {
    ended.err.lines().filter_map(|line| line.strip_prefix("exit ")).collect()
}

fn assert_says(ended: &Ended, words: &[&str]) {
    words.iter().for_each(|word| assert!(ended.err.contains(word), "{word}: {ended:?}"));
}

#[test]
fn a_medium_that_is_too_small() {
    let fault = Fault::new();
    let text =
        "disk medium size=200k; export_; ls -A medium >&2; grow medium size=10m; export_ --json; ls -A medium >&2";
    let Some(ended) = script(&fault.desk, text) else { return };
    assert_eq!(exits(&ended), ["7", "0"], "{ended:?}");
    assert_says(&ended, &["medium has", "bytes free", "are needed", "give another --out"]);
    assert!(ended.out.contains("\"fetched\":{\"bytes\":0,\"files\":0}"), "{ended:?}");
    assert_eq!(fault.asked(), [1; PACKAGES]);
    assert_eq!(ended.err.matches("dc1-base").count(), 1, "only the good one is there: {ended:?}");
}

/// Files can run out before bytes do, which no look at the free space tells.
#[test]
fn a_medium_that_fills_up_in_the_middle() {
    let fault = Fault::new();
    let selection = fault.desk.path("online/selection.toml");
    let small = std::fs::read_to_string(&selection).unwrap().replace("100 MB", "100 kB");
    std::fs::write(&selection, small).unwrap();
    let text = "disk medium size=10m,nr_inodes=12; export_; ls -A medium >&2; grow medium nr_inodes=100; export_; ls -A medium >&2\n\
                gapferry verify medium/dc1-base-000001 --builder online/builder.key.pub";
    let Some(ended) = script(&fault.desk, text) else { return };
    assert_eq!(exits(&ended), ["7", "0"], "{ended:?}");
    assert_says(&ended, &["volume-0", "because: no inodes are left on its file system"]);
    assert_eq!(fault.asked(), [1; PACKAGES]);
}

#[test]
fn a_workspace_that_is_too_small_or_fills_up() {
    let fault = Fault::new();
    let text = "disk online/workspace size=400k; export_; grow online/workspace size=10m; export_";
    let Some(ended) = script(&fault.desk, text) else { return };
    assert_eq!(exits(&ended), ["7", "0"], "{ended:?}");
    assert_says(&ended, &["online/workspace/depot has", "bytes free", "give another --workspace"]);
    assert_eq!(fault.asked(), [1; PACKAGES]);

    let fault = Fault::new();
    let text = "disk online/workspace size=10m,nr_inodes=14; export_; grow online/workspace nr_inodes=100; export_";
    let Some(ended) = script(&fault.desk, text) else { return };
    assert_eq!(exits(&ended), ["7", "0"], "{ended:?}");
    assert_says(&ended, &["online/workspace", "no inodes are left on its file system"]);
    fault.desk.path("medium").join("dc1-base-000001/manifest.json").metadata().unwrap();
}

#[test]
fn a_site_that_is_too_small_or_fills_up() {
    for (small, large) in [("size=300k", "size=100m"), ("size=100m,nr_inodes=60", "nr_inodes=1000")] {
        let fault = Fault::new();
        let bundle = fault.desk.bundle();
        let import = format!("try gapferry import {} --site srv/site", bundle.display());
        let text = format!(
            "disk srv {small}\n\
             gapferry site init srv/site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg\n\
             {import}; try gapferry status --site srv/site; test -e srv/site/current && echo PUBLISHED >&2\n\
             grow srv {large}; {import}; try gapferry status --site srv/site; ls srv/site/waiting srv/site/depot/partial"
        );
        let Some(ended) = script(&fault.desk, &text) else { return };
        assert_eq!(exits(&ended), ["7", "0", "0", "0"], "{ended:?}");
        assert_says(&ended, &["srv/site"]);
        assert!(!ended.err.contains("PUBLISHED"), "{ended:?}");
        assert!(ended.out.contains("is published as generation 1"), "{ended:?}");
    }
}

/// The file system of the site has no hard links: published files are copies, and a collection that does not change is not
/// copied again.
#[test]
fn unchanged_collections_need_no_room() {
    let desk = Desk::new();
    for folder in ["big", "small"] {
        std::fs::create_dir(desk.path(folder)).unwrap();
    }
    std::fs::write(desk.path("big/big"), vec![7; 20 << 20]).unwrap();
    (0..500).for_each(|n| std::fs::write(desk.path(&format!("big/{n}")), n.to_string()).unwrap());
    let table = |name| format!("[[files]]\nname = \"{name}\"\nfrom = \"../{name}\"\n");
    desk.select(&(table("big") + &table("small")));
    let bundles = ["first", "second"].map(|text| {
        std::fs::write(desk.path(&format!("small/{text}")), text).unwrap();
        desk.bundle().display().to_string()
    });
    let text = format!(
        "disk srv size=64m\n\
         gapferry site init srv/site --name dc1 --builder online/builder.key.pub --allow-unsigned big --allow-unsigned small\n\
         unlinked() {{ strace -f -qq -o /dev/null -e inject=link,linkat:error=EPERM $GAPFERRY \"$@\"; }}\n\
         try unlinked import {0} --site srv/site\n\
         gapferry import {1} --dry-run --json --site srv/site | grep -o '\"needed\":[0-9]*'\n\
         try unlinked import {1} --site srv/site; try gapferry site check --site srv/site",
        bundles[0], bundles[1]
    );
    let Some(ended) = script(&desk, &text) else { return };
    assert_eq!(exits(&ended), ["0", "0", "0"], "{ended:?}");
    let needed = ended.out.lines().find_map(|line| line.strip_prefix("\"needed\":")).unwrap();
    let needed: u64 = needed.parse().unwrap();
    assert!(needed < (16 << 20) + 50_000, "{needed}");
}

/// `gc` is what frees space, so it must not need any for its own line in the audit log. The log is lengthened first until
/// another line needs another page, since the last page of a file can be filled on a full disk, too.
#[test]
fn gc_frees_space_on_a_full_file_system() {
    let fault = Fault::new();
    let first = fault.desk.bundle();
    let import = format!("try gapferry import {} --site srv/site", first.display());
    let text = format!(
        "disk srv size=20m\n\
         gapferry site init srv/site --name dc1 --builder online/builder.key.pub --keyring demo=keyring.gpg\n\
         {import}; {import} --reread; log=srv/site/audit.jsonl\n\
         for n in $(seq 100); do\n\
         try gapferry gc --site srv/site --keep 9 >/dev/null 2>&1; line=$(tail -n 1 $log | wc -c)\n\
         [ $((4096 - $(stat -c %s $log) % 4096)) -lt $((line - 10)) ] && break\n\
         done\n\
         head -c 4000000 /dev/urandom > srv/site/depot/partial/left-over\n\
         while dd if=/dev/zero of=srv/filler bs=4k count=64 oflag=append conv=notrunc status=none 2>/dev/null; do :; done\n\
         while echo x >> srv/filler; do :; done 2>/dev/null\n\
         echo x > srv/more && exit 9\n\
         before=$(wc -l < $log)\n\
         try gapferry gc --site srv/site --keep 1; tail -n +$((before + 1)) $log >&2\n\
         try gapferry status --site srv/site"
    );
    let Some(ended) = script(&fault.desk, &text) else { return };
    assert_eq!(exits(&ended), ["0", "0", "0", "0"], "{ended:?}");
    assert_says(&ended, &["\"event\":\"gc\"", "removes [1]"]);
}

#[test]
fn a_medium_that_cannot_be_written_to() {
    let fault = Fault::new();
    let bundle = fault.desk.bundle();
    fault.desk.init(&["demo"], "");
    let import = format!("try gapferry import {} --site site", bundle.display());
    let text = format!(
        "mount --bind medium medium; mount -o remount,ro,bind medium; touch medium/x && exit 9\n\
         try gapferry verify {} --site site; {import}\n\
         export_ --force",
        bundle.display()
    );
    let Some(ended) = script(&fault.desk, &text) else { return };
    assert_eq!(exits(&ended), ["0", "0", "1"], "{ended:?}");
    assert_says(&ended, &["cannot create", "medium", "because: Read-only file system"]);
}

/// The memory of a process is a regular file that opens, and that cannot be read from its start, as a file on a broken disk.
#[test]
fn a_disk_that_cannot_be_read_fails_without_a_verdict_on_the_content() {
    let desk = Desk::new();
    let tables = [
        ("x.deb", "[[apt]]\nname = \"own\"\nlocal = \"../broken\"\n"),
        ("x.snap", "[[snaps]]\nfrom = \"../broken\"\nclosure = false\n"),
        ("x.bin", "[[files]]\nname = \"own\"\nfrom = \"../broken/x.bin\"\n"),
        (
            "x.tgz",
            "[[os-images]]\nfrom = \"../broken/x.tgz\"\nos = \"custom\"\nrelease = \"own\"\narchitecture = \"amd64\"\n\
             filetype = \"tgz\"\ntitle = \"Own\"\nversion = \"1\"\n",
        ),
    ];
    for (file, table) in tables {
        desk.select(table);
        let text = format!(
            "rm -rf broken; mkdir broken; touch broken/{file} broken/x.assert; mount --bind /proc/$$/mem broken/{file}; export_; \
             umount broken/{file}"
        );
        let Some(ended) = script(&desk, &text) else { return };
        assert_eq!(exits(&ended), ["1"], "{ended:?}");
        assert_says(&ended, &["cannot read", &format!("broken/{file}"), "os error"]);
        assert!(!ended.err.contains("not a usable"), "{ended:?}");
    }
}
