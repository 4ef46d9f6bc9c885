//! A builder who writes configuration into what a bundle says of itself.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;

use super::fixture::{set_origins, setup, text, world};
use crate::apt_client::run;
use crate::support::desk::Desk;

const EVIL: [&str; 8] = [
    "http://a.example;}evil{/x",
    "http://a.example/x;} evil {",
    "http://a.example/\"evil\"/x",
    "http://a.example/$(evil)/`evil`",
    "http://a.example/x'evil'",
    "http://a.example/%0aevil",
    "http://localhost/evil",
    "http://10.0.0.99/evil",
];

const ALL: [&str; 10] = [
    "dns --for dnsmasq --address 10.0.0.5 --serve-url http://gapferry.dc1.example",
    "dns --for unbound --address 10.0.0.5 --serve-url http://gapferry.dc1.example",
    "dns --for bind --address 10.0.0.5 --serve-url http://gapferry.dc1.example",
    "dns --for hosts --address 10.0.0.5 --serve-url http://gapferry.dc1.example",
    "nginx",
    "apache",
    "apt --serve-url http://gapferry.dc1.example",
    "snapd --serve-url http://gapferry.dc1.example",
    "cloud-init --serve-url http://gapferry.dc1.example",
    "maas --serve-url http://gapferry.dc1.example",
];

#[test]
fn nothing_of_it_comes_into_any_text() {
    let (world, site) = world();
    for pair in EVIL.chunks(2) {
        set_origins(&site, |kind| pair[usize::from(kind == "apt")].to_owned());
        for words in ALL {
            let ended = setup(&world, words);
            assert_eq!(ended.code, 0, "{words}: {}", ended.err);
            assert!(!ended.out.contains("evil") && !ended.out.contains("10.0.0.99"), "{words}:\n{}", ended.out);
        }
        setup(&world, "nginx").says(Exit::Done, &["has no host name or no plain path"]);
    }
    fs::write(world.path("dnsmasq.conf"), text(&world, ALL[0])).unwrap();
    run(Command::new("dnsmasq").arg("--test").arg(format!("--conf-file={}", world.path("dnsmasq.conf").display())));
}

#[test]
fn a_site_whose_folder_has_a_meaning_is_refused_by_web_servers() {
    let (world, site) = world();
    let odd = world.path("si$te\"; evil");
    fs::rename(site.root(), &odd).unwrap();
    for what in ["nginx", "apache"] {
        let mut command = world.gapferry(&["setup", what, "--site"]);
        crate::support::desk::end(command.arg(&odd)).says(Exit::Usage, &["cannot stand in the configuration"]);
    }
}

#[test]
fn a_site_that_publishes_nothing_has_nothing_to_set_up() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    desk.run("setup nginx --site site").says(Exit::Usage, &["publishes no generation yet"]);
    desk.run("setup dns --site absent --for hosts --address 10.0.0.5").says(Exit::Usage, &["absent"]);
}
