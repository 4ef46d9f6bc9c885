//! Flat repositories: what a stock apt takes from an upstream, it takes from the site by the same line.

use std::fs;
use std::path::{Path, PathBuf};

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::time::Time;
use gapferry::upstream::{DebSpec, SampleCompression, build_deb};

use crate::apt_client::{AptClient, output};
use crate::support::desk::{ARCHIVE_KEY, Desk, Serving};
use crate::support::server::Server;

/// The folder of the repository below that which an upstream serves: the path of its address.
const REPO: &str = "vendor/deb";

/// A flat repository that is written by hand.
pub(crate) struct FlatRepository {
    pub(crate) desk: Desk,
    /// When its suites were made.
    date: i64,
}

/// The signature of a suite.
#[derive(Clone, Copy, Debug)]
enum Signature {
    Inline,
    Beside,
    None,
}

/// A suite to be written: its folder, the head of its Release, its signature, and its indexes.
struct FlatSuite<'a> {
    folder: &'a str,
    head: &'a str,
    signature: Signature,
    indexes: &'a [(&'a str, Vec<u8>)],
}

impl FlatRepository {
    pub(crate) fn new() -> Self {
        let desk = Desk::new();
        fs::write(desk.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
        Self { desk, date: Time::now().plus(-24 * 3600).unix() }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.desk.path("up").join(REPO).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a .deb at `path`, and returns its stanza with `filename`.
    pub(crate) fn deb(&self, spec: &DebSpec, path: &str, filename: &str) -> String {
        let bytes = build_deb(spec).unwrap();
        self.write(path, &bytes);
        let (size, digest) = (bytes.len(), Sha256::of(&bytes));
        format!("{}Filename: {filename}\nSize: {size}\nSHA256: {digest}\n\n", spec.control())
    }

    /// Writes a source package in `folder`, and returns its stanza with `directory`.
    fn source(&self, name: &str, folder: &str, directory: &str) -> String {
        let file = |suffix: &str, bytes: &[u8]| {
            self.write(&format!("{folder}{name}_1.{suffix}"), bytes);
            format!(" {} {} {name}_1.{suffix}\n", Sha256::of(bytes), bytes.len())
        };
        let (dsc, tar) = (file("dsc", b"Format: 3.0 (native)\n"), file("tar.xz", b"tar"));
        format!("Package: {name}\nBinary: {name}\nVersion: 1\nDirectory: {directory}\nChecksums-Sha256:\n{dsc}{tar}\n")
    }

    /// Writes a suite, signed.
    fn publish(&self, suite: &FlatSuite<'_>) {
        let below = |file: &str| Path::new(suite.folder).join(file).to_str().unwrap().to_owned();
        let date = Time::from_unix(self.date).unwrap().day_and_time();
        let mut release = format!("{}Date: {date} UTC\nSHA256:\n", suite.head);
        for (path, bytes) in suite.indexes {
            self.write(&below(path), bytes);
            release += &format!(" {} {} {path}\n", Sha256::of(bytes), bytes.len());
        }
        for file in ["InRelease", "Release", "Release.gpg"] {
            let _ = fs::remove_file(self.desk.path("up").join(REPO).join(below(file)));
        }
        match suite.signature {
            Signature::Inline => {
                self.write(&below("InRelease"), ARCHIVE_KEY.sign_clear(&release, self.date).unwrap().as_bytes());
            }
            Signature::Beside => {
                self.write(&below("Release"), release.as_bytes());
                let signature = ARCHIVE_KEY.sign_detached(release.as_bytes(), self.date).unwrap();
                self.write(&below("Release.gpg"), signature.as_bytes());
            }
            Signature::None => drop(self.write(&below("Release"), release.as_bytes())),
        }
    }

    /// Writes `hello` and its indexes into a suite, and signs it.
    pub(crate) fn publish_hello(&self, folder: &str, head: &str) {
        let path = Path::new(folder).join("hello_1.0_amd64.deb").to_str().unwrap().to_owned();
        let text = self.deb(&DebSpec::new("hello", "1.0", "amd64"), &path, &format!("./{path}"));
        self.publish_text(folder, head, &text);
    }

    /// Writes indexes into a suite, and signs it.
    pub(crate) fn publish_indexes(&self, folder: &str, head: &str, indexes: &[(&str, Vec<u8>)]) {
        self.publish(&FlatSuite { folder, head, signature: Signature::Inline, indexes });
    }

    /// Writes an index into a suite, and signs it.
    pub(crate) fn publish_text(&self, folder: &str, head: &str, text: &str) {
        let indexes = packed(text, &[SampleCompression::Plain, SampleCompression::Gzip]);
        let indexes: Vec<(&str, Vec<u8>)> =
            indexes.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
        self.publish_indexes(folder, head, &indexes);
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(&self.desk.path("up"))
    }

    /// An `[[apt]]` table for the repository.
    fn table(&self, url: &str, suites: &[&str], more: &str) -> String {
        format!(
            "[[apt]]\nname = \"flat\"\nurl = \"{url}\"\nsuites = {suites:?}\narchitectures = [\"amd64\"]\n\
             keyring = \"{}\"\n{more}\n",
            self.desk.path("keyring.gpg").display()
        )
    }

    /// The key that clients of the site trust.
    fn key(&self, publish: &str) -> PathBuf {
        if publish == "verbatim" { self.desk.path("keyring.gpg") } else { super::key(&self.desk) }
    }
}

/// Addresses of the repository: upstream's own, the site's under upstream's name, and the site's by path. No address of a site
/// has a port, so upstream's name here is its IP address.
struct Addresses {
    upstream: String,
    as_upstream: String,
    by_path: String,
}

impl Addresses {
    fn new(server: &Server, serving: &Serving) -> Self {
        Self {
            upstream: server.url(REPO).to_string(),
            as_upstream: format!("http://{}/{REPO}", serving.address),
            by_path: format!("http://{}/apt/flat", serving.address),
        }
    }
}

/// A client whose list is `text`, which updates without a complaint.
fn client_of(file: &str, text: &str) -> AptClient {
    let client = AptClient::new("amd64").with_programs();
    fs::write(client.path("etc/apt/sources.list.d").join(file), text).unwrap();
    client.updates_without_complaint("");
    client
}

/// The packages that clients of a repository must get.
struct Expected<'a> {
    packages: &'a str,
    debs: &'a [&'a str],
    sources: &'a [&'a str],
}

