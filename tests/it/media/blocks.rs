//! Faults of real block devices, served from user space by nbdkit: reads and writes that fail, and a device that has less than
//! it says. Needs root, FUSE and loop devices.

use std::process::Command;

use super::{Carrier, says};
use crate::support::desk::Ended;
use crate::support::skip::{Needs, skip};

/// `nbd DIR PLUGIN…` mounts a device with the file system `$FS` at DIR, served by the process `$nbdfuse`. All of it ends with the
/// script.
const DEVICES: &str = include_str!("../../../fixtures/media/devices.sh");

/// Runs the script on a carrier's desk; nothing where there can be no such devices.
pub(super) fn script(what: &str, text: &str) -> Option<Ended> {
    able(what).then(|| Carrier::new().script(what, &format!("{DEVICES}{text}")))?
}

/// Whether there can be such devices; it says if not.
fn able(what: &str) -> bool {
    let able = "test -c /dev/fuse && mkdir d && : >d.nbd && (nbdfuse d.nbd --command nbdkit -s --exit-with-parent memory 1M & n=0; \
         until [ -s d.nbd ]; do sleep 0.1; n=$((n+1)); [ $n -lt 1200 ] || exit 1; done; \
         l=$(losetup -f --show d.nbd) && losetup -d $l; r=$?; umount -l d.nbd; exit $r)";
    let folder = crate::support::world::scratch();
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", able]).current_dir(folder.path()).output();
    for program in ["nbdkit", "nbdfuse", "losetup", "mkfs.ext2", "mkfs.exfat", "mount.exfat-fuse"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        assert!(found.status.success(), "{program} is missing; tests/run installs what the tests need");
    }
    if !tried.is_ok_and(|output| output.status.success()) {
        skip(Needs::Fuse, &format!("{what}: this user has no FUSE or no loop devices"));
        return false;
    }
    true
}

#[test]
fn a_medium_that_cannot_be_read_back() {
    let text = "FS=ext2; nbd a --filter=error memory 16M error-pread-rate=100% error-pread-file=$PWD/bad\n\
        copy $B a; touch bad; copy $B a --again; rm bad; copy $B a --again; touch bad; try gapferry verify a/$N --site site; rm bad\n\
        try gapferry verify a/$N --site site";
    let Some(ended) = script("media that cannot be read", text) else { return };
    assert!(matches!(super::exits(&ended)[1], "1" | "4"), "{ended:?}");
    let mut codes = super::exits(&ended);
    codes.remove(1);
    assert_eq!((codes[0], codes[1], codes[3]), ("0", "0", "0"), "{ended:?}");
    assert!(ended.err.contains("Input/output error"), "{ended:?}");
}

#[test]
fn a_medium_that_cannot_be_written() {
    let text = "FS=ext2; nbd a --filter=error memory 16M error-pwrite-rate=100% error-pwrite-file=$PWD/bad\n\
        touch bad; copy $B a; rm bad; copy $B a; diff -r $B a/$N -x MEDIUM.txt || exit 9\n\
        FS=exfat; nbd b --filter=error memory 16M error-pwrite-rate=100% error-pwrite-file=$PWD/worse\n\
        touch worse; copy $B b --again";
    let Some(ended) = script("media that cannot be written", text) else { return };
    says(&ended, &["1", "0", "1"], &["does not take", "Input/output error", "run the same command again"]);
}

/// Counterfeit sticks: the copy ends well for `cp` and `sync`, and is not there. The bundle comes down on the tables of the file
/// system (ext2), or on its own first volumes (exFAT).
#[test]
fn a_medium_that_has_less_than_it_says() {
    for (fs, real, package_bytes) in [("ext2", 720_896, 100_000), ("exfat", 2_359_296, 500_000)] {
        let text = format!(
            "{DEVICES}FS={fs} REAL={real}; lie a; df a >&2; copy $B a; ls a/$N >&2\n\
             FS=ext2; nbd b memory 16M; copy $B b; import b"
        );
        if !able("media that lie") {
            return;
        }
        let Some(ended) = Carrier::with_packages_of(package_bytes).script("media that lie", &text) else { return };
        says(&ended, &["4", "0", "0"], &["back from medium 1", "with another", "generation 1"]);
    }
}

/// An unplug in the middle, and the stick put back: what is there is kept, the rest is written.
#[test]
fn a_medium_that_is_pulled_in_the_middle() {
    let text = "FS=ext2; nbd a memory 16M\n\
        (until [ -e a/$N/$P/volume-002.tar ]; do :; done; umount -l a) & pull=$!; copy $B a; wait $pull; ls -A a >&2\n\
        mount -t ext2 $loop a; copy $B a; diff -r $B a/$N -x MEDIUM.txt || exit 9; import a";
    let Some(ended) = script("media that are pulled", text) else { return };
    let codes = super::exits(&ended);
    assert!(matches!(codes[0], "0" | "1" | "4"), "{ended:?}");
    assert_eq!(codes[1..], ["0", "0"], "{}\n{}", ended.out, ended.err);
}

/// Straight from the export onto a stick, without a copy: one that is too small for it, and one that is not.
#[test]
fn an_export_straight_to_the_medium() {
    let text = "straight() { try gapferry export online/selection.toml --out $1 --key online/builder.key --workspace online/other --quiet; }\n\
        disk small size=256k; straight small; ls -A small >&2\n\
        FS=exfat; nbd a memory 32M; straight a; umount a; mount.exfat-fuse $loop a >>nbd.log 2>&1\n\
        try gapferry verify a/$N --site site\n\
        here() { try gapferry copy $1/$N $1 --workspace online/other; }\n\
        here a; here a; head -4 a/$N/MEDIUM.txt >&2\n\
        [ $(grep -c '\"event\":\"copied\"' online/other/audit.jsonl) = 2 ] || exit 9; import a";
    let Some(ended) = script("exports straight to a medium", text) else { return };
    says(
        &ended,
        &["7", "0", "0", "0", "0", "0"],
        &["are needed", "generation 1", "\ngapferry medium 1\nBundle dc1-base-000001 for site dc1\n"],
    );
    assert!(!ended.err.contains("\ndc1-base"), "something was left on the small medium: {}", ended.err);
}

/// A counterfeit that was exported to: found in place, and nothing is taken away from what is there.
#[test]
fn an_export_straight_to_a_medium_that_lies() {
    let text = "FS=exfat REAL=2359296; lie a\n\
        try gapferry export online/selection.toml --out a --key online/builder.key --workspace online/other --quiet\n\
        here() { ls -lR a/$N >before; try gapferry copy a/$N a --workspace online/other --quiet; ls -lR a/$N | diff before - >&2 || exit 9; }\n\
        here; truncate -s 5k a/$N/$P/volume-002.tar; here";
    if !able("media that lie") {
        return;
    }
    let Some(ended) = Carrier::with_packages_of(500_000).script("media that lie", &format!("{DEVICES}{text}")) else {
        return;
    };
    let words = [
        "does not read back from a as it was exported",
        "`gapferry recut dc1-base-000001 --out . --workspace online/other`",
    ];
    says(&ended, &["0", "4", "4"], &words);
}
