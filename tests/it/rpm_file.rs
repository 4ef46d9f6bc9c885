//! RPM packages as files: our walk against `rpm` and `rpmbuild`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::digest::Sha256;
use gapferry::formats::ReadError;
use gapferry::formats::archive::{ArchiveEntry, EntryKind, EntryPlace};
use gapferry::formats::rpm::walk_rpm;

use crate::support::desk::end;

const SPEC: &str = "Name: thing\nVersion: 1\nRelease: 1\nSummary: Test\nLicense: MIT\nBuildArch: noarch\n%description\nTest.\n%install\n\
    mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/lib/systemd/system %{buildroot}/var/log\n\
    echo run > %{buildroot}/usr/bin/run\necho ping > %{buildroot}/usr/bin/ping\nln %{buildroot}/usr/bin/run %{buildroot}/usr/bin/second\n\
    ln -s run %{buildroot}/usr/bin/link\necho unit > %{buildroot}/usr/lib/systemd/system/thing.service\ntouch %{buildroot}/var/log/thing\n\
    %post\necho installed\n%preun -p /sbin/ldconfig\n%files\n%attr(4755, root, daemon) /usr/bin/run\n%attr(4755, root, daemon) /usr/bin/second\n\
    %caps(cap_net_raw=ep) /usr/bin/ping\n/usr/bin/link\n/usr/lib/systemd/system/thing.service\n%ghost /var/log/thing\n";

/// Builds the package of [`SPEC`] with a payload of this compression.
pub(crate) fn build(folder: &Path, payload: &str) -> PathBuf {
    fs::write(folder.join("thing.spec"), SPEC).unwrap();
    let mut build = Command::new("rpmbuild");
    for define in [
        format!("_topdir {}", folder.join("build").display()),
        format!("_rpmdir {}", folder.display()),
        "_build_name_fmt thing.rpm".to_owned(),
        format!("_binary_payload {payload}"),
    ] {
        build.arg("--define").arg(define);
    }
    end(build.args(["--quiet", "-bb"]).arg(folder.join("thing.spec")).env("HOME", folder)).ok();
    folder.join("thing.rpm")
}

/// All entries, with the digests of their contents.
fn walked(package: &[u8]) -> Result<Vec<(ArchiveEntry, Sha256)>, ReadError> {
    let mut entries = Vec::new();
    walk_rpm(&mut Cursor::new(package), &mut |entry, content| {
        entries.push((entry.clone(), Sha256::of_reader(&mut { content })?.0));
        Ok(())
    })?;
    Ok(entries)
}

#[test]
fn a_walk_finds_what_rpm_lists_in_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    for payload in ["w1.gzdio", "w1.xzdio", "w1.zstdio", "w1.bzdio"] {
        let package = build(folder.path(), payload);
        let format = "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILECAPS}\\n]";
        let listed = end(Command::new("rpm").args(["-qp", "--queryformat", format]).arg(&package)).ok().out;
        let mut wanted: Vec<&str> = listed.lines().map(str::trim_end).collect();
        wanted.sort_unstable();
        let entries = walked(&fs::read(&package).unwrap()).unwrap();
        let (scripts, files): (Vec<_>, Vec<_>) =
            entries.iter().partition(|(entry, _)| entry.place == EntryPlace::Control);
        let line = |entry: &ArchiveEntry| {
            let kind = if entry.kind == EntryKind::SymbolicLink { "12" } else { "10" };
            let line = format!("{} {kind}{:04o} {}", entry.path, entry.mode, entry.owner);
            format!("{line} {}", entry.capabilities.as_deref().unwrap_or_default()).trim_end().to_owned()
        };
        let mut found: Vec<String> = files.iter().map(|(entry, _)| line(entry)).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{payload}");
        assert!(listed.contains("104755 root:daemon") && listed.contains("cap_net_raw"), "{listed}");
        let contents: BTreeMap<&str, Sha256> =
            files.iter().map(|(entry, digest)| (entry.path.as_str(), *digest)).collect();
        assert_eq!(contents["/usr/lib/systemd/system/thing.service"], Sha256::of(b"unit\n"));
        let scripts: Vec<_> = scripts.iter().map(|(entry, digest)| (entry.path.as_str(), *digest)).collect();
        assert_eq!(
            scripts,
            [("%post", Sha256::of(b"/bin/sh\necho installed")), ("%preun", Sha256::of(b"/sbin/ldconfig"))]
        );
    }
}

#[test]
fn broken_packages_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let package = fs::read(build(folder.path(), "w1.gzdio")).unwrap();
    let mut number = 7_u32;
    for _ in 0..3000 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (mut broken, place) = (package.clone(), number as usize % package.len());
        broken[place] ^= 1 << (number >> 29);
        let _ = walked(&broken);
        let _ = walked(&package[..place]);
    }
    assert!(walked(b"").is_err() && walked(&[0; 200]).is_err());
}
