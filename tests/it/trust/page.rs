//! docs/trust-file.md, command by command.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;

use super::page;
use crate::support::desk::{Desk, clean, end};
use crate::support::world::gapferry;

#[test]
fn every_command_of_the_page_works() {
    let desk = Desk::new();
    let page = page();
    let blocks: Vec<&str> = page.split("```\n").skip(1).step_by(2).collect();
    assert!(blocks.len() > 6, "{blocks:?}");
    for block in blocks {
        let site = desk.path("site").display().to_string();
        let mut script =
            block.replace("/srv/gapferry", &site).replace("--builder builder.key", "--builder online/builder.key");
        script = script.replace("--revoke builder.key", "--revoke online/builder.key");
        if script.contains("FINGERPRINT") {
            desk.run("trust apply trust-4.json --site site")
                .says(Exit::VerificationFailed, &["needs the signatures of"]);
            let digest = Sha256::of(&fs::read(desk.path("trust-4.json")).unwrap()).to_hex();
            script = script.replace("FINGERPRINT", &digest);
        }
        let mut command = Command::new("bash");
        clean(command.args(["-e", "-c", &script]).current_dir(desk.path("")));
        let path = format!("{}:{}", gapferry().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let ended = end(command.env("PATH", path));
        assert_eq!(ended.code, 0, "{script}\n{}\n{}", ended.out, ended.err);
    }
    let shown = desk.run("trust show site --json").ok().json();
    assert_eq!((&shown["version"], &shown["expires"]), (&4.into(), &"2099-01-01T00:00:00Z".into()));
    let log = fs::read_to_string(desk.path("site/audit.jsonl")).unwrap();
    let events: Vec<&str> =
        ["\"trust\"", "\"trust-by-hand\""].into_iter().filter(|event| log.contains(event)).collect();
    assert_eq!(events.len(), 2, "{log}");
}
