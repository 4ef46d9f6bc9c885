//! One flipped bit, anywhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::layout::{TRAILER, header_length, padding};
use gapferry::bundle::packing::index::Encoding;
use gapferry::bundle::packing::index::PartLine;
use gapferry::cli::Exit::{self, VerificationFailed, VolumesMissing};
use gapferry::progress::Progress;
use gapferry::trust::Overrides;

use super::stage::{Stage, judge};
use crate::support::read_bundle::ReadBundle;
use crate::support::sample::Sample;
use crate::support::snapshot::difference;
use crate::support::world::{Content, Role, bring, each_content};

/// A complete run tries at least this many positions in the volumes.
const POSITIONS: usize = 2000;

/// Flips one bit of the byte at `offset`, and back by a second call. The file's time stays what it was.
pub(super) fn flip(path: &Path, offset: u64) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    byte[0] ^= 1 << (offset % 8);
    file.write_all_at(&byte, offset).unwrap();
    file.set_modified(time).unwrap();
}

/// The name of the field that each byte of a signed text belongs to; lines of a signature are fields, too.
fn fields(text: &str) -> Vec<String> {
    let name = regex::Regex::new("\"([a-z_0-9]+)\":|^-+BEGIN|\n-+END").unwrap();
    let starts: Vec<(usize, &str)> = name.find_iter(text).map(|found| (found.start(), found.as_str())).collect();
    let field = |at: usize| starts[..starts.partition_point(|(start, _)| *start <= at)].last();
    (0..text.len()).map(|at| field(at).map_or("", |(_, name)| *name).to_owned()).collect()
}

each_content!(every_byte_of_manifest_and_signature_counts);
fn every_byte_of_manifest_and_signature_counts(content: Arc<dyn Content>) {
    let between = if content.role() == Role::Leading { 8 } else { 0 };
    let stage = Stage::new(content);
    let mut bytes = Vec::new();
    for file in ["manifest.json", "manifest.json.sig"] {
        let fields = fields(&fs::read_to_string(stage.second.join(file)).unwrap());
        bytes.extend(fields.into_iter().zip(0..).map(|(field, offset)| (file.to_owned(), field, offset)));
    }
    let words = |_: &str| ("", VerificationFailed);
    flips(&stage, bytes, between, words);
}

each_content!(every_byte_of_a_packing_counts);
fn every_byte_of_a_packing_counts(content: Arc<dyn Content>) {
    let between = if content.role() == Role::Leading { 8 } else { 0 };
    let stage = Stage::new(content);
    let packing = stage.manifest(&stage.second).packing().packing.folder().unwrap();
    let mut bytes = Vec::new();
    for file in ["packing.json", "packing.json.sig"].map(|file| format!("{packing}/{file}")) {
        let fields = fields(&fs::read_to_string(stage.second.join(&file)).unwrap());
        bytes.extend(fields.into_iter().zip(0..).map(|(field, offset)| (file.clone(), field, offset)));
    }
    // The packing counts as absent, so that blobs are missing.
    flips(&stage, bytes, between, |_| ("builds on", VolumesMissing));
}

each_content!(every_byte_of_a_stored_list_counts);
fn every_byte_of_a_stored_list_counts(content: Arc<dyn Content>) {
    let between = if content.role() == Role::Leading { 30 } else { 4 };
    let stage = Stage::new(content);
    let bundle = stage.manifest(&stage.second);
    let packing = bundle.packing().packing.folder().unwrap();
    let lists = bundle.header.collections.iter().map(|collection| collection.list_file());
    let mut bytes = Vec::new();
    for file in lists.chain([format!("{packing}/volume-001.idx"), format!("{packing}/volume-002.idx")]) {
        let length = fs::metadata(stage.second.join(&file)).unwrap().len();
        bytes.extend((0..length).map(|offset| (file.clone(), "the frame".to_owned(), offset)));
    }
    // A volume without its index cannot be read.
    let refusal = |file: &str| match file.ends_with(".idx") {
        true => (".idx", VolumesMissing),
        false => ("its digest or size is not the one", VerificationFailed),
    };
    flips(&stage, bytes, between, refusal);
}

