//! The bundle format.

use std::sync::Arc;

use crate::support::debs::Debs;
use crate::support::world::{World, bring};

#[test]
fn the_small_world_has_all_that_the_format_knows() {
    let world = World::new(Arc::new(Debs::small()), "64 KiB");
    let bundle = world.bundle();
    let site = world.site("site");
    bring(&site, &bundle).unwrap();
    world.content.check(&world.path("site/current"));
}
