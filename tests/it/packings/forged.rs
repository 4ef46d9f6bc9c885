//! Bundles that a builder signed and that contradict the format: the library and the reader in Python refuse the same.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use gapferry::bundle::packing::PackingParameters;
use gapferry::bundle::packing::volume_files::WrongSize;
use gapferry::digest::Sha256;
use gapferry::error_class::causes;
use gapferry::trust::{MANIFEST_NAMESPACE, PACKING_NAMESPACE, sign};
use serde_json::{Value, json};

use super::{SMALL, mixed, read_all};
use crate::support::bundles::{PackOptions, Packer, Tree, WrittenBundle, open};

/// A change of the text, and what is said of it.
type Lie<T> = (&'static str, fn(&mut T));

/// A bundle that is forged again and again.
struct Forge {
    packer: Packer,
    tree: Tree,
    bundle: WrittenBundle,
    packing: PathBuf,
    /// The forgeries, with copies of the bundles.
    forged: RefCell<Vec<(String, PathBuf)>>,
}

impl Forge {
    fn new() -> Self {
        let (packer, tree) = (Packer::new(), mixed());
        let bundle = packer.state("out", 1, &tree);
        let packing = packer.pack(&bundle, PackOptions::full(SMALL)).unwrap();
        Self { packer, tree, bundle, packing, forged: RefCell::default() }
    }

    fn sign(&self, path: &Path, namespace: &'static str, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap() + "\n";
        fs::write(path, &text).unwrap();
        let signature = sign(&self.packer.key, namespace, text.as_bytes()).unwrap();
        fs::write(path.with_extension("json.sig"), signature).unwrap();
    }

    fn sign_manifest(&self, value: &Value) {
        self.sign(&self.bundle.folder.join("manifest.json"), MANIFEST_NAMESPACE, value);
    }

    fn sign_packing(&self, value: &Value) {
        self.sign(&self.packing.join("packing.json"), PACKING_NAMESPACE, value);
    }

    /// Fails if the library accepts what was forged. Keeps a copy for the reader in Python, and puts all files back.
    fn assert_refused(&self, what: &str, forge: impl FnOnce(&Self)) {
        let files = super::files(&self.bundle.folder);
        forge(self);
        assert!(super::files(&self.bundle.folder) != files, "{what} changes nothing");
        assert!(read_all(&self.bundle.folder, &self.tree).is_err(), "the library takes {what}");
        let mut forged = self.forged.borrow_mut();
        let copy = self.packer.copy(&self.bundle.folder, &format!("forged-{}", forged.len()));
        forged.push((what.to_owned(), copy));
        for (path, bytes) in files {
            fs::write(self.bundle.folder.join(path), bytes).unwrap();
        }
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Reads the lines of a stored list.
fn lines_of(path: &Path) -> Vec<Value> {
    let text = zstd::stream::decode_all(&fs::read(path).unwrap()[..]).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Writes a stored list. Returns what names it.
fn write_lines(path: &Path, lines: &[Value]) -> Value {
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    let stored = zstd::stream::encode_all(text.as_bytes(), 3).unwrap();
    fs::write(path, &stored).unwrap();
    let named = |bytes: &[u8]| (Sha256::of(bytes).to_hex(), bytes.len());
    let ((sha256, size), (stored_sha256, stored_size)) = (named(text.as_bytes()), named(&stored));
    json!({"sha256": sha256, "size": size, "stored": {"sha256": stored_sha256, "size": stored_size}})
}

/// An item that is said to have had other bytes.
fn changed(collection: &str, path: &str) -> Value {
    json!({ "before": "0".repeat(64), "collection": collection, "path": path })
}

#[test]
fn manifests_that_contradict_the_format_are_refused() {
    let forge = Forge::new();
    let manifest = json_of(&forge.bundle.folder.join("manifest.json"));
    let cases: [Lie<Value>; 20] = [
        ("another format", |m| m["format"] = json!(1)),
        ("sequence 0", |m| m["sequence"] = json!(0)),
        ("an integer above 2^53 - 1", |m| m["sequence"] = json!(9_007_199_254_740_992_u64)),
        ("a fraction", |m| m["epoch"] = json!(1.5)),
        ("null", |m| m["ticket"] = json!(null)),
        ("an empty text", |m| m["ticket"] = json!("")),
        ("a long text", |m| m["ticket"] = json!("x".repeat(4097))),
        ("an unknown key", |m| m["extra"] = json!(1)),
        ("a missing key", |m| drop(m.as_object_mut().unwrap().remove("epoch"))),
        ("an empty optional list", |m| m["overrides"] = json!([])),
        ("unsorted overrides", |m| m["overrides"] = json!(["b", "a"])),
        ("an expiry before its creation", |m| m["expires"] = m["created"].clone()),
        ("unsorted collections", |m| m["collections"].as_array_mut().unwrap().reverse()),
        ("reprepro for files", |m| m["collections"][0]["publish"] = json!("reprepro")),
        ("a label with a dot", |m| m["name"] = json!("a.b")),
        ("a changed item of no collection", |m| m["changed_items"] = json!([changed("files/z", "a")])),
        ("unsorted changed items", |m| m["changed_items"] = json!([changed("files/a", "b"), changed("files/a", "a")])),
        ("an empty list of changed items", |m| m["changed_items"] = json!([])),
        ("more changed items than none", |m| m["more_changed_items"] = json!(1)),
        ("another number of lines", |m| m["collections"][0]["files"] = json!(1)),
    ];
    for (what, edit) in cases {
        forge.assert_refused(what, |forge| {
            let mut value = manifest.clone();
            edit(&mut value);
            forge.sign_manifest(&value);
        });
    }
    forge.packer.assert_python_refuses(&forge.forged.borrow());
}

#[test]
fn item_lists_that_contradict_the_format_are_refused() {
    let forge = Forge::new();
    let (path, manifest) =
        (forge.bundle.folder.join("items/files-a.jsonl.zst"), json_of(&forge.bundle.folder.join("manifest.json")));
    let lines = lines_of(&path);
    let cases: [Lie<Vec<Value>>; 14] = [
        ("a path twice", |l| l[2]["path"] = l[1]["path"].clone()),
        ("unsorted items", |l| l.swap(1, 2)),
        ("a proof behind items", |l| l.rotate_left(1)),
        ("a file as folder", |l| l[2]["path"] = json!(format!("{}/x", l[1]["path"].as_str().unwrap()))),
        ("a proof as folder", |l| {
            l.truncate(2);
            l[1]["path"] = json!("proofs/index/x");
        }),
        ("a path out of the tree", |l| l[1]["path"] = json!("../a")),
        ("a hidden file", |l| l[1]["path"] = json!("a/.b")),
        ("a long component", |l| l[1]["path"] = json!("a".repeat(201))),
        ("an unknown key", |l| l[1]["extra"] = json!("x")),
        ("an empty optional text", |l| l[1]["licence"] = json!("")),
        ("no signers", |l| l[0]["signed_by"] = json!([])),
        ("unsorted signers", |l| l[0]["signed_by"] = json!(["b", "a"])),
        ("another type", |l| l[1]["type"] = json!("thing")),
        ("a blob of two sizes", |l| l[2]["sha256"] = l[1]["sha256"].clone()),
    ];
    for (what, edit) in cases {
        forge.assert_refused(what, |forge| {
            let (mut lines, mut value) = (lines.clone(), manifest.clone());
            edit(&mut lines);
            value["collections"][0]["list"] = write_lines(&path, &lines);
            value["collections"][0]["files"] = json!(lines.len());
            value["collections"][0]["bytes"] =
                json!(lines.iter().map(|line| line["size"].as_u64().unwrap()).sum::<u64>());
            forge.sign_manifest(&value);
        });
    }
    forge.packer.assert_python_refuses(&forge.forged.borrow());
}

#[test]
fn packings_that_contradict_the_format_are_refused() {
    let forge = Forge::new();
    let packing = json_of(&forge.packing.join("packing.json"));
    let cases: [Lie<Value>; 9] = [
        ("another format", |p| p["format"] = json!(1)),
        ("another manifest", |p| p["parameters"]["manifest"] = json!("0".repeat(64))),
        ("another ID than its folder", |p| p["parameters"]["volume_size"] = json!(1 << 20)),
        ("patches that are not true", |p| p["parameters"]["patches"] = json!(1)),
        ("no volumes", |p| p["volumes"] = json!([])),
        ("a volume above the volume size", |p| p["volumes"][0]["size"] = json!((64 << 10) + 1)),
        ("a volume less", |p| drop(p["volumes"].as_array_mut().unwrap().pop())),
        ("volumes in another order", |p| p["volumes"].as_array_mut().unwrap().swap(0, 1)),
        ("an unknown key", |p| p["extra"] = json!(1)),
    ];
    for (what, edit) in cases {
        forge.assert_refused(what, |forge| {
            let mut value = packing.clone();
            edit(&mut value);
            forge.sign_packing(&value);
        });
    }
    forge.packer.assert_python_refuses(&forge.forged.borrow());
}

#[test]
fn more_volumes_than_are_allowed_in_all_packings_are_refused() {
    let forge = Forge::new();
    let mut packing = json_of(&forge.packing.join("packing.json"));
    packing["volumes"] = json!(vec![packing["volumes"][0].clone(); 9999]);
    let folders = forge.bundle.folder.join("packings");
    let write = |number: u64| {
        let mut value = packing.clone();
        value["parameters"]["volume_size"] = json!((64 << 10) + 512 * number);
        let parameters: PackingParameters = serde_json::from_value(value["parameters"].clone()).unwrap();
        let folder = folders.join(parameters.id().unwrap());
        fs::create_dir(&folder).unwrap();
        forge.sign(&folder.join("packing.json"), PACKING_NAMESPACE, &value);
    };
    fs::remove_dir_all(&forge.packing).unwrap();
    (1..=4).for_each(write);
    let is_builder = |_: &_| Ok(());
    let search = |bundle: &Path| open(bundle).unwrap().packings(WrongSize::Missing, is_builder);
    assert_eq!(search(&forge.bundle.folder).unwrap().found.len(), 4);
    write(5);
    let refused = causes(&search(&forge.bundle.folder).unwrap_err()).join(": ");
    assert!(refused.contains("more than 40000 volumes in all packings"), "{refused}");
    forge.packer.assert_python_refuses(&[("too many volumes".to_owned(), forge.bundle.folder.clone())]);
}

#[test]
fn indexes_that_contradict_the_format_are_refused() {
    let forge = Forge::new();
    let (path, packing) = (forge.packing.join("volume-001.idx"), json_of(&forge.packing.join("packing.json")));
    let lines = lines_of(&path);
    // The proof, compressed; an empty file; the first part of a large one.
    assert_eq!(lines.len(), 3, "{lines:?}");
    let cases: [Lie<Vec<Value>>; 20] = [
        ("no part", Vec::clear),
        ("a part less", |l| drop(l.pop())),
        ("a part twice", |l| l.push(l[2].clone())),
        ("parts in another order", |l| l.swap(0, 1)),
        ("a blob of no list", |l| l[1]["blob"] = json!("0".repeat(64))),
        ("another name", |l| l[1]["name"] = json!("files/a/other")),
        ("a name out of the tree", |l| l[1]["name"] = json!("../a")),
        ("a number without parts", |l| l[1]["name"] = json!("files/a/empty.part000001")),
        ("no number", |l| l[2]["name"] = json!("files/a/large")),
        ("another number", |l| l[2]["name"] = json!("files/a/large.part000002")),
        ("a short number", |l| l[2]["name"] = json!("files/a/large.part0001")),
        ("another offset", |l| l[1]["offset"] = json!(l[1]["offset"].as_u64().unwrap() + 512)),
        ("another start", |l| l[2]["start"] = json!(1)),
        ("another length", |l| l[2]["length"] = json!(l[2]["length"].as_u64().unwrap() - 512)),
        ("a length beyond the blob", |l| l[1]["length"] = json!(1)),
        ("another encoding", |l| l[0]["encoding"] = json!("raw")),
        ("an unknown encoding", |l| l[0]["encoding"] = json!("xz")),
        ("a patch without a base", |l| l[0]["encoding"] = json!("patch")),
        ("a needless digest", |l| l[1]["sha256"] = l[1]["blob"].clone()),
        ("a base of another part", |l| l[0]["base"] = json!({"length": 1, "sha256": "0".repeat(64), "start": 0})),
    ];
    for (what, edit) in cases {
        forge.assert_refused(what, |forge| {
            let (mut lines, mut value) = (lines.clone(), packing.clone());
            edit(&mut lines);
            value["volumes"][0]["index"] = write_lines(&path, &lines);
            forge.sign_packing(&value);
        });
    }
    forge.packer.assert_python_refuses(&forge.forged.borrow());
}
