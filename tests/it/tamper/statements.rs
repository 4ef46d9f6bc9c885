//! Statements of reviewers of which a byte is changed.

use std::fs;

use gapferry::cli::Exit;
use gapferry::trust::SignedApproval;

use crate::approvals::{FIRST, approve, desk};

#[test]
fn a_changed_byte_makes_no_other_statement() {
    let desk = desk();
    for person in ["anna", "bert"] {
        approve(&desk, person, "--ticket CHG-1 --reason ok");
    }
    let mut accepted = 0;
    let folder = desk.path(FIRST).join("approvals");
    for text in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if text.extension().is_some_and(|end| end == "sig") {
            continue;
        }
        let signature = fs::read(format!("{}.sig", text.display())).unwrap();
        let text = fs::read(&text).unwrap();
        let right = SignedApproval::open(text.clone(), signature.clone()).unwrap();
        for (at, bit) in (0..text.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
            let mut wrong = text.clone();
            wrong[at] ^= bit;
            assert!(SignedApproval::open(wrong, signature.clone()).is_err(), "byte {at} of the text");
        }
        for (at, bit) in (0..signature.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
            let mut wrong = signature.clone();
            wrong[at] ^= bit;
            if let Ok(signed) = SignedApproval::open(text.clone(), wrong) {
                // Another spelling of the armor, of the same signature.
                assert_eq!((&signed.statement, &signed.signer), (&right.statement, &right.signer), "byte {at}");
                accepted += 1;
            }
        }
    }
    assert!(accepted < 8, "{accepted}");
}

#[test]
fn an_import_takes_no_statement_that_was_changed() {
    let desk = desk();
    for person in ["anna", "bert"] {
        approve(&desk, person, "--reason ok");
    }
    let folder = desk.path(FIRST).join("approvals");
    for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let right = fs::read(&path).unwrap();
        for wrong in [&right[..right.len() - 1], &right[1..], b"", &[right.as_slice(), b"\n{}"].concat()] {
            if path.extension().is_some_and(|end| end == "sig")
                && wrong.len() + 1 == right.len()
                && wrong[0] == right[0]
            {
                continue; // the last line break of an armor says nothing
            }
            fs::write(&path, wrong).unwrap();
            let ended = desk.run(&format!("import {FIRST} --site site --dry-run"));
            assert!(ended.err.contains("missing of"), "{}: {}", path.display(), ended.err);
        }
        fs::write(&path, right).unwrap();
    }
    desk.import(&desk.path(FIRST)).ok();
    desk.run(&format!("import {FIRST} --site site")).says(Exit::NothingNew, &[]);
}
