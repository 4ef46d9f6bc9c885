//! The command line as programs and people meet it: codes, JSON, help, words.

use std::fs;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, SourceSpec, Upstream};

use crate::support::desk::{Desk, Ended, end};
use crate::support::read_bundle::packing_folder;

fn desk() -> Desk {
    let desk = Desk::new();
    publish(&desk, "1.0-1");
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    desk
}

fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec { depends: "libgap1".into(), ..DebSpec::new("hello", version, "amd64") });
    upstream.add("stable", "main", DebSpec { recommends: "unseen".into(), ..DebSpec::new("libgap1", "1:2", "all") });
    upstream.add("stable", "main", DebSpec::new("elsewhere", "1", "all"));
    upstream.add_source("stable", "main", SourceSpec::new("hello", version));
    desk.archive("up", &mut upstream, &["stable"]);
}

/// Every command that can be called, such as `site init`.
pub(crate) fn all_commands() -> Vec<String> {
    fn add(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        let subs: Vec<_> = command.get_subcommands().collect();
        if subs.is_empty() {
            all.push(path.trim().to_owned());
        }
        subs.into_iter().for_each(|sub| add(sub, &format!("{path} {}", sub.get_name()), all));
    }
    let mut all = Vec::new();
    add(&gapferry::cli::command(), "", &mut all);
    all
}

#[test]
fn every_command_has_help_with_an_example() {
    let desk = Desk::new();
    let commands = all_commands();
    assert!(commands.len() > 25, "{commands:?}");
    for command in commands {
        let ended = desk.run(&format!("{command} --help")).ok();
        for word in ["Example", &format!("gapferry {command}"), "--json", "Usage:"] {
            assert!(ended.out.contains(word), "{command}: {word}: {}", ended.out);
        }
    }
    let top = desk.run("--help").ok().out.split_whitespace().collect::<Vec<_>>().join(" ");
    for exit in [
        "0 done",
        "1 failed",
        "2 usage",
        "3 nothing new",
        "4 verification failed",
        "5 refused",
        "6 volumes missing",
        "7 no space",
        "8 upstream",
    ] {
        assert!(top.contains(exit), "{top}");
    }
    assert!(desk.run("--version").ok().out.starts_with("gapferry "));
}

/// Each of the documented codes, as it comes about in practice.
#[test]
fn every_exit_code() {
    let desk = desk();
    desk.init(&["demo"], "");
    let bundle = desk.bundle();
    desk.export("").says(Exit::NothingNew, &["note: nothing is new since dc1-base-000001", "--force"]);
    let volume = packing_folder(&bundle).join("volume-001.tar");
    let bytes = fs::read(&volume).unwrap();
    fs::rename(&volume, desk.path("aside")).unwrap();
    desk.import(&bundle).says(Exit::VolumesMissing, &["volume-001.tar"]);
    let mut bad = bytes.clone();
    bad[bytes.len() / 2] ^= 1;
    fs::write(&volume, &bad).unwrap();
    desk.import(&bundle).says(Exit::VerificationFailed, &["volume-001.tar", "damaged", "copy it again"]);
    fs::write(&volume, &bytes).unwrap();
    desk.run(&format!("import {} --site nowhere", bundle.display()))
        .says(Exit::Usage, &["nowhere is not a site", "site init"]);
    desk.run("site init elsewhere --name dc2 --builder online/builder.key.pub --keyring demo=keyring.gpg").ok();
    desk.run(&format!("import {} --site elsewhere", bundle.display())).says(Exit::Refused, &["dc1", "dc2"]);
    desk.import(&bundle).ok();
    desk.import(&bundle).says(Exit::NothingNew, &["dc1-base-000001 is here already"]);
    fs::remove_file(desk.path("site/keys/site.pgp")).unwrap();
    desk.run("status --site site").says(Exit::Failed, &["site.pgp"]);
    fs::rename(desk.path("up"), desk.path("gone")).unwrap();
    desk.export("").says(Exit::UpstreamUnavailable, &["has no suite stable"]);
}

#[test]
fn a_selection_that_is_wrong_is_pointed_at() {
    let desk = desk();
    let good = fs::read_to_string(desk.path("online/selection.toml")).unwrap();
    for (from, to, words) in [
        ("suites", "suits", ["line 8", "did you mean `suites`?"]),
        ("packages", "pakages", ["line 12", "did you mean `packages`?"]),
        ("site = \"dc1\"", "site = \"DC 1\"", ["line 1", "DC 1"]),
        ("\"100 MB\"", "\"10 B\"", ["volume size of 10 bytes", "65536"]),
        ("[[apt]]", "[[apt]", ["line 5", "]"]),
        ("keyring.gpg", "missing.gpg", ["cannot read", "missing.gpg"]),
        ("keyring.gpg", "online/selection.toml", ["not a usable keyring", "selection.toml"]),
    ] {
        fs::write(desk.path("online/selection.toml"), good.replacen(from, to, 1)).unwrap();
        let ended = desk.export("");
        assert!(ended.code != 0 && words.iter().all(|word| ended.err.contains(word)), "{to}: {ended:?}");
        if !to.contains("gpg") && !to.contains("online") {
            assert_eq!(ended.code, 2, "{to}: {ended:?}");
        }
    }
    desk.run("export nothing.toml --out medium --dry-run")
        .says(Exit::Usage, &["cannot read the selection nothing.toml"]);
    desk.run("export online/selection.toml --out medium").says(Exit::Usage, &["--key"]);
}

