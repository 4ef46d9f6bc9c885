use proptest::prelude::*;

use super::super::approval::tests::{example, signed};
use super::*;
use crate::trust::{Quorum, Revocation, SecretKey};

const PERSONS: [&str; 4] = ["anna", "bert", "carl", "dora"];

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn now() -> Time {
    Time::from_unix(1_800_000_100).unwrap()
}

/// A site whose bundles `2:anna,security` must approve, of which security is `1:bert,carl`; dora may in an emergency.
struct ReviewedSite {
    trust: TrustFile,
    builder: SecretKey,
    keys: BTreeMap<&'static str, SecretKey>,
}

impl ReviewedSite {
    fn new() -> Self {
        let builder = SecretKey::generate();
        let keys: BTreeMap<_, _> = PERSONS.map(|person| (person, SecretKey::generate())).into();
        let mut trust = TrustFile::of_builder(&label("dc1"), &builder.public());
        for (person, key) in &keys {
            let role = if *person == "dora" { Role::Emergency } else { Role::Reviewer };
            trust.add_key(&label(person), BTreeSet::from([role]), &key.public());
        }
        trust.groups.insert(label("security"), "1:bert,carl".parse().unwrap());
        trust.quorums.insert(Role::Reviewer, "2:anna,security".parse().unwrap());
        trust.quorums.insert(Role::Emergency, Quorum::of_one(&label("dora")));
        assert_eq!(TrustFile::parse(trust.to_json().as_bytes()).unwrap(), trust);
        Self { trust, builder, keys }
    }

    fn say(&self, person: &'static str, change: impl FnOnce(&mut Approval)) -> SignedApproval {
        let mut statement = Approval { person: label(person), ..example() };
        if person == "dora" {
            statement.role = Role::Emergency;
        }
        change(&mut statement);
        signed(&self.keys[person], &statement)
    }

    fn approval(&self, person: &'static str) -> SignedApproval {
        self.say(person, |_| {})
    }

    fn review(&self, statements: &[SignedApproval]) -> Review {
        let (site, name, builder) = (label("dc1"), label("base"), self.builder.public());
        let (sequence, manifest) = (Sequence::FIRST, Sha256::of(b"manifest"));
        let subject = ReviewSubject { site: &site, name: &name, sequence, manifest, builder: &builder, alarms: None };
        self.trust.review(subject, statements, now())
    }
}

fn reject(statement: &mut Approval) {
    statement.decision = Decision::Reject;
    statement.reason = Some("no".to_owned());
}

#[test]
fn a_quorum_of_persons_and_groups_approves() {
    let site = ReviewedSite::new();
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(|person| site.approval(person));
    assert_eq!(site.review(&[]).verdict, ReviewVerdict::Waiting);
    let waiting = site.review(std::slice::from_ref(&anna));
    let missing: Vec<_> = waiting.missing.iter().map(Label::as_str).collect();
    assert_eq!((waiting.verdict, missing), (ReviewVerdict::Waiting, vec!["bert", "carl"]));
    assert!(waiting.to_string().contains("2 of anna, security; approved by anna, missing of bert, carl"), "{waiting}");
    assert_eq!(site.review(&[bert.clone(), carl.clone()]).verdict, ReviewVerdict::Waiting, "security counts once");
    assert_eq!(site.review(&[anna.clone(), anna.clone()]).verdict, ReviewVerdict::Waiting, "a person counts once");
    assert_eq!(site.review(&[anna, carl]).verdict, ReviewVerdict::Approved);
}

