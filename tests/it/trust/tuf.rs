//! python-tuf as a second opinion: random chains of trust files, written as TUF roots with the same keys, are accepted up to
//! the same file. Where the two differ on purpose, a row of a table says so.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ed25519_dalek::{Signer as _, SigningKey};
use gapferry::label::Label;
use gapferry::time::Time;
use gapferry::trust::{PublicKey, Quorum, Role, SignedTrustFile, TRUST_NAMESPACE, TrustFile, advance};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::support::desk::{Desk, end, ended};
use crate::support::sample::Sample;

/// The number of root persons that take part, each with one key.
pub(super) const PERSONS: usize = 6;
/// The time at which chains are judged, and times before and after it.
const NOW: &str = "2026-06-01T00:00:00Z";
const PAST: &str = "2026-05-31T00:00:00Z";
const FUTURE: &str = "2097-01-01T00:00:00Z";

/// One signature below a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) person: usize,
    pub(super) forgery: Forgery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgery {
    /// It is good.
    None,
    /// One bit is wrong.
    Bit,
    /// It is over another text.
    OtherText,
}

/// One root, or one trust file.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) version: u64,
    pub(super) expires: &'static str,
    /// The persons in the role root; one may stand there twice, as two persons with one key.
    pub(super) persons: Vec<usize>,
    pub(super) threshold: usize,
    pub(super) signed: Vec<Signed>,
}

pub(super) fn secret(person: usize) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(person).unwrap() + 1; 32])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn data(person: usize) -> KeyData {
    KeyData::Ed25519(Ed25519PublicKey(secret(person).verifying_key().to_bytes()))
}

fn public(person: usize) -> PublicKey {
    PublicKey::from_line(&ssh_key::PublicKey::from(data(person)).to_openssh().unwrap()).unwrap()
}

/// Signs `message`, in the way that `forgery` says.
fn raw_signature(signed: Signed, message: &[u8]) -> Vec<u8> {
    let mut signature = match signed.forgery {
        Forgery::OtherText => secret(signed.person).sign(b"another").to_bytes(),
        Forgery::None | Forgery::Bit => secret(signed.person).sign(message).to_bytes(),
    };
    signature[5] ^= u8::from(signed.forgery == Forgery::Bit);
    signature.to_vec()
}

