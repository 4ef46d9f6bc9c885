//! Makes recovery files for volumes that are there and good.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use reed_solomon_simd::ReedSolomonEncoder;

use super::Amount;
use super::geometry::Geometry;
use super::record::{Head, ShardTag, file_bytes, head_bytes, id, tag};
use crate::bundle::packing::Volume;
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::storage::modes;

/// A recovery file that was made, and its digest.
pub type WrittenFile = (String, Sha256);

/// What recovery data of volumes of these sizes take, in bytes.
pub fn bytes(sizes: &[u64], amount: Amount) -> u64 {
    let own = amount.percent.map(|percent| {
        let shapes = sizes.iter().filter_map(|size| Geometry::within(*size));
        shapes.map(|shape| file_bytes(&shape, shape.count(percent))).sum::<u64>()
    });
    let spares = Geometry::across(sizes).filter(|_| amount.spares > 0);
    let spares = spares.map(|shape| file_bytes(&shape, u64::from(amount.spares)) * u64::from(amount.spares));
    own.unwrap_or_default().saturating_add(spares.unwrap_or_default())
}

/// Makes recovery files for all volumes in `folder`; the same volumes always give the same files.
pub fn write(
    volumes: &[Volume],
    folder: &Path,
    amount: Amount,
    progress: &Progress,
) -> Result<Vec<WrittenFile>, BundleError> {
    if amount.is_none() || volumes.is_empty() {
        return Ok(Vec::new());
    }
    let passes = u64::from(amount.percent.is_some()) + u64::from(amount.spares > 0);
    let total: u64 = volumes.iter().map(|volume| volume.size).sum();
    let progress = progress.phase("writing recovery data", total.saturating_mul(passes));
    let mut made = Vec::new();
    if let Some(percent) = amount.percent {
        for (number, volume) in VolumeNumber::all().zip(volumes) {
            let shape = Geometry::within(volume.size).ok_or(BundleError::TooLargeToProtect)?;
            let count = shape.count(percent);
            let files = [(names::recovery(number), 0)];
            made.extend(set(&shape, count, std::slice::from_ref(volume), &files, folder, &progress)?);
        }
    }
    if amount.spares > 0 {
        let sizes: Vec<u64> = volumes.iter().map(|volume| volume.size).collect();
        let shape = Geometry::across(&sizes).ok_or(BundleError::TooLargeToProtect)?;
        let files: Vec<_> = (1..=amount.spares).map(|number| (names::spare(u64::from(number)), number)).collect();
        made.extend(set(&shape, u64::from(amount.spares), volumes, &files, folder, &progress)?);
    }
    progress.finish();
    Ok(made)
}

/// A file under construction, and the tags of its shards so far.
struct RecoveryOutput {
    path: PathBuf,
    file: File,
    own: Vec<ShardTag>,
}

/// Makes the files of one shape.
fn set(
    shape: &Geometry,
    count: u64,
    volumes: &[Volume],
    files: &[(String, u32)],
    folder: &Path,
    progress: &Progress,
) -> Result<Vec<WrittenFile>, BundleError> {
    let open = |volume: &Volume| {
        let path = folder.join(&volume.file);
        File::open(&path).map(|file| (path.clone(), file)).map_err(BundleError::io("open", &path))
    };
    let sources = volumes.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut targets = Vec::new();
    for (name, _) in files {
        let path = folder.join(format!("{name}.part"));
        let options = &mut File::options();
        let file =
            modes::open_with(options.read(true).write(true).create(true).truncate(true), &path, modes::PUBLIC_FILE);
        let own = vec![ShardTag::default(); shape.slots(count) as usize];
        targets.push(RecoveryOutput { file: file.map_err(BundleError::io("create", &path))?, path, own });
    }
    let filled = fill(shape, count, &sources, &mut targets, progress);
    let done = filled.and_then(|data| finish(shape, count, volumes, files, &targets, data, folder));
    if done.is_err() {
        targets.iter().for_each(|target| drop(fs::remove_file(&target.path))); // of no use; the first error is what matters
    }
    done
}

