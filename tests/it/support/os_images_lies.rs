//! What a lying builder can do to images of other operating systems.

use gapferry::collection::{Collection, Item, Proof};
use gapferry::depot::Depot;
use gapferry::formats::openpgp::SiteKey;
use gapferry::formats::os_image::{OsImage, Via};
use gapferry::kind::{Details, Kind};
use gapferry::origin::Origin;
use gapferry::path::PublishPath;
use gapferry::time::Time;

use super::lies::{Lie, Truth, add_item, add_proof, lie, of_kind, of_suite, path, put, refused};
use super::os_images::{long_name, noise, signature};

const NOT_VOUCHED: &str = "do not vouch for";
const NOT_SIGNED: &str = "is not vouched for by the keys pinned here";
const NO_IMAGE: &str = "is no image that MAAS takes";

/// Every lie.
pub(crate) fn lies() -> Vec<Lie> {
    vec![
        lie("a signed image is swapped for an evil one", |c, d| swap(c, d, b"evil"), NOT_SIGNED),
        lie("a signed image is swapped for another of the site's", swapped_for_windows, NOT_SIGNED),
        refused("an image that nobody signs is another", other_windows, "has other bytes than before"),
        lie("a signature is another's", |c, d| resign(c, d, by_another_key), NOT_SIGNED),
        lie("a signature is over another image", |c, d| resign(c, d, |_| signature(b"other").into_bytes()), NOT_SIGNED),
        lie("a signature is none", |c, d| resign(c, d, |_| b"signed, honestly".to_vec()), NOT_SIGNED),
        lie("an evil image comes with a signature by another key", evil_and_signed, NOT_SIGNED),
        lie("a signed image names no proof", |c, _| centos(c).proof = None, "is no proof of a kind"),
        lie("a signed image's proof is dropped", |c, _| c.proofs.clear(), NOT_VOUCHED),
        lie("an image names another's proof", |c, _| windows(c).proof = Some(sig(CENTOS)), NOT_VOUCHED),
        lie("a proof of nothing", |c, d| add_proof(c, "x.sig", put(d, b"x")), "is no proof of a kind"),
        lie("a version is another", |c, _| centos(c).version = "99990101".into(), NOT_VOUCHED),
        lie("an architecture is another", |c, _| centos(c).architecture = "arm64".into(), NOT_VOUCHED),
        lie("a name is another", |c, _| centos(c).name = "rhel/9".into(), NOT_VOUCHED),
        lie("an operating system is another", |c, _| image(centos(c)).os = "rhel".into(), NOT_VOUCHED),
        lie("a release is another", |c, _| image(centos(c)).release = "8".into(), NOT_VOUCHED),
        lie(
            "a type is another",
            |c, _| image(centos(c)).filetype = serde_json::from_str("\"txz\"").unwrap(),
            NOT_VOUCHED,
        ),
        lie("a publisher is named", |c, _| centos(c).publisher = "CentOS".into(), NOT_VOUCHED),
        lie("a licence is named", |c, _| centos(c).licence = "GPL".into(), NOT_VOUCHED),
        lie("an item is no image", |c, _| centos(c).details = of_a_file(), "has the details of another kind"),
        lie("a title steers a terminal", |c, _| image(centos(c)).title = "\u{1b}[2J".into(), NO_IMAGE),
        lie("an image of Ubuntu", |c, _| image(centos(c)).os = "ubuntu".into(), NO_IMAGE),
        lie("a base for what needs none", |c, _| image(centos(c)).base_image = Some("rhel/9".into()), NO_IMAGE),
        lie("a base that MAAS does not know", |c, _| image(custom(c)).base_image = Some("beos/5".into()), NO_IMAGE),
        lie("a custom image in the stream", |c, _| image(custom(c)).via = Via::Stream, NO_IMAGE),
        lie("a name that the stream takes away", |c, d| add(c, d, ["custom", "9", "1"], |_| ()), "do not go together"),
        lie("a name that MAAS keeps", |c, d| add(c, d, ["custom", "centos7", "1"], |_| ()), NO_IMAGE),
        lie("two versions of one image", two_versions, "do not go together"),
        lie("a file among the metadata", |c, d| moved(c, d, "streams/v1/index.json"), NOT_VOUCHED),
        lie("images are said to be a stream's", |c, _| c.kind = Kind::Images, "has the details of another kind"),
        lie("images are said to be packages", |c, _| of_kind(c, &of_suite("./")), "is for os-images alone"),
    ]
}

