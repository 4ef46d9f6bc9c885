//! Packings of one state, made and imported by the real commands: the state stays the same, whatever is packed of it and how.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gapferry::bundle::send_stream::send;
use gapferry::cli::Exit;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::progress::Progress;
use gapferry::trust::SecretKey;
use gapferry::workspace::Workspace;
use serde_json::Value;

use crate::support::desk::{Desk, Ended, ended};
use crate::support::os_images::noise;
use crate::support::read_bundle::{ReadBundle, copy_small_part, packing_folder, read_bundle};

const BUNDLE: &str = "dc1-base-000001";
const LARGE: usize = 500_000;
/// Sizes of volumes: the small ones are cut near 63 kB, 126 kB and so on, the large ones near 148 kB and 296 kB.
const SMALL_VOLUMES: &str = "64 KiB";
const LARGE_VOLUMES: &str = "150kB";

/// A desk whose upstream is a folder of files, with a site that takes them. The large file is cut over all volumes but the last one.
fn desk() -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.path("online/files")).unwrap();
    publish(&desk, "a-large", &noise(LARGE, 1));
    publish(&desk, "b-text", "one line of many\n".repeat(9_000).as_bytes());
    publish(&desk, "c-small", b"1");
    desk.select("[[files]]\nname = \"own\"\nfrom = \"files\"\n");
    let path = desk.path("online/selection.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("100 MB", SMALL_VOLUMES)).unwrap();
    desk.init(&[], "--allow-unsigned own");
    desk
}

fn publish(desk: &Desk, file: &str, bytes: &[u8]) {
    fs::write(desk.path("online/files").join(file), bytes).unwrap();
}

/// Packs the first bundle into volumes of another size, below `out`.
#[track_caller]
fn recut(desk: &Desk, size: &str, out: &str) -> Value {
    let recut = format!(
        "recut {BUNDLE} --volume-size {size} --out {out} --key online/builder.key --workspace online/workspace --json"
    );
    desk.run(&recut).ok().json()
}

/// The files of the state itself.
fn state_files(bundle: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let names = ["manifest.json", "manifest.json.sig", "items/files-own.jsonl.zst", "VERIFY.txt"];
    names.into_iter().map(|name| (name, fs::read(bundle.join(name)).unwrap())).collect()
}

/// Fails unless the site publishes the files as they are online.
#[track_caller]
fn is_published(desk: &Desk) {
    for entry in fs::read_dir(desk.path("online/files")).unwrap().map(Result::unwrap) {
        let published = desk.path("site/current/files/own").join(entry.file_name());
        assert!(fs::read(published).unwrap() == fs::read(entry.path()).unwrap(), "{entry:?}");
    }
    desk.run("site check --site site").ok();
}

#[test]
fn a_state_that_is_packed_again_keeps_its_manifest_and_its_sequence() {
    let desk = desk();
    let bundle = desk.bundle();
    let made = recut(&desk, LARGE_VOLUMES, "again");
    let again = desk.path("again").join(BUNDLE);
    assert!(state_files(&again) == state_files(&bundle));
    assert_eq!((&made["name"], &made["bundle"]), (&BUNDLE.into(), &format!("again/{BUNDLE}").into()));

    let packed = read_bundle(&again);
    let id = made["packing"].as_str().unwrap();
    let new = packed.packings.iter().find(|packing| packing.folder.ends_with(id)).unwrap();
    assert_eq!((packed.packings.len(), new.packing.volumes.len()), (2, 4));
    assert!(new.packing.volumes.iter().all(|volume| volume.size <= 150_000), "{:?}", new.packing.volumes);
    // The same command finds what it made before, and the packing that it made it from.
    assert_eq!(recut(&desk, LARGE_VOLUMES, "again"), made);

    let verify = "--builder online/builder.key.pub";
    let verified = desk.run(&format!("verify again/{BUNDLE} {verify} --json")).ok().json();
    assert_eq!((&verified["volumes"], verified["absent"].as_array().unwrap().len()), (&4.into(), 8));
    fs::rename(new.folder.join("volume-002.tar"), desk.path("aside")).unwrap();
    let lost = format!("packings/{id}/volume-002.tar");
    desk.run(&format!("verify again/{BUNDLE} {verify}")).says(Exit::VolumesMissing, &[&lost]);
    fs::rename(desk.path("aside"), new.folder.join("volume-002.tar")).unwrap();

    desk.import(&again).ok();
    is_published(&desk);
    desk.import(&bundle).says(Exit::NothingNew, &["is here already"]);
    publish(&desk, "c-small", b"2");
    assert_eq!(read_bundle(&desk.bundle()).sequence, 2.try_into().unwrap());
}