/// Writes all recovery shards; returns the tags of the volumes' shards.
fn fill(
    shape: &Geometry,
    count: u64,
    sources: &[(PathBuf, File)],
    targets: &mut [RecoveryOutput],
    progress: &Progress,
) -> Result<Vec<ShardTag>, BundleError> {
    let (shard_bytes, head) = (shape.shard_bytes(), head_bytes(shape, count));
    let coding = |error| BundleError::io("compute", Path::new("recovery data"))(std::io::Error::other(error));
    let mut data = vec![ShardTag::default(); shape.shards() as usize];
    let mut shard = vec![0; shard_bytes as usize];
    let mut encoder = ReedSolomonEncoder::new(shape.widest() as usize, count as usize, shard.len()).map_err(coding)?;
    for group in 0..shape.groups() {
        let members = shape.members(group);
        encoder.reset(members.len(), count as usize, shard.len()).map_err(coding)?;
        for member in members {
            let offset = member.index * shard_bytes;
            let length = shape.size(member.volume).saturating_sub(offset).min(shard_bytes) as usize;
            let (content, behind) = shard.split_at_mut(length);
            behind.fill(0);
            if let Some((path, file)) = sources.get(member.volume) {
                file.read_exact_at(content, offset).map_err(BundleError::io("read", path))?;
            }
            if let Some(place) = shape.number(member).and_then(|number| data.get_mut(number)) {
                *place = tag(&shard);
            }
            encoder.add_original_shard(&shard).map_err(coding)?;
            progress.add(length as u64);
        }
        let encoded = encoder.encode().map_err(coding)?;
        for (which, bytes) in (0..).zip(encoded.recovery_iter()) {
            let (file, place) = shape.slot(group, which);
            let Some(target) = targets.get_mut(file) else { continue };
            let written = target.file.write_all_at(bytes, head + place * shard_bytes);
            written.map_err(BundleError::io("write", &target.path))?;
            if let Some(own) = target.own.get_mut(place as usize) {
                *own = tag(bytes);
            }
        }
    }
    Ok(data)
}

/// Writes the heads and gives the files their names.
fn finish(
    shape: &Geometry,
    count: u64,
    volumes: &[Volume],
    files: &[(String, u32)],
    targets: &[RecoveryOutput],
    data: Vec<ShardTag>,
    folder: &Path,
) -> Result<Vec<WrittenFile>, BundleError> {
    let mut head =
        Head { id: id(volumes.iter().map(|volume| &volume.sha256)), number: 0, count, data, own: Vec::new() };
    let mut made = Vec::new();
    for ((name, number), target) in files.iter().zip(targets) {
        (head.number, head.own) = (*number, target.own.clone());
        let bytes = head.to_bytes();
        let second = bytes.len() as u64 + shape.slots(count) * shape.shard_bytes();
        let write = || {
            target.file.write_all_at(&bytes, 0)?;
            target.file.write_all_at(&bytes, second)?;
            target.file.sync_all()?;
            Ok(Sha256::of_reader(&mut File::open(&target.path)?)?.0)
        };
        let digest = write().map_err(BundleError::io("write", &target.path))?;
        let path = folder.join(name);
        fs::rename(&target.path, &path).map_err(BundleError::io("give its name to", &path))?;
        made.push((name.clone(), digest));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that were written by one version are read by the next.
    #[test]
    fn the_code_is_what_it_always_was() {
        let shard = |seed: u8| (0..128_u32).map(|at| (at as u8).wrapping_mul(seed)).collect::<Vec<u8>>();
        let mut found = Vec::new();
        for (originals, count) in [(5, 2), (2, 3)] {
            let shards: Vec<_> = (0..originals).map(|n| shard(2 * n + 1)).collect();
            let recovery = reed_solomon_simd::encode(shards.len(), count, &shards).unwrap();
            found.push(Sha256::of(&recovery.concat()).to_hex()[..16].to_owned());
        }
        assert_eq!(found, ["3f16593ced19db5f", "ddf1e29d4b0d0b35"]);
    }
}
