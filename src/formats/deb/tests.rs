use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::formats::{ReadError, refusal};
use crate::samples::{DebSpec, SampleCompression, build_deb};

fn sample(packing: SampleCompression) -> Vec<u8> {
    build_deb(&DebSpec { packing, ..DebSpec::new("thing", "1:2.0~rc1-3", "amd64") }).unwrap()
}

fn read(deb: &[u8]) -> Result<Control, ReadError> {
    read_control(&mut Cursor::new(deb))
}

/// Name, type and content.
type TarEntry<'a> = (&'a str, tar::EntryType, &'a [u8]);

/// A .deb around a control.tar with these entries.
fn with_entries(entries: &[TarEntry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    [&b"!<arch>\n"[..], &member("debian-binary", b"2.0\n"), &member("control.tar", &tar), &member("data.tar", b"")]
        .concat()
}

fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, &content.len().to_string());
    bytes.extend(content);
    if content.len() % 2 == 1 {
        bytes.push(b'\n');
    }
    bytes
}

fn header(name: &str, size: &str) -> Vec<u8> {
    format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100644).into_bytes()
}

const GOOD: &[u8] = b"Package: thing\nVersion: 1\nArchitecture: all\n";

#[test]
fn every_compression_is_read() {
    for packing in [SampleCompression::Plain, SampleCompression::Gzip, SampleCompression::Xz, SampleCompression::Zstd] {
        let control = read(&sample(packing)).unwrap();
        assert_eq!((control.package(), control.version(), control.architecture()), ("thing", "1:2.0~rc1-3", "amd64"));
        assert_eq!(control.field("section"), Some("misc"));
        assert!(control.field("description").unwrap().ends_with("it does nothing."));
    }
}

#[test]
fn the_payload_is_not_read_but_must_be_there() {
    let deb = with_entries(&[("./control", tar::EntryType::Regular, GOOD)]);
    let start = deb.len() - HEADER;
    let claims = [&deb[..start], &header("data.tar.xz", "1000")].concat();
    assert!(refusal(read(&claims)).contains("goes past the end"));
    assert!(read(&[claims, vec![0; 1000]].concat()).is_ok());
    assert!(refusal(read(&deb[..start])).contains("stands where"));
    assert!(read(&[deb, member("extra", b"ignored after data.tar")].concat()).is_ok());
}

const HEADER: usize = 60;

#[test]
fn hostile_ar_headers_are_refused() {
    let good = [&b"!<arch>\n"[..], &member("debian-binary", b"2.0\n")].concat();
    for size in ["-1", "+4", "", "4 4", "0x10", "99999999999", "9999999999", "4\0"] {
        let deb = [good.as_slice(), &header("control.tar", size), &[0; 2048]].concat();
        assert!(
            ["malformed ar header", "goes past the end"].iter().any(|words| refusal(read(&deb)).contains(words)),
            "{size}"
        );
    }
    for name in ["", "#1/20", "/", "control.tar.lz4", "control\u{e9}.tar", "data.tar"] {
        let deb = [good.as_slice(), &member(name, b"")].concat();
        assert!(
            ["malformed ar header", "stands where"].iter().any(|words| refusal(read(&deb)).contains(words)),
            "{name}"
        );
    }
    let padded = [&good[..], &member("_odd", b"123")[..63], b"x", &member("control.tar", b"")].concat();
    assert!(refusal(read(&padded)).contains("malformed ar header"));
    for version in ["3.0\n", "2.\n", "2.0", "2.0x\n", ""] {
        let deb = [&b"!<arch>\n"[..], &member("debian-binary", version.as_bytes())].concat();
        assert!(refusal(read(&deb)).contains("not version 2 of deb"), "{version}");
    }
}

#[test]
fn members_with_an_underscore_are_stepped_over() {
    let deb = with_entries(&[("control", tar::EntryType::Regular, GOOD)]);
    let at = 8 + HEADER + 4;
    let with = |count| [&deb[..at], &member("_note", b"odd").repeat(count), &deb[at..]].concat();
    assert!(read(&with(8)).is_ok());
    assert!(refusal(read(&with(9))).contains("stands where"));
}

