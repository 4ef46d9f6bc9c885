//! Ubuntu Pro: archives that want the token of each service, and stock clients behind the gap.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::{Value, json};

use super::leaks::Everything;
use super::write_private;
use crate::apt_client::{AptClient, complaint_free, output};
use crate::snapd_clients::shop::serve;
use crate::support::cage::{Cage, Plan};
use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, end};
use crate::support::server::{Server, basic};
use crate::transparent::{name_server, run};

const INFRA: &str = "infra-t0ken-C1a9";
const APPS: &str = "apps-t0ken-77Bd";
const CONTRACT: &str = "--contract-url http://contracts.dc1.example:8484";

/// The archives of two services, and a server that stands for esm.ubuntu.com: it wants the token of each service as the password
/// of the user `bearer`.
fn upstream() -> (Desk, Server) {
    let desk = Desk::new();
    for (service, package) in [("infra", "openssl"), ("apps", "hello")] {
        let mut upstream = Upstream::new("UbuntuESM", &["amd64"]);
        let suites = ["updates", "security"].map(|pocket| format!("jammy-{service}-{pocket}"));
        for suite in &suites {
            upstream.add(suite, "main", DebSpec::new(package, "3.0.2-0ubuntu1.99+esm1", "amd64"));
        }
        desk.archive(&format!("up/{service}/ubuntu"), &mut upstream, &suites.each_ref().map(String::as_str));
    }
    let server = Server::start(&desk.path("up"));
    server.guard(|request| {
        let token = if request.path().starts_with("infra/") { INFRA } else { APPS };
        request.header("authorization") == Some(&basic("bearer", token))
    });
    (desk, server)
}

/// Selects what the sample selects, over http, since the server has no certificate for the name.
fn select_sample(desk: &Desk) {
    let sample = include_str!("../../../manifests/ubuntu-pro.toml").replace("https://esm", "http://esm");
    let keyring = desk.path("keyring.gpg").display().to_string();
    let keyrings = ["infra", "apps"].map(|name| format!("/usr/share/keyrings/ubuntu-pro-esm-{name}.gpg"));
    let selection = keyrings.iter().fold(sample, |text, path| text.replace(path, &keyring));
    desk.select("");
    fs::write(desk.path("online/selection.toml"), selection).unwrap();
    write_private(&desk.path("online/esm-infra.token"), &format!("{INFRA}\n"));
    write_private(&desk.path("online/esm-apps.token"), &format!("{APPS}\n"));
}

/// Exports, with the server in place of the upstream's name.
fn export(desk: &Desk, server: &Server, more: &str) -> Ended {
    let arguments = format!(
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace {more}"
    );
    end(desk.command(&arguments).env("http_proxy", server.url("").as_str()))
}

/// A site that publishes both archives.
pub(crate) fn site() -> Desk {
    let (desk, server) = upstream();
    select_sample(&desk);
    let bundle = export(&desk, &server, "--json").ok().json()["bundle"].clone();
    desk.init(&["esm-infra", "esm-apps"], "");
    desk.import(&desk.path(bundle.as_str().unwrap())).ok();
    desk
}

/// apt's source for a service, as `pro` writes it: `/ubuntu` after the URL.
fn client(url: &str, service: &str) -> AptClient {
    let client = AptClient::new("amd64");
    let keyring = client.path("esm.gpg");
    fs::write(&keyring, ARCHIVE_KEY.public_binary().unwrap()).unwrap();
    let suites = format!("jammy-{service}-updates jammy-{service}-security");
    client.source("deb", &format!("{url}/ubuntu"), &suites, "main", &keyring);
    client
}

/// A file as YAML, by way of the clients' own library.
fn yaml(text: &str) -> Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_sample_logs_in_as_apt_does_and_each_token_has_its_own_service() {
    let (desk, server) = upstream();
    let apt = client("http://esm.ubuntu.com/infra", "infra");
    let proxy = format!("Acquire::http::Proxy \"{}\";\n", server.url(""));
    fs::write(apt.path("etc/apt/apt.conf.d/proxy"), proxy).unwrap();
    assert!(!output(apt.command("apt-get").arg("update")).status.success(), "the control: no token, no packages");
    let login =
        format!("machine http://esm.ubuntu.com/infra/ubuntu/ login bearer password {INFRA}  # ubuntu-pro-client\n");
    write_private(&apt.path("etc/apt/auth.conf.d/90ubuntu-advantage"), &login);
    complaint_free(apt.command("apt-get").arg("update"));

    select_sample(&desk);
    let everything = Everything::new(&desk, &[INFRA, APPS]);
    let exported = export(&desk, &server, "--json").ok();
    everything.search(&exported);
    let kept = exported.json();
    let names: Vec<&str> =
        kept["collections"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["esm-apps", "esm-infra"]);

    // The token of another service, as after a mistake or at the end of the contract.
    write_private(&desk.path("online/esm-apps.token"), INFRA);
    let refused = export(&desk, &server, "--json --force");
    everything.search(&refused);
    refused.says(Exit::Usage, &["http://esm.ubuntu.com/apps/ubuntu", "status 401", "the secret in", "esm-apps.token"]);
}

