//! The audit log of a site, and heads of it that are kept elsewhere.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::{Desk, end};

/// A desk with a site that has taken a bundle.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    upstream.add("stable", "main", DebSpec::new("hello", "1.0-1", "amd64"));
    desk.archive("up", &mut upstream, &["stable"]);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    desk.ferry();
    desk
}

#[test]
fn a_head_that_was_kept_finds_a_log_that_was_rewritten() {
    let desk = desk();
    let log = desk.path("site/audit.jsonl");
    let head = || desk.run("site log --site site --head").ok().out;
    let first = head();
    assert_eq!(first, head(), "reading the log changes nothing");
    desk.run("gc --site site").ok();
    fs::write(desk.path("heads"), format!("{first}\n{}", head())).unwrap();
    let against = || desk.run("site log --site site --against heads");
    let agreed = against().ok().out;
    assert!(agreed.starts_with("2 heads agree with the log"), "{agreed}");

    // Stock tools compute the same head.
    let words: Vec<&str> = first.trim_end().split(' ').collect();
    let [word, site, records, sha256, _] = words[..] else { panic!("{first}") };
    assert_eq!((word, site), ("gapferry-log-head", "dc1"));
    let sum = format!("sed -n {records}p site/audit.jsonl | tr -d '\\n' | sha256sum");
    let sum = end(Command::new("dash").args(["-c", &sum]).current_dir(desk.path(""))).ok().out;
    assert!(sum.starts_with(sha256), "{sum} and {first}");

    // A log whose chain holds, and in which something else stands.
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, rewritten(&text, "dc1-base-000001", "dc1-base-000009")).unwrap();
    desk.run("site log --site site").ok();
    against().says(Exit::VerificationFailed, &["was rewritten", &format!("line {records}")]);
    // One that ends before the head, and one that begins anew.
    let short: String = text.split_inclusive('\n').take(1).collect();
    fs::write(&log, short).unwrap();
    against().says(Exit::VerificationFailed, &["was cut or begun anew", "it has 1 records"]);
    fs::remove_file(&log).unwrap();
    against().says(Exit::VerificationFailed, &["it has 0 records"]);
    fs::write(&log, &text).unwrap();
    against().ok();
    fs::write(&log, text.replacen("\"gc\"", "\"cg\"", 1).replacen("\"import\"", "\"export\"", 1)).unwrap();
    desk.run("site log --site site --head").says(Exit::Failed, &["does not follow the line before it"]);
}

/// Replaces `from` in a log, and makes its chain hold again.
fn rewritten(text: &str, from: &str, to: &str) -> String {
    use gapferry::digest::Sha256;
    use serde_json::Value;
    let (mut previous, mut out) = (Sha256::of(b"").to_hex(), String::new());
    for line in text.lines() {
        let old: Value = serde_json::from_str(line).unwrap();
        let line = line.replace(from, to).replace(old["previous"].as_str().unwrap(), &previous);
        previous = Sha256::of(line.as_bytes()).to_hex();
        out += &(line + "\n");
    }
    out
}

#[test]
fn heads_of_other_logs_and_other_texts_are_refused() {
    let desk = desk();
    let head = desk.run("site log --site site --head").ok().out;
    for (text, says) in [
        ("", "has no head of a log"),
        ("\n\n", "has no head of a log"),
        ("gapferry-log-head dc1 2", "line 1 of heads is no head of a log: it does not have five words"),
        (&head.replace(" dc1 ", " dc2 "), "of the log of the site dc2, and this is dc1"),
        (&format!("{head}x\u{1b}[2J"), "line 2 of heads"),
    ] {
        fs::write(desk.path("heads"), text).unwrap();
        desk.run("site log --site site --against heads").says(Exit::Usage, &[says]);
    }
}

#[test]
fn text_of_a_log_cannot_steer_a_terminal() {
    let desk = desk();
    let log = desk.path("site/audit.jsonl");
    gapferry::storage::audit::append(&log, "review", "dc1-base-000001", "rejected: \u{1b}[2J\u{202e}no").unwrap();
    let shown = desk.run("site log --site site").ok().out;
    assert!(shown.contains("rejected: \\u{1b}[2J\\u{202e}no"), "{shown}");
    let json = desk.run("site log --site site --json").ok();
    assert!(json.out.is_ascii() && !json.out.contains('\u{1b}'), "{}", json.out);
    assert!(
        json.json()["records"].as_array().unwrap().last().unwrap()["detail"].as_str().unwrap().contains('\u{202e}')
    );
}
