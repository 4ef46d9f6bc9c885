//! An upstream that goes back: a stale mirror, or a stolen builder key that brings what upstream once signed.

use std::fs;

use gapferry::cli::Exit;
use gapferry::progress::Progress;
use gapferry::site::{ClockTrust, import, rollback};
use gapferry::trust::Overrides;

use crate::support::world::{World, bring, contents};

#[test]
fn an_upstream_that_goes_back_is_refused_on_both_sides() {
    for content in contents().into_iter().filter(|content| content.dated()) {
        let world = World::new(content, "4 GB");
        world.publish(2);
        let newer = world.bundle();
        let site = world.site("site");
        bring(&site, &newer).unwrap();

        fs::remove_dir_all(world.path("upstream")).unwrap();
        fs::create_dir(world.path("upstream")).unwrap();
        world.publish(1);
        let error = world.export().unwrap_err();
        assert_eq!(Exit::from(error.class()), Exit::Refused, "{error}");
        assert!(error.to_string().contains("--allow-older-upstream"), "{error}");
        let older = world.export_with(true).unwrap().folder.unwrap();

        let error = bring(&site, &older).unwrap_err();
        assert_eq!(Exit::from(error.class()), Exit::Refused, "{error}");
        let allow = Overrides { older_upstream: true, ..Overrides::default() };
        import(&site, &older, allow, &Progress::hidden()).unwrap();
        world.content.check(&world.path("site/current"));
        let log = fs::read_to_string(world.path("site/audit.jsonl")).unwrap();
        assert!(log.contains("--allow-older-upstream"), "{log}");

        // What a rollback brings back does not count as upstream's going back, and what was seen is not forgotten.
        rollback(&site, Some(1), ClockTrust::Doubted, &Progress::hidden()).unwrap();
        rollback(&site, Some(2), ClockTrust::Doubted, &Progress::hidden()).unwrap();
        world.publish(3);
        bring(&site, &world.bundle()).unwrap();
    }
}
