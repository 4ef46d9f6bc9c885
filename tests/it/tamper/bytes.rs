//! One flipped bit, anywhere.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::Manifest;
use gapferry::bundle::layout::{TRAILER, header_length, members, padding};
use gapferry::exit::Exit::VerificationFailed;
use gapferry::progress::Progress;
use gapferry::trust::Overrides;

use super::stage::{Arena, Before, Stage, judge};
use crate::support::snapshot::difference;
use crate::support::threads::on_two_threads;
use crate::support::world::{Content, bring, each_content};

/// At least this many positions are tried over the volumes.
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

each_content!(every_byte_of_manifest_and_signature_counts);
fn every_byte_of_manifest_and_signature_counts(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let mut jobs = Vec::new();
    for file in ["manifest.json", "manifest.json.sig"] {
        let size = fs::metadata(stage.second.join(file)).unwrap().len();
        jobs.extend((0..size).map(|offset| (file, offset)));
    }
    let start = || {
        let arena = stage.arena(&stage.second, "site");
        let before = arena.now();
        Watched(&stage, arena, before)
    };
    on_two_threads(&jobs, start, |Watched(_, arena, _), (file, offset)| {
        flip(&arena.bundle.join(file), *offset);
        let result = bring(&arena.site(), &arena.bundle);
        flip(&arena.bundle.join(file), *offset);
        judge(&format!("a bit of byte {offset} of {file}"), result.map(|_| ()), VerificationFailed, "");
    });
    eprintln!("{} bytes of manifest and signature", jobs.len());
}

/// An arena that is looked at when its thread has done all its work.
struct Watched<'a>(&'a Stage, Arena, Before);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let Self(stage, arena, before) = self;
            arena.unchanged("flipping", before);
            stage.right_one_imports(arena, &stage.second, "flipping");
        }
    }
}

/// Up to this many members get all their positions; of more, each gets fewer.
const MEMBERS: u64 = 18;

/// Positions in every header, padding, content and end of every volume.
fn positions(manifest: &Manifest) -> BTreeSet<(String, u64)> {
    let mut chosen = BTreeSet::new();
    let all = members(manifest).iter().flatten().count() as u64;
    let share = |count: u64| count * MEMBERS / all.max(MEMBERS);
    for (volume, members) in manifest.volumes.iter().zip(members(manifest)) {
        let mut spread = |from: u64, to: u64, count: u64| {
            let step = ((to - from) / count).max(1);
            chosen.extend((from..to).step_by(step as usize).map(|offset| (volume.file.clone(), offset)));
        };
        for member in members {
            let (start, end) = (member.part.offset, member.part.offset + member.part.stored);
            spread(start - header_length(&member.name), start, share(32));
            spread(start, end, share(64));
            spread(end, end + padding(member.part.stored), share(16));
        }
        spread(volume.size - TRAILER, volume.size, 64);
        // Where there are few members, more of what is in them.
        spread(0, volume.size, 100 + 100 * MEMBERS.saturating_sub(all));
    }
    chosen
}

each_content!(thousands_of_bytes_of_the_volumes_count);
fn thousands_of_bytes_of_the_volumes_count(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let jobs: Vec<_> = positions(&stage.manifest(&stage.target.bundle)).into_iter().collect();
    assert!(jobs.len() >= POSITIONS, "{} positions", jobs.len());
    on_two_threads(
        &jobs,
        || stage.target(),
        |arena, (file, offset)| {
            let attack = format!("a bit of byte {offset} of {file}");
            flip(&arena.bundle.join(file), *offset);
            arena.refuses(&attack, VerificationFailed, "is damaged or was altered");
            let checked = arena.site().verify(&arena.bundle, Overrides::default(), &Progress::hidden());
            judge(&attack, checked.map(|_| ()), VerificationFailed, "is damaged or was altered");
            flip(&arena.bundle.join(file), *offset);
            if offset % 64 == 0 {
                stage.right_one_imports(arena, &stage.target.bundle, &attack);
            }
            stage.fresh_site(arena, stage.target.site);
        },
    );
    eprintln!("{} positions in the volumes", jobs.len());
}

each_content!(a_flipped_medium_is_never_written_to);
fn a_flipped_medium_is_never_written_to(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.target();
    let before = arena.surroundings();
    bring(&arena.site(), &arena.bundle).unwrap();
    assert_eq!(difference(&before, &arena.surroundings()), None);
}
