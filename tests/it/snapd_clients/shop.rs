//! A site with snaps that snapd can install, and its store inside a cage.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gapferry::collection::{Kind, Publish};
use gapferry::formats::assertions::Sha3;
use gapferry::formats::snap::api::{Download, Publisher, Snap};
use gapferry::site::{Generation, Listing, Published, STORE_INDEX, StoreIndex};

use crate::apt_client::run;
use crate::support::cage::Cage;
use crate::support::desk::Desk;
use crate::support::snaps::{assertions, authority, snap_id};

/// A snap of the shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ware {
    pub(super) name: &'static str,
    pub(super) revision: u64,
    /// `app`, `base` or `snapd`.
    pub(super) kind: &'static str,
}

/// What the first state of the shop has.
pub(super) const FIRST: &[Ware] = &[ware("gapbase", 1, "base"), ware("gapword", 1, "app"), ware("snapd", 1, "snapd")];
/// What the second has, besides.
pub(super) const SECOND: &[Ware] = &[ware("gapbase", 2, "base"), ware("gapword", 2, "app"), ware("snapd", 2, "snapd")];

const fn ware(name: &'static str, revision: u64, kind: &'static str) -> Ware {
    Ware { name, revision, kind }
}

impl Ware {
    /// `meta/snap.yaml`.
    fn yaml(&self) -> String {
        let Self { name, revision, kind } = self;
        let head =
            format!("name: {name}\nversion: '{revision}.0'\nsummary: {name} in one line\ndescription: all of {name}\n");
        match *kind {
            "app" => {
                head + "base: gapbase\nconfinement: strict\ngrade: stable\napps:\n  gapword:\n    command: bin/word\n"
            }
            kind => head + &format!("type: {kind}\n"),
        }
    }

