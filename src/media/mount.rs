//! Checks that a folder is on a mounted medium, before a command writes something for somebody to carry.
//!
//! A stick that is not mounted leaves its mount point behind, an ordinary folder of the root disk. statx(2) says whether a folder
//! is the root of a mount (`STATX_ATTR_MOUNT_ROOT`, since Linux 5.8); `/proc/self/mountinfo` says it for older kernels. Comparing
//! `st_dev` with the parent's would not do: a bind mount may have the same device, and a btrfs subvolume that is no mount has
//! another one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};

use super::device::mount_points;

/// Folders below which media are mounted (hier(7), udisks(8)). A mount above them is no medium: /run is a tmpfs.
const PLACES: [&str; 3] = ["/media", "/mnt", "/run/media"];

/// The check that output goes to a mounted medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountCheck {
    /// Refuses an ordinary folder.
    #[default]
    Enforced,
    /// Accepts any folder: the user said so.
    Skipped,
}

/// The folder is on no medium.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing is mounted at {}: what is written there would stay on this machine. Mount the medium first; for a folder that is \
     carried in another way, give --allow-folder", path.display()
)]
pub struct NotMounted {
    /// The folder.
    pub path: PathBuf,
}

impl MountCheck {
    /// Refuses a copy to a folder that is neither the root of a mounted file system nor on a medium below one of the folders for
    /// media. The root file system is no medium.
    pub fn target(self, folder: &Path) -> Result<(), NotMounted> {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let is_medium = real != Path::new("/") && is_mount_point(&real);
        match self == Self::Skipped || is_medium || below_a_place(&real).is_some_and(|place| is_mounted(&real, place)) {
            true => Ok(()),
            false => Err(NotMounted { path: folder.to_owned() }),
        }
    }

    /// Refuses output below a folder for media if nothing is mounted there. Elsewhere any folder will do; it need not exist.
    pub fn output(self, path: &Path) -> Result<(), NotMounted> {
        let real = real_path(path);
        match below_a_place(&real) {
            Some(place) if self == Self::Enforced && !is_mounted(&real, place) => {
                Err(NotMounted { path: path.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// The folder for media that `path` is below.
fn below_a_place(path: &Path) -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|place| path.starts_with(place))
}

/// Returns true if `path`, or a folder above it up to `place`, is the root of a mounted file system.
fn is_mounted(path: &Path, place: &Path) -> bool {
    path.ancestors().take_while(|folder| folder.starts_with(place)).any(is_mount_point)
}

/// The path without links, of which the last parts need not exist.
fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    let real = there.and_then(|(folder, real)| Some(real.join(path.strip_prefix(folder).ok()?)));
    real.unwrap_or(path)
}

fn is_mount_point(folder: &Path) -> bool {
    let asked = rustix::fs::statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    match asked {
        Ok(found) if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        _ => listed().is_ok_and(|points| points.iter().any(|point| point == folder)),
    }
}

fn listed() -> io::Result<Vec<PathBuf>> {
    Ok(mount_points(&fs::read_to_string("/proc/self/mountinfo")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_and_mountinfo_name_the_same_mount_points() {
        assert!(is_mount_point(Path::new("/proc")) && listed().unwrap().contains(&PathBuf::from("/proc")));
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_mount_point(dir.path()) && !is_mount_point(&dir.path().join("missing")));
    }

    #[test]
    fn an_ordinary_folder_and_the_root_are_no_targets() {
        let dir = tempfile::tempdir().unwrap();
        for folder in [dir.path(), Path::new("/"), Path::new("/proc/self")] {
            assert!(MountCheck::Enforced.target(folder).is_err(), "{}", folder.display());
            assert!(MountCheck::Skipped.target(folder).is_ok(), "{}", folder.display());
        }
        assert!(MountCheck::Enforced.target(Path::new("/proc")).is_ok());
    }

    #[test]
    fn output_is_refused_only_below_folders_for_media() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/mnt", &link).unwrap();
        let missing = "gapferry-test-of-a-medium-that-is-not-mounted/a";
        for folder in ["/media", "/mnt", "/run/media"].map(|place| Path::new(place).join(missing)) {
            assert_eq!(
                MountCheck::Enforced.output(&folder).is_err(),
                !is_mounted(&folder, folder.ancestors().nth(2).unwrap())
            );
            assert!(MountCheck::Skipped.output(&folder).is_ok(), "{}", folder.display());
        }
        assert!(MountCheck::Enforced.output(&dir.path().join(missing)).is_ok());
        assert_eq!(real_path(&link.join(missing)), Path::new("/mnt").join(missing));
    }
}
