//! Power cuts with reordered writes: what a disk may hold if the power goes at any call of a command.
//!
//! strace records the calls that change files, and the model of a [`Disk`] replays them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk::{Disk, Written};
use super::strace::Point;
use crate::apt_client::output;
use crate::support::desk::inside;
use crate::support::sample::Sample;
use crate::support::world::scratch;
use gapferry::cli::Exit;

/// The calls of the model. A command that makes one of those in [`FOREIGN`] fails the test.
const CALLS: &str = "openat,write,writev,pwrite64,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat,rmdir,\
                     mkdir,mkdirat,link,linkat,symlink,symlinkat,ftruncate,chmod,fchmod,fchmodat";
/// Calls that change files in ways that the model does not know.
const FOREIGN: &str = "copy_file_range,sendfile,splice,fallocate,pwritev,pwritev2,truncate,creat,open";

/// A call, with its path or paths below the command's folder.
#[derive(Clone, Debug)]
enum Call {
    Open { path: PathBuf, mode: u32, truncates: bool },
    Write { path: PathBuf, bytes: Vec<u8>, offset: Option<usize> },
    SetLength { path: PathBuf, length: usize },
    SetMode { path: PathBuf, mode: u32 },
    Sync(PathBuf),
    SyncAll,
    MakeFolder { path: PathBuf, mode: u32 },
    MakeLink { path: PathBuf, target: PathBuf },
    Link { file: PathBuf, path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
}

/// A moment at which the power goes, and what has come to the disk by then.
struct Cut {
    point: Point,
    call: usize,
    names: ChosenNames,
    written: Written,
}

/// Those of the unsynced changes of names that are on the disk.
#[derive(Clone, Copy, Debug)]
enum ChosenNames {
    None,
    All,
    Only(usize),
    AllBut(usize),
    First(usize),
    /// Each of them or not, by the bits of this number.
    Bits(usize),
}

/// A command that has run undisturbed, and what it did to its folder.
pub(super) struct PowerCuts {
    /// A copy of the folder as the command found it.
    before: tempfile::TempDir,
    calls: Vec<(Call, Point)>,
}

impl PowerCuts {
    /// Runs the command that `prepare` returns, in the new folder `place`, which it fills. It must end with this exit code.
    pub(super) fn of(place: &Path, exit: Exit, prepare: impl Fn(&Path) -> Command) -> Self {
        fs::create_dir(place).unwrap();
        let command = prepare(place);
        let before = scratch();
        crate::support::snapshot::copy(place, &before.path().join("content"));
        let mut calls = Vec::new();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in whole_lines(&trace(&command, exit)) {
            let Some(call) = Traced::parse(&line).call(place) else { continue };
            let name = line.split('(').next().unwrap_or_default();
            let nth = counts.entry(name.to_owned()).or_default();
            *nth += 1;
            let point = Point { call: name.to_owned(), nth: *nth, place: call.path().display().to_string() };
            calls.push((call, point));
        }
        Self { before, calls }
    }

    fn disk(&self) -> Disk {
        Disk::of(&self.before.path().join("content"))
    }

    /// So many moments, some after each kind of call.
    fn cuts(&self, count: usize) -> Vec<Cut> {
        let (mut disk, mut cuts, mut sample) = (self.disk(), Vec::new(), Sample::new());
        for (number, (call, point)) in self.calls.iter().enumerate() {
            call.replay(&mut disk);
            for names in ChosenNames::of(disk.unsynced_names(), &mut sample) {
                for written in [Written::Nothing, Written::Half, Written::All, Written::Mixed(number)] {
                    cuts.push(Cut { point: point.clone(), call: number, names, written });
                }
            }
        }
        let all = cuts.len();
        let chosen = sample.some(cuts, count, |cut| cut.point.call.clone());
        eprintln!("{} of {all} power cuts, of {} calls", chosen.len(), self.calls.len());
        chosen
    }

    /// Calls `judge` for so many moments, with a function that lays out in a new folder what the disk may hold.
    pub(super) fn each(&self, count: usize, mut judge: impl FnMut(&Point, &dyn Fn(&Path))) {
        let (mut disk, mut done) = (self.disk(), 0);
        for cut in self.cuts(count) {
            let replayed = self.calls.get(done..=cut.call).unwrap_or_default();
            replayed.iter().for_each(|(call, _)| call.replay(&mut disk));
            done = cut.call + 1;
            let call = format!("power cut after {}, {:?}, {:?}", cut.point.call, cut.names, cut.written);
            judge(&Point { call, ..cut.point }, &|folder| {
                disk.lay_out(folder, |change| cut.names.has(change), cut.written)
            });
        }
    }
}

impl ChosenNames {
    /// All combinations of few changes; of many, the likely ones and some by chance.
    fn of(changes: usize, sample: &mut Sample) -> Vec<Self> {
        if changes <= 3 {
            return (0..1 << changes).map(Self::Bits).collect();
        }
        let mut at = || sample.below(changes);
        vec![
            Self::None,
            Self::All,
            Self::Only(at()),
            Self::AllBut(at()),
            Self::First(at()),
            Self::Bits(sample.below(1 << 60)),
        ]
    }

