//! Snaps as files: our reader against `mksquashfs` and `unsquashfs`, and the snaps that we make against them and snapd.

use std::fs;
use std::io::{Cursor, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use gapferry::digest::Sha256;
use gapferry::formats::ReadError;
use gapferry::formats::archive::{ArchiveCaps, EntryKind};
use gapferry::formats::snap::Metadata;
use gapferry::formats::snap::squashfs::{read_file, walk_squashfs};
use gapferry::upstream::{Payload, Pseudorandom, SnapSpec, build_snap, write_snap};

use crate::apt_client::run;
use crate::support::skip::{Needs, skip};

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
        fs::write(root.join(format!("words-{size}")), b"over and over ".repeat(size / 14 + 1).split_at(size).0)
            .unwrap();
    }
    fs::write(root.join("hole"), [vec![1; 5], vec![0; 1_500_000], vec![2; 5]].concat()).unwrap();
    fs::write(root.join("zeros"), vec![0; 3 << 20]).unwrap();
    fs::write(root.join("meta/deep/er/file"), "deep\n").unwrap();
    std::os::unix::fs::symlink("meta", root.join("link")).unwrap();
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

fn ours(image: &Path, path: &str) -> Result<Vec<u8>, ReadError> {
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
    let mut paths: Vec<String> =
        ["hole", "zeros", "second-name", "meta/snap.yaml", "meta/deep/er/file"].map(Into::into).into();
    for size in [0, 1, 4095, 4096, 4097, 131_071, 131_072, 131_073, 1_000_000] {
        paths.extend([format!("noise-{size}"), format!("words-{size}")]);
    }
    paths.extend((0..2000).step_by(399).map(|number| format!("meta/{number:04}-{}", "n".repeat(number % 60))));
    for options in OPTIONS {
        let image = folder.path().join("image.snap");
        mksquashfs(&root, &image, options);
        for path in &paths {
            let ours = ours(&image, path).unwrap_or_else(|error| panic!("{options}: {path}: {error:?}"));
            assert!(ours == fs::read(root.join(path)).unwrap(), "{options}: {path}");
        }
        assert_eq!(ours(&image, "meta/snap.yaml").unwrap(), unsquashfs_cat(&image, "meta/snap.yaml"), "{options}");
        assert_eq!(ours(&image, "hole").unwrap(), unsquashfs_cat(&image, "hole"), "{options}");
        let (metadata, yaml) = Metadata::of_snap(&mut fs::File::open(&image).unwrap()).unwrap();
        assert_eq!((metadata.name.as_str(), metadata.version.as_str(), yaml.as_str()), ("made", "1.10", YAML));
    }
}

/// Sorted lines of path, mode, owner and, of regular files, length and digest.
fn walked(image: &Path) -> Vec<String> {
    let (mut file, mut lines) = (fs::File::open(image).unwrap(), Vec::new());
    let caps = ArchiveCaps::of_stored(file.metadata().unwrap().len());
    walk_squashfs(&mut file, caps, &mut |entry, content| {
        let digest = match entry.kind {
            EntryKind::File => Sha256::of_reader(&mut { content }).unwrap().0.to_hex(),
            _ => entry.link.clone(),
        };
        lines.push(format!("{} {:04o} {} {} {digest}", entry.path, entry.mode, entry.owner, entry.size));
        Ok(())
    })
    .unwrap();
    lines.sort();
    lines
}

#[test]
fn a_walk_finds_what_unsquashfs_unpacks() {
    let folder = tempfile::tempdir().unwrap();
    let (root, image, unpacked) = (folder.path().join("tree"), folder.path().join("image"), folder.path().join("out"));
    tree(&root);
    let set_mode = |name: &str, mode| fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    set_mode("noise-1", 0o4755);
    set_mode("words-1", 0o2711);
    for options in ["-comp xz -no-fragments", "-comp zstd"] {
        mksquashfs(&root, &image, options);
        run(Command::new("unsquashfs").args(["-force", "-no-progress", "-dest"]).arg(&unpacked).arg(&image));
        let mut wanted = Vec::new();
        for entry in walkdir::WalkDir::new(&unpacked).min_depth(1) {
            let entry = entry.unwrap();
            let (data, kind) = (entry.metadata().unwrap(), entry.file_type());
            let path = entry.path().strip_prefix(&unpacked).unwrap().display().to_string();
            let (size, content) = match (kind.is_file(), kind.is_symlink()) {
                (true, _) => (data.len(), Sha256::of(&fs::read(entry.path()).unwrap()).to_hex()),
                (_, true) => (0, fs::read_link(entry.path()).unwrap().display().to_string()),
                _ => (0, String::new()),
            };
            wanted.push(format!("/{path} {:04o} 0:0 {size} {content}", data.mode() & 0o7777));
        }
        wanted.sort();
        assert!(wanted.iter().any(|line| line.contains(" 4755 ")), "{wanted:?}");
        assert_eq!(walked(&image), wanted, "{options}");
    }
}

