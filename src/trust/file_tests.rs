use proptest::prelude::*;

use super::*;
use crate::trust::SecretKey;

const NOW: i64 = 1_800_000_000;

fn now() -> Time {
    Time::from_unix(NOW).unwrap()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn key() -> PublicKey {
    SecretKey::generate().public()
}

/// A builder, and three roots of whom two must sign.
fn example() -> TrustFile {
    let mut file = TrustFile::of_builder(&label("dc1"), &key());
    for person in ["anna", "bert", "carl"] {
        file.add_key(&label(person), BTreeSet::from([Role::Root]), &key());
    }
    file.quorums.insert(Role::Root, "2:anna,bert,carl".parse().unwrap());
    file
}

/// The only key of a person.
fn of<'a>(file: &'a mut TrustFile, person: &str) -> &'a mut TrustedKey {
    &mut file.persons.get_mut(&label(person)).unwrap()[0]
}

#[test]
fn has_one_text() {
    let file = example();
    let text = file.to_json();
    assert_eq!(TrustFile::parse(text.as_bytes()).unwrap(), file);
    for (from, to) in [
        ("\"format\": 2", "\"format\": 1"),
        ("\"need\": 2", "\"need\": 4"),
        ("\"version\": 1", "\"version\": 0"),
        ("\"epoch\": 1", "\"epoch\": 9007199254740992"),
        ("\"epoch\"", "\"epohc\""),
        ("\"epoch\": 1", "\"epoch\":  1"),
        ("\"epoch\": 1", "\"epoch\": 1,\n  \"epoch\": 1"),
        ("\"need\": 2", "\"need\": 2,\n      \"need\": 2"),
        ("\"anna\": [", "\"anna\": [],\n    \"anna\": ["),
        ("\"dc1\"", "\"dc\\u0031\""),
        ("}\n", "}"),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text, "{from}");
        assert!(TrustFile::parse(altered.as_bytes()).is_err(), "{to}");
    }
    let large = text.replace("}\n", &format!("}}{}\n", " ".repeat(MAX_TRUST_BYTES as usize)));
    assert!(TrustFile::parse(large.as_bytes()).unwrap_err().contains("larger"));
}

#[test]
fn rejects_rules_that_can_never_be_met() {
    example().check().unwrap();
    type Spoil = fn(&mut TrustFile);
    let spoil: [(Spoil, &str); 13] = [
        (|file| drop(file.quorums.remove(&Role::Builder)), "no quorum of the role builder"),
        (|file| drop(file.quorums.insert(Role::Reviewer, "1:anna".parse().unwrap())), "too few"),
        (|file| of(file, "builder").revoked = Some(Revocation::default()), "can never be met"),
        (|file| of(file, "builder").roles.clear(), "can never be met"),
        (|file| file.persons.clear(), "neither a person nor a group"),
        (|file| drop(file.quorums.insert(Role::Root, "4:anna,bert,carl".parse().unwrap())), "can never be met"),
        (|file| drop(file.quorums.insert(Role::Root, "0:anna,bert,carl".parse().unwrap())), "can never be met"),
        (|file| drop(file.quorums.insert(Role::Root, "2:anna,bert".parse().unwrap())), "carl has a key"),
        (|file| drop(file.quorums.insert(Role::Root, "1:anna,bert,carl,builder".parse().unwrap())), ""),
        (|file| of(file, "anna").expires = Some(now()), "role root and expires"),
        (|file| drop(file.groups.insert(label("anna"), "1:bert".parse().unwrap())), "a person and a group"),
        (|file| drop(file.groups.insert(label("g"), "1:g".parse().unwrap())), "counts twice"),
        (
            |file| {
                of(file, "anna").revoked = Some(Revocation::default());
                of(file, "bert").revoked = Some(Revocation::default());
            },
            "too few",
        ),
    ];
    for (number, (spoil, reason)) in spoil.iter().enumerate() {
        let mut file = example();
        spoil(&mut file);
        match (TrustFile::parse(file.to_json().as_bytes()), reason) {
            (Ok(_), &"") => {}
            (Err(said), reason) => assert!(said.contains(reason) && !reason.is_empty(), "{number}: {said}"),
            (Ok(_), _) => panic!("{number} is accepted"),
        }
    }
}

