//! Restores what a medium has damaged, as far as recovery files reach.
//!
//! Nothing happens before a reader has found something wrong. Then the shards around it are compared with their tags, and the
//! groups of those that differ are decoded. What comes out is kept in a file of the reader's own, and read in place of the
//! medium from then on; whether it is right, the reader finds by the signed manifest, as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use reed_solomon_simd::ReedSolomonDecoder;

use super::geometry::{Geometry, Shard};
use super::patches::Patches;
use super::record::{RecoveryRecord, ShardTag, id, tag};
use crate::bundle::packing::volume_files::VolumeFiles;
use crate::bundle::{BundleError, names};
use crate::numbers::VolumeNumber;

/// Which recovery files to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoverySource {
    /// The volume's own.
    Own,
    /// Spare volumes.
    Spares,
}

/// Reads the volumes of one packing, with what was restored in place of what is damaged.
#[derive(Debug)]
pub struct Repair<'a> {
    packing: &'a VolumeFiles,
    scratch: &'a Path,
    /// Of each volume all copies, opened when first needed; none for those that are not there.
    files: Vec<OnceLock<Vec<File>>>,
    patches: Vec<RwLock<Patches>>,
    state: Mutex<RepairState>,
}

/// Where a good shard was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShardOrigin {
    /// Where the volume is first, or among what was restored of it.
    Here,
    /// On another medium.
    OnAnotherMedium,
}

#[derive(Debug, Default)]
struct RepairState {
    /// Recovery files that were looked for: by the volume they belong to, none for spares. None where there are none.
    sets: BTreeMap<Option<usize>, Option<Set>>,
    /// Groups that could not be decoded, and how many shards were restored by then.
    hopeless: BTreeMap<(Option<usize>, u64), u64>,
    /// How many shards were restored.
    restored: u64,
}

/// Recovery files that belong together.
#[derive(Debug)]
struct Set {
    shape: Geometry,
    /// By their place in the set; where there is none, it is missing or of no use.
    records: Vec<Option<RecoveryRecord>>,
}

impl Set {
    fn count(&self) -> u64 {
        self.any().map_or(0, |record| record.head.count)
    }

    fn any(&self) -> Option<&RecoveryRecord> {
        self.records.iter().flatten().next()
    }

    /// Whether these are the bytes of a shard; those behind a volume's end have no tag, and are zeros.
    fn is_good(&self, shard: Shard, bytes: &[u8]) -> bool {
        match self.any().and_then(|record| record.tag(&self.shape, shard)) {
            Some(wanted) => tag(bytes) == wanted,
            None => self.shape.number(shard).is_none(),
        }
    }
}

impl<'a> Repair<'a> {
    /// Starts without anything restored. What is restored is kept in the folder `scratch`.
    pub fn new(packing: &'a VolumeFiles, scratch: &'a Path) -> Self {
        let volumes = || packing.volumes().iter();
        let (files, patches) = (volumes().map(|_| OnceLock::new()), volumes().map(|_| RwLock::default()));
        let (files, patches) = (files.collect(), patches.collect());
        Self { packing, scratch, files, patches, state: Mutex::default() }
    }

    fn files(&self, volume: usize) -> &[File] {
        let open = || self.packing.open_copies(volume).into_iter().flatten().map(|(_, file)| file).collect();
        self.files.get(volume).map_or(&[], |files| files.get_or_init(open))
    }

    /// Reads from a volume, counted from 0, whose file is `file` if there is one.
    pub fn read_at(&self, volume: usize, file: Option<&File>, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let medium = |bytes: &mut [u8], offset: u64| match file {
            Some(file) => file.read_exact_at(bytes, offset),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match self.patches.get(volume) {
            Some(patches) => patches.read().unwrap_or_else(PoisonError::into_inner).read(bytes, offset, medium),
            None => medium(bytes, offset),
        }
    }

    /// Returns the restored pieces of a volume, in bytes.
    pub fn restored(&self, volume: usize) -> Vec<Range<u64>> {
        let patches = self.patches.get(volume).map(|patches| patches.read().unwrap_or_else(PoisonError::into_inner));
        patches.map(|patches| patches.pieces().map(|(from, to)| from..to).collect()).unwrap_or_default()
    }

    /// Restores the damage in a range of a volume. Returns `true` if all of the range agrees with the recovery files now.
    pub fn restore(&self, volume: usize, range: &Range<u64>, by: RecoverySource) -> Result<bool, BundleError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.restore_by(&mut state, volume, range, by)
    }

