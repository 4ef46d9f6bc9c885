//! The output contract for programs: one JSON object on stdout from every command, with keys in one spelling.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};
use serde_json::Value;

use crate::support::desk::{Desk, end};

/// Maps whose keys are data: names of bundles and collections, paths, digests.
const KEYED_BY_DATA: [&str; 22] = [
    "files",
    "names",
    "published",
    "reprepro",
    "left_out",
    "identities",
    "sources",
    "upstream_dates",
    "second_digests",
    "pushed",
    "suites",
    "answers",
    "addresses",
    "keyrings",
    "mounts",
    "inputs",
    "persons",
    "groups",
    "approved",
    "rejected",
    "acknowledged",
    "reviews",
];

/// Fails unless all keys in `value` are written in snake_case.
fn keys_are_snake_case(value: &Value, place: &str) {
    let is_snake = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match value {
        Value::Array(values) => values.iter().for_each(|value| keys_are_snake_case(value, place)),
        Value::Object(fields) => {
            let is_data = KEYED_BY_DATA.iter().any(|map| place.ends_with(&format!(".{map}")));
            for (key, value) in fields {
                assert!(is_data || is_snake(key), "the key {key:?} in {place}");
                keys_are_snake_case(value, &format!("{place}.{key}"));
            }
        }
        _ => {}
    }
}

fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", "packages = [\"hello\"]"));
    for folder in ["stick", "again"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    desk
}

/// Arguments, and how the command ends; in this order.
fn runs() -> Vec<(&'static str, Exit)> {
    use Exit::{Done, Failed, NothingNew, Refused, UpstreamUnavailable, Usage, VerificationFailed};
    vec![
        ("keygen other.key", Done),
        ("keygen other.key", Usage),
        ("export online/selection.toml --out medium --workspace online/workspace --dry-run", Done),
        ("export online/selection.toml --out medium --workspace online/workspace --key online/builder.key", Done),
        ("export online/selection.toml --out medium --workspace online/workspace --key online/builder.key", NothingNew),
        ("list-images http://127.0.0.1:9/ --allow-unsigned", UpstreamUnavailable),
        ("verify medium/dc1-base-000001 --builder online/builder.key.pub", Done),
        ("verify medium/dc1-base-000001 --builder other.key.pub", VerificationFailed),
        ("inspect medium/dc1-base-000001", Done),
        ("inspect medium", Usage),
        ("diff medium/dc1-base-000001 medium/dc1-base-000001", Done),
        ("diff medium/dc1-base-000001 nowhere", Usage),
        ("report medium/dc1-base-000001 --out review", Done),
        ("report nowhere --out review", Usage),
        ("approve medium/dc1-base-000001 --key other.key --as anna --acknowledge-all first", Done),
        ("approve medium/dc1-base-000001 --key other.key", Usage),
        ("reject medium/dc1-base-000001 --key other.key --as anna --reason no", Done),
        ("protect medium/dc1-base-000001 --recovery 5%", Done),
        ("copy medium/dc1-base-000001 stick --workspace online/workspace --allow-folder --dry-run", Done),
        ("copy medium/dc1-base-000001 stick --workspace online/workspace --allow-folder", Done),
        ("recut medium/dc1-base-000001 --out again --workspace online/workspace", Done),
        ("recut medium/dc1-base-000001 --out again --workspace nowhere", Usage),
        ("site init --site site --name dc1 --builder online/builder.key.pub", Done),
        ("status --site site", Done),
        ("import medium/dc1-base-000001 --site site", Refused),
        ("site pin --site site --source demo --keyring online/selection.toml", VerificationFailed),
        ("site pin --site site --source demo --keyring keyring.gpg", Done),
        ("import medium/dc1-base-000001 --site site --dry-run", Done),
        ("diff medium/dc1-base-000001 site", Usage),
        ("import medium/dc1-base-000001 --site site", Done),
        ("diff site medium", Done),
        ("import medium/dc1-base-000001 --site site", NothingNew),
        ("evidence 1 --site site --out evidence", Done),
        ("evidence 1 --site site --dry-run", Done),
        ("evidence 9 --site site --out nothing", Usage),
        ("site check --site site", Done),
        ("site log --site site", Done),
        ("site log --site site --head", Done),
        ("site log --site site --against keyring.gpg", Usage),
        ("site check --site nowhere", Usage),
        ("status --site site", Done),
        ("status --site nowhere", Usage),
        ("receipt --site site", Done),
        ("receipt --site site --out r.txt", Done),
        ("confirm --receipt r.txt --site-key site/current/keys/site.asc --workspace online/workspace", Done),
        ("confirm dc1-base-000001 --workspace online/workspace", NothingNew),
        ("setup dns --site site --for dnsmasq --address 10.0.0.5", Done),
        ("setup nginx --site site --serve-url http://g.example", Done),
        ("setup apache --site site --serve-url http://g.example", Done),
        ("setup apt --site site --serve-url http://g.example --out sources/", Done),
        ("setup snapd --site site", Usage),
        ("setup cloud-init --site site --serve-url http://g.example", Done),
        ("setup user-data --site site --serve-url http://g.example --os rhel --release 9", Usage),
        ("setup pro --site site --contract-url http://c.example:8484", Usage),
        ("setup feeds --site site --serve-url http://g.example", Usage),
        ("setup maas --site site --serve-url http://g.example", Done),
        (
            "maas apply --site site --url http://127.0.0.1:9/MAAS --api-key-file no.key --serve-url http://g.example",
            Usage,
        ),
        ("store-assertion --site site online/selection.toml", VerificationFailed),
        ("trust show site", Done),
        ("trust edit site --out trust-2.json --epoch 1", Done),
        ("trust edit site --out trust-2.json --epoch 1", Usage),
        ("trust sign trust-2.json --key online/builder.key", Usage),
        ("trust sign trust-2.json --key other.key", Done),
        ("trust apply trust-2.json --site site", Refused),
        ("trust apply site/trust/1.json --site site", NothingNew),
        ("push --site site", Usage),
        ("rollback --site site", Usage),
        ("site redate --site site", NothingNew),
        ("site rotate-key --site site --finish", Usage),
        ("site rotate-key --site site", Done),
        ("gc --site site", Done),
        ("gc --workspace online/workspace --dry-run", Done),
        ("gc --site site --keep 0", Usage),
        ("gc", Usage),
        ("no-such-command", Usage),
        ("serve --site nowhere", Usage),
        ("demo", Done),
        ("demo --keep site", Failed),
    ]
}

