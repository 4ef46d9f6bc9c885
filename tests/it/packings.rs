//! States and packings over blobs and volumes of sizes at all edges. The judges are GNU tar, and a reader in Python that was written
//! from `docs/format.md`.

mod forged;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::slice;

use gapferry::bundle::BundleError;
use gapferry::bundle::bundle_stream::BundleStream;
use gapferry::bundle::packing::rewrite::{RewriteSource, rewrite_volume};
use gapferry::bundle::packing::unpack::{CheckOnly, unpack, unpack_stream};
use gapferry::bundle::packing::volume_files::WrongSize;
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::send_stream::send;
use gapferry::bundle::state::SignedState;
use gapferry::bundle::state::stored_state::{StoredState, store};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::numbers::VolumeNumber;
use gapferry::progress::Progress;
use gapferry::upstream::Payload;
use proptest::prelude::*;
use serde_json::json;

use crate::apt_client::output;
use crate::support::bundles::{Memory, PackOptions, Packer, Tree, WrittenBundle, open, read, report};
use crate::support::world::scratch;

const SMALL: u64 = 64 << 10;

/// The look of a blob's bytes to a compressor.
#[derive(Clone, Copy, Debug)]
enum Texture {
    Noise,
    Text,
    Zeros,
    /// Noise at both ends, so that a sample of the middle misleads.
    TextInside,
    NoiseInside,
}

fn bytes(texture: Texture, size: usize, seed: u64) -> Vec<u8> {
    let mut noise = Vec::new();
    Payload::Pseudorandom { size: size as u64, seed }.reader().read_to_end(&mut noise).unwrap();
    let text: Vec<u8> = format!("text {seed} ").bytes().cycle().take(size).collect();
    let middle = size / 4..size - size / 4;
    match texture {
        Texture::Noise => noise,
        Texture::Text => text,
        Texture::Zeros => vec![0; size],
        Texture::TextInside => {
            noise[middle.clone()].copy_from_slice(&text[middle]);
            noise
        }
        Texture::NoiseInside => {
            let mut text = text;
            text[middle.clone()].copy_from_slice(&noise[middle]);
            text
        }
    }
}

/// A tree with blobs of all encodings: small, compressed, cut across volumes of 64 KiB, empty, and one under two names.
fn mixed() -> Tree {
    let long = format!("files/b/{}/{}", "d".repeat(150), "e".repeat(150));
    [
        ("files/a/proofs/index", bytes(Texture::Text, 5000, 1)),
        ("files/a/empty", Vec::new()),
        ("files/a/large", bytes(Texture::Noise, 200_000, 2)),
        ("files/a/small", b"small".to_vec()),
        ("files/a/text", bytes(Texture::NoiseInside, 150_000, 3)),
        ("files/b/again", b"small".to_vec()),
        ("files/b/list.zst", bytes(Texture::Text, 70_000, 4)),
        (&long, b"under a long name".to_vec()),
        ("files/b/x.part000001", b"upstream's own name".to_vec()),
    ]
    .map(|(path, bytes)| (path.to_owned(), bytes))
    .into()
}

fn distinct(tree: &Tree) -> BTreeMap<Sha256, Vec<u8>> {
    tree.values().map(|bytes| (Sha256::of(bytes), bytes.clone())).collect()
}

/// The files below a folder, by path.
fn files(root: &Path) -> Tree {
    let entries = walkdir(root).into_iter().map(|path| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read(&path).unwrap())
    });
    entries.collect()
}

