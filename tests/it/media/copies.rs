//! Copies onto media that are small, full, read-only, rotten or not there.

use std::fs;

use super::{Carrier, says};
use crate::support::desk::names;

/// Three sticks of different sizes, one after the other; the register says what is left.
#[test]
fn some_now_and_the_rest_later() {
    let carrier = Carrier::new();
    let text = "disk a size=500k; disk b size=400k; disk c size=10m\n\
        copy $B a b --dry-run; ls -A a b\n\
        copy $B a; ls a/$N; cat a/$N/MEDIUM.txt; copy $B b; copy $B c --json; copy $B c; disk d size=10m; copy $B d\n\
        for m in a b c; do (cd $m/$N && sha256sum --strict --ignore-missing -c SHA256SUMS) || exit 9; done\n\
        cat c/$N/MEDIUM.txt; import a; import c; import b; ls a/$N; copy $B d --again; cat online/workspace/audit.jsonl";
    let Some(ended) = carrier.script("several media", text) else { return };
    says(
        &ended,
        &["6", "6", "6", "0", "0", "3", "6", "6", "0", "0"],
        &[
            &format!("would be written: {}", carrier.in_packing("volume-001.tar")),
            &format!("on no medium yet, from {}", carrier.in_packing("volume-00")),
            "all volumes of dc1-base-000001 are on media already: medium 1, medium 2, medium 3",
            "\"remaining\":[]",
            "TRANSFER SHEET",
            "gapferry medium 3\nBundle dc1-base-000001 for site dc1\n",
            "not copied yet",
            "is published as generation 1",
            "\"event\":\"copied\"",
            " on medium 2",
        ],
    );
    assert!(!ended.out.contains(carrier.desk.path("").to_str().unwrap()), "no host path: {}", ended.out);
}

#[test]
fn one_run_with_several_media_and_sheets_that_name_them_all() {
    let carrier = Carrier::new();
    let text = "disk a size=500k; disk b size=10m; copy $B a b; cat a/$N/MEDIUM.txt; import a b";
    let Some(ended) = carrier.script("several media", text) else { return };
    says(&ended, &["0", "0"], &["  medium 2\n", "  here\n", "all of dc1-base-000001 is on media", "generation 1"]);
}

#[test]
fn media_that_cannot_take_it() {
    let carrier = Carrier::new();
    let text = "disk a size=100k; disk b size=10m; mount -o remount,ro b; disk c size=10m,nr_inodes=8\n\
        copy $B a; ls -A a; copy $B b; copy $B c; mount -o remount,nr_inodes=100 c; copy $B c; ls c/$N\n\
        copy $B nowhere; copy $B c c; copy $B medium; copy medium c";
    let Some(ended) = carrier.script("media that are full", text) else { return };
    says(
        &ended,
        &["7", "1", "7", "0", "2", "2", "2", "2"],
        &[
            "none of the files that are left fits",
            "read-only",
            "does not take",
            "No space left",
            "is not a folder",
            "given twice",
            "that is where the workspace is, too: give a medium",
        ],
    );
    assert!(!ended.out.contains(".part"), "{}", ended.out);
}

#[test]
fn what_is_there_already_is_read_and_kept_or_replaced() {
    let carrier = Carrier::new();
    let text = "disk a size=10m; copy $B a >&2; cp -r a/$N keep\n\
        printf x | dd of=a/$N/$P/volume-002.tar bs=1 seek=5000 conv=notrunc status=none; truncate -s 100 a/$N/$P/volume-003.tar\n\
        echo half > a/$N/$P/volume-004.tar.part; rm a/$N/$P/volume-005.tar; copy $B a --json; diff -r keep a/$N -x MEDIUM.txt || exit 9\n\
        rm -r a/$N; copy $B a --json; copy $B a --again --json";
    let Some(ended) = carrier.script("copies on copies", text) else { return };
    says(&ended, &["0", "0", "3", "0"], &[]);
    let first: serde_json::Value = serde_json::from_str(ended.out.lines().next().unwrap()).unwrap();
    let replaced = ["volume-002.tar", "volume-003.tar", "volume-005.tar"].map(|file| carrier.in_packing(file));
    assert_eq!(first["media"][0]["written"], serde_json::json!(replaced));
    assert_eq!(first["media"][0]["name"], "medium 1");
}

#[test]
fn a_bundle_that_has_rotted_is_found_before_it_travels() {
    let carrier = Carrier::new();
    let volume = carrier.desk.path("medium/dc1-base-000001").join(carrier.in_packing("volume-002.tar"));
    let mut bytes = fs::read(&volume).unwrap();
    bytes[700] ^= 1;
    fs::write(&volume, bytes).unwrap();
    fs::create_dir(carrier.desk.path("stick")).unwrap();
    let id = carrier.packing_id();
    let copy = || carrier.desk.run("copy medium/dc1-base-000001 stick --allow-folder --workspace online/workspace");
    copy().says(
        gapferry::cli::Exit::VerificationFailed,
        &[
            "damaged on this side already",
            &format!(
                "recut medium/dc1-base-000001 --packing {id} --volumes 2 --out medium --workspace online/workspace`"
            ),
        ],
    );
    let on_stick = names(&carrier.desk.path("stick/dc1-base-000001/packings").join(&id));
    assert!(!on_stick.iter().any(|name| name.starts_with("volume-002.tar")), "{on_stick:?}");
    carrier.desk.run("recut medium/dc1-base-000001 --volumes 2 --out medium --workspace online/workspace").ok();
    copy().ok();
}

#[test]
fn after_reinsert_reads_what_the_medium_has_then() {
    let carrier = Carrier::new();
    let text = "disk a size=10m; copy $B a --after-reinsert --timeout 1\n\
        cp -r $B other; printf x | dd of=other/$P/volume-001.tar bs=1 seek=5000 conv=notrunc status=none\n\
        swap() {\n\
            await 'pull it' said; mv a/$N gone; await 'is gone: put it back' said\n\
            cp -r $1 a/new; cp gone/MEDIUM.txt a/new; mv a/new a/$N; rm -r gone\n\
        }\n\
        again() { : >said; swap $1 & try gapferry copy $B a --after-reinsert --timeout 60 --workspace online/workspace --quiet 2>>said; wait; cat said >&2; }\n\
        again $B; again other";
    let Some(ended) = carrier.script("media that are pulled", text) else { return };
    says(
        &ended,
        &["1", "0", "4"],
        &[
            "was not pulled within 1 seconds",
            "pull it, put it back",
            "volume-001.tar does not read back",
            "counterfeit",
        ],
    );
}

#[test]
fn a_bundle_goes_through_a_pipe_too() {
    let carrier = Carrier::new();
    let Some(ended) = carrier.script("a pipe", "gapferry copy $B - --quiet | import -; copy $B - --again") else {
        return;
    };
    says(&ended, &["0", "2"], &["is published as generation 1"]);
}
