//! Files on the medium that are cut, extended, swapped, renamed, gone, foreign, or no files at all.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gapferry::cli::Exit::{self, Usage, VerificationFailed, VolumesMissing};
use gapferry::error_class::ErrorClass;
use gapferry::site::{WaitingBundle, status};

use super::stage::Stage;
use crate::apt_client::run;
use crate::kill::import::nothing_is_left_over;
use crate::support::debs::Debs;
use crate::support::read_bundle::packing_folder;
use crate::support::sample::Sample;
use crate::support::snapshot::copy;
use crate::support::world::{Content, World, bring, each_content, manifest_of};

/// What is done to a bundle's folder (the second one is another bundle's), the exit code, and a part of the message.
type Row = (&'static str, fn(&Path, &Path), Exit, &'static str);

const VOLUME: &str = "volume-001.tar";
const INDEX: &str = "volume-001.idx";
const ALTERED: &str = "is damaged or was altered";
const OTHER_DIGEST: &str = "its digest or size is not the one";
const LACKS: &str = "blobs that are not here";
const NO_FILE: &str = "is not a regular file";

fn rows() -> Vec<Row> {
    vec![
        ("a volume lacks its last byte", |b, _| cut(&volume(b), 1), VolumesMissing, VOLUME),
        ("a volume lacks its last block", |b, _| cut(&volume(b), 512), VolumesMissing, VOLUME),
        ("a volume is empty", |b, _| fs::write(volume(b), "").unwrap(), VolumesMissing, VOLUME),
        ("a volume has one byte more", |b, _| append(&volume(b), b"!"), VolumesMissing, VOLUME),
        (
            "a volume hides a second archive",
            |b, o| append(&volume(b), &fs::read(volume(o)).unwrap()),
            VolumesMissing,
            VOLUME,
        ),
        ("two volumes of the same size have each other's names", exchange, VerificationFailed, ALTERED),
        ("a volume is that of the next bundle", |b, o| replace_by(&volume(b), &volume(o)), VerificationFailed, ALTERED),
        (
            "a volume is renamed",
            |b, _| fs::rename(volume(b), packing_folder(b).join("VOLUME-001.TAR")).unwrap(),
            VolumesMissing,
            VOLUME,
        ),
        ("a volume is missing", |b, _| fs::remove_file(volume(b)).unwrap(), VolumesMissing, VOLUME),
        (
            "the last volume is missing",
            |b, _| fs::remove_file(packing_folder(b).join("volume-003.tar")).unwrap(),
            VolumesMissing,
            "volume-003.tar",
        ),
        ("all volumes are missing", without_volumes, VolumesMissing, "volume-002.tar"),
        (
            "a volume is a link to itself elsewhere",
            |b, _| link(&packing_folder(b), VOLUME),
            VerificationFailed,
            NO_FILE,
        ),
        (
            "a volume is a link to nothing",
            |b, _| replace(&packing_folder(b), VOLUME, |p| symlink("nowhere", p).unwrap()),
            VerificationFailed,
            NO_FILE,
        ),
        ("a volume is a FIFO", |b, _| replace(&packing_folder(b), VOLUME, fifo), VerificationFailed, NO_FILE),
        (
            "a volume is a folder",
            |b, _| replace(&packing_folder(b), VOLUME, |p| fs::create_dir(p).unwrap()),
            VerificationFailed,
            NO_FILE,
        ),
        ("the manifest is a link to itself elsewhere", |b, _| link(b, "manifest.json"), VerificationFailed, NO_FILE),
        ("the manifest is a FIFO", |b, _| replace(b, "manifest.json", fifo), VerificationFailed, NO_FILE),
        (
            "the manifest is a folder",
            |b, _| replace(b, "manifest.json", |p| fs::create_dir(p).unwrap()),
            VerificationFailed,
            NO_FILE,
        ),
        ("the manifest is a socket", |b, _| replace(b, "manifest.json", socket), VerificationFailed, NO_FILE),
        (
            "the manifest is empty",
            |b, _| fs::write(b.join("manifest.json"), "").unwrap(),
            VerificationFailed,
            "does not match",
        ),
        (
            "the manifest has 300 MiB",
            |b, _| sparse(&b.join("manifest.json"), 300 << 20),
            VerificationFailed,
            "is larger than",
        ),
        ("the manifest is gone", |b, _| fs::remove_file(b.join("manifest.json")).unwrap(), Usage, "is not a bundle"),
        ("the manifest is the next bundle's", |b, o| take(b, o, "manifest.json"), VerificationFailed, "does not match"),
        ("the manifest has CRLF line ends", crlf, VerificationFailed, "does not match"),
        (
            "the signature is a link to itself elsewhere",
            |b, _| link(b, "manifest.json.sig"),
            VerificationFailed,
            NO_FILE,
        ),
        ("the signature is a FIFO", |b, _| replace(b, "manifest.json.sig", fifo), VerificationFailed, NO_FILE),
        (
            "the signature is a folder",
            |b, _| replace(b, "manifest.json.sig", |p| fs::create_dir(p).unwrap()),
            VerificationFailed,
            NO_FILE,
        ),
        (
            "the signature is empty",
            |b, _| fs::write(b.join("manifest.json.sig"), "").unwrap(),
            VerificationFailed,
            "does not parse",
        ),
        (
            "the signature has 300 MiB",
            |b, _| sparse(&b.join("manifest.json.sig"), 300 << 20),
            VerificationFailed,
            "is larger than",
        ),
        (
            "the signature is gone",
            |b, _| fs::remove_file(b.join("manifest.json.sig")).unwrap(),
            VerificationFailed,
            "ssh-keygen -Y sign",
        ),
        (
            "the signature is followed by another",
            |b, _| append(&b.join("manifest.json.sig"), &fs::read(b.join("manifest.json.sig")).unwrap()),
            VerificationFailed,
            "signature",
        ),
        (
            "the signature is the next bundle's",
            |b, o| take(b, o, "manifest.json.sig"),
            VerificationFailed,
            "does not match",
        ),
        ("an item list is gone", |b, _| fs::remove_file(list(b)).unwrap(), VolumesMissing, "copy the bundle again"),
        ("an item list is a FIFO", |b, _| refill(&list(b), fifo), VerificationFailed, NO_FILE),
        (
            "an item list is a link",
            |b, _| refill(&list(b), |p| symlink("/dev/zero", p).unwrap()),
            VerificationFailed,
            NO_FILE,
        ),
        ("an item list has 300 MiB", |b, _| sparse(&list(b), 300 << 20), VerificationFailed, OTHER_DIGEST),
        ("an item list is empty", |b, _| fs::write(list(b), "").unwrap(), VerificationFailed, OTHER_DIGEST),
        ("an item list is the next bundle's", |b, o| replace_by(&list(b), &list(o)), VerificationFailed, OTHER_DIGEST),
        ("the packing is gone", |b, _| fs::remove_file(packing(b)).unwrap(), VolumesMissing, LACKS),
        ("the packing is a FIFO", |b, _| refill(&packing(b), fifo), VolumesMissing, LACKS),
        ("the packing has 300 MiB", |b, _| sparse(&packing(b), 300 << 20), VolumesMissing, LACKS),
        (
            "the packing is not signed",
            |b, _| fs::remove_file(packing(b).with_extension("json.sig")).unwrap(),
            VolumesMissing,
            LACKS,
        ),
        (
            "the packing is in a folder of another name",
            |b, _| fs::rename(packing_folder(b), b.join("packings/0123456789ab")).unwrap(),
            VolumesMissing,
            LACKS,
        ),
        ("there are no packings", |b, _| fs::remove_dir_all(b.join("packings")).unwrap(), VolumesMissing, LACKS),
        (
            "there are more packings than allowed",
            |b, _| (0..64).for_each(|n| fs::create_dir(b.join(format!("packings/{n}"))).unwrap()),
            VerificationFailed,
            "more than 64 packings",
        ),
        ("an index is gone", |b, _| fs::remove_file(index(b)).unwrap(), VolumesMissing, INDEX),
        ("an index is a FIFO", |b, _| refill(&index(b), fifo), VerificationFailed, NO_FILE),
        ("an index is empty", |b, _| fs::write(index(b), "").unwrap(), VolumesMissing, INDEX),
        ("the folder is gone", |b, _| fs::remove_dir_all(b).unwrap(), Usage, "there is no folder"),
        (
            "the folder is a file",
            |b, _| {
                fs::remove_dir_all(b).unwrap();
                fs::write(b, "").unwrap()
            },
            Usage,
            "is not a bundle",
        ),
    ]
}

