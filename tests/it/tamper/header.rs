//! Manifests that the right key signed, but that are spelled wrongly or do not fit this site now; and wrong signatures.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::Manifest;
use gapferry::bundle::manifest::Blob;
use gapferry::cli::Exit::{self, Refused, VerificationFailed};
use gapferry::numbers::Sequence;
use gapferry::time::Time;
use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};

use super::stage::Stage;
use crate::support::lies::{resign, with_path};
use crate::support::sample::Sample;
use crate::support::world::{Content, bring, each_content};

/// What is done to the text of a manifest, and a part of the message; all fail their verification.
type Spelling = (&'static str, fn(String) -> String, &'static str);

const CANONICAL: &str = "not in its canonical text";
const SYNTAX: &str = "does not parse";
const CONTRADICTS: &str = "contradicts itself";

fn spellings() -> Vec<Spelling> {
    vec![
        ("a key stands twice", |t| t.replace("\"epoch\":1,\n", "\"epoch\":1,\n\"epoch\":1,\n"), SYNTAX),
        ("a key stands twice, below", |t| t.replacen("{\"parts\":", "{\"parts\":[],\"parts\":", 1), SYNTAX),
        ("there is a space", |t| t.replace("\"epoch\":1", "\"epoch\": 1"), CANONICAL),
        ("there is an empty line", |t| t + "\n", CANONICAL),
        ("the last line has no end", |t| t.trim_end().to_owned(), CANONICAL),
        (
            "two keys are in another order",
            |t| t.replace("\"epoch\":1,\n", "").replace("\"format\":1,\n", "\"format\":1,\n\"epoch\":1,\n"),
            CANONICAL,
        ),
        ("a letter is escaped", |t| t.replace("\"site\":\"dc1\"", "\"site\":\"\\u0064c1\""), CANONICAL),
        ("a number has a fraction", |t| t.replace("\"epoch\":1", "\"epoch\":1.0"), SYNTAX),
        ("a number has an exponent", |t| t.replace("\"epoch\":1", "\"epoch\":1e0"), SYNTAX),
        ("a number is negative", |t| t.replace("\"epoch\":1", "\"epoch\":-1"), SYNTAX),
        ("a number does not fit", |t| t.replace("\"epoch\":1", "\"epoch\":18446744073709551616"), SYNTAX),
        (
            "a number is larger than readers agree on",
            |t| t.replace("\"epoch\":1", "\"epoch\":9007199254740993"),
            SYNTAX,
        ),
        ("the sequence is 0", |t| t.replace("\"sequence\":2", "\"sequence\":0"), SYNTAX),
        (
            "the sequence is the largest of 64 bits",
            |t| t.replace("\"sequence\":2", "\"sequence\":18446744073709551615"),
            SYNTAX,
        ),
        ("a part is in volume 0", |t| t.replacen("\"volume\":1", "\"volume\":0", 1), SYNTAX),
        ("there is a key that we do not know", |t| t.replace("\"epoch\":1,\n", "\"epoch\":1,\n\"extra\":1,\n"), SYNTAX),
        ("a key is missing", |t| t.replace("\"epoch\":1,\n", ""), SYNTAX),
        ("there is a byte order mark", |t| format!("\u{feff}{t}"), SYNTAX),
        ("something follows", |t| t + "{}", SYNTAX),
        ("it nests deeply", |_| "[".repeat(1 << 20), SYNTAX),
        ("it is null", |_| "null".to_owned(), SYNTAX),
        ("it has another format", |t| t.replace("\"format\":1", "\"format\":2"), "use a newer gapferry"),
        (
            "a volume's name leaves the folder",
            |t| t.replace("\"file\":\"volume-001.tar\"", "\"file\":\"../volume-001.tar\""),
            CONTRADICTS,
        ),
        (
            "a volume's name is absolute",
            |t| t.replace("\"file\":\"volume-001.tar\"", "\"file\":\"/etc/passwd\""),
            CONTRADICTS,
        ),
        ("a path leaves the tree", |t| with_path(&t, |path| format!("../../{path}")), SYNTAX),
        ("a path is absolute", |t| with_path(&t, |path| format!("/{path}")), SYNTAX),
        ("a path hides an escape sequence", |t| with_path(&t, |path| format!("{path}\\u001b[2J")), SYNTAX),
        ("the site's name is no name", |t| t.replace("\"site\":\"dc1\"", "\"site\":\"../dc1\""), SYNTAX),
        ("a digest has capitals", |t| t.replacen("\"sha256\":\"", "\"sha256\":\"A", 1), SYNTAX),
    ]
}

