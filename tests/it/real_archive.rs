//! The whole way from the archive that this host's own apt uses to a root file system that runs what was carried.
//!
//! Needs such an archive; where there is none the test says so and does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::digest::Sha256;
use gapferry::formats::apt::sources::{ListScope, SignedBy, SourceEntry, parse};
use serde_json::Value;

use crate::apt_client::{AptClient, run};
use crate::feeds::agrees_with_debsecan;
use crate::review::report::answers_the_checklist;
use crate::support::desk::{Desk, names};
use crate::support::skip::{Needs, skip};

/// The host's archive, as far as the test needs it.
struct Host {
    /// The source lists.
    lists: Vec<PathBuf>,
    entries: Vec<SourceEntry>,
    keyring: PathBuf,
    architecture: String,
}

impl Host {
    /// What the host's deb822 lists say of a distribution's own archive; none if they name none, or it does not answer.
    fn find() -> Option<Self> {
        let folder = fs::read_dir("/etc/apt/sources.list.d").ok()?;
        let mut paths: Vec<PathBuf> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let (mut lists, mut found) = (Vec::new(), Vec::new());
        for path in paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "sources")) {
            let entries = parse("x.sources", &fs::read_to_string(&path).ok()?, ListScope::default()).ok()?;
            if entries.iter().any(|entry| keyring_of(entry).is_some()) {
                found.extend(entries.into_iter().filter(|entry| entry.binary));
                lists.push(path);
            }
        }
        let keyring = found.iter().find_map(keyring_of)?;
        let architecture = run(Command::new("dpkg").arg("--print-architecture")).trim().to_owned();
        Some(Self { lists, entries: found, keyring, architecture })
    }

    fn suite(&self) -> String {
        self.entries[0].suites[0].to_string()
    }

    fn seeds(&self) -> [&'static str; 3] {
        ["apt", "nginx", if self.suite() == "bookworm" { "postgresql-15" } else { "postgresql" }]
    }

    /// A client's sources: one stanza for each of the host's archives, at the address that `uri` gives.
    fn sources(&self, keyring: &Path, uri: impl Fn(&str) -> String) -> String {
        let stanza = |entry: &SourceEntry| {
            let suites: Vec<_> = entry.suites.iter().map(ToString::to_string).collect();
            let (suites, components) = (suites.join(" "), entry.components.join(" "));
            let (uri, keyring) = (uri(entry.url.as_str()), keyring.display());
            format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {components}\nSigned-By: {keyring}\n")
        };
        self.entries.iter().map(stanza).collect::<Vec<_>>().join("\n")
    }

    fn client(&self, sources: &str) -> AptClient {
        let client = AptClient::new(&self.architecture);
        fs::write(client.path("etc/apt/sources.list.d/test.sources"), sources).unwrap();
        client
    }

    fn table(&self, name: &str, packages: &[&str], more: &str) -> String {
        let architecture = &self.architecture;
        let sources = &self.lists;
        format!(
            "[[apt]]\nname = \"{name}\"\nsources = {sources:?}\narchitectures = [\"{architecture}\"]\n\
             packages = {packages:?}\nrecommends = false\n{more}\n"
        )
    }
}

fn keyring_of(entry: &SourceEntry) -> Option<PathBuf> {
    let Some(SignedBy::Named { files, .. }) = &entry.signed_by else { return None };
    let known = |file: &&String| file.starts_with("/usr/share/keyrings/") && file.contains("archive-keyring");
    files.iter().find(known).map(PathBuf::from).filter(|path| path.exists())
}

