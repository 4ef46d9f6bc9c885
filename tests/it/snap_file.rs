//! Snaps as files: our reader against `mksquashfs` and `unsquashfs`, and the snaps that we make against them and snapd.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::process::Command;

use gapferry::demo::upstream::{Payload, Pseudorandom};
use gapferry::formats::snap::Metadata;
use gapferry::formats::snap::squashfs::{SquashfsError, read_file};

use crate::apt_client::run;

const YAML: &str = "name: made\nversion: 1.10\nsummary: made by mksquashfs\nbase: core24\n";
/// More than any file here.
const CAP: u64 = 8 << 20;

/// What a snap may hold: a large folder `meta`, files of all lengths around those of blocks, holes, links.
fn tree(root: &Path) {
    fs::create_dir_all(root.join("meta/deep/er")).unwrap();
    fs::write(root.join("meta/snap.yaml"), YAML).unwrap();
    for number in 0..2000 {
        let name = format!("meta/{number:04}-{}", "n".repeat(number % 60));
        fs::write(root.join(name), format!("number {number}\n")).unwrap();
    }
    let noise = |size| {
        let mut bytes = vec![0; size];
        Pseudorandom::new(size as u64).read_exact(&mut bytes).unwrap();
        bytes
    };
    for size in [0, 1, 4095, 4096, 4097, 131_071, 131_072, 131_073, 1_000_000] {
        fs::write(root.join(format!("noise-{size}")), noise(size)).unwrap();
        fs::write(root.join(format!("words-{size}")), b"over and over ".repeat(size / 14 + 1).split_at(size).0).unwrap();
    }
    fs::write(root.join("hole"), [vec![1; 5], vec![0; 1_500_000], vec![2; 5]].concat()).unwrap();
    fs::write(root.join("zeros"), vec![0; 3 << 20]).unwrap();
    fs::write(root.join("meta/deep/er/file"), "deep\n").unwrap();
    std::os::unix::fs::symlink("meta", root.join("link")).unwrap();
    std::os::unix::fs::symlink("snap.yaml", root.join("meta/link.yaml")).unwrap();
    fs::hard_link(root.join("noise-4097"), root.join("second-name")).unwrap();
}

fn mksquashfs(tree: &Path, image: &Path, options: &str) {
    let mut command = Command::new("mksquashfs");
    command.arg(tree).arg(image).args(["-noappend", "-no-progress", "-all-root"]);
    run(command.args(options.split_whitespace()));
}

fn unsquashfs_cat(image: &Path, path: &str) -> Vec<u8> {
    let output = Command::new("unsquashfs").arg("-cat").arg(image).arg(path).output();
    let output = output.expect("unsquashfs (package squashfs-tools)");
    assert!(output.status.success(), "unsquashfs -cat {path}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn ours(image: &Path, path: &str) -> Result<Vec<u8>, SquashfsError> {
    let parts: Vec<&str> = path.split('/').collect();
    read_file(&mut fs::File::open(image).unwrap(), &parts, CAP)
}

/// Every compression and layout that `snap pack` makes or has made, and some that it does not.
const OPTIONS: [&str; 14] = [
    "-comp xz -no-fragments -no-xattrs",
    "-comp lzo -no-fragments -no-xattrs",
    "-comp gzip",
    "-comp gzip -no-fragments -noI -noD",
    "-comp gzip -always-use-fragments -b 4096",
    "-comp gzip -noF -noI -noD",
    "-comp lzo",
    "-comp lzo -b 1M",
    "-comp xz",
    "-comp xz -Xbcj x86",
    "-comp xz -Xbcj x86,arm -b 1M -Xdict-size 100%",
    "-comp zstd",
    "-comp zstd -Xcompression-level 22 -b 1M",
    "-comp zstd -no-exports -no-sparse -tailends",
];

#[test]
fn images_of_mksquashfs_are_read_as_unsquashfs_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    tree(&root);
    let mut paths: Vec<String> = ["hole", "zeros", "second-name", "meta/snap.yaml", "meta/deep/er/file"].map(Into::into).into();
    for size in [0, 1, 4095, 4096, 4097, 131_071, 131_072, 131_073, 1_000_000] {
        paths.extend([format!("noise-{size}"), format!("words-{size}")]);
    }
    paths.extend([0, 1, 999, 1999].map(|number| format!("meta/{number:04}-{}", "n".repeat(number % 60))));
    for options in OPTIONS {
        let image = folder.path().join("image.snap");
        mksquashfs(&root, &image, options);
        for path in &paths {
            let ours = ours(&image, path).unwrap_or_else(|error| panic!("{options}: {path}: {error:?}"));
            assert!(ours == fs::read(root.join(path)).unwrap(), "{options}: {path}");
        }
        assert_eq!(ours(&image, "meta/snap.yaml").unwrap(), unsquashfs_cat(&image, "meta/snap.yaml"), "{options}");
        assert_eq!(ours(&image, "hole").unwrap(), unsquashfs_cat(&image, "hole"), "{options}");
        for number in 0..2000 {
            let path = format!("meta/{number:04}-{}", "n".repeat(number % 60));
            if number % 50 == 7 {
                assert_eq!(ours(&image, &path).unwrap(), format!("number {number}\n").into_bytes(), "{options}");
            }
        }
        let (metadata, yaml) = Metadata::of_snap(&mut fs::File::open(&image).unwrap()).unwrap();
        assert_eq!((metadata.name.as_str(), metadata.version.as_str(), yaml.as_str()), ("made", "1.10", YAML));
    }
}
