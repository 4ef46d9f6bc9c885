//! Flat repositories and lists of mirrors under upstream's names: the lines of a stock client stay as they are.

use std::fs;

use super::*;
use crate::journey::flat::FlatRepository;

const VENDOR: &str = "http://pkgs.vendor.example/vendor/deb";

/// The list of mirrors that clients have. Behind the gap no name but the first leads anywhere.
const MIRRORS: &str = "http://pkgs.vendor.example/vendor/deb\tpriority:1\n\
                       http://mirror.vendor.example/vendor/deb\tpriority:2 type:deb\nhttp://third.vendor.example/deb\n";

/// A site with the repository, and with the list of its mirrors as a file.
fn vendor_site(publish: &str) -> Desk {
    let repository = FlatRepository::new();
    repository.publish_hello("", "Origin: Vendor\n");
    repository.publish_hello("noble", "Suite: noble\n");
    let desk = repository.desk;
    fs::write(desk.path("up/mirrors.txt"), MIRRORS).unwrap();
    fs::create_dir(desk.path("online/lists")).unwrap();
    fs::write(desk.path("online/lists/mirrors.txt"), MIRRORS).unwrap();
    let key = desk.path("keyring.gpg").display().to_string();
    let lines = format!(
        "deb [signed-by={key}] {VENDOR} ./\ndeb [signed-by={key}] mirror+http://lists.vendor.example/mirrors.txt noble/\n"
    );
    fs::write(desk.path("online/vendor.list"), lines).unwrap();
    desk.select(&format!(
        "[[apt]]\nname = \"host\"\nsources = \"vendor.list\"\narchitectures = [\"amd64\"]\npublish = \"{publish}\"\n\
         [[files]]\nname = \"lists\"\nfrom = \"lists\"\n"
    ));
    desk.init(&["host-vendor-deb-pkgs"], "--allow-unsigned lists");
    let alias = "\n[[serve.alias]]\nurl = \"http://lists.vendor.example/\"\ncollection = \"files/lists\"\n";
    let settings = fs::read_to_string(desk.path("site/site.toml")).unwrap() + alias;
    fs::write(desk.path("site/site.toml"), settings).unwrap();
    let server = Server::start(&desk.path("up"));
    let mut export = desk.command(
        "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace --json",
    );
    let exported = end(export.env("http_proxy", server.url("").as_str())).ok().json();
    desk.import(&desk.path(exported["bundle"].as_str().unwrap())).ok();
    desk
}

/// Lets a stock client use the lines, and returns what it downloads.
fn client_of(cage: &Cage, lines: &str) -> Vec<String> {
    let client = AptClient::new("amd64").with_programs();
    fs::write(client.path("etc/apt/sources.list.d/vendor.list"), lines).unwrap();
    let updated = run(cage, client.command("apt-get").arg("update")).ok();
    assert!(!updated.err.contains("W:") && !updated.err.contains("E:"), "{updated:?}");
    run(cage, client.command("apt-get").args(["install", "-y", "--download-only", "hello"])).ok();
    client.downloaded()
}

#[test]
fn flat_repositories_and_lists_of_mirrors_keep_their_lines() {
    for publish in ["verbatim", "re-indexed"] {
        let desk = vendor_site(publish);
        let Some(cage) = cage(&desk) else { return };
        let mut names = name_server(&cage, &desk);
        let _server = serve(&cage, &desk, "--listen 127.0.0.1:80");
        wait_for_name(&cage, "pkgs.vendor.example");
        let key = match publish {
            "verbatim" => desk.path("keyring.gpg"),
            _ => desk.path("site/current/keys/site.gpg"),
        };
        let key = key.display();
        fs::write(desk.path("mirrors.txt"), MIRRORS).unwrap();
        let local = format!("mirror+file:{}", desk.path("mirrors.txt").display());
        for line in [
            format!("{VENDOR} ./"),
            format!("{VENDOR} /"),
            format!("{VENDOR} noble/"),
            format!("{local} ./"),
            format!("{local} noble/"),
            "mirror://lists.vendor.example/mirrors.txt ./".to_owned(),
            "mirror+http://lists.vendor.example/mirrors.txt noble/".to_owned(),
        ] {
            let downloaded = client_of(&cage, &format!("deb [signed-by={key}] {line}\n"));
            assert_eq!(downloaded, ["hello_1.0_amd64.deb"], "{publish}: {line}");
        }
        let _ = names.kill();
        let _ = names.wait();
    }
}
