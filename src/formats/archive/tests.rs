use std::io::{self, Read};

use proptest::prelude::*;

use super::*;
use crate::formats::{ReadError, refusal};

/// A header and a content, whatever the header says of its length.
fn member(name: &[u8], kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o104_755);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(7);
    header.set_username("root").unwrap();
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    member(name, b'0', content.len() as u64, content)
}

/// The entries of an archive with their contents.
fn entries_of(bytes: impl Read, caps: ArchiveCaps) -> Result<Vec<(ArchiveEntry, Vec<u8>)>, ReadError> {
    let mut found = Vec::new();
    walk_tar(bytes, EntryPlace::Payload, caps, &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        found.push((entry.clone(), bytes));
        Ok(())
    })?;
    Ok(found)
}

const CAPS: ArchiveCaps = ArchiveCaps { entries: 100, bytes: 1 << 20 };

fn paths(bytes: &[u8]) -> Result<Vec<String>, ReadError> {
    Ok(entries_of(bytes, CAPS)?.into_iter().map(|(entry, _)| entry.path).collect())
}

#[test]
fn entries_have_modes_owners_and_contents() {
    let archive = [file(b"./usr/bin/su", b"content"), member(b"./link", b'2', 0, b""), vec![0; 1024]].concat();
    let found = entries_of(&archive[..], CAPS).unwrap();
    let (entry, content) = &found[0];
    assert_eq!((entry.path.as_str(), entry.mode, entry.owner.as_str()), ("/usr/bin/su", 0o4755, "root:7"));
    assert_eq!((entry.kind, content.as_slice()), (EntryKind::File, &b"content"[..]));
    assert_eq!(found[1].0.kind, EntryKind::SymbolicLink);
}

#[test]
fn agrees_with_the_crate_on_long_names_and_pax_headers() {
    let mut builder = tar::Builder::new(Vec::new());
    let name = "a/".repeat(90) + "end";
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    builder.append_data(&mut header, &name, &b"abc"[..]).unwrap();
    let pax = "o/".repeat(100) + "x";
    builder.append_pax_extensions([("path", pax.as_bytes()), ("size", &b"4"[..])]).unwrap();
    let mut archive = builder.into_inner().unwrap();
    archive.truncate(archive.len() - 1024);
    archive.extend(member(b"short", b'0', 0, b"long"));
    let found = entries_of(&archive[..], CAPS).unwrap();
    assert_eq!(found[0].0.path, format!("/{name}"));
    assert_eq!((found[1].0.path.clone(), found[1].1.as_slice()), (format!("/{pax}"), &b"long"[..]));
}

#[test]
fn names_are_shown_and_lead_nowhere() {
    let archive = [
        file(b"../../etc/passwd", b""),
        file(b"/abs//./x", b""),
        file(b"esc\x1b[2J\xff", b""),
        member(b"", b'5', 0, b""),
    ]
    .concat();
    assert_eq!(paths(&archive).unwrap(), ["/../../etc/passwd", "/abs/x", "/esc\u{1b}[2J\u{fffd}", "/"]);
}

#[test]
fn sizes_that_lie_are_refused() {
    for (archive, words) in [
        (member(b"a", b'0', 5000, b"short"), "ends in the middle"),
        (member(b"a", b'0', u64::MAX >> 1, b"short"), "ends in the middle"),
        (member(b"a", b'1', 512, &[0; 512]), "with content"),
        (member(b"a", b'2', 512, &[0; 512]), "with content"),
        (member(b"a", b'5', 512, &[0; 512]), "with content"),
        (member(b"a/", b'0', 512, &[0; 512]), "with content"),
        (member(b"a", b'Q', 0, b""), "unknown type"),
        (member(b"a", b'L', 9 << 10, &[b'a'; 9 << 10]), "more than 8192 bytes"),
        (member(b"a", b'x', 8 << 30, b""), "more than 1048576 bytes"),
        ([member(b"a", b'g', 13, b"13 path=/etc\n"), file(b"b", b"")].concat(), "for all entries"),
        (file(b"a", b"")[..100].to_vec(), "ends in the middle"),
        ([&file(b"a", b"")[..10], &[b'!'; 502]].concat(), "header"),
    ] {
        assert!(refusal(paths(&archive)).contains(words), "{words}");
    }
    let long = [member(b"", b'L', 5000, &[b'a'; 5000]), file(b"b", b"")].concat();
    assert!(refusal(paths(&long)).contains("path of more than 4096"), "a path that no system opens");
}

