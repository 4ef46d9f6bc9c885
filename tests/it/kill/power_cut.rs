//! Power cuts with reordered writes: all that a disk may hold if the power goes at any call of a command.
//!
//! strace records the calls that change files. A model replays them as POSIX promises no more than: data count once the file is
//! synced, names once their folder is. At each call the unsynced changes of names may be on the disk in any combination, and the
//! unsynced data of files wholly, by half, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::strace::REFERENCE;
use crate::apt_client::output;
use crate::support::desk::inside;
use crate::support::world::scratch;

/// The calls of the model. A command that makes others of those in [`FOREIGN`] fails the test.
const CALLS: &str = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate";
/// Calls that change files in ways that the model does not know.
const FOREIGN: &str = "writev,copy_file_range,sendfile,link,linkat,mkdir,mkdirat,rmdir,symlink,symlinkat,syncfs";

/// A change of names in folders that is not synced yet.
#[derive(Clone, Debug)]
enum NameChange {
    Created(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

impl NameChange {
    fn folder(&self) -> &Path {
        let (Self::Created(path, _) | Self::Renamed(_, path, _) | Self::Removed(path)) = self;
        path.parent().unwrap()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Created(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Removed(path) => drop(names.remove(path)),
        }
    }
}

/// A file: what is on the disk for sure, and what programs read.
#[derive(Clone, Debug, Default)]
struct FileState {
    synced: Vec<u8>,
    seen: Vec<u8>,
}

/// A disk and the cache above it.
#[derive(Default)]
struct Disk {
    files: Vec<FileState>,
    synced: BTreeMap<PathBuf, usize>,
    seen: BTreeMap<PathBuf, usize>,
    pending: Vec<NameChange>,
}

/// A possible content of a disk after a power cut: path → bytes.
type CrashState = BTreeMap<PathBuf, Vec<u8>>;

/// All that a command may leave behind when the power is cut.
pub(crate) struct CrashStates {
    folders: Vec<PathBuf>,
    states: Vec<(CrashState, String)>,
}

impl CrashStates {
    /// Runs the command that `prepare` returns undisturbed, in a folder that it fills, and computes the states.
    pub(crate) fn of(root: &Path, prepare: impl Fn(&Path) -> Command) -> Self {
        let place = root.join(REFERENCE);
        fs::create_dir_all(&place).unwrap();
        let command = prepare(&place);
        let (mut disk, mut folders) = (Disk::default(), Vec::new());
        for entry in walkdir::WalkDir::new(&place).into_iter().map(Result::unwrap) {
            let below = entry.path().strip_prefix(&place).unwrap().to_owned();
            match entry.file_type().is_dir() {
                true => folders.push(below),
                false => disk.begin(below, fs::read(entry.path()).unwrap()),
            }
        }
        let (mut states, mut known) = (Vec::new(), BTreeSet::new());
        for (number, line) in trace(&command).lines().enumerate() {
            if disk.replay(line, &place) {
                for state in disk.crash_states() {
                    if known.insert(state.clone()) {
                        states.push((state, format!("call {number}, {}", line.chars().take(120).collect::<String>())));
                    }
                }
            }
        }
        eprintln!("{} states", states.len());
        Self { folders, states }
    }

    /// Lays out each state in a folder, and hands it to `judge` with the call at which it arises.
    pub(crate) fn each(&self, folder: &Path, mut judge: impl FnMut(&Path, &str)) {
        for (state, what) in &self.states {
            let place = folder.join("cut");
            let _ = fs::remove_dir_all(&place);
            self.folders.iter().for_each(|below| fs::create_dir_all(place.join(below)).unwrap());
            state.iter().for_each(|(path, content)| fs::write(place.join(path), content).unwrap());
            judge(&place, what);
        }
    }
}

/// Runs the command and returns what strace says: strings in hexadecimal digits, descriptors with their paths.
fn trace(command: &Command) -> String {
    let folder = scratch();
    let log = folder.path().join("log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-xx", "-s", "1000000", "-e", &format!("trace={CALLS},{FOREIGN}"), "-o"]).arg(&log);
    let run = output(&mut inside(strace, command));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    fs::read_to_string(&log).unwrap()
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

impl Disk {
    fn begin(&mut self, path: PathBuf, content: Vec<u8>) {
        self.synced.insert(path.clone(), self.files.len());
        self.seen.insert(path, self.files.len());
        self.files.push(FileState { synced: content.clone(), seen: content });
    }

    /// Replays one call. Returns whether it changed something below `place`.
    fn replay(&mut self, line: &str, place: &Path) -> bool {
        let Some((call, rest)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().split_once('(')) else {
            return false;
        };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { panic!("a call in pieces: {line}") };
        if result.starts_with('-') {
            return false;
        }
        let below = |path: &Path| path.strip_prefix(place).ok().map(Path::to_owned);
        let descriptor = || {
            let path =
                arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path_of(path));
            path.and_then(|path| below(&path))
        };
        let quoted: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        match call {
            "openat" => match below(&path_of(quoted[0])) {
                Some(path) if arguments.contains("O_CREAT") => self.open(path, arguments.contains("O_TRUNC")),
                _ => false,
            },
            "write" | "pwrite64" => match descriptor() {
                Some(path) => self.write(&path, &decode(quoted[0])),
                None => false,
            },
            "ftruncate" => match descriptor() {
                Some(path) => self.truncate(&path, arguments),
                None => false,
            },
            "fsync" | "fdatasync" => match descriptor() {
                Some(path) => self.sync(&path),
                None => false,
            },
            "rename" | "renameat" | "renameat2" => match (below(&path_of(quoted[0])), below(&path_of(quoted[1]))) {
                (Some(from), Some(to)) => self.rename(from, to),
                (None, None) => false,
                _ => panic!("a rename out of the folder: {line}"),
            },
            "unlink" | "unlinkat" => match below(&path_of(quoted[0])) {
                Some(path) => self.change(NameChange::Removed(path)),
                None => false,
            },
            _ => {
                let place = place.to_str().unwrap();
                let touches = quoted.iter().any(|text| String::from_utf8_lossy(&decode(text)).contains(place));
                assert!(!touches && descriptor().is_none(), "the model does not know this call: {line}");
                false
            }
        }
    }

    fn change(&mut self, change: NameChange) -> bool {
        change.apply(&mut self.seen);
        self.pending.push(change);
        true
    }

    fn open(&mut self, path: PathBuf, truncates: bool) -> bool {
        match self.seen.get(&path) {
            Some(file) if truncates => self.files[*file].seen.clear(),
            Some(_) => return false,
            None => {
                self.files.push(FileState::default());
                return self.change(NameChange::Created(path, self.files.len() - 1));
            }
        }
        true
    }

    /// Every program of ours writes at the end of a file.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> bool {
        self.files[self.seen[path]].seen.extend_from_slice(bytes);
        true
    }