each_content!(there_is_one_spelling_of_a_manifest);
fn there_is_one_spelling_of_a_manifest(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&stage.second, "site");
    let text = fs::read_to_string(stage.second.join("manifest.json")).unwrap();
    for (attack, edit, words) in Sample::new().rows(&*stage.world.content, spellings()) {
        let edited = edit(text.clone());
        assert_ne!(edited, text, "{attack}");
        resign(&arena.bundle, &stage.world.key, edited.as_bytes());
        arena.refuses(attack, VerificationFailed, words);
    }
    stage.right_one_imports(&arena, &stage.second, "spelling");
}

/// What is done to the values of a manifest, the exit code and a part of the message.
type Value = (&'static str, fn(&mut Manifest), Exit, &'static str);

/// The first blob that the bundle carries.
fn carried(manifest: &mut Manifest) -> &mut Blob {
    manifest.blobs.iter_mut().find(|blob| !blob.parts.is_empty()).unwrap()
}

fn now() -> Time {
    Time::now()
}

fn values() -> Vec<Value> {
    const DAY: i64 = 24 * 3600;
    vec![
        ("it is for another site", |m| m.site = "dc2".parse().unwrap(), Refused, "is for the site dc2"),
        ("it is of a later epoch", |m| m.epoch = 2.try_into().unwrap(), Refused, "has epoch 2"),
        ("it is of an earlier epoch", |m| m.epoch = 0.try_into().unwrap(), Refused, "has epoch 0"),
        ("its sequence is older", |m| m.sequence = Sequence::FIRST, Refused, "has sequence 1"),
        (
            "its sequence is the same",
            |m| m.sequence = 2.try_into().unwrap(),
            Refused,
            "has sequence 2, and 2 was imported",
        ),
        ("its sequence jumps", |m| m.sequence = 1003.try_into().unwrap(), Refused, "jumps from 2 to 1003"),
        ("its sequence jumps to the end", |m| m.sequence = Sequence::MAX, Refused, "jumps from 2"),
        (
            "it has expired",
            |m| (m.created, m.expires) = (now().plus(-2 * DAY), now().plus(-DAY)),
            Refused,
            "expired at",
        ),
        ("it expires before it is made", |m| m.expires = m.created, VerificationFailed, CONTRADICTS),
        (
            "it is from the future",
            |m| (m.created, m.expires) = (now().plus(2 * DAY), now().plus(9 * DAY)),
            Refused,
            "set the clock",
        ),
        ("it has no volume for its parts", |m| m.volumes.clear(), VerificationFailed, CONTRADICTS),
        ("a volume stands twice", |m| m.volumes.push(m.volumes[0].clone()), VerificationFailed, CONTRADICTS),
        ("a volume is said to be larger", |m| m.volumes[0].size += 512, VerificationFailed, CONTRADICTS),
        ("two volumes change places", |m| m.volumes.swap(0, 1), VerificationFailed, CONTRADICTS),
        ("a blob is left out", |m| drop(m.blobs.remove(0)), VerificationFailed, CONTRADICTS),
        ("a blob stands twice", |m| m.blobs.insert(0, m.blobs[0].clone()), VerificationFailed, CONTRADICTS),
        ("a blob's size is another", |m| carried(m).size += 1, VerificationFailed, CONTRADICTS),
        ("a part's place is another", |m| carried(m).parts[0].offset += 512, VerificationFailed, CONTRADICTS),
        ("a part's place is beyond all", |m| carried(m).parts[0].offset = u64::MAX, VerificationFailed, CONTRADICTS),
        ("a part's length is beyond all", |m| carried(m).parts[0].stored = u64::MAX, VerificationFailed, CONTRADICTS),
        ("a part stands twice", |m| carried(m).parts.extend_from_within(..), VerificationFailed, CONTRADICTS),
        (
            "a collection stands twice",
            |m| m.collections.push(m.collections[0].clone()),
            VerificationFailed,
            CONTRADICTS,
        ),
    ]
}

