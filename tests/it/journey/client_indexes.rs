//! Indexes besides those of packages: descriptions, lists of files, of programs and of commands. The judges are apt-get,
//! apt-file, appstreamcli and command-not-found with the settings that they come with.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, SampleCompression, SourceSpec, Upstream};
use serde_json::json;

use super::{candidate, client, key};
use crate::apt_client::{AptClient, complaint_free, output, run};
use crate::support::cage::{Cage, Plan};
use crate::support::desk::{ARCHIVE_KEY, Desk, Serving};
use crate::support::server::{self, Server, Times};

/// The languages of an apt with German messages. The host that runs the tests need not have the locale.
const GERMAN: &str = "-o Acquire::Languages::=de_DE -o Acquire::Languages::=de -o Acquire::Languages::=en";

/// One index of each kind, by the ending of its path below the suite.
const INDEXES: [&str; 5] = [
    "main/i18n/Translation-en.xz",
    "main/i18n/Translation-de.xz",
    "main/Contents-amd64.xz",
    "main/dep11/Components-amd64.yml.xz",
    "main/cnf/Commands-amd64.xz",
];

fn upstream(version: &str) -> Upstream {
    let mut upstream = Upstream::new("Indexed", &["amd64", "arm64"]);
    upstream
        .add("stable", "main", DebSpec::new("hello", version, "amd64"))
        .add("stable", "main", DebSpec::new("elsewhere", version, "amd64"))
        .add("stable", "main", DebSpec::new("foreign", version, "arm64"))
        .add_source("stable", "main", SourceSpec::new("hello", version));
    upstream
}

/// The same with changes.
fn changed(change: impl FnOnce(&mut Upstream)) -> Upstream {
    let mut upstream = upstream("1.0-1");
    change(&mut upstream);
    upstream
}

/// A site that publishes `hello` of `upstream` verbatim, with more lines in its table.
struct Mirror {
    desk: Desk,
    origin: String,
}

impl Mirror {
    fn new(mut upstream: Upstream, more: &str) -> Self {
        let desk = Desk::new();
        desk.archive("up/debian", &mut upstream, &["stable"]);
        let mut mirror = Self { desk, origin: String::new() };
        let _server = mirror.serve_upstream(more);
        mirror.desk.init(&["demo"], "");
        mirror.desk.ferry();
        mirror
    }

    /// Serves the upstream until the value is dropped, and selects `hello` of it.
    fn serve_upstream(&mut self, more: &str) -> Server {
        let server = Server::start(&self.desk.path("up"));
        self.origin = server.url("debian").to_string();
        let more = format!("publish = \"verbatim\"\npackages = [\"hello\"]\n{more}");
        self.desk.select(&self.desk.table("demo", &self.origin, "stable main amd64", &more));
        server
    }

    /// A client that knows upstream's key and has all programs that ask for indexes.
    fn client(&self, types: &str, uri: &str) -> AptClient {
        let client = AptClient::new("amd64").with_programs();
        let keyring = client.path("upstream.gpg");
        fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
        client.source(types, uri, "stable", "main", &keyring);
        client
    }

    /// The address below the site's own name, and the options with which requests for upstream's name reach the site.
    fn ways(&self, serving: &Serving) -> [(String, String); 2] {
        let address = &serving.address;
        let proxy =
            format!("-o Acquire::http::Proxy=http://{address} -o Acquire::http::Proxy::127.0.0.1=http://{address}");
        [(format!("http://{address}/apt/demo"), String::new()), (self.origin.clone(), proxy)]
    }
}

/// A re-indexed site, with a client of the upstream and one of the site. Both have all programs that ask for indexes.
struct BothSides {
    desk: Desk,
    before: AptClient,
    behind: AptClient,
    _serving: Serving,
}

impl BothSides {
    fn new(mut upstream: Upstream, more: &str) -> Self {
        let desk = Desk::new();
        desk.archive("up", &mut upstream, &["stable"]);
        desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", more));
        desk.init(&["demo"], "");
        desk.ferry();
        let serving = desk.serve();
        let [before, behind] = [(); 2].map(|()| AptClient::new("amd64").with_programs());
        before.source("deb", &desk.url("up"), "stable", "main", &desk.path("keyring.gpg"));
        behind.source("deb", &format!("http://{}/apt/demo", serving.address), "stable", "main", &key(&desk));
        Self { desk, before, behind, _serving: serving }
    }
}

