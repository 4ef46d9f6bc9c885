//! A site with snaps that snapd can install, and its store inside a cage.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use gapferry::upstream::{Payload, SnapSpec, build_snap};

use crate::support::cage::Cage;
use crate::support::desk::Desk;
use crate::support::snaps::{assertions, authority};

/// A snap of the shop. Revision N of it has the version `N.0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ware {
    pub(super) name: &'static str,
    pub(super) revision: u64,
    kind: &'static str,
    /// Its epoch, as `snap.yaml` has it.
    epoch: &'static str,
}

/// What the first state of the shop has.
pub(super) const FIRST: &[Ware] = &state(1);
/// What the second has, besides.
pub(super) const SECOND: &[Ware] = &state(2);

const fn state(revision: u64) -> [Ware; 3] {
    [
        Ware { name: "gapbase", revision, kind: "base", epoch: "0" },
        Ware { name: "gapword", revision, kind: "app", epoch: "0" },
        Ware { name: "snapd", revision, kind: "snapd", epoch: "0" },
    ]
}

/// A revision of the app whose data have another format.
pub(super) const fn app_of_epoch(revision: u64, epoch: &'static str) -> Ware {
    Ware { name: "gapword", revision, kind: "app", epoch }
}

/// What snap-confine mounts things on, so that a snap can run on a base.
const BASE_FOLDERS: &str = "dev etc home lib/modules lib/firmware media mnt opt proc root run snap sys tmp usr/bin usr/lib/snapd usr/src \
     var/lib/snapd var/log var/snap var/tmp";

impl Ware {
    /// The snap's file. The app has a program `says` that needs nothing of its base.
    fn file(&self) -> Vec<u8> {
        let version = format!("{}.0", self.revision);
        let empty = || Payload::Bytes(Vec::new());
        let spec = SnapSpec::of_kind(self.kind, self.name, &version);
        let spec = match self.kind {
            "base" => BASE_FOLDERS
                .split_whitespace()
                .fold(spec, |spec, folder| spec.with_file(&format!("{folder}/.keep"), empty())),
            "snapd" => {
                // snapd looks for its version there. Without it, all goes as well, but its log is full of complaints.
                spec.with_file("usr/lib/snapd/info", Payload::Bytes(format!("VERSION={version}\n").into_bytes()))
            }
            "app" => {
                let program = program_that_says(&format!("revision {}\n", self.revision));
                let spec = spec.with_program("bin/says", Payload::Bytes(program));
                let extra_yaml = format!("  says:\n    command: bin/says\nepoch: {}\n", self.epoch);
                SnapSpec { base: Some("gapbase".to_owned()), extra_yaml, ..spec }
            }
            _ => spec,
        };
        build_snap(&spec).unwrap()
    }
}

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

/// A desk with a site to which `wares` have come.
pub(super) fn desk(wares: &[Ware]) -> Desk {
    let desk = Desk::new();
    desk.select("[[snaps]]\nfrom = \"../snaps\"\n");
    desk.init(&[], "");
    bring(&desk, wares);
    desk
}

/// Carries `wares` to the desk's site, besides those that are there: the last revision of each is offered.
pub(super) fn bring(desk: &Desk, wares: &[Ware]) {
    fs::create_dir_all(desk.path("snaps")).unwrap();
    for ware in wares {
        let (bytes, stem) = (ware.file(), format!("snaps/{}_{}", ware.name, ware.revision));
        let stream = assertions(authority(), ware.name, ware.revision, &bytes);
        fs::write(desk.path(&format!("{stem}.assert")), stream).unwrap();
        fs::write(desk.path(&format!("{stem}.snap")), bytes).unwrap();
    }
    desk.ferry();
}

/// `gapferry serve` inside a cage. It ends with the cage.
pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill(); // the program itself ends with the cage
        let _ = self.0.wait();
    }
}

/// Serves the desk's site inside `cage`, as `options` say, such as `--listen 127.0.0.1:80`.
pub(crate) fn serve(cage: &Cage, desk: &Desk, options: &str) -> Server {
    let mut command = cage.inside(&desk.command(&format!("serve --site site {options}")));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for _ in options.matches("listen ") {
        let line = lines.next().expect("the server says where it listens").unwrap();
        assert!(line.starts_with("listening on "), "{line}");
    }
    Server(child)
}
