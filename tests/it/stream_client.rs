//! The real sstream-mirror and sstream-query, and the generated image stream as they judge it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::upstream::{DEFAULT_DATE, Signing, Stream, UbuntuSerial};
use tempfile::TempDir;

use crate::apt_client::{output, run};
use crate::support::server::Server;

/// The reference client with a home of its own, and the one keyring that it trusts.
pub(crate) struct StreamClient {
    home: TempDir,
    /// Where it sends all its requests, as HOST:PORT.
    proxy: Option<String>,
}

impl StreamClient {
    /// A client that trusts the keys in `keyring`, which gpgv wants in binary.
    pub(crate) fn new(keyring: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("keyring.gpg"), keyring).unwrap();
        Self { home, proxy: None }
    }

    /// The same client, which finds every host at `address`, as behind a name server that leads there.
    pub(crate) fn behind(self, address: &str) -> Self {
        Self { proxy: Some(address.to_owned()), ..self }
    }

    /// Mirrors the stream at `base` into the folder `out`; `arguments` are filters such as `arch=amd64` and options such as
    /// `--max=1`, `--keep` and `--path=streams/v1/index.json`. What it printed, or a failed test.
    pub(crate) fn mirror(&self, base: &str, out: &Path, arguments: &[&str]) -> String {
        run(&mut self.mirror_command(base, out, arguments))
    }

    /// The same; how it ended and what it printed.
    pub(crate) fn try_mirror(&self, base: &str, out: &Path, arguments: &[&str]) -> Output {
        output(&mut self.mirror_command(base, out, arguments))
    }

    /// Lists the items that the index at `index` leads to: for each, sorted, what `format` says, such as
    /// `%(product_name)s %(path)s`; `arguments` as for [`Self::mirror`]. A failed test if it fails.
    pub(crate) fn query(&self, index: &str, format: &str, arguments: &[&str]) -> Vec<String> {
        let words = run(&mut self.query_command(index, format, arguments));
        let mut lines: Vec<String> = words.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The same; how it ended and what it printed.
    pub(crate) fn try_query(&self, index: &str, format: &str, arguments: &[&str]) -> Output {
        output(&mut self.query_command(index, format, arguments))
    }

    pub(crate) fn mirror_command(&self, base: &str, out: &Path, arguments: &[&str]) -> Command {
        // It takes the address as a prefix of paths.
        let base = format!("{}/", base.trim_end_matches('/'));
        self.command("sstream-mirror", &[], &[OsStr::new(&base), out.as_os_str()], arguments)
    }

    fn query_command(&self, index: &str, format: &str, arguments: &[&str]) -> Command {
        let format = format!("--output-format={format}");
        self.command("sstream-query", &[&format], &[OsStr::new(index)], arguments)
    }

    /// `program` with this client's keyring, and without the host's proxies: options first, then `places`, then filters,
    /// since it takes no option among these.
    fn command(&self, program: &str, options: &[&str], places: &[&OsStr], arguments: &[&str]) -> Command {
        // Where tests/run has put it, also for runs that tests/run did not start.
        let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python").join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).chain([installed]).collect();
        let mut command = Command::new(program);
        command.env("PATH", std::env::join_paths(folders).unwrap()).env("HOME", self.home.path());
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "GNUPGHOME", "PYTHONPATH", "PYTHONHOME"] {
            command.env_remove(name);
        }
        if let Some(proxy) = &self.proxy {
            command.env("http_proxy", format!("http://{proxy}")).env_remove("no_proxy").env_remove("NO_PROXY");
        }
        let (more, filters): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|argument| argument.starts_with('-'));
        command.arg(format!("--keyring={}", self.home.path().join("keyring.gpg").display()));
        command.args(options).args(more).args(places).args(filters);
        command
    }
}

/// Path → SHA-256 of every file below `root`, without sstream-mirror's own notes in `.data`.
pub(crate) fn files_of(root: &Path) -> BTreeMap<String, String> {
    let walk = walkdir::WalkDir::new(root).into_iter().filter_entry(|entry| entry.file_name() != ".data");
    let files = walk.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let below = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    files.map(|entry| (below(entry.path()), Sha256::of(&fs::read(entry.path()).unwrap()).to_hex())).collect()
}

/// A generated stream on a server, and a client that trusts its key.
struct Setting {
    folder: TempDir,
    server: Server,
    client: StreamClient,
}

impl Setting {
    fn new(stream: &Stream) -> Self {
        let key = key();
        let folder = tempfile::tempdir().unwrap();
        stream.write_to(&folder.path().join("stable"), &key).unwrap();
        let server = Server::start(folder.path());
        Self { server, client: StreamClient::new(&key.public_binary().unwrap()), folder }
    }

    fn upstream(&self) -> PathBuf {
        self.folder.path().join("stable")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn url(&self, below: &str) -> String {
        self.server.url(&format!("stable{below}")).to_string()
    }
}

fn key() -> SiteKey {
    SiteKey::generate("Test Images <images@example.invalid>", DEFAULT_DATE).unwrap()
}

fn stream() -> Stream {
    let kernels = ["ga-22.04", "hwe-22.04", "ga-22.04-lowlatency"];
    let mut stream = Stream::new("stable");
    stream
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", "20250615").kernels(&kernels))
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", "20250718").kernels(&kernels))
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "arm64", "20250718"))
        .ubuntu(&UbuntuSerial::new("noble", "24.04", "amd64", "20250709"))
        .bootloaders("20231004.0")
        .centos("8", "amd64", "20211104_01");
    stream
}

