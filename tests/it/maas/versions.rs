//! Behaviour of some versions of MAAS alone, and changes of the site that ask for it.

use std::fs;

use gapferry::cli::Exit;
use serde_json::{Value, json};

use super::Case;
use super::version::{ALL, Version};
use crate::support::desk::Desk;

/// A second collection of the images of jammy.
fn again(desk: &Desk) -> String {
    let (url, keyring) = (desk.url("up/stable"), desk.path("keyring.gpg"));
    format!(
        "\n[[images]]\nname = \"again\"\nurl = \"{url}\"\nkeyring = \"{}\"\nfilter = [\"release=jammy\"]\n",
        keyring.display()
    )
}

#[test]
fn two_sources_with_one_image_have_to_be_chosen_from() {
    let mut case = Case::with(Version::V3_7, "re-indexed", "--keyring again=keyring.gpg", again);
    for version in [Version::V3_7, Version::V3_8] {
        case.install(version);
        let words = ["again and maas both publish ubuntu/jammy/amd64", "--images NAME"];
        case.apply("").says(Exit::Usage, &words);
        assert_eq!(case.maas.count(), 0);
        case.apply("--images maas").ok();
        case.is_set_up();
    }
}

/// An import that began before the source was made neither reads it nor brings its images.
#[test]
fn an_import_of_somebody_else_is_waited_for_and_another_is_asked_for() {
    let mut case = Case::new(Version::V3_5, "re-indexed");
    for version in ALL {
        case.install(version);
        case.maas.model().begin_other_import(3);
        case.apply("").ok();
        case.is_set_up();
    }
    {
        let mut model = case.maas.model();
        model.resources.clear();
        model.begin_other_import(2);
    }
    case.maas.changes();
    let done = case.apply("").ok();
    assert!(done.err.contains("plan: wait for the import of ubuntu/jammy/amd64"), "{}", done.err);
    assert_eq!(case.maas.changes(), ["POST /MAAS/api/2.0/boot-resources/?op=import"]);
    case.is_set_up();
}

/// MAAS 3.8 imports by rows that a PUT only adds to.
#[test]
fn an_architecture_is_dropped_with_its_selection() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.apply("").ok();
    let drop_in = |case: &Case| {
        let mut model = case.maas.model();
        let found = model.selections.iter().find(|((of, _), selection)| *of != 1 && selection["release"] == "noble");
        let (source, id) = *found.unwrap().0;
        model.selections.get_mut(&(source, id)).unwrap()["arches"] = json!(["amd64", "arm64"]);
        model.rows.insert((source, "ubuntu".into(), "noble".into(), "arm64".into()));
        (source, id)
    };
    // Of the release that MAAS commissions with it cannot be dropped.
    drop_in(&case);
    case.maas.changes();
    let kept = case.apply("").ok();
    assert!(kept.err.contains("MAAS goes on asking for ubuntu/noble for arm64"), "{}", kept.err);
    assert_eq!(case.maas.changes(), [""; 0]);
    case.maas.model().settings.insert("commissioning_distro_series".into(), json!("jammy"));
    let (source, id) = drop_in(&case);
    case.apply("").ok();
    let selections = format!("/MAAS/api/2.0/boot-sources/{source}/selections/");
    let expected = [
        format!("DELETE {selections}{id}/"),
        format!("POST {selections}"),
        "POST /MAAS/api/2.0/boot-resources/?op=import".to_owned(),
    ];
    assert_eq!(case.maas.changes(), expected);
    case.maas.model().settings.insert("commissioning_distro_series".into(), json!("noble"));
    case.is_set_up();
    case.stays();
}

#[test]
fn a_default_source_with_a_keyring_of_its_own_is_disabled() {
    let case = Case::new(Version::V3_8, "re-indexed");
    {
        let mut model = case.maas.model();
        model.keyrings.insert(1, b"\x99theirs".to_vec());
        model.sources.get_mut(&1).unwrap()["keyring_filename"] = json!("");
    }
    case.apply("").ok();
    case.is_set_up();
    assert_eq!(case.maas.model().keyrings[&1], b"\x99theirs");
    case.stays();
}

/// Sources that an older run or somebody else made without a name get one, and others keep theirs.
#[test]
fn sources_are_named_unless_somebody_named_them() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.apply("").ok();
    let name = |value: Option<Value>| {
        let mut model = case.maas.model();
        let source = model.sources.values_mut().find(|source| source["enabled"] == json!(true)).unwrap();
        let url = source["url"].clone();
        source["name"] = value.unwrap_or(url);
    };
    name(None);
    case.apply("").ok();
    case.is_set_up();
    name(Some(json!("theirs")));
    case.stays();
    case.maas.model().keyrings.values_mut().for_each(|keyring| *keyring = b"\x99old".to_vec());
    case.maas.changes();
    case.apply("").ok();
    let model = case.maas.model();
    assert!(model.sources.values().any(|source| source["name"] == "theirs"), "{:?}", model.sources);
}

#[test]
fn defaults_that_are_not_published_are_set_after_the_import() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.apply("").ok();
    for (os, series) in [("ubuntu", "focal"), ("centos", "8")] {
        {
            let mut model = case.maas.model();
            model.settings.insert("default_osystem".into(), json!(os));
            model.settings.insert("default_distro_series".into(), json!(series));
        }
        case.apply("").ok();
        assert_eq!(case.maas.model().settings["default_distro_series"], json!("noble"));
        case.is_set_up();
    }
    case.stays();
}

/// The site publishes no Ubuntu archive any more, and MAAS's own archive points there still.
#[test]
fn a_lost_archive_is_told_and_reset_when_asked_for() {
    let case = Case::new(Version::V3_7, "re-indexed");
    case.apply("").ok();
    let path = case.desk.path("online/selection.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (start, end) =
        (text.find("[[apt]]\nname = \"ubuntu\"").unwrap(), text.find("[[apt]]\nname = \"own\"").unwrap());
    fs::write(&path, format!("{}{}", &text[..start], &text[end..])).unwrap();
    case.desk.ferry();
    case.maas.changes();
    let told = case.apply("").ok();
    let note = format!("main_archive still points at {}", case.url("apt/ubuntu"));
    assert!(told.err.contains(&note) && told.err.contains("run this again with --reset-archives"), "{}", told.err);
    assert_eq!(case.maas.changes(), [""; 0]);
    case.apply("--reset-archives").ok();
    let main = case.maas.model().repositories[&1].clone();
    assert_eq!((&main["url"], &main["key"]), (&json!("http://archive.ubuntu.com/ubuntu"), &json!("")));
    assert_eq!((&main["disabled_pockets"], &main["enabled"]), (&json!([]), &json!(true)));
    case.maas.changes();
    case.apply("--reset-archives").ok();
    assert_eq!(case.maas.changes(), [""; 0]);
    case.stays();
    case.maas.was_asked_rightly();
}
