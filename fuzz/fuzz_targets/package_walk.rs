//! Walks over packages and archives: none of it panics, and no more than the caps comes out.
#![no_main]

use std::io::{Cursor, Read as _};

use gapferry::formats::apt::copyright::spdx_licence;
use gapferry::formats::archive::{ArchiveCaps, EntryPlace, walk_cpio, walk_tar};
use gapferry::formats::deb::walk_deb;
use gapferry::formats::rpm::walk_rpm;
use gapferry::formats::snap::squashfs::walk_squashfs;
use libfuzzer_sys::fuzz_target;

const CAPS: ArchiveCaps = ArchiveCaps { entries: 1000, bytes: 1 << 20 };

fuzz_target!(|bytes: &[u8]| {
    let _ = walk_deb(&mut Cursor::new(bytes), &mut |entry, _| {
        assert!(entry.path.starts_with('/'));
        Ok(())
    });
    let _ = walk_rpm(&mut Cursor::new(bytes), &mut |entry, _| {
        assert!(!entry.path.is_empty());
        Ok(())
    });
    let _ = spdx_licence(bytes);
    let mut read = 0;
    let _ = walk_cpio(bytes, CAPS, &[3], &mut |_, content| {
        read += content.take(CAPS.bytes).read_to_end(&mut Vec::new())? as u64;
        Ok(())
    });
    assert!(read <= CAPS.bytes);
    read = 0;
    let _ = walk_squashfs(&mut Cursor::new(bytes), CAPS, &mut |_, content| {
        read += content.take(CAPS.bytes).read_to_end(&mut Vec::new())? as u64;
        Ok(())
    });
    assert!(read <= CAPS.bytes);
    read = 0;
    let _ = walk_tar(bytes, EntryPlace::Payload, CAPS, &mut |entry, content| {
        assert!(entry.path.starts_with('/'));
        read += content.take(CAPS.bytes).read_to_end(&mut Vec::new())? as u64;
        Ok(())
    });
    assert!(read <= CAPS.bytes);
});
