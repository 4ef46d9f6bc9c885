//! Output that cannot be written is a failure, for every command that clap knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use gapferry::cli::Cli;
use gapferry::cli::Exit;
use gapferry::time::Time;
use gapferry::upstream::assertions::TestAuthority;
use gapferry::upstream::{DebSpec, Stream, Upstream};

use crate::feeds::debsecan_data;
use crate::support::desk::{ARCHIVE_KEY, Desk, Ended, at_clock, end, ended};

const BUNDLE: &str = "dc1-base-000001";

/// The command lines of all commands, such as `site init`, with groups of commands and the program itself.
fn all_commands() -> BTreeMap<String, bool> {
    fn walk(command: &clap::Command, name: &str, all: &mut BTreeMap<String, bool>) {
        let is_leaf = command.get_subcommands().next().is_none();
        all.insert(name.to_owned(), is_leaf);
        for sub in command.get_subcommands() {
            walk(sub, format!("{name} {}", sub.get_name()).trim(), all);
        }
    }
    let mut all = BTreeMap::new();
    walk(&Cli::command(), "", &mut all);
    all
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Runs the program with a stdout that accepts nothing.
fn into_full(desk: &Desk, arguments: &str) -> Ended {
    let mut command = desk.command(arguments);
    let child = command.stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    ended(&child.wait_with_output().unwrap())
}

#[track_caller]
fn is_reported(arguments: &str, ended: &Ended) {
    let words = ["error: cannot write the result to stdout", "No space left on device"];
    let is_said = words.iter().all(|word| ended.err.contains(word));
    assert!(ended.code == i32::from(Exit::NoSpace.code()) && is_said, "{arguments}: {ended:?}");
}

/// Packages and an export for an Enterprise Store in the selection, and a stream of images beside it.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    fs::create_dir(desk.path("exports")).unwrap();
    fs::write(desk.path("exports/htop-20250101T000000.tar.gz"), "an export").unwrap();
    let exports = "[[enterprise-store]]\nexports = \"../exports/*.tar.gz\"\n";
    fs::create_dir(desk.path("feed")).unwrap();
    fs::write(desk.path("feed/bookworm"), debsecan_data(&["CVE-2026-0001"], &["hello,0,S   ,2,"])).unwrap();
    let feed = format!(
        "[[feeds]]\nname = \"debsecan\"\nformat = \"debsecan\"\nurl = \"{}\"\nfiles = [\"bookworm\"]\nallow-unsigned = true\n",
        desk.url("feed")
    );
    desk.select(&(desk.table("demo", &desk.url("up"), "stable main amd64", "") + exports + &feed));
    let mut stream = Stream::new("stable");
    stream.bootloaders("20231004.0");
    stream.updated = Time::now().unix() - 60;
    stream.write_to(&desk.path("images"), &ARCHIVE_KEY).unwrap();
    ["to-push", "stick1", "stick2"].iter().for_each(|folder| fs::create_dir(desk.path(folder)).unwrap());
    fs::write(desk.path("stand-in"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(desk.path("stand-in"), fs::Permissions::from_mode(0o755)).unwrap();
    let ours = TestAuthority::trusted_in_tests().unwrap();
    let account = ours.account("operator", "operator", "verified").sign(&ours.store).unwrap();
    let store = ours.store_at("gapStore", "operator", "http://snaps.internal/").sign(&ours.store).unwrap();
    fs::write(desk.path("file.assert"), [ours.store_key().to_vec(), account, store].join(&b"\n"[..])).unwrap();
    desk
}

/// Each command with arguments that succeed, in an order in which they do. `N` is 1 for words and 2 for JSON, so that neither
/// finds what the other did.
fn working(maas: &str) -> Vec<(&'static str, String)> {
    let serve = "--site siteN --serve-url http://g.invalid";
    let table = [
        ("keygen", "keyN"),
        ("export", "online/selection.toml --out mediumN --key online/builder.key --workspace online/workspaceN"),
        ("verify", "mediumN/BUNDLE --builder online/builder.key.pub"),
        ("inspect", "mediumN/BUNDLE"),
        ("diff", "mediumN/BUNDLE mediumN/BUNDLE"),
        ("report", "mediumN/BUNDLE --out review"),
        ("approve", "mediumN/BUNDLE --key keyN --as anna --acknowledge-all first"),
        ("reject", "mediumN/BUNDLE --key keyN --as anna --reason no"),
        ("protect", "mediumN/BUNDLE --recovery 5%"),
        ("recut", "mediumN/BUNDLE --volumes 1 --out recutN --workspace online/workspaceN"),
        ("copy", "mediumN/BUNDLE stickN --allow-folder --workspace online/workspaceN"),
        ("confirm", "BUNDLE --workspace online/workspaceN"),
        (
            "site init",
            "siteN --name dc1 --builder online/builder.key.pub --root anna=keyN.pub --keyring demo=keyring.gpg --allow-unsigned enterprise-store --allow-unsigned debsecan",
        ),
        ("trust show", "siteN"),
        ("trust edit", "siteN --out keyN.json --expires 2099-01-01T00:00:00Z"),
        ("trust sign", "keyN.json --key keyN"),
        ("trust apply", "keyN.json --site siteN"),
        ("site check", "--site siteN"),
        ("site log", "--site siteN"),
        ("site pin", "siteN --source demo --keyring keyring.gpg"),
        ("import", "mediumN/BUNDLE --site siteN"),
        ("import", "again --site siteN"),
        ("status", "--site siteN"),
        ("evidence", "1 --site siteN --out evidenceN"),
        ("receipt", "--site siteN"),
        ("rollback", "--site siteN"),
        ("site redate", "--site siteN"),
        ("site rotate-key", "--site siteN"),
        ("gc", "--site siteN"),
        ("push", "--site siteN"),
        ("store-assertion", "--site siteN file.assert"),
        ("setup dns", "--site DEMO --for dnsmasq --address 10.0.0.5"),
        ("setup nginx", serve),
        ("setup apache", serve),
        ("setup apt", serve),
        ("setup snapd", "--site DEMO --serve-url http://g.invalid"),
        ("setup cloud-init", serve),
        ("setup user-data", "--site YUM --serve-url http://g.invalid --os rocky --release 9"),
        ("setup pro", "--site PRO --contract-url http://c.invalid:8484"),
        ("setup feeds", serve),
        ("setup maas", "--site DEMO --serve-url http://g.invalid"),
        ("list-images", "IMAGES --keyring keyring.gpg"),
        ("maas apply", maas),
        ("serve", "--site siteN --listen 127.0.0.1:0"),
        ("demo", "--quiet"),
    ];
    table.into_iter().map(|(command, arguments)| (command, arguments.replace("BUNDLE", BUNDLE))).collect()
}

/// Does what has to be done on the desk before a command can succeed.
fn make_ready(desk: &Desk, command: &str, arguments: &str, number: &str) {
    let site = format!("site{number}");
    if arguments.starts_with("again") {
        let more = format!("--out again{number} --key online/builder.key --workspace online/workspace{number} --force");
        desk.run(&format!("export online/selection.toml {more}")).ok();
    }
    if command == "site redate" {
        end(&mut at_clock(&desk.command(&format!("rollback --site {site}")), "+60d")).ok();
    }
    if command == "push" {
        let config = desk.path(&site).join("site.toml");
        let text = fs::read_to_string(&config).unwrap();
        let (program, folder) = (desk.path("stand-in"), desk.path("to-push"));
        let table = format!("[enterprise-store]\nprogram = {program:?}\nfolder = {folder:?}\n");
        fs::write(&config, text + &table).unwrap();
    }
}

/// Starts the server with a stdout that accepts nothing, and stops it when it listens.
fn serve_into_full(desk: &Desk, arguments: &str) -> Ended {
    let mut command = desk.command(arguments);
    let mut child = command.stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on"), "{line}");
    end(Command::new("kill").arg(child.id().to_string())).ok();
    let mut err = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut err).unwrap();
    Ended { code: child.wait().unwrap().code().unwrap_or(-1), out: String::new(), err }
}

#[test]
fn every_command_fails_if_its_result_cannot_be_written() {
    let desk = desk();
    let (_running, maas) = crate::maas::started(&desk, "siteN");
    desk.run("demo --keep kept --quiet").ok();
    let mirror = crate::yum::mirror();
    let yum = mirror.path("site").display().to_string();
    let esm = crate::access::pro::site();
    let pro = esm.path("site").display().to_string();
    let working = working(maas.strip_prefix("maas apply ").unwrap());
    let known: BTreeSet<String> = working.iter().map(|(command, _)| (*command).to_owned()).collect();
    let leaves = all_commands().into_iter().filter(|(_, is_leaf)| *is_leaf).map(|(command, _)| command);
    assert_eq!(leaves.collect::<BTreeSet<_>>(), known, "each command is tried here");
    for (command, arguments) in working {
        for (number, more) in [("1", ""), ("2", "--json")] {
            let arguments =
                arguments.replace("IMAGES", &desk.url("images")).replace("again", &format!("again{number}"));
            let arguments = arguments.replace("DEMO", "kept/site").replace("YUM", &yum).replace("PRO", &pro);
            make_ready(&desk, command, &arguments, number);
            let line = format!("{command} {arguments} {more}").replace("siteN", &format!("site{number}"));
            let line = ["key", "medium", "workspace", "recut", "stick", "evidence"]
                .iter()
                .fold(line, |line, word| line.replace(&format!("{word}N"), &format!("{word}{number}")));
            let ended = if command == "serve" { serve_into_full(&desk, &line) } else { into_full(&desk, &line) };
            match (command, number) {
                // It has told its address on stderr, and has no more to say.
                ("serve", "1") => assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{line}"),
                _ => is_reported(&line, &ended),
            }
        }
    }
}

#[test]
fn help_and_version_fail_if_they_cannot_be_written() {
    let desk = Desk::new();
    for command in all_commands().keys() {
        is_reported(command, &into_full(&desk, &format!("{command} --help")));
    }
    is_reported("--version", &into_full(&desk, "--version"));
}

/// A descriptor that is open for reading accepts nothing either.
#[test]
fn stdout_that_is_open_for_reading_only_is_a_failure() {
    let desk = Desk::new();
    let mut command = desk.command("keygen other.key");
    let child = command.stdout(File::open("/dev/null").unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    ended(&child.wait_with_output().unwrap()).says(Exit::Failed, &["cannot write the result to stdout"]);
}

/// A stream that was lost does not count as sent: the same command sends it again.
#[test]
fn streams_that_cannot_be_written_are_sent_again() {
    let desk = desk();
    let export = "export online/selection.toml --to - --key online/builder.key --workspace online/workspace --quiet";
    let lost = into_full(&desk, export);
    lost.says(Exit::NoSpace, &["cannot write to -", "No space left on device"]);
    let mut again = desk.command(export);
    let child = again.stdout(File::create(desk.path("stream")).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    ended(&child.wait_with_output().unwrap()).says(Exit::Done, &["sent dc1-base-000001"]);
    desk.init(&["demo"], "--allow-unsigned enterprise-store --allow-unsigned debsecan");
    let mut import = desk.command("import - --site site --json");
    import.stdin(File::open(desk.path("stream")).unwrap());
    assert_eq!(end(&mut import).ok().json()["bundle"], BUNDLE);

    desk.export("--force").ok();
    into_full(&desk, "copy medium/dc1-base-000002 - --quiet")
        .says(Exit::NoSpace, &["cannot write to -", "No space left on device"]);
}