#[test]
fn a_rejection_stands_until_the_same_person_withdraws_it() {
    let site = ReviewedSite::new();
    let approved = [site.approval("anna"), site.approval("bert")];
    let with = |more: Vec<SignedApproval>| site.review(&[approved.to_vec(), more].concat());
    let rejected = with(vec![site.say("carl", reject)]);
    assert_eq!(rejected.verdict, ReviewVerdict::Rejected);
    assert!(rejected.to_string().contains("rejected by carl: no"), "{rejected}");
    assert_eq!(
        with(vec![site.say("carl", reject), site.approval("dora")]).verdict,
        ReviewVerdict::Rejected,
        "no emergency helps"
    );
    let withdrawn = site.say("carl", |statement| {
        statement.number = 2;
        statement.decision = Decision::Withdraw;
    });
    assert_eq!(with(vec![withdrawn.clone(), site.say("carl", reject)]).verdict, ReviewVerdict::Approved);
    let again = site.say("carl", |statement| {
        statement.number = 3;
        reject(statement);
    });
    assert_eq!(with(vec![withdrawn, again]).verdict, ReviewVerdict::Rejected);
    let later = site.say("anna", |statement| {
        statement.number = 2;
        reject(statement);
    });
    assert_eq!(with(vec![later]).verdict, ReviewVerdict::Rejected, "who approved may reject");
    let other = site.say("bert", |statement| statement.ticket = Some("other".to_owned()));
    let two = with(vec![other]);
    assert_eq!(two.verdict, ReviewVerdict::Waiting);
    assert!(two.to_string().contains("bert signed two statements with the number 1"), "{two}");
    let both = with(vec![site.say("bert", reject)]);
    assert_eq!(both.verdict, ReviewVerdict::Rejected, "a rejection counts beside an approval of the same number");
}

#[test]
fn an_emergency_is_a_verdict_of_its_own() {
    let site = ReviewedSite::new();
    assert_eq!(site.review(&[site.approval("dora")]).verdict, ReviewVerdict::Emergency);
    let as_reviewer = site.say("dora", |statement| statement.role = Role::Reviewer);
    let review = site.review(&[as_reviewer]);
    assert_eq!(review.verdict, ReviewVerdict::Waiting);
    assert!(review.to_string().contains("which is not in the role reviewer"), "{review}");
    let all = ["anna", "bert", "dora"].map(|person| site.approval(person));
    assert_eq!(site.review(&all).verdict, ReviewVerdict::Approved);
}

#[test]
fn statements_of_others_and_on_others_do_not_count() {
    let site = ReviewedSite::new();
    let bert = site.approval("bert");
    let refused: [(SignedApproval, &str); 7] = [
        (site.say("anna", |statement| statement.site = label("dc2")), "is on dc2-base-"),
        (site.say("anna", |statement| statement.name = label("other")), "is on dc1-other-"),
        (site.say("anna", |statement| statement.sequence = 2.try_into().unwrap()), "is on dc1-base-2"),
        (site.say("anna", |statement| statement.manifest = Sha256::of(b"other")), "with the manifest"),
        (site.say("anna", |statement| statement.until = Some(now())), "ended at"),
        (signed(&site.keys["bert"], &Approval { person: label("anna"), ..example() }), "signed by a key of bert"),
        (signed(&SecretKey::generate(), &example()), "not in the role reviewer"),
    ];
    for (statement, reason) in refused {
        let review = site.review(&[bert.clone(), statement]);
        assert_eq!(review.verdict, ReviewVerdict::Waiting, "{reason}");
        assert!(review.to_string().contains(reason), "{reason}: {review}");
    }
}

#[test]
fn a_revoked_or_expired_key_approves_only_what_the_trust_file_lists() {
    let mut site = ReviewedSite::new();
    let both = [site.approval("anna"), site.approval("bert")];
    let of = |site: &mut ReviewedSite, change: &dyn Fn(&mut TrustedKey)| {
        change(&mut site.trust.persons.get_mut(&label("anna")).unwrap()[0])
    };
    of(&mut site, &|key| key.expires = Some(now()));
    assert!(site.review(&both).to_string().contains("which expired at"));
    of(&mut site, &|key| (key.expires, key.revoked) = (None, Some(Revocation::default())));
    let review = site.review(&both);
    assert_eq!(review.verdict, ReviewVerdict::Waiting);
    assert!(review.to_string().contains("which was revoked"), "{review}");
    let listed = Revocation { valid_manifests: BTreeSet::from([Sha256::of(b"manifest")]) };
    of(&mut site, &|key| key.revoked = Some(listed.clone()));
    assert_eq!(site.review(&both).verdict, ReviewVerdict::Approved);
}