#[test]
fn json_is_one_object_for_every_command() {
    let desk = desk();
    for (arguments, exit) in runs() {
        let ended = desk.run(&format!("{arguments} --json"));
        let value = ended.json();
        let expected = (i32::from(exit.code()), &Value::from(exit.word()));
        assert_eq!((ended.code, &value["outcome"]), expected, "{arguments}: {ended:?}");
        keys_are_snake_case(&value, arguments);
        if arguments.starts_with("site init") {
            // The upstream is a folder; name servers and web servers need a host.
            let config = desk.path("site/site.toml");
            let alias = "[[serve.alias]]\nurl = \"http://archive.example/debian\"\ncollection = \"apt/demo\"\n";
            fs::write(&config, fs::read_to_string(&config).unwrap() + alias).unwrap();
        }
        if exit != Exit::Done {
            assert_eq!(value["exit"], exit.code(), "{arguments}");
            assert!(value["error"].as_str().is_some_and(|error| !error.is_empty()), "{arguments}");
            assert!(!ended.err.is_empty(), "{arguments}");
        }
    }
    files_are_snake_case(&desk);
    server_is_snake_case(&desk);
}

/// A command that is new has to be in the table above.
#[test]
fn every_command_is_in_the_contract() {
    let runs = runs();
    let is_run =
        |command: &str| runs.iter().any(|(arguments, _)| format!("{arguments} ").starts_with(&format!("{command} ")));
    let missing: BTreeSet<String> = crate::cli::all_commands().into_iter().filter(|command| !is_run(command)).collect();
    assert_eq!(missing, BTreeSet::new(), "no run of these is in the contract");
}

/// The JSON files that the program writes for itself and for other programs. What it publishes has upstream's formats.
fn files_are_snake_case(desk: &Desk) {
    let mut count = 0;
    for top in ["online/workspace", "medium", "stick", "site"] {
        for entry in walkdir::WalkDir::new(desk.path(top)).into_iter().map(Result::unwrap) {
            let path = entry.path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if !["json", "jsonl", "delivered"].contains(&extension) || !entry.file_type().is_file() {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            values.for_each(|value| keys_are_snake_case(&value.unwrap(), &path.display().to_string()));
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} files");
}

fn server_is_snake_case(desk: &Desk) {
    let mut command = desk.command("serve --site site --listen 127.0.0.1:0 --access-log access.jsonl --json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut line).unwrap();
    let url = line.trim().trim_start_matches("listening on ");
    let health = end(Command::new("curl").args(["-sS", &format!("{url}healthz")])).ok();
    end(Command::new("kill").args(["-TERM", &child.id().to_string()])).ok();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
    let log = fs::read_to_string(desk.path("access.jsonl")).unwrap();
    for (what, text) in [("healthz", &health.out), ("serve", &out), ("the access log", &log)] {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
        keys_are_snake_case(&value, what);
    }
}

/// The manifest's schema names every key that a manifest can have.
#[test]
fn keys_of_the_manifest_are_snake_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bundle.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    fn properties(value: &Value, count: &mut usize) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if key == "properties" {
                keys_are_snake_case(
                    &Value::Object(value.as_object().unwrap().iter().map(|(k, _)| (k.clone(), Value::Null)).collect()),
                    "the schema",
                );
                *count += 1;
            }
            properties(value, count);
        }
        value.as_array().into_iter().flatten().for_each(|value| properties(value, count));
    }
    let mut count = 0;
    properties(&schema, &mut count);
    assert!(count > 5, "{count}");
}