#[test]
fn endless_entries_and_bombs_stop_at_the_caps() {
    let one = file(b"a", b"");
    let endless = io::Cursor::new(one.repeat(101));
    assert!(refusal(entries_of(endless, CAPS)).contains("more than the 100 entries"));
    let zeros = member(b"zeros", b'0', 8 << 30, b"").into_iter().take(512).collect::<Vec<_>>();
    let bomb = io::Cursor::new(zeros).chain(io::repeat(0));
    let told = entries_of(bomb, CAPS).unwrap_err();
    assert!(told.to_string().contains("cannot read") || told.to_string().contains("unpacks to more"), "{told}");
    let ignored = walk_tar(
        io::Cursor::new(member(b"zeros", b'0', 8 << 30, b"")).chain(io::repeat(0)),
        EntryPlace::Payload,
        CAPS,
        &mut |_, _| Ok(()),
    );
    assert!(ignored.is_err(), "content that nobody reads counts, too");
}

#[test]
fn caps_rise_with_what_is_stored() {
    assert_eq!(ArchiveCaps::of_stored(0).bytes, 64 << 20);
    assert_eq!(ArchiveCaps::of_stored(1 << 20).bytes, (64 << 20) + (1000 << 20));
    assert_eq!(ArchiveCaps::of_stored(u64::MAX).bytes, 64 << 30);
}

/// An entry of newc.
fn newc(name: &[u8], size: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"070701".to_vec();
    for field in [0, 0o100_755, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u64 + 1, 0] {
        bytes.extend(format!("{field:08x}").bytes());
    }
    for part in [&[name, b"\0"].concat(), content] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn cpio(archive: &[u8], sizes: &[u64]) -> Result<Vec<(CpioEntry, Vec<u8>)>, ReadError> {
    let mut found = Vec::new();
    walk_cpio(archive, CAPS, sizes, &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        found.push((entry.clone(), bytes));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn both_forms_of_cpio_are_read() {
    let end = newc(b"TRAILER!!!", 0, b"");
    let named = |path: &[u8], size| CpioEntry::Named { path: path.to_vec(), size };
    let archive = [newc(b"./a", 5, b"hello"), newc(b"./bc", 0, b""), end.clone()].concat();
    let wanted = [(named(b"./a", 5), b"hello".to_vec()), (named(b"./bc", 0), Vec::new())];
    assert_eq!(cpio(&archive, &[]).unwrap(), wanted);
    let numbered = [b"07070X00000001\0\0abc\0", end.as_slice()].concat();
    assert_eq!(cpio(&numbered, &[9, 3]).unwrap(), [(CpioEntry::Numbered(1), b"abc".to_vec())]);
    assert!(cpio(&numbered, &[9]).is_err(), "there is no file of this number");
}

#[test]
fn broken_cpio_is_refused() {
    let end = newc(b"TRAILER!!!", 0, b"");
    for archive in [
        Vec::new(),
        b"070707".to_vec(),
        newc(b"a", 0, b""),
        [newc(b"a", 100, b"short"), end.clone()].concat(),
        [newc(b"a", u64::from(u32::MAX), b""), end.clone()].concat(),
        [newc(&[b'a'; 5000], 0, b""), end.clone()].concat(),
        [newc(b"a\0b", 0, b""), end.clone()].concat(),
        [newc(b"a", 0, b"").repeat(200), end.clone()].concat(),
        newc(b"a", 0, b"").iter().map(|byte| if *byte == b'1' { b'+' } else { *byte }).collect(),
    ] {
        assert!(cpio(&archive, &[]).is_err(), "{:?}", &archive[..archive.len().min(120)]);
    }
}

proptest! {
    #[test]
    fn cpio_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..600), place in 0..120_usize, byte: u8) {
        let _ = cpio(&noise, &[1]);
        let mut archive = [newc(b"a", 5, b"hello"), newc(b"TRAILER!!!", 0, b"")].concat();
        archive[place] = byte;
        let _ = cpio(&archive, &[1]);
    }

    #[test]
    fn noise_never_panics(
        noise in proptest::collection::vec(any::<u8>(), 0..2048),
        place in 0..512_usize,
        byte: u8,
    ) {
        let _ = entries_of(&noise[..], CAPS);
        let mut archive = [file(b"a", b"content"), noise].concat();
        archive[place] = byte;
        let _ = entries_of(&archive[..], CAPS);
    }

    #[test]
    fn reads_what_the_crate_writes(
        files in proptest::collection::vec(("[a-z]{1,8}(/[a-z]{1,90}){0,4}", proptest::collection::vec(any::<u8>(), 0..1200)), 0..6),
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        let found = entries_of(&archive[..], CAPS).unwrap();
        let found: Vec<(String, Vec<u8>)> = found.into_iter().map(|(entry, content)| (entry.path, content)).collect();
        let wanted: Vec<(String, Vec<u8>)> = files.into_iter().map(|(name, content)| (format!("/{name}"), content)).collect();
        prop_assert_eq!(found, wanted);
    }
}
