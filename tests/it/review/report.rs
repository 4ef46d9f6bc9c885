//! The report: the same bytes for the same bundle, and a page that a browser shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::digest::Sha256;
use gapferry::time::Time;
use serde_json::Value;

use super::hostile::poison;
use super::{publish, says, small_part};
use crate::printed::follow;
use crate::support::desk::{Desk, Ended, end};

/// Two bundles with alarms, on the reviewer's machine, and a site that publishes the first.
fn desk() -> (Desk, PathBuf, PathBuf) {
    let desk = Desk::new();
    publish(&desk, 1);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    desk.init(&["demo"], "");
    let first = desk.bundle();
    desk.import(&first).ok();
    publish(&desk, 2);
    let second = desk.bundle();
    let (first, second) = (small_part(&desk, &first), small_part(&desk, &second));
    (desk, first, second)
}

/// Writes a report into the folder `out`. Returns its text, its page and its JSON.
fn report(desk: &Desk, arguments: &str, out: &str) -> [String; 3] {
    let told = desk.run(&format!("report {arguments} --out {out} --json")).ok().json();
    let read = |name: &str| fs::read_to_string(desk.path(out).join(name)).unwrap();
    let json = read("report.json");
    assert_eq!(told["report_sha256"], Sha256::of(json.as_bytes()).to_hex());
    [read("report.txt"), read("report.html"), json]
}

#[test]
fn the_same_bundle_gives_the_same_bytes_without_its_packings() {
    let (desk, first, second) = desk();
    let arguments = format!("{} --against {}", second.display(), first.display());
    let [text, page, json] = report(&desk, &arguments, "review");
    fs::remove_dir_all(second.join("packings")).unwrap();
    fs::remove_file(second.join("SHA256SUMS")).unwrap();
    let [alone, page_alone, again] = report(&desk, &arguments, "again");
    assert_eq!(again, json);
    // The appendix alone names volumes.
    let (body, appendix) = text.split_once("\nAPPENDIX").unwrap();
    assert!(appendix.contains("volume-001.tar, ") && appendix.contains("1 of them not here"), "{appendix}");
    assert_eq!(alone.split_once("\nAPPENDIX").unwrap().0, body);
    assert!(alone.contains("No packing is here"), "{alone}");
    let body = |page: &str| page.split_once("<section id=\"volumes\"").unwrap().0.to_owned();
    assert_eq!(body(&page_alone), body(&page));
    assert!(page.contains("volume-001.tar") && page_alone.contains("No packing is here"), "{page_alone}");
    assert!(text.lines().filter(|line| !line.starts_with("    ")).all(|line| line.chars().count() <= 80), "{text}");
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&value["bundle"]["bundle"], &value["against"]["bundle"]),
        (&"dc1-base-000002".into(), &"dc1-base-000001".into())
    );
    let signed = &value["provenance"][0]["signed_files"][0];
    let [made, dated] = [&value["bundle"]["created"], &signed["date"]]
        .map(|time| time.as_str().unwrap().parse::<Time>().unwrap().unix());
    let age = (made - dated) / (24 * 3600);
    assert_eq!((&signed["path"], &signed["age_days"]), (&"dists/stable/InRelease".into(), &age.into()));
    for words in ["ALARMS (2)", "UPSTREAM SIGNATURES", "ITEMS WITHOUT UPSTREAM PROOF (0)", "NO DATA", "vulnerabilities"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    for words in ["2 alarms need an explanation", "same version, other bytes: apt/demo", "dists/stable/InRelease"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    is_self_contained(&page);
    answers_the_checklist(&page);
}

/// Checks that the page has all sections that the table of docs/review.md sends readers to.
pub(crate) fn answers_the_checklist(page: &str) {
    let docs = include_str!("../../../docs/review.md");
    let (_, table) = docs.split_once("| question | place |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let places = row.split('|').nth(2).unwrap();
        for section in places.split('*').skip(1).step_by(2) {
            let is_there = |tag: &str| page.contains(&format!(">{section}</{tag}>"));
            assert!(is_there("h2") || is_there("caption"), "{row}");
        }
    }
}

#[test]
fn a_site_gives_names_to_keys_and_the_state_to_compare_with() {
    let (desk, _, second) = desk();
    let bundle = second.display();
    let [unnamed, ..] = report(&desk, &bundle.to_string(), "alone");
    says(&unnamed, "Compared with nothing: all items count as new");
    says(&unnamed, "(no name known)");
    let [text, page, json] = report(&desk, &format!("{bundle} --against site --site site"), "named");
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        value["provenance"][0]["signed_files"][0]["signed_by"][0]["name"],
        "Desk Archive <archive@desk.invalid>"
    );
    assert!(value["bundle"]["signer"]["name"].is_string(), "{json}");
    says(&text, "Compared with dc1-base-000001, manifest");
    assert!(page.contains("Desk Archive &lt;archive@desk.invalid&gt;"), "{page}");
}

