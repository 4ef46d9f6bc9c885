//! Both sides of a gap below one folder, driven through the real program as a user does.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gapferry::cli::Exit;
use gapferry::formats::openpgp::SiteKey;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, Payload, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use super::world::scratch;

/// The key of the archives that [`Desk::archive`] writes: one for all tests of a run.
pub(crate) static ARCHIVE_KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Desk Archive <archive@desk.invalid>", long_ago()).unwrap());

/// Ten days before now, in Unix seconds: older than every archive.
fn long_ago() -> i64 {
    Time::now().unix() - 10 * 24 * 3600
}

/// Returns the date of the next archive: a second after that of the one before, whatever the clock says. apt takes no archive
/// for newer that has the same second.
fn next_date() -> i64 {
    static FIRST: LazyLock<i64> = LazyLock::new(|| Time::now().unix() - 24 * 3600);
    static WRITTEN: AtomicI64 = AtomicI64::new(0);
    *FIRST + WRITTEN.fetch_add(1, Ordering::Relaxed)
}

/// Folders: `online` (key, selection, workspace), `medium` (bundles), `site`, and archives by their names.
pub(crate) struct Desk {
    root: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; -1 after a signal.
    pub(crate) code: i32,
    /// stdout.
    pub(crate) out: String,
    /// stderr.
    pub(crate) err: String,
}

impl Desk {
    /// A desk with a builder's key.
    pub(crate) fn new() -> Self {
        let desk = Self { root: scratch() };
        desk.fill();
        desk
    }

    fn fill(&self) {
        fs::create_dir(self.path("online")).unwrap();
        fs::create_dir(self.path("medium")).unwrap();
        self.run("keygen online/builder.key").ok();
    }

    /// The same on a disk, for what would take too much memory.
    pub(crate) fn on_disk() -> Self {
        let desk = Self { root: tempfile::tempdir_in("/var/tmp").unwrap() };
        desk.fill();
        desk
    }

    /// A path below the desk's folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Writes `upstream` into the folder `name`, signed, with `archive.gpg` beside `dists/`; the suites are newer
    /// than those of every archive before.
    pub(crate) fn archive(&self, name: &str, upstream: &mut Upstream, suites: &[&str]) {
        let date = next_date();
        for suite in suites {
            upstream.suite(suite).date = date;
        }
        upstream.write_to(&self.path(name), &ARCHIVE_KEY).unwrap();
        fs::write(self.path(name).join("archive.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    }

    /// An `[[apt]]` table for an archive of [`Desk::archive`]; `what` is suites, components and architectures, each with commas.
    pub(crate) fn table(&self, name: &str, url: &str, what: &str, more: &str) -> String {
        let [suites, components, architectures] = what.split(' ').map(list).collect::<Vec<_>>().try_into().unwrap();
        format!(
            "[[apt]]\nname = \"{name}\"\nurl = \"{url}\"\nsuites = {suites}\ncomponents = {components}\n\
             architectures = {architectures}\nkeyring = \"{}\"\n{more}\n",
            self.path("keyring.gpg").display()
        )
    }

    /// The address of the folder `name`, as a `file:` URL.
    pub(crate) fn url(&self, name: &str) -> String {
        url::Url::from_directory_path(self.path(name)).unwrap().to_string()
    }

    /// Writes the selection: site dc1, name base, then `sources`.
    pub(crate) fn select(&self, sources: &str) {
        self.select_as("base", sources);
    }

    /// The same for a bundle of another name.
    pub(crate) fn select_as(&self, name: &str, sources: &str) {
        fs::write(self.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
        let text = format!("site = \"dc1\"\nname = \"{name}\"\nvolume-size = \"100 MB\"\n\n{sources}");
        fs::write(self.path("online/selection.toml"), text).unwrap();
    }

    /// The program, in the desk's folder, with no settings in its environment.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gapferry"));
        command.args(arguments.split_whitespace()).current_dir(self.root.path());
        clean(&mut command);
        command
    }

    /// Runs the program with these arguments.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        end(&mut self.command(arguments))
    }

    /// Exports the selection, with more arguments.
    pub(crate) fn export(&self, more: &str) -> Ended {
        self.run(&format!(
            "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace {more}"
        ))
    }

    /// The folder of the next bundle.
    #[track_caller]
    pub(crate) fn bundle(&self) -> PathBuf {
        let ended = self.export("--json").ok();
        self.path(ended.json()["bundle"].as_str().unwrap())
    }

    /// Makes the site `site`, which pins the archives' key to each of `sources`.
    #[track_caller]
    pub(crate) fn init(&self, sources: &[&str], more: &str) {
        let pins: String = sources.iter().map(|source| format!(" --keyring {source}=keyring.gpg")).collect();
        self.run(&format!("site init site --name dc1 --builder online/builder.key.pub{pins} {more}")).ok();
    }

    /// Imports a bundle into `site`.
    pub(crate) fn import(&self, bundle: &Path) -> Ended {
        self.run(&format!("import {} --site site", bundle.display()))
    }

    /// The next bundle, carried and imported.
    #[track_caller]
    pub(crate) fn ferry(&self) -> Value {
        let bundle = self.bundle();
        self.run(&format!("import {} --site site --json", bundle.display())).ok().json()
    }

    /// Serves the site, until the value is dropped.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_with("")
    }

    /// The same, with more arguments.
    pub(crate) fn serve_with(&self, more: &str) -> Serving {
        Serving::start(self.command(&format!("serve --site site --listen 127.0.0.1:0 {more}")))
    }
}

impl Serving {
    /// Starts a command that ends in `gapferry serve`, and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().expect("the server says where it listens").unwrap();
        let address = line.strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix('/'));
        Self { address: address.unwrap_or_else(|| panic!("{line}")).to_owned(), child }
    }
}