/// Another version of gapferry wrote the bundle, with other words in VERIFY.txt.
#[test]
fn a_recut_keeps_the_verify_txt_of_its_packings() {
    let desk = desk();
    let bundle = desk.bundle();
    let words = fs::read_to_string(bundle.join("VERIFY.txt")).unwrap() + "P.S.\n";
    fs::write(bundle.join("VERIFY.txt"), &words).unwrap();
    let mut packing = read_bundle(&bundle).packing().clone();
    packing.packing.verify = Sha256::of(words.as_bytes());
    packing.resign(&SecretKey::load(&desk.path("online/builder.key"), || None).unwrap());
    let noted = desk.path("online/workspace/history/dc1-base/1-000001.packings");
    fs::remove_file(&noted).unwrap();
    let lost = |out: &str| {
        desk.run(&format!("recut medium/{BUNDLE} --volumes 1 --out {out} --workspace online/workspace")).ok();
        assert_eq!(fs::read_to_string(desk.path(out).join(BUNDLE).join("VERIFY.txt")).unwrap(), words);
    };
    // As the folder has it, and as the workspace remembers it.
    lost("by-folder");
    let note = |workspace: Workspace| workspace.note_packing(&packing.folder, &read_bundle(&bundle).header);
    note(Workspace::open_there(&desk.path("online/workspace")).unwrap()).unwrap();
    desk.run("gc --workspace online/workspace").ok();
    for name in ["VERIFY.txt", "packings"].map(|name| bundle.join(name)) {
        fs::rename(&name, desk.path("online").join(name.file_name().unwrap())).unwrap();
    }
    lost("by-workspace");
    recut(&desk, LARGE_VOLUMES, "by-workspace");
    desk.run(&format!("verify by-workspace/{BUNDLE} --builder online/builder.key.pub")).ok();
}

#[test]
fn an_export_goes_onto_smaller_and_onto_larger_media() {
    let desk = desk();
    let bundle = desk.bundle();
    let first = packing_folder(&bundle);
    let first = first.file_name().unwrap().to_str().unwrap();
    for (size, volumes) in [("300kB", 2), ("1GB", 1), ("65536", 8)] {
        let made = recut(&desk, &format!("{size} --packing {first}"), "medium");
        assert_eq!(made["volumes"].as_array().unwrap().len(), volumes, "{made}");
    }
    // A packing of the size of the first one is the first one.
    assert_eq!(read_bundle(&bundle).packings.len(), 3);
    desk.run(&format!("verify medium/{BUNDLE} --builder online/builder.key.pub")).ok();
    desk.import(&bundle).ok();
    is_published(&desk);
}

/// Two packings of one state, and media that have some volumes of one of them.
struct Mixed {
    desk: Desk,
    all: ReadBundle,
    small: PathBuf,
    large: PathBuf,
}

impl Mixed {
    fn new() -> Self {
        let desk = desk();
        let small = packing_folder(&desk.bundle());
        let made = recut(&desk, LARGE_VOLUMES, "medium");
        let large = small.with_file_name(made["packing"].as_str().unwrap());
        Self { all: read_bundle(&desk.path("medium").join(BUNDLE)), desk, small, large }
    }

    /// A medium with volumes of the packing, by their numbers.
    fn medium(&self, packing: &Path, volumes: &[u32]) -> PathBuf {
        let names: String = volumes.iter().map(u32::to_string).collect();
        let medium = self.desk.path(&format!("{}-{names}", packing.file_name().unwrap().to_str().unwrap()));
        copy_small_part(&self.all.folder, &medium);
        for volume in volumes.iter().map(|number| format!("volume-{number:03}.tar")) {
            let below = packing.strip_prefix(&self.all.folder).unwrap();
            fs::copy(packing.join(&volume), medium.join(below).join(&volume)).unwrap();
        }
        medium
    }

    fn import(&self, packing: &Path, volumes: &[u32]) -> Ended {
        self.desk.import(&self.medium(packing, volumes))
    }

    /// The notes of the unfinished import.
    fn notes(&self) -> String {
        let journal = fs::read_dir(self.desk.path("site/waiting")).unwrap().next().unwrap().unwrap();
        fs::read_to_string(journal.path().join("parts")).unwrap()
    }
}

#[test]
fn volumes_of_two_packings_make_up_a_file_that_both_cut() {
    let mixed = Mixed::new();
    mixed.import(&mixed.small, &[1, 2, 3]).says(Exit::VolumesMissing, &["volume-004.tar"]);
    // 148 kB to 296 kB, of which the site has some already.
    mixed.import(&mixed.large, &[2]).says(Exit::VolumesMissing, &["volume-003.tar"]);
    assert!(mixed.notes().lines().any(|line| line.starts_with("- ")), "{}", mixed.notes());
    mixed.import(&mixed.small, &[5, 6]).says(Exit::VolumesMissing, &["volume-008.tar"]);
    let ended = mixed.import(&mixed.large, &[3, 4]).ok();
    assert!(!ended.err.contains("again"), "{}", ended.err);
    is_published(&mixed.desk);
}