#[test]
fn stock_clients_take_esm_under_the_upstreams_name() {
    let desk = site();
    let written = desk.run(&format!("setup pro --site site {CONTRACT} --out pro/ --json")).ok();
    assert_eq!(written.json()["written"].as_array().unwrap().len(), 2);
    let overrides = yaml(&fs::read_to_string(desk.path("pro/gapferry-pro-override.yaml")).unwrap());
    let url = |service: &str| {
        let url = &overrides["CONTRACT_TOKEN"][service]["directives"]["aptURL"];
        url.as_str().unwrap_or_else(|| panic!("no {service} in {overrides}")).to_owned()
    };
    let texts = vec![
        ("/etc/resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
        ("/etc/hosts", "127.0.0.1 localhost\n".to_owned()),
    ];
    let Some(cage) = Cage::new("clients of Ubuntu Pro", &Plan { texts, ..Plan::default() }) else { return };
    let mut names = name_server(&cage, &desk);
    let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
    let ready = "for try in $(seq 1200); do getent hosts esm.ubuntu.com && exit; sleep 0.1; done; exit 1";
    run(&cage, Command::new("sh").args(["-c", ready])).ok();

    for (service, package, token) in [("infra", "openssl", INFRA), ("apps", "hello", APPS)] {
        let url = url(&format!("esm-{service}"));
        let deb = format!("{package}_3.0.2-0ubuntu1.99+esm1_amd64.deb");
        let apt = client(&url, service);
        assert_eq!(run(&cage, apt.command("apt-get").arg("update")).ok().err, "", "no warning and no error");
        run(&cage, apt.command("apt-get").args(["install", "-y", "--download-only", package])).ok();
        assert_eq!(apt.downloaded(), [deb]);
        // As on a client that is attached, with the login that it has of the contract server.
        let attached = client(&url, service);
        let login = format!("machine esm.ubuntu.com/{service}/ubuntu/ login bearer password {token}\n");
        write_private(&attached.path("etc/apt/auth.conf.d/90ubuntu-advantage"), &login);
        let updated = run(&cage, attached.command("apt-get").arg("update")).ok();
        assert!(updated.err.contains("the protocol is not encrypted"), "as docs/ubuntu-pro.md says: {updated:?}");
        run(&cage, attached.command("apt-get").args(["install", "-y", "--download-only", package])).ok();
        // The request by which `pro attach` checks its token: credentials in the URL, a folder, and it must be there.
        let place = url.replace("http://", &format!("http://bearer:{token}@"));
        for (folder, works) in [("ubuntu/pool/", true), ("ubuntu/dists/", false), ("debian/pool/", false)] {
            let mut helper = apt.command("/usr/lib/apt/apt-helper");
            helper.args(["download-file", &format!("{place}/{folder}")]).arg(apt.path("helper"));
            let ended = run(&cage, &mut helper);
            assert_eq!(ended.code == 0, works, "{folder}: {ended:?}");
        }
    }
    let _ = names.kill();
    let _ = names.wait();
}

#[test]
fn setup_pro_writes_what_the_contract_server_and_the_clients_read() {
    let desk = site();
    let printed = desk.run(&format!("setup pro --site site {CONTRACT} --transport https --json")).ok();
    assert_eq!(printed.err, "");
    let value = printed.json();
    assert_eq!(value["what"], "pro");
    let text = |at: usize| value["files"][at]["text"].as_str().unwrap();
    let apt_url = |folder: &str| json!({ "directives": { "aptURL": format!("https://esm.ubuntu.com/{folder}") } });
    let services = json!({ "esm-apps": apt_url("apps"), "esm-infra": apt_url("infra") });
    assert_eq!(yaml(text(0)), json!({ "CONTRACT_TOKEN": services }));
    let expected = json!({ "contract_url": "http://contracts.dc1.example:8484", "log_level": "debug" });
    assert_eq!(yaml(text(1)), expected);

    // The printed command puts the token in, and gives pro-airgapped the whole: here a program that passes it on.
    let folder = desk.path("online/pro");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("gapferry-pro-override.yaml"), text(0)).unwrap();
    write_private(&folder.join("contract.token"), "C1234567890\n");
    let command = text(0).lines().find(|line| line.contains("| pro-airgapped")).unwrap();
    let script = format!("pro-airgapped() {{ cat; }}\n{}", command.trim_start_matches("# "));
    end(Command::new("bash").args(["-ec", &script]).current_dir(&folder)).ok();
    let contracts = fs::read_to_string(folder.join("contracts.yaml")).unwrap();
    assert_eq!(yaml(&contracts), json!({ "C1234567890": services }));
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(folder.join("contracts.yaml")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn setup_pro_names_what_clients_cannot_use() {
    let (desk, server) = upstream();
    select_sample(&desk);
    let selection = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    let mixed = selection.replacen("publish = \"verbatim\"\n", "", 1);
    fs::write(desk.path("online/selection.toml"), mixed).unwrap();
    let bundle = export(&desk, &server, "--json").ok().json()["bundle"].clone();
    desk.init(&["esm-infra", "esm-apps"], "");
    desk.import(&desk.path(bundle.as_str().unwrap())).ok();
    let told = desk.run(&format!("setup pro --site site {CONTRACT}")).ok();
    assert!(told.err.contains("apt/esm-infra is left out: this site signs it"), "{}", told.err);
    assert!(told.out.contains("esm-apps:") && !told.out.contains("esm-infra:"), "{}", told.out);

    let plain = Desk::new();
    super::publish(&plain);
    plain.select(&plain.table("private", &plain.url("up/private"), "stable main amd64", ""));
    plain.init(&["private"], "");
    plain.ferry();
    let ended = plain.run(&format!("setup pro --site site {CONTRACT}"));
    ended.says(Exit::Usage, &["the site publishes no archive of https://esm.ubuntu.com/", "as upstream signed it"]);
    plain.run("setup pro --site site --contract-url ftp://x").says(Exit::Usage, &["no address that can be used"]);
}
