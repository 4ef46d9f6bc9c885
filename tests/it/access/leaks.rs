//! Secrets go to their server and nowhere else: everything that an export writes and says is searched for them, for each way to
//! log in and whatever goes wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gapferry::cli::Exit;
use walkdir::WalkDir;

use super::{Archive, client, host_of, reaches_clients, write_private};
use crate::apt_client::AptClient;
use crate::support::desk::{Desk, Ended, end};
use crate::support::port::port;
use crate::support::server::{Fault, Server, Times};
use crate::support::tls;

const USER: &str = "carrier-of-all";
const SECRET: &str = "hush/4f1e+9b token";

/// All that is searched for secrets: the online side's workspace, the media, the site, and all that commands print.
pub(super) struct Everything {
    pub(super) needles: Vec<String>,
    folders: Vec<PathBuf>,
}

impl Everything {
    /// Secrets in every form that they travel or stand in.
    pub(super) fn new(desk: &Desk, secrets: &[&str]) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            let escaped = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
            let encoded = [secret.to_string(), format!("{USER}:{secret}"), format!("bearer:{secret}")];
            needles.extend(encoded.map(|text| STANDARD.encode(text).trim_end_matches('=').to_owned()));
            needles.extend([secret.to_string(), escaped]);
        }
        let folders = ["online/workspace", "medium", "site"].map(|name| desk.path(name)).to_vec();
        Self { needles, folders }
    }

    /// Fails if a command has printed a secret, or written one into a file.
    #[track_caller]
    pub(super) fn search(&self, ended: &Ended) {
        self.search_bytes(ended.out.as_bytes(), Path::new("stdout"));
        self.search_bytes(ended.err.as_bytes(), Path::new("stderr"));
        self.search_folders();
    }

    /// Fails if a secret stands in a file or in its name.
    #[track_caller]
    pub(super) fn search_folders(&self) {
        let mut searched = 0;
        for folder in self.folders.iter().filter(|folder| folder.exists()) {
            for entry in WalkDir::new(folder).into_iter().map(Result::unwrap) {
                self.search_bytes(entry.path().as_os_str().as_encoded_bytes(), entry.path());
                if entry.file_type().is_file() {
                    self.search_file(entry.path());
                    searched += 1;
                }
            }
        }
        assert!(searched > 0);
    }

    /// Searches a file as it is, decompressed, and unpacked.
    #[track_caller]
    fn search_file(&self, path: &Path) {
        let bytes = fs::read(path).unwrap();
        self.search_bytes(&bytes, path);
        let scratch = tempfile::tempdir().unwrap();
        let magic = |start: &[u8]| bytes.starts_with(start);
        let script = match () {
            () if magic(b"\x28\xb5\x2f\xfd") => "zstd -qdc \"$1\" > \"$2/plain\"",
            () if magic(b"\xfd7zXZ") => "xz -dc \"$1\" > \"$2/plain\"",
            () if magic(b"\x1f\x8b") => "gzip -dc < \"$1\" > \"$2/plain\"",
            () if bytes.get(257..262) == Some(b"ustar") => "tar -xf \"$1\" -C \"$2\"",
            () => return,
        };
        let unpacked = Command::new("sh").args(["-c", script, "sh"]).arg(path).arg(scratch.path()).output().unwrap();
        // A download that was cut short cannot be unpacked to its end.
        assert!(
            unpacked.status.success() || path.to_string_lossy().contains("partial"),
            "{}: {unpacked:?}",
            path.display()
        );
        for entry in WalkDir::new(scratch.path()).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file()) {
            self.search_file(entry.path());
        }
    }

    #[track_caller]
    fn search_bytes(&self, bytes: &[u8], place: &Path) {
        for needle in &self.needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!found, "{needle} stands in {}: {}", place.display(), String::from_utf8_lossy(bytes));
        }
    }
}

/// A way to log in.
struct Way {
    name: &'static str,
    /// The secret as this way can have it.
    secret: &'static str,
    /// The user and password in the URL.
    userinfo: String,
    /// The keys of the table.
    keys: String,
    /// The file of logins of the host's apt, with MACHINES in place of each machine.
    auth_conf: bool,
}

/// Without a blank, which ends a token of apt's.
const TOKEN: &str = "hush/4f1e+9b-token";

fn ways() -> Vec<Way> {
    let way =
        |name, secret, keys: &str| Way { name, secret, userinfo: String::new(), keys: keys.into(), auth_conf: false };
    let escaped = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC);
    vec![
        Way { userinfo: format!("{USER}:{escaped}@"), ..way("in the URL", SECRET, "") },
        Way { auth_conf: true, ..way("apt's auth.conf", TOKEN, "") },
        way("auth-file", TOKEN, "auth-file = \"secrets/logins\""),
        way("a password", SECRET, &format!("login = \"{USER}\"\nsecret-file = \"secrets/secret\"")),
        way("a bearer token", TOKEN, "secret-file = \"secrets/token\""),
    ]
}

