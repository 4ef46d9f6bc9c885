//! An older state that upstream once signed does not come back under another collection name or address.

use std::sync::Arc;

use gapferry::site::{Pinning, pin};

use super::*;
use crate::support::world::{Content, World, bring, each_content_and_flat, manifest_of};

const ADDRESS: &str = "http://archive.example/x";

/// A change to a manifest.
type Edit<'a> = Box<dyn Fn(&mut ReadBundle) + 'a>;

each_content_and_flat!(older_states_are_refused_under_any_name);
fn older_states_are_refused_under_any_name(content: Arc<dyn Content>) {
    let world = World::new(content, "4 GB");
    if !world.content.dated() || world.content.pins(&world.path("upstream")).is_empty() {
        return; // nothing that upstream dates and signs
    }
    let older = manifest_of(&world.bundle());
    world.publish(2);
    let newer = manifest_of(&world.bundle());
    let site = world.site("site");
    let (source, keyring) = world.content.pins(&world.path("upstream")).remove(0);
    let second = "a".parse().unwrap();
    pin(&site, &second, &keyring, Pinning::First).unwrap();
    let depot = Depot::open(&world.path("online/workspace/depot")).unwrap();
    let out = world.path("forged");
    let mut sequence = newer.sequence;
    let mut make = |edit: &dyn Fn(&mut ReadBundle)| {
        let _ = fs::remove_dir_all(&out);
        sequence = sequence.next();
        repack(&newer, &[], &depot, (&out, &world.key), |manifest| {
            manifest.sequence = sequence;
            manifest.collections.iter_mut().for_each(|collection| collection.origin = ADDRESS.into());
            edit(manifest);
        })
    };
    bring(&site, &make(&|_| ())).unwrap();
    let old = |name: &str, of: &str, origin: &str| {
        let mut collection = older.collections[0].clone();
        (collection.name, collection.source) = (name.parse().unwrap(), of.parse().unwrap());
        collection.origin = origin.into();
        collection
    };
    let own = source.as_str();
    let cases: [(&str, Edit<'_>); 6] = [
        ("a second name of the source", Box::new(|m| m.collections.push(old("a", own, ADDRESS)))),
        ("a second source beside it", Box::new(|m| m.collections.push(old("a", "a", ADDRESS)))),
        ("a second source instead", Box::new(|m| m.collections = vec![old("a", "a", ADDRESS)])),
        ("another spelling", Box::new(|m| m.collections = vec![old("a", "a", "https://Archive.Example.:444//x/./")])),
        ("the same name, moved", Box::new(|m| m.collections = vec![old(own, own, "http://b.example/")])),
        ("the same name", Box::new(|m| m.collections = vec![old(own, own, ADDRESS)])),
    ];
    for (what, edit) in &cases {
        let error = bring(&site, &make(edit.as_ref())).unwrap_err();
        assert_eq!(Exit::from(error.class()), Exit::Refused, "{what}: {error}");
    }
    bring(&site, &make(&|_| ())).unwrap();
}

#[test]
fn apt_does_not_see_a_package_go_back() {
    let desk = Desk::new();
    archive(&desk, "noble", "hello", "1.0-1");
    desk.select(&desk.table("w", ARCHIVE, "noble main amd64", ""));
    let older = manifest(&bundle(&desk));
    archive(&desk, "noble", "hello", "2.0-1");
    let newest = bundle(&desk);
    desk.init(&["a", "w"], "");
    desk.import(&newest).ok();
    let genuine = Genuine { name: "w", origin: ARCHIVE };
    let spelled = "https://Archive.Example.:444//ubuntu/./";
    refuses_older_states(&desk, [&older, &manifest(&newest)], &genuine, spelled, |_| ());
    let serving = desk.serve();
    assert_eq!(downloads(&client(&desk, &serving, ARCHIVE, "noble"), "hello"), ["hello_2.0-1_amd64.deb"]);
}
