//! Worlds of files of which nothing is known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gapferry::cli::Exit::{self, VerificationFailed};
use gapferry::collection::{Collection, Item, Publish};
use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::kind::Kind;
use gapferry::label::Label;

use super::lies::{Lie, Truth, add_file, add_item, add_proof, lie_ending, path, put};
use super::os_images::noise;
use super::world::{Content, Role};
use crate::apt_client::run;

/// A folder of files with their sums: some compress and some do not, one is the same in every state, one is large and differs in
/// a few bytes, one has a long name.
pub(crate) struct Files;

impl Content for Files {
    fn publish(&self, upstream: &Path, number: u32) {
        let folder = upstream.join("files");
        let _ = fs::remove_dir_all(&folder); // what is there is of another state
        let long = format!("docs/long-{}/end", "name-".repeat(20));
        let mut sums = String::new();
        let mut large = noise(280_000, 1 << 41);
        large.splice(100_000..100_050, noise(100, u64::from(number)));
        for (name, bytes) in [
            ("noise", noise(150_000, u64::from(number))),
            ("docs/text", format!("state {number} says it over and over ").repeat(5000).into_bytes()),
            ("same", noise(20_000, 1 << 40)),
            ("large", large),
            (long.as_str(), format!("deep {number}").into_bytes()),
        ] {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            sums += &format!("{}  {name}\n", Sha256::of(&bytes));
            fs::write(folder.join(name), bytes).unwrap();
        }
        fs::write(folder.join("SUMS"), sums).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let folder = upstream.join("files");
        let (sum, same) = (Sha256::of(&noise(20_000, 1 << 40)), url::Url::from_file_path(folder.join("same")).unwrap());
        format!(
            "[[files]]\nname = \"tools\"\nfrom = \"{}\"\n\n[[files]]\nname = \"tools\"\nurl = \"{same}\"\nsha256 = \"{sum}\"\n\
             to = \"fetched/once\"\n",
            folder.display()
        )
    }

    fn pins(&self, _: &Path) -> Vec<(Label, PathBuf)> {
        Vec::new() // nobody signs them
    }

    fn allows(&self) -> Vec<Label> {
        vec!["tools".parse().unwrap()]
    }

    fn check(&self, folder: &Path) {
        let mut command = Command::new("sha256sum");
        let sums = run(command.args(["--strict", "-c", "SUMS"]).current_dir(folder.join("files/tools")));
        assert_eq!(sums.lines().count(), 5, "{sums}");
        assert_eq!(fs::read(folder.join("files/tools/fetched/once/same")).unwrap(), noise(20_000, 1 << 40));
    }

    fn undated(&self, _: &Path, _: &str) -> Option<String> {
        None // the site signs nothing of it
    }

    fn dated(&self) -> bool {
        false
    }

    fn kills(&self) -> usize {
        20
    }

    /// Its bundles use most of the format: patches, deltas and recovery data.
    fn role(&self) -> Role {
        Role::Leading
    }

    fn recovery(&self) -> bool {
        true
    }

    fn deltas(&self) -> bool {
        true
    }

    fn lies(&self) -> Vec<Lie> {
        const OTHER: &str = "do not vouch for";
        vec![
            lie_ending(
                "a file is swapped behind its item",
                |c, d| c.files.values_mut().take(1).for_each(|to| *to = put(d, b"evil")),
                VerificationFailed,
                OTHER,
            ),
            lie_ending("an item's version is another", |c, _| item(c).version = "0".into(), VerificationFailed, OTHER),
            lie_ending("an item's name is another", |c, _| item(c).name = "sudo".into(), VerificationFailed, OTHER),
            lie_ending(
                "an item names a publisher",
                |c, _| item(c).publisher = "Canonical".into(),
                VerificationFailed,
                OTHER,
            ),
            lie_ending(
                "a proof of nothing",
                |c, d| add_proof(c, "same.sig", put(d, b"x")),
                VerificationFailed,
                "is no proof of a kind",
            ),
            lie_ending("an item claims a proof", claimed, VerificationFailed, "is no proof of a kind"),
            lie_ending(
                "files are said to be packages",
                |c, _| c.kind = Kind::Apt,
                VerificationFailed,
                "has the details of another kind",
            ),
            lie_ending(
                "files are said to be exports",
                |c, _| c.kind = Kind::EnterpriseStore,
                VerificationFailed,
                OTHER,
            ),
            lie_ending(
                "files are said to be images of one's own",
                |c, _| c.kind = Kind::OsImages,
                VerificationFailed,
                "has the details of another kind",
            ),
            lie_ending(
                "files are of a source that is allowed nothing",
                |c, _| c.source = "other".parse().unwrap(),
                Exit::Refused,
                "keys and policy go by source",
            ),
        ]
    }

    fn truths(&self) -> Vec<Truth> {
        vec![
            Truth { name: "nothing is changed", tell: |_, _| () },
            Truth { name: "another file", tell: another },
            Truth { name: "re-indexed, which changes nothing", tell: |c, _| c.publish = Publish::ReIndexed },
        ]
    }
}

fn item(collection: &mut Collection) -> &mut Item {
    collection.items.iter_mut().find(|item| item.name == "noise").unwrap()
}

fn claimed(collection: &mut Collection, depot: &Depot) {
    add_proof(collection, "noise.sig", put(depot, b"x"));
    item(collection).proof = Some(path("noise.sig"));
}

fn another(collection: &mut Collection, depot: &Depot) {
    add_file(collection, depot, "evil");
    let version = collection.files[&path("evil")].to_hex()[..12].to_owned();
    let other = Item { file: path("evil"), name: "evil".into(), version, ..item(collection).clone() };
    add_item(collection, other);
}
