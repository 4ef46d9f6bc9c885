//! Servers that know their clients by certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gapferry::cli::Exit;

use super::leaks::Everything;
use super::{client, export_as, host_of, publish, reaches_clients, select_list_of};
use crate::apt_client::{AptClient, output};
use crate::support::desk::Desk;
use crate::support::server::Server;
use crate::support::tls::{mint, mint_client, mutual};

/// An archive that gives nothing to clients without a certificate, and the folder of all certificates.
fn archive() -> (Desk, Server) {
    let desk = Desk::new();
    publish(&desk);
    fs::create_dir(desk.path("tls")).unwrap();
    mint(&desk.path("tls"), "IP:127.0.0.1");
    mint_client(&desk.path("tls"));
    let server = Server::start_tls(&desk.path("up"), mutual(&desk.path("tls")));
    (desk, server)
}

/// apt's settings: `options` with TLS in place of the folder.
fn settings(apt: &AptClient, tls: &Path, options: &str) {
    let text = options.replace("TLS", &tls.display().to_string());
    fs::write(apt.path("etc/apt/apt.conf.d/tls"), text).unwrap();
}

const AUTHORITY: &str = "Acquire::https::CAInfo \"TLS/ca.pem\";\n";

#[test]
fn apts_own_settings_for_a_host_count() {
    let (desk, server) = archive();
    let apt = client(&format!("https://{}/private", host_of(&server)));
    select_list_of(&desk, &apt);
    let tls = desk.path("tls");
    for (options, works) in [
        ("", false),
        (AUTHORITY, false),
        (
            "Acquire::https::127.0.0.1 { CAInfo \"TLS/ca.pem\"; SslCert \"TLS/client.pem\"; SslKey \"TLS/client.key\"; };",
            true,
        ),
        ("Acquire::https { CaInfo \"TLS/ca.pem\"; SSLCert \"TLS/client.pem\"; SSLKey \"TLS/client.key\"; };", true),
        ("Acquire::https { CaInfo \"TLS/ca.pem\"; SSLCert \"TLS/client.pem\"; };", false),
        (
            "Acquire::https::other.example { CaInfo \"TLS/ca.pem\"; SslCert \"TLS/client.pem\"; SslKey \"TLS/client.key\"; };",
            false,
        ),
        ("Acquire::https { Verify-Peer \"false\"; SslCert \"TLS/client.pem\"; SslKey \"TLS/client.key\"; };", true),
        (
            "Acquire::https { CaInfo \"TLS/client.pem\"; SslCert \"TLS/client.pem\"; SslKey \"TLS/client.key\"; };",
            false,
        ),
    ] {
        settings(&apt, &tls, options);
        let mut update = apt.command("apt-get");
        let of_apt = output(update.args(["update", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=0"]));
        assert_eq!(of_apt.status.success(), works, "apt-get: {options}: {of_apt:?}");
        let ended = export_as(&desk, &apt, "--dry-run");
        assert_eq!(ended.code == 0, works, "gapferry: {options}: {ended:?}");
    }
    settings(
        &apt,
        &tls,
        &format!("{AUTHORITY}Acquire::https {{ SslCert \"TLS/client.pem\"; SslKey \"TLS/client.key\"; }};"),
    );
    let exported = export_as(&desk, &apt, "--json").ok();
    reaches_clients(&desk, &exported, "host-private");
}

#[test]
fn a_selection_names_a_certificate_and_its_key_goes_nowhere() {
    let (desk, server) = archive();
    let url = format!("https://{}/private", host_of(&server));
    let select = |keys: &str| desk.select(&desk.table("private", &url, "stable main amd64", keys));
    let mut everything = Everything::new(&desk, &[]);
    let key = fs::read_to_string(desk.path("tls/client.key")).unwrap();
    everything.needles.extend(key.lines().filter(|line| line.len() > 30).map(str::to_owned));
    assert!(!everything.needles.is_empty());
    let export = |exit: Exit, words: &[&str]| {
        let ended = desk.export("--ca-file tls/ca.pem --json").says(exit, words);
        everything.search(&ended);
        ended
    };
    select("");
    export(Exit::Usage, &["does not accept this client over TLS", "client-cert and client-key"]);
    // The server's own certificate is for servers alone, and another authority's is a stranger's.
    let stranger = desk.path("stranger");
    fs::create_dir(&stranger).unwrap();
    mint(&stranger, "IP:127.0.0.1");
    mint_client(&stranger);
    select("client-cert = \"../stranger/client.pem\"\nclient-key = \"../stranger/client.key\"");
    export(Exit::Usage, &["does not accept this client over TLS"]);
    select("client-cert = \"../tls/client.pem\"\nclient-key = \"../stranger/client.key\"");
    export(Exit::Usage, &["cannot use", "stranger/client.key", "as a client certificate"]);
    select("client-cert = \"../tls/client.pem\"");
    export(Exit::Usage, &["client.pem holds a secret", "chmod 600"]);
    fs::set_permissions(desk.path("tls/client.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    export(Exit::Usage, &["cannot use", "client.pem", "as a client certificate"]);
    fs::set_permissions(desk.path("tls/client.key"), fs::Permissions::from_mode(0o644)).unwrap();
    select("client-cert = \"../tls/client.pem\"\nclient-key = \"../tls/client.key\"");
    export(Exit::Usage, &["client.key holds a secret, and every user", "chmod 600"]);
    fs::set_permissions(desk.path("tls/client.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let exported = export(Exit::Done, &[]);
    reaches_clients(&desk, &exported, "private");
    // Both in one file.
    let both = fs::read_to_string(desk.path("tls/client.pem")).unwrap() + &key;
    super::write_private(&desk.path("online/both.pem"), &both);
    select("client-cert = \"both.pem\"");
    desk.export("--ca-file tls/ca.pem --force").ok();
    everything.search_folders();
}