fn walkdir(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walkdir(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Packs and reads back; fails unless all is as it was.
fn there_and_back(blobs: &[Made], volume_size: u64, judge: Judge) {
    let tree: Tree = blobs
        .iter()
        .map(|(n, texture, size, seed)| (format!("files/{n}"), bytes(*texture, *size as usize, *seed)))
        .collect();
    let packer = Packer::new();
    let bundle = packer.state("out", 1, &tree);
    if tree.is_empty() {
        return;
    }
    let folder = packer.pack(&bundle, PackOptions::full(volume_size)).unwrap();
    for volume in walkdir(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "tar")) {
        let size = volume.metadata().unwrap().len();
        assert!(size <= volume_size, "{} has {size} bytes of {volume_size}", volume.display());
        if judge == Judge::Tar {
            let tar = output(Command::new("tar").arg("-tvf").arg(volume));
            assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
        }
    }
    let memory = Memory::default();
    assert_eq!(read(slice::from_ref(&bundle.folder), &memory).unwrap(), [""; 0]);
    assert!(memory.blobs() == distinct(&tree));
    if judge == Judge::Python {
        let target = packer.dir.path().join("python");
        let (code, found) = packer.python(&bundle.folder, &["--unpack", target.to_str().unwrap()]);
        assert_eq!((code, &found["missing"]), (0, &json!([])), "{found}");
        assert!(files(&target) == tree);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    None,
    Tar,
    Python,
}

/// A blob's name and what its bytes are made of: short to print, where a case fails.
type Made = (String, Texture, u64, u64);

fn texture() -> impl Strategy<Value = Texture> {
    use Texture::{Noise, NoiseInside, Text, TextInside, Zeros};
    prop_oneof![4 => Just(Noise), 2 => Just(Text), 1 => Just(Zeros), 1 => Just(TextInside), 1 => Just(NoiseInside)]
}

/// A size near an edge: of a block, of a slice, of what fits into a volume.
fn size(volume: u64) -> impl Strategy<Value = u64> {
    let overhead = 512 + 1024;
    let edges =
        [0, 512, 1024, 10_240, 16_384, volume / 16, volume / 4, volume - overhead, volume, 2 * volume, 3 * volume];
    prop_oneof![
        3 => (prop::sample::select(edges.to_vec()), -2_i64..=2).prop_map(|(edge, by)| edge.saturating_add_signed(by)),
        2 => 0..2000_u64,
        2 => 0..volume,
        1 => 0..4 * volume,
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z][a-z0-9.+~-]{0,20}", 1 => "[a-z]{1,90}/[a-z]{1,90}", 1 => "[a-z]{80,99}(/[a-z]{150,200}){2}"]
}

/// Names with blobs in one or two collections, and a volume size.
fn case() -> impl Strategy<Value = (Vec<Made>, u64)> {
    let volume = prop_oneof![Just(65_536), Just(65_537), Just(66_047), Just(66_048), 65_536..300_000_u64];
    volume.prop_flat_map(|volume| {
        let folder = prop_oneof![Just("a"), Just("a/proofs"), Just("b")];
        let blob = (folder, name(), texture(), size(volume), 0..3_u64);
        prop::collection::vec(blob, 0..12).prop_map(move |blobs| {
            let numbered =
                |(at, (folder, name, texture, size, seed))| (format!("{folder}/d{at}/{name}"), texture, size, seed);
            (blobs.into_iter().enumerate().map(numbered).collect(), volume)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn blobs_are_read_back((blobs, volume) in case()) {
        there_and_back(&blobs, volume, Judge::None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gnu_tar_lists_every_volume_without_complaint((blobs, volume) in case()) {
        there_and_back(&blobs, volume, Judge::Tar);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn the_reader_in_python_agrees((blobs, volume) in case()) {
        there_and_back(&blobs, volume, Judge::Python);
    }
}

#[test]
fn blobs_of_every_size_around_a_full_volume() {
    for volume in [65_536, 65_999] {
        for before in [0, 1, 511, 512, 40_000] {
            for by in -1_600_i64..=40 {
                if by % 80 == 0 || by.abs() <= 2 || (-1538..=-1532).contains(&by) || (-1028..=-1022).contains(&by) {
                    let size = u64::saturating_add_signed(volume, by);
                    let blob = |name: &str, size| (format!("x/{name}"), Texture::Noise, size, size);
                    there_and_back(&[blob("a", before), blob("b", size), blob("c", 0)], volume, Judge::None);
                }
            }
        }
    }
}

#[test]
fn packings_of_one_state_mix() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    let small = packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    let large = packer.pack(&bundle, PackOptions::full(3 * SMALL)).unwrap();
    assert_ne!(small, large);
    // What one packing has lost the other one has: the first volumes of the one, the last ones of the other.
    for number in 5..=20 {
        let _ = fs::remove_file(small.join(format!("volume-{number:03}.tar")));
    }
    fs::remove_file(large.join("volume-001.tar")).unwrap();
    let memory = Memory::default();
    assert_eq!(read(slice::from_ref(&bundle.folder), &memory).unwrap(), [""; 0]);
    assert!(memory.blobs() == distinct(&tree));
    let target = packer.dir.path().join("python");
    let (code, found) = packer.python(&bundle.folder, &["--unpack", target.to_str().unwrap()]);
    assert_eq!(code, 0, "{found}");
    assert!(files(&target) == tree);
}

#[test]
fn a_bundle_is_read_from_several_media() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    let packing = packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    let below = packing.strip_prefix(&bundle.folder).unwrap().to_owned();
    // Each medium has the small part, and every other volume; the item lists are spoilt on the first one.
    let media: Vec<PathBuf> = (0..2).map(|number| packer.dir.path().join(format!("medium-{number}"))).collect();
    for (number, medium) in media.iter().enumerate() {
        output(Command::new("cp").arg("-r").arg(&bundle.folder).arg(medium));
        for (at, volume) in
            walkdir(&medium.join(&below)).iter().filter(|path| path.extension().unwrap() == "tar").enumerate()
        {
            if at % 2 != number {
                fs::remove_file(volume).unwrap();
            }
        }
    }
    fs::write(media[0].join("items/files-a.jsonl.zst"), "spoilt").unwrap();
    fs::remove_file(media[1].join("items/files-b.jsonl.zst")).unwrap();
    fs::write(media[0].join(&below).join("volume-001.idx"), "spoilt").unwrap();
    let memory = Memory::default();
    assert_eq!(read(&media, &memory).unwrap(), [""; 0]);
    assert!(memory.blobs() == distinct(&tree));
    let (code, found) = packer.python(&media[0], &["--also", media[1].to_str().unwrap()]);
    assert_eq!(code, 0, "{found}");
    let (code, found) = packer.python(&media[1], &[]);
    assert_eq!(code, 1, "{found}");
}

/// A state, and the next one of which a large file differs a little.
fn changed() -> (Tree, Tree) {
    let mut old = mixed();
    old.insert("files/a/image".into(), bytes(Texture::Noise, 600_000, 9));
    let mut new = old.clone();
    new.get_mut("files/a/image").unwrap()[300_000..300_100].fill(7);
    new.insert("files/a/new".into(), b"new".to_vec());
    new.remove("files/a/large");
    (old, new)
}

#[test]
fn a_delta_carries_what_its_bases_lack() {
    let (packer, (old, new)) = (Packer::new(), changed());
    let base = packer.state("out", 1, &old);
    let bundle = packer.state("out", 2, &new);
    let options = PackOptions { base: Some(&base), ..PackOptions::full(SMALL * 4) };
    let folder = packer.pack(&bundle, options).unwrap();
    assert!(folder.join("volume-001.tar").metadata().unwrap().len() < 20_000);
    let memory = Memory { held: distinct(&old), ..Memory::default() };
    read(slice::from_ref(&bundle.folder), &memory).unwrap();
    let found = memory.blobs();
    let lacking: BTreeMap<_, _> =
        distinct(&new).into_iter().filter(|(digest, _)| !distinct(&old).contains_key(digest)).collect();
    assert!(found == lacking);
    // Without what the patch builds on, its blob is missing.
    let memory = Memory::default();
    read(slice::from_ref(&bundle.folder), &memory).unwrap();
    assert_eq!(memory.blobs().into_values().collect::<Vec<_>>(), [b"new"]);
    let held = packer.depot.root().to_str().unwrap().to_owned();
    let (code, report) = packer.python(&bundle.folder, &["--held", &held]);
    let missing = bundle.blobs.iter().filter(|blob| base.blobs.get(&blob.sha256).is_some()).count();
    assert_eq!((code, report["missing"].as_array().unwrap().len()), (2, missing));
    let (code, report) = packer.python(&bundle.folder, &[]);
    assert_eq!((code, report["missing"].as_array().unwrap().len()), (2, missing + 1));
    assert_eq!(report["packings"][0]["bases"], json!([{"manifest": base.digest, "sequence": 1}]));
}

#[test]
fn a_state_is_the_same_bytes_whatever_the_volumes() {
    let tree = mixed();
    let small_part = |volume_size: u64| {
        let packer = Packer::new();
        let bundle = packer.state("out", 1, &tree);
        packer.pack(&bundle, PackOptions::full(volume_size)).unwrap();
        let all = files(&bundle.folder).into_iter();
        all.filter(|(path, _)| !path.starts_with("packings/") && !path.ends_with(".sig") && path != "SHA256SUMS")
            .collect::<Tree>()
    };
    let first = small_part(SMALL);
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        ["VERIFY.txt", "items/files-a.jsonl.zst", "items/files-b.jsonl.zst", "manifest.json"]
    );
    assert!(small_part(10 * SMALL) == first);
}

#[test]
fn a_diff_of_item_lists_shows_the_change_alone() {
    let (packer, (old, new)) = (Packer::new(), changed());
    let (old, new) = (packer.state("out", 1, &old), packer.state("out", 2, &new));
    let list = |bundle: &WrittenBundle| bundle.folder.join("items/files-a.jsonl.zst").to_str().unwrap().to_owned();
    let script = "zstd -dcq \"$1\" > $T/1; zstd -dcq \"$2\" > $T/2; diff $T/1 $T/2 | grep -c '^[<>]'";
    let dir = scratch();
    let diff = output(Command::new("sh").args(["-c", script, "sh", &list(&old), &list(&new)]).env("T", dir.path()));
    // One line less, one more, and one that changed.
    assert_eq!(String::from_utf8_lossy(&diff.stdout), "4\n");
}

/// Reads a bundle as the library does, to its end.
fn read_all(folder: &Path, tree: &Tree) -> Result<(), String> {
    let memory = Memory::default();
    let absent = read(&[folder.to_owned()], &memory).map_err(|error| error.to_string())?;
    if let Some(reason) = absent.into_iter().next() {
        return Err(reason);
    }
    if memory.blobs() == distinct(tree) { Ok(()) } else { Err("blobs are missing".to_owned()) }
}

#[test]
fn a_changed_byte_anywhere_is_found_by_both_readers() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    assert_eq!(read_all(&bundle.folder, &tree), Ok(()));
    let unsigned = ["SHA256SUMS", "VERIFY.txt"];
    let mut changed = Vec::new();
    for path in
        walkdir(&bundle.folder).iter().filter(|path| !unsigned.contains(&path.file_name().unwrap().to_str().unwrap()))
    {
        let good = fs::read(path).unwrap();
        let places = (0..20).map(|part| part * (good.len() - 1) / 19).collect::<std::collections::BTreeSet<_>>();
        for at in places {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(path, &bad).unwrap();
            assert!(read_all(&bundle.folder, &tree).is_err(), "{} at {at}", path.display());
            if at % 7 == 0 && changed.len() < 12 {
                let copy = packer.copy(&bundle.folder, &format!("changed-{}", changed.len()));
                changed.push((format!("{} at {at}", path.display()), copy));
            }
        }
        for bad in [&good[..good.len() - 1], &[&good[..], b"\n"].concat()] {
            fs::write(path, bad).unwrap();
            assert!(read_all(&bundle.folder, &tree).is_err(), "{}", path.display());
        }
        fs::write(path, &good).unwrap();
    }
    assert!(changed.len() >= 8);
    packer.assert_python_refuses(&changed);
    assert_eq!(read_all(&bundle.folder, &tree), Ok(()));
}

#[test]
fn a_packing_of_another_key_or_under_another_id_counts_as_absent() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    let folder = packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    let moved = folder.with_file_name("0123456789ab");
    fs::rename(&folder, &moved).unwrap();
    let memory = Memory::default();
    let absent = read(slice::from_ref(&bundle.folder), &memory).unwrap();
    assert!(absent[0].contains("its folder is not called"), "{absent:?}");
    let (code, found) = packer.python(&bundle.folder, &[]);
    assert!(code == 2 && found["packings"][0]["absent"].is_string(), "{found}");
    fs::rename(&moved, &folder).unwrap();
    let state = open(&bundle.folder).unwrap();
    let refuse = |_: &gapferry::trust::PublicKey| Err(BundleError::Inconsistent("no builder".into()));
    let search = state.packings(WrongSize::Missing, refuse).unwrap();
    assert_eq!((search.found.len(), search.absent.len()), (0, 1));
}

/// Reads a stream as the library does, to its end.
fn receive(bytes: Vec<u8>, memory: &Memory) -> Result<(), BundleError> {
    let dir = scratch();
    let stream = BundleStream::new(Box::new(Cursor::new(bytes)));
    stream.trust_files();
    let state = SignedState::receive(&stream)?.trusted(|_| Ok::<_, BundleError>(()))?;
    stream.approvals()?;
    let files = stream.lists(&state.manifest, dir.path())?;
    let (lists, blobs) = state.check_lists(files, |_, _| Ok(()))?;
    while let Some(packing) = state.next_packing(&stream, |_| Ok(()))? {
        unpack_stream(&stream, &packing, &mut lists.walk(&blobs), memory, dir.path(), &Progress::hidden())?;
    }
    Ok(())
}

#[test]
fn a_stream_is_the_bundle() {
    let (packer, mut tree) = (Packer::new(), mixed());
    tree.insert("files/a-name-of-24-characters/x".into(), b"x".to_vec()); // a long name in the stream
    let bundle = packer.state("out", 1, &tree);
    packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    packer.pack(&bundle, PackOptions::full(2 * SMALL)).unwrap();
    for (folder, file) in
        [("trust", "2.json"), ("trust", "2.json.sig"), ("approvals", "0123456789abcdef-1-0123456789ab.json")]
    {
        fs::create_dir_all(bundle.folder.join(folder)).unwrap();
        fs::write(bundle.folder.join(folder).join(file), "{}").unwrap();
    }
    let mut stream = Vec::new();
    send(&bundle.folder, &mut stream, &Progress::hidden()).unwrap();
    let memory = Memory::default();
    receive(stream.clone(), &memory).unwrap();
    assert!(memory.blobs() == distinct(&tree));

    let mut command = packer.python_command();
    let mut child = command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&stream).unwrap();
    let (code, found) = report(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{found}");

    let target = packer.dir.path().join("tar");
    fs::create_dir(&target).unwrap();
    let file = packer.dir.path().join("stream.tar");
    fs::write(&file, &stream).unwrap();
    assert!(output(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&target)).status.success());
    assert!(files(&target.join("dc1-base-000001")) == files(&bundle.folder));

    // Behind the last packing nothing is read.
    let last = stream.len() - 4096 * 6;
    for part in 0..60 {
        let at = part * last / 60;
        let mut bad = stream.clone();
        bad[at] ^= 1;
        assert!(receive(bad, &Memory::default()).is_err() || at < 4096, "{at}");
        assert!(receive(stream[..at].to_vec(), &Memory::default()).is_err(), "{at}");
    }
}

#[test]
fn recovery_files_of_a_packing_repair_and_replace_volumes() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    let recovery = Amount { percent: Some(20), spares: 1 };
    let folder = packer.pack(&bundle, PackOptions { recovery, ..PackOptions::full(SMALL) }).unwrap();
    let sums = output(Command::new("sha256sum").args(["--strict", "-c", "SHA256SUMS"]).current_dir(&bundle.folder));
    assert!(sums.status.success(), "{}", String::from_utf8_lossy(&sums.stderr));
    let good = fs::read(folder.join("volume-001.tar")).unwrap();
    let mut bad = good.clone();
    bad[600..900].fill(9);
    fs::write(folder.join("volume-001.tar"), bad).unwrap();
    fs::remove_file(folder.join("volume-002.tar")).unwrap();
    assert_eq!(read_all(&bundle.folder, &tree), Ok(()));
    let sums = fs::read_to_string(bundle.folder.join("SHA256SUMS")).unwrap();
    assert_eq!(
        sums.lines().filter(|line| line.ends_with(".rec")).count(),
        walkdir(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "rec")).count()
    );
    let state = open(&bundle.folder).unwrap();
    let dir = scratch();
    let (lists, blobs) = state.lists(dir.path(), |_, _| Ok(())).unwrap();
    let search = state.packings(WrongSize::Missing, |_| Ok(())).unwrap();
    let found = unpack(&search.found[0], &mut lists.walk(&blobs), &CheckOnly, dir.path(), &Progress::hidden()).unwrap();
    assert_eq!(found.missing, [""; 0]);
    assert!(found.repaired.iter().any(|damage| damage.volume.ends_with("/volume-001.tar")), "{:?}", found.repaired);
}

#[test]
fn verify_txt_works_in_dash() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    fs::copy(packer.dir.path().join("builder.pub"), bundle.folder.join("builder.pub")).unwrap();
    let text = fs::read_to_string(bundle.folder.join("VERIFY.txt")).unwrap();
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(commands.len() > 15);
    let script = format!("set -eu\n{}\necho \"work=$work\"", commands.join("\n"));
    let dir = scratch();
    let run = output(Command::new("dash").args(["-c", &script]).current_dir(&bundle.folder).env("TMPDIR", dir.path()));
    let (out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{errors}");
    assert_eq!(out.lines().filter(|line| line.starts_with("Good")).count(), 2, "{out}");
    assert!(!out.contains("FAILED") && !errors.contains("WARNING"), "{out}\n{errors}");
    let work = out.lines().find_map(|line| line.strip_prefix("work=")).unwrap();
    assert!(work.starts_with(dir.path().to_str().unwrap()));
    let mut unpacked = files(&Path::new(work).join("tree"));
    // The second name of a file is in the lists alone.
    unpacked.insert("files/b/again".into(), b"small".to_vec());
    assert!(unpacked == tree, "{:?} {:?}", unpacked.keys(), tree.keys());
}

#[test]
fn the_golden_bundle_is_read_and_written() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bundle");
    let mut tree = mixed();
    tree.insert("files/a/large".into(), bytes(Texture::Noise, 66_000, 2));
    tree.remove("files/a/text");
    let packer = Packer::new();
    let bundle = packer.state("out", 1, &tree);
    packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
    fs::write(bundle.folder.join("builder.pub"), packer.key.public().to_line() + "\n").unwrap();
    if std::env::var_os("GAPFERRY_UPDATE_DOCS").is_some() {
        let _ = fs::remove_dir_all(&golden);
        output(Command::new("cp").arg("-r").arg(&bundle.folder).arg(&golden));
    }
    let signed = |path: &str| path.ends_with(".sig") || path == "builder.pub";
    let unsigned = |folder: &Path| files(folder).into_iter().filter(|(path, _)| !signed(path)).collect::<Tree>();
    let (wanted, found) = (unsigned(&golden), unsigned(&bundle.folder));
    for (path, bytes) in &found {
        assert!(wanted.get(path) == Some(bytes), "{path} differs: run this test with GAPFERRY_UPDATE_DOCS=1");
    }
    assert_eq!(read_all(&golden, &tree), Ok(()));
    fs::copy(golden.join("builder.pub"), packer.dir.path().join("builder.pub")).unwrap();
    let (code, found) = packer.python(&golden, &[]);
    assert_eq!(code, 0, "{found}");
}