    /// The image, always of the same bytes.
    pub(super) fn image(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("meta")).unwrap();
        fs::write(tree.join("meta/snap.yaml"), self.yaml()).unwrap();
        self.fill(&tree);
        let mut command = Command::new("mksquashfs");
        command.arg(&tree).arg(folder.path().join("image"));
        command.args("-noappend -comp xz -no-fragments -no-xattrs -all-root -all-time 0 -mkfs-time 0".split(' '));
        run(command.args(["-no-progress", "-processors", "1"]).env_remove("SOURCE_DATE_EPOCH"));
        fs::read(folder.path().join("image")).unwrap()
    }

    fn fill(&self, tree: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        if self.kind == "base" {
            BASE_FOLDERS.split_whitespace().for_each(|folder| fs::create_dir_all(tree.join(folder)).unwrap());
        }
        if self.kind == "snapd" {
            // snapd looks for its version there. Without it, all goes as well, but its log is full of complaints.
            fs::create_dir_all(tree.join("usr/lib/snapd")).unwrap();
            fs::write(tree.join("usr/lib/snapd/info"), format!("VERSION=2.{}\n", self.revision)).unwrap();
        }
        if self.kind != "app" {
            return;
        }
        fs::create_dir(tree.join("bin")).unwrap();
        let program = tree.join("bin/word");
        fs::write(&program, program_that_says(&format!("revision {}\n", self.revision))).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// What snap-confine mounts things on, so that a snap can run on a base.
const BASE_FOLDERS: &str = "dev etc home lib/modules lib/firmware media mnt opt proc root run snap sys tmp usr/bin usr/lib/snapd \
    usr/src var/lib/snapd var/log var/snap var/tmp";

/// A program for amd64 that needs nothing at all: an ELF header, one segment, write(1, text) and exit(0).
fn program_that_says(text: &str) -> Vec<u8> {
    const START: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let code = [
        &[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0][..], // mov eax, 1; mov edi, 1
        &[0x48, 0x8d, 0x35, 16, 0, 0, 0],          // lea rsi, [rip + 16]
        &[0xba],                                   // mov edx, length
        &length,
        &[0x0f, 5, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 5], // syscall; mov eax, 60; xor edi, edi; syscall
        text.as_bytes(),
    ]
    .concat();
    let size = HEADERS + code.len() as u64;
    let head = [&[0x7f, b'E', b'L', b'F', 2, 1, 1][..], &[0; 9]].concat();
    let halves = |halves: &[u16]| halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<u8>>();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |longs: &[u64]| longs.iter().flat_map(|long| long.to_le_bytes()).collect::<Vec<u8>>();
    [
        head,
        halves(&[2, 62]), // an executable, for x86-64
        words(&[1]),
        longs(&[START + HEADERS, 64, 0]), // where it begins, where the segments stand, no sections
        words(&[0]),
        halves(&[64, 56, 1, 0, 0, 0]),
        words(&[1, 5]), // loaded, to be read and run
        longs(&[0, START, START, size, size, 0x1000]),
        code,
    ]
    .concat()
}

/// A desk with a site that has `wares` as generation 1.
pub(super) fn desk(wares: &[Ware]) -> Desk {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    publish(&desk, 1, wares);
    desk
}

/// Writes generation `number`, as the publisher does, and makes it the current one. A channel `latest/stable` offers the
/// last revision of each snap.
pub(super) fn publish(desk: &Desk, number: u64, wares: &[Ware]) {
    let folder = desk.path(&format!("site/generations/{number}/snaps/store"));
    fs::create_dir_all(&folder).unwrap();
    let mut snaps: Vec<Snap> = wares.iter().map(|ware| write(&folder, ware)).collect();
    snaps.sort_by(|a, b| (&a.name, a.revision).cmp(&(&b.name, b.revision)));
    let last = snaps.iter().filter(|snap| !snaps.iter().any(|s| s.name == snap.name && s.revision > snap.revision));
    let channels = last.map(|snap| Listing {
        name: snap.name.clone(),
        architecture: "amd64".to_owned(),
        channel: "latest/stable".to_owned(),
        revision: snap.revision,
    });
    let index = StoreIndex { format: 1, channels: channels.collect(), snaps };
    fs::write(folder.join(STORE_INDEX), serde_json::to_vec(&index).unwrap()).unwrap();
    let mut generation = Generation::none();
    generation.number = number;
    let published = Published {
        kind: Kind::Snaps,
        name: "store".parse().unwrap(),
        origin: "https://store.invalid/".to_owned(),
        publish: Publish::Verbatim,
        items: wares.len() as u64,
        unsigned: 0,
        not_carried: 0,
        not_carried_examples: Vec::new(),
        before: None,
        valid_until: None,
    };
    generation.published.insert("snaps/store".to_owned(), published);
    fs::write(folder.join("../../generation.json"), generation.to_json()).unwrap();
    let (link, new) = (desk.path("site/current"), desk.path("site/current.new"));
    std::os::unix::fs::symlink(format!("generations/{number}"), &new).unwrap();
    fs::rename(new, link).unwrap(); // as a server that runs must see it
}

fn write(folder: &Path, ware: &Ware) -> Snap {
    let Ware { name, revision, kind } = *ware;
    let bytes = ware.image();
    fs::write(folder.join(format!("{name}_{revision}.assert")), assertions(authority(), name, revision, &bytes))
        .unwrap();
    fs::write(folder.join(format!("{name}_{revision}.snap")), &bytes).unwrap();
    Snap {
        architectures: vec!["all".to_owned()],
        base: (kind == "app").then(|| "gapbase".to_owned()),
        confinement: "strict".to_owned(),
        created_at: "2025-01-01T00:00:00Z".to_owned(),
        description: format!("all of {name}"),
        download: Download { sha3_384: Sha3::of(&bytes).to_hex(), size: bytes.len() as u64, url: String::new() },
        name: name.to_owned(),
        publisher: Publisher {
            id: "gapPublisherGapPublisherGapPubli".to_owned(),
            username: "gap-publisher".to_owned(),
            display_name: "Gap Publisher".to_owned(),
            validation: "verified".to_owned(),
        },
        revision,
        snap_id: snap_id(name),
        snap_yaml: ware.yaml(),
        summary: format!("{name} in one line"),
        title: name.to_owned(),
        kind: kind.to_owned(),
        version: format!("{revision}.0"),
        ..Snap::default()
    }
}

/// `gapferry serve` inside a cage. It ends with the cage.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill(); // the program itself ends with the cage
        let _ = self.0.wait();
    }
}

/// Serves the desk's site inside `cage`, as `options` say, such as `--listen 127.0.0.1:80`.
pub(super) fn serve(cage: &Cage, desk: &Desk, options: &str) -> Server {
    let mut command = cage.inside(&desk.command(&format!("serve --site site {options}")));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in options.matches("listen ") {
        let line = lines.next().expect("the server says where it listens").unwrap();
        assert!(line.starts_with("listening on "), "{line}");
    }
    Server(child)
}
