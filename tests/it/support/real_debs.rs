//! Packages that dpkg-deb builds, with files of any mode.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::desk::end;

/// A file of a package; of `DEBIAN/` if it belongs to the control data.
#[derive(Clone, Debug)]
pub(crate) struct RealFile {
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

impl RealFile {
    pub(crate) fn new(path: &'static str, mode: u32, content: &str) -> Self {
        Self { path, mode, content: content.as_bytes().to_vec() }
    }
}

/// Builds `NAME_VERSION_all.deb` in `folder`. Returns its path.
pub(crate) fn build_real_deb(folder: &Path, name: &str, version: &str, files: &[RealFile]) -> PathBuf {
    let tree = tempfile::tempdir().unwrap();
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@a.invalid>\nDescription: a\n"
    );
    let control = RealFile { path: "DEBIAN/control", mode: 0o644, content: control.into_bytes() };
    for file in files.iter().chain([&control]) {
        let path = tree.path().join(file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
    }
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder).unwrap();
    let deb = folder.join(format!("{name}_{version}_all.deb"));
    let mut build = Command::new("dpkg-deb");
    // The same files give the same bytes.
    build.env("SOURCE_DATE_EPOCH", "1700000000");
    end(build.args(["--root-owner-group", "-Zxz", "-z1", "--build"]).arg(tree.path()).arg(&deb)).ok();
    deb
}