#[test]
fn a_builder_reviews_no_bundle_of_their_own() {
    let mut site = ReviewedSite::new();
    let builder = site.builder.public();
    site.trust.persons.remove(&label("builder"));
    site.trust.add_key(&label("bert"), BTreeSet::from([Role::Builder]), &builder);
    site.trust.quorums.insert(Role::Builder, Quorum::of_one(&label("bert")));
    site.trust.check().unwrap();
    let [anna, bert, carl] = ["anna", "bert", "carl"].map(|person| site.approval(person));
    let review = site.review(&[anna.clone(), bert.clone()]);
    assert_eq!(review.verdict, ReviewVerdict::Waiting);
    assert!(review.to_string().contains("bert built the bundle"), "{review}");
    assert_eq!(review.missing.iter().map(Label::as_str).collect::<Vec<_>>(), ["carl"]);
    assert_eq!(site.review(&[anna, carl]).verdict, ReviewVerdict::Approved);
    assert_eq!(site.review(&[site.say("bert", reject)]).verdict, ReviewVerdict::Rejected, "they may reject it");
    site.trust.quorums.insert(Role::Reviewer, "2:anna,bert".parse().unwrap());
    site.trust.persons.remove(&label("carl"));
    site.trust.groups.clear();
    assert!(site.trust.check().unwrap_err().contains("can never be met: whoever builds a bundle does not review it"));
}

#[test]
fn an_approval_must_acknowledge_each_alarm_by_its_whole_digest() {
    let [one, two, older] = ["one", "two", "older"].map(|text| Sha256::of(text.as_bytes()));
    let set = AlarmSet::new(Some(older), vec![two, one, two]);
    let named = |digests: &[Sha256]| Approval {
        acknowledged: digests.iter().map(|digest| (*digest, "seen".to_owned())).collect(),
        ..example()
    };
    assert_eq!(set.left_out(&named(&[one])), [two]);
    assert!(set.left_out(&named(&[two, one])).is_empty());
    let all = |set: &AlarmSet| Approval { all_alarms: Some(set.acknowledge("seen")), ..example() };
    assert!(set.left_out(&all(&set)).is_empty());
    for other in [AlarmSet::new(None, vec![one, two]), AlarmSet::new(Some(older), vec![one])] {
        assert_eq!(set.left_out(&all(&other)).len(), 2, "{other:?}");
    }
    assert!(AlarmSet::new(None, Vec::new()).left_out(&example()).is_empty());
}

#[test]
fn without_a_quorum_nobody_is_asked() {
    let mut site = ReviewedSite::new();
    site.trust.quorums.remove(&Role::Reviewer);
    assert!(site.trust.check().unwrap_err().contains("emergency and none of the role reviewer"));
    site.trust.quorums.remove(&Role::Emergency);
    let review = site.review(&[site.say("carl", reject)]);
    assert_eq!((review.verdict, review.allows()), (ReviewVerdict::NotAsked, true));
}

proptest! {
    /// Whatever order statements come in, and however often, the verdict is the same; and a rejection only ever makes it stricter.
    #[test]
    fn the_order_of_statements_decides_nothing(chosen in prop::collection::vec((0..4_usize, 1..4_u64, 0..3_u8), 0..8), shuffled in any::<prop::sample::Index>()) {
        let site = ReviewedSite::new();
        let mut statements: Vec<SignedApproval> = chosen.iter().map(|(person, number, decision)| {
            site.say(PERSONS[*person], |statement| {
                statement.number = *number;
                match decision {
                    0 => {}
                    1 => reject(statement),
                    _ => statement.decision = Decision::Withdraw,
                }
            })
        }).collect();
        let first = site.review(&statements).verdict;
        let length = statements.len().max(1);
        statements.rotate_left(shuffled.index(length) % length);
        statements.extend(statements.clone());
        prop_assert_eq!(site.review(&statements).verdict, first);
        statements.push(site.say("carl", |statement| {
            statement.number = 9;
            reject(statement);
        }));
        prop_assert_eq!(site.review(&statements).verdict, ReviewVerdict::Rejected);
    }
}
