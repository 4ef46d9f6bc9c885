use proptest::prelude::*;

use super::*;
use crate::trust::{SecretKey, sign};

pub(in crate::trust) fn example() -> Approval {
    Approval {
        acknowledged: BTreeMap::new(),
        all_alarms: None,
        decision: Decision::Approve,
        format: FORMAT,
        manifest: Sha256::of(b"manifest"),
        name: "base".parse().unwrap(),
        number: 1,
        person: "anna".parse().unwrap(),
        reason: None,
        report: None,
        role: Role::Reviewer,
        scan: None,
        sequence: Sequence::FIRST,
        site: "dc1".parse().unwrap(),
        ticket: None,
        time: Time::from_unix(1_800_000_000).unwrap(),
        until: None,
    }
}

pub(in crate::trust) fn signed(key: &SecretKey, statement: &Approval) -> SignedApproval {
    let text = statement.to_json().into_bytes();
    let signature = sign(key, APPROVAL_NAMESPACE, &text).unwrap().into_bytes();
    SignedApproval::open(text, signature).unwrap()
}

#[test]
fn a_statement_has_one_text() {
    let statement = Approval {
        acknowledged: BTreeMap::from([(Sha256::of(b"alarm"), "seen".to_owned())]),
        all_alarms: Some(crate::trust::AlarmSet::new(None, vec![Sha256::of(b"alarm")]).acknowledge("all")),
        scan: Some(ApprovedScan {
            databases: vec![ApprovedDatabase { date: None, name: "own.ndb".into(), sha256: Sha256::of(b"signatures") }],
            result: "clean".into(),
            tool: "ClamAV 1.4.6".into(),
        }),
        ticket: Some("CHG-1".to_owned()),
        until: Some(Time::from_unix(1_900_000_000).unwrap()),
        ..example()
    };
    let text = statement.to_json();
    assert_eq!(Approval::parse(text.as_bytes()).unwrap(), statement);
    for (from, to) in [
        ("\"format\": 1", "\"format\": 2"),
        ("\"number\": 1", "\"number\": 0"),
        ("\"number\": 1", "\"number\": 9007199254740992"),
        ("\"number\"", "\"nubmer\""),
        ("\"number\": 1", "\"number\":  1"),
        ("\"number\": 1", "\"number\": 1,\n  \"number\": 1"),
        ("reviewer", "builder"),
        ("reviewer", "root"),
        ("approve", "reject"),
        ("approve", "withdraw"),
        ("CHG-1", ""),
        ("ClamAV 1.4.6", ""),
        ("dc1", "dc\\u0031"),
        ("}\n", "}"),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        assert!(Approval::parse(altered.as_bytes()).is_err(), "{to}");
    }
    let long = Approval { reason: Some("x".repeat(MAX_TEXT_BYTES + 1)), ..example() };
    assert!(Approval::parse(long.to_json().as_bytes()).unwrap_err().contains("1 to 4096 bytes"));
    assert!(Approval::parse(&vec![b' '; MAX_APPROVAL_BYTES as usize + 1]).unwrap_err().contains("larger"));
}

#[test]
fn a_signature_is_verified_before_the_statement_is_read() {
    let key = SecretKey::generate();
    let text = example().to_json().into_bytes();
    let signature = sign(&key, APPROVAL_NAMESPACE, &text).unwrap().into_bytes();
    let file = SignedApproval::open(text.clone(), signature.clone()).unwrap().file_name();
    assert_eq!((file.len(), file[16..].starts_with("-1-")), (36, true), "{file}");
    assert!(matches!(SignedApproval::open(b"{}".to_vec(), signature), Err(TrustError::BadSignature { .. })));
    let other = sign(&key, crate::trust::MANIFEST_NAMESPACE, &text).unwrap().into_bytes();
    assert!(matches!(SignedApproval::open(text, other), Err(TrustError::WrongNamespace { .. })));
}

proptest! {
    #[test]
    fn reads_what_it_writes(reason in "\\PC{1,40}", number in 1..=MAX_INTEGER, ids in prop::collection::btree_map(any::<u64>(), "\\PC{1,20}", 0..4)) {
        let acknowledged = ids.into_iter().map(|(id, reason)| (Sha256::of(&id.to_be_bytes()), reason)).collect();
        let statement = Approval { reason: Some(reason), number, acknowledged, ..example() };
        prop_assert_eq!(Approval::parse(statement.to_json().as_bytes()).unwrap(), statement);
    }

    #[test]
    fn refuses_any_other_bytes_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Approval::parse(&bytes).is_err());
    }
}
