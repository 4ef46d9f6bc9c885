//! What readers want of the index, of the signatures, and of the head of each products file.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tree::{At, INDEX, PLAIN_INDEX, Tree, gpgv};
use super::{Rule, collect, safe};

pub(super) const RULES: &[Rule] = &[
    ("the signed index is there", index_is_there),
    ("all .sjson are clear-signed by the site", clear_signed),
    ("all .json are signed beside themselves", detached_signed),
    ("a clear-signed file is its signed block and nothing else", nothing_outside),
    ("the keyring is binary", keyring_is_binary),
    ("the plain index and its files say the same", plain_says_the_same),
    ("the index has its format", index_format),
    ("the index tells when it was made", index_updated),
    ("the index is not empty", index_not_empty),
    ("an entry has path, updated and products", entry_tags),
    ("an entry's datatype and format are known", entry_words),
    ("an entry has no tag that the reader gives it", entry_reserved),
    ("an entry's path is safe", entry_path_safe),
    ("an entry's file is there", entry_file),
    ("an entry lists the products of its file", entry_products),
    ("no two entries share a file", entry_file_once),
    ("a file has the content id of its entry", list_content_id),
    ("a file's datatype is known", list_datatype),
    ("a file tells when it was made", list_updated),
    ("a file has its format", list_format),
];

const DATATYPES: [&str; 2] = ["image-ids", "image-downloads"];

fn index_is_there(tree: &Tree) -> Vec<String> {
    collect((!tree.index().is_object()).then(|| format!("{INDEX} is not there, or not readable")))
}

fn clear_signed(tree: &Tree) -> Vec<String> {
    let files = tree.raw.iter().filter(|(path, _)| path.ends_with(".sjson"));
    collect(files.filter_map(|(path, bytes)| Some(format!("{path}: {}", gpgv(&tree.keyring, bytes, None).err()?))))
}

fn detached_signed(tree: &Tree) -> Vec<String> {
    let files = tree.raw.iter().filter(|(path, _)| path.ends_with(".json"));
    collect(files.filter_map(|(path, bytes)| match tree.raw.get(&format!("{path}.gpg")) {
        Some(signature) => Some(format!("{path}: {}", gpgv(&tree.keyring, bytes, Some(signature)).err()?)),
        None => Some(format!("{path}.gpg is not there")),
    }))
}

/// The older readers go by how the text begins; gpgv passes over what stands around the block.
fn nothing_outside(tree: &Tree) -> Vec<String> {
    let whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let [begin, end] = ["-----BEGIN PGP SIGNED MESSAGE-----\n", "-----END PGP SIGNATURE-----"];
        text.starts_with(begin) && text.trim_end().ends_with(end) && text.matches(begin).count() == 1
    };
    let files = tree.raw.iter().filter(|(path, _)| path.ends_with(".sjson"));
    collect(files.filter(|(_, bytes)| !whole(bytes)).map(|(path, _)| format!("{path} is more than one signed block")))
}

/// RFC 4880, 4.2: the first bit of every packet is set; no armor begins so.
fn keyring_is_binary(tree: &Tree) -> Vec<String> {
    let binary = tree.keyring.first().is_some_and(|first| first & 0x80 != 0);
    collect((!binary).then(|| "gpgv cannot read the keyring".to_owned()))
}

fn plain_says_the_same(tree: &Tree) -> Vec<String> {
    let mut wanted = tree.index().clone();
    let mut complaints = Vec::new();
    for entry in tree.entries() {
        let path = entry.value()["path"].as_str().unwrap_or_default();
        let plain = format!("{}.json", path.trim_end_matches(".sjson"));
        if tree.json.get(path) != tree.json.get(&plain) || !tree.json.contains_key(&plain) {
            complaints.push(format!("{plain} is another than {path}"));
        }
        wanted["index"][entry.name]["path"] = plain.into();
    }
    let same = tree.json.get(PLAIN_INDEX) == Some(&wanted);
    complaints.extend((!same).then(|| format!("{PLAIN_INDEX} is another than {INDEX}")));
    complaints
}

