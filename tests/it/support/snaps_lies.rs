//! What a lying builder can do to snaps.

use gapferry::collection::{Collection, Item};
use gapferry::depot::Depot;
use gapferry::kind::Details;
use gapferry::upstream::assertions::TestAuthority;

use super::lies::{Lie, Truth, add_proof, keep_items, lie, of_kind, of_stream, path, put, second_name};
use super::snaps::{assertions, authority, by_an_expired_key, snap};

const NOT_VOUCHED: &str = "signed indexes do not vouch for";
const NOT_ITS: &str = "does not vouch for its snap";
const NO_PLACE: &str = "no proof of a kind that we know";

/// Every lie.
pub(crate) fn lies() -> Vec<Lie> {
    [about_files(), about_items(), about_assertions()].into_iter().flatten().collect()
}

/// What a builder may do.
pub(crate) fn truths() -> Vec<Truth> {
    vec![
        Truth { name: "nothing is changed", tell: |_, _| () },
        Truth { name: "a channel is another, which no store signs", tell: |c, _| listed(c, &["amd64"]) },
        Truth { name: "a reason is another", tell: |c, _| item(c).reason = "because".into() },
    ]
}

fn about_files() -> Vec<Lie> {
    vec![
        lie("a snap is swapped for an evil one", |c, d| swap(c, put(d, &[7; 20_000])), NOT_ITS),
        lie("a snap is swapped for a genuine other one", genuine_other, NOT_ITS),
        lie("a snap is swapped for an older revision of it", |c, d| swap(c, put(d, &snap("large", 1))), NOT_ITS),
        lie("a snap has one byte more", longer, NOT_ITS),
        lie("a snap has another name", renamed, NOT_VOUCHED),
        lie("a snap has two names", two_names, NOT_VOUCHED),
        lie("images are said to be snaps' neighbours", |c, _| of_kind(c, &of_stream("s")), "index is not carried"),
    ]
}

fn about_items() -> Vec<Lie> {
    vec![
        lie("an item's name is another", |c, _| item(c).name = "sudo".into(), NOT_VOUCHED),
        lie("an item's version is another", |c, _| item(c).version = "999".into(), NOT_VOUCHED),
        lie("an item's publisher is another", |c, _| item(c).publisher = "canonical".into(), NOT_VOUCHED),
        lie("an item's licence is another", |c, _| item(c).licence = "Evil".into(), NOT_VOUCHED),
        lie("an item is listed nowhere", |c, _| listed(c, &[]), NOT_VOUCHED),
        lie("an item's revision is another", other_revision, NOT_VOUCHED),
        lie("an item is listed for what it does not run on", |c, _| listed(c, &["arm64"]), NOT_VOUCHED),
        lie("an item is listed for all though it is not", |c, _| listed(c, &["all"]), NOT_VOUCHED),
        lie("an item's architecture is made up", |c, _| item(c).architecture = "all".into(), NOT_VOUCHED),
        lie("an item names no proof", |c, _| item(c).proof = None, NOT_VOUCHED),
        lie("an item names a proof that is not there", |c, _| item(c).proof = Some(path("x.assert")), NOT_VOUCHED),
        lie("an item names another snap's proof", |c, _| item(c).proof = c_other(c), NOT_ITS),
        lie("a snap is left out, and its proof is not", without_file, NO_PLACE),
    ]
}

fn about_assertions() -> Vec<Lie> {
    vec![
        lie("the snap-revision is cut away", |c, d| edit(c, d, |text| without(text, "snap-revision")), NOT_ITS),
        lie("the snap-declaration is cut away", |c, d| edit(c, d, |text| without(text, "snap-declaration")), NOT_ITS),
        lie("the account is cut away", |c, d| edit(c, d, |text| without(text, "account")), NOT_ITS),
        lie("the account-key is cut away", |c, d| edit(c, d, |text| without(text, "account-key")), NOT_ITS),
        lie(
            "the snap's size is edited",
            |c, d| edit(c, d, |text| text.replace("snap-size: ", "snap-size: 9")),
            NOT_ITS,
        ),
        lie("the publisher is edited", |c, d| edit(c, d, |text| text.replace("gap-publisher", "canonical")), NOT_ITS),
        lie("a space is added at the end", |c, d| edit(c, d, |text| text + " "), NOT_ITS),
        lie("an assertion that nobody needs is added", needless, NOT_VOUCHED),
        lie("the chain ends in another root", other_root, NOT_ITS),
        lie("the key that signed has expired", expired_key, NOT_ITS),
        lie("the assertions are dropped", |c, _| c.proofs.clear(), NOT_VOUCHED),
        lie("a proof that nobody needs is added", |c, d| add_proof(c, "stray_1.assert", put(d, b"stray")), NO_PLACE),
        lie("the assertions are megabytes of nothing", |c, d| edit(c, d, |_| "\n".repeat(1 << 20)), NOT_ITS),
    ]
}