/// Another server, at which redirects lead to.
struct Case {
    archive: Archive,
    elsewhere: Server,
    untrusted: Server,
    dead: String,
    apt: AptClient,
    everything: Everything,
}

impl Case {
    fn new(way: &Way) -> Self {
        let archive = Archive::new();
        let elsewhere = Server::start(&archive.desk.path("up"));
        fs::create_dir(archive.desk.path("tls")).unwrap();
        let (_, server) = tls::authority(&archive.desk.path("tls"));
        let untrusted = Server::start_tls(&archive.desk.path("up"), server);
        let dead = format!("127.0.0.1:{}", port());
        let apt = client(&archive.url(""));
        let folder = archive.desk.path("online/secrets");
        fs::create_dir(&folder).unwrap();
        let machines = [format!("http://{}", archive.host()), format!("http://{dead}"), host_of(&untrusted)];
        let logins: String =
            machines.iter().map(|machine| format!("machine {machine} login {USER} password {TOKEN}\n")).collect();
        write_private(&folder.join("logins"), &logins);
        write_private(&folder.join("secret"), SECRET);
        write_private(&folder.join("token"), TOKEN);
        if way.auth_conf {
            write_private(&apt.path("etc/apt/auth.conf"), &logins);
        }
        archive.server.guard(|request| request.header("authorization").is_some());
        let everything = Everything::new(&archive.desk, &[way.secret]);
        Self { archive, elsewhere, untrusted, dead, apt, everything }
    }

    fn select(&self, way: &Way, scheme: &str, host: &str) {
        let url = format!("{scheme}://{}{host}/private", way.userinfo);
        self.archive.desk.select(&self.archive.desk.table("private", &url, "stable main amd64", &way.keys));
    }

    /// Exports with and without `--json`, and searches all of it.
    #[track_caller]
    fn fails(&self, what: &str, exit: Exit, words: &[&str]) {
        for more in ["--json", ""] {
            let ended = self.export(more);
            assert_eq!(ended.code, i32::from(exit.code()), "{what}: {ended:?}");
            words.iter().for_each(|word| assert!(ended.err.contains(word), "{what}: {word} is not in {}", ended.err));
            self.everything.search(&ended);
        }
    }

    fn export(&self, more: &str) -> Ended {
        super::export_as(&self.archive.desk, &self.apt, more)
    }
}

/// Makes a test of each way to log in.
macro_rules! tests_of_ways {
    ($($name:ident: $number:literal),*) => {
        mod a_secret_goes_to_its_server_and_nowhere_else {
            $(#[test]
            fn $name() {
                super::keeps_quiet(&super::ways()[$number]);
            })*

            #[test]
            fn covers_all_ways() {
                assert_eq!(super::ways().len(), [$($number),*].len());
            }
        }
    };
}

tests_of_ways! { in_the_url: 0, in_apts_auth_conf: 1, in_an_auth_file: 2, as_a_password: 3, as_a_bearer_token: 4 }

fn keeps_quiet(way: &Way) {
    let case = Case::new(way);
    let host = case.archive.host();
    case.select(way, "http", &host);
    every_answer(way, &case);
    case.select(way, "http", &case.dead);
    let refused = case.export("--json").says(Exit::UpstreamUnavailable, &["cannot reach", &case.dead]);
    case.everything.search(&refused);
    case.select(way, "https", &host_of(&case.untrusted));
    case.fails("untrusted", Exit::VerificationFailed, &["is not trusted"]);

    case.select(way, "http", &host);
    let exported = case.export("--json").ok();
    case.everything.search(&exported);
    assert!(case.archive.logins().iter().all(|login| !login.is_empty()), "{}", way.name);
    reaches_clients(&case.archive.desk, &exported, "private");
    let bundle = exported.json()["bundle"].as_str().unwrap().to_owned();
    for command in [
        format!("inspect {bundle} --json"),
        format!("inspect {bundle}"),
        "status --site site --json".into(),
        "gc --site site".into(),
    ] {
        case.everything.search(&case.archive.desk.run(&command).ok());
    }
    case.everything.search(&case.export("--dry-run"));
}

