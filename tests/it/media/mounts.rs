//! Media that are not mounted, and disks that are full: nothing is written to the wrong place, and nothing is left half-written.

use gapferry::cli::Exit;

use super::{Carrier, says};
use crate::support::desk::names;

/// A stick that is not mounted leaves an ordinary folder behind.
#[test]
fn copy_takes_mounted_media_only() {
    let carrier = Carrier::new();
    let text = "mkdir stick bound; mkdir -p elsewhere\n\
        copy $B stick; copy $B stick --dry-run; ls -A stick\n\
        mount --bind elsewhere bound; copy $B bound; disk a size=10m; mkdir a/below; copy $B a/below --again; ls -A a/below\n\
        mount -t tmpfs none /mnt; mkdir /mnt/unused; copy $B /mnt/unused --again; umount /mnt\n\
        ln -s stick link; copy $B link --again; copy $B stick --again --allow-folder --json; copy stick/$N stick";
    let Some(ended) = carrier.script("mounted media", text) else { return };
    let refused = "nothing is mounted at stick: what is written there would stay on this machine";
    says(
        &ended,
        &["2", "2", "0", "2", "0", "2", "0", "2"],
        &[refused, "--allow-folder", "nothing is mounted at a/below"],
    );
    assert!(ended.out.contains("\"outcome\":\"done\"") && !ended.err.contains("all of"), "{}", ended.out);
}

/// `export` and everything else that writes something for somebody to carry.
#[test]
fn output_below_the_folders_for_media_needs_a_mounted_medium() {
    let carrier = Carrier::new();
    let text = "X='export online/selection.toml --key online/builder.key --workspace online/workspace --force --quiet'\n\
        mount -t tmpfs none /run; mkdir -p /run/media/user/stick /run/media/user/other\n\
        try gapferry $X --out /run/media/user/stick; ls -A /run/media/user/stick\n\
        try gapferry $X --out /run/media/user/missing/below\n\
        try gapferry $X --out /run/media/user/stick --dry-run\n\
        mount -t tmpfs none /run/media/user/stick; try gapferry $X --out /run/media/user/stick; try gapferry $X --out /run/media/user/stick/below\n\
        try gapferry $X --out /run/media/user/other --allow-folder\n\
        import $B; try gapferry receipt --site site --out /run/media/user/other/dc1.receipt\n\
        try gapferry setup nginx --site site --serve-url http://g.invalid --out /run/media/user/other/hosts\n\
        try gapferry recut $B --volumes 1 --out /run/media/user/other --workspace online/workspace; ls -A /run/media/user/other";
    let Some(ended) = carrier.script("mounted media", text) else { return };
    says(
        &ended,
        &["2", "2", "0", "0", "0", "0", "0", "2", "2", "2"],
        &["error: nothing is mounted at /run/media/user/stick: what is written there would stay on this machine"],
    );
    assert_eq!(ended.out.lines().last(), Some("dc1-base-000004"), "{}", ended.out);
}

/// The error names the files that are left, and the least room that they need.
#[test]
fn an_incomplete_copy_fails_and_asks_for_the_room_that_is_left() {
    let carrier = Carrier::new();
    let text = "disk a size=500k; copy $B a --json; copy $B a; disk b size=10m; copy $B b --json";
    let Some(ended) = carrier.script("a small medium", text) else { return };
    says(&ended, &["6", "6", "0"], &["files of dc1-base-000001 that are on no medium yet: ", "1 medium more with "]);
    let first: serde_json::Value = serde_json::from_str(ended.out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["outcome"], &first["exit"]), (&"volumes-missing".into(), &6.into()));
    let bundle = carrier.desk.path("medium/dc1-base-000001");
    let remaining = first["remaining"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    let left: u64 = remaining.map(|file| std::fs::metadata(bundle.join(file)).unwrap().len()).sum();
    let files =
        walkdir::WalkDir::new(&bundle).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let small = files.filter(|entry| entry.path().extension().is_none_or(|end| end != "tar"));
    let small: u64 = small.map(|entry| entry.metadata().unwrap().len().next_multiple_of(4096)).sum();
    let free = first["more"]["free_bytes"].as_u64().unwrap();
    assert!(
        left > 0 && (left + small..left + small + (128 << 10)).contains(&free),
        "{free} for {left} and {small}: {first}"
    );
}

#[test]
fn files_that_do_not_fit_are_reported_and_leave_nothing_behind() {
    let carrier = Carrier::new();
    carrier.desk.import(&carrier.desk.path("medium/dc1-base-000001")).ok();
    let text = "disk f size=64k; dd if=/dev/zero of=f/fill bs=1k count=200 status=none 2>/dev/null\n\
        try gapferry setup nginx --site site --serve-url http://g.invalid --out f/hosts\n\
        try gapferry setup nginx --site site --serve-url http://g.invalid --out f/hosts --json\n\
        try gapferry receipt --site site --out f/receipt; try gapferry keygen f/key; try gapferry keygen f/key; ls -A f";
    let Some(ended) = carrier.script("a full disk", text) else { return };
    says(&ended, &["7", "7", "7", "7", "7"], &["cannot write", "No space left on device"]);
    assert_eq!(ended.out.lines().last(), Some("fill"), "{}", ended.out);
    carrier
        .desk
        .run("setup nginx --site site --serve-url http://g.invalid --out f/missing/hosts")
        .says(Exit::Failed, &["f/missing"]);
    assert_eq!(names(&carrier.desk.path("f")), Vec::<String>::new());
}

/// A dry run finds out that the site has no room, as the import does.
#[test]
fn a_dry_run_refuses_what_the_site_has_no_room_for() {
    let carrier = Carrier::new();
    let text =
        "disk s size=10m; cp -a site/. s; try gapferry import $B --site s --dry-run; try gapferry import $B --site s";
    let Some(ended) = carrier.script("a small disk", text) else { return };
    says(&ended, &["7", "7"], &["bytes free, and", "are needed: free some space"]);
}
