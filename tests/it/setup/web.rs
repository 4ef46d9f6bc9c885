//! The trees behind other web servers: only what is published, by path and by the upstreams' names.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use gapferry::collection::Publish;
use gapferry::kind::Kind;
use gapferry::site::{Generation, Published, Site};
use gapferry::time::Time;

use super::fixture::{ARCHIVE, IMAGES, Running, text, world};
use crate::apt_client::{AptClient, run};
use crate::support::desk::{Desk, PATIENCE};
use crate::support::port::port;
use crate::support::published_tree::{add_files, write_generation};
use crate::support::server::Server;
use crate::support::world::{World, bring};

/// Status, type and body.
pub(super) fn get(port: u16, host: &str, path: &str) -> (String, String, Vec<u8>) {
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "--path-as-is",
        "--noproxy",
        "*",
        "-H",
        &format!("Host: {host}"),
        "-w",
        "\n%{http_code} %{content_type}",
    ]);
    command.args(["--retry-connrefused", "--retry", "40", "--retry-delay", "1", "--max-time", "60"]);
    let output = command.arg(format!("http://127.0.0.1:{port}{path}")).output().expect("curl is needed");
    assert!(output.status.success(), "{host}{path}: {}", String::from_utf8_lossy(&output.stderr));
    let at = output.stdout.iter().rposition(|byte| *byte == b'\n').unwrap();
    let last = String::from_utf8_lossy(&output.stdout[at + 1..]).into_owned();
    let (status, kind) = last.split_once(' ').unwrap_or((&last, ""));
    (status.to_owned(), kind.to_owned(), output.stdout[..at].to_vec())
}

pub(super) const OWN: &str = "gapferry.dc1.example";

/// What every server must do, asked at `port`; its store is `store`.
fn check(world: &World, site: &Site, port: u16, store: &Server) {
    let read = |below: &str| fs::read(site.root().join("current").join(below)).unwrap();
    let deb = "pool/main/h/hello-gap/hello-gap_1.0-1_amd64.deb";
    for (host, path, below, kind) in [
        (OWN, "/apt/demo/dists/stable/InRelease".to_owned(), "apt/demo/dists/stable/InRelease".to_owned(), ""),
        (OWN, "/keys/site.asc".into(), "keys/site.asc".into(), "text/plain"),
        (
            OWN,
            "/images/maas/streams/v1/index.json".into(),
            "images/maas/streams/v1/index.json".into(),
            "application/json",
        ),
        (
            OWN,
            "/snaps/store/words_1.assert".into(),
            "snaps/store/words_1.assert".into(),
            "application/x.ubuntu.assertion",
        ),
        ("other.invalid", "/keys/site.gpg".into(), "keys/site.gpg".into(), "application/pgp-keys"),
        (ARCHIVE, "/debian/dists/stable/InRelease".into(), "apt/demo/dists/stable/InRelease".into(), ""),
        (ARCHIVE, format!("/debian/{deb}"), format!("apt/demo/{deb}"), "application/vnd.debian.binary-package"),
        (
            ARCHIVE,
            "/debian/dists/stable/main/binary-amd64/Packages.gz".into(),
            "apt/demo/dists/stable/main/binary-amd64/Packages.gz".into(),
            "application/gzip",
        ),
        (IMAGES, "/v3/stable/streams/v1/index.sjson".into(), "images/maas/streams/v1/index.sjson".into(), "text/plain"),
    ] {
        let (status, found, body) = get(port, host, &path);
        assert_eq!(status, "200", "{host}{path}");
        assert!(body == read(&below), "{host}{path}");
        assert!(found.starts_with(kind), "{host}{path}: {found}");
    }
    for (host, path) in [
        (OWN, "/"),
        (OWN, "/apt"),
        (OWN, "/apt/"),
        (OWN, "/apt/demo"),
        (OWN, "/apt/demo/"),
        (OWN, "/apt/demo/dists/stable/"),
        (OWN, "/generation.json"),
        (OWN, "/manifests/base.json"),
        (OWN, "/proofs/"),
        (OWN, "/apt/../generation.json"),
        (OWN, "/apt/%2e%2e/generation.json"),
        (OWN, "/apt/../../../keys/site.pgp"),
        (OWN, "/apt/%2e%2e/%2e%2e/%2e%2e/keys/site.pgp"),
        (OWN, "/apt/..%2f..%2f..%2fkeys/site.pgp"),
        (OWN, "/debian/dists/stable/InRelease"),
        (ARCHIVE, "/"),
        (ARCHIVE, "/debian"),
        (ARCHIVE, "/debian/"),
        (ARCHIVE, "/debian/dists"),
        (ARCHIVE, "/debian/dists/"),
        (ARCHIVE, "/debian/../../../site.toml"),
        (ARCHIVE, "/apt/demo/dists/stable/InRelease"),
        (ARCHIVE, "/keys/site.asc"),
        (IMAGES, "/v3xstable/streams/v1/index.sjson"),
        (IMAGES, "/debian/dists/stable/InRelease"),
    ] {
        let (status, _, body) = get(port, host, path);
        assert!(
            ["400", "403", "404"].contains(&status.as_str()),
            "{host}{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
    }
    store.on("v2/snaps/info/words", |request| request.header("host").unwrap_or_default().as_bytes().to_vec());
    for host in [OWN, "api.snapcraft.io"] {
        let (status, _, body) = get(port, host, "/v2/snaps/info/words");
        assert_eq!((status.as_str(), body.as_slice()), ("200", host.as_bytes()));
    }
    client(world, port);
}

/// Asks `curl` for each file with this method; returns the name, the status and the headers of each.
fn told(port: u16, method: &str, files: &[String]) -> Vec<String> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "-H", &format!("Host: {OWN}"), "--max-time", "60"]);
    command.args(["--retry-connrefused", "--retry", "40", "--retry-delay", "1"]);
    match method {
        "HEAD" => command.arg("--head"),
        other => command.args(["--request", other]),
    };
    command.args(["-w", "\n= %{http_code} %header{cache-control} %header{x-content-type-options} %header{allow}\n"]);
    for file in files {
        command.args(["-o", "/dev/null"]).arg(format!("http://127.0.0.1:{port}/{file}"));
    }
    let output = run(&mut command);
    let lines: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    assert_eq!(lines.len(), files.len(), "{output}");
    files.iter().zip(lines).map(|(file, line)| format!("{method} {file} {}", line.trim_end())).collect()
}