/// What a bundle publishes: path → digest, over all collections, without metadata.
fn carried(inspected: &Value) -> BTreeMap<String, String> {
    let collections = inspected["collections"].as_array().unwrap();
    let items = collections.iter().flat_map(|c| c["items"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items.map(|item| (text(&item["path"]), text(&item["sha256"]))).collect()
}

/// The names of the collections that stand for each origin.
fn published(inspected: &Value) -> BTreeMap<String, String> {
    let collections = inspected["collections"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    collections.iter().map(|c| (text(&c["origin"]), text(&c["name"]))).collect()
}

/// The digests of what apt itself would fetch from the archive for the same wishes.
fn as_apt_has_it(host: &Host) -> BTreeSet<String> {
    let client = host.client(&host.sources(&host.keyring, str::to_owned));
    client.apt_get("update");
    let available = run(client.command("apt-cache").arg("dumpavail"));
    let wanted = |stanza: &str| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let required = field("Priority") == Some("required") || field("Essential") == Some("yes");
        required.then(|| field("Package").unwrap().to_owned())
    };
    let mut seeds: BTreeSet<String> = available.split("\n\n").filter_map(wanted).collect();
    seeds.extend(host.seeds().map(str::to_owned));
    let seeds: Vec<String> = seeds.into_iter().collect();
    let plan = client.apt_get(&format!(
        "install --print-uris -qq -y -o Acquire::ForceHash=SHA256 -o APT::Install-Recommends=false {}",
        seeds.join(" ")
    ));
    plan.lines().filter_map(|line| line.split_once(" SHA256:").map(|(_, digest)| digest.to_owned())).collect()
}

#[test]
fn from_the_hosts_own_archive_to_a_root_file_system() {
    let Some(host) = Host::find() else {
        return skip(Needs::HostArchive, "the apt sources of this host name no archive with its keyring");
    };
    let desk = Desk::new();
    desk.select(&host.table("host", &host.seeds(), "priorities = [\"required\"]"));
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let files = carried(&inspected);
    let digests: BTreeSet<String> = files.values().cloned().collect();
    assert_eq!(digests, as_apt_has_it(&host), "the closure is not apt's own");
    agrees_with_debsecan(&desk, &bundle, &host.suite());
    nothing_is_new(&desk);
    desk.run(&format!("report {} --out review", bundle.display())).ok();
    answers_the_checklist(&fs::read_to_string(desk.path("review/report.html")).unwrap());

    // The same selection's nginx alone, as upstream has it: from the same workspace, so that nothing is fetched twice.
    desk.select_as("verbatim", &host.table("plain", &["nginx"], "publish = \"verbatim\""));
    let verbatim = carry(&desk, &desk.bundle(), "carried-verbatim");
    let bundle = carry(&desk, &bundle, "carried");
    fs::remove_dir_all(desk.path("online/workspace")).unwrap();
    fs::remove_dir_all(desk.path("medium")).unwrap();

    init(&desk, &host, &bundle);
    desk.import(&bundle).ok();
    desk.import(&bundle).says(gapferry::cli::Exit::NothingNew, &["is here already"]);
    let names = published(&inspected);
    let serving = desk.serve();
    let http = |origin: &str| format!("http://{}/apt/{}", serving.address, names[origin.trim_end_matches('/')]);
    let key = desk.path("site/current/keys/site.gpg");
    let count = digests.len();
    installs_over_http(&host, &host.sources(&key, http), &digests);
    let file = |origin: &str| {
        format!("file://{}/apt/{}", desk.path("site/current").display(), names[origin.trim_end_matches('/')])
    };
    installs_from_disk(&host, &host.sources(&key, file), count);
    bootstraps(&host, &desk, &key, http);
    drop(serving);
    by_host_name(&desk, &host, &verbatim);
}

fn nothing_is_new(desk: &Desk) {
    let before = names(&desk.path("medium"));
    let again = desk.export("--json").says(gapferry::cli::Exit::NothingNew, &["nothing is new"]);
    assert_eq!(again.json()["outcome"], "nothing-new");
    assert_eq!(names(&desk.path("medium")), before);
}

/// Takes the bundle's folder, and nothing else, over the gap.
fn carry(desk: &Desk, bundle: &Path, to: &str) -> PathBuf {
    let to = desk.path(to);
    run(Command::new("cp").arg("-r").arg(bundle).arg(&to));
    to
}

/// Makes a site that pins the host's keyring for each archive of the bundle.
fn init(desk: &Desk, host: &Host, bundle: &Path) {
    let inspected = desk.run(&format!("inspect {} --json", bundle.display())).ok().json();
    let pin = |name: &String| format!(" --keyring {name}={}", host.keyring.display());
    let pins: String = published(&inspected).values().map(pin).collect();
    desk.run(&format!("site init site --name dc1 --builder online/builder.key.pub{pins}")).ok();
}

fn installs_over_http(host: &Host, sources: &str, digests: &BTreeSet<String>) {
    let client = host.client(sources);
    let update = client.apt_get("update");
    assert!(update.contains("Get:") && !update.contains("Ign:"), "{update}");
    let seeds = all_names(&client);
    client.apt_get(&format!("install -y --download-only -o APT::Install-Recommends=false {seeds}"));
    let downloaded = client.downloaded();
    let digest = |name: &String| {
        let bytes = fs::read(client.path("var/cache/apt/archives").join(name)).unwrap();
        Sha256::of(&bytes).to_hex()
    };
    let arrived: BTreeSet<String> = downloaded.iter().map(digest).collect();
    assert_eq!(arrived, *digests, "every package arrives byte for byte");
    assert_eq!(client.would_install(&format!("-o APT::Install-Recommends=false {seeds}")).len(), digests.len());
}

/// Every package that the client knows.
fn all_names(client: &AptClient) -> String {
    run(client.command("apt-cache").arg("pkgnames").arg("--no-all-names")).replace('\n', " ")
}

fn installs_from_disk(host: &Host, sources: &str, count: usize) {
    let client = host.client(sources);
    client.apt_get("update");
    let seeds = all_names(&client);
    client.apt_get(&format!("install -y --download-only -o APT::Install-Recommends=false {seeds}"));
    assert_eq!(client.would_install(&format!("-o APT::Install-Recommends=false {seeds}")).len(), count);
}

/// A root file system from the site alone, in which nginx runs.
fn bootstraps(host: &Host, desk: &Desk, key: &Path, uri: impl Fn(&str) -> String) {
    let root = run(Command::new("id").arg("-u")).trim() == "0";
    let line = |entry: &SourceEntry| {
        let lines = entry.suites.iter().map(|suite| {
            let components = entry.components.join(" ");
            format!("deb [signed-by={}] {} {suite} {components}", key.display(), uri(entry.url.as_str()))
        });
        lines.collect::<Vec<_>>()
    };
    let mut command = Command::new("mmdebstrap");
    command.args([if root { "--mode=root" } else { "--mode=unshare" }, "--variant=apt", "--include=nginx"]);
    command.args(["--aptopt=APT::Install-Recommends \"false\"", "--customize-hook=chroot \"$1\" nginx -v"]);
    command.arg(host.suite()).arg("/dev/null").args(host.entries.iter().flat_map(line));
    command.current_dir(desk.path("")).env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap_or_else(|e| panic!("mmdebstrap: {e}; tests/run installs what the tests need"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.contains("nginx version: nginx/"), "{words}");
}

/// The client's sources and keyring are those of a host on the Internet; only its requests come to us.
fn by_host_name(desk: &Desk, host: &Host, bundle: &Path) {
    if host.entries.iter().any(|entry| entry.url.scheme() != "http") {
        return skip(Needs::HostArchive, "requests by host name need an archive that is reached over http");
    }
    fs::remove_dir_all(desk.path("site")).unwrap();
    init(desk, host, bundle);
    desk.import(bundle).ok();
    let status = desk.run("status --site site").ok();
    assert!(
        status.out.contains("files that upstream's metadata names are not carried, such as pool/"),
        "{}",
        status.out
    );
    let serving = desk.serve();
    let client = host.client(&host.sources(&host.keyring, str::to_owned));
    let proxy = format!("-o Acquire::http::Proxy=http://{}", serving.address);
    client.updates_without_complaint(&proxy);
    client.apt_get(&format!("install -y --download-only -o APT::Install-Recommends=false {proxy} nginx"));
    assert!(client.downloaded().iter().any(|name| name.starts_with("nginx_")), "{:?}", client.downloaded());
    let lists = client.path("var/lib/apt/lists");
    for entry in &host.entries {
        for suite in &entry.suites {
            let (authority, path) = (entry.url.host_str().unwrap(), entry.url.path().trim_matches('/'));
            let name = format!("{authority}_{}_dists_{suite}_InRelease", path.replace('/', "_"));
            let cached = fs::read(lists.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}: {:?}", names(&lists)));
            let signed = walkdir::WalkDir::new(desk.path("site/current/apt")).follow_links(true).into_iter();
            let mut signed = signed.map(Result::unwrap);
            let same = |entry: walkdir::DirEntry| {
                entry.path().ends_with(format!("dists/{suite}/InRelease")) && fs::read(entry.path()).unwrap() == cached
            };
            assert!(signed.any(same), "{name} is not upstream's own");
        }
    }
}

/// The packages that debootstrap would install.
fn bootstrap_list(folder: &Path, variant: &str, key: &Path, suite: &str, uri: &str) -> BTreeSet<String> {
    let mut command = Command::new("debootstrap");
    command.args(["--print-debs", variant]).arg(format!("--keyring={}", key.display()));
    command.arg(suite).arg(tempfile::tempdir_in(folder).unwrap().path().join("root")).arg(uri);
    run(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// The closure is solved over all suites of the host; the base suite alone makes a system too.
#[test]
fn one_suite_of_the_hosts_archive_is_bootstrapped_alone() {
    let Some(host) = Host::find() else {
        return skip(Needs::HostArchive, "the apt sources of this host name no archive with its keyring");
    };
    let desk = Desk::new();
    let suite = &host.suite();
    desk.select(&format!(
        "[[apt]]\nname = \"host\"\nsources = {:?}\narchitectures = [\"{}\"]\ndebootstrap = [\"{suite}\"]\n\
         recommends = false\n",
        host.lists, host.architecture
    ));
    let bundle = desk.bundle();
    let names = published(&desk.run(&format!("inspect {} --json", bundle.display())).ok().json());
    init(&desk, &host, &bundle);
    desk.import(&bundle).ok();
    let serving = desk.serve();
    let upstream = host.entries[0].url.as_str();
    let site = format!("http://{}/apt/{}", serving.address, names[upstream.trim_end_matches('/')]);
    let key = desk.path("site/current/keys/site.gpg");
    for variant in ["--variant=minbase", "--variant=-"] {
        let there = bootstrap_list(&desk.path(""), variant, &host.keyring, suite, upstream);
        assert_eq!(bootstrap_list(&desk.path(""), variant, &key, suite, &site), there);
        let mut fetch = Command::new("debootstrap");
        fetch.args(["--download-only", variant]).arg(format!("--keyring={}", key.display()));
        run(fetch.arg(suite).arg(desk.path(&format!("root{variant}"))).arg(&site));
    }
    let mode = if run(Command::new("id").arg("-u")).trim() == "0" { "--mode=root" } else { "--mode=unshare" };
    let mut command = Command::new("mmdebstrap");
    command.args([mode, "--variant=minbase", "--customize-hook=chroot \"$1\" apt --version"]);
    command.arg(suite).arg("/dev/null").arg(format!("deb [signed-by={}] {site} {suite} main", key.display()));
    run(command.current_dir(desk.path("")));
}

/// The smallest suite of the host's archive, as it is: the one that failed every default client when descriptions were missing.
#[test]
fn stock_clients_of_a_real_verbatim_suite_update_without_complaint() {
    let Some(host) = Host::find().filter(|host| host.keyring.ends_with("debian-archive-keyring.gpg")) else {
        return skip(Needs::HostArchive, "the apt sources of this host do not name Debian's archive with its keyring");
    };
    let suite = format!("{}-updates", host.suite());
    let entry =
        host.entries.iter().find(|entry| entry.suites.contains(&suite.parse().unwrap())).expect("Debian has updates");
    let desk = Desk::new();
    let (lists, architecture) = (&host.lists, &host.architecture);
    desk.select(&format!(
        "[[apt]]\nname = \"host\"\nsources = {lists:?}\nsuites = [\"{suite}\"]\narchitectures = [\"{architecture}\"]\n\
         publish = \"verbatim\"\n"
    ));
    let exported = desk.export("--json").ok().json();
    init(&desk, &host, &desk.path(exported["bundle"].as_str().unwrap()));
    let missing: Vec<&Value> = exported["missing_indexes"].as_array().unwrap().iter().map(|m| &m["kind"]).collect();
    assert_eq!(missing, ["sources"], "deb-src is off: {exported}");
    desk.import(&desk.path(exported["bundle"].as_str().unwrap())).ok();
    let serving = desk.serve();
    let proxy = format!("-o Acquire::http::Proxy=http://{}", serving.address);
    let name = exported["collections"][0]["name"].as_str().unwrap();
    let here = format!("http://{}/apt/{name}", serving.address);
    for (uri, proxy) in [(here.as_str(), ""), (entry.url.as_str(), proxy.as_str())] {
        let client = AptClient::new(&host.architecture).with_programs();
        client.source("deb", uri, &suite, &entry.components.join(" "), &host.keyring);
        let update = client.updates_without_complaint(proxy);
        assert!(update.contains("Translation-en") && update.contains("Contents (deb)"), "{update}");
        let shown = run(client.command("apt-cache").args(["show", "tzdata"]));
        let long = shown.lines().skip_while(|line| !line.starts_with("Description-en: ")).nth(1);
        assert!(long.is_some_and(|line| line.starts_with(' ')), "{shown}");
        let found = run(client.command("apt-file").args(["search", "--fixed-string", "/usr/share/zoneinfo/UTC"]));
        assert!(found.contains("tzdata: "), "{found}");
    }
}