/// Flips a bit of a sample of bytes, each a file, a field and an offset, one at a time. Each must be refused with these words.
fn flips(
    stage: &Stage,
    bytes: Vec<(String, String, u64)>,
    between: usize,
    refusal: impl Fn(&str) -> (&'static str, Exit),
) {
    let bytes = Sample::new().strata(bytes, between, |(file, field, _)| (file.clone(), field.clone()));
    let arena = stage.arena(&stage.second, "site");
    let before = arena.now();
    for (file, field, offset) in &bytes {
        flip(&arena.bundle.join(file), *offset);
        let result = bring(&arena.site(), &arena.bundle);
        flip(&arena.bundle.join(file), *offset);
        let (words, exit) = refusal(file);
        judge(&format!("a bit of byte {offset} of {file}, in {field}"), result.map(|_| ()), exit, words);
        arena.unchanged("flipping", &before);
        stage.fresh_site(&arena, "site");
    }
    stage.right_one_imports(&arena, &stage.second, "flipping");
}

/// Up to this many members get all their positions; of more, each gets fewer.
const MEMBERS: u64 = 18;

/// A region of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    Header,
    Content(&'static str),
    Padding,
    Trailer,
}

/// Positions in every header, padding, content and end of every volume, each with its region.
fn positions(bundle: &ReadBundle) -> BTreeMap<(String, u64), Region> {
    let mut chosen = BTreeMap::new();
    let all = bundle.parts().count() as u64;
    let share = |count: u64| count * MEMBERS / all.max(MEMBERS);
    for ((file, size), parts) in bundle.volumes().into_iter().zip(&bundle.packing().parts) {
        let mut regions = BTreeMap::new();
        let mut spread = |from: u64, to: u64, count: u64, region: Region| {
            regions.insert(from, region);
            let step = ((to - from) / count).max(1);
            chosen.extend((from..to).step_by(step as usize).map(|offset| ((file.clone(), offset), region)));
        };
        for part in parts {
            let (start, end) = (part.offset, part.offset + part.stored_bytes());
            spread(start - header_length(&part.name), start, share(32), Region::Header);
            spread(start, end, share(64), Region::Content(encoding(part)));
            spread(end, end + padding(part.stored_bytes()), share(16), Region::Padding);
        }
        spread(size - TRAILER, size, 64, Region::Trailer);
        // Where there are few members, more of what is in them.
        let step = (size / (100 + 100 * MEMBERS.saturating_sub(all))).max(1);
        for offset in (0..size).step_by(step as usize) {
            let region = regions.range(..=offset).next_back().unwrap().1;
            chosen.insert((file.clone(), offset), *region);
        }
    }
    chosen
}

fn encoding(part: &PartLine) -> &'static str {
    match part.encoding {
        Encoding::Raw => "raw",
        Encoding::Zstd => "zstd",
        Encoding::Patch => "patch",
    }
}

each_content!(thousands_of_bytes_of_the_volumes_count);
fn thousands_of_bytes_of_the_volumes_count(content: Arc<dyn Content>) {
    let between = if content.role() == Role::Leading { 12 } else { 2 };
    let stage = Stage::new(content);
    let positions: Vec<_> = positions(&stage.manifest(&stage.target.bundle)).into_iter().collect();
    assert!(positions.len() >= POSITIONS, "{} positions", positions.len());
    let positions = Sample::new().strata(positions, between, |(_, region)| *region);
    let arena = stage.target();
    for ((file, offset), region) in &positions {
        let attack = format!("a bit of byte {offset} of {file}, in {region:?}");
        flip(&arena.bundle.join(file), *offset);
        arena.refuses(&attack, VerificationFailed, "is damaged or was altered");
        let checked = arena.site().verify(&arena.bundle, Overrides::default(), &Progress::hidden());
        judge(&attack, checked.map(|_| ()), VerificationFailed, "is damaged or was altered");
        flip(&arena.bundle.join(file), *offset);
        if offset % 64 == 0 {
            stage.right_one_imports(&arena, &stage.target.bundle, &attack);
        }
        stage.fresh_site(&arena, stage.target.site);
    }
}

each_content!(a_flipped_medium_is_never_written_to);
fn a_flipped_medium_is_never_written_to(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.target();
    let before = arena.surroundings();
    bring(&arena.site(), &arena.bundle).unwrap();
    assert_eq!(difference(&before, &arena.surroundings()), None);
}