/// Files of flat suites: some that change under their names, and some that do not.
const FLAT: [&str; 10] = [
    "InRelease",
    "noble/Release.gpg",
    "noble/Packages.gz",
    "a/b/Sources",
    "Contents-amd64.xz",
    "de_DE.xz",
    "Packages.diff/Index",
    "noble/by-hash/SHA256/Packages",
    "noble/hello_1_amd64.deb",
    "en/hello_1.tar.xz",
];

/// Every published file has the headers that `gapferry serve` gives it, and knows the same methods.
fn same_headers_as_serve(site: &Site, port: u16) {
    let root = site.root().join("current");
    let flat = FLAT.map(|file| (format!("apt/demo/{file}"), file.as_bytes().to_vec()));
    add_files(site.root(), &root, &flat);
    let tops = ["apt", "images", "keys", "os-images", "files", "snaps", "yum"].map(|top| root.join(top));
    let present = tops.iter().filter(|top| top.exists());
    let found = present.flat_map(|top| walkdir::WalkDir::new(top).follow_links(true).sort_by_file_name());
    let found = found.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let files: Vec<String> =
        found.map(|entry| entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect();
    let serve = gapferry::serve::Server::start(site, "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    let expected = told(serve.address.port(), "HEAD", &files);
    let changing = expected.iter().filter(|line| line.contains("no-cache")).count();
    assert!(changing > 10 && changing + 10 < expected.len(), "{expected:#?}");
    assert_eq!(told(port, "HEAD", &files), expected);
    for method in ["OPTIONS", "POST", "PUT", "DELETE"] {
        let asked = ["apt/demo/dists/stable/InRelease".to_owned(), "nothing".to_owned()];
        let expected = told(serve.address.port(), method, &asked);
        assert!(expected.iter().all(|line| line.contains(" 405 ") && line.ends_with("GET, HEAD")), "{expected:?}");
        let without_sniff =
            |lines: Vec<String>| lines.iter().map(|line| line.replace("nosniff ", "")).collect::<Vec<_>>();
        let squeezed = |lines: Vec<String>| {
            lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(squeezed(without_sniff(told(port, method, &asked))), squeezed(expected));
    }
}

/// Status, `Content-Range` and body of a request with these headers.
fn part(port: u16, host: &str, path: &str, headers: &[String]) -> (String, Vec<u8>) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--max-time", "60", "-w", "\n%{http_code} %header{content-range}"]);
    for header in [&format!("Host: {host}")].into_iter().chain(headers) {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://127.0.0.1:{port}{path}")).output().unwrap();
    assert!(output.status.success(), "{host}{path}: {}", String::from_utf8_lossy(&output.stderr));
    let at = output.stdout.iter().rposition(|byte| *byte == b'\n').unwrap();
    (String::from_utf8_lossy(&output.stdout[at + 1..]).into_owned(), output.stdout[..at].to_vec())
}

/// A part of what changes is for those alone who say which whole it is of, by path and by the upstream's name.
fn same_parts_as_serve(site: &Site, port: u16) {
    let serve = gapferry::serve::Server::start(site, "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    let (deb, release) = ("pool/main/h/hello-gap/hello-gap_1.0-1_amd64.deb", "dists/stable/InRelease");
    let mut statuses = std::collections::BTreeMap::<String, usize>::new();
    for (host, path, file) in [
        (OWN, format!("/apt/demo/{release}"), format!("apt/demo/{release}")),
        (ARCHIVE, format!("/debian/{release}"), format!("apt/demo/{release}")),
        (OWN, "/keys/site.asc".into(), "keys/site.asc".into()),
        (IMAGES, "/v3/stable/streams/v1/index.sjson".into(), "images/maas/streams/v1/index.sjson".into()),
        (OWN, format!("/apt/demo/{deb}"), format!("apt/demo/{deb}")),
        (ARCHIVE, format!("/debian/{deb}"), format!("apt/demo/{deb}")),
    ] {
        let changed = fs::metadata(site.root().join("current").join(file)).unwrap().modified().unwrap();
        let date =
            Time::from_unix(changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap());
        let date = httpdate(date.unwrap());
        for headers in [
            vec![],
            vec!["Range: bytes=0-3".to_owned()],
            vec!["Range: bytes=5-".to_owned()],
            vec!["Range: bytes=-5".to_owned()],
            vec!["Range: bytes=0-3,6-9".to_owned()],
            vec!["Range: bytes=0-3".to_owned(), format!("If-Range: {date}")],
            vec!["Range: bytes=0-3".to_owned(), "If-Range: Mon, 01 Jan 2001 00:00:00 GMT".to_owned()],
            vec!["Range: bytes=0-3".to_owned(), "If-Range: \"x\"".to_owned()],
        ] {
            let expected = part(serve.address.port(), host, &path, &headers);
            let found = part(port, host, &path, &headers);
            // Apache takes a date of the last minute for a weak one (RFC 9110, section 8.8.2.2), and answers with the whole.
            let is_whole =
                headers.iter().any(|header| header.ends_with(&date)) && found == part(port, host, &path, &[]);
            assert!(found == expected || is_whole, "{host}{path} {headers:?}: {}, and serve {}", found.0, expected.0);
            *statuses.entry(expected.0[..3].to_owned()).or_default() += 1;
        }
    }
    // Of the two packages four parts each, of the four others one each: that with the right date.
    assert_eq!(statuses["206"], 2 * 4 + 4, "{statuses:?}");
}

/// A time as HTTP has it.
fn httpdate(time: Time) -> String {
    let date = format!("@{}", time.unix());
    let text =
        run(Command::new("date").args(["--utc", "--date", &date, "+%a, %d %b %Y %H:%M:%S GMT"]).env("LC_ALL", "C"));
    text.trim().to_owned()
}

/// nginx as a cache, in front of the server at `port`: it keeps what has no `Cache-Control` for an hour.
fn nginx_cache(world: &World, port: u16) -> (Running, u16) {
    let (folder, front) = (world.path("front"), self::port());
    fs::create_dir(&folder).unwrap();
    let config = format!(
        "proxy_cache_path {}/kept keys_zone=kept:1m;\nserver {{\n  listen 127.0.0.1:{front};\n  location / {{\n    \
         proxy_pass http://127.0.0.1:{port};\n    proxy_set_header Host $host;\n    proxy_cache kept;\n    \
         proxy_cache_valid 200 1h;\n    add_header X-Cache $upstream_cache_status;\n  }}\n}}\n",
        folder.display()
    );
    fs::write(folder.join("cache.conf"), config).unwrap();
    fs::write(folder.join("nginx.conf"), nginx_settings(&folder, "cache.conf")).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.join("nginx.log")).arg("-c").arg(folder.join("nginx.conf"));
    let running = Running::start(&mut command);
    let deb = format!("http://127.0.0.1:{front}/debian/pool/main/h/hello-gap/hello-gap_1.0-1_amd64.deb");
    let asked = || {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%header{x-cache}",
            "-H",
            &format!("Host: {ARCHIVE}"),
        ]);
        run(command.args(["--retry-connrefused", "--retry", "40", "--retry-delay", "1"]).arg(&deb))
    };
    assert_eq!([asked(), asked()], ["MISS", "HIT"], "it keeps what never changes");
    (running, front)
}

/// Varnish with its default settings, in front of the server at `port`.
fn varnish(world: &World, port: u16) -> (Running, u16) {
    let front = self::port();
    let mut command = Command::new("varnishd");
    command.args(["-F", "-j", "none", "-T", "none", "-s", "malloc,16m"]);
    command.args(["-a", &format!("127.0.0.1:{front}"), "-b", &format!("127.0.0.1:{port}")]);
    command.arg("-n").arg(world.path("varnish"));
    (Running::start(&mut command), front)
}

/// apt with nothing but the server's address, and with the upstream's name by a proxy setting.
fn client(world: &World, port: u16) {
    let client = AptClient::new("amd64");
    let keyring = world.path("site/current/keys/site.gpg");
    client.source("deb", &format!("http://{ARCHIVE}/debian"), "stable", "main", &keyring);
    let proxy = format!("-o Acquire::http::Proxy=http://127.0.0.1:{port}");
    client.apt_get(&format!("update {proxy}"));
    client.apt_get(&format!("install -y --download-only {proxy} hello-gap"));
    assert!(client.downloaded().contains(&"hello-gap_1.0-1_amd64.deb".to_owned()), "{:?}", client.downloaded());
}

/// A new generation is served at once, also by a cache that has answered with the one before.
fn switch(world: &World, site: &Site, port: u16) {
    let path = "dists/stable/InRelease";
    let caches = [varnish(world, port), nginx_cache(world, port)];
    let before = get(port, ARCHIVE, &format!("/debian/{path}")).2;
    for (_, cached) in &caches {
        assert!(get(*cached, ARCHIVE, &format!("/debian/{path}")).2 == before);
    }
    world.publish(2);
    bring(site, &world.bundle()).unwrap();
    let now = fs::read(site.root().join("current/apt/demo").join(path)).unwrap();
    assert!(now != before && get(port, OWN, &format!("/apt/demo/{path}")).2 == now);
    assert!(get(port, ARCHIVE, &format!("/debian/{path}")).2 == now);
    for (_, cached) in &caches {
        assert!(get(*cached, ARCHIVE, &format!("/debian/{path}")).2 == now, "the cache in front is stale");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn config(world: &World, what: &str, port: u16, store: &Server) -> String {
    let backend = store.url("").to_string();
    let words = format!("--serve-url http://{OWN} --listen 127.0.0.1:{port} --store-backend {backend}");
    text(world, &format!("{what} {words}"))
}

/// The settings of a server of its own, which includes `config` from `folder`.
pub(super) fn nginx_settings(folder: &Path, config: &str) -> String {
    let folder = folder.display();
    let user = if is_root() { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {folder}/nginx-{name};\n"))
        .collect();
    format!(
        "{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\nevents {{ }}\n\
         http {{\n  access_log off;\n{temporary}  include {folder}/{config};\n}}\n"
    )
}

/// The settings of a server of its own, which includes `config` from `folder`.
pub(super) fn apache_settings(folder: &Path, config: &str) -> String {
    let folder = folder.display();
    let user = if is_root() { "User nobody\nGroup nogroup\n" } else { "" };
    let modules: String = [
        "mpm_event",
        "authz_core",
        "mime",
        "rewrite",
        "headers",
        "proxy",
        "proxy_http",
        "dir",
        "autoindex",
        "negotiation",
    ]
    .iter()
    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
    .collect();
    format!(
        "ServerRoot {folder}\nServerName localhost\nPidFile {folder}/apache.pid\nErrorLog {folder}/apache.log\n\
         DefaultRuntimeDir {folder}\n{modules}{user}TypesConfig /etc/mime.types\n\
         AddHandler type-map .var\n\
         <Directory />\n  Options FollowSymLinks\n  Require all denied\n</Directory>\nInclude {folder}/{config}\n"
    )
}

#[test]
fn nginx() {
    let (world, site) = world();
    let (port, store) = (port(), Server::start(Path::new("/nonexistent")));
    fs::write(world.path("gapferry.conf"), config(&world, "nginx", port, &store)).unwrap();
    fs::write(world.path("nginx.conf"), nginx_settings(&world.path(""), "gapferry.conf")).unwrap();
    let program = || {
        let mut command = Command::new("nginx");
        command.arg("-e").arg(world.path("nginx.log")).arg("-c").arg(world.path("nginx.conf"));
        command
    };
    run(program().arg("-t"));
    let _running = Running::start(&mut program());
    check(&world, &site, port, &store);
    same_headers_as_serve(&site, port);
    same_parts_as_serve(&site, port);
    switch(&world, &site, port);
}

#[test]
fn apache() {
    let (world, site) = world();
    let (port, store) = (port(), Server::start(Path::new("/nonexistent")));
    fs::write(world.path("gapferry.conf"), config(&world, "apache", port, &store)).unwrap();
    fs::write(world.path("apache.conf"), apache_settings(&world.path(""), "gapferry.conf")).unwrap();
    let program = || {
        let mut command = Command::new("apache2");
        command.arg("-f").arg(world.path("apache.conf"));
        command
    };
    run(program().arg("-t"));
    let _running = Running::start(program().arg("-DFOREGROUND"));
    check(&world, &site, port, &store);
    same_headers_as_serve(&site, port);
    same_parts_as_serve(&site, port);
    // Files are files, whatever the server would do with their names elsewhere.
    fs::write(site.root().join("current/apt/demo/pool/x.var"), "URI: /keys/site.asc\n").unwrap();
    let (status, _, body) = get(port, OWN, "/apt/demo/pool/x.var");
    assert!(status == "200" && body.starts_with(b"URI"), "{status}");
    switch(&world, &site, port);
}

/// Collections with addresses that overlap, and files in them by which an answer tells whence it came.
const TREES: [(&str, &str); 6] = [
    ("apt/root", "http://one.example/"),
    ("apt/ubuntu", "http://one.example./ubuntu"),
    ("apt/extra", "https://ONE.example:8443//ubuntu/"),
    ("apt/deep", "http://one.example/ubuntu/pool/./deep"),
    ("yum/plus", "http://two.example/a+b/c.d"),
    ("images/maas", "http://two.example/~x/v3^"),
];

/// Files of each tree that generation 1 has and generation 2 lacks: some that never change under their names, and some that do.
const WITHDRAWN: [&str; 3] = ["pool/deep/old", "dists/x/by-hash/SHA256/old", "dists/x/InRelease"];

/// A collection of generation 1 alone.
const GONE: (&str, &str) = ("apt/gone", "http://gone.example/debian");

/// Writes generation `number` with [`TREES`], and switches to it.
fn trees(desk: &Desk, number: u64) {
    let (mut published, mut files) = (std::collections::BTreeMap::new(), Vec::new());
    let mut write = |path: &str| files.push((path.to_owned(), path.as_bytes().to_vec()));
    let gone = (number == 1).then_some(&GONE);
    for (at, (tree, origin)) in TREES.iter().chain(gone).enumerate() {
        let (kind, name) = tree.split_once('/').unwrap();
        let kind = Kind::of_name(kind).unwrap();
        published.insert(
            (*tree).to_owned(),
            Published {
                kind,
                name: name.parse().unwrap(),
                origin: (*origin).into(),
                publish: Publish::Verbatim,
                items: 0,
                unsigned: 0,
                vouched: true,
                suites: Default::default(),
                not_carried: 0,
                not_carried_examples: Vec::new(),
                before: None,
                valid_until: None,
                missing_indexes: Vec::new(),
                oldest_data: None,
                notes: Vec::new(),
            },
        );
        for file in
            ["f".to_owned(), "pool/deep/f".into(), "ubuntu/f".into(), "ubuntu/g".into(), format!("pool/only-{at}")]
        {
            write(&format!("{tree}/{file}"));
        }
        if number == 1 {
            WITHDRAWN.iter().for_each(|file| write(&format!("{tree}/{file}")));
        }
    }
    write("keys/site.asc");
    write("manifests/base.json");
    let generation = Generation { number, published, made: Time::now(), ..Generation::none() };
    write_generation(&desk.path("site"), &generation, &files);
    let link = desk.path("site/current");
    let _ = fs::remove_file(&link); // there is none before the first
    std::os::unix::fs::symlink(format!("generations/{number}"), link).unwrap();
    fs::set_permissions(desk.path(""), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Addresses of requests: hosts and paths, spelled in many ways. The same for each seed.
fn requests(seed: u64, count: usize) -> Vec<(String, String)> {
    let mut state = seed | 1;
    let mut pick = |among: &[&str]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        among[usize::try_from(state >> 16).unwrap() % among.len()].to_owned()
    };
    let hosts =
        ["one.example", "two.example", "one.example.", "ONE.Example", "two.example:80", "no.example", "xone.example"];
    let bases = [
        "",
        "/ubuntu",
        "/ubuntu/pool/deep",
        "/a+b/c.d",
        "/~x/v3^",
        "/apt/ubuntu",
        "/apt/root/ubuntu",
        "/yum/plus",
        "/images/maas",
        "/keys",
        "/manifests",
    ];
    let rests = [
        "/f",
        "/g",
        "/pool/deep/f",
        "/ubuntu/f",
        "/ubuntu/g",
        "/pool/only-1",
        "/pool/only-4",
        "/site.asc",
        "/base.json",
        "/pool",
        "/",
        "",
        "/absent",
    ];
    let mut spell = |path: String| match pick(&[
        "",
        "",
        "slashes",
        "dot",
        "up",
        "escape",
        "escaped dots",
        "slash at the end",
        "escaped slash",
    ])
    .as_str()
    {
        "slashes" => path.replace('/', "//"),
        "dot" => path.replace('/', "/./"),
        "up" => format!("/absent/..{path}"),
        "escape" => path.replace('u', "%75").replace('f', "%66"),
        "escaped dots" => format!("/x/%2e%2E{path}"),
        "slash at the end" => path + "/",
        "escaped slash" if path.len() > 1 => format!("/{}", path[1..].replacen('/', "%2F", 1)),
        _ => path,
    };
    let mut made = Vec::new();
    let answered = [
        ("one.example", "/f"),
        ("one.example.", "/ubuntu/f"),
        ("ONE.Example", "/ubuntu/pool/deep/f"),
        ("one.example:80", "/ubuntu/pool/only-1"),
        ("two.example", "/a+b/c.d/ubuntu/g"),
        ("TWO.example", "/~x/v3^/pool/deep/f"),
        ("no.example", "/apt/root/ubuntu/f"),
        ("xone.example", "/keys/site.asc"),
    ];
    for at in 0..count {
        let (base, rest) = (bases[at % bases.len()], rests[(at / bases.len()) % rests.len()]);
        let (host, path) = match at % 2 {
            0 => (hosts[(at / 3) % hosts.len()], format!("{base}{rest}")),
            _ => (answered[(at / 2) % answered.len()].0, answered[(at / 2) % answered.len()].1.to_owned()),
        };
        let path = spell(path);
        made.push((host.to_owned(), if path.starts_with('/') { path } else { "/".to_owned() + &path }));
    }
    made.extend(
        ["/../f", "/ubuntu/../../f", "/%2e%2e/keys/site.asc", "/ubuntu/..%2f..%2ff"]
            .map(|path| ("one.example".to_owned(), path.to_owned())),
    );
    made
}

/// Requests for files of generation 1, by path and by each upstream's name.
fn requests_for_older() -> Vec<(String, String)> {
    let upstream = |(_, origin): &(&str, &str)| {
        let url = url::Url::parse(origin).unwrap();
        (url.host_str().unwrap().to_owned(), url.path().trim_end_matches('/').to_owned())
    };
    let trees = || TREES.iter().chain([&GONE]);
    let by_path = trees().map(|(tree, _)| (OWN.to_owned(), format!("/{tree}")));
    let places = by_path.chain(trees().map(upstream));
    places.flat_map(|(host, base)| WITHDRAWN.map(|file| (host.clone(), format!("{base}/{file}")))).collect()
}

/// The body of a file; `None` if the server has no file there.
fn file(port: u16, (host, path): &(String, String)) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{host}{path}: {answer}"));
    let (status, body) = (&head[9..12], body.to_owned());
    // Web servers list no folder, also not the pool of an archive (docs/ubuntu-pro.md).
    let is_file = status == "200" && !body.starts_with('<') && body != "The files of this folder are not listed.\n";
    is_file.then_some(body)
}

/// The ports of `serve`, nginx and Apache.
struct Ports {
    serve: u16,
    others: [(&'static str, u16); 2],
}

impl Ports {
    /// The requests that nginx and Apache answer in another way than `serve`, each with the server's name; and how many files
    /// `serve` has.
    fn differences(&self, asked: &[(String, String)]) -> (Vec<String>, usize) {
        let (mut found, mut differ) = (0, Vec::new());
        for request in asked {
            let expected = file(self.serve, request);
            found += usize::from(expected.is_some());
            for (server, port) in self.others {
                if file(port, request) != expected {
                    differ.push(format!("{server} {}{}", request.0, request.1));
                }
            }
        }
        (differ, found)
    }
}

/// `setup nginx` and `setup apache` answer as `gapferry serve` does, request by request, also over a switch.
#[test]
fn web_servers_route_as_serve_does() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    trees(&desk, 1);
    let serving = desk.serve();
    let ports = Ports {
        serve: serving.address.rsplit(':').next().unwrap().parse().unwrap(),
        others: [("nginx", port()), ("Apache", port())],
    };
    let folder = desk.path("");
    for (what, port) in ["nginx", "apache"].into_iter().zip(ports.others.map(|(_, port)| port)) {
        let words = format!("setup {what} --site site --serve-url http://{OWN} --listen 127.0.0.1:{port}");
        fs::write(desk.path(&format!("{what}-site.conf")), desk.run(&words).ok().out).unwrap();
    }
    fs::write(desk.path("nginx.conf"), nginx_settings(&folder, "nginx-site.conf")).unwrap();
    fs::write(desk.path("apache.conf"), apache_settings(&folder, "apache-site.conf")).unwrap();
    let _nginx = Running::start(
        Command::new("nginx").arg("-e").arg(desk.path("nginx.log")).arg("-c").arg(desk.path("nginx.conf")),
    );
    let _apache = Running::start(Command::new("apache2").arg("-f").arg(desk.path("apache.conf")).arg("-DFOREGROUND"));
    for (_, port) in ports.others {
        get(port, OWN, "/"); // it waits until the server is there
    }
    let asked = requests(16, 300);
    let (differ, found) = ports.differences(&asked);
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), asked.len(), differ.join("\n"));
    assert!(found > 60, "{found} of {}", asked.len());

    trees(&desk, 2);
    desk.run("gc --site site --keep 2").ok(); // lays out what the older generation has
    let (differ, found) = ports.differences(&[asked, requests_for_older()].concat());
    assert_eq!(differ, Vec::<String>::new());
    assert!(found > 60 + 2 * TREES.len(), "{found}");
    desk.run("gc --site site --keep 1").ok();
    let (differ, found) = ports.differences(&requests_for_older());
    assert!(differ.is_empty() && found == 0, "{found}: {differ:?}");
    assert!(!desk.path("site/older").exists());
}
