//! Volumes of one bundle, spread over media in any way and imported in any order, make the same site, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gapferry::bundle::BundleError;
use gapferry::bundle::packing::index::PartLine;
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::export::{Settings, export};
use gapferry::progress::Progress;
use gapferry::selection::Selection;
use gapferry::site::{NewSite, Site, SiteError, init};
use gapferry::trust::{SecretKey, TrustFile};
use proptest::prelude::*;

use crate::support::os_images::noise;
use crate::support::read_bundle::{ReadBundle, copy_small_part, read_bundle};
use crate::support::sample::Level;
use crate::support::snaps::roots;
use crate::support::world::{bring, scratch};

/// A file: its size in bytes, and whether it compresses.
type Made = (u64, bool);

/// What a bundle is made of, and how its volumes travel.
#[derive(Clone, Debug)]
struct Case {
    files: Vec<Made>,
    /// In bytes.
    volume: u64,
    /// For each volume the medium that it goes to; and in which order the media are imported.
    media: Vec<usize>,
    order: Vec<usize>,
}

const MEDIA: usize = 4;
const LEAST_VOLUME: u64 = 64 << 10;

fn case() -> impl Strategy<Value = Case> {
    let volume = prop_oneof![Just(LEAST_VOLUME), LEAST_VOLUME..200_000];
    volume.prop_flat_map(|volume| {
        let edges =
            prop::sample::select(vec![0, 1, 511, 512, 513, volume - 2560, volume - 1, volume, volume + 1, 3 * volume]);
        let file = (prop_oneof![0..100_000_u64, edges], prop::bool::weighted(0.3));
        let media = prop::collection::vec(0..MEDIA, 64);
        let order = Just((0..MEDIA).collect::<Vec<_>>()).prop_shuffle();
        (prop::collection::vec(file, 1..12), media, order).prop_map(move |(files, media, order)| Case {
            files,
            volume,
            media,
            order,
        })
    })
}

fn bytes((size, compresses): Made, seed: u64) -> Vec<u8> {
    match compresses {
        true => format!("{seed} and again ").into_bytes().into_iter().cycle().take(size as usize).collect(),
        false => noise(size as usize, seed),
    }
}

/// All that a generation publishes.
fn published(site: &Path) -> BTreeMap<String, Sha256> {
    let root = site.join("current/files");
    let files = walkdir::WalkDir::new(&root).follow_links(true).into_iter().filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_type().is_file());
    let named = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    files.map(|entry| (named(entry.path()), Sha256::of(&fs::read(entry.path()).unwrap()))).collect()
}

/// A builder, a folder of files, and sites below one folder.
struct Bench {
    root: tempfile::TempDir,
    key: SecretKey,
}

impl Bench {
    fn new(root: tempfile::TempDir, volume: u64) -> Self {
        let bench = Self { root, key: SecretKey::generate() };
        fs::create_dir(bench.root.path().join("files")).unwrap();
        let text = format!(
            "site = \"dc1\"\nname = \"base\"\nvolume-size = \"{volume} B\"\n[[files]]\nname = \"all\"\nfrom = \"files\"\n"
        );
        fs::write(bench.root.path().join("selection.toml"), text).unwrap();
        bench
    }

    fn bundle(&self) -> ReadBundle {
        let root = self.root.path();
        let (out, workspace, progress) = (root.join("medium"), root.join("workspace"), Progress::hidden());
        let settings = Settings { snap_roots: roots(), ..Settings::new(&out, &workspace, Some(&self.key), &progress) };
        let exported = export(&Selection::load(&root.join("selection.toml")).unwrap(), &settings).unwrap();
        read_bundle(&exported.folder.unwrap())
    }

    fn site(&self, below: &str) -> Site {
        let allowed = [String::from("all").parse().unwrap()].into();
        let new = NewSite {
            name: "dc1".parse().unwrap(),
            trust: TrustFile::of_builder(&"dc1".parse().unwrap(), &self.key.public()),
            allow_unsigned: allowed,
            keyrings: Vec::new(),
            key_algorithm: Default::default(),
        };
        init(&self.root.path().join(below), &new).unwrap()
    }
}

fn any_order(case: &Case) -> Result<(), TestCaseError> {
    let bench = Bench::new(scratch(), case.volume);
    for (number, made) in case.files.iter().enumerate() {
        fs::write(bench.root.path().join(format!("files/f{number:02}")), bytes(*made, number as u64)).unwrap();
    }
    let bundle = bench.bundle();
    let folder = &bundle.folder;
    for (file, wanted) in bundle.volumes() {
        let size = fs::metadata(folder.join(&file)).unwrap().len();
        prop_assert!(size <= case.volume && size == wanted, "{file} has {size}");
    }
    let straight = bench.site("straight");
    bring(&straight, folder).unwrap();
    let media: Vec<_> =
        (0..MEDIA).map(|n| bench.root.path().join(format!("medium-{n}/{}", bundle.header.folder()))).collect();
    for medium in &media {
        copy_small_part(folder, medium);
    }
    for ((file, _), medium) in bundle.volumes().iter().zip(case.media.iter().cycle()) {
        fs::copy(folder.join(file), media[*medium].join(file)).unwrap();
    }
    let spread = bench.site("spread");
    let mut done = false;
    for medium in &case.order {
        match bring(&spread, &media[*medium]) {
            Ok(_) => done = true,
            Err(SiteError::Bundle(BundleError::VolumesMissing { missing, .. })) => {
                prop_assert!(!done && !missing.is_empty());
                prop_assert!(!bench.root.path().join("spread/current").exists(), "half a bundle is published");
            }
            Err(SiteError::AlreadyImported { .. }) => prop_assert!(done),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
    prop_assert!(done, "all volumes were there");
    let (one, other) = (published(straight.root()), published(spread.root()));
    prop_assert_eq!(one.len(), case.files.len());
    prop_assert_eq!(one, other);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn make_the_same_site(case in case()) {
        any_order(&case)?;
    }
}

/// Sparse upstream, and nothing in a volume but what is left of zeros.
#[test]
fn files_at_the_edges_of_what_32_bits_can_count() {
    let sizes = vec![1 << 31, (1 << 32) - 1, (1 << 32) + 1];
    for size in Level::of_run().pick(vec![sizes[2]], sizes) {
        let bench = Bench::new(tempfile::tempdir().unwrap(), 4_000_000_000); // on a disk: it takes 4 GiB
        fs::File::create(bench.root.path().join("files/zeros")).unwrap().set_len(size).unwrap();
        let bundle = bench.bundle();
        let blob = bundle.blobs.iter().find(|blob| blob.size == size).unwrap();
        assert_eq!(bundle.parts().filter(|part| part.blob == blob.sha256).last().map(PartLine::end), Some(size));
        fs::remove_dir_all(bench.root.path().join("workspace")).unwrap(); // its room is needed
        let site = bench.site("site");
        bring(&site, &bundle.folder).unwrap();
        let depot = Depot::open(&site.root().join("depot")).unwrap();
        assert_eq!(depot.size(&blob.sha256).unwrap(), Some(size));
    }
}
