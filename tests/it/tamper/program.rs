//! The same through the real program: exit codes, words fit for a terminal, one JSON object; and two of them at once.

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;

use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};
use gapferry::workspace::Workspace;
use serde_json::Value;

use super::stage::{Arena, Stage};
use crate::apt_client::output;
use crate::support::read_bundle::{lines_of, packing_folder, repack, resign, write_lines};
use crate::support::world::{Content, each_content};

fn import(stage: &Stage, arena: &Arena) -> Command {
    let mut command = stage.world.gapferry(&["import", "--json"]);
    command.arg(&arena.bundle).arg("--site").arg(arena.site_path());
    command
}

/// Fails unless the program ended with `code`, and neither stream has a raw control byte.
fn judge(attack: &str, output: &Output, code: i32, words: &str) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{attack}: {stdout}{stderr}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!stderr.contains(control) && !stdout.contains(control), "{attack}: {stdout:?} {stderr:?}");
    assert!(stderr.contains(words), "{attack}: {stderr}");
    let result: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(result["exit"], code, "{attack}: {stdout}");
}

each_content!(the_program_says_what_is_wrong_without_any_control_byte);
fn the_program_says_what_is_wrong_without_any_control_byte(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let text = fs::read_to_string(stage.second.join("manifest.json")).unwrap();
    let escape = "\\u001b]0;owned\\u0007\\n\\u009b2J\\u202e";
    for (attack, edited, code, words) in [
        ("another site", text.replace("\"site\": \"dc1\"", "\"site\": \"dc2\""), 5, "for the site dc2"),
        (
            "a site with an escape",
            text.replace("\"site\": \"dc1\"", &format!("\"site\": \"{escape}\"")),
            4,
            "is not a name",
        ),
        ("a key with an escape", text.replacen("\"epoch\"", &format!("\"{escape}\""), 1), 4, "does not parse"),
    ] {
        let arena = stage.arena(&stage.second, "site");
        resign(&arena.bundle, &stage.world.key, edited.as_bytes());
        judge(attack, &output(&mut import(&stage, &arena)), code, words);
    }
    let arena = stage.arena(&stage.second, "site");
    let list = arena.bundle.join(stage.manifest(&stage.second).header.collections[0].list_file());
    let mut lines = lines_of(&list);
    lines[0]["path"] = format!("{}\u{1b}]0;owned\u{7}\n\u{9b}2J\u{202e}", lines[0]["path"].as_str().unwrap()).into();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["collections"][0]["list"] = write_lines(&list, &lines);
    resign(&arena.bundle, &stage.world.key, (serde_json::to_string_pretty(&value).unwrap() + "\n").as_bytes());
    judge("a path with an escape", &output(&mut import(&stage, &arena)), 4, "is not a publish path");
    // Words of upstream's own are text and may be anything; they are escaped wherever they are shown.
    let forged = stage.world.path("forged");
    let told = repack(&stage.manifest(&stage.second), &[], &stage.depot(), (&forged, &stage.world.key), |manifest| {
        manifest.collections[0].origin = "http://\u{1b}]0;owned\u{7}\n\u{9b}2J\u{202e}".into();
        for item in &mut manifest.collections[0].items {
            let words = "\u{1b}]0;owned\u{7}\n\u{9b}2J\u{202e}";
            item.version = format!("1.0{words}");
            (item.reason, item.publisher) = (words.to_owned(), words.to_owned());
        }
    });
    let arena = stage.arena(&told, "site");
    judge("a version with an escape", &output(&mut import(&stage, &arena)), 4, "");
    for more in [&[][..], &["--json"]] {
        let shown = output(stage.world.gapferry(&["inspect"]).args(more).arg(&arena.bundle));
        let text = String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned();
        assert!(shown.status.success() && !text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    let arena = stage.arena(&stage.second, "site");
    let other = sign(&SecretKey::generate(), MANIFEST_NAMESPACE, text.as_bytes()).unwrap();
    fs::write(arena.bundle.join("manifest.json.sig"), other).unwrap();
    judge("another key", &output(&mut import(&stage, &arena)), 4, "is not a trusted builder");
    let for_terminals = sign(&stage.world.key, "\u{1b}[2J\u{7}", text.as_bytes()).unwrap();
    fs::write(arena.bundle.join("manifest.json.sig"), for_terminals).unwrap();
    judge("a purpose with an escape", &output(&mut import(&stage, &arena)), 4, "for the namespace");
    let folder = arena.bundle.with_file_name("evil\u{1b}[2J\nfolder");
    fs::create_dir(&folder).unwrap();
    let mut command = stage.world.gapferry(&["import", "--json", "--site"]);
    judge(
        "a folder with an escape",
        &output(command.arg(arena.site_path()).arg(&folder)),
        2,
        "there is no bundle to import",
    );
    let missing = stage.arena(&stage.second, "site");
    fs::remove_file(packing_folder(&missing.bundle).join("volume-002.tar")).unwrap();
    judge("a missing volume", &output(&mut import(&stage, &missing)), 6, "volume-002.tar");
    let twice = stage.arena(&stage.first, "site");
    judge("the same again", &output(&mut import(&stage, &twice)), 3, "is here already");
}

each_content!(a_second_process_is_told_that_the_first_has_the_lock);
fn a_second_process_is_told_that_the_first_has_the_lock(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&stage.second, "site");
    let (site, published) = (arena.site_path(), arena.published());
    let lock = arena.site().lock().unwrap();
    judge("import", &output(&mut import(&stage, &arena)), 1, "is held by another gapferry");
    for command in ["rollback", "gc"] {
        let mut command = stage.world.gapferry(&[command, "--json", "--site"]);
        judge("a change", &output(command.arg(&site)), 1, "is held by another gapferry");
    }
    let status = output(stage.world.gapferry(&["status", "--site"]).arg(&site));
    assert!(status.status.success(), "looking needs no lock: {}", String::from_utf8_lossy(&status.stderr));
    assert_eq!(arena.published(), published);
    drop(lock);
    let mut export = stage.world.gapferry(&["export", "online/selection.toml", "--out", "medium", "--json"]);
    export.args(["--key", "online/builder.key", "--workspace", "online/workspace"]);
    let workspace = Workspace::open(&stage.world.path("online/workspace")).unwrap();
    judge("export", &output(&mut export), 1, "is held by another gapferry");
    drop(workspace);
    judge("export", &output(&mut export), 3, "nothing is new");
    assert_eq!(output(&mut import(&stage, &arena)).status.code(), Some(0));
}
