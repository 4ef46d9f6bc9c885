//! `/v2/snaps/refresh`: a table of actions and what comes of them.

use serde_json::{Value, json};

use super::fixture::{SNAPS, desk, generation, post};
use crate::support::desk::Serving;
use crate::support::snaps::{snap, snap_id};

const ARM: &str = "Snap-Device-Architecture: arm64\r\n";

fn ask(serving: &Serving, headers: &str, context: &Value, action: Value) -> Vec<Value> {
    let body = json!({ "context": context, "actions": [action], "fields": ["name", "revision", "download"] });
    let answer = post(serving, "/v2/snaps/refresh", headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let value = answer.json();
    assert_eq!(value["error-list"], json!([]));
    value["results"].as_array().unwrap().clone()
}

/// An answer in a few words: revision and channel, or the error's code; `-` for none.
fn short(answers: &[Value]) -> String {
    match answers {
        [] => "-".to_owned(),
        [one] if one["result"] == "error" => one["error"]["code"].as_str().unwrap().to_owned(),
        [one] => format!("{} {}", one["snap"]["revision"], one["effective-channel"].as_str().unwrap_or("none")),
        _ => panic!("{answers:?}"),
    }
}

#[test]
fn installations_and_downloads() {
    let desk = desk();
    let serving = desk.serve();
    for (headers, name, more, expected) in [
        ("", "words", json!({}), "3 latest/stable"),
        ("", "words", json!({ "channel": "stable" }), "3 latest/stable"),
        ("", "words", json!({ "channel": "" }), "3 latest/stable"),
        ("", "words", json!({ "channel": null, "epoch": null }), "3 latest/stable"),
        ("", "words", json!({ "channel": "edge" }), "5 latest/candidate"),
        ("", "words", json!({ "channel": "latest/edge/fix" }), "5 latest/edge/fix"),
        ("", "words", json!({ "channel": "edge/other" }), "5 latest/candidate"),
        ("", "words", json!({ "channel": "3.6" }), "3 3.6/stable"),
        ("", "words", json!({ "channel": "3.6/edge" }), "3 3.6/stable"),
        ("", "words", json!({ "channel": "4/stable" }), "revision-not-found"),
        ("", "words", json!({ "channel": "a/b/c/d" }), "revision-not-found"),
        ("", "words", json!({ "revision": 5 }), "5 none"),
        ("", "words", json!({ "revision": 6 }), "revision-not-found"),
        ("", "words", json!({ "revision": -6 }), "revision-not-found"),
        ("", "words", json!({ "revision": 4 }), "revision-not-found"),
        (ARM, "words", json!({}), "6 latest/stable"),
        (ARM, "words", json!({ "revision": 6 }), "6 none"),
        ("X-Ubuntu-Architecture: arm64\r\n", "words", json!({}), "6 latest/stable"),
        ("Snap-Device-Architecture: s390x\r\n", "words", json!({}), "revision-not-found"),
        (ARM, "core-gap", json!({ "revision": 7 }), "7 none"),
        ("", "large", json!({}), "revision-not-found"),
        ("", "large", json!({ "channel": "2/edge" }), "11 2/beta"),
        ("", "nothing", json!({}), "name-not-found"),
        ("", "", json!({}), "name-not-found"),
    ] {
        for action in ["install", "download"] {
            let mut asked = json!({ "action": action, "instance-key": "key-1", "name": name });
            asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let answers = ask(&serving, headers, &json!([]), asked.clone());
            assert_eq!(short(&answers), expected, "{headers}{asked}");
            assert_eq!(answers[0]["instance-key"], "key-1");
            assert!(expected.contains("not-found") || answers[0]["result"] == action);
        }
    }
}

#[test]
fn what_is_answered_is_a_whole_snap_at_an_absolute_address() {
    let desk = desk();
    let serving = desk.serve();
    let action = json!({ "action": "install", "instance-key": "i", "name": "words" });
    for (host, base) in [
        ("Host: store.test\r\n", "http://store.test"),
        ("Host: [::1]:8\r\n", "http://[::1]:8"),
        ("", "http://store.test:81"),
    ] {
        let answers = ask(&serving, host, &Value::Null, action.clone());
        let id = snap_id("words");
        let snap = &answers[0]["snap"];
        assert_eq!(snap["download"]["url"], format!("{base}/api/v1/snaps/download/{id}_3.snap"));
        assert_eq!([&answers[0]["name"], &answers[0]["snap-id"], &snap["name"]], ["words", &id, "words"]);
        assert_eq!(snap["download"]["size"], json!(crate::support::snaps::snap("words", 3).len()));
        assert_eq!(snap["epoch"], json!({ "read": [0], "write": [0] }));
        assert_eq!(snap["download"]["sha3-384"].as_str().unwrap().len(), 96);
        assert_eq!([&snap["snap-yaml"], &snap["base"], &snap["type"]], ["name: words\n", "core-gap", "app"]);
    }
    let refused = ask(&serving, "", &json!(null), json!({ "action": "install", "name": "words", "revision": 9 }));
    let releases = refused[0]["error"]["extra"]["releases"].as_array().unwrap();
    assert_eq!(releases.len(), 5);
    assert!(releases.contains(&json!({ "architecture": "arm64", "channel": "latest/stable" })));
    assert_eq!([&refused[0]["name"], &refused[0]["snap-id"]], ["words", &snap_id("words")]);
}

#[test]
fn refreshes() {
    let desk = desk();
    let serving = desk.serve();
    for (installed, tracking, more, expected) in [
        (2, "latest/stable", json!({}), "3 latest/stable"),
        (2, "stable", json!({}), "3 latest/stable"),
        (2, "", json!({}), "3 latest/stable"),
        (3, "latest/stable", json!({}), "-"),
        (4, "latest/stable", json!({}), "-"),
        (-1, "latest/stable", json!({}), "3 latest/stable"),
        (3, "latest/candidate", json!({}), "5 latest/candidate"),
        (3, "latest/edge", json!({}), "5 latest/candidate"),
        (3, "latest/stable", json!({ "channel": "latest/stable" }), "-"),
        (4, "latest/stable", json!({ "channel": "stable" }), "-"),
        (3, "latest/stable", json!({ "channel": "candidate" }), "5 latest/candidate"),
        (5, "latest/candidate", json!({ "channel": "stable" }), "3 latest/stable"),
        (5, "latest/stable", json!({ "channel": "candidate" }), "-"),
        (5, "latest/stable", json!({ "revision": 3 }), "3 none"),
        (3, "latest/stable", json!({ "revision": 3 }), "-"),
        (3, "latest/stable", json!({ "revision": 77 }), "revision-not-found"),
        (3, "9/stable", json!({}), "revision-not-found"),
        (3, "no/such/channel", json!({}), "revision-not-found"),
        (3, "no/such/channel", json!({ "channel": "candidate" }), "5 latest/candidate"),
    ] {
        let id = snap_id("words");
        let context =
            json!([{ "snap-id": id, "instance-key": id, "revision": installed, "tracking-channel": tracking }]);
        let mut asked = json!({ "action": "refresh", "instance-key": id, "snap-id": id });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answers = ask(&serving, "", &context, asked.clone());
        assert_eq!(short(&answers), expected, "{context} {asked}");
        assert!(answers.iter().all(|answer| answer["instance-key"] == id.as_str()));
        assert!(answers.iter().all(|answer| answer["name"] == "words"));
    }
    let unknown = json!({ "action": "refresh", "instance-key": "x", "snap-id": "x" });
    assert_eq!(short(&ask(&serving, "", &json!([]), unknown)), "id-not-found");
    let other = json!({ "action": "explode", "instance-key": "x", "name": "words" });
    assert_eq!(short(&ask(&serving, "", &json!([]), other)), "unsupported-action");
    let fetch = json!({ "action": "fetch-assertions", "key": "AAA", "assertions": [{ "type": "account" }] });
    let answers = ask(&serving, "", &json!([]), fetch);
    assert_eq!(answers, [json!({ "result": "fetch-assertions", "key": "AAA", "assertion-stream-urls": [] })]);
}

/// The snaps of the fixture have the epoch 0.
#[test]
fn revision_that_cannot_read_the_installed_data_is_not_offered() {
    let desk = desk();
    let serving = desk.serve();
    let id = snap_id("words");
    for (epoch, more, expected) in [
        (json!({ "read": [0], "write": [0] }), json!({}), "3 latest/stable"),
        (json!({ "read": [0, 1], "write": [0, 1] }), json!({}), "3 latest/stable"),
        (Value::Null, json!({}), "3 latest/stable"),
        (json!({ "read": [0, 1], "write": [1] }), json!({}), "-"),
        (json!({ "read": [0, 1], "write": [1] }), json!({ "channel": "candidate" }), "revision-not-found"),
        (json!({ "read": [1], "write": [1] }), json!({ "revision": 5 }), "revision-not-found"),
        (json!({ "read": [1], "write": [1] }), json!({ "revision": 2 }), "revision-not-found"),
    ] {
        let context = json!([{
            "snap-id": id, "instance-key": id, "revision": 2, "tracking-channel": "latest/stable", "epoch": epoch,
        }]);
        let mut asked = json!({ "action": "refresh", "instance-key": id, "snap-id": id });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(short(&ask(&serving, "", &context, asked.clone())), expected, "{epoch} {asked}");
    }
}

/// Two installations of one snap, under keys of their own.
#[test]
fn instances_are_told_apart() {
    let desk = desk();
    let serving = desk.serve();
    let id = snap_id("words");
    let (one, other) = (format!("{id}:one"), format!("{id}:other"));
    let installed = |key: &str, revision: u64| json!({ "snap-id": id, "instance-key": key, "revision": revision });
    let wanted = |key: &str| json!({ "action": "refresh", "instance-key": key, "snap-id": id });
    let body =
        json!({ "context": [installed(&one, 3), installed(&other, 1)], "actions": [wanted(&one), wanted(&other)] });
    let answer = post(&serving, "/v2/snaps/refresh", "", body.to_string().as_bytes()).json();
    let results = answer["results"].as_array().unwrap();
    assert!(results.len() == 1 && results[0]["instance-key"] == other.as_str(), "{answer}");
}

#[test]
fn a_new_generation_answers_at_once() {
    let desk = desk();
    let serving = desk.serve();
    let action = json!({ "action": "install", "instance-key": "i", "name": "words" });
    assert_eq!(short(&ask(&serving, "", &json!([]), action.clone())), "3 latest/stable");
    generation(&desk, 2, SNAPS, &[("words", "amd64", "latest/stable", 5)]);
    assert_eq!(short(&ask(&serving, "", &json!([]), action)), "5 latest/stable");
    let (status, bytes) = crate::serve::fetch(&serving, &format!("/api/v1/snaps/download/{}_5.snap", snap_id("words")));
    assert!(status == 200 && bytes == snap("words", 5));
}
