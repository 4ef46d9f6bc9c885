//! `--access-log`.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::kind::Kind;
use serde_json::Value;

use super::tree::{desk, generation, noise, published};
use super::{ask, fetch};
use crate::support::desk::{Desk, PATIENCE, end, wait_for};

const FILE: &str = "/apt/u/pool/a.deb";

fn site() -> Desk {
    let desk = desk();
    generation(&desk, 7, &[published(Kind::Apt, "u", "http://u.test/")], &[(FILE[1..].to_owned(), noise(3, 5000))]);
    desk
}

/// The lines of a log, as soon as it has `count`.
fn lines(path: &Path, count: usize) -> Vec<Value> {
    let text = || fs::read_to_string(path).unwrap_or_default();
    let parsed = || -> Vec<Value> { text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect() };
    wait_for(text, || Some(parsed()).filter(|lines| lines.len() >= count))
}

#[test]
fn answers_are_logged_and_the_file_can_be_moved_away() {
    let desk = site();
    let log = desk.path("access.jsonl");
    let serving = desk.serve_with("--access-log access.jsonl");
    ask(&serving, "GET", FILE, "Host: Some.Test:80\r\n");
    ask(&serving, "GET", FILE, "Range: bytes=0-9\r\n");
    ask(&serving, "HEAD", FILE, "");
    ask(&serving, "GET", "/%22%0a\u{e9}?secret", "");
    ask(&serving, "BREW", FILE, "Host: a b\r\n");
    let lines_ = lines(&log, 5);
    let row = |line: &Value| {
        format!("{} {} {} {} {}", line["method"], line["status"], line["bytes"], line["host"], line["path"])
    };
    let rows: Vec<String> = lines_.iter().map(row).collect();
    assert_eq!(rows[0], format!("\"GET\" 200 5000 \"Some.Test:80\" \"{FILE}\""));
    assert_eq!(rows[1], format!("\"GET\" 206 10 \"site.invalid\" \"{FILE}\""));
    assert_eq!(rows[2], format!("\"HEAD\" 200 0 \"site.invalid\" \"{FILE}\""));
    assert!(
        rows[3].starts_with("\"GET\" 404 0 \"site.invalid\" \"/%22%0a") && !rows[3].contains("secret"),
        "{}",
        rows[3]
    );
    assert!(rows[3].is_ascii());
    assert_eq!(rows[4], format!("\"BREW\" 400 0 null \"{FILE}\""));
    for line in &lines_ {
        assert_eq!([&line["generation"], &line["complete"]], [&Value::from(7), &Value::from(true)], "{line}");
        assert_eq!([&line["remote"], &line["scheme"]], ["127.0.0.1", "http"]);
        assert!(line["duration_ms"].as_f64().unwrap() < 120_000.0 && line["time"].as_str().unwrap().ends_with('Z'));
    }

    fs::rename(&log, desk.path("access.jsonl.1")).unwrap();
    fetch(&serving, "/before");
    lines(&desk.path("access.jsonl.1"), 6);
    serving.signal("HUP");
    wait_for(|| "no new log".to_owned(), || log.exists().then_some(()));
    fetch(&serving, "/after");
    assert_eq!(lines(&log, 1)[0]["path"], "/after");
    assert_eq!(lines(&desk.path("access.jsonl.1"), 6).len(), 6);
    let nowhere = desk.run("serve --site site --listen 127.0.0.1:0 --access-log none/x");
    nowhere.says(Exit::Usage, &["cannot open none/x"]);
}

/// A log that takes nothing holds up no answer; what it misses is counted.
#[test]
fn a_log_that_is_stuck_holds_nobody_up() {
    const REQUESTS: usize = 12_000;
    let desk = site();
    end(Command::new("mkfifo").arg(desk.path("fifo"))).ok();
    // Open for both, or else opening it would wait for the server, and the server for us.
    let held = File::options().read(true).write(true).open(desk.path("fifo")).unwrap();
    let serving = desk.serve_with("--access-log fifo");
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let many = "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
        (0..REQUESTS / 100).for_each(|_| writer.write_all(many.as_bytes()).unwrap());
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut answers = String::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_to_string(&mut answers).unwrap();
    sender.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404").count(), REQUESTS);
    let metrics = String::from_utf8(fetch(&serving, "/metrics").1).unwrap();
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("gapferry_access_log_dropped_total ")).unwrap();
    assert!(dropped.parse::<usize>().unwrap() > 1000, "{dropped}");
    drop(held);
}
