//! The packer and the reader, over blobs and volumes of sizes at all edges; GNU tar is the judge of the volumes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use gapferry::bundle::manifest::{Blob, FORMAT, Part};
use gapferry::bundle::pack::{PackPlan, pack};
use gapferry::bundle::recovery::Amount;
use gapferry::bundle::unpack::{ContentSink, PartSink, unpack};
use gapferry::bundle::{Bundle, BundleError, Manifest, Signed};
use gapferry::collection::{Collection, Item, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::kind::{Details, Kind};
use gapferry::numbers::{Epoch, Sequence};
use gapferry::origin::Origin;
use gapferry::path::PublishPath;
use gapferry::progress::Progress;
use gapferry::time::Time;
use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};
use gapferry::upstream::Payload;
use proptest::prelude::*;

use crate::apt_client::output;
use crate::support::world::scratch;

/// How a blob's bytes look to a compressor.
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

/// A manifest over one collection with these files, and no blobs yet.
pub(crate) fn manifest(files: BTreeMap<PublishPath, Sha256>) -> Manifest {
    let items = files.keys().map(|file| Item {
        architecture: "all".into(),
        file: file.clone(),
        details: Details::File { origin: Origin::Local },
        name: "x".into(),
        proof: None,
        publisher: "x".into(),
        reason: "x".into(),
        version: "1".into(),
    });
    let collection = Collection {
        items: items.collect(),
        files,
        kind: Kind::Apt,
        name: "x".parse().unwrap(),
        origin: "local".into(),
        proofs: Vec::new(),
        publish: Publish::ReIndexed,
        second_digest: None,
        source: "x".parse().unwrap(),
    };
    Manifest {
        blobs: Vec::new(),
        collections: vec![collection],
        created: Time::now(),
        epoch: Epoch::FIRST,
        expires: Time::now().plus(1000),
        format: FORMAT,
        generator: "test".into(),
        name: "base".parse().unwrap(),
        previous: None,
        sequence: Sequence::FIRST,
        site: "dc1".parse().unwrap(),
        volumes: Vec::new(),
    }
}

/// Collects the parts of each blob in memory, by where they start.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) Mutex<BTreeMap<Sha256, BTreeMap<u64, Vec<u8>>>>);

#[derive(Default)]
pub(crate) struct Piece(Vec<u8>);

impl PartSink for Piece {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl ContentSink for Memory {
    type Part = Piece;

    fn wants(&self, _: &Blob, _: &Part) -> bool {
        true
    }

    fn begin(&self, _: &Blob, _: &Part) -> Result<Piece, BundleError> {
        Ok(Piece::default())
    }

    fn done(&self, blob: &Blob, part: &Part, content: Piece) -> Result<(), BundleError> {
        self.0.lock().unwrap().entry(blob.sha256).or_default().insert(part.start, content.0);
        Ok(())
    }

    fn bad(&self, blob: &Blob, _: &Part, _: Piece) {
        panic!("{} is bad", blob.sha256);
    }
}

pub(crate) fn open(folder: &Path) -> Bundle {
    Signed::open(folder).unwrap().trusted(|_| Ok::<_, BundleError>(())).unwrap()
}

/// A blob's name and what its bytes are made of: short to print, where a case fails.
type Made = (String, Texture, u64, u64);

/// Packs the blobs, reads them back, and fails unless all is as it was.
fn there_and_back(blobs: &[Made], volume_bytes: u64, list: bool) {
    let make = |(name, texture, size, seed): &Made| (name.clone(), bytes(*texture, *size as usize, *seed));
    let blobs: Vec<(String, Vec<u8>)> = blobs.iter().map(make).collect();
    let dir = scratch();
    let depot = Depot::open(&dir.path().join("depot")).unwrap();
    let mut batch = depot.batch();
    let put = |(name, bytes): &(String, Vec<u8>)| (name.parse().unwrap(), depot.put(&mut batch, bytes).unwrap());
    let files: BTreeMap<PublishPath, Sha256> = blobs.iter().map(put).collect();
    batch.commit().unwrap();
    let recovery = Amount::default();
    let plan = PackPlan {
        manifest: manifest(files),
        held: Default::default(),
        older: Default::default(),
        volume_bytes,
        recovery,
        free_space: Default::default(),
    };
    let packed = pack(plan, &depot, &dir.path().join("out"), &Progress::hidden()).unwrap();
    let signature = sign(&SecretKey::generate(), MANIFEST_NAMESPACE, packed.text.as_bytes()).unwrap();
    let parsed = Manifest::parse(packed.text.as_bytes()).unwrap();
    assert_eq!(parsed, packed.manifest);
    let folder = packed.publish(Some(&signature)).unwrap().0;

    let bundle = open(&folder);
    for volume in &bundle.manifest.volumes {
        let path = folder.join(&volume.file);
        let size = path.metadata().unwrap().len();
        assert!(size <= volume_bytes && size == volume.size, "{} has {size} bytes of {volume_bytes}", volume.file);
        if list {
            let tar = output(Command::new("tar").arg("-tvf").arg(&path));
            assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
        }
    }
    let memory = Memory::default();
    unpack(&bundle, &memory, dir.path(), &Progress::hidden()).unwrap();
    let found = memory.0.into_inner().unwrap();
    let distinct: BTreeMap<Sha256, &Vec<u8>> = blobs.iter().map(|(_, bytes)| (Sha256::of(bytes), bytes)).collect();
    assert_eq!(found.len(), distinct.len());
    for (digest, parts) in found {
        assert!(parts.into_values().collect::<Vec<_>>().concat() == *distinct[&digest], "{digest} is another");
    }
}

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

/// Names with blobs, and a volume size.
fn case() -> impl Strategy<Value = (Vec<Made>, u64)> {
    let volume = prop_oneof![Just(65_536), Just(65_537), Just(66_047), Just(66_048), 65_536..300_000_u64];
    volume.prop_flat_map(|volume| {
        let blob = (name(), texture(), size(volume), 0..3_u64);
        prop::collection::vec(blob, 0..12).prop_map(move |blobs| {
            let numbered =
                |(at, (name, texture, size, seed)): (usize, Made)| (format!("d{at}/{name}"), texture, size, seed);
            (blobs.into_iter().enumerate().map(numbered).collect(), volume)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_packed_is_read_back((blobs, volume) in case()) {
        there_and_back(&blobs, volume, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gnu_tar_lists_every_volume_without_complaint((blobs, volume) in case()) {
        there_and_back(&blobs, volume, true);
    }
}

#[test]
fn every_size_around_a_full_volume() {
    for volume in [65_536, 65_999] {
        for before in [0, 1, 511, 512, 40_000] {
            for by in -1_600_i64..=40 {
                if by % 40 == 0 || by.abs() <= 3 || (-1540..=-1530).contains(&by) || (-1030..=-1020).contains(&by) {
                    let size = u64::saturating_add_signed(volume, by);
                    let blob = |name: &str, size| (name.to_owned(), Texture::Noise, size, size);
                    let blobs = [blob("a", before), blob("b", size), blob("c", 0)]; // no room for nothing is too little
                    there_and_back(&blobs, volume, false);
                }
            }
        }
    }
}
