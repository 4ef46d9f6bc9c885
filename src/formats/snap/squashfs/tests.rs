//! Broken images. Whole ones, made by `mksquashfs`, are read in `tests/it/snap_file.rs`.

use std::io::{self, Cursor, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::formats::archive::ArchiveCaps;
use crate::formats::{ReadError, refusal};
use crate::samples::{Payload, SnapSpec, build_snap};

const YAML: [&str; 2] = ["meta", "snap.yaml"];
const CAP: u64 = 10_000;

/// Its inodes are, from the start of their table: `bin/thing` 0, `bin` 36, `meta/snap.yaml` 68, `meta` 104, root 136; its
/// listings: `bin` 0, `meta` 25, root 54.
fn image() -> Vec<u8> {
    build_snap(&SnapSpec::new("thing", "1")).unwrap()
}

fn read_yaml(image: &[u8]) -> Result<Vec<u8>, ReadError> {
    read_file(&mut Cursor::new(image), &YAML, CAP)
}

/// What a change is counted from, in bytes.
enum From {
    Start,
    Inodes,
    Listings,
}

/// With these bytes instead of those at `offset`.
fn patched(from: &From, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image();
    let table = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap()) as usize;
    // Tables begin with the two bytes before a metadata block.
    let start = match from {
        From::Start => 0,
        From::Inodes => table(64) + 2,
        From::Listings => table(72) + 2,
    };
    let at = start + offset;
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

#[test]
fn broken_images_are_refused() {
    use From::{Inodes, Listings, Start};
    let (yaml, meta, root) = (68, 104, 136);
    let table: &[(From, usize, &[u8], &str)] = &[
        (Start, 0, b"sqsh", "it does not begin as a squashfs image does"),
        (Start, 28, &[3, 0, 1, 0], "it is squashfs 3.1, and only 4.0 is read"),
        (Start, 20, &[2, 0], "its compression, lzma, is not supported"),
        (Start, 20, &[5, 0], "its compression, lz4, is not supported"),
        (Start, 20, &[9, 0], "its compression has the number 9, which means none"),
        (Start, 12, &[0; 4], "its superblock is malformed: its size of blocks is none"),
        (Start, 22, &[32, 0], "its superblock is malformed: its size of blocks is none"),
        (Start, 22, &[18, 0], "its superblock is malformed: its size of blocks is none"),
        (Start, 40, &[0xff; 8], "the superblock's size of the image goes past the end of the image"),
        (Start, 40, &[100, 0, 0, 0, 0, 0, 0, 0], "an inode goes past the end of the image"),
        (Start, 64, &[0xff; 8], "an inode goes past the end of the image"),
        (Start, 64, &[0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "an inode goes past the end of the image"),
        (Start, 72, &[0xff; 8], "a folder's listing goes past the end of the image"),
        (Start, 32, &[0, 0x20], "an inode is malformed"),
        (Start, 34, &[0xff; 6], "an inode goes past the end of the image"),
        (Inodes, root, &[2], "\"\" in it is not a folder"),
        (Inodes, meta, &[3], "\"meta\" in it is not a folder"),
        (Inodes, meta, &[99], "\"meta\" in it is not a folder"),
        (Inodes, meta + 16, &[0xff; 4], "a folder's listing goes past the end of the image"),
        (Inodes, meta + 24, &[0, 0], "there is no \"meta/snap.yaml\" in it"),
        (Inodes, meta + 24, &[14, 0], "a folder's listing is malformed"),
        // What follows is the root's listing.
        (Inodes, meta + 24, &[0xff; 2], "a folder has names out of order, or one of them twice"),
        (Inodes, meta + 26, &[0xff; 2], "a folder's listing is malformed"),
        (Inodes, yaml, &[1], "\"meta/snap.yaml\" in it is not a regular file"),
        (Inodes, yaml, &[3], "\"meta/snap.yaml\" in it is not a regular file"),
        (Inodes, yaml + 16, &[0xff; 4], "a block of the file goes past the end of the image"),
        (Inodes, yaml + 20, &[0; 4], "the fragment with the file's end is malformed"),
        (Inodes, yaml + 28, &[0x11, 0x27, 0, 0], "the file is larger than 10000 bytes"),
        (Inodes, yaml + 28, &[0xff; 4], "the file is larger than 10000 bytes"),
        (Inodes, yaml + 28, &[5, 0, 0, 0], "bytes instead of 5"),
        (Inodes, yaml + 28, &[0x10, 0x27, 0, 0], "bytes instead of 10000"),
        (Inodes, yaml + 32, &[0xff; 4], "a block of the file is malformed"),
        (Inodes, yaml + 35, &[0], "cannot unpack the block at byte"),
        (Listings, 54, &[0xff; 4], "a folder's listing is malformed"),
        (Listings, 54, &[0, 1, 0, 0], "a folder's listing is malformed"),
        (Listings, 54 + 4, &[0xff; 4], "an inode goes past the end of the image"),
        (Listings, 54 + 12 + 6, &[0xff; 2], "a folder's listing is malformed"),
        (Listings, 54 + 12 + 8, b"zzz", "a folder has names out of order, or one of them twice"),
        (Listings, 54 + 12 + 11 + 8, b"bin\0", "there is no \"meta\" in it"),
        (Listings, 54 + 12 + 11, &[0xff; 2], "an inode is malformed"),
        (Listings, 25 + 12 + 8, b"Snap.yaml", "there is no \"meta/snap.yaml\" in it"),
    ];
    for (from, offset, bytes, words) in table {
        let error = read_yaml(&patched(from, *offset, bytes)).expect_err(words);
        assert!(error.to_string().ends_with(words) || error.to_string().starts_with(words), "{words:?}: {error:?}");
    }
}

#[test]
fn broken_metadata_blocks_are_refused() {
    let inodes = u64::from_le_bytes(image()[64..72].try_into().unwrap()) as usize;
    let table: [(u16, &str); 4] = [
        (0x8000, "an inode is malformed"),
        (0xffff, "an inode is malformed"),
        (0x8000 + 150, "an inode is malformed"),
        (168, "cannot unpack the block at byte"),
    ];
    for (header, words) in table {
        let error = read_yaml(&patched(&From::Start, inodes, &header.to_le_bytes())).unwrap_err();
        assert!(error.to_string().starts_with(words), "{header:x}: {error:?}");
    }
}

/// An extended inode of a folder has 32 bits for the length of the listing.
#[test]
fn a_listing_beyond_the_limit_is_refused() {
    let mut image = patched(&From::Inodes, 104, &[8]);
    let at = u64::from_le_bytes(image[64..72].try_into().unwrap()) as usize + 2 + 104 + 20;
    image[at..at + 4].copy_from_slice(&(MAX_LISTING_BYTES as u32 + 4).to_le_bytes());
    let error = read_yaml(&image).unwrap_err();
    assert!(error.to_string().contains("is larger than"), "{error:?}");
}

#[test]
fn a_cut_image_is_refused_wherever_it_is_cut() {
    let image = image();
    let used = u64::from_le_bytes(image[40..48].try_into().unwrap()) as usize;
    for length in (0..used).step_by(3) {
        let error = read_yaml(&image[..length]).unwrap_err();
        assert!(
            ["does not begin as", "goes past the end"].iter().any(|words| error.to_string().contains(words)),
            "{length}: {error:?}"
        );
    }
    assert_eq!(read_yaml(&image[..used]).unwrap(), read_yaml(&image).unwrap());
}

#[test]
fn paths_that_lead_nowhere_are_told_apart() {
    let image = image();
    let read = |path: &[&str]| read_file(&mut Cursor::new(&image), path, CAP);
    assert!(refusal(read(&["meta"])).contains("\"meta\" in it is not a regular file"));
    assert!(refusal(read(&[])).contains("\"\" in it is not a regular file"));
    assert!(refusal(read(&["meta", "x"])).contains("there is no \"meta/x\""));
    assert!(refusal(read(&["x", "y", "z"])).contains("there is no \"x\""));
    assert!(refusal(read(&["bin", "thing", "z"])).contains("\"bin/thing\" in it is not a folder"));
    for name in ["", ".", "..", "/", "met"] {
        assert!(refusal(read(&[name])).contains("there is no"), "{name:?}");
    }
}

/// Fails after so many bytes.
struct Failing(Cursor<Vec<u8>>, usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 = self.1.checked_sub(count).ok_or_else(|| io::Error::other("broken disk"))?;
        Ok(count)
    }
}

impl Seek for Failing {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.0.seek(position)
    }
}