#[test]
fn only_one_regular_control_file_counts() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    type Judge = fn(&ReadError) -> bool;
    let cases: [(&[TarEntry<'_>], Judge); 6] = [
        (&[("./md5sums", Regular, b""), ("./x/control", Regular, GOOD)], |e| {
            e.to_string().contains("has no file \"control\"")
        }),
        (&[("./control", Regular, GOOD), (".//control", Regular, GOOD)], |e| {
            e.to_string().contains("more than one entry")
        }),
        (&[("./control", Symlink, b"")], |e| e.to_string().contains("not a regular file")),
        (&[("./control", Regular, GOOD), ("control", Link, b"")], |e| e.to_string().contains("not a regular file")),
        (&[("./control/", Directory, b"")], |e| e.to_string().contains("not a regular file")),
        (&[("./x/../control", Regular, GOOD)], |e| e.to_string().contains("\"..\"")),
    ];
    for (entries, is_expected) in cases {
        let error = read(&with_entries(entries)).unwrap_err();
        assert!(is_expected(&error), "{error:?}");
    }
    let link_elsewhere = [("./postinst", Symlink, &b""[..]), ("./control", Regular, GOOD)];
    assert!(read(&with_entries(&link_elsewhere)).is_ok());
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; MAX_CONTROL_TAR_BYTES as usize + 1];
    for (suffix, packing) in
        [(".gz", SampleCompression::Gzip), (".xz", SampleCompression::Xz), (".zst", SampleCompression::Zstd)]
    {
        let bomb = member(&format!("control.tar{suffix}"), &packing.pack(&zeros).unwrap());
        let deb = [&b"!<arch>\n"[..], &member("debian-binary", b"2.0\n"), &bomb, &member("data.tar", b"")].concat();
        assert!(refusal(read(&deb)).contains("cannot unpack its control.tar: it holds more than"), "{suffix}");
    }
    let long = [GOOD, b"Provides: ", &vec![b'a'; MAX_CONTROL_BYTES as usize]].concat();
    let deb = with_entries(&[("./control", tar::EntryType::Regular, &long)]);
    assert!(refusal(read(&deb)).contains("is larger than"));
}

