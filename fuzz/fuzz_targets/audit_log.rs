//! An audit log of any text, and a head of one: nothing panics, a chain that holds has the digests of its lines, and a head has one spelling.
#![no_main]

use std::path::Path;

use gapferry::digest::Sha256;
use gapferry::site::LogHead;
use gapferry::storage::audit::parse_chain;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(head) = text.parse::<LogHead>() {
        assert_eq!(head.to_string(), text);
    }
    let Ok(chain) = parse_chain(text, Path::new("audit.jsonl")) else { return };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let last = whole.rsplit('\n').next().unwrap_or_default();
    let digest = if chain.records.is_empty() { Sha256::of(b"") } else { Sha256::of(last.as_bytes()) };
    assert_eq!(chain.head_at(chain.records.len()), Some(digest));
    assert_eq!(chain.head_at(chain.records.len() + 1), None);
});