    fn has(self, number: usize) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(one) => number == one,
            Self::AllBut(one) => number != one,
            Self::First(count) => number < count,
            Self::Bits(bits) => bits >> (number % 60) & 1 == 1,
        }
    }
}

impl Call {
    /// The path it works on.
    fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::Write { path, .. }
            | Self::SetLength { path, .. }
            | Self::SetMode { path, .. } => path,
            Self::Sync(path)
            | Self::MakeFolder { path, .. }
            | Self::MakeLink { path, .. }
            | Self::Link { path, .. } => path,
            Self::Rename { to: path, .. } | Self::Remove(path) => path,
            Self::SyncAll => Path::new(""),
        }
    }

    fn replay(&self, disk: &mut Disk) {
        match self {
            Self::Open { path, mode, truncates } => disk.open(path, *mode, *truncates),
            Self::Write { path, bytes, offset } => drop(disk.write(path, bytes, *offset)),
            Self::SetLength { path, length } => drop(disk.set_length(path, *length)),
            Self::SetMode { path, mode } => disk.set_mode(path, *mode),
            Self::Sync(path) => drop(disk.sync(path)),
            Self::SyncAll => disk.sync_all(),
            Self::MakeFolder { path, mode } => disk.make_folder(path, *mode),
            Self::MakeLink { path, target } => disk.make_link(path, target.clone()),
            Self::Link { file, path } => disk.link(file, path),
            Self::Rename { from, to } => disk.rename(from, to),
            Self::Remove(path) => disk.remove(path),
        }
    }
}

/// A line of strace: strings are in quotes and in hexadecimal digits, descriptors have their paths behind them.
struct Traced<'a> {
    line: &'a str,
    call: &'a str,
    arguments: &'a str,
    result: &'a str,
    quoted: Vec<&'a str>,
}

impl<'a> Traced<'a> {
    fn parse(line: &'a str) -> Self {
        let parts = line.split_once('(').and_then(|(call, rest)| Some((call, rest.rsplit_once(" = ")?)));
        let (call, (arguments, result)) = parts.unwrap_or(("", ("", "-")));
        let arguments = arguments.trim_end();
        Self { line, call, arguments, result, quoted: arguments.split('"').skip(1).step_by(2).collect() }
    }

    /// Returns the path of the first descriptor, if it is below `place` and the file still has a name.
    fn descriptor(&self, place: &Path) -> Option<PathBuf> {
        let before_strings = self.arguments.split('"').next().unwrap_or_default();
        below(place, &path_of(described(before_strings)?))
    }

    /// The n-th path that the call is given, taken from the folder of its descriptor where it is relative.
    fn path(&self, nth: usize, place: &Path) -> Option<PathBuf> {
        let path = path_of(self.quoted[nth]);
        let folder = self.arguments.split('"').step_by(2).nth(nth).and_then(described).map(path_of);
        below(place, &folder.unwrap_or_default().join(path))
    }

    /// The last of its arguments that are numbers in octal digits.
    fn mode(&self) -> Option<u32> {
        let last = self.arguments.trim_end_matches(')').rsplit(", ").next()?;
        u32::from_str_radix(last, 8).ok()
    }

    fn last_number(&self) -> usize {
        self.arguments.trim_end_matches(')').rsplit(", ").next().unwrap().parse().unwrap()
    }

    /// The call, if it changed something below `place`.
    fn call(&self, place: &Path) -> Option<Call> {
        if self.result.starts_with('-') {
            return None;
        }
        Some(match self.call {
            "openat" => {
                let (makes, truncates) = (self.arguments.contains("O_CREAT"), self.arguments.contains("O_TRUNC"));
                let path = below(place, &path_of(described(self.result)?))?;
                (makes || truncates).then(|| Call::Open {
                    path,
                    mode: self.mode().unwrap_or(0o644) & 0o755,
                    truncates,
                })?
            }
            "write" | "writev" | "pwrite64" => {
                assert!(!self.arguments.contains("\"..."), "a string that strace cut short");
                let bytes = self.quoted.iter().flat_map(|text| decode(text)).collect();
                let offset = (self.call == "pwrite64").then(|| self.last_number());
                Call::Write { path: self.descriptor(place)?, bytes, offset }
            }
            "ftruncate" => Call::SetLength { path: self.descriptor(place)?, length: self.last_number() },
            "fchmod" => Call::SetMode { path: self.descriptor(place)?, mode: self.mode()? },
            "chmod" => Call::SetMode { path: self.path(0, place)?, mode: self.mode()? },
            "fchmodat" => {
                let mode = self
                    .arguments
                    .rsplit(", ")
                    .find_map(|text| u32::from_str_radix(text.trim_end_matches(')'), 8).ok());
                Call::SetMode { path: self.path(0, place)?, mode: mode? }
            }
            "fsync" | "fdatasync" => Call::Sync(self.descriptor(place)?),
            "syncfs" => Call::SyncAll,
            "mkdir" | "mkdirat" => Call::MakeFolder { path: self.path(0, place)?, mode: self.mode()? & 0o755 },
            "unlink" | "unlinkat" | "rmdir" => Call::Remove(self.path(0, place)?),
            "symlink" | "symlinkat" => Call::MakeLink { path: self.path(1, place)?, target: path_of(self.quoted[0]) },
            "link" | "linkat" => Call::Link { file: self.both(place)?.0, path: self.both(place)?.1 },
            "rename" | "renameat" | "renameat2" => {
                assert!(!self.arguments.contains("RENAME_EXCHANGE"), "{}", self.line);
                let (from, to) = self.both(place)?;
                Call::Rename { from, to }
            }
            _ => {
                let touches = self.descriptor(place).is_some()
                    || (0..self.quoted.len()).any(|nth| self.path(nth, place).is_some());
                assert!(!touches, "the model does not know this call: {}", self.line);
                return None;
            }
        })
    }

