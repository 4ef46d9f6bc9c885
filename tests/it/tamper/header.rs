//! Manifests that the right key signed, but that are spelled wrongly or do not fit this site now; and wrong signatures.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::bundle::state::Manifest;
use gapferry::cli::Exit::{self, Refused, VerificationFailed};
use gapferry::collection::Publish;
use gapferry::numbers::Sequence;
use gapferry::time::Time;
use gapferry::trust::{MANIFEST_NAMESPACE, SecretKey, sign};

use super::stage::Stage;
use crate::support::read_bundle::resign;
use crate::support::sample::Sample;
use crate::support::snapshot::copy;
use crate::support::world::{Content, bring, each_content};

/// What is done to the text of a manifest, and a part of the message; all fail their verification.
type Spelling = (&'static str, fn(String) -> String, &'static str);

const CANONICAL: &str = "not in its canonical text";
const SYNTAX: &str = "does not parse";

fn spellings() -> Vec<Spelling> {
    vec![
        ("a key stands twice", |t| t.replace("\"epoch\": 1,\n", "\"epoch\": 1,\n  \"epoch\": 1,\n"), SYNTAX),
        ("a key stands twice, below", |t| t.replacen("\"bytes\":", "\"bytes\": 1,\n      \"bytes\":", 1), SYNTAX),
        ("there is a space more", |t| t.replace("\"epoch\": 1", "\"epoch\":  1"), CANONICAL),
        ("there is an empty line", |t| t + "\n", CANONICAL),
        ("the last line has no end", |t| t.trim_end().to_owned(), CANONICAL),
        (
            "two keys are in another order",
            |t| t.replace("  \"epoch\": 1,\n", "").replace("  \"format\": 2,\n", "  \"format\": 2,\n  \"epoch\": 1,\n"),
            CANONICAL,
        ),
        ("a letter is escaped", |t| t.replace("\"site\": \"dc1\"", "\"site\": \"\\u0064c1\""), CANONICAL),
        ("a number has a fraction", |t| t.replace("\"epoch\": 1", "\"epoch\": 1.0"), SYNTAX),
        ("a number has an exponent", |t| t.replace("\"epoch\": 1", "\"epoch\": 1e0"), SYNTAX),
        ("a number is negative", |t| t.replace("\"epoch\": 1", "\"epoch\": -1"), SYNTAX),
        ("a number does not fit", |t| t.replace("\"epoch\": 1", "\"epoch\": 18446744073709551616"), SYNTAX),
        (
            "a number is larger than readers agree on",
            |t| t.replace("\"epoch\": 1", "\"epoch\": 9007199254740993"),
            SYNTAX,
        ),
        ("the sequence is 0", |t| t.replace("\"sequence\": 2", "\"sequence\": 0"), SYNTAX),
        (
            "the sequence is the largest of 64 bits",
            |t| t.replace("\"sequence\": 2", "\"sequence\": 18446744073709551615"),
            SYNTAX,
        ),
        (
            "there is a key that we do not know",
            |t| t.replace("\"epoch\": 1,\n", "\"epoch\": 1,\n  \"extra\": 1,\n"),
            SYNTAX,
        ),
        ("a key is missing", |t| t.replace("  \"epoch\": 1,\n", ""), SYNTAX),
        ("a key is null", |t| t.replace("  \"site\":", "  \"purpose\": null,\n  \"site\":"), CANONICAL),
        ("there is a byte order mark", |t| format!("\u{feff}{t}"), SYNTAX),
        ("something follows", |t| t + "{}", SYNTAX),
        ("it nests deeply", |_| "[".repeat(1 << 20), SYNTAX),
        ("it is null", |_| "null".to_owned(), SYNTAX),
        ("it has another format", |t| t.replace("\"format\": 2", "\"format\": 3"), "this gapferry reads format 2"),
        ("the site's name is no name", |t| t.replace("\"site\": \"dc1\"", "\"site\": \"../dc1\""), SYNTAX),
        ("a digest has capitals", |t| t.replacen("\"sha256\": \"", "\"sha256\": \"A", 1), SYNTAX),
        ("it has a kind that we do not know", |t| t.replacen("\"kind\": \"", "\"kind\": \"new-", 1), SYNTAX),
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
        ("it expires before it is made", |m| m.expires = m.created, VerificationFailed, "expires before it was made"),
        (
            "it is from the future",
            |m| (m.created, m.expires) = (now().plus(2 * DAY), now().plus(9 * DAY)),
            Exit::WrongClock,
            "set the clock",
        ),
        (
            "a collection stands twice",
            |m| m.collections.push(m.collections[0].clone()),
            VerificationFailed,
            "two have the same name",
        ),
        (
            "a list is said to have a line more",
            |m| m.collections[0].files += 1,
            VerificationFailed,
            "its digest or size is not the one",
        ),
        (
            "a list is said to have a byte more",
            |m| m.collections[0].list.size += 1,
            VerificationFailed,
            "its digest or size is not the one",
        ),
        (
            "a list is said to be larger than any",
            |m| m.collections[0].list.size = 9 << 30,
            VerificationFailed,
            "bytes of text in a list",
        ),
        (
            "files are said to be a byte larger",
            |m| m.collections[0].bytes += 1,
            VerificationFailed,
            "its digest or size is not the one",
        ),
        (
            "reprepro is to publish what is no package",
            |m| m.collections[0].publish = Publish::Reprepro,
            VerificationFailed,
            "is not for reprepro",
        ),
    ]
}

each_content!(what_does_not_fit_this_site_now_is_refused);
fn what_does_not_fit_this_site_now_is_refused(content: Arc<dyn Content>) {
    let stage = Stage::new(content);
    let arena = stage.arena(&stage.second, "site");
    bring(&arena.site(), &arena.bundle).unwrap();
    let mut values = values();
    if stage.manifest(&stage.third).collections[0].kind.is_for_reprepro() {
        values.retain(|(.., words)| *words != "is not for reprepro");
    }
    for (attack, edit, exit, words) in Sample::new().rows(&*stage.world.content, values) {
        fs::remove_dir_all(&arena.bundle).unwrap();
        copy(&stage.third, &arena.bundle);
        let mut manifest = stage.manifest(&stage.third).header;
        edit(&mut manifest);
        let text = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
        resign(&arena.bundle, &stage.world.key, text.as_bytes());
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
