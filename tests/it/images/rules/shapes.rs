//! Upstreams that have all that readers want, but not where strict ones look for it.

use serde_json::{Map, Value, json};

use gapferry::upstream::{Signing, Stream, StreamItem, StreamVersion};

use super::{SERIALS, Tree, content_ids, ferried, judged, maas, publish, setting, versions};

/// The same stream, with its tags elsewhere.
fn rearranged(edit: fn(&str, &mut Value)) -> Stream {
    let mut stream = maas(&SERIALS[..2]);
    stream.edit_products = edit;
    stream
}

/// What every item says in the end, with all tags handed down, and where it stands.
fn said(tree: &Tree) -> Vec<String> {
    let keys =
        ["arch", "label", "os", "release", "subarches", "support_eol", "ftype", "kpackage", "path", "sha256", "size"];
    let line = |item: &super::tree::At<'_>| {
        let tags = keys.iter().map(|key| item.inherited(key).map(|tag| tag.to_string().replace('"', "")));
        format!("{} {:?}", item.place, tags.collect::<Vec<_>>())
    };
    tree.items().iter().map(line).collect()
}

/// The objects in the object `key` of `parent`.
fn children<'v>(parent: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Map<String, Value>> {
    parent[key].as_object_mut().unwrap().values_mut().map(|child| child.as_object_mut().unwrap())
}

/// Moves up what all children have in common, as the reference client does to save room.
fn raise(parent: &mut Value, key: &str) {
    let first = children(parent, key).next().unwrap().clone();
    for (tag, value) in first.into_iter().filter(|(_, value)| !value.is_object()) {
        if parent.get(&tag).is_none() && children(parent, key).all(|child| child.get(&tag) == Some(&value)) {
            children(parent, key).for_each(|child| drop(child.remove(&tag)));
            parent[&tag] = value;
        }
    }
}

/// Moves all tags down to the children.
fn lower(parent: &mut Value, key: &str) {
    let tags = parent.as_object().unwrap().clone();
    for (tag, value) in tags.into_iter().filter(|(_, value)| !value.is_object()) {
        parent.as_object_mut().unwrap().remove(&tag);
        for child in children(parent, key) {
            child.entry(&tag).or_insert(value.clone());
        }
    }
}

fn each(parent: &mut Value, key: &str, edit: fn(&mut Value)) {
    parent[key].as_object_mut().unwrap().values_mut().for_each(edit);
}

fn condense(_: &str, file: &mut Value) {
    each(file, "products", |product| {
        each(product, "versions", |version| raise(version, "items"));
        raise(product, "versions");
    });
    raise(file, "products");
}

fn tags_at_versions(_: &str, file: &mut Value) {
    each(file, "products", |product| lower(product, "versions"));
}

fn tags_at_items(_: &str, file: &mut Value) {
    each(file, "products", |product| {
        lower(product, "versions");
        each(product, "versions", |version| lower(version, "items"));
    });
}

/// What a release is called and for how long it is supported changes with time, and upstream may say so per version.
fn versions_that_differ(content_id: &str, file: &mut Value) {
    tags_at_versions(content_id, file);
    each(file, "products", |product| {
        for (name, version) in product["versions"].as_object_mut().unwrap() {
            let subarches = version.get("subarches").and_then(Value::as_str).map(|text| format!("{text},since-{name}"));
            if let Some(subarches) = subarches {
                version["subarches"] = subarches.into();
                version["support_eol"] = if name == SERIALS[0] { "2027-04-30" } else { "2029-04-30" }.into();
            }
            version["label"] = format!("label-{name}").into();
        }
    });
}

fn sizes_as_text(_: &str, file: &mut Value) {
    each(file, "products", |product| {
        each(product, "versions", |version| {
            each(version, "items", |item| item["size"] = item["size"].to_string().into());
        });
    });
}

#[test]
fn tags_at_any_level() {
    let plain = said(&ferried(&maas(&SERIALS[..2]), "keep = 2"));
    for edit in [condense, tags_at_versions, tags_at_items, sizes_as_text] {
        assert_eq!(said(&ferried(&rearranged(edit), "keep = 2")), plain);
    }
}

#[test]
fn versions_whose_tags_differ() {
    let tree = ferried(&rearranged(versions_that_differ), "keep = 2");
    let jammy = |at: &str| at.contains("22.04:amd64:ga-22.04 ");
    for item in tree.items().iter().filter(|item| jammy(&item.place)) {
        let serial = SERIALS.iter().find(|serial| item.place.contains(*serial)).unwrap();
        assert_eq!(item.inherited("label").unwrap(), &json!(format!("label-{serial}")), "{}", item.place);
        assert!(item.inherited("subarches").unwrap().as_str().unwrap().ends_with(serial), "{}", item.place);
    }
    // The strict reader sees one value for all: that of the newest.
    let products = tree.products();
    let product = products.iter().find(|product| product.name.ends_with("22.04:amd64:ga-22.04")).unwrap();
    assert_eq!(product.own("label").unwrap(), &json!(format!("label-{}", SERIALS[1])));
}

/// A bootloader under a content id that has other things too.
fn mixed(serials: &[&str]) -> Stream {
    let mut stream = maas(serials);
    let content_id = stream.ubuntu_id();
    for (os, kind, arch, item) in [
        ("pxelinux", "pxe", "i386", "syslinux"),
        ("grub-efi-signed", "uefi", "amd64", "shim-signed"),
        ("grub-efi", "uefi", "arm64", "grub2-signed"),
        ("grub-ieee1275", "open-firmware", "ppc64el", "grub2"),
    ] {
        let tags = json!({ "arch": arch, "arches": arch, "bootloader-type": kind, "label": "stable", "os": os });
        let source = json!({ "src_package": item, "src_release": "noble", "src_version": "2.0" });
        let path = format!("mixed/{os}/{item}");
        let item = StreamItem { tags: source, ..StreamItem::noise(item, &path, 900) };
        let name = format!("com.ubuntu.maas.stable:1:{os}:{kind}:{arch}");
        stream.product(&content_id, &name, tags, StreamVersion::new("20250101.0", vec![item]));
    }
    stream
}

#[test]
fn a_products_file_that_mixes_kinds_is_split() {
    let (desk, server) = setting(&mixed(&SERIALS[..1]), "filter = [\"os!=centos\"]");
    desk.ferry();
    let split = ["1:bootloader-download", "v3:download:bootloaders", "v3:download:kernels"];
    assert_eq!(content_ids(&judged(&desk)), split);
    publish(&desk, &mixed(&SERIALS[..2]));
    desk.ferry();
    let tree = judged(&desk);
    assert_eq!(content_ids(&tree), split, "names stay what they were");
    assert_eq!(versions(&tree, ":22.04:amd64:"), [SERIALS[1].to_owned()].into());
    drop(server);
}

#[test]
fn a_datatype_that_readers_do_not_know_is_not_handed_on() {
    for (datatype, published) in [("image-downloads", "image-downloads"), ("image-somethings", "image-ids")] {
        let mut stream = maas(&SERIALS[..1]);
        stream.datatype = datatype.into();
        let tree = ferried(&stream, "");
        assert!(tree.entries().iter().all(|entry| entry.value()["datatype"] == published));
    }
}

#[test]
fn a_stream_that_is_signed_beside_itself_is_published_in_both_forms() {
    let mut stream = maas(&SERIALS[..1]);
    let plain = said(&ferried(&stream, ""));
    stream.signing = Signing::Detached;
    assert_eq!(said(&ferried(&stream, "")), plain);
}