fn index_format(tree: &Tree) -> Vec<String> {
    collect((tree.index()["format"] != "index:1.0").then(|| "the index is of no known format".to_owned()))
}

fn index_updated(tree: &Tree) -> Vec<String> {
    collect((!is_time(&tree.index()["updated"])).then(|| "the index has no updated".to_owned()))
}

fn index_not_empty(tree: &Tree) -> Vec<String> {
    collect(tree.entries().is_empty().then(|| "the index names nothing".to_owned()))
}

fn entry_tags(tree: &Tree) -> Vec<String> {
    let whole = |entry: &At<'_>| {
        let value = entry.value();
        let names = value["products"].as_array();
        value["path"].is_string()
            && is_time(&value["updated"])
            && names.is_some_and(|names| names.iter().all(Value::is_string))
    };
    complain(tree.entries(), |entry| !whole(entry), "lacks one of path, updated and products")
}

fn entry_words(tree: &Tree) -> Vec<String> {
    let known = |entry: &At<'_>| {
        let datatype = entry.own("datatype").is_none_or(|datatype| DATATYPES.iter().any(|known| datatype == known));
        datatype && entry.value()["format"] == "products:1.0"
    };
    complain(tree.entries(), |entry| !known(entry), "is of no known datatype or format")
}

/// MAAS 3.8 hands the key over as `name`, besides all tags.
fn entry_reserved(tree: &Tree) -> Vec<String> {
    complain(tree.entries(), |entry| entry.own("name").is_some(), "has a tag called name")
}

fn entry_path_safe(tree: &Tree) -> Vec<String> {
    complain(tree.entries(), |entry| !safe(&entry.value()["path"]), "has a path that leaves the tree")
}

fn entry_file(tree: &Tree) -> Vec<String> {
    let is_there = |entry: &At<'_>| {
        let path = entry.value()["path"].as_str().unwrap_or_default();
        path.ends_with(".sjson") && tree.json.get(path).is_some_and(Value::is_object)
    };
    complain(tree.entries(), |entry| !is_there(entry), "names a file that is not there, or not signed")
}

fn entry_products(tree: &Tree) -> Vec<String> {
    let same = |entry: &At<'_>| {
        let list = entry.value()["path"].as_str().and_then(|path| tree.json.get(path))?;
        let names = list["products"].as_object()?.keys().map(String::as_str).collect::<BTreeSet<&str>>();
        let named = entry.value()["products"].as_array()?;
        let listed = named.iter().map(Value::as_str).collect::<Option<BTreeSet<&str>>>()?;
        Some(names == listed && listed.len() == named.len())
    };
    complain(tree.entries(), |entry| same(entry) != Some(true), "lists other products than its file has")
}

fn entry_file_once(tree: &Tree) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let entries = tree.entries().into_iter();
    let again = entries.filter(|entry| !seen.insert(entry.value()["path"].as_str().map(str::to_owned)));
    collect(again.map(|entry| entry.says("names the file of another entry")))
}

fn list_content_id(tree: &Tree) -> Vec<String> {
    complain(tree.lists(), |list| list.value()["content_id"] != list.name, "has another content id than its entry")
}

fn list_datatype(tree: &Tree) -> Vec<String> {
    let known = |list: &At<'_>| DATATYPES.iter().any(|known| list.value()["datatype"] == *known);
    complain(tree.lists(), |list| !known(list), "is of no known datatype")
}

fn list_updated(tree: &Tree) -> Vec<String> {
    complain(tree.lists(), |list| !is_time(&list.value()["updated"]), "has no updated")
}

fn list_format(tree: &Tree) -> Vec<String> {
    complain(tree.lists(), |list| list.value()["format"] != "products:1.0", "is of no known format")
}

/// RFC 2822, in the one form that MAAS 3.8 parses.
fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| jiff::Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", text).is_ok())
}

fn complain(of: Vec<At<'_>>, is_bad: impl Fn(&At<'_>) -> bool, complaint: &str) -> Vec<String> {
    of.iter().filter(|at| is_bad(at)).map(|at| at.says(complaint)).collect()
}
