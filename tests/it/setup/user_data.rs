//! User data for machines of the Red Hat family, judged by `cloud-init schema` and by cloud-init's own module for yum, which
//! writes into a folder of the test's.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::formats::openpgp::SiteKeyAlgorithm;
use gapferry::setup::user_data::{Os, UserDataChoice, user_data};
use gapferry::setup::{Certificates, Facts, ListSigner, RpmRepository};

use super::fixture::{setup, world};
use crate::apt_client::run;
use crate::support::tls::mint;

/// Runs `bootcmd` with all paths below the root that it is given, then the module, as cloud-init does at the first boot.
const FIRST_BOOT: &str = r#"
import logging, os, subprocess, sys, yaml
from cloudinit.config import cc_yum_add_repo
root = sys.argv[1]
config = yaml.safe_load(open(sys.argv[2]))
for command in config["bootcmd"]:
    assert command[:2] == ["cloud-init-per", "once"] and len(command) == 6, command
    script = command[-1].replace("/etc/", root + "/etc/")
    subprocess.run(command[3:-1] + [script], check=True, env={"PATH": root + "/bin:/usr/bin:/bin"})
config["yum_repo_dir"] = root + "/etc/yum.repos.d"
cc_yum_add_repo.handle("yum_add_repo", config, None, logging.getLogger(), [])
"#;

#[test]
fn cloud_init_writes_the_repositories() {
    let (world, site) = world();
    mint(&world.path(""), "DNS:gapferry.dc1.example");
    let mut facts = Facts::collect(&site).unwrap();
    for (name, has_upstream_key) in [("rocky9-baseos", true), ("tools", false), ("rocky8-baseos", true)] {
        let signer = ListSigner::Site(SiteKeyAlgorithm::Ed25519);
        facts.repositories.push(RpmRepository { name: name.parse().unwrap(), signer, has_upstream_key });
    }
    let choice = UserDataChoice {
        os: Os::Rocky,
        release: "9".parse().unwrap(),
        repositories: Vec::new(),
        serve_url: "https://gapferry.dc1.example".parse().unwrap(),
        ntp_servers: vec!["ntp.dc1.example".to_owned()],
        authority: Some(Certificates::load(&world.path("ca.pem")).unwrap()),
    };
    let file = world.path("user-data.yaml");
    fs::write(&file, user_data(&facts, &choice).unwrap()).unwrap();
    let told = run(Command::new("cloud-init").args(["schema", "--config-file"]).arg(&file));
    assert!(told.contains("Valid cloud-config"), "{told}");

    let root = world.path("machine");
    for folder in ["etc/yum.repos.d", "etc/pki/ca-trust/source/anchors", "bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let repos = root.join("etc/yum.repos.d");
    fs::write(repos.join("Rocky-BaseOS.repo"), "[baseos]\nenabled=1\n").unwrap();
    super::fixture::write_program(&root.join("bin/update-ca-trust"), "#!/bin/sh\nexec touch \"${0%/*}/trusted\"\n");
    // The system's own, for which cloud-init brings the module.
    run(Command::new("/usr/bin/python3").args(["-c", FIRST_BOOT]).arg(&root).arg(&file));
    assert_eq!(
        crate::support::desk::names(&repos),
        ["gapferry-rocky.repo", "gapferry-rocky9-baseos.repo", "gapferry-tools.repo", "stock"]
    );
    assert_eq!(crate::support::desk::names(&repos.join("stock")), ["Rocky-BaseOS.repo"]);
    let written = fs::read_to_string(repos.join("gapferry-rocky9-baseos.repo")).unwrap();
    let lines: Vec<&str> = written.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let expected = [
        "[gapferry-rocky9-baseos]",
        "name = rocky9-baseos at the site dc1",
        "baseurl = https://gapferry.dc1.example/yum/rocky9-baseos/",
        "enabled = 1",
        "gpgcheck = 1",
        "repo_gpgcheck = 1",
        "gpgkey = https://gapferry.dc1.example/keys/site.asc https://gapferry.dc1.example/keys/yum/rocky9-baseos.asc",
    ];
    assert_eq!(lines, expected);
    let authority = fs::read_to_string(root.join("etc/pki/ca-trust/source/anchors/gapferry.pem")).unwrap();
    assert_eq!(authority, fs::read_to_string(world.path("ca.pem")).unwrap());
    assert!(root.join("bin/trusted").exists());
}

#[test]
fn a_site_without_repositories_that_fit_says_what_to_do() {
    let (world, _site) = world();
    let words = "user-data --serve-url http://gapferry.dc1.example --os rhel --release 9";
    let told = setup(&world, words);
    told.says(Exit::Usage, &["no RPM repository for rhel 9 (it has rocky)", "[[yum]]", "with an export there"]);
    setup(&world, &format!("{words} --repos a b")).says(Exit::Usage, &["no RPM repository \"a\""]);
    setup(&world, &words.replace("rhel", "windows")).says(Exit::Usage, &["rhel, centos, rocky, alma"]);
    setup(&world, &words.replace('9', "nine")).says(Exit::Usage, &["no release such as 9"]);
}