each_content!(what_does_not_fit_this_site_now_is_refused);
fn what_does_not_fit_this_site_now_is_refused(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&stage.second, "site");
    bring(&arena.site(), &arena.bundle).unwrap();
    for (attack, edit, exit, words) in Sample::new().rows(&*stage.world.content, values()) {
        let mut manifest = stage.manifest(&stage.third);
        edit(&mut manifest);
        resign(&arena.bundle, &stage.world.key, manifest.to_text().unwrap().as_bytes());
        arena.refuses(attack, exit, words);
    }
    for (attack, old, exit, words) in [
        ("an older bundle", &stage.first, Refused, "has sequence 1, and 2 was imported before"),
        ("the same bundle", &stage.second, Exit::NothingNew, "is here already"),
    ] {
        for file in ["manifest.json", "manifest.json.sig"] {
            fs::copy(old.join(file), arena.bundle.join(file)).unwrap();
        }
        arena.refuses(attack, exit, words);
    }
    stage.right_one_imports(&arena, &stage.third, "values");
}

/// Replaces the signature; gets the builder's key, the manifest's bytes and the bundle.
type Signing = (&'static str, fn(&SecretKey, &[u8], &Path), &'static str);

fn signatures() -> Vec<Signing> {
    vec![
        (
            "another key signs",
            |_, m, b| put(b, &sign(&SecretKey::generate(), MANIFEST_NAMESPACE, m).unwrap()),
            "is not a trusted builder",
        ),
        (
            "the signature is for another purpose",
            |k, m, b| put(b, &sign(k, "gapferry-approval", m).unwrap()),
            "for the namespace",
        ),
        (
            "the purpose would clear the terminal",
            |k, m, b| put(b, &sign(k, "\u{1b}[2J", m).unwrap()),
            "for the namespace",
        ),
        (
            "the signature is over other bytes",
            |k, m, b| put(b, &sign(k, MANIFEST_NAMESPACE, &m[1..]).unwrap()),
            "does not match",
        ),
        (
            "the signature has CRLF line ends",
            |k, m, b| put(b, &sign(k, MANIFEST_NAMESPACE, m).unwrap().replace('\n', "\r\n")),
            "canonical",
        ),
        (
            "the signature has text before it",
            |k, m, b| put(b, &format!("\n{}", sign(k, MANIFEST_NAMESPACE, m).unwrap())),
            "signature",
        ),
    ]
}

fn put(bundle: &Path, signature: &str) {
    fs::write(bundle.join("manifest.json.sig"), signature).unwrap();
}

each_content!(only_the_builders_own_signature_for_this_purpose_counts);
fn only_the_builders_own_signature_for_this_purpose_counts(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&stage.second, "site");
    let manifest = fs::read(stage.second.join("manifest.json")).unwrap();
    for (attack, make, words) in Sample::new().rows(&*stage.world.content, signatures()) {
        make(&stage.world.key, &manifest, &arena.bundle);
        arena.refuses(attack, VerificationFailed, words);
    }
    stage.right_one_imports(&arena, &stage.second, "signatures");
}