#[test]
fn a_damaged_volume_costs_what_it_overwrites_and_no_more() {
    let mixed = Mixed::new();
    mixed.import(&mixed.small, &[1, 2, 3, 4]).says(Exit::VolumesMissing, &["volume-005.tar"]);
    let medium = mixed.medium(&mixed.large, &[2]);
    let volume = medium.join(mixed.large.strip_prefix(&mixed.all.folder).unwrap()).join("volume-002.tar");
    let mut bytes = fs::read(&volume).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&volume, bytes).unwrap();
    mixed.desk.import(&medium).says(Exit::VerificationFailed, &["volume-002.tar"]);
    // What it has overwritten is lacking again: the rest of the packing does not suffice.
    let rest = mixed.import(&mixed.small, &[5, 6, 7, 8]);
    rest.says(Exit::VolumesMissing, &["volume-003.tar", "volume-004.tar"]);
    mixed.import(&mixed.small, &[3, 4, 5]).ok();
    is_published(&mixed.desk);
}

#[test]
fn a_renewal_travels_without_volumes() {
    let desk = desk();
    desk.ferry();
    desk.run(&format!("confirm {BUNDLE} --workspace online/workspace")).ok();
    let exported = desk.export("--force --json").ok().json();
    assert_eq!((&exported["carried"]["bytes"], &exported["name"]), (&0.into(), &"dc1-base-000002".into()));
    let bundle = desk.path("medium/dc1-base-000002");
    assert!(!bundle.join("packings").exists());
    desk.run("verify medium/dc1-base-000002 --builder online/builder.key.pub").ok();
    let shown = desk.run("inspect medium/dc1-base-000002 --json").ok().json();
    assert_eq!(shown["packings"].as_array().unwrap().len(), 0);
    assert!(shown["collections"][0]["items"].as_array().unwrap().iter().all(|item| item["travels"] == false));
    fs::create_dir(desk.path("stick")).unwrap();
    desk.run("copy medium/dc1-base-000002 stick --allow-folder --workspace online/workspace").ok();
    let imported = desk.run("import stick --site site --json").ok().json();
    assert_eq!(imported["generation"], 2);
    is_published(&desk);
    // As a stream, too.
    let sent = stream(&desk, "--force");
    receive(&desk, &sent).ok();
    is_published(&desk);
}

#[test]
fn an_answer_to_a_receipt_heals_what_is_published() {
    let desk = desk();
    let bundle = desk.bundle();
    desk.import(&bundle).ok();
    let large = Sha256::of(&noise(LARGE, 1));
    let blob = Depot::open(&desk.path("site/depot")).unwrap().place(&large);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, bytes).unwrap();
    desk.run("site check --site site --repair").says(Exit::RotFound, &["a-large"]);
    desk.run("receipt --site site --out lacks.txt").ok();
    let answer = "--request lacks.txt --site-key site/current/keys/site.asc --out answer --key online/builder.key";
    let made = desk.run(&format!("recut {BUNDLE} {answer} --workspace online/workspace --json")).ok().json();
    assert_eq!(made["bytes"], LARGE);
    let answer = desk.path("answer").join(BUNDLE);
    assert!(state_files(&answer) == state_files(&bundle));
    let healed = desk.run(&format!("import answer/{BUNDLE} --site site --json")).ok().json();
    assert_eq!((&healed["healed"], &healed["generation"]), (&1.into(), &2.into()));
    is_published(&desk);
    desk.import(&answer).says(Exit::NothingNew, &["is here already"]);
}

/// The stream of the next bundle.
fn stream(desk: &Desk, more: &str) -> Vec<u8> {
    let export = "export online/selection.toml --to - --key online/builder.key --workspace online/workspace";
    let output = desk.command(&format!("{export} {more}")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn receive(desk: &Desk, bytes: &[u8]) -> Ended {
    let mut command = desk.command("import - --site site");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(bytes); // it may have seen enough
    ended(&child.wait_with_output().unwrap())
}

#[test]
fn a_delta_as_a_stream_carries_patches_alone() {
    let desk = desk();
    receive(&desk, &stream(&desk, "")).ok();
    desk.run(&format!("confirm {BUNDLE} --workspace online/workspace")).ok();
    let mut large = noise(LARGE, 1);
    large[250_000..250_010].fill(7);
    publish(&desk, "a-large", &large);
    let sent = stream(&desk, "");
    assert!(sent.len() < LARGE / 5, "{}", sent.len());
    receive(&desk, &sent).ok();
    is_published(&desk);
}

#[test]
fn a_stream_of_several_packings_is_taken_up_to_where_it_ends() {
    let mixed = Mixed::new();
    let desk = &mixed.desk;
    for volume in [mixed.small.join("volume-002.tar"), mixed.large.join("volume-004.tar")] {
        assert!(volume.exists(), "{volume:?}");
    }
    let mut sent = Vec::new();
    send(&mixed.all.folder, &mut sent, &Progress::hidden()).unwrap();
    // The first packing is cut off; what was taken of it counts.
    let quarter = sent.len() / 4;
    receive(desk, &sent[..quarter]).says(Exit::VolumesMissing, &["send it again"]);
    mixed.import(&mixed.large, &[2]).says(Exit::VolumesMissing, &[]);
    receive(desk, &sent).ok();
    is_published(desk);
}
