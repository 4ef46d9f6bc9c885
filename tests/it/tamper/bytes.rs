//! One flipped bit, anywhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::Manifest;
use gapferry::bundle::layout::{TRAILER, header_length, members, padding};
use gapferry::bundle::manifest::{Encoding, Part};
use gapferry::cli::Exit::VerificationFailed;
use gapferry::progress::Progress;
use gapferry::trust::Overrides;

use super::stage::{Stage, judge};
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

/// The name of the field that each byte of a manifest belongs to; lines of a signature are fields, too.
fn fields(text: &str) -> Vec<String> {
    let name = regex::Regex::new("\"([a-z_]+)\":|^-+BEGIN|\n-+END").unwrap();
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
        bytes.extend(fields.into_iter().zip(0..).map(|(field, offset)| (file, field, offset)));
    }
    let bytes = Sample::new().strata(bytes, between, |(file, field, _)| (*file, field.clone()));
    let arena = stage.arena(&stage.second, "site");
    let before = arena.now();
    for (file, field, offset) in &bytes {
        flip(&arena.bundle.join(file), *offset);
        let result = bring(&arena.site(), &arena.bundle);
        flip(&arena.bundle.join(file), *offset);
        let attack = format!("a bit of byte {offset} of {file}, in {field}");
        judge(&attack, result.map(|_| ()), VerificationFailed, "");
    }
    arena.unchanged("flipping", &before);
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
fn positions(manifest: &Manifest) -> BTreeMap<(String, u64), Region> {
    let mut chosen = BTreeMap::new();
    let all = members(manifest).iter().flatten().count() as u64;
    let share = |count: u64| count * MEMBERS / all.max(MEMBERS);
    for (volume, members) in manifest.volumes.iter().zip(members(manifest)) {
        let mut regions = BTreeMap::new();
        let mut spread = |from: u64, to: u64, count: u64, region: Region| {
            regions.insert(from, region);
            let step = ((to - from) / count).max(1);
            chosen.extend((from..to).step_by(step as usize).map(|offset| ((volume.file.clone(), offset), region)));
        };
        for member in members {
            let (start, end) = (member.part.offset, member.part.offset + member.part.stored);
            spread(start - header_length(&member.name), start, share(32), Region::Header);
            spread(start, end, share(64), Region::Content(encoding(member.part)));
            spread(end, end + padding(member.part.stored), share(16), Region::Padding);
        }
        spread(volume.size - TRAILER, volume.size, 64, Region::Trailer);
        // Where there are few members, more of what is in them.
        let step = (volume.size / (100 + 100 * MEMBERS.saturating_sub(all))).max(1);
        for offset in (0..volume.size).step_by(step as usize) {
            let region = regions.range(..=offset).next_back().unwrap().1;
            chosen.insert((volume.file.clone(), offset), *region);
        }
    }
    chosen
}

fn encoding(part: &Part) -> &'static str {
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
