//! What the system says of the device that a folder is on: for the sheet and the audit logs, never for a decision.
//!
//! The mount is looked up in `/proc/self/mountinfo` (proc_pid_mountinfo(5)); its source has links in `/dev/disk/by-label` and
//! `by-uuid`, and the device's properties are in `/sys/dev/block/MAJOR:MINOR` and the folders above it (sysfs(5)). What cannot
//! be told is left out: a tmpfs has none of it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::terminal::safe;
use crate::units::Bytes;

/// The longest text that is taken from a device, in characters.
const MAX_TEXT: usize = 64;

/// What the system says of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The label of the file system.
    pub label: Option<String>,
    /// The kind of file system, such as `exfat`.
    pub file_system: Option<String>,
    /// The id of the file system, such as `4A21-0B3C`.
    pub id: Option<String>,
    /// The model of the device.
    pub model: Option<String>,
    /// The serial number of the device.
    pub serial: Option<String>,
    /// The size of the device or partition, in bytes.
    pub capacity: Option<u64>,
}

impl Device {
    /// What the system says of the device that `folder` is on.
    pub fn of(folder: &Path) -> Self {
        Self::below(Path::new("/"), folder)
    }

    fn below(root: &Path, folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        let Some(mount) = mount_of(&mounts, &folder) else { return Self::default() };
        let block = root.join(mount.source.trim_start_matches('/'));
        let number = match fs::metadata(&block) {
            Ok(data) if data.file_type().is_block_device() => {
                format!("{}:{}", rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev()))
            }
            _ => mount.number,
        };
        let sys = root.join("sys/dev/block").join(number).canonicalize().ok();
        let number_in = |name: &str| read(&sys.as_ref()?.join(name))?.parse::<u64>().ok();
        Self {
            label: link_to(&root.join("dev/disk/by-label"), &block),
            file_system: text(&mount.kind),
            id: link_to(&root.join("dev/disk/by-uuid"), &block),
            model: sys.as_deref().and_then(|sys| above(sys, &["device/model", "device/name"])),
            serial: sys.as_deref().and_then(|sys| above(sys, &["device/serial", "serial"])),
            capacity: number_in("size").and_then(|sectors| sectors.checked_mul(512)), // always of 512 bytes there
        }
    }

    /// Drops what the page cache remembers of the device that `folder` is on. File systems in user space, such as exfat-fuse, read
    /// through that cache, whatever is asked of their files. Only who may read the device can do so; others pull the medium.
    pub(super) fn drop_cache(folder: &Path) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Some(mount) = mount_of(&mounts, &folder) else { return };
        let is_block = fs::metadata(&mount.source).is_ok_and(|data| data.file_type().is_block_device());
        if let Some(device) = is_block.then(|| fs::File::open(&mount.source).ok()).flatten() {
            let _ = device.sync_all(); // dirty pages stay; whether the medium has them is what is read then
            let _ = rustix::fs::fadvise(&device, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    /// One line of what is known.
    pub fn description(&self) -> String {
        let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
        let known = [
            named("label", &self.label),
            named("model", &self.model),
            named("serial", &self.serial),
            self.capacity.map(|bytes| format!("capacity {}", Bytes(bytes))),
            named("file system", &self.file_system),
            named("id", &self.id),
        ];
        let known: Vec<String> = known.into_iter().flatten().collect();
        if known.is_empty() { "a device of which the system says nothing".to_owned() } else { known.join(", ") }
    }
}

/// Text from outside, cut and made harmless; none if nothing is left.
pub fn text(raw: &str) -> Option<String> {
    let harmless = safe(raw.trim()).to_string().chars().take(MAX_TEXT).collect::<String>();
    (!harmless.is_empty()).then_some(harmless)
}

struct Mount {
    number: String,
    kind: String,
    source: String,
}

/// All mount points of a mountinfo.
pub(super) fn mount_points(mounts: &str) -> Vec<PathBuf> {
    let point = |line: &str| Some(PathBuf::from(plain(line.split(' ').nth(4)?, '\\', 8, 3)));
    mounts.lines().filter_map(point).collect()
}

/// The mount that `folder` is on: the last of those with the longest mount point.
fn mount_of(mounts: &str, folder: &Path) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (mut left, mut right) = (left.split(' ').skip(2), right.split(' '));
        let (Some(number), Some(point)) = (left.next(), left.nth(1)) else { continue };
        let (Some(kind), Some(source)) = (right.next(), right.next()) else { continue };
        let point = PathBuf::from(plain(point, '\\', 8, 3));
        let length = point.components().count();
        if folder.starts_with(&point) && best.as_ref().is_none_or(|(longest, _)| length >= *longest) {
            let [number, kind] = [number, kind].map(str::to_owned);
            best = Some((length, Mount { number, kind, source: plain(source, '\\', 8, 3) }));
        }
    }
    best.map(|(_, mount)| mount)
}