#[test]
fn default_clients_of_a_verbatim_suite_update_without_complaint() {
    let mirror = Mirror::new(upstream("1.0-1"), "deb-src = true");
    let serving = mirror.desk.serve();
    for (uri, proxy) in mirror.ways(&serving) {
        let client = mirror.client("deb deb-src", &uri);
        client.updates_without_complaint(&proxy);
        client.updates_without_complaint(&format!("{proxy} {GERMAN}"));
        client.apt_get(&format!("install -y --download-only {proxy} hello"));
        assert_eq!(client.downloaded(), ["hello_1.0-1_amd64.deb"]);
        fs::create_dir(client.path("src")).unwrap();
        let source = format!("source --download-only {proxy} hello");
        run(client.command("apt-get").current_dir(client.path("src")).args(source.split_whitespace()));
        assert!(client.path("src/hello_1.0-1.dsc").exists());
        assert_eq!(description(&client, ""), LONG);
        assert_eq!(description(&client, GERMAN), GERMAN_LONG);
        let found = run(client.command("apt-file").args(["search", "gapferry-demo/elsewhere"]));
        assert_eq!(found, "elsewhere: /usr/share/gapferry-demo/elsewhere\n");
    }
    let status = mirror.desk.run("status --site site --json").ok().json();
    assert_eq!(status["published"]["apt/demo"].get("missing_indexes"), None, "{status}");
}

const LONG: &str = "Description-en: generated package hello\n Made for a demonstration; it does nothing.";
const GERMAN_LONG: &str = "Description-de: erzeugtes Paket hello\n F\u{fc}r eine Vorf\u{fc}hrung.";

/// The description of `hello` that the client shows.
fn description(client: &AptClient, options: &str) -> String {
    let shown = run(client.command("apt-cache").args(options.split_whitespace()).args(["show", "hello"]));
    let lines: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("Description")).collect();
    let long = lines.iter().skip(1).take_while(|line| line.starts_with(' ')).count();
    lines[..=long].join("\n")
}

#[test]
fn appstream_and_command_not_found_read_what_a_verbatim_suite_has() {
    let mirror = Mirror::new(upstream("1.0-1"), "");
    let serving = mirror.desk.serve();
    let client = mirror.client("deb", &mirror.ways(&serving)[0].0);
    client.updates_without_complaint("");
    let Some([programs, commands]) = found_by_programs(&client, "hello") else { return };
    assert!(programs.contains("Package: hello"), "{programs}");
    assert!(commands.contains("apt install hello"), "{commands}");
}

/// Returns the answers of appstreamcli and command-not-found about a program, from the lists of the client.
fn found_by_programs(client: &AptClient, name: &str) -> Option<[String; 2]> {
    let lists = client.path("var/lib/apt/lists");
    let empty = vec!["/var/cache/swcatalog", "/var/lib/swcatalog", "/var/lib/command-not-found"];
    let plan = Plan { empty, instead: vec![("/var/lib/apt/lists", lists)], ..Plan::default() };
    let cage = Cage::new("programs that read apt's lists", &plan)?;
    let inside = |program: &str, arguments: &[&str]| output(&mut cage.inside(client.command(program).args(arguments)));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    inside("appstreamcli", &["refresh", "--force", "--source=os"]);
    let programs = text(&inside("appstreamcli", &["search", name]).stdout);
    inside("/usr/lib/cnf-update-db", &[]);
    Some([programs, text(&inside("/usr/lib/command-not-found", &[name]).stderr)])
}

