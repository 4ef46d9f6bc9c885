//! The reader of .debs against dpkg-deb.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use gapferry::formats::ReadError;
use gapferry::formats::deb::read_control;
use gapferry::upstream::{DebSpec, SampleCompression, build_deb};

use crate::apt_client::{output, run};

fn dpkg_field(deb: &Path, name: &str) -> String {
    run(Command::new("dpkg-deb").arg("-f").arg(deb).arg(name)).trim_end_matches('\n').to_owned()
}

#[test]
fn packages_that_dpkg_deb_builds_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control = "Package: built\nVersion: 1:2.0-1\nArchitecture: amd64\nMaintainer: Zoë <z@example.invalid>\n\
                   Depends: a (>= 1),\n b | c\nDescription: built by dpkg\n .\n with a list:\n  * item\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    fs::write(tree.join("DEBIAN/conffiles"), "").unwrap();
    fs::write(tree.join("file"), vec![7; 10_001]).unwrap();
    for compression in ["-Zgzip", "-Zxz", "-Zzstd", "-Znone"] {
        let deb = dir.path().join("built.deb");
        let build = ["--root-owner-group", "--uniform-compression", compression, "-b"];
        run(Command::new("dpkg-deb").args(build).arg(&tree).arg(&deb));
        let read = read_control(&mut fs::File::open(&deb).unwrap()).unwrap();
        assert_eq!(read.text(), run(Command::new("dpkg-deb").arg("-f").arg(&deb)), "{compression}");
        for (name, value) in
            [("Package", read.package()), ("Version", read.version()), ("Architecture", read.architecture())]
        {
            assert_eq!(value, dpkg_field(&deb, name));
        }
        assert_eq!(read.field("Depends").unwrap().replace('\n', ""), dpkg_field(&deb, "Depends"));
    }
}

#[test]
fn what_we_take_dpkg_deb_takes_with_the_same_fields() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mutated.deb");
    let good =
        build_deb(&DebSpec { packing: SampleCompression::Plain, ..DebSpec::new("thing", "1.0-1", "amd64") }).unwrap();
    let mut taken = 0;
    // Over the ar headers, the headers in control.tar and the control file, one byte at a time.
    for at in (0..2000).step_by(7) {
        let mut deb = good.clone();
        deb[at] ^= 1 << (at % 7);
        let Ok(control) = read_control(&mut Cursor::new(&deb)) else { continue };
        fs::write(&path, &deb).unwrap();
        assert_eq!(dpkg_field(&path, "Package"), control.package(), "byte {at}");
        assert_eq!(dpkg_field(&path, "Version"), control.version(), "byte {at}");
        taken += 1;
    }
    assert!(taken > 20, "{taken}");
}

#[test]
fn what_is_no_package_is_refused_by_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.deb");
    let good = build_deb(&DebSpec::new("thing", "1.0-1", "amd64")).unwrap();
    for bytes in [&b""[..], b"not a package", &good[..40], &good[..200]] {
        fs::write(&path, bytes).unwrap();
        let error = read_control(&mut fs::File::open(&path).unwrap()).unwrap_err();
        assert!(!matches!(error, ReadError::Io(_)), "{error}");
        assert!(!output(Command::new("dpkg-deb").arg("-f").arg(&path)).status.success());
    }
}