#[test]
fn links_and_compressions_that_snaps_do_not_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (root, image) = (folder.path().join("tree"), folder.path().join("image.snap"));
    fs::create_dir_all(root.join("meta")).unwrap();
    fs::write(root.join("meta/snap.yaml"), YAML).unwrap();
    std::os::unix::fs::symlink("meta", root.join("link")).unwrap();
    std::os::unix::fs::symlink("snap.yaml", root.join("meta/link.yaml")).unwrap();
    for (options, name) in [("-comp lz4", "lz4"), ("-comp lzma", "lzma")] {
        mksquashfs(&root, &image, options);
        let error = ours(&image, "meta/snap.yaml").unwrap_err();
        assert_eq!(error.to_string(), format!("its compression, {name}, is not supported"));
    }
    mksquashfs(&root, &image, "-comp zstd");
    let error = ours(&image, "link/snap.yaml").unwrap_err();
    assert!(error.to_string() == "\"link\" in it is not a folder", "{error:?}");
    let error = ours(&image, "meta/link.yaml").unwrap_err();
    assert!(error.to_string() == "\"meta/link.yaml\" in it is not a regular file", "{error:?}");
    let error = read_file(&mut fs::File::open(&image).unwrap(), &["meta", "snap.yaml"], 10).unwrap_err();
    assert!(error.to_string() == "the file is larger than 10 bytes", "{error:?}");
}

/// Whatever is flipped in an image that is compressed, the end is an error or a text, and soon.
#[test]
fn flipped_bits_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (root, image) = (folder.path().join("tree"), folder.path().join("image.snap"));
    fs::create_dir_all(root.join("meta")).unwrap();
    fs::write(root.join("meta/snap.yaml"), YAML.repeat(300)).unwrap();
    for compression in ["gzip", "lzo", "xz -Xbcj x86", "zstd"] {
        for more in ["", "-no-fragments", "-noI", "-b 4096"] {
            mksquashfs(&root, &image, &format!("-comp {compression} {more}"));
            let good = fs::read(&image).unwrap();
            let used = u64::from_le_bytes(good[40..48].try_into().unwrap()) as usize;
            let (mut taken, mut refused) = (0, 0);
            for at in 0..used {
                let mut bad = good.clone();
                bad[at] ^= 1 << (at % 8);
                match read_file(&mut Cursor::new(&bad), &["meta", "snap.yaml"], CAP) {
                    Ok(_) => taken += 1,
                    Err(_) => refused += 1,
                }
            }
            assert!(taken > 0 && refused > 20, "{compression} {more}: {taken} taken, {refused} refused");
        }
    }
}

/// One that has all that our writer can write but for files beyond 4 GiB.
fn large_spec() -> SnapSpec {
    let mut spec = SnapSpec::new("large-one", "1.0+gap");
    for number in 0..6000 {
        spec = spec.with_file(&format!("usr/share/{number:05}"), Payload::Bytes(number.to_string().into_bytes()));
    }
    let noise = |size| Payload::Pseudorandom { size, seed: 5 };
    for size in [0, 1, 131_071, 131_072, 131_073, 5_000_000] {
        let path = format!("noise/{size}");
        spec = if size == 1 { spec.with_program(&path, noise(size)) } else { spec.with_file(&path, noise(size)) };
    }
    spec.with_program("a/deep/folder/file", Payload::Bytes(b"deep".to_vec()))
}