/// The upstream is the control: of what is carried, each program says the same at the site.
#[test]
fn programs_find_in_a_re_indexed_suite_what_is_there() {
    let sides = BothSides::new(upstream("1.0-1"), "packages = [\"hello\"]");
    let (before, behind) = (&sides.before, &sides.behind);
    let search = |client: &AptClient, name: &str| {
        let found = output(client.command("apt-file").args(["search", &format!("gapferry-demo/{name}")]));
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    for client in [before, behind] {
        client.updates_without_complaint("");
        assert_eq!(search(client, "hello"), "hello: /usr/share/gapferry-demo/hello\n");
        let Some([programs, commands]) = found_by_programs(client, "hello") else { return };
        assert!(programs.contains("Package: hello"), "{programs}");
        assert!(commands.contains("apt install hello"), "{commands}");
    }
    assert_eq!([search(before, "elsewhere").is_empty(), search(behind, "elsewhere").is_empty()], [false, true]);
    let elsewhere = [before, behind].map(|client| found_by_programs(client, "elsewhere").unwrap());
    let is_found = elsewhere.map(|[programs, commands]| {
        (programs.contains("Package: elsewhere"), commands.contains("apt install elsewhere"))
    });
    assert_eq!(is_found, [(true, true), (false, false)]);
}

/// `Contents-all` is asked for only if the Release has the architecture `all`.
#[test]
fn files_of_all_architectures_are_found_in_a_re_indexed_suite() {
    let mut upstream = Upstream::new("All", &["all", "amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    upstream.add("stable", "main", DebSpec::new("shared", "1.0-1", "all"));
    let sides = BothSides::new(upstream, "packages = [\"hello\", \"shared\"]");
    for client in [&sides.before, &sides.behind] {
        client.updates_without_complaint("");
        let found = run(client.command("apt-file").args(["search", "gapferry-demo/shared"]));
        assert_eq!(found, "shared: /usr/share/gapferry-demo/shared\n");
    }
}

#[test]
fn every_form_of_an_index_is_carried_and_found() {
    for packing in SampleCompression::ALL {
        for by_hash in [false, true] {
            let alone = changed(|upstream| (upstream.indexes, upstream.by_hash) = ([packing].into(), by_hash));
            let mirror = Mirror::new(alone, "deb-src = true");
            let client = mirror.client("deb deb-src", &site_on_disk(&mirror.desk));
            client.updates_without_complaint(GERMAN);
            assert_eq!(description(&client, ""), LONG, "{packing:?}");
        }
    }
}

/// The site's collection as a source that apt copies from.
fn site_on_disk(desk: &Desk) -> String {
    format!("copy:{}/apt/demo", desk.path("site/current").display())
}

/// apt asks for the differences to what it has, takes their absence for nothing, and fetches whole indexes.
#[test]
fn differences_that_are_listed_and_not_carried_are_not_missed() {
    let with_differences = |version: &str| {
        let mut upstream = upstream(version);
        upstream.suite("stable").edit_release = |text| {
            let lines = ["main/binary-amd64/Packages", "main/i18n/Translation-en", "main/Contents-amd64"]
                .map(|index| format!(" {} 2732 {index}.diff/Index\n", "0".repeat(64)));
            text + &lines.concat()
        };
        upstream
    };
    let mut mirror = Mirror::new(with_differences("1.0-1"), "");
    let serving = mirror.desk.serve();
    let client = mirror.client("deb", &mirror.ways(&serving)[0].0);
    client.updates_without_complaint("");
    mirror.desk.archive("up/debian", &mut with_differences("2.0-1"), &["stable"]);
    let _server = mirror.serve_upstream("");
    mirror.desk.ferry();
    client.updates_without_complaint("");
    assert_eq!(candidate(&client, "hello"), "2.0-1");
}

#[test]
fn export_and_status_name_what_is_missing_and_who_misses_it() {
    let more = "languages = [\"en\"]\nindexes = [\"translations\"]";
    let mut mirror = Mirror::new(upstream("1.0-1"), more);
    let expected = [
        ("translations", "main/i18n/Translation-de", "apt in these languages"),
        ("contents", "main/Contents-amd64", "hosts with apt-file"),
        ("appstream", "main/dep11/Components-amd64.yml", "hosts with appstream"),
        ("commands", "main/cnf/Commands-amd64", "hosts with command-not-found"),
        ("sources", "main/source/Sources", "hosts with a deb-src line"),
    ];
    let rows = expected.map(
        |(kind, path, _)| json!({ "suite": "apt/demo/dists/stable", "kind": kind, "count": 1, "examples": [path] }),
    );
    let status = mirror.desk.run("status --site site --json").ok().json();
    assert_eq!(status["published"]["apt/demo"]["missing_indexes"], json!(rows));
    let _server = mirror.serve_upstream(more);
    let exported = mirror.desk.export("--force --json").ok();
    assert_eq!(exported.json()["missing_indexes"], json!(rows));
    let status = mirror.desk.run("status --site site").ok().out;
    for (_, path, clients) in expected {
        let words = format!("({path}): `apt-get update` fails on {clients}");
        assert!(status.contains(&words) && exported.err.contains(&words), "{words}: {status}\n{}", exported.err);
    }

    // What is said of clients is true.
    let serving = mirror.desk.serve();
    let (uri, _) = &mirror.ways(&serving)[0];
    let bare = |types: &str| {
        let client = AptClient::new("amd64");
        client.source(types, uri, "stable", "main", &mirror.desk.path("keyring.gpg"));
        client
    };
    bare("deb").updates_without_complaint("");
    // Each is fresh: where the Release is the one that it has, apt does not ask for more.
    fails(&bare("deb"), GERMAN, "main/i18n/Translation-de");
    fails(&bare("deb deb-src"), "", "main/source/Sources");
    fails(&bare("deb"), "-o APT::Architectures::=arm64", "main/binary-arm64/Packages");
    fails(&mirror.client("deb", uri), "", "apt/demo/dists/stable/main/");
}

#[track_caller]
fn fails(client: &AptClient, options: &str, words: &str) {
    let ended = output(client.command("apt-get").arg("update").args(options.split_whitespace()));
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(100) && text.contains(words) && text.contains("404"), "{text}");
}

#[test]
fn an_index_that_upstream_lists_and_lacks_is_named() {
    let desk = Desk::new();
    desk.archive("up", &mut changed(|upstream| upstream.by_hash = false), &["stable"]);
    let programs = desk.path("up/dists/stable/main/dep11");
    fs::remove_dir_all(&programs).unwrap();
    fs::remove_file(desk.path("up/dists/stable/main/Contents-amd64.xz")).unwrap();
    let more =
        "publish = \"verbatim\"\nindexes = [\"translations\", \"contents\", \"appstream\", \"commands\", \"icons\"]";
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", more));
    desk.init(&["demo"], "");
    let exported = desk.export("--json").ok();
    let missing = &exported.json()["missing_indexes"];
    assert_eq!(missing[0]["kind"], "appstream", "the .gz stands in for the .xz of Contents: {missing}");
    desk.import(&desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    assert!(desk.path("site/current/apt/demo/dists/stable/main/Contents-amd64.gz").exists());
    let client = client(&desk, "demo", "stable", "main");
    client.source("deb", &site_on_disk(&desk), "stable", "main", &desk.path("keyring.gpg"));
    client.updates_without_complaint(GERMAN);
}

#[test]
fn an_index_that_is_not_the_signed_one_is_refused_at_export() {
    for (at, publish) in INDEXES.map(|index| (index, "verbatim")).into_iter().chain([(INDEXES[0], "re-indexed")]) {
        let desk = Desk::new();
        desk.archive("up", &mut changed(|upstream| upstream.by_hash = false), &["stable"]);
        let server = Server::start(&desk.path("up"));
        server.fault(&format!("dists/stable/{at}"), Times::ALWAYS, server::Fault::Flip(40));
        let more = format!("publish = \"{publish}\"\npackages = [\"hello\"]");
        desk.select(&desk.table("demo", server.url("").as_str(), "stable main amd64", &more));
        desk.export("").says(Exit::VerificationFailed, &[at, "is signed; nothing of it was kept"]);
        server.heal(&format!("dists/stable/{at}"));
        desk.export("").ok();
    }
}

#[test]
fn re_indexed_suites_keep_the_descriptions_of_what_is_there() {
    for (more, options, expected) in [
        ("", "", LONG),
        ("packages = [\"hello\"]", "", LONG),
        ("packages = [\"hello\"]", GERMAN, LONG),
        ("packages = [\"hello\"]\nlanguages = [\"de\", \"en\"]", GERMAN, GERMAN_LONG),
    ] {
        let sides = BothSides::new(upstream("1.0-1"), more);
        let (before, behind) = (&sides.before, &sides.behind);
        behind.updates_without_complaint(options);
        assert_eq!(description(behind, options), expected);
        before.updates_without_complaint("");
        assert_eq!(description(behind, ""), description(before, ""));
        assert_eq!(digest_of_description(behind), digest_of_description(before));
        let translations = sides.desk.path("site/current/apt/demo/dists/stable/main/i18n/Translation-en.gz");
        let there = run(Command::new("gzip").arg("-dc").arg(translations)).contains("Package: elsewhere\n");
        assert_eq!(there, more.is_empty(), "{more}");
    }
}

/// The name of the description of `hello`, which apt looks up in Translation-en.
fn digest_of_description(client: &AptClient) -> String {
    let shown = run(client.command("apt-cache").args(["show", "hello"]));
    shown.lines().find(|line| line.starts_with("Description-md5: ")).unwrap().to_owned()
}

#[test]
fn settings_that_cannot_be_met_are_refused() {
    let desk = Desk::new();
    desk.archive("up", &mut upstream("1.0-1"), &["stable"]);
    for (more, words) in [
        ("languages = [\"xx\"]", "no suite of demo has descriptions in the language xx; there are the languages de en"),
        ("indexes = [\"icons\"]", "these indexes need publish = \"verbatim\""),
        ("publish = \"reprepro\"\nindexes = [\"contents\"]", "indexes excludes publish = \"reprepro\""),
        ("publish = \"verbatim\"\nindexes = [\"sources\"]", "is carried with deb-src = true"),
        ("publish = \"verbatim\"\nindexes = [\"everything\"]", "everything"),
    ] {
        desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", more));
        desk.export("").says(Exit::Usage, &[words]);
    }
}

#[test]
fn large_lists_of_files_are_never_held_in_memory() {
    const LARGE: usize = 256 << 20;
    let desk = Desk::new();
    let mut plain =
        changed(|upstream| (upstream.indexes, upstream.by_hash) = ([SampleCompression::Plain].into(), false));
    desk.archive("up", &mut plain, &["stable"]);
    let suite = desk.path("up/dists/stable");
    let text = b"usr/share/gapferry-demo/hello misc/hello\n".repeat(LARGE / 41);
    replace_signed(&suite, "main/Contents-amd64", &text);
    drop(text);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "publish = \"verbatim\""));
    desk.init(&["demo"], "");
    let export = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";
    for arguments in [export, "import medium/dc1-base-000001 --site site"] {
        let whole = desk.command(arguments);
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--data={}", LARGE / 2)).arg(whole.get_program()).args(whole.get_args());
        run(limited.current_dir(desk.path("")));
    }
}

/// Puts `text` in the place of an index, and signs the Release again.
fn replace_signed(suite: &Path, index: &str, text: &[u8]) {
    let line = |bytes: &[u8]| format!(" {} {:>10} {index}\n", gapferry::digest::Sha256::of(bytes), bytes.len());
    let before = line(&fs::read(suite.join(index)).unwrap());
    fs::write(suite.join(index), text).unwrap();
    let in_release = fs::read_to_string(suite.join("InRelease")).unwrap();
    let signed = in_release.split_once("\n\n").unwrap().1.split_once("-----BEGIN PGP SIGNATURE").unwrap().0;
    let release = signed.replace(&before, &line(text));
    assert_ne!(release, signed);
    let made = gapferry::time::Time::now().unix() - 5;
    fs::write(suite.join("InRelease"), ARCHIVE_KEY.sign_clear(&release, made).unwrap()).unwrap();
}

#[test]
fn every_index_can_be_fetched_by_its_digest_alone() {
    let mirror = Mirror::new(upstream("1.0-1"), "");
    let suite = mirror.desk.path("site/current/apt/demo/dists/stable");
    for index in INDEXES {
        let bytes = fs::read(suite.join(index)).unwrap();
        let by_hash = format!("by-hash/SHA256/{}", gapferry::digest::Sha256::of(&bytes));
        let by_hash = suite.join(index).with_file_name(by_hash);
        assert_eq!(fs::read(&by_hash).unwrap(), bytes, "{index}");
    }
    // Without the plain names, everything is fetched by hash.
    for index in INDEXES.into_iter().chain(["main/binary-amd64/Packages.xz"]) {
        fs::remove_file(suite.join(index)).unwrap();
    }
    let client = mirror.client("deb", &site_on_disk(&mirror.desk));
    let update = format!("update {GERMAN}");
    complaint_free(client.command("apt-get").args(update.split_whitespace()));
    assert_eq!(description(&client, ""), LONG);
}