#[test]
fn a_lost_volume_is_written_again_byte_for_byte() {
    let (packer, (old, new)) = (Packer::new(), changed());
    let base = packer.state("out", 1, &old);
    let bundle = packer.state("out", 2, &new);
    let dir = scratch();
    for options in [PackOptions::full(SMALL), PackOptions { base: Some(&base), ..PackOptions::full(SMALL) }] {
        let folder = packer.pack(&bundle, options).unwrap();
        let state = open(&bundle.folder).unwrap();
        let search = state.packings(WrongSize::Missing, |_| Ok(())).unwrap();
        let packing = search.found.iter().find(|found| folder.ends_with(&found.id)).unwrap();
        let mut walk = bundle.lists.walk(&bundle.blobs);
        // The last one first, so that the walk has to begin again.
        for number in (0..packing.packing.volumes.len()).rev().filter_map(VolumeNumber::at) {
            let (lost, again) = (folder.join(format!("volume-{number:03}.tar")), dir.path().join("again"));
            let from = RewriteSource { depot: &packer.depot, scratch: dir.path(), progress: &Progress::hidden() };
            rewrite_volume(packing, number, &mut walk, from, &again).unwrap();
            assert!(fs::read(&again).unwrap() == fs::read(&lost).unwrap(), "{number}");
        }
    }
}

#[test]
fn a_state_is_kept_in_a_depot() {
    let (packer, tree) = (Packer::new(), mixed());
    let bundle = packer.state("out", 1, &tree);
    let folder = packer.dir.path().join("site");
    let depot = Depot::open(&folder).unwrap();
    let mut batch = depot.batch();
    let text = fs::read(bundle.folder.join("manifest.json")).unwrap();
    let digest = store(&depot, &mut batch, &bundle.manifest, &text, &bundle.lists).unwrap();
    batch.commit().unwrap();
    assert_eq!(digest, bundle.digest);
    let state = StoredState::open(&depot, &digest).unwrap();
    assert_eq!(state.own_blobs().count(), 3);
    let collections: Vec<_> = state.collections().map(Result::unwrap).collect();
    assert_eq!(state.blobs(&depot).unwrap().len(), distinct(&tree).len());
    let paths = collections.iter().flat_map(|collection| {
        let folder = collection.folder();
        collection.paths().map(|(path, _)| format!("{folder}/{path}")).collect::<Vec<_>>()
    });
    assert_eq!(paths.collect::<Vec<_>>(), tree.into_keys().collect::<Vec<_>>());
}