/// The large snap's item.
fn item(collection: &mut Collection) -> &mut Item {
    collection.items.iter_mut().find(|item| item.name == "large").unwrap()
}

fn revision(collection: &mut Collection) -> u64 {
    let file = item(collection).file.to_string();
    file.trim_end_matches(".snap").rsplit_once('_').unwrap().1.parse().unwrap()
}

fn other_revision(collection: &mut Collection, _: &Depot) {
    let Details::Snap { revision, .. } = &mut item(collection).details else { panic!("the item is no snap") };
    *revision += 1;
}

/// Says that the channel `latest/edge` offers the snap to devices of these architectures.
fn listed(collection: &mut Collection, architectures: &[&str]) {
    let Details::Snap { channels, .. } = &mut item(collection).details else { panic!("the item is no snap") };
    *channels = architectures.iter().map(|name| format!("{name}:latest/edge").parse().unwrap()).collect();
}

fn swap(collection: &mut Collection, digest: gapferry::digest::Sha256) {
    let file = item(collection).file.clone();
    collection.files.insert(file, digest);
}

fn genuine_other(collection: &mut Collection, _: &Depot) {
    let other = collection.files[&path("core-gap_7.snap")];
    swap(collection, other);
}

fn longer(collection: &mut Collection, depot: &Depot) {
    let bytes = [snap("large", revision(collection)), vec![0]].concat();
    swap(collection, put(depot, &bytes));
}

fn renamed(collection: &mut Collection, _: &Depot) {
    let file = item(collection).file.clone();
    let digest = collection.files.remove(&file).unwrap();
    collection.files.insert(path("sudo_1.snap"), digest);
    item(collection).file = path("sudo_1.snap");
    collection.items.sort_by(|a, b| a.file.cmp(&b.file));
}

fn two_names(collection: &mut Collection, _: &Depot) {
    let item = item(collection).clone();
    second_name(collection, item, "other_1.snap");
}

fn c_other(collection: &Collection) -> Option<gapferry::path::PublishPath> {
    collection.items.iter().find(|item| item.name == "core-gap").and_then(|item| item.proof.clone())
}

fn without_file(collection: &mut Collection, _: &Depot) {
    keep_items(collection, |item| item.name != "large");
}

/// Puts edited assertions in the place of the large snap's.
fn edit(collection: &mut Collection, depot: &Depot, change: impl Fn(String) -> String) {
    let proof = item(collection).proof.clone().unwrap();
    let entry = collection.proofs.iter_mut().find(|entry| entry.path == proof).unwrap();
    let text = String::from_utf8(depot.read(&entry.sha256, 1 << 20).unwrap()).unwrap();
    entry.sha256 = put(depot, change(text).as_bytes());
}

/// The stream without its assertion of the type `kind`.
fn without(stream: String, kind: &str) -> String {
    let starts: Vec<usize> = stream
        .match_indices("type: ")
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || stream[..*at].ends_with("\n\n"))
        .collect();
    let start = *starts.iter().find(|at| stream[**at..].starts_with(&format!("type: {kind}\n"))).unwrap();
    let end = starts.iter().find(|at| **at > start).copied().unwrap_or(stream.len());
    let rest = format!("{}{}", &stream[..start], &stream[end..]);
    format!("{}\n", rest.trim_end())
}

fn needless(collection: &mut Collection, depot: &Depot) {
    let stranger = authority().account("strangerstrangerstrangerstranger", "stranger", "unproven");
    let stranger = String::from_utf8(stranger.sign(&authority().store).unwrap()).unwrap();
    edit(collection, depot, |text| format!("{text}\n{stranger}"));
}

fn expired_key(collection: &mut Collection, depot: &Depot) {
    let revision = revision(collection);
    let said = by_an_expired_key(authority(), "large", revision, &snap("large", revision));
    edit(collection, depot, |_| String::from_utf8(said.clone()).unwrap());
}

fn other_root(collection: &mut Collection, depot: &Depot) {
    let revision = revision(collection);
    let other = assertions(TestAuthority::shared().unwrap(), "large", revision, &snap("large", revision));
    edit(collection, depot, |_| String::from_utf8(other.clone()).unwrap());
}