    fn restore_by(
        &self,
        state: &mut RepairState,
        volume: usize,
        range: &Range<u64>,
        by: RecoverySource,
    ) -> Result<bool, BundleError> {
        let key = (by == RecoverySource::Own).then_some(volume);
        // Out of the state while it is used, since other sets may be needed on the way.
        let set = match state.sets.remove(&key) {
            Some(known) => known,
            None => self.open_set(key),
        };
        let result = set.as_ref().map(|set| self.restore_range(state, set, key, volume, range));
        state.sets.insert(key, set);
        result.unwrap_or(Ok(false))
    }

    fn restore_range(
        &self,
        state: &mut RepairState,
        set: &Set,
        key: Option<usize>,
        volume: usize,
        range: &Range<u64>,
    ) -> Result<bool, BundleError> {
        let within = if key.is_some() { 0 } else { volume };
        let shard_bytes = set.shape.shard_bytes();
        let mut bytes = vec![0; shard_bytes as usize];
        let mut groups = BTreeSet::new();
        for index in range.start / shard_bytes..range.end.min(set.shape.size(within)).div_ceil(shard_bytes) {
            let shard = Shard { volume: within, index };
            match self.find_shard(set, key, shard, &mut bytes) {
                Some(ShardOrigin::Here) => {}
                Some(ShardOrigin::OnAnotherMedium) => self.retain(state, set, key, shard, &bytes)?,
                None => drop(groups.insert(set.shape.group(index))),
            }
        }
        let mut all = true;
        for group in groups {
            if state.hopeless.get(&(key, group)) == Some(&state.restored) {
                all = false;
            } else if !self.decode(state, set, key, group)? {
                state.hopeless.insert((key, group), state.restored);
                all = false;
            }
        }
        Ok(all)
    }

    /// Restores the shards of one group; whether that went well.
    fn decode(&self, state: &mut RepairState, set: &Set, key: Option<usize>, group: u64) -> Result<bool, BundleError> {
        let members = set.shape.members(group);
        let (count, shard_bytes) = (set.count(), set.shape.shard_bytes() as usize);
        let Ok(mut decoder) = ReedSolomonDecoder::new(members.len(), count as usize, shard_bytes) else {
            return Ok(false);
        };
        let (mut bytes, mut lost) = (vec![0; shard_bytes], Vec::new());
        for (place, shard) in members.iter().enumerate() {
            let is_good = |bytes: &mut [u8]| self.find_shard(set, key, *shard, bytes).is_some();
            let mut good = is_good(&mut bytes);
            if !good && key.is_none() && !self.files(shard.volume).is_empty() {
                let from = shard.index * shard_bytes as u64;
                let to = from.saturating_add(shard_bytes as u64);
                good = self.restore_by(state, shard.volume, &(from..to), RecoverySource::Own)? && is_good(&mut bytes);
            }
            if !good {
                lost.push((place, *shard));
            } else if decoder.add_original_shard(place, &bytes).is_err() {
                return Ok(false);
            }
            if lost.len() as u64 > count {
                return Ok(false);
            }
        }
        let mut found = 0;
        for which in (0..count).take_while(|_| !lost.is_empty()) {
            let (file, place) = set.shape.slot(group, which);
            let record = set.records.get(file).and_then(Option::as_ref);
            if found < lost.len() && record.is_some_and(|record| record.read(place, &mut bytes)) {
                found += usize::from(decoder.add_recovery_shard(which as usize, &bytes).is_ok());
            }
        }
        if found < lost.len() {
            return Ok(false);
        }
        let Ok(decoded) = decoder.decode() else { return Ok(false) };
        let mut all = true;
        for (place, shard) in lost {
            match decoded.restored_original(place).filter(|bytes| set.is_good(shard, bytes)) {
                Some(bytes) => self.retain(state, set, key, shard, bytes)?,
                None => all = false,
            }
        }
        Ok(all)
    }

