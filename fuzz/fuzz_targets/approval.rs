//! A statement of a reviewer.
#![no_main]

use gapferry::trust::{AlarmSet, Approval, SignedApproval};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A statement and its signature, with a zero byte between them.
    let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, signature) = bytes.split_at(at);
    if let Ok(statement) = Approval::parse(text) {
        assert_eq!(statement.to_json().as_bytes(), text, "a statement has one text");
        let alarms = AlarmSet::new(None, statement.acknowledged.keys().copied().collect());
        assert!(alarms.left_out(&statement).is_empty());
    }
    let _ = SignedApproval::open(text.to_vec(), signature.get(1..).unwrap_or_default().to_vec());
});