/// Answers of a server that end an export.
fn every_answer(way: &Way, case: &Case) {
    let server = &case.archive.server;
    let deb = "private/pool/main/h/hello/hello_1.0-1_amd64.deb";
    let to = |path: &str| Fault::Redirect(case.elsewhere.url(path).to_string());
    for path in [super::IN_RELEASE, deb] {
        for (fault, exit, words) in [
            (Fault::Status(401, vec![]), Exit::Usage, &["status 401", "correct it, and"][..1]),
            (Fault::Status(403, vec![]), Exit::Usage, &["status 403"]),
            (Fault::Status(407, vec![]), Exit::Usage, &["status 407", "http_proxy"]),
            (
                Fault::Status(404, vec![]),
                Exit::UpstreamUnavailable,
                &[if path == deb { "does not exist" } else { "has no suite stable" }],
            ),
        ] {
            server.fault(path, Times::ALWAYS, fault.clone());
            case.fails(&format!("{}: {fault:?}", way.name), exit, words);
            server.heal(path);
        }
        server.fault(path, Times::ALWAYS, Fault::Status(500, vec![("Retry-After", "0")]));
        server.heal(path);
        // Another host gets the request without the login: at first it gives what is asked for, then it wants one too.
        server.fault(path, Times::ALWAYS, to(path));
        let before = case.elsewhere.requests(path).len();
        case.everything.search(&case.export("--dry-run").ok());
        case.elsewhere.fault(path, Times::ALWAYS, Fault::Status(401, vec![]));
        case.fails(&way.name.replace(' ', "-"), Exit::Usage, &["status 401", "a redirect leads to", "no login"][..1]);
        let asked = case.elsewhere.requests(path);
        assert!(asked.len() > before && asked.iter().all(|request| request.header("authorization").is_none()));
        case.elsewhere.heal(path);
        server.heal(path);
    }
}

#[test]
fn a_redirect_has_the_login_of_its_own_target() {
    let archive = Archive::new();
    let elsewhere = Server::start(&archive.desk.path("up"));
    archive.server.wants_login("here", "1");
    elsewhere.wants_login("there", "2");
    let path = super::IN_RELEASE;
    archive.server.fault(path, Times::ALWAYS, Fault::Redirect(elsewhere.url(path).to_string()));
    archive.server.fault(
        "private/pool/main/h/hello/hello_1.0-1_amd64.deb",
        Times::ALWAYS,
        Fault::Redirect("/moved/hello.deb".into()),
    );
    fs::create_dir(archive.desk.path("up/moved")).unwrap();
    fs::copy(
        archive.desk.path("up/private/pool/main/h/hello/hello_1.0-1_amd64.deb"),
        archive.desk.path("up/moved/hello.deb"),
    )
    .unwrap();
    let logins = format!(
        "machine http://{}/private login here password 1 machine http://{} login there password 2",
        archive.host(),
        host_of(&elsewhere)
    );
    write_private(&archive.desk.path("online/logins"), &logins);
    archive.desk.select(&archive.desk.table(
        "private",
        &archive.url(""),
        "stable main amd64",
        "auth-file = \"logins\"",
    ));
    let exported = archive.desk.export("--json").ok();
    // On the same server a login stays, though the new path has none of its own.
    assert!(archive.server.requests("moved/hello.deb")[0].header("authorization").is_some());
    reaches_clients(&archive.desk, &exported, "private");
}

#[test]
fn the_login_of_a_proxy_is_never_shown() {
    let archive = Archive::new();
    let everything = Everything::new(&archive.desk, &[TOKEN]);
    archive.desk.select(&archive.desk.table("private", "http://upstream.invalid/private", "stable main amd64", ""));
    let escaped = percent_encoding::utf8_percent_encode(TOKEN, percent_encoding::NON_ALPHANUMERIC);
    let export = |host: &str| {
        let mut command = archive.desk.command(
            "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --json",
        );
        command
            .env("http_proxy", format!("http://{USER}:{escaped}@{host}"))
            .env_remove("no_proxy")
            .env_remove("NO_PROXY");
        let ended = end(&mut command);
        everything.search(&ended);
        ended
    };
    archive.server.fault(
        super::IN_RELEASE,
        Times(1),
        Fault::Status(407, vec![("Proxy-Authenticate", "Basic realm=\"x\"")]),
    );
    export(&archive.host()).says(Exit::Usage, &["status 407", "the proxy wants a login", "http_proxy"]);
    export(&format!("127.0.0.1:{}", port())).says(Exit::UpstreamUnavailable, &["cannot reach http://upstream.invalid"]);
    export(&archive.host()).ok();
    let sent = archive.server.requests(super::IN_RELEASE).pop().unwrap();
    assert!(sent.header("proxy-authorization").is_some() && sent.header("authorization").is_none());
}
