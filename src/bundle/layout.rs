//! The layout of volumes: every byte between the members' contents.
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

/// A tar block, in bytes.
pub const BLOCK: u64 = 512;
/// The zero bytes that end a volume.
pub const TRAILER: u64 = 2 * BLOCK;
const USTAR_NAME_BYTES: usize = 100;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::packing::index::MAX_PART_BYTES;
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