    fn truncate(&mut self, path: &Path, arguments: &str) -> bool {
        let length: usize = arguments.rsplit(", ").next().unwrap().trim_end_matches(')').parse().unwrap();
        self.files[self.seen[path]].seen.truncate(length);
        true
    }

    fn rename(&mut self, from: PathBuf, to: PathBuf) -> bool {
        assert_eq!(from.parent(), to.parent(), "the model knows renames within a folder");
        let file = self.seen[&from];
        self.change(NameChange::Renamed(from, to, file))
    }

    fn sync(&mut self, path: &Path) -> bool {
        if let Some(file) = self.seen.get(path) {
            self.files[*file].synced = self.files[*file].seen.clone();
            return true;
        }
        let (synced, pending) = self.pending.drain(..).partition(|change| change.folder() == path);
        let synced: Vec<NameChange> = synced;
        synced.iter().for_each(|change| change.apply(&mut self.synced));
        self.pending = pending;
        true
    }

    /// All that the disk may hold now.
    fn crash_states(&self) -> Vec<CrashState> {
        assert!(self.pending.len() < 8, "too many changes are not synced: {:?}", self.pending);
        let mut states = Vec::new();
        for chosen in 0..1_usize << self.pending.len() {
            let mut names = self.synced.clone();
            let changes = self.pending.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            changes.for_each(|(_, change)| change.apply(&mut names));
            for written in [0, 1, 2] {
                let content = |file: &usize| self.files[*file].after_cut(written);
                states.push(names.iter().map(|(path, file)| (path.clone(), content(file))).collect());
            }
        }
        states
    }
}

impl FileState {
    /// The content if nothing, half or all of what was not synced is on the disk.
    fn after_cut(&self, halves: usize) -> Vec<u8> {
        let common = self.synced.iter().zip(&self.seen).take_while(|(a, b)| a == b).count();
        match halves {
            0 => self.synced.clone(),
            2 => self.seen.clone(),
            _ => self.seen[..common + (self.seen.len() - common) / 2].to_vec(),
        }
    }
}

#[test]
fn a_write_without_sync_is_found() {
    let desk = crate::support::desk::Desk::new();
    let states = |script: &str| {
        let root = tempfile::tempdir().unwrap();
        let states = CrashStates::of(root.path(), |folder| {
            fs::write(folder.join("state"), "old").unwrap();
            let mut command = Command::new("python3");
            command.args(["-c", script]).current_dir(folder);
            crate::support::desk::clean(&mut command);
            command
        });
        let mut contents = BTreeSet::new();
        states.each(&desk.path("cuts"), |place, _| {
            contents.insert(fs::read_to_string(place.join("state")).unwrap());
        });
        contents.into_iter().collect::<Vec<_>>()
    };
    let write =
        "import os\np = os.getcwd()\nf = os.open(p + '/state.part', os.O_CREAT | os.O_WRONLY)\nos.write(f, b'new!')\n";
    let rename = "os.rename(p + '/state.part', p + '/state')\n";
    assert_eq!(states(&format!("{write}os.fsync(f)\n{rename}")), ["new!", "old"]);
    assert_eq!(states(&format!("{write}{rename}")), ["", "ne", "new!", "old"], "without the sync");
}