#[test]
fn rejects_two_builders_for_one_signature() {
    let mut file = example();
    file.add_key(&label("second"), BTreeSet::from([Role::Builder]), &key());
    file.quorums.insert(Role::Builder, "2:builder,second".parse().unwrap());
    assert!(file.check().unwrap_err().contains("a manifest has one signature"));
    file.quorums.insert(Role::Builder, "1:builder,second".parse().unwrap());
    file.check().unwrap();
}

#[test]
fn one_key_under_two_names_is_refused() {
    let mut file = example();
    let same = of(&mut file, "anna").key.clone();
    file.add_key(&label("builder"), BTreeSet::new(), &same);
    assert!(file.check().unwrap_err().contains("twice"));
    let mut file = example();
    let token = PublicKey::from_data(&ssh_key::public::KeyData::SkEd25519(ssh_key::public::SkEd25519::new(
        ssh_key::public::Ed25519PublicKey(of(&mut file, "anna").key.point()),
        "ssh:",
    )));
    file.add_key(&label("builder"), BTreeSet::new(), &token.unwrap());
    assert!(file.check().unwrap_err().contains("twice"), "a token's key with the same point");
}

#[test]
fn each_refusal_of_a_builder_has_its_reason() {
    let manifest = Sha256::of(b"m");
    let file = example();
    let signer = file.persons[&label("builder")][0].key.clone();
    let root = file.persons[&label("anna")][0].key.clone();
    let verdict = |file: &TrustFile, signer: &PublicKey| {
        file.authorize_builder(signer, &manifest, now()).map(Label::to_string).map_err(|error| format!("{error:?}"))
    };
    assert_eq!(verdict(&file, &signer).unwrap(), "builder");
    for stranger in [&key(), &root] {
        assert!(verdict(&file, stranger).unwrap_err().starts_with("UntrustedKey"));
    }
    let with = |change: &dyn Fn(&mut TrustFile)| {
        let mut file = example();
        of(&mut file, "builder").key = signer.clone();
        change(&mut file);
        verdict(&file, &signer)
    };
    let revoke = |digests: &[Sha256]| {
        let valid_manifests = digests.iter().copied().collect();
        with(&|file| of(file, "builder").revoked = Some(Revocation { valid_manifests: Clone::clone(&valid_manifests) }))
    };
    assert!(revoke(&[]).unwrap_err().starts_with("RevokedKey"));
    assert!(revoke(&[Sha256::of(b"other")]).unwrap_err().starts_with("RevokedKey"));
    assert_eq!(revoke(&[manifest]).unwrap(), "builder");
    let at = |seconds| Time::from_unix(NOW + seconds).ok();
    assert!(with(&|file| of(file, "builder").expires = at(0)).unwrap_err().starts_with("ExpiredKey"));
    assert!(with(&|file| of(file, "builder").expires = at(1)).is_ok());
    assert!(with(&|file| file.expires = at(0)).unwrap_err().starts_with("TrustFileExpired"));
    assert!(with(&|file| file.expires = at(1)).is_ok());
    assert!(with(&|file| of(file, "builder").roles.clear()).unwrap_err().starts_with("UntrustedKey"));
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,400}") {
        let _ = TrustFile::parse(text.as_bytes());
    }

    /// Whatever is cut out of a file or doubled in it, what still parses is the text of what it means.
    #[test]
    fn altered_files_are_refused_or_have_their_own_text(at in 0_usize..2000, length in 0_usize..200, doubled: bool) {
        let text = example().to_json();
        let (at, end) = (at.min(text.len()), (at + length).min(text.len()));
        let middle = if doubled { text[at..end].repeat(2) } else { String::new() };
        let altered = [&text[..at], &middle, &text[end..]].concat();
        if let Ok(file) = TrustFile::parse(altered.as_bytes()) {
            prop_assert_eq!(file.to_json(), altered);
        }
    }
}