/// What the newest serial of jammy for amd64 consists of.
fn jammy() -> Vec<String> {
    let kernel = |name| ["boot-initrd", "boot-kernel"].map(|file| format!("{name}/{file}"));
    let kernels = ["ga-22.04/generic", "ga-22.04/lowlatency", "hwe-22.04/generic"].into_iter().flat_map(kernel);
    let files = kernels.chain(["squashfs".into(), "squashfs.manifest".into()]);
    files.map(|file| format!("jammy/amd64/20250718/{file}")).collect()
}

#[test]
fn sstream_mirror_takes_all_of_the_generated_stream() {
    let setting = Setting::new(&stream());
    setting.client.mirror(&setting.url(""), &setting.out(), &[]);
    let mut expected = files_of(&setting.upstream());
    // It keeps the form that it has read.
    expected.retain(|path, _| !path.ends_with(".json") && !path.ends_with(".json.gpg"));
    assert_eq!(files_of(&setting.out()), expected);
    assert_eq!(expected.len(), 4 + stream().payload_paths().len());
}

#[test]
fn sstream_mirror_takes_the_plain_form_too() {
    for signing in [Signing::Detached, Signing::Unsigned] {
        let mut stream = stream();
        stream.signing = signing;
        let setting = Setting::new(&stream);
        setting.client.mirror(&setting.url("/"), &setting.out(), &["--path=streams/v1/index.json"]);
        let mut expected = files_of(&setting.upstream());
        expected.retain(|path, _| !path.ends_with(".gpg"));
        assert_eq!(files_of(&setting.out()), expected);
    }
}

#[test]
fn a_filter_takes_exactly_what_it_names() {
    let setting = Setting::new(&stream());
    setting.client.mirror(&setting.url(""), &setting.out(), &["arch=amd64", "release=jammy", "--max=1"]);
    let files = files_of(&setting.out()).into_keys().filter(|path| !path.starts_with("streams/"));
    assert_eq!(files.collect::<Vec<_>>(), jammy());
}

#[test]
fn another_key_is_refused() {
    let setting = Setting::new(&stream());
    let stranger = StreamClient::new(&key().public_binary().unwrap());
    let index = setting.url("/streams/v1/index.sjson");
    let refusals =
        [stranger.try_mirror(&setting.url(""), &setting.out(), &[]), stranger.try_query(&index, "%(path)s", &[])];
    for refusal in refusals {
        assert!(!refusal.status.success());
        let words = String::from_utf8_lossy(&refusal.stderr);
        assert!(words.contains("'gpgv'") && words.contains("exit status 2"), "{words}");
    }
    assert!(!setting.out().join("streams/v1/index.sjson").exists());
}

#[test]
fn a_file_other_than_its_products_file_says_is_refused() {
    let mut stream = stream();
    stream.edit_products = |_, file| {
        if let Some(item) =
            file.pointer_mut("/products/com.ubuntu.maas.stable:centos-bases:8:amd64/versions/20211104_01")
        {
            item["items"]["root-tgz"]["sha256"] = "0".repeat(64).into();
        }
    };
    let setting = Setting::new(&stream);
    let refusal = setting.client.try_mirror(&setting.url(""), &setting.out(), &["os=centos"]);
    assert!(!refusal.status.success());
    let words = String::from_utf8_lossy(&refusal.stderr);
    assert!(words.contains("Invalid") && words.contains("root-tgz"), "{words}");
}

#[test]
fn sstream_query_lists_what_is_there() {
    let setting = Setting::new(&stream());
    let index = setting.url("/streams/v1/index.sjson");
    let mut paths = setting.client.query(&index, "%(path)s", &[]);
    paths.dedup();
    assert_eq!(paths, stream().payload_paths());
    let filters = ["--max=1", "arch=amd64", "release=jammy", "item_name=boot-kernel"];
    let format = "%(product_name)s %(version_name)s %(path)s %(size)s %(kpackage)s %(label)s";
    let [ga, low, hwe] = setting.client.query(&index, format, &filters).try_into().unwrap();
    let line = |kernel: &str, folder: &str, package: &str| {
        format!(
            "com.ubuntu.maas.stable:v3:boot:22.04:amd64:{kernel} 20250718 jammy/amd64/20250718/{folder}/boot-kernel 5000 \
             {package} stable"
        )
    };
    assert_eq!(ga, line("ga-22.04", "ga-22.04/generic", "linux-generic"));
    assert_eq!(low, line("ga-22.04-lowlatency", "ga-22.04/lowlatency", "linux-lowlatency"));
    assert_eq!(hwe, line("hwe-22.04", "hwe-22.04/generic", "linux-generic-hwe-22.04"));
    assert_eq!(setting.client.query(&index, "%(os)s %(src_package)s", &["os~(grub*|pxelinux)"]).len(), 6);
}