#[test]
fn every_command_for_a_second_opinion_runs_as_printed() {
    let (desk, _, second) = desk();
    let [.., json] = report(&desk, &second.display().to_string(), "review");
    let value: Value = serde_json::from_str(&json).unwrap();
    let commands = value["second_opinion"].as_array().unwrap();
    assert_eq!(commands.len(), 5);
    for command in commands {
        let ended = follow(&desk, "reviewer/dc1-base-000002", command["command"].as_str().unwrap());
        assert_eq!(ended.code, 0, "{command}: {ended:?}");
    }
    let signed = follow(&desk, "reviewer/dc1-base-000002", commands[1]["command"].as_str().unwrap()).out;
    assert!(signed.contains(value["bundle"]["signer"]["fingerprint"].as_str().unwrap()), "{signed}");
}

/// Runs a browser on a page, with a profile of its own.
fn browse(folder: &Path, what: &str, size: &str, scheme: &str, page: &Path) -> Ended {
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
    command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display())).env("HOME", folder);
    command.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    end(command.args([
        "--timeout=120000",
        &format!("--window-size={size}"),
        what,
        &format!("file://{}", page.display()),
    ]))
}

#[test]
fn nothing_of_a_bundle_becomes_a_part_of_the_page() {
    let (desk, first, second) = desk();
    poison(&second);
    let [text, page, json] = report(&desk, &format!("{} --against {}", second.display(), first.display()), "review");
    for shown in [&text, &page] {
        assert!(shown.contains("\\u{1b}[2J\\u{202e}"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r', '\u{200b}']), "{shown}");
    }
    is_self_contained(&page);
    assert!(page.contains("&lt;script&gt;"), "{page}");
    assert!(json.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
    let folder = tempfile::tempdir().unwrap();
    let shown = browse(folder.path(), "--dump-dom", "1280,2000", "1", &desk.path("review/report.html")).ok();
    assert!(!shown.out.contains("<script") && shown.out.contains("&lt;script&gt;alert(1)"), "{}", shown.out);
    assert!(!shown.err.contains("Content Security Policy") && !shown.err.contains("Refused to"), "{}", shown.err);
}

/// Fails if the page needs anything beside itself, or could run or send anything.
#[track_caller]
fn is_self_contained(page: &str) {
    for part in [
        "<script",
        "<iframe",
        "<form",
        "<object",
        "<embed",
        "<link",
        "<base",
        "<img",
        "http-equiv=\"refresh\"",
        "src=",
        "@import",
        "url(",
    ] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""), "{page}");
    for link in page.split("href=\"").skip(1) {
        assert!(link.starts_with('#'), "{link}");
        let target = link[1..].split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{target}\"")), "{target} leads nowhere");
    }
}

/// Two pictures; all four and a print if GAPFERRY_SCREENSHOT names a folder for people who look at them.
#[test]
fn a_browser_shows_the_page_in_each_size_and_scheme() {
    let (desk, first, second) = desk();
    report(&desk, &format!("{} --against {} --site site", second.display(), first.display()), "review");
    let (folder, page) = (tempfile::tempdir().unwrap(), desk.path("review/report.html"));
    let keep = std::env::var_os("GAPFERRY_SCREENSHOT").map(PathBuf::from);
    let pictures = [
        ("1280,3600", "1", "wide-light"),
        ("400,6000", "0", "narrow-dark"),
        ("1280,3600", "0", "wide-dark"),
        ("400,6000", "1", "narrow-light"),
    ];
    for (size, scheme, name) in pictures.into_iter().take(if keep.is_some() { 4 } else { 2 }) {
        let picture = folder.path().join(format!("{name}.png"));
        browse(folder.path(), &format!("--screenshot={}", picture.display()), size, scheme, &page).ok();
        let bytes = fs::read(&picture).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 40_000, "{name}: {} bytes", bytes.len());
    }
    if let Some(keep) = keep {
        let print = folder.path().join("print.pdf");
        browse(folder.path(), &format!("--print-to-pdf={}", print.display()), "1280,3600", "1", &page).ok();
        for name in ["wide-light.png", "narrow-dark.png", "wide-dark.png", "narrow-light.png", "print.pdf"] {
            fs::copy(folder.path().join(name), keep.join(name)).unwrap();
        }
    }
}
