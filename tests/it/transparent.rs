//! The transparent proxy: clients with the settings that they come with, behind a real name server that `setup dns` wrote the
//! configuration of. Only the resolver is set, and for names over TLS the authority that is trusted.

mod flat;

use std::fs;
use std::process::{Child, Command, Stdio};

use gapferry::upstream::{DebSpec, Upstream};

use crate::apt_client::AptClient;
use crate::images::maas;
use crate::snapd_clients::shop::serve;
use crate::stream_client::{StreamClient, files_of};
use crate::support::cage::{Cage, Plan};
use crate::support::desk::{ARCHIVE_KEY, Desk, clean, end, ended};
use crate::support::server::Server;
use crate::support::snaps::{assertions, authority, snap};
use crate::support::tls::mint;

const ARCHIVE: &str = "http://archive.ubuntu.com/ubuntu";
const IMAGES: &str = "http://images.maas.io/ephemeral-v3/stable";
const LISTEN: &str = "--listen 127.0.0.1:80 --tls-listen 127.0.0.1:443 --tls-cert server.pem --tls-key key.pem";
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A site with what was collected from the upstreams' own names, which led to a server of the test's own.
fn site() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Ubuntu", &["amd64"]);
    upstream.add("noble", "main", DebSpec::new("hello", "2.10-3", "amd64"));
    desk.archive("up/ubuntu", &mut upstream, &["noble"]);
    maas(&["20250718"]).write_to(&desk.path("up/ephemeral-v3/stable"), &ARCHIVE_KEY).unwrap();
    fs::create_dir(desk.path("snaps")).unwrap();
    let bytes = snap("words", 3);
    fs::write(desk.path("snaps/words_3.assert"), assertions(authority(), "words", 3, &bytes)).unwrap();
    fs::write(desk.path("snaps/words_3.snap"), bytes).unwrap();
    let apt = desk.table("ubuntu", ARCHIVE, "noble main amd64", "publish = \"verbatim\"\npackages = [\"hello\"]");
    let images = crate::images::table(&desk, IMAGES, "publish = \"verbatim\"");
    desk.select(&format!("{apt}\n{images}\n[[snaps]]\nfrom = \"../snaps\"\nclosure = false\n"));
    desk.init(&["ubuntu", "maas"], "");
    let alias = "\n[[serve.alias]]\nurl = \"http://security.ubuntu.com/ubuntu\"\ncollection = \"apt/ubuntu\"\n";
    let settings = fs::read_to_string(desk.path("site/site.toml")).unwrap() + alias;
    fs::write(desk.path("site/site.toml"), settings).unwrap();
    let server = Server::start(&desk.path("up"));
    let mut export = desk.command(
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --json",
    );
    let bundle = end(export.env("http_proxy", server.url("").as_str())).ok().json()["bundle"].clone();
    desk.import(&desk.path(bundle.as_str().unwrap())).ok();
    desk
}

/// Namespaces in which names are answered by what runs there, and our authority is one of the platform's.
fn cage(desk: &Desk) -> Option<Cage> {
    mint(&desk.path(""), "DNS:api.snapcraft.io");
    let authorities = fs::read_to_string(AUTHORITIES).unwrap() + &fs::read_to_string(desk.path("ca.pem")).unwrap();
    let texts = vec![
        ("/etc/resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
        ("/etc/hosts", "127.0.0.1 localhost\n".to_owned()),
        (AUTHORITIES, authorities),
    ];
    Cage::new("clients behind a name server", &Plan { texts, ..Plan::default() })
}

/// A name server with the configuration that `setup dns` writes.
pub(crate) fn name_server(cage: &Cage, desk: &Desk) -> Child {
    desk.run("setup dns --site site --for dnsmasq --address 127.0.0.1 --out dns.conf").ok();
    let mut command = Command::new("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file",
        "--bind-interfaces",
    ]);
    let conf = desk.path("dns.conf");
    command.arg("--listen-address=127.0.0.1").arg(format!("--conf-file={}", conf.display()));
    cage.inside(&command).stdin(Stdio::null()).spawn().expect("tests/run installs dnsmasq")
}

/// Waits until the name server answers for `name`.
fn wait_for_name(cage: &Cage, name: &str) {
    let ready = format!("for try in $(seq 1200); do getent hosts {name} && exit; sleep 0.1; done; exit 1");
    run(cage, Command::new("sh").args(["-c", &ready])).ok();
}

/// Runs `command` inside, with nothing in its environment that leads elsewhere.
pub(crate) fn run(cage: &Cage, command: &mut Command) -> crate::support::desk::Ended {
    clean(command);
    command.env_remove("http_proxy").env_remove("NO_PROXY").env_remove("no_proxy");
    ended(&cage.inside(command).output().unwrap())
}

#[test]
fn clients_work_with_no_setting_changed_but_the_resolver() {
    let desk = site();
    let Some(cage) = cage(&desk) else { return };
    let mut names = name_server(&cage, &desk);
    let _server = serve(&cage, &desk, LISTEN);
    wait_for_name(&cage, "archive.ubuntu.com");
    assert_ne!(run(&cage, Command::new("getent").args(["hosts", "www.ubuntu.com"])).code, 0);

    let client = AptClient::new("amd64").with_programs();
    let keyring = client.path("upstream.gpg");
    fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    client.source("deb", ARCHIVE, "noble", "main", &keyring);
    assert_eq!(run(&cage, client.command("apt-get").arg("update")).ok().err, "", "no warning and no error");
    run(&cage, client.command("apt-get").args(["install", "-y", "--download-only", "hello"])).ok();
    assert_eq!(client.downloaded(), ["hello_2.10-3_amd64.deb"]);

    let security = "http://security.ubuntu.com/ubuntu/dists/noble/InRelease";
    run(&cage, Command::new("curl").args(["-sSf", "-o", "/dev/null", security])).ok();

    let mirror = StreamClient::new(&ARCHIVE_KEY.public_binary().unwrap());
    run(&cage, &mut mirror.mirror_command(IMAGES, &desk.path("mirrored"), &["--max=1"])).ok();
    let images = files_of(&desk.path("mirrored"));
    let upstream = files_of(&desk.path("up/ephemeral-v3/stable"));
    assert!(
        images.len() > 10
            && images.iter().all(|(path, digest)| path.starts_with("streams/") || upstream[path] == *digest)
    );

    let medium = desk.path("medium");
    let ended = run(&cage, Command::new("snap").args(["download", "words"]).current_dir(&medium).env("HOME", &medium));
    // It has got the snap from api.snapcraft.io, and all that is said of it but for the tests' root, which it cannot know.
    assert!(ended.err.contains("account (testsuite) not found"), "{ended:?}");
    assert!(fs::read(medium.join("words_3.snap")).unwrap() == snap("words", 3));
    let _ = names.kill();
    let _ = names.wait();
}
