//! `import --dry-run` foretells what the import does, for each kind of content, and changes nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gapferry::progress::Progress;
use gapferry::site::{InOrder, NewSite, Rehearsed, Site, SiteError, find, import, init, rehearse_found};
use gapferry::trust::{Overrides, TrustFile};
use serde_json::{Value, json};

use crate::support::desk::end;
use crate::support::snapshot::{contents_of, difference};
use crate::support::world::{Content, World, bring, each_content_and_flat};

/// Rehearses the import of what is in the folder `path`.
pub(crate) fn rehearse(site: &Site, path: &Path, allow: Overrides) -> Result<InOrder<Rehearsed>, SiteError> {
    let found = find(site, &[path.to_owned()])?;
    rehearse_found(site, found, allow, &|_| {}, &Progress::hidden())
}

each_content_and_flat!(
    a_dry_run_accepts_what_the_import_accepts_and_changes_nothing,
    a_dry_run_refuses_what_the_site_pins_no_keys_for,
    a_dry_run_refuses_an_upstream_that_goes_back
);

/// Two bundles, of which the second builds on the first.
fn a_dry_run_accepts_what_the_import_accepts_and_changes_nothing(content: Arc<dyn Content>) {
    let world = World::with_recovery(content, "64 KiB");
    world.hurt(&world.bundle());
    world.publish(2);
    world.bundle();
    world.site("site");
    let seen = || contents_of(&world.path("site"), |path| path != Path::new("lock"));
    let before = seen();
    let run = |more: &[&str]| -> Value {
        let arguments = [&["import", "medium", "--site", "site", "--json", "--quiet"], more].concat();
        end(&mut world.gapferry(&arguments)).ok().json()
    };
    let dry = run(&["--dry-run"]);
    assert_eq!(difference(&before, &seen()), None, "the site was changed");
    assert_eq!(dry["checked"], json!(["signature", "policy", "space", "bytes", "proofs", "dates"]));
    let done = run(&[]);
    assert_eq!((&dry["bundles"], &dry["repaired"]), (&done["bundles"], &done["repaired"]));
    assert_eq!(done["bundles"].as_array().unwrap().len(), 2);
    world.content.check(&world.path("site/current"));
}

fn a_dry_run_refuses_what_the_site_pins_no_keys_for(content: Arc<dyn Content>) {
    let world = World::new(content, "4 GB");
    let bundle = world.bundle();
    let new = NewSite {
        name: "dc1".parse().unwrap(),
        trust: TrustFile::of_builder(&"dc1".parse().unwrap(), &world.key.public()),
        allow_unsigned: Default::default(),
        keyrings: Vec::new(),
        key_algorithm: Default::default(),
    };
    let site = init(&world.path("site"), &new).unwrap();
    let foretold = rehearse(&site, &bundle, Overrides::default());
    match bring(&site, &bundle) {
        // Snaps are verified down to the store's root, which no site pins.
        Ok(_) => drop(foretold.unwrap()),
        Err(error) => assert_eq!(foretold.unwrap_err().to_string(), error.to_string()),
    }
}

fn a_dry_run_refuses_an_upstream_that_goes_back(content: Arc<dyn Content>) {
    if !content.dated() {
        return; // upstream's metadata has no date that could go back
    }
    let world = World::new(content, "4 GB");
    world.publish(2);
    let newer = world.bundle();
    let site = world.site("site");
    bring(&site, &newer).unwrap();
    fs::remove_dir_all(world.path("upstream")).unwrap();
    fs::create_dir(world.path("upstream")).unwrap();
    world.publish(1);
    let older = world.export_with(true).unwrap().folder.unwrap();
    let foretold = rehearse(&site, &older, Overrides::default()).unwrap_err();
    assert_eq!(foretold.to_string(), bring(&site, &older).unwrap_err().to_string());
    let allow = Overrides { older_upstream: true, ..Overrides::default() };
    let checked = rehearse(&site, &older, allow).unwrap().last.checked;
    assert_eq!(serde_json::to_value(checked).unwrap(), json!(["signature", "policy", "space", "bytes", "proofs"]));
    import(&site, &older, allow, &Progress::hidden()).unwrap();
}