fn list(bundle: &Path) -> PathBuf {
    fs::read_dir(bundle.join("items")).unwrap().next().unwrap().unwrap().path()
}

fn packing(bundle: &Path) -> PathBuf {
    packing_folder(bundle).join("packing.json")
}

fn index(bundle: &Path) -> PathBuf {
    packing_folder(bundle).join(INDEX)
}

fn replace_by(path: &Path, other: &Path) {
    fs::copy(other, path).unwrap();
}

fn refill(path: &Path, with: fn(&Path)) {
    fs::remove_file(path).unwrap();
    with(path);
}

fn volume(bundle: &Path) -> PathBuf {
    packing_folder(bundle).join(VOLUME)
}

fn take(bundle: &Path, other: &Path, file: &str) {
    fs::copy(other.join(file), bundle.join(file)).unwrap();
}

fn cut(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

fn append(path: &Path, bytes: &[u8]) {
    File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}

fn exchange(bundle: &Path, _: &Path) {
    let [one, two, third] = [VOLUME, "volume-002.tar", "third"].map(|file| packing_folder(bundle).join(file));
    assert_eq!(fs::metadata(&one).unwrap().len(), fs::metadata(&two).unwrap().len());
    fs::rename(&one, &third).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&third, &two).unwrap();
}

fn without_volumes(bundle: &Path, _: &Path) {
    for entry in fs::read_dir(packing_folder(bundle)).unwrap().map(Result::unwrap) {
        if entry.file_name().to_str().unwrap().ends_with(".tar") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

fn crlf(bundle: &Path, _: &Path) {
    let text = fs::read_to_string(bundle.join("manifest.json")).unwrap();
    fs::write(bundle.join("manifest.json"), text.replace('\n', "\r\n")).unwrap();
}

fn replace(bundle: &Path, file: &str, with: fn(&Path)) {
    fs::remove_file(bundle.join(file)).unwrap();
    with(&bundle.join(file));
}

fn link(bundle: &Path, file: &str) {
    fs::rename(bundle.join(file), bundle.join("elsewhere")).unwrap();
    symlink("elsewhere", bundle.join(file)).unwrap();
}

fn fifo(path: &Path) {
    run(Command::new("mkfifo").arg(path));
}

fn socket(path: &Path) {
    std::os::unix::net::UnixListener::bind(path).unwrap();
}

each_content!(an_altered_medium_is_refused_and_the_right_one_imports_afterwards);
fn an_altered_medium_is_refused_and_the_right_one_imports_afterwards(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    for (attack, alter, exit, words) in Sample::new().rows(&*stage.world.content, rows()) {
        let arena = stage.target();
        alter(&arena.bundle, &stage.target.next);
        arena.refuses(attack, exit, words);
        let _ = fs::remove_file(&arena.bundle); // the row where it is a file
        stage.right_one_imports(&arena, &stage.target.bundle, attack);
    }
}

each_content!(what_the_manifest_does_not_name_is_not_read);
fn what_the_manifest_does_not_name_is_not_read(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.target();
    let packing = packing_folder(&arena.bundle);
    fs::copy(volume(&stage.target.next), packing.join("volume-900.tar")).unwrap();
    fs::write(arena.bundle.join("SHA256SUMS"), "nonsense").unwrap();
    fs::write(arena.bundle.join("VERIFY.txt"), "rm -rf /").unwrap();
    symlink("/dev/zero", packing.join("volume-901.tar")).unwrap();
    bring(&arena.site(), &arena.bundle).unwrap();
    let other = stage.manifest(&stage.target.next);
    let ours = stage.manifest(&stage.target.bundle).sizes();
    for blob in other.blobs.iter().filter(|blob| !ours.contains_key(&blob.sha256)) {
        let hex = blob.sha256.to_hex();
        assert!(!arena.site_path().join("depot/sha256").join(&hex[..2]).join(&hex).exists());
    }
}

/// A medium that gives back wrong bytes says nothing against the bundle.
#[test]
fn a_bundle_damaged_on_its_way_waits_for_a_good_copy_of_the_volume() {
    let world = World::new(Arc::new(Debs::small()), "64 KiB");
    let (bundle, site) = (world.bundle(), world.site("site"));
    let (medium, volume) = (world.path("stick"), "volume-002.tar");
    copy(&bundle, &medium);
    let damaged = File::options().write(true).open(packing_folder(&medium).join(volume)).unwrap();
    damaged.write_all_at(b"a dead block", 1500).unwrap();
    let error = bring(&site, &medium).unwrap_err();
    assert_eq!(error.class(), ErrorClass::VerificationFailed, "{error}");
    let seen = status(&site).unwrap();
    let waiting = WaitingBundle {
        bundle: "dc1-base-000001".to_owned(),
        volumes: vec![manifest_of(&bundle).packing().packing.folder().unwrap() + "/" + volume],
        first: Vec::new(),
        review: None,
    };
    assert_eq!((seen.waiting, seen.refused), (vec![waiting], Vec::new()));

    bring(&site, &bundle).unwrap();
    let seen = status(&site).unwrap();
    assert!(seen.waiting.is_empty() && seen.refused.is_empty(), "{seen:?}");
    nothing_is_left_over(&world.path("site"), &["1"]);
}
