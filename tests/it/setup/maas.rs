//! The script for MAAS, run with a `maas` that only writes down what it is told.

use std::fs;
use std::process::Command;

use super::fixture::{text, world, write_program};
use crate::apt_client::run;

/// Answers as MAAS does; a keyring is kept, and selections are refused once, as long as the source has not been read.
const MAAS: &str = include_str!("../../../fixtures/maas/maas");

#[test]
fn the_commands_set_a_maas_up() {
    let (world, _site) = world();
    let words = "--serve-url http://gapferry.dc1.example --ntp-server ntp.dc1.example --repository demo";
    let script = text(&world, &format!("maas {words}"));
    fs::create_dir(world.path("bin")).unwrap();
    write_program(&world.path("bin/maas"), MAAS);
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    run(command.args(["-c", &script]).env("PATH", path).env("PAUSE", "0").current_dir(world.path("")));
    let told = fs::read_to_string(world.path("told")).unwrap();
    for line in [
        "maas set-config name=boot_images_auto_import value=true",
        "maas set-config name=dnssec_validation value=no",
        "maas set-config name=enable_analytics value=false",
        "maas set-config name=ntp_servers value=ntp.dc1.example",
        "package-repositories create name=gapferry-demo url=http://gapferry.dc1.example/apt/demo KEY enabled=true \
         disable_sources=true distributions=stable distributions=stable-updates components=main arches=amd64",
        "boot-source delete 1",
        "boot-sources create url=http://gapferry.dc1.example/images/maas/ name=gapferry-maas keyring_filename= KEYRING",
        "boot-source-selections create 7 os=ubuntu release=jammy arches=amd64 subarches=* labels=*",
        "boot-resources import",
        "maas set-config name=commissioning_distro_series value=jammy",
        "maas set-config name=default_distro_series value=jammy",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\nis not in\n{told}");
    }
    let place = |words: &str| told.find(words).unwrap_or_else(|| panic!("{words}\nis not in\n{told}"));
    assert!(place("boot_images_no_proxy") < place("boot-sources create"), "{told}");
    assert!(place("boot-sources create") < place("enable_http_proxy"), "{told}");
    assert!(!told.contains("delete 3"), "{told}");
    let keys = |name: &str| fs::read(world.path("site/current/keys").join(name)).unwrap();
    assert_eq!(fs::read(world.path("keyring")).unwrap(), keys("site.gpg"));
    let key = fs::read_to_string(world.path("key")).unwrap();
    let parsed = gapferry::formats::openpgp::Keyring::parse(key.as_bytes()).unwrap();
    let own = gapferry::formats::openpgp::Keyring::parse(&keys("site.gpg")).unwrap();
    assert_eq!(parsed.fingerprints(), own.fingerprints());
}
