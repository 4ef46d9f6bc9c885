//! Recovery files that lie: nobody signs them, so whatever stands in them, a damaged medium is repaired to the signed bytes or
//! refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::recovery::geometry::Geometry;
use gapferry::bundle::recovery::record::{head_bytes, tag};
use gapferry::cli::Exit::{self, VerificationFailed, VolumesMissing};
use gapferry::digest::Sha256;

use super::stage::{Arena, Stage, judge};
use crate::support::files::Files;
use crate::support::read_bundle::packing_folder;
use crate::support::sample::{Level, Sample};
use crate::support::snapshot::{contents_of, difference};
use crate::support::world::{World, bring};

/// Length of the digest at the end of a head, in bytes.
const CHECK_BYTES: usize = 32;

/// A recovery file's two heads and what is between them.
struct Record {
    head: usize,
    /// Bytes of a shard.
    shard: usize,
    /// How many recovery shards there are.
    slots: usize,
    bytes: Vec<u8>,
}

/// What is done to a recovery file; offsets are in bytes.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// A bit of the file is another.
    Bit(usize),
    /// A bit of one head is another, and of the other head nothing is left: true for the second head.
    OnlyHead(usize, bool),
    /// A bit of both heads is another, and their digests say that this is right.
    Sealed(usize),
    /// A bit of a recovery shard is another, and both heads say that this is right.
    Shard(usize),
}

impl Record {
    fn of(path: &Path, shape: &Geometry, count: u64) -> Self {
        let (head, slots) = (head_bytes(shape, count) as usize, shape.slots(count) as usize);
        let (shard, bytes) = (shape.shard_bytes() as usize, fs::read(path).unwrap());
        assert_eq!(bytes.len(), 2 * head + slots * shard);
        Self { head, shard, slots, bytes }
    }

    /// Where the second head starts.
    fn second(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// The file with the lie in it.
    fn told(&self, lie: Lie) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let turn = |bytes: &mut [u8], at: usize| bytes[at] ^= 1 << (at % 8);
        match lie {
            Lie::Bit(at) => turn(&mut bytes, at),
            Lie::OnlyHead(at, second) => {
                let [kept, lost] = if second { [self.second(), 0] } else { [0, self.second()] };
                bytes[lost..lost + self.head].fill(0);
                turn(&mut bytes, kept + at);
            }
            Lie::Sealed(at) => self.sealed(&mut bytes, |head| turn(head, at)),
            Lie::Shard(at) => {
                turn(&mut bytes, self.head + at);
                let place = at / self.shard;
                let from = self.head + place * self.shard;
                let said = tag(&bytes[from..from + self.shard]);
                let tags = self.head - CHECK_BYTES - 16 * (self.slots - place);
                self.sealed(&mut bytes, |head| head[tags..tags + 16].copy_from_slice(&said));
            }
        }
        bytes
    }

    /// The kind of a lie, and the part of the file that it is in: the fixed fields of a head, its tags, its digest or the shards.
    fn region(&self, lie: Lie) -> (&'static str, &'static str) {
        let tags = 64..self.head - CHECK_BYTES;
        let part = |at: usize| match at {
            _ if at < tags.start => "fields",
            _ if at < tags.end => "tags",
            _ if at < self.head => "digest",
            _ if at < self.second() => "shards",
            _ if at < self.second() + tags.start => "fields of the second head",
            _ if at < self.second() + tags.end => "tags of the second head",
            _ => "digest of the second head",
        };
        match lie {
            Lie::Bit(at) => ("bit", part(at)),
            Lie::OnlyHead(at, false) => ("first head", part(at)),
            Lie::OnlyHead(at, true) => ("second head", part(at)),
            Lie::Sealed(at) => ("sealed", part(at)),
            Lie::Shard(_) => ("shard", "shards"),
        }
    }

    /// Changes both heads, with digests that fit.
    fn sealed(&self, bytes: &mut [u8], change: impl FnOnce(&mut [u8])) {
        let content = self.head - CHECK_BYTES;
        let mut head = bytes[..content].to_vec();
        change(&mut head);
        head.extend(Sha256::of(&head).as_bytes());
        for start in [0, self.second()] {
            bytes[start..start + self.head].copy_from_slice(&head);
        }
    }