fn content(payload: &Payload) -> Vec<u8> {
    let mut bytes = Vec::new();
    payload.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

fn specs() -> [SnapSpec; 5] {
    [
        SnapSpec::new("small-one", "1.10"),
        SnapSpec { base: Some("none".into()), ..SnapSpec::new("content-one", "2") },
        SnapSpec::of_kind("base", "base-one", "24"),
        SnapSpec::of_kind("snapd", "snapd", "2.70"),
        large_spec(),
    ]
}

/// All files of a folder, by path.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let path = |entry: &walkdir::DirEntry| entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = files.map(|entry| (path(&entry), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

fn check_against_spec(root: &Path, spec: &SnapSpec) {
    let found = files(root);
    let program = spec.kind == "app" && spec.base.as_deref() != Some("none");
    assert_eq!(found.len(), spec.files.len() + 1 + usize::from(program), "{}", spec.name);
    for file in &spec.files {
        let index = found.binary_search_by(|(path, _)| path.as_str().cmp(&file.path)).expect(&file.path);
        assert!(found[index].1 == content(&file.content), "{}", file.path);
    }
    assert_eq!(fs::read_to_string(root.join("meta/snap.yaml")).unwrap(), spec.yaml());
}

#[test]
fn our_snaps_are_read_by_unsquashfs_and_by_us() {
    let folder = tempfile::tempdir().unwrap();
    for spec in specs() {
        let (image, tree) = (folder.path().join("image.snap"), folder.path().join(&spec.name));
        let bytes = build_snap(&spec).unwrap();
        fs::write(&image, &bytes).unwrap();
        run(Command::new("unsquashfs").args(["-strict-errors", "-no-progress", "-d"]).arg(&tree).arg(&image));
        check_against_spec(&tree, &spec);
        let listing = run(Command::new("unsquashfs").arg("-lls").arg(&image));
        assert!(listing.contains("-rw-r--r-- root/root"), "{listing}");
        assert_eq!(listing.contains("-rwxr-xr-x root/root"), spec.yaml().contains("apps:"));
        for file in spec.files.iter().filter(|file| !file.path.contains("share") || file.path.ends_with("777")) {
            assert!(ours(&image, &file.path).unwrap() == content(&file.content), "{}", file.path);
        }
        let (metadata, yaml) = Metadata::of_snap(&mut Cursor::new(&bytes)).unwrap();
        assert_eq!((&metadata.name, &metadata.version, metadata.kind.word()), (&spec.name, &spec.version, spec.kind));
        assert_eq!((metadata.base, yaml), (spec.base.clone(), spec.yaml()));
        assert_eq!(bytes, build_snap(&spec).unwrap());
    }
}

#[test]
fn snapd_takes_our_snaps() {
    let folder = tempfile::tempdir().unwrap();
    for spec in specs() {
        let (image, tree) = (folder.path().join(format!("{}.snap", spec.name)), folder.path().join(&spec.name));
        fs::write(&image, build_snap(&spec).unwrap()).unwrap();
        run(Command::new("unsquashfs").args(["-no-progress", "-d"]).arg(&tree).arg(&image));
        run(Command::new("snap").args(["pack", "--check-skeleton"]).arg(&tree));
        // Without a daemon, of a file alone; it opens the image as the daemon does.
        let said = run(Command::new("snap").arg("info").arg(&image));
        assert!(said.contains(&spec.name) && said.contains(&spec.version), "{said}");
    }
}

#[test]
fn the_kernel_mounts_our_snaps() {
    let folder = tempfile::tempdir().unwrap();
    for spec in specs() {
        let (image, mounted) = (folder.path().join("image.snap"), folder.path().join("mounted"));
        write_snap(&spec, &mut fs::File::create(&image).unwrap()).unwrap();
        fs::create_dir_all(&mounted).unwrap();
        let mount = Command::new("mount").args(["-t", "squashfs", "-o", "loop,ro"]).arg(&image).arg(&mounted).output();
        let mount = mount.expect("mount (package mount)");
        if !mount.status.success() {
            // Only root may, and not in every container.
            let probe = folder.path().join("probe.snap");
            fs::create_dir_all(folder.path().join("probe")).unwrap();
            mksquashfs(&folder.path().join("probe"), &probe, "-comp gzip");
            let theirs =
                Command::new("mount").args(["-t", "squashfs", "-o", "loop,ro"]).arg(&probe).arg(&mounted).output();
            if theirs.unwrap().status.success() {
                run(Command::new("umount").arg(&mounted));
                panic!("{}: {}", spec.name, String::from_utf8_lossy(&mount.stderr));
            }
            let why = String::from_utf8_lossy(&mount.stderr);
            return skip(Needs::Squashfs, &format!("this machine mounts no squashfs: {why}"));
        }
        let checked = std::panic::catch_unwind(|| check_against_spec(&mounted, &spec));
        run(Command::new("umount").arg(&mounted));
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}
