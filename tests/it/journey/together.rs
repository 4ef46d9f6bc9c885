//! Every kind of content in one bundle: one import switches all of them, and one rollback takes all of them back.

use std::collections::BTreeSet;
use std::sync::Arc;

use gapferry::progress::Progress;
use gapferry::site::{ClockTrust, rollback};

use crate::support::together::Together;
use crate::support::world::{World, bring, contents};

#[test]
fn all_kinds_travel_in_one_bundle_and_switch_together() {
    let world = World::new(Arc::new(Together::all()), "64 KiB");
    let site = world.site("site");
    let first = world.bundle();
    bring(&site, &first).unwrap();
    world.content.check(&world.path("site/current"));
    world.publish(2);
    let second = bring(&site, &world.bundle()).unwrap();
    world.content.check(&world.path("site/current"));
    let kinds: BTreeSet<_> = second.generation.published.values().map(|published| published.kind).collect();
    assert!(kinds.len() == contents().len() && second.generation.published.len() == kinds.len(), "{kinds:?}");
    let back = rollback(&site, None, ClockTrust::Doubted, &Progress::hidden()).unwrap();
    world.content.check(&world.path("site/current"));
    assert_eq!(back.published.len(), kinds.len());
    assert_eq!(back.names["base".parse().as_ref().unwrap()].bundle, "dc1-base-000001");
}