    fn retain(
        &self,
        state: &mut RepairState,
        set: &Set,
        key: Option<usize>,
        shard: Shard,
        bytes: &[u8],
    ) -> Result<(), BundleError> {
        let offset = shard.index * set.shape.shard_bytes();
        let length = set.shape.size(shard.volume).saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (Some(patches), Some(bytes)) = (self.patches.get(key.unwrap_or(shard.volume)), bytes.get(..length)) else {
            return Ok(());
        };
        state.restored += 1;
        let mut patches = patches.write().unwrap_or_else(PoisonError::into_inner);
        patches.put(offset, bytes, self.scratch).map_err(BundleError::io("write restored bytes to", self.scratch))
    }

    /// Reads a shard, with zeros behind the volume's end, from where it is good; none if it is nowhere.
    fn find_shard(&self, set: &Set, key: Option<usize>, shard: Shard, bytes: &mut [u8]) -> Option<ShardOrigin> {
        let offset = shard.index * set.shape.shard_bytes();
        let length = set.shape.size(shard.volume).saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (content, behind) = bytes.split_at_mut(length);
        behind.fill(0);
        let volume = key.unwrap_or(shard.volume);
        let (first, others) = self.files(volume).split_first().map_or((None, [].as_slice()), |(f, o)| (Some(f), o));
        if content.is_empty() || (self.read_at(volume, first, content, offset).is_ok() && set.is_good(shard, bytes)) {
            return set.is_good(shard, bytes).then_some(ShardOrigin::Here);
        }
        let is_good = |file: &File| {
            bytes.get_mut(..length).is_some_and(|content| file.read_exact_at(content, offset).is_ok())
                && set.is_good(shard, bytes)
        };
        others.iter().any(is_good).then_some(ShardOrigin::OnAnotherMedium)
    }

    fn open_set(&self, key: Option<usize>) -> Option<Set> {
        let volumes = self.packing.volumes();
        let open = |name: String, shape: &Geometry, id, number| {
            let opened =
                self.packing.beside(&name).into_iter().filter_map(|path| crate::bundle::folder::open(&path).ok());
            opened.into_iter().find_map(|(file, _)| RecoveryRecord::open(file, shape, id, number))
        };
        let (shape, records) = match key {
            Some(volume) => {
                let number = VolumeNumber::at(volume)?;
                let volume = volumes.get(volume)?;
                let shape = Geometry::within(volume.size)?;
                let record = open(names::recovery(number), &shape, &id([&volume.sha256]), 0);
                (shape, vec![record])
            }
            None => {
                let sizes: Vec<u64> = volumes.iter().map(|volume| volume.size).collect();
                let shape = Geometry::across(&sizes)?;
                let id = id(volumes.iter().map(|volume| &volume.sha256));
                let numbers = 1..=super::MAX_SPARES;
                let records = numbers.map(|number| open(names::spare(u64::from(number)), &shape, &id, number));
                let records = of_one_mind(records);
                (shape, records)
            }
        };
        let set = Set { shape, records };
        set.any().is_some().then_some(set)
    }
}

/// Spare volumes that say the same of the volumes as the first one does. Of what they say, one copy is kept.
fn of_one_mind(records: impl Iterator<Item = Option<RecoveryRecord>>) -> Vec<Option<RecoveryRecord>> {
    let mut first: Option<(u64, Vec<ShardTag>)> = None;
    let mut kept: Vec<Option<RecoveryRecord>> = Vec::new();
    for (place, record) in (0_u64..).zip(records) {
        let mut record = record.filter(|record| place < record.head.count);
        if let Some((count, data)) = &first {
            record = record.filter(|record| (record.head.count, &record.head.data) == (*count, data));
        }
        if let Some(record) = &mut record {
            let data = std::mem::take(&mut record.head.data);
            first.get_or_insert((record.head.count, data));
        }
        kept.push(record);
    }
    if let (Some(record), Some((_, data))) = (kept.iter_mut().flatten().next(), first) {
        record.head.data = data;
    }
    kept
}