#[test]
fn an_error_of_the_disk_is_no_fault_of_the_image() {
    for after in [0, 95, 96, 200, 300] {
        let error = read_file(&mut Failing(Cursor::new(image()), after), &YAML, CAP).unwrap_err();
        assert!(matches!(&error, ReadError::Io(source) if source.to_string() == "broken disk"), "{after}: {error:?}");
    }
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read_yaml(&bytes).is_err());
        let mut image = image();
        let end = image.len().min(96 + bytes.len());
        image[96..end].copy_from_slice(&bytes[..end - 96]);
        let _ = read_yaml(&image);
        image[8..96].iter_mut().zip(bytes).for_each(|(byte, noise)| *byte = noise);
        let _ = read_yaml(&image);
    }

    #[test]
    fn flipped_bits_never_panic(flips in prop::collection::vec((0..1500_usize, 0..8_u8), 1..20)) {
        let mut image = image();
        for (at, bit) in flips {
            image[at] ^= 1 << bit;
        }
        if let Ok(content) = read_yaml(&image) {
            prop_assert!(content.len() as u64 <= CAP);
        }
    }

    #[test]
    fn what_is_written_is_read(sizes in prop::collection::vec(0..300_000_u64, 0..5), seed in any::<u64>()) {
        let payload = |size| Payload::Pseudorandom { size, seed };
        let add = |spec: SnapSpec, (number, size): (usize, &u64)| spec.with_file(&format!("f/{number}"), payload(*size));
        let spec = sizes.iter().enumerate().fold(SnapSpec::new("thing", "1"), add);
        let mut image = Cursor::new(build_snap(&spec).unwrap());
        for file in &spec.files {
            let path: Vec<&str> = file.path.split('/').collect();
            let mut expected = Vec::new();
            file.content.reader().read_to_end(&mut expected).unwrap();
            prop_assert!(read_file(&mut image, &path, 300_000).unwrap() == expected);
        }
    }
}

/// The paths of all entries.
fn walked(image: &[u8]) -> Result<Vec<String>, ReadError> {
    let (mut paths, caps) = (Vec::new(), ArchiveCaps { entries: 1000, bytes: 1 << 20 });
    walk_squashfs(&mut Cursor::new(image), caps, &mut |entry, content| {
        io::copy(content, &mut io::sink())?;
        paths.push(entry.path.clone());
        Ok(())
    })?;
    Ok(paths)
}

#[test]
fn a_walk_goes_into_each_folder() {
    assert_eq!(walked(&image()).unwrap(), ["/bin", "/bin/thing", "/meta", "/meta/snap.yaml"]);
}

#[test]
fn a_folder_that_is_in_itself_ends_the_walk() {
    // The listing of the root begins with a header; the first entry's inode is 32 bytes in.
    let root_listing = 54;
    let itself = patched(&From::Listings, root_listing + 12, &136_u16.to_le_bytes());
    let told = refusal(walked(&itself));
    assert!(told.contains("more than 64 deep"), "{told}");
}

proptest! {
    #[test]
    fn a_walk_never_panics(place in 0..4096_usize, byte: u8) {
        let mut image = image();
        let place = place % image.len();
        image[place] = byte;
        let _ = walked(&image);
    }
}