    /// Both paths of a call.
    fn both(&self, place: &Path) -> Option<(PathBuf, PathBuf)> {
        match (self.path(0, place), self.path(1, place)) {
            (Some(first), Some(second)) => Some((first, second)),
            (None, None) => None,
            _ => panic!("a call across the folder's border: {}", self.line),
        }
    }
}

/// The path in angle brackets behind the last descriptor of a text.
fn described(text: &str) -> Option<&str> {
    let (_, path) = text.rsplit_once('<')?;
    let (path, rest) = path.split_once('>')?;
    (!rest.starts_with("(deleted)")).then_some(path)
}

fn below(place: &Path, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(place).ok().map(Path::to_owned)
}

/// Runs the command and returns what strace says.
fn trace(command: &Command, exit: Exit) -> String {
    let folder = scratch();
    let log = folder.path().join("log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-xx", "-s", "4000000", "-e", &format!("trace={CALLS},{FOREIGN}"), "-o"]).arg(&log);
    let run = output(&mut inside(strace, command));
    assert_eq!(run.status.code(), Some(exit.code().into()), "{}", String::from_utf8_lossy(&run.stderr));
    fs::read_to_string(&log).unwrap()
}

/// The calls of all threads, each in one line, in the order in which they returned.
fn whole_lines(log: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some((start, _)) = rest.split_once(" <unfinished ...>") {
            begun.insert(thread, start);
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            lines.push(format!("{}{end}", begun.remove(thread).unwrap()));
        } else {
            lines.push(rest.to_owned());
        }
    }
    lines
}

/// Decodes `\x..` in a text of strace's.
fn decode(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn path_of(text: &str) -> PathBuf {
    PathBuf::from(String::from_utf8(decode(text)).unwrap())
}

#[test]
fn a_write_without_sync_is_found() {
    let states = |script: &str| {
        let root = scratch();
        let cuts = PowerCuts::of(&root.path().join("uncut"), Exit::Done, |folder| {
            fs::create_dir(folder.join("old")).unwrap();
            fs::write(folder.join("old/state"), "old").unwrap();
            let mut command = Command::new("python3");
            command.args(["-c", &format!("import os\np = os.getcwd()\n{script}")]).current_dir(folder);
            crate::support::desk::clean(&mut command);
            command
        });
        let (mut contents, folder) = (std::collections::BTreeSet::new(), root.path().join("cut"));
        cuts.each(usize::MAX, |_, lay_out| {
            let _ = fs::remove_dir_all(&folder);
            lay_out(&folder);
            let states = ["old/state", "new/state"].map(|path| fs::read_to_string(folder.join(path)));
            contents.insert(states.into_iter().flatten().collect::<Vec<_>>().join(" and "));
        });
        contents.into_iter().collect::<Vec<_>>()
    };
    let write = "f = os.open(p + '/old/part', os.O_CREAT | os.O_WRONLY)\nos.write(f, b'new!')\n";
    let rename = "os.rename(p + '/old/part', p + '/old/state')\n";
    assert_eq!(states(&format!("{write}os.fsync(f)\n{rename}")), ["new!", "old"]);
    assert_eq!(states(&format!("{write}{rename}")), ["", "ne", "new!", "old"], "without the sync");
    let moved = "os.mkdir(p + '/new')\nos.link(p + '/old/state', p + '/new/state')\nos.unlink(p + '/old/state')\n";
    assert_eq!(states(moved), ["", "old", "old and old"], "the name may be gone before the other is there");
    let synced = "for d in (p, p + '/new'): os.fsync(os.open(d, os.O_RDONLY))\n";
    let safe = moved.replace("os.unlink", &format!("{synced}os.unlink"));
    assert_eq!(states(&safe), ["old", "old and old"]);
    let swapped = "os.mkdir(p + '/new')\nos.rename(p + '/old/state', p + '/new/state')\n";
    assert_eq!(states(swapped), ["", "old"], "a file in a folder without a name is gone");
}
