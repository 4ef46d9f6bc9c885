//! The layout of volumes: every byte between the members' contents, and what the manifest must satisfy for that.
//!
//! A volume is a POSIX ustar archive (IEEE Std 1003.1, pax). Each part is one member:
//!
//! ```text
//! offset − 512 − pax   for names above 100 bytes: a pax header block, and its record `path=NAME` padded with zeros
//! offset − 512         ustar header: mode 0644, owner 0, time 0, no names of users or groups
//! offset               the stored bytes
//! offset + stored      zeros up to the next multiple of 512
//! ```
//!
//! After the last member stand 1024 zero bytes, and nothing else.

use std::collections::BTreeMap;

use super::manifest::{Blob, Encoding, MAX_BASE_BYTES, MAX_PART_BYTES, MAX_ZSTD_SLICE_BYTES, Manifest, Part, Slice};
use super::{BundleError, names};
use crate::digest::Sha256;
use crate::numbers::{MAX_INTEGER, VolumeNumber};

/// A tar block, in bytes.
pub const BLOCK: u64 = 512;
/// The zero bytes that end a volume.
pub const TRAILER: u64 = 2 * BLOCK;
const USTAR_NAME_BYTES: usize = 100;

/// A part in its volume.
#[derive(Clone, Debug)]
pub struct VolumeMember<'a> {
    /// The member's name in the tar file.
    pub name: String,
    /// The blob that it is of.
    pub blob: &'a Blob,
    /// The part.
    pub part: &'a Part,
}

/// Zero bytes after `stored` bytes of content.
pub fn padding(stored: u64) -> u64 {
    stored.wrapping_neg() % BLOCK
}

/// The bytes before a member's content: one ustar header, after a pax header where the name is long.
pub fn header(name: &str, stored: u64) -> Vec<u8> {
    if name.len() <= USTAR_NAME_BYTES {
        return block(name, stored, tar::EntryType::Regular);
    }
    let record = pax_record("path", name);
    let mut bytes = block("pax", record.len() as u64, tar::EntryType::XHeader);
    bytes.extend_from_slice(&record);
    bytes.resize(bytes.len() + padding(record.len() as u64) as usize, 0);
    let tail = name.get(name.len() - USTAR_NAME_BYTES..).unwrap_or("member");
    bytes.extend(block(tail.trim_start_matches(['/', '.', '-']), stored, tar::EntryType::Regular));
    bytes
}

/// Bytes that [`header`] returns for a name of this length.
pub fn header_length(name: &str) -> u64 {
    let long = name.len() > USTAR_NAME_BYTES;
    let record = if long { pax_record_length("path", name) as u64 } else { 0 };
    BLOCK + if long { BLOCK + record + padding(record) } else { 0 }
}

fn block(name: &str, size: u64, kind: tar::EntryType) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    let bytes = &mut header.as_old_mut().name;
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record with itself.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    format!("{} {key}={value}\n", pax_record_length(key, value)).into_bytes()
}

/// The LENGTH of [`pax_record`].
fn pax_record_length(key: &str, value: &str) -> usize {
    let rest = key.len() + value.len() + " =\n".len();
    let digits = |length: usize| length.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut length = rest + 1;
    while length != digits(length) + rest {
        length = digits(length) + rest;
    }
    length
}

/// Where each blob stands in a plain tree: the first path that names it, over collections in order and paths in order.
pub fn blob_names(collections: &[crate::collection::Collection]) -> BTreeMap<Sha256, String> {
    let mut names = BTreeMap::new();
    for collection in collections {
        let folder = collection.folder();
        for (path, digest) in collection.paths() {
            names.entry(*digest).or_insert_with(|| format!("{folder}/{path}"));
        }
    }
    names
}

/// The name of a part's member: the blob's name, `.partNNNN` if there are several, `.zst` if it is compressed, `.zst-patch` if it is a
/// patch.
pub fn member_name(blob_name: &str, index: usize, parts: usize, encoding: Encoding) -> String {
    let number = if parts > 1 { format!(".part{:04}", index + 1) } else { String::new() };
    let suffix = match encoding {
        Encoding::Raw => "",
        Encoding::Zstd => ".zst",
        Encoding::Patch => ".zst-patch",
    };
    format!("{blob_name}{number}{suffix}")
}

/// The members of each volume, in the order in which they stand in it.
pub fn members(manifest: &Manifest) -> Vec<Vec<VolumeMember<'_>>> {
    let names = blob_names(&manifest.collections);
    let mut volumes: Vec<Vec<VolumeMember<'_>>> = vec![Vec::new(); manifest.volumes.len()];
    for blob in &manifest.blobs {
        let name = names.get(&blob.sha256).map_or("", String::as_str);
        for (index, part) in blob.parts.iter().enumerate() {
            if let Some(members) = volumes.get_mut(part.volume.index()) {
                members.push(VolumeMember {
                    name: member_name(name, index, blob.parts.len(), part.encoding),
                    blob,
                    part,
                });
            }
        }
    }
    volumes.iter_mut().for_each(|members| members.sort_by_key(|member| member.part.offset));
    volumes
}

/// Checks all that a manifest promises about itself; after this, arithmetic on its numbers cannot overflow.
pub fn check(manifest: &Manifest) -> Result<(), BundleError> {
    let fail = |reason: String| Err(BundleError::Inconsistent(reason));
    if manifest.expires <= manifest.created {
        return fail("it expires before it was made".to_owned());
    }
    check_collections(manifest)?;
    check_blobs(manifest)?;
    if manifest.volumes.len() as u64 > VolumeNumber::MAX.get() {
        return fail("it has too many volumes".to_owned());
    }
    for (number, (volume, members)) in VolumeNumber::all().zip(manifest.volumes.iter().zip(members(manifest))) {
        if volume.file != names::volume(number) {
            return fail(format!("volume {number} has another name than {}", names::volume(number)));
        }
        let mut end = 0;
        for member in &members {
            if member.part.offset != end + header_length(&member.name) {
                return fail(format!("{} does not stand where its volume goes on", member.name));
            }
            end = member.part.offset + member.part.stored + padding(member.part.stored);
        }
        if members.is_empty() || volume.size != end + TRAILER {
            return fail(format!("the size of {} is not that of its members", volume.file));
        }
    }
    Ok(())
}