    /// Lies in every byte of a head but for the tags, of which each `step`-th gets one; and some in the shards.
    fn lies(&self, step: usize) -> Vec<Lie> {
        let tags = 64..self.head - CHECK_BYTES;
        let mut lies = Vec::new();
        for at in (0..self.head).filter(|at| !tags.contains(at) || at % step == 0) {
            lies.extend([Lie::OnlyHead(at, at % 2 == 1), Lie::Bit(if at % 4 < 2 { at } else { self.second() + at })]);
            lies.extend((at < tags.end).then_some(Lie::Sealed(at)));
        }
        for at in (0..self.slots * self.shard).step_by((self.slots * self.shard / 60).max(1)) {
            lies.extend([Lie::Bit(self.head + at), Lie::Shard(at)]);
        }
        lies
    }
}

/// A world with recovery data.
fn stage() -> Stage {
    Stage::of(World::with_recovery(Arc::new(Files), "64 KiB"))
}

/// A recovery file, what damages the media that need it, and how an import ends that gets no help from it.
struct Attack<'a> {
    /// The file's name.
    name: &'a str,
    record: Record,
    lies: Vec<Lie>,
    /// Damages media as far as the honest file reaches.
    damage: fn(&Path),
    exit: Exit,
    /// So many lies of a complete run do no harm at least, and so many are refused.
    least: usize,
}

/// Tells the lies, each on damaged media. Each ends with the right bytes or with the attack's exit code.
fn tell(stage: &Stage, attack: Attack<'_>) {
    let Attack { name, record, lies, damage, exit, least } = attack;
    let published = |arena: &Arena| contents_of(&arena.site_path().join("current/files"), |_| true);
    let damaged = || {
        let arena = stage.target();
        damage(&arena.bundle);
        arena
    };
    let honest = damaged();
    let imported = bring(&honest.site(), &honest.bundle).unwrap();
    assert!(!imported.repaired.is_empty());
    let expected = published(&honest);
    let (mut repaired, mut refused, arena) = (0, 0, damaged());
    for lie in Sample::new().strata(lies, 12, |lie| record.region(*lie)) {
        let attack = format!("{lie:?} in {name}");
        fs::write(packing_folder(&arena.bundle).join(name), record.told(lie)).unwrap();
        let before = arena.now();
        match bring(&arena.site(), &arena.bundle) {
            Ok(_) => {
                repaired += 1;
                assert_eq!(difference(&expected, &published(&arena)), None, "{attack}");
                arena.untouched(&attack, &before);
            }
            refusal => {
                refused += 1;
                judge(&attack, refusal.map(|_| ()), exit, "");
                arena.unchanged(&attack, &before);
            }
        }
        stage.fresh_site(&arena, stage.target.site);
    }
    eprintln!("{name}: {repaired} lies do no harm, {refused} are refused");
    let least = Level::of_run().pick(least / 20, least);
    assert!(repaired >= least && refused >= least, "{repaired} lies do no harm, {refused} are refused");
    stage.right_one_imports(&honest, &stage.third, "lies");
}

#[test]
fn a_volumes_own_recovery_file_is_not_believed() {
    let stage = stage();
    let volume = stage.manifest(&stage.target.bundle).volumes()[0].1;
    let shape = Geometry::within(volume).unwrap();
    let record = Record::of(&packing_folder(&stage.target.bundle).join("volume-001.rec"), &shape, shape.count(10));
    let damage = |bundle: &Path| {
        fs::remove_file(packing_folder(bundle).join("spare-001.rec")).unwrap();
        // As many shards as it can restore.
        for place in [2, 9] {
            super::bytes::flip(&packing_folder(bundle).join("volume-001.tar"), place * 4096 + 700);
        }
    };
    let lies = record.lies(1);
    tell(&stage, Attack { name: "volume-001.rec", record, lies, damage, exit: VerificationFailed, least: 300 });
}

#[test]
fn a_spare_volume_is_not_believed() {
    let stage = stage();
    let sizes: Vec<u64> = stage.manifest(&stage.target.bundle).volumes().into_iter().map(|(_, size)| size).collect();
    let record =
        Record::of(&packing_folder(&stage.target.bundle).join("spare-001.rec"), &Geometry::across(&sizes).unwrap(), 1);
    let damage = |bundle: &Path| fs::remove_file(packing_folder(bundle).join("volume-002.tar")).unwrap();
    let lies = record.lies(7);
    tell(&stage, Attack { name: "spare-001.rec", record, lies, damage, exit: VolumesMissing, least: 200 });
}