fn gets(client: &AptClient, expected: &Expected<'_>) {
    client.apt_get(&format!("install -y --download-only {}", expected.packages));
    assert_eq!(client.downloaded(), expected.debs);
    for source in expected.sources {
        client.apt_get(&format!("source --download-only {source}"));
        assert!(client.path(&format!("{source}_1.tar.xz")).exists(), "{source}");
    }
}

/// The one-line list of a client, and its stanzas: both forms of each suite.
fn lists(url: &str, suites: &[&str], key: &Path, types: &[&str]) -> [(&'static str, String); 2] {
    let key = key.display();
    let lines = suites.iter().flat_map(|suite| types.iter().map(move |kind| (kind, suite)));
    let lines: String = lines.map(|(kind, suite)| format!("{kind} [signed-by={key}] {url} {suite}\n")).collect();
    let (types, suites) = (types.join(" "), suites.join(" "));
    let stanza = format!("Types: {types}\nURIs: {url}\nSuites: {suites}\nSigned-By: {key}\n");
    [("x.list", lines), ("x.sources", stanza)]
}

/// Compares clients of the upstream and of the site, in both modes.
fn same_at_the_site(repository: &FlatRepository, suites: &[&str], more: &str, expected: &Expected<'_>) {
    let types: &[&str] = if expected.sources.is_empty() { &["deb"] } else { &["deb", "deb-src"] };
    let desk = &repository.desk;
    let server = repository.serve();
    for (file, text) in lists(server.url(REPO).as_str(), suites, &desk.path("keyring.gpg"), types) {
        gets(&client_of(file, &text), expected);
    }
    desk.select("");
    desk.init(&["flat"], "");
    for publish in ["verbatim", "re-indexed"] {
        let more = format!("publish = \"{publish}\"\ndeb-src = {}\n{more}", !expected.sources.is_empty());
        desk.select(&repository.table(server.url(REPO).as_str(), suites, &more));
        desk.ferry();
        let serving = desk.serve();
        let addresses = Addresses::new(&server, &serving);
        assert!(addresses.upstream.starts_with("http://127.0.0.1:"));
        for url in [&addresses.as_upstream, &addresses.by_path] {
            for (file, text) in lists(url, suites, &repository.key(publish), types) {
                gets(&client_of(file, &text), expected);
            }
        }
        let written = desk.run(&format!("setup apt --site site --serve-url http://{}", serving.address)).ok().out;
        assert!(!written.contains("Components:"), "{written}");
        gets(&client_of("gapferry.sources", &written), expected);
    }
}

fn packed(text: &str, packings: &[SampleCompression]) -> Vec<(String, Vec<u8>)> {
    packings
        .iter()
        .map(|packing| (format!("Packages{}", packing.suffix()), packing.pack(text.as_bytes()).unwrap()))
        .collect()
}

#[test]
fn a_repository_in_the_root_without_any_names() {
    let repository = FlatRepository::new();
    repository.publish_hello("", "");
    let expected = Expected { packages: "hello", debs: &["hello_1.0_amd64.deb"], sources: &[] };
    same_at_the_site(&repository, &["./"], "", &expected);
}

/// As a vendor has it: a Release with names that no client asks for, a signature beside it, one compressed index, packages of
/// several architectures in folders, and sources.
#[test]
fn a_repository_of_several_architectures_with_sources() {
    let repository = FlatRepository::new();
    let text = [
        repository.deb(
            &DebSpec { depends: "data".into(), ..DebSpec::new("hello", "1.0+b~1", "amd64") },
            "amd64/hello_1.0+b~1_amd64.deb",
            "amd64/hello_1.0+b~1_amd64.deb",
        ),
        repository.deb(&DebSpec::new("hello", "1.0+b~1", "arm64"), "arm64/hello.deb", "./arm64//hello.deb"),
        repository.deb(&DebSpec::new("data", "1", "all"), "all/data.deb", "/all/data.deb"),
    ]
    .concat();
    let sources = [repository.source("hello", "src/", "./src"), repository.source("top", "", ".")].concat();
    let mut indexes = packed(&text, &[SampleCompression::Plain, SampleCompression::Xz]);
    indexes.push(("Sources".to_owned(), sources.into_bytes()));
    let indexes: Vec<(&str, Vec<u8>)> = indexes.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let head =
        "Origin: Vendor\nLabel: Vendor\nSuite: stable\nCodename: deb\nArchitectures: amd64 arm64\nComponents: main\n";
    repository.publish(&FlatSuite { folder: "", head, signature: Signature::Beside, indexes: &indexes });
    fs::remove_file(repository.desk.path("up").join(REPO).join("Packages")).unwrap();
    let debs = ["data_1_all.deb", "hello_1.0+b~1_amd64.deb"];
    let expected = Expected { packages: "hello", debs: &debs, sources: &["hello", "top"] };
    same_at_the_site(&repository, &["/"], "", &expected);
    let items = super::items(&repository.desk, Path::new("medium/dc1-base-000002"));
    assert!(items.iter().all(|item| !item.ends_with("arm64")), "{items:?}");
}

#[test]
fn several_suites_below_one_address() {
    let repository = FlatRepository::new();
    let noble =
        repository.deb(&DebSpec::new("hello", "2.0", "amd64"), "pool/noble/hello.deb", "./pool/noble/hello.deb");
    let jammy = repository.deb(&DebSpec::new("other", "1.0", "amd64"), "jammy/other.deb", "jammy/other.deb");
    for (folder, head, text) in
        [("noble", "Suite: noble\nAcquire-By-Hash: yes\n", &noble), ("jammy/x86", "Codename: jammy/x86\n", &jammy)]
    {
        let indexes = [("Packages", text.clone().into_bytes())];
        repository.publish(&FlatSuite { folder, head, signature: Signature::Inline, indexes: &indexes });
        let by_hash = format!("{folder}/by-hash/SHA256/{}", Sha256::of(text.as_bytes()));
        if head.contains("By-Hash") {
            repository.write(&by_hash, text.as_bytes());
            fs::remove_file(repository.desk.path("up").join(REPO).join(folder).join("Packages")).unwrap();
        }
    }
    let debs = ["hello_2.0_amd64.deb", "other_1.0_amd64.deb"];
    let expected = Expected { packages: "hello other", debs: &debs, sources: &[] };
    same_at_the_site(&repository, &["noble/", "jammy/x86/"], "packages = [\"hello\", \"other\"]", &expected);
}

/// Descriptions and lists of files, by the names that they have in flat suites.
#[test]
fn indexes_of_other_clients() {
    let repository = FlatRepository::new();
    let spec = DebSpec::new("hello", "1.0", "amd64");
    let digest = "0123456789abcdef0123456789abcdef";
    let text = repository.deb(&spec, "hello.deb", "./hello.deb").trim_end().to_owned()
        + &format!("\nDescription-md5: {digest}\n\n");
    let description =
        format!("Package: hello\nDescription-md5: {digest}\nDescription-en: short\n a long description\n\n");
    let contents = SampleCompression::Gzip.pack(b"usr/bin/hello misc/hello\n").unwrap();
    let indexes = [
        ("Packages", text.into_bytes()),
        ("en", description.into_bytes()),
        ("Contents-amd64", b"usr/bin/hello misc/hello\n".to_vec()),
        ("Contents-amd64.gz", contents),
    ];
    repository.publish(&FlatSuite {
        folder: "",
        head: "Origin: Vendor\n",
        signature: Signature::Inline,
        indexes: &indexes,
    });
    let expected = Expected { packages: "hello", debs: &["hello_1.0_amd64.deb"], sources: &[] };
    same_at_the_site(&repository, &["./"], "", &expected);

    let desk = &repository.desk;
    let url = desk.path("up").join(REPO).display().to_string();
    let at_site = format!("{}/apt/flat", desk.path("site/current").display());
    for (folder, key) in [(url, desk.path("keyring.gpg")), (at_site, super::key(desk))] {
        let client = client_of("x.list", &format!("deb [signed-by={}] file:{folder} ./\n", key.display()));
        let shown = crate::apt_client::run(client.command("apt-cache").args(["show", "hello"]));
        assert!(shown.contains("a long description"), "{shown}");
    }
}

#[test]
fn the_same_lines_are_read_from_source_lists() {
    let repository = FlatRepository::new();
    repository.publish_hello("", "Origin: Vendor\n");
    repository.publish_hello("amd64", "Suite: amd64\n");
    let desk = &repository.desk;
    let server = repository.serve();
    let (url, key) = (server.url(REPO).to_string(), desk.path("keyring.gpg").display().to_string());
    let inline: String = ARCHIVE_KEY
        .public_armored()
        .unwrap()
        .lines()
        .map(|line| format!(" {}\n", if line.is_empty() { "." } else { line }))
        .collect();
    let expected = Expected { packages: "hello", debs: &["hello_1.0_amd64.deb"], sources: &[] };
    desk.select("");
    desk.init(&["host-vendor-deb"], "");
    for (file, text) in [
        ("a.list", format!("deb [signed-by={key}] {url} ./\n")),
        ("b.list", format!("deb [arch=amd64 signed-by={key}] {url} / # flat\n")),
        ("c.list", format!("deb [signed-by={key}] {url} $(ARCH)/\n")),
        ("d.sources", format!("Types: deb\nURIs: {url}\nSuites: /\nSigned-By:\n{inline}\n")),
        ("e.sources", format!("Types: deb\nURIs: {url}\nSuites: ./ $(ARCH)/\nComponents:\nSigned-By: {key}\n")),
    ] {
        gets(&client_of(file, &text), &expected);
        fs::write(desk.path("online").join(file), &text).unwrap();
        let table = format!(
            "[[apt]]\nname = \"host\"\nsources = \"{file}\"\narchitectures = [\"amd64\"]\npublish = \"verbatim\"\n"
        );
        desk.select(&table);
        let exported = desk.export("--json");
        if exported.code != i32::from(Exit::NothingNew.code()) {
            desk.import(&desk.path(exported.ok().json()["bundle"].as_str().unwrap())).ok();
        }
        let serving = desk.serve();
        let at_site = text.replace(&url, &format!("http://{}/{REPO}", serving.address));
        gets(&client_of(file, &at_site), &expected);
    }
}

#[test]
fn rejects_what_upstream_does_not_sign() {
    let repository = FlatRepository::new();
    let desk = &repository.desk;
    let export = |suites: &[&str], more: &str| {
        desk.select(&repository.table(&desk.url(&format!("up/{REPO}")), suites, more));
        desk.export("--dry-run")
    };
    repository.publish_hello("noble", "Suite: jammy\n");
    export(&["noble/"], "")
        .says(Exit::VerificationFailed, &["was asked for the suite noble/", "\"jammy\"", "\"noble/\" = \"jammy\""]);
    export(&["noble/"], "signed-as = { \"noble/\" = \"jammy\" }").ok();
    export(&["./"], "").says(Exit::UpstreamUnavailable, &["no suite ./"]);

    repository.publish_hello("", "");
    let folder = desk.path("up").join(REPO);
    let index = fs::read_to_string(folder.join("Packages")).unwrap();
    fs::write(folder.join("Packages"), index.replace("hello", "hollo")).unwrap();
    fs::write(folder.join("Packages.gz"), SampleCompression::Gzip.pack(b"Package: hollo\n").unwrap()).unwrap();
    export(&["./"], "").says(Exit::VerificationFailed, &["Packages"]);
    fs::remove_file(folder.join("Packages")).unwrap();
    fs::remove_file(folder.join("Packages.gz")).unwrap();
    export(&["./"], "").says(Exit::UpstreamUnavailable, &["Packages does not exist"]);

    let text = index.into_bytes();
    let publish = |signature, index: (&str, Vec<u8>)| {
        repository.publish(&FlatSuite { folder: "", head: "", signature, indexes: &[index] });
    };
    publish(Signature::Inline, ("README", b"no index".to_vec()));
    export(&["./"], "").says(Exit::VerificationFailed, &["lists none of the wanted indexes"]);
    publish(Signature::None, ("Packages", text.clone()));
    export(&["./"], "").says(Exit::VerificationFailed, &["the suite ./ of", "is signed by nobody"]);
    publish(Signature::Beside, ("Packages", text));
    export(&["./"], "").ok();
    let signature = fs::read(folder.join("Release.gpg")).unwrap();
    repository.publish_hello("", "Origin: Another\n");
    fs::rename(folder.join("InRelease"), folder.join("Release")).unwrap();
    fs::write(folder.join("Release.gpg"), signature).unwrap();
    export(&["./"], "").says(Exit::VerificationFailed, &["cannot trust the suite ./"]);
}

#[test]
fn an_older_state_does_not_come_back() {
    let mut repository = FlatRepository::new();
    repository.publish_hello("", "Origin: Vendor\n");
    let table = |repository: &FlatRepository| {
        repository.desk.select(&repository.table(
            &repository.desk.url(&format!("up/{REPO}")),
            &["./"],
            "publish = \"verbatim\"",
        ));
    };
    table(&repository);
    repository.desk.init(&["flat"], "");
    repository.desk.ferry();
    repository.date -= 3600;
    repository.publish_hello("", "Origin: Vendor\nLabel: older\n");
    repository.desk.export("").says(Exit::Refused, &["apt/flat/InRelease"]);
    let exported = repository.desk.export("--json --allow-older-upstream").ok();
    let bundle = repository.desk.path(exported.json()["bundle"].as_str().unwrap());
    repository.desk.import(&bundle).says(Exit::Refused, &["apt/flat/./"]);
}

#[test]
fn a_flat_suite_that_is_gone_is_named() {
    let repository = FlatRepository::new();
    let desk = &repository.desk;
    repository.publish_hello("", "");
    repository.publish_hello("noble", "Suite: noble\n");
    let select = |suites: &[&str]| desk.select(&repository.table(&desk.url(&format!("up/{REPO}")), suites, ""));
    select(&["./", "noble/"]);
    desk.init(&["flat"], "");
    desk.ferry();
    select(&["./"]);
    let exported = desk.export("--json").ok();
    assert!(exported.err.contains("no longer has the suite noble/"), "{exported:?}");
    assert!(exported.err.contains("answered 404 at /apt/flat/noble/."), "{exported:?}");
    let imported = desk.import(&desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    assert!(imported.err.contains("no longer has the suite noble/"), "{imported:?}");
    let status = desk.run("status --site site --json").ok().json();
    assert_eq!(status["unanswered"]["suites"], serde_json::json!(["apt/flat/noble/"]));
}

#[test]
fn selections_of_flat_suites_that_make_no_sense() {
    let repository = FlatRepository::new();
    let desk = &repository.desk;
    repository.publish_hello("", "");
    for (suites, more, words) in [
        ("./", "components = [\"main\"]", "have no components"),
        ("./", "publish = \"reprepro\"", "reprepro publishes no flat suites"),
        ("./", "packages = [\"hello\"]\ndebootstrap = [\"./\"]", "from a flat suite"),
        ("../", "", "is no suite"),
        ("stable", "", "suites and components"),
    ] {
        desk.select(&repository.table(&desk.url(&format!("up/{REPO}")), &[suites], more));
        desk.export("--dry-run").says(Exit::Usage, &[words]);
    }
    let list =
        format!("deb [signed-by={}] {} ./\n", desk.path("keyring.gpg").display(), desk.url(&format!("up/{REPO}")));
    fs::write(desk.path("online/host.list"), list).unwrap();
    let table = |more: &str| format!("[[apt]]\nname = \"host\"\nsources = \"host.list\"\n{more}\n");
    desk.select(&table("architectures = [\"amd64\"]\npublish = \"reprepro\""));
    desk.export("--dry-run").says(Exit::Usage, &["is a flat suite, and reprepro publishes none"]);
    desk.select(&table("architectures = [\"riscv64\"]"));
    desk.export("--dry-run").says(Exit::Usage, &["no suite of host has packages for riscv64", "amd64"]);
    assert!(output(client_of("x.list", "").command("apt-get").arg("check")).status.success());
}
