use super::*;
use crate::numbers::Epoch;
use crate::trust::{Revocation, SecretKey, sign};

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn epoch(number: u64) -> Epoch {
    number.try_into().unwrap()
}

fn now() -> Time {
    Time::from_unix(1_800_000_000).unwrap()
}

/// Roots by name, of whom two must sign.
struct Roots(Vec<(&'static str, SecretKey)>);

impl Roots {
    fn new() -> Self {
        Self(["anna", "bert", "carl"].map(|name| (name, SecretKey::generate())).into())
    }

    fn key(&self, name: &str) -> &SecretKey {
        &self.0.iter().find(|(root, _)| *root == name).unwrap().1
    }

    fn first(&self) -> TrustFile {
        let mut file = TrustFile::of_builder(&label("dc1"), &SecretKey::generate().public());
        for (name, key) in &self.0 {
            file.add_key(&label(name), BTreeSet::from([Role::Root]), &key.public());
        }
        file.quorums.insert(Role::Root, "2:anna,bert,carl".parse().unwrap());
        file
    }

    fn sign(&self, file: &TrustFile, names: &[&str]) -> SignedTrustFile {
        let text = file.to_json().into_bytes();
        let signatures: String =
            names.iter().map(|name| sign(self.key(name), TRUST_NAMESPACE, &text).unwrap()).collect();
        SignedTrustFile::parse(text, signatures.as_bytes()).unwrap()
    }
}

fn after(file: &TrustFile) -> TrustFile {
    TrustFile { version: file.version + 1, ..file.clone() }
}

#[test]
fn two_quorums_sign_each_step() {
    let roots = Roots::new();
    let first = roots.first();
    let second = after(&first);
    for (names, good) in [
        (&["anna", "bert"][..], true),
        (&["bert", "carl", "anna"], true),
        (&["anna"], false),
        (&["anna", "anna"], false),
        (&[], false),
    ] {
        let verdict = roots.sign(&second, names).check_follows(&first);
        assert_eq!(verdict.is_ok(), good, "{names:?}");
    }
    // dora comes, anna goes: dora does not count for the old file, anna not for the new one.
    let mut roots = roots;
    roots.0.push(("dora", SecretKey::generate()));
    let mut changed = after(&first);
    changed.persons.remove(&label("anna"));
    changed.add_key(&label("dora"), BTreeSet::from([Role::Root]), &roots.key("dora").public());
    changed.quorums.insert(Role::Root, "2:bert,carl,dora".parse().unwrap());
    for (names, missing) in [
        (&["anna", "bert", "dora"][..], None),
        (&["bert", "carl"], None),
        (&["bert", "dora"], Some(1)),
        (&["anna", "bert"], Some(2)),
    ] {
        match (roots.sign(&changed, names).check_follows(&first), missing) {
            (Ok(()), None) => {}
            (Err(TrustError::BelowRootQuorum(lack)), Some(judge)) => assert_eq!(lack.judge_version, judge, "{names:?}"),
            (other, _) => panic!("{names:?}: {other:?}"),
        }
    }
}

#[test]
fn one_step_at_a_time_and_never_back() {
    let roots = Roots::new();
    let first = roots.first();
    let files: Vec<TrustFile> = std::iter::successors(Some(first.clone()), |file| Some(after(file))).take(4).collect();
    let signed: Vec<SignedTrustFile> = files.iter().map(|file| roots.sign(file, &["anna", "bert"])).collect();
    let versions = |current: &TrustFile, chain: &[usize]| {
        let chain = chain.iter().map(|at| signed[*at].clone()).collect();
        advance(current, chain, now()).map(|new| new.iter().map(|file| file.file.version).collect::<Vec<_>>())
    };
    assert_eq!(versions(&first, &[3, 1, 2]).unwrap(), [2, 3, 4]);
    assert_eq!(versions(&files[2], &[0, 1, 2, 3, 3]).unwrap(), [4]);
    assert_eq!(versions(&files[3], &[0, 1, 2, 3]).unwrap(), [0; 0]);
    assert!(matches!(versions(&first, &[2]), Err(TrustError::TrustVersion { found: 3, here: 1 })));
    let other = TrustFile { epoch: epoch(2), ..files[1].clone() };
    assert!(matches!(versions(&other, &[1]), Err(TrustError::OtherTrustFile { version: 2, .. })));
    let long = (0..MAX_STEPS as u64 + 1).map(|n| TrustFile { version: n + 2, ..first.clone() });
    let long = long.map(|file| roots.sign(&file, &["anna", "bert"])).collect();
    assert!(matches!(advance(&first, long, now()), Err(TrustError::TooManySteps { .. })));
}

#[test]
fn only_the_last_file_must_be_valid() {
    let roots = Roots::new();
    let first = roots.first();
    let expired = TrustFile { expires: Some(now()), ..after(&first) };
    let last = TrustFile { expires: Some(now().plus(1)), ..after(&expired) };
    let [expired, last] = [expired, last].map(|file| roots.sign(&file, &["bert", "carl"]));
    assert!(matches!(
        advance(&first, vec![expired.clone()], now()),
        Err(TrustError::TrustFileExpired { version: 2, .. })
    ));
    assert_eq!(advance(&first, vec![expired, last], now()).unwrap().len(), 2);
}

#[test]
fn each_step_keeps_site_epoch_and_revocations() {
    let roots = Roots::new();
    let first = roots.first();
    let verdict =
        |file: &TrustFile, next: &TrustFile| roots.sign(next, &["anna", "bert"]).check_follows(file).unwrap_err();
    let other = TrustFile { site: label("dc2"), ..after(&first) };
    assert!(matches!(verdict(&first, &other), TrustError::TrustFileOfOtherSite { .. }));
    let raised = TrustFile { epoch: epoch(2), ..first.clone() };
    assert!(matches!(verdict(&raised, &after(&first)), TrustError::OldEpoch { .. }));
    let mut revoked = first.clone();
    revoked.persons.get_mut(&label("carl")).unwrap()[0].revoked = Some(Revocation::default());
    assert!(matches!(verdict(&revoked, &after(&first)), TrustError::RevocationLost { .. }));
    let mut gone = after(&revoked);
    gone.persons.remove(&label("carl"));
    gone.quorums.insert(Role::Root, "2:anna,bert".parse().unwrap());
    assert!(matches!(verdict(&revoked, &gone), TrustError::RevocationLost { .. }));
}

#[test]
fn a_revoked_root_is_named_as_revoked() {
    let roots = Roots::new();
    let mut file = roots.first();
    file.persons.get_mut(&label("carl")).unwrap()[0].revoked = Some(Revocation::default());
    let error = roots.sign(&after(&file), &["anna", "carl"]).check_follows(&file).unwrap_err();
    assert!(error.to_string().contains("of carl was revoked"), "{error}");
}

#[test]
fn a_site_without_roots_changes_by_hand_alone() {
    let roots = Roots::new();
    let first = TrustFile::of_builder(&label("dc1"), &SecretKey::generate().public());
    let next = roots.first();
    let next = TrustFile { version: 2, ..next };
    let signed = roots.sign(&next, &["anna", "bert"]);
    assert!(matches!(signed.check_follows(&first), Err(TrustError::NoRootQuorum { version: 1 })));
    signed.check_replaces(&first, &signed.digest(), now()).unwrap();
    let wrong = Sha256::of(b"another");
    assert!(matches!(signed.check_replaces(&first, &wrong, now()), Err(TrustError::OtherTrustFile { .. })));
    let unsigned = roots.sign(&next, &["anna"]);
    assert!(matches!(unsigned.check_replaces(&first, &unsigned.digest(), now()), Err(TrustError::BelowRootQuorum(_))));
    let back = TrustFile { version: 3, ..first };
    let back = roots.sign(&back, &["anna", "bert"]);
    assert!(matches!(back.check_follows(&next), Err(TrustError::NoRootQuorum { version: 3 })));
    back.check_replaces(&next, &back.digest(), now()).unwrap();
}

#[test]
fn signatures_that_are_none_do_not_count_and_are_named() {
    let roots = Roots::new();
    let first = roots.first();
    let second = after(&first);
    let good = roots.sign(&second, &["anna", "bert"]);
    let with = |signatures: String| SignedTrustFile::parse(good.text.clone(), signatures.as_bytes());
    let other = sign(roots.key("carl"), "gapferry-manifest", &good.text).unwrap();
    with(other.clone() + &good.signatures).unwrap().check_follows(&first).unwrap();
    let one = roots.sign(&second, &["anna"]).signatures;
    let error = with(one.clone() + &other).unwrap().check_follows(&first).unwrap_err();
    assert!(error.to_string().contains("not counted: the signature was made for the namespace"), "{error}");
    assert!(with(format!("x{one}")).is_err());
    assert!(with(one.repeat(MAX_SIGNATURES + 1)).is_err());
}