#[test]
fn malformed_control_files_are_refused() {
    let with = |name: &str, value: &str| {
        let mut fields = [("Package", "thing"), ("Version", "1"), ("Architecture", "all")];
        if let Some(field) = fields.iter_mut().find(|field| field.0 == name) {
            field.1 = value;
        }
        fields.map(|(name, value)| format!("{name}: {value}\n")).concat()
    };
    for name in ["a", "Thing", "-x", "a_b", "../x", "", "a b"] {
        assert!(Control::parse(with("Package", name).as_bytes()).is_err(), "{name}");
    }
    for version in ["", "a1", "1:", ":1", "-1:1", "+1:1", "9999999999:1", "1-", "1_2", "1/2", "1:2:3", "1 2"] {
        assert!(Control::parse(with("Version", version).as_bytes()).is_err(), "{version}");
    }
    for architecture in ["", "any", "source", "amd64 i386", "../x", "AMD64"] {
        assert!(Control::parse(with("Architecture", architecture).as_bytes()).is_err(), "{architecture}");
    }
    let good = str::from_utf8(GOOD).unwrap();
    for text in [
        "".to_owned(),
        format!("\n{good}"),
        format!(" go on\n{good}"),
        format!("{good}\nPackage: second\n"),
        format!("{good} \nSection: x\n"),
        format!("{good}package: again\n"),
        format!("{good}no colon\n"),
        format!("{good}: empty\n"),
        format!("{good}# comment: x\n"),
        format!("{good}A b: x\n"),
        format!("{good}Section: x\r\n"),
        format!("{good}Section: \u{1b}[2J\n"),
        "Package: thing\nVersion: 1\n".to_owned(),
    ] {
        assert!(Control::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(refusal(Control::parse(b"Package: \xff")).contains("not UTF-8"));
    assert_eq!(Control::parse(&[GOOD, b"\n\n"].concat()).unwrap().text().as_bytes(), GOOD);
}

#[test]
fn a_stanza_has_our_digest_and_not_the_packages_own() {
    let text = [GOOD, b"SHA256: lie\n and more of it\nsize: 1\nDescription: x\n y\nFilename: ../../x\n"].concat();
    let control = Control::parse(&text).unwrap();
    let path = "pool/thing_1_all.deb".parse().unwrap();
    let digest = crate::digest::Sha256::of(b"");
    let expected = format!(
        "Package: thing\nVersion: 1\nArchitecture: all\nDescription: x\n y\nFilename: {path}\nSize: 12\nSHA256: {digest}\n"
    );
    assert_eq!(packages_stanza(&control, &path, 12, digest), expected);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&bytes);
        let _ = read(&[b"!<arch>\n", bytes.as_slice()].concat());
        let _ = Control::parse(&bytes);
        let _ = control_file(&bytes);
    }

    #[test]
    fn mutated_packages_never_panic(
        packing in prop::sample::select(vec![SampleCompression::Plain, SampleCompression::Gzip, SampleCompression::Xz, SampleCompression::Zstd]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut deb = sample(packing);
        for (at, byte) in changes {
            let at = at.index(deb.len());
            deb[at] = byte;
        }
        if let Some(cut) = cut {
            deb.truncate(cut.index(deb.len()));
        }
        let _ = read(&deb);
    }

    #[test]
    fn control_text_is_stable(text in "(Package: ab\nVersion: 1\nArchitecture: all\n)?([A-Za-z-]{1,5}:[ a-z]{0,4}\n|[ \t][a-z]{0,3}\n){0,6}") {
        if let Ok(control) = Control::parse(text.as_bytes()) {
            prop_assert_eq!(Control::parse(control.text().as_bytes()), Ok(control));
        }
    }
}

/// The paths of all entries.
fn walked(deb: &[u8]) -> Result<Vec<String>, ReadError> {
    let mut paths = Vec::new();
    walk_deb(&mut Cursor::new(deb), &mut |entry, _| {
        paths.push(entry.path.clone());
        Ok(())
    })?;
    Ok(paths)
}

#[test]
fn a_walk_finds_control_and_payload_in_every_compression() {
    for packing in [SampleCompression::Plain, SampleCompression::Gzip, SampleCompression::Xz, SampleCompression::Zstd] {
        let paths = walked(&sample(packing)).unwrap();
        let folders = ["/", "/usr", "/usr/share", "/usr/share/gapferry-demo"];
        let wanted = [&["/", "/control"][..], &folders, &["/usr/share/gapferry-demo/thing"]].concat();
        assert_eq!(paths, wanted, "{packing:?}");
    }
}

#[test]
fn a_walk_stops_at_a_payload_that_is_a_bomb_or_no_archive() {
    let with = |name: &str, payload: &[u8]| {
        let deb = with_entries(&[("./control", tar::EntryType::Regular, GOOD)]);
        let start = deb.len() - HEADER;
        [&deb[..start], &member(name, payload)].concat()
    };
    let zeros = liblzma::encode_all(&vec![1; 80 << 20][..], 0).unwrap();
    assert!(walked(&with("data.tar.xz", &zeros)).is_err());
    assert!(refusal(walked(&with("data.tar.lzma", b"x"))).contains("old lzma"));
    assert!(walked(&with("data.tar.xz", b"no xz")).is_err());
    assert!(walked(&with("data.tar", b"no tar")).is_err());
}

proptest! {
    #[test]
    fn a_walk_never_panics(place in 0..2000_usize, byte: u8) {
        let mut deb = sample(SampleCompression::Plain);
        let place = place % deb.len();
        deb[place] = byte;
        let _ = walked(&deb);
    }
}
