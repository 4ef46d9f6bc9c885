//! Imports of whatever is on media: in any order, spread over several, with things on them that are of no use.

use std::fs;
use std::path::Path;

use gapferry::cli::Exit;

use super::{Carrier, says};
use crate::support::desk::names;
use crate::support::read_bundle::{copy_small_part, packing_folder};
use crate::support::snapshot::{copy, difference, snapshot};

const FIRST: &str = "dc1-base-000001";
const SECOND: &str = "dc1-base-000002";

/// Moves volumes of a bundle's only packing to another medium, which gets the small part.
fn move_volumes(from: &Path, to: &Path, which: impl Fn(usize) -> bool) {
    copy_small_part(from, to);
    let [from, to] = [from, to].map(packing_folder);
    for (index, file) in names(&from).iter().filter(|file| file.ends_with(".tar")).enumerate() {
        if which(index) {
            fs::rename(from.join(file), to.join(file)).unwrap();
        }
    }
}

#[test]
fn bundles_that_wait_on_one_medium_are_imported_in_order() {
    let mut carrier = Carrier::new();
    carrier.next("package-x");
    carrier
        .desk
        .run("export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --force")
        .ok();
    let (desk, medium) = (&carrier.desk, carrier.desk.path("medium"));
    fs::create_dir(medium.join("dc1-base-000009.part")).unwrap();
    fs::write(medium.join("dc1-base-000009.part/manifest.json"), "{").unwrap();
    fs::create_dir(medium.join("dc2-base-000001")).unwrap();
    fs::write(medium.join("dc2-base-000001/manifest.json"), "{}").unwrap();
    let before = snapshot(&medium, |_| true);
    let first = desk.run("import medium --site site --json").ok();
    assert_eq!(first.json()["bundles"], serde_json::json!([FIRST, SECOND, "dc1-base-000003"]));
    assert_eq!(first.json()["generation"], 3);
    for words in [
        "dc1-base-000002 is published as generation 2",
        "000009.part was not written to its end",
        "dc2-base-000001 has no manifest.json.sig",
    ] {
        assert!(first.err.contains(words), "{words}: {}", first.err);
    }
    desk.run("import medium --site site")
        .says(Exit::NothingNew, &["dc1-base-000001 is passed over", "is here already"]);
    assert_eq!(difference(&before, &snapshot(&medium, |_| true)), None, "the medium was touched");
    // What says that it is for this site and is not signed by whom it trusts is not passed over in silence.
    fs::create_dir(medium.join("dc1-evil-000001")).unwrap();
    for file in ["manifest.json", "manifest.json.sig"] {
        fs::copy(medium.join(FIRST).join(file), medium.join("dc1-evil-000001").join(file)).unwrap();
    }
    fs::write(medium.join("dc1-evil-000001/manifest.json"), "{}").unwrap();
    desk.run("import medium --site site").says(Exit::VerificationFailed, &["does not match"]);
}

#[test]
fn volumes_on_several_media_and_what_is_of_no_use() {
    let carrier = Carrier::new();
    let (desk, bundle) = (&carrier.desk, carrier.desk.path("medium").join(FIRST));
    copy(&bundle, &desk.path("whole"));
    let [second, third] = ["volume-002.tar", "volume-003.tar"].map(|file| carrier.in_packing(file));
    let [one, two, three] = ["one", "two", "three"].map(|medium| desk.path(medium).join(FIRST));
    move_volumes(&bundle, &one, |index| index % 3 == 0);
    move_volumes(&bundle, &two, |_| false);
    fs::rename(bundle.join(&second), two.join(&second)).unwrap();
    move_volumes(&bundle, &three, |_| true);
    fs::write(one.join(&second), "short").unwrap();
    fs::write(one.join(format!("{third}.part")), "half").unwrap();
    fs::write(one.join(carrier.in_packing("volume-900.tar")), "foreign").unwrap();
    let first = desk.run("import one --site site").says(
        Exit::VolumesMissing,
        &[
            "volume-002.tar has 5 bytes",
            "it counts as missing",
            "volume-003.tar.part was not written",
            "volume-900.tar is not of",
            "volume-005.tar",
        ],
    );
    assert!(!first.err.contains("volume-004.tar,"), "{}", first.err);
    let status = desk.run("status --site site").ok();
    assert!(status.out.contains(&format!("dc1-base-000001 is waiting for {second}, {third}")), "{}", status.out);
    desk.run("verify one/dc1-base-000001 --site site").says(Exit::VolumesMissing, &["volume-003.tar"]);
    desk.run("import one two --site site --dry-run").says(Exit::VolumesMissing, &["volume-003.tar"]);
    desk.run("import one two three --site site --dry-run --json").ok();
    desk.run("import two three --site site --json").ok();
    assert!(!desk.run("status --site site").ok().out.contains("waiting"));
    desk.run("import one --site site").says(Exit::NothingNew, &["is here already"]);
}

#[test]
fn a_later_bundle_does_not_wait_for_one_that_it_does_not_need() {
    let mut carrier = Carrier::new();
    carrier.next("package-x");
    let desk = &carrier.desk;
    fs::remove_file(desk.path("medium").join(FIRST).join(carrier.in_packing("volume-002.tar"))).unwrap();
    let ended = desk.run("import medium --site site --json").ok();
    assert_eq!(ended.json()["bundles"], serde_json::json!([SECOND]));
    assert!(ended.err.contains("no more needed, since dc1-base-000002 is here"), "{}", ended.err);
}

#[test]
fn sheets_say_where_volumes_went_and_cannot_do_harm() {
    let carrier = Carrier::new();
    let text = "disk a size=500k; disk b size=10m; copy $B a b; import a; try gapferry status --site site\n\
        sed -i 's/medium 2$/\\x1b[2Jevil'$(printf 'x%.0s' $(seq 200))'/' a/$N/MEDIUM.txt; rm -r site/waiting/*; import a\n\
        mount -o remount,ro a; mkfifo b/$N/fifo; rm b/$N/MEDIUM.txt; mkfifo b/$N/MEDIUM.txt; import b; cat site/audit.jsonl";
    let Some(ended) = carrier.script("sheets", text) else { return };
    says(
        &ended,
        &["0", "6", "0", "6", "0"],
        &[
            "on medium 2",
            &format!("dc1-base-000001 is waiting for {}", carrier.in_packing("volume-00")),
            "\\u{1b}[2Jevilxxx",
            "from medium 1: ",
        ],
    );
    assert!(!ended.err.contains('\u{1b}') && !ended.err.contains(&"x".repeat(80)), "{}", ended.err);
}