fn check_collections(manifest: &Manifest) -> Result<(), BundleError> {
    let fail = |reason: String| Err(BundleError::Inconsistent(reason));
    if !manifest.collections.is_sorted_by(|a, b| (a.kind, &a.name) < (b.kind, &b.name)) {
        return fail("its collections are not sorted, or two have the same name".to_owned());
    }
    for collection in &manifest.collections {
        if let Some(path) = collection.conflict() {
            return fail(format!("{path} of {} stands for two things", collection.name));
        }
        if !collection.items.is_sorted_by(|a, b| a.file < b.file) {
            return fail(format!("the items of {} are not sorted by file, or two name the same", collection.name));
        }
        if !collection.proofs.is_sorted_by(|a, b| a.path < b.path) {
            return fail(format!("the proofs of {} are not sorted by path", collection.name));
        }
        if let Some(item) = collection.items.iter().find(|item| !collection.files.contains_key(&item.file)) {
            return fail(format!("the item {} names a file that is not in its collection", item.file));
        }
    }
    Ok(())
}

fn check_blobs(manifest: &Manifest) -> Result<(), BundleError> {
    let fail = |reason: String| Err(BundleError::Inconsistent(reason));
    let names = blob_names(&manifest.collections);
    if !manifest.blobs.is_sorted_by(|a, b| a.sha256 < b.sha256) {
        return fail("its blobs are not sorted by digest".to_owned());
    }
    if manifest.blobs.len() != names.len() || !manifest.blobs.iter().all(|blob| names.contains_key(&blob.sha256)) {
        return fail("its blobs are not exactly those that its collections name".to_owned());
    }
    manifest.blobs.iter().try_for_each(|blob| check_parts(blob, manifest.volumes.len()))?;
    manifest.patches().try_for_each(|(blob, part)| match &part.base {
        Some(base) if fits(base) && !is_carried(manifest, &base.sha256) => Ok(()),
        _ => fail(format!("blob {}: a patch builds on nothing that the site can hold before", blob.sha256)),
    })
}

/// Whether the slice is bounded.
fn fits(base: &Slice) -> bool {
    base.length > 0 && base.length <= MAX_BASE_BYTES && base.start <= MAX_INTEGER - base.length
}

/// Whether the blob travels in this very bundle: what builds on it would depend on the order of reading, or on itself.
fn is_carried(manifest: &Manifest, digest: &Sha256) -> bool {
    let at = manifest.blobs.binary_search_by(|blob| blob.sha256.cmp(digest)).ok();
    at.and_then(|at| manifest.blobs.get(at)).is_some_and(|blob| !blob.parts.is_empty())
}

fn check_parts(blob: &Blob, volumes: usize) -> Result<(), BundleError> {
    let fail = |reason: &str| Err(BundleError::Inconsistent(format!("blob {}: {reason}", blob.sha256)));
    if blob.size > MAX_INTEGER {
        return fail("its size is out of range");
    }
    let mut covered = 0;
    for part in &blob.parts {
        if part.start != covered || part.length > blob.size - covered {
            return fail("its parts do not follow one another");
        }
        covered += part.length;
        if part.volume.index() >= volumes || part.offset > MAX_INTEGER || part.stored > MAX_PART_BYTES {
            return fail("a part is out of range");
        }
        let whole = blob.parts.len() == 1;
        let fits = match part.encoding {
            Encoding::Raw => part.stored == part.length && (!whole || part.sha256 == blob.sha256),
            Encoding::Zstd | Encoding::Patch => part.stored < part.length && part.length <= MAX_ZSTD_SLICE_BYTES,
        };
        let fits = fits && part.base.is_some() == (part.encoding == Encoding::Patch);
        if !fits || (part.length == 0 && !whole) {
            return fail("a part's lengths do not fit its encoding");
        }
    }
    if !blob.parts.is_empty() && covered != blob.size {
        return fail("its parts do not cover it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    #[test]
    fn sizes_beyond_what_32_bits_can_count() {
        for size in [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, MAX_PART_BYTES] {
            let bytes = header("name", size);
            let mut found = tar::Header::new_ustar();
            found.as_mut_bytes().copy_from_slice(&bytes);
            assert_eq!(found.size().unwrap(), size);
            assert_eq!((size + padding(size)) % BLOCK, 0);
        }
    }

    proptest! {
        #[test]
        fn the_tar_crate_reads_our_headers(name in "[a-z0-9_]([a-z0-9._/-]{0,300}[a-z0-9])?", size in 0_u64..5000) {
            let name = name.replace("//", "/a").replace("/.", "/b");
            let mut bytes = header(&name, size);
            prop_assert_eq!(bytes.len() as u64, header_length(&name));
            bytes.resize(bytes.len() + (size + padding(size) + TRAILER) as usize, 0);
            let mut archive = tar::Archive::new(bytes.as_slice());
            let mut entries = archive.entries().unwrap();
            let mut entry = entries.next().unwrap().unwrap();
            prop_assert_eq!(&*entry.path_bytes(), name.as_bytes());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            prop_assert_eq!(content.len() as u64, size);
            prop_assert!(entries.next().is_none());
        }
    }
}