/// What the same builder may do.
pub(crate) fn truths() -> Vec<Truth> {
    vec![
        Truth { name: "nothing is changed", tell: |_, _| () },
        Truth {
            name: "a title is the builder's word",
            tell: |c, _| image(centos(c)).title = "CentOS, freshly made".into(),
        },
        Truth { name: "an image is uploaded instead", tell: |c, _| image(windows(c)).via = Via::Upload },
        Truth { name: "the site allows that nobody signs", tell: unsigned },
        Truth { name: "one more image", tell: |c, d| add(c, d, ["custom", "alma9", "1"], |_| ()) },
    ]
}

const CENTOS: &str = "centos/9/amd64/20250102/root.tar.gz";

fn named<'c>(collection: &'c mut Collection, name: &str) -> &'c mut Item {
    collection.items.iter_mut().find(|item| item.name == name).unwrap()
}

fn centos(collection: &mut Collection) -> &mut Item {
    named(collection, "centos/9")
}

fn windows(collection: &mut Collection) -> &mut Item {
    named(collection, "windows/win2022")
}

fn custom(collection: &mut Collection) -> &mut Item {
    named(collection, &format!("custom/{}", long_name()))
}

fn image(item: &mut Item) -> &mut OsImage {
    let Details::OsImage { image, .. } = &mut item.details else { panic!("the item is no image") };
    image
}

fn of_a_file() -> Details {
    Details::File { origin: Origin::Local }
}

fn sig(file: &str) -> PublishPath {
    path(&format!("{file}.sig"))
}

fn swap(collection: &mut Collection, depot: &Depot, bytes: &[u8]) {
    collection.files.insert(path(CENTOS), put(depot, bytes)).unwrap();
}

fn swapped_for_windows(collection: &mut Collection, _: &Depot) {
    let windows = windows(collection).file.clone();
    let other = collection.files[&windows];
    collection.files.insert(path(CENTOS), other).unwrap();
}

fn resign(collection: &mut Collection, depot: &Depot, make: fn(&[u8]) -> Vec<u8>) {
    let bytes = depot.read(&collection.files[&path(CENTOS)], 1 << 20).unwrap();
    let proof: &mut Proof = collection.proofs.iter_mut().find(|proof| proof.path == sig(CENTOS)).unwrap();
    proof.sha256 = put(depot, &make(&bytes));
}

/// A key that calls itself what the pinned one is called.
fn by_another_key(bytes: &[u8]) -> Vec<u8> {
    let made = Time::now().unix() - 60;
    let key = SiteKey::generate("Test Images <images@test.invalid>", made).unwrap();
    key.sign_detached(bytes, made).unwrap().into_bytes()
}

fn evil_and_signed(collection: &mut Collection, depot: &Depot) {
    swap(collection, depot, &noise(5_000, 666));
    resign(collection, depot, by_another_key);
}

/// Adds an image that is uploaded: os, release, version.
fn add(collection: &mut Collection, depot: &Depot, [os, release, version]: [&str; 3], edit: fn(&mut Item)) {
    let mut item = Item { version: version.into(), proof: None, ..custom(collection).clone() };
    edit(&mut item);
    let of_it = image(&mut item);
    (of_it.os, of_it.release) = (os.into(), release.into());
    let (file, name) = (of_it.path("amd64", version).unwrap(), of_it.name());
    (item.file, item.name) = (file, name);
    collection.files.insert(item.file.clone(), put(depot, b"one more"));
    add_item(collection, item);
}

fn two_versions(collection: &mut Collection, depot: &Depot) {
    add(collection, depot, ["custom", &long_name(), "99990101"], |_| ());
}

fn moved(collection: &mut Collection, _: &Depot, at: &str) {
    let item = custom(collection);
    let old = std::mem::replace(&mut item.file, path(at));
    let digest = collection.files.remove(&old).unwrap();
    collection.files.insert(path(at), digest);
    collection.items.sort_by(|a, b| a.file.cmp(&b.file));
}

fn other_windows(collection: &mut Collection, depot: &Depot) {
    let file = windows(collection).file.clone();
    collection.files.insert(file, put(depot, b"other"));
}

fn unsigned(collection: &mut Collection, _: &Depot) {
    collection.proofs.clear();
    collection.items.iter_mut().for_each(|item| item.proof = None);
}