impl Root {
    /// The root as TUF metadata, in canonical JSON (securesystemslib, `encode_canonical`). Keys are named by their places.
    fn tuf(&self) -> String {
        let distinct = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(",");
        let places = || self.persons.iter().enumerate();
        let id = |place: usize, person: usize| match self.persons[..place].contains(&person) {
            true => format!("k{person}-again"),
            false => format!("k{person}"),
        };
        let keys = distinct(&mut places().map(|(place, person)| {
            let point = hex(&secret(*person).verifying_key().to_bytes());
            let name = id(place, *person);
            format!(r#""{name}":{{"keytype":"ed25519","keyval":{{"public":"{point}"}},"scheme":"ed25519"}}"#)
        }));
        let ids = distinct(&mut places().map(|(place, person)| format!("\"{}\"", id(place, *person))));
        let first = format!("\"k{}\"", self.persons[0]);
        let other = format!(r#"{{"keyids":[{first}],"threshold":1}}"#);
        let body = format!(
            r#"{{"_type":"root","consistent_snapshot":true,"expires":"{}","keys":{{{keys}}},"roles":{{"root":{{"keyids":[{ids}],"threshold":{}}},"snapshot":{other},"targets":{other},"timestamp":{other}}},"spec_version":"1.0.31","version":{}}}"#,
            self.expires, self.threshold, self.version
        );
        // Keys of objects are sorted in canonical JSON, and those of `keys` are not in the order of the places.
        let body = serde_json::to_string(&sorted(&serde_json::from_str(&body).unwrap())).unwrap();
        let mut ids = BTreeSet::new();
        let mut signatures = Vec::new();
        for signed in &self.signed {
            let sig = hex(&raw_signature(*signed, body.as_bytes()));
            for name in [format!("k{}", signed.person), format!("k{}-again", signed.person)] {
                let is_there = self.persons.iter().filter(|person| **person == signed.person).count() > 1;
                if (is_there || !name.ends_with("again")) && ids.insert(name.clone()) {
                    signatures.push(format!(r#"{{"keyid":"{name}","sig":"{sig}"}}"#));
                }
            }
        }
        format!(r#"{{"signatures":[{}],"signed":{body}}}"#, signatures.join(","))
    }

    /// The same as a trust file with its signatures; the reason if it is none.
    pub(super) fn gapferry(&self) -> Result<SignedTrustFile, String> {
        let (text, signatures) = self.files();
        SignedTrustFile::parse(text.into_bytes(), signatures.as_bytes())
    }

    /// The text of that trust file and its signatures.
    pub(super) fn files(&self) -> (String, String) {
        let mut file = TrustFile::of_builder(&"dc1".parse().unwrap(), &public(PERSONS));
        file.version = self.version;
        file.expires = Some(self.expires.parse().unwrap());
        let mut of: BTreeSet<Label> = BTreeSet::new();
        for person in &self.persons {
            let name =
                format!("p{person}{}", if of.contains(&format!("p{person}").parse().unwrap()) { "-again" } else { "" });
            let name: Label = name.parse().unwrap();
            file.add_key(&name, BTreeSet::from([Role::Root]), &public(*person));
            of.insert(name);
        }
        file.quorums.insert(Role::Root, Quorum { need: self.threshold, of });
        let text = file.to_json();
        let data_to_sign = SshSig::signed_data(TRUST_NAMESPACE, HashAlg::Sha512, text.as_bytes()).unwrap();
        let signature = |signed: &Signed| {
            let signature = Signature::new(Algorithm::Ed25519, raw_signature(*signed, &data_to_sign)).unwrap();
            let signature = SshSig::new(data(signed.person), TRUST_NAMESPACE, HashAlg::Sha512, signature).unwrap();
            signature.to_pem(LineEnding::LF).unwrap()
        };
        let signatures = self.signed.iter().map(signature).collect();
        (text, signatures)
    }
}

/// Sorts the keys of all objects, whatever order serde_json keeps.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(fields) => {
            let fields: std::collections::BTreeMap<_, _> = fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            serde_json::Value::Object(fields.into_iter().collect())
        }
        serde_json::Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The number of accepted files of a chain, and whether the last of these has expired.
pub(super) type Verdict = (usize, bool);

/// The verdict of gapferry.
pub(super) fn ours(chain: &[Root]) -> Verdict {
    let now: Time = NOW.parse().unwrap();
    let mut accepted = vec![chain[0].gapferry().unwrap()];
    for root in &chain[1..] {
        let Ok(next) = root.gapferry() else { break };
        if next.check_follows(&accepted[accepted.len() - 1].file).is_err() {
            break;
        }
        accepted.push(next);
    }
    let last = &accepted[accepted.len() - 1].file;
    let is_expired = last.expires.is_some_and(|expires| expires <= now);
    // The same in one call: the whole chain counts, unless its last file has expired.
    let first = accepted[0].file.clone();
    let at_once = advance(&first, accepted.clone(), now);
    assert_eq!(at_once.is_ok(), !is_expired || accepted.len() == 1, "{chain:?}: {at_once:?}");
    (accepted.len(), is_expired)
}

/// The verdicts of python-tuf.
fn theirs(chains: &[Vec<Root>]) -> Vec<Verdict> {
    let texts: Vec<Vec<String>> = chains.iter().map(|chain| chain.iter().map(Root::tuf).collect()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/trust/tuf_oracle.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .arg(NOW.replace('Z', "+00:00"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&texts).unwrap()).unwrap();
    let ended = ended(&child.wait_with_output().unwrap()).ok();
    serde_json::from_str(&ended.out).unwrap()
}

/// A random chain, whose first root is good. Most steps are good too; each fault is rare, so that chains grow long.
fn random_chain(sample: &mut Sample) -> Vec<Root> {
    let mut chain = vec![random_root(sample, None)];
    for _ in 0..1 + sample.below(5) {
        let next = random_root(sample, chain.last());
        chain.push(next);
    }
    chain
}

fn random_root(sample: &mut Sample, before: Option<&Root>) -> Root {
    let mut rarely = |one_in: usize| sample.below(one_in) == 0;
    let (same_version, gap, back, past) = (rarely(25), rarely(25), rarely(50), rarely(3));
    let (too_high, zero, few_signers, stranger, rotate) = (rarely(30), rarely(40), rarely(5), rarely(6), !rarely(3));
    let forgery = match (rarely(10), rarely(10)) {
        (true, _) => Forgery::Bit,
        (_, true) => Forgery::OtherText,
        _ => Forgery::None,
    };
    let version = before.map_or(1, |root| match (same_version, gap, back) {
        (true, ..) => root.version,
        (_, true, _) => root.version + 2,
        (.., true) => root.version.saturating_sub(1).max(1),
        _ => root.version + 1,
    });
    let persons = match before {
        Some(root) if !rotate => root.persons.clone(),
        _ => (0..PERSONS).filter(|_| sample.below(2) == 0).collect(),
    };
    let persons = if persons.is_empty() { vec![sample.below(PERSONS)] } else { persons };
    let threshold = match before {
        Some(_) if too_high => persons.len() + 1,
        Some(_) if zero => 0,
        _ => 1 + sample.below(persons.len()),
    };
    let mut signers: BTreeSet<usize> = persons.iter().copied().collect();
    signers.extend(before.iter().flat_map(|root| &root.persons));
    if before.is_some() && few_signers {
        signers.retain(|_| sample.below(3) > 0);
    }
    signers.extend(stranger.then(|| sample.below(PERSONS)));
    let mut signed: Vec<Signed> = signers.into_iter().map(|person| Signed { person, forgery: Forgery::None }).collect();
    if let Some(one) = signed.first_mut().filter(|_| before.is_some()) {
        one.forgery = forgery;
    }
    Root { version, expires: if past { PAST } else { FUTURE }, persons, threshold, signed }
}

#[test]
fn random_chains_end_where_tuf_ends_them() {
    let mut sample = Sample::new();
    let count = sample.level.pick(300, 10_000);
    let chains: Vec<Vec<Root>> = (0..count).map(|_| random_chain(&mut sample)).collect();
    let mut stopped = 0;
    for (chain, theirs) in chains.iter().zip(theirs(&chains)) {
        assert_eq!(ours(chain), theirs, "{chain:#?}");
        stopped += usize::from(theirs.0 < chain.len());
    }
    eprintln!("{count} chains, {stopped} of them with a root that is refused");
    assert!(stopped * 10 > count && stopped * 10 < count * 9, "{stopped} of {count} are refused: nothing is compared");
}

fn root(version: u64, persons: &[usize], threshold: usize, signers: &[usize]) -> Root {
    let signed = signers.iter().map(|person| Signed { person: *person, forgery: Forgery::None }).collect();
    Root { version, expires: FUTURE, persons: persons.to_vec(), threshold, signed }
}

/// A behaviour: its name, a chain, and the numbers of files of it that gapferry and python-tuf accept.
pub(super) type Row = (&'static str, Vec<Root>, usize, usize);

/// Behaviours that the conformance suite of TUF asks of root rotation, by the names of its tests.
pub(super) fn rows() -> Vec<Row> {
    let first = || root(1, &[0, 1, 2], 2, &[0, 1]);
    let expired = |root: Root| Root { expires: PAST, ..root };
    let forged = |mut root: Root, forgery| {
        root.signed[0].forgery = forgery;
        root
    };
    vec![
        ("root_rotation: same keys", vec![first(), root(2, &[0, 1, 2], 2, &[1, 2])], 2, 2),
        ("root_rotation: new keys, signed by both", vec![first(), root(2, &[3, 4], 2, &[0, 1, 3, 4])], 2, 2),
        ("root_rotation: new keys, old ones did not sign", vec![first(), root(2, &[3, 4], 2, &[3, 4])], 1, 1),
        ("root_rotation: new keys did not sign", vec![first(), root(2, &[3, 4], 2, &[0, 1])], 1, 1),
        ("root_rotation: below the old threshold", vec![first(), root(2, &[0, 1, 3], 2, &[0, 3])], 1, 1),
        ("root_rotation: below the new threshold", vec![first(), root(2, &[0, 1, 3], 3, &[0, 1])], 1, 1),
        ("root_rotation: threshold raised and met", vec![first(), root(2, &[0, 1, 3], 3, &[0, 1, 3])], 2, 2),
        ("snapshot_has_too_few_keys, of root", vec![first(), root(2, &[0, 1], 3, &[0, 1])], 1, 1),
        ("threshold of zero", vec![first(), root(2, &[0, 1], 0, &[0, 1])], 1, 1),
        ("root version skipped", vec![first(), root(3, &[0, 1, 2], 2, &[0, 1])], 1, 1),
        ("root rollback", vec![first(), root(2, &[0, 1], 1, &[0, 1]), root(1, &[0, 1, 2], 2, &[0, 1])], 2, 2),
        ("same version again", vec![first(), first()], 1, 1),
        ("duplicate_sig_keyids", vec![first(), root(2, &[0, 1, 2], 2, &[0, 0])], 1, 1),
        (
            "invalid_sig_in_valid_metadata",
            vec![first(), forged(root(2, &[0, 1, 2], 2, &[2, 0, 1]), Forgery::Bit)],
            2,
            2,
        ),
        (
            "invalid signature is needed",
            vec![first(), forged(root(2, &[0, 1, 2], 2, &[0, 1]), Forgery::OtherText)],
            1,
            1,
        ),
        ("expired_local_root", vec![expired(first()), root(2, &[0, 1, 2], 2, &[0, 1])], 2, 2),
        (
            "intermediate root expired",
            vec![first(), expired(root(2, &[0, 1], 2, &[0, 1])), root(3, &[0, 1], 2, &[0, 1])],
            3,
            3,
        ),
        ("root_expired", vec![first(), expired(root(2, &[0, 1, 2], 2, &[0, 1]))], 2, 2),
        // TUF counts key ids; here two names for one key are no two persons, so the file is refused when it is parsed.
        ("duplicate_keys: one key under two names", vec![first(), root(2, &[0, 0, 1], 2, &[0, 1])], 1, 2),
    ]
}

/// Both must agree, but for the rows that say otherwise.
#[test]
fn rows_of_the_tuf_conformance_suite() {
    let rows = rows();
    let chains: Vec<Vec<Root>> = rows.iter().map(|(_, chain, ..)| chain.clone()).collect();
    for ((name, chain, here, there), theirs) in rows.iter().zip(theirs(&chains)) {
        assert_eq!((ours(chain).0, theirs.0), (*here, *there), "{name}");
        assert!(here != there || ours(chain) == theirs, "{name}: {:?} {theirs:?}", ours(chain));
    }
}

/// Each signature of random chains counts for ssh-keygen if it counts for gapferry, with the allowed signers that
/// `trust show` prints, and the other way round.
#[test]
fn ssh_keygen_agrees_with_the_signatures_of_random_chains() {
    let mut sample = Sample::new();
    let count = sample.level.pick(8, 300);
    let desk = Desk::new();
    let (mut good, mut bad) = (0, 0);
    for root in (0..count).flat_map(|_| random_chain(&mut sample)) {
        let Ok(signed) = root.gapferry() else { continue };
        fs::write(desk.path("trust.json"), &signed.text).unwrap();
        let allowed = desk.run("trust show trust.json --allowed-signers").ok().out;
        fs::write(desk.path("allowed_signers"), allowed).unwrap();
        for (made, signature) in root.signed.iter().zip(signed.signatures()) {
            let person = format!("p{}", made.person);
            let alone = SignedTrustFile::parse(signed.text.clone(), signature.armored.as_bytes()).unwrap();
            let counts = alone.signed_by(&signed.file).contains(&person.parse().unwrap());
            fs::write(desk.path("one.sig"), &signature.armored).unwrap();
            let mut command = Command::new("ssh-keygen");
            command.args(["-Y", "verify", "-f", "allowed_signers", "-I", &person, "-n", TRUST_NAMESPACE, "-s"]);
            command.arg("one.sig").current_dir(desk.path(""));
            let accepts = end(command.stdin(fs::File::open(desk.path("trust.json")).unwrap())).code == 0;
            assert_eq!(accepts, counts, "{made:?} of {root:#?}");
            if counts { good += 1 } else { bad += 1 }
        }
    }
    eprintln!("ssh-keygen agrees with {good} good signatures and {bad} others");
    assert!(good > 0 && bad > 0);
}