/// A running `gapferry serve`.
pub(crate) struct Serving {
    /// HOST:PORT.
    pub(crate) address: String,
    child: Child,
}

impl Serving {
    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had in use so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        end(Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()])).ok();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Fails the test unless it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// Fails the test unless it ended with `exit`, and said each of `words` on stderr.
    #[track_caller]
    pub(crate) fn says(self, exit: Exit, words: &[&str]) -> Self {
        assert_eq!(self.code, i32::from(exit.code()), "{}\n{}", self.out, self.err);
        words.iter().for_each(|word| assert!(self.err.contains(word), "{word:?} is not in: {}", self.err));
        self
    }

    /// stdout, which must be one JSON object and nothing else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err));
        assert!(value["outcome"].is_string() && self.out.ends_with("}\n"), "{}", self.out);
        value
    }
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    let output =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; tests/run installs what the tests need"));
    ended(&output)
}

/// What a program left behind.
pub(crate) fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Returns `command` inside of `wrapper`, a program that runs the program that its arguments name.
pub(crate) fn inside(mut wrapper: Command, command: &Command) -> Command {
    wrapper.arg(command.get_program()).args(command.get_args());
    command.get_current_dir().map(|folder| wrapper.current_dir(folder));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    wrapper
}

/// Returns `command` with another clock, in a form of faketime(1): `+10s`, `-1d`, or a clock that stands at `@SECONDS`.
pub(crate) fn at_clock(command: &Command, clock: &str) -> Command {
    let mut faketime = Command::new("faketime");
    faketime.arg("-f");
    match clock.strip_prefix('@').map(|seconds| seconds.parse::<i64>().unwrap()) {
        Some(seconds) => faketime.arg(Time::from_unix(seconds).unwrap().to_string().replace('T', " ").replace('Z', "")),
        None => faketime.arg(clock),
    };
    let mut command = inside(faketime, command);
    // Times of files and timeouts stay what they are.
    command.env("TZ", "UTC").env("NO_FAKE_STAT", "1").env("DONT_FAKE_MONOTONIC", "1");
    command
}

/// The time that a test waits for what must happen: long, since other work may keep all processors busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `event` returns a value. Fails the test if it does not come, with what `missing` says.
#[track_caller]
pub(crate) fn wait_for<T>(missing: impl Fn() -> String, mut event: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = event() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "{}", missing());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes out of the environment what would change the program's ways.
pub(crate) fn clean(command: &mut Command) {
    command.env("LC_ALL", "C.UTF-8").env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
    for name in ["GAPFERRY_SITE", "GAPFERRY_WORKSPACE", "SOURCE_DATE_EPOCH"] {
        command.env_remove(name);
    }
}

/// A TOML list of the words between commas.
fn list(words: &str) -> String {
    let quoted: Vec<String> = words.split(',').map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A package of `size` bytes that do not compress.
pub(crate) fn heavy(name: &str, version: &str, size: u64) -> DebSpec {
    let seed = name.bytes().chain(version.bytes()).map(u64::from).fold(7, |a, b| a * 31 % 1_000_003 + b);
    DebSpec { payload: Payload::Pseudorandom { size, seed }, ..DebSpec::new(name, version, "amd64") }
}

/// The names of what is in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
