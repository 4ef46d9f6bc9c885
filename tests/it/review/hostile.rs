//! Text that a builder chooses, in what a reviewer reads.

use std::fs;
use std::path::Path;

use gapferry::trust::SecretKey;
use serde_json::{Value, json};

use super::{publish, small_part};
use crate::support::desk::Desk;
use crate::support::read_bundle::{lines_of, resign, write_lines};

/// Text that steers a terminal, hides text, or leaves an element of HTML.
pub(super) const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J\u{202e}\u{9b}\"'&-->\n\r\u{200b}";

/// Puts hostile text into every text of a bundle that its format leaves to the builder.
pub(super) fn poison(bundle: &Path) {
    let manifest = bundle.join("manifest.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    for key in ["classification", "generator", "purpose", "ticket"] {
        value[key] = json!(HOSTILE);
    }
    value["overrides"] = json!([HOSTILE]);
    value["left_out"] = json!([{ "collection": HOSTILE, "what": HOSTILE, "why": HOSTILE }]);
    value["collections"][0]["origin"] = json!(HOSTILE);
    let list = bundle.join("items/apt-demo.jsonl.zst");
    let mut lines = lines_of(&list);
    for line in &mut lines {
        match line["type"].as_str() {
            Some("item") => {
                for key in ["architecture", "licence", "name", "publisher", "reason", "version"] {
                    line[key] = json!(HOSTILE);
                }
                line["source"] = json!({ "name": HOSTILE, "version": HOSTILE });
            }
            _ if line.get("signed_by").is_some() => line["signed_by"] = json!([HOSTILE]),
            _ => {}
        }
    }
    value["collections"][0]["list"] = write_lines(&list, &lines);
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    resign(bundle, &SecretKey::generate(), text.as_bytes());
}

#[test]
fn hostile_text_reaches_no_terminal() {
    let desk = Desk::new();
    publish(&desk, 1);
    desk.select(&desk.table("demo", &desk.url("up"), "stable main amd64", ""));
    let first = desk.bundle();
    publish(&desk, 2);
    let (first, second) = (small_part(&desk, &first), small_part(&desk, &desk.bundle()));
    poison(&second);
    for (old, new) in [(&first, &second), (&second, &first)] {
        let arguments = format!("diff --all {} {}", old.display(), new.display());
        let text = desk.run(&arguments).ok().out;
        assert!(text.contains("\\u{1b}[2J\\u{202e}"), "{text}");
        let hidden = ['\u{1b}', '\u{202e}', '\u{9b}', '\r', '\u{200b}'];
        assert!(!text.contains(hidden), "{text}");
        let printed = desk.run(&format!("{arguments} --json")).ok();
        assert!(printed.out.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", printed.out);
        assert!(printed.json()["changes"].to_string().contains("alert(1)"));
    }
}