/// Takes out of the words what differs from run to run.
fn steady(desk: &Desk, ended: &Ended) -> String {
    let mut text = ended.out.replace(&desk.url("up").trim_end_matches('/').to_owned(), "UPSTREAM");
    let digits = |word: &str| word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    let words: Vec<String> = text.split_inclusive([' ', '\n', ',', ':']).map(str::to_owned).collect();
    text = String::new();
    let mut skip_time = 0;
    for word in words {
        let bare = word.trim_end_matches([' ', '\n', ',', ':']);
        let rest = &word[bare.len()..];
        if skip_time > 0 {
            skip_time -= 1;
            text += if skip_time == 0 { rest } else { "" };
        } else if digits(bare) {
            text += &format!("FINGERPRINT{rest}");
        } else if bare.starts_with("SHA256") {
            text += &word;
        } else if bare.len() == 13 && bare.as_bytes()[10] == b'T' {
            text += "TIME";
            skip_time = 2; // minutes, and seconds with the zone
        } else if time(bare) {
            text += &format!("TIME{rest}");
        } else {
            text += &word;
        }
    }
    let key = text.find("SHA256:").map(|at| text[at..].split_whitespace().next().unwrap_or_default().to_owned());
    key.map_or(text.clone(), |key| text.replace(&key, "KEY"))
}

#[test]
fn what_people_read() {
    let desk = desk();
    desk.init(&["demo"], "");
    let bundle = desk.bundle();
    let inspected = desk.run(&format!("inspect {}", bundle.display())).ok();
    insta::assert_snapshot!(steady(&desk, &inspected), @r"
    dc1-base-000001  for site dc1, made TIME by gapferry 0.1.0, valid until TIME
    signed by  KEY
    volumes    1 with 11.7 kB

    apt/demo  from UPSTREAM, published re-indexed, 2 items
      dists/stable/InRelease of TIME, signed by FINGERPRINT
      hello 1.0-1 amd64  stable/main (requested)
      libgap1 1:2 all  stable/main (needed by hello)
    ");
    desk.import(&bundle).ok();
    publish(&desk, "2.0-1");
    desk.ferry();
    desk.run("rollback --site site").ok();
    insta::assert_snapshot!(steady(&desk, &desk.run("status --site site").ok()), @r"
    site dc1, signing with FINGERPRINT
    generation 3 of TIME: rollback to 1
      base: dc1-base-000001, newest accepted sequence 2, valid until TIME
      apt/demo: 2 items from UPSTREAM, re-indexed
        1: import dc1-base-000001
        2: import dc1-base-000002
      * 3: rollback to 1
    audit log: 6 records, chain intact
    ");
}

#[test]
fn terminals_are_safe_from_what_upstream_writes() {
    for publish in ["publish = \"re-indexed\"", "publish = \"verbatim\""] {
        let desk = Desk::new();
        let mut upstream = Upstream::new("Evil \u{1b}[31m\u{202e}Origin", &["amd64"]);
        upstream.add("stable", "main", DebSpec::new("hello", "1", "amd64"));
        desk.archive("up", &mut upstream, &["stable"]);
        desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", publish));
        let bundle = desk.bundle();
        desk.init(&["demo"], "");
        desk.import(&bundle).ok();
        for ended in [desk.run(&format!("inspect {}", bundle.display())), desk.run("status --site site")] {
            let ended = ended.ok();
            assert!(!ended.out.contains(['\u{1b}', '\u{202e}']), "{publish}: {}", ended.out);
        }
        let release = std::fs::read_to_string(desk.path("site/current/apt/demo/dists/stable/InRelease")).unwrap();
        assert_eq!(release.contains('\u{1b}'), publish.contains("verbatim"), "{release}");
    }
}

#[test]
fn nobody_at_the_other_end_of_stdout_is_no_error() {
    let desk = desk();
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        &format!(
            "{} --help | true; {} status --site x 2>/dev/null | true",
            env!("CARGO_BIN_EXE_gapferry"),
            env!("CARGO_BIN_EXE_gapferry")
        ),
    ]);
    command.current_dir(desk.path(""));
    let ended = end(&mut command).ok();
    assert!(!ended.err.contains("panic"), "{}", ended.err);
}