/// Takes escapes such as `\040` (mountinfo) or `\x20` (udev) out of a text.
fn plain(text: &str, mark: char, radix: u32, digits: usize) -> String {
    let mut pieces = text.split(mark);
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let number = piece.trim_start_matches(if radix == 16 { "x" } else { "" });
        let value = number.get(..digits).and_then(|digits| u8::from_str_radix(digits, radix).ok());
        match value.zip(number.get(digits..)) {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend(rest.bytes());
            }
            None => bytes.extend(format!("{mark}{piece}").bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The name of the link in `folder` that leads to `device`.
fn link_to(folder: &Path, device: &Path) -> Option<String> {
    let device = device.canonicalize().ok()?;
    let links = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut ours = links.filter(|link| link.canonicalize().is_ok_and(|target| target == device));
    text(&plain(ours.next()?.file_name()?.to_str()?, '\\', 16, 2))
}

/// The first of the files `names` in `folder` or those above it.
fn above(folder: &Path, names: &[&str]) -> Option<String> {
    folder.ancestors().take(12).find_map(|folder| names.iter().find_map(|name| text(&read(&folder.join(name))?)))
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_stick_is_described() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let medium = root.join("media/my stick");
        for folder in ["proc/self", "dev/disk/by-label", "dev/disk/by-uuid", "sys/dev/block", "media/my stick/b"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("dev/sdb1"), "").unwrap();
        symlink("../../sdb1", root.join("dev/disk/by-label/STICK\\x20A")).unwrap();
        symlink("../../sdb1", root.join("dev/disk/by-uuid/4A21-0B3C")).unwrap();
        let partition = root.join("sys/devices/usb1/1-1/host/block/sdb/sdb1");
        fs::create_dir_all(root.join("sys/devices/usb1/1-1/host/block/sdb/device")).unwrap();
        fs::create_dir(&partition).unwrap();
        fs::write(partition.join("size"), "2048\n").unwrap();
        fs::write(partition.join("../device/model"), "Ultra\x1b[2J Fit  \n").unwrap();
        fs::write(root.join("sys/devices/usb1/1-1/serial"), "0".repeat(200)).unwrap();
        symlink(&partition, root.join("sys/dev/block/8:17")).unwrap();
        let point = medium.to_str().unwrap().replace(' ', "\\040");
        let lines = format!(
            "1 0 0:5 / / rw - ext4 /dev/root rw\n2 1 8:17 / {point} rw,nosuid shared:1 - exfat /dev/sdb1 rw\nnonsense\n"
        );
        fs::write(root.join("proc/self/mountinfo"), lines).unwrap();
        let device = Device::below(root, &medium.join("b"));
        let expected = Device {
            label: Some("STICK A".into()),
            file_system: Some("exfat".into()),
            id: Some("4A21-0B3C".into()),
            model: Some("Ultra\\u{1b}[2J Fit".into()),
            serial: Some("0".repeat(64)),
            capacity: Some(1 << 20),
        };
        assert_eq!(device, expected);
        assert!(device.description().starts_with("label STICK A, model Ultra"), "{}", device.description());
        assert_eq!(Device::below(root, Path::new("/elsewhere")).id, None);
    }
}
