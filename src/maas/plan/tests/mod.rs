//! Plans over a model of MAAS that does what it is told.

mod model;

use proptest::prelude::*;
use serde_json::json;

use self::model::*;
use super::*;
use crate::maas::answers::BootSelection;

#[test]
fn images_are_uploaded_once_and_again_when_they_differ() {
    let (old, new) = (upload("custom/rocky9", "rocky9", b"old"), upload("custom/rocky9", "rocky9", b"new"));
    let wanted = WantedState { uploads: vec![new.clone()], ..wanted() };
    let mut state = fresh(Since38);
    let first = plan(&state, &wanted);
    let place = |word: &str| words(&first).iter().position(|found| *found == word).unwrap();
    assert!(place("import") < place("upload"));
    let text = first.changes[place("upload")].to_string();
    assert_eq!(text, "upload custom/rocky9 for amd64/generic (3 B)");
    settle(&mut state, &wanted);
    let asks = |resources: Vec<Resource>| words(&plan(&MaasState { uploaded: resources, ..state.clone() }, &wanted));
    assert_eq!(asks(vec![uploaded(&new, "1")]), [""; 0]);
    assert_eq!(asks(vec![incomplete(uploaded(&new, "1"))]), ["upload"]);
    assert_eq!(asks(vec![uploaded(&old, "1")]), ["upload"]);
    let named = Resource { name: new.name.clone(), ..uploaded(&new, "1") };
    assert_eq!(asks(vec![named]), [""; 0]);
    let elsewhere = Resource { architecture: "arm64/generic".into(), ..uploaded(&new, "1") };
    assert_eq!(asks(vec![elsewhere]), ["upload"]);
    // The set that was made last counts.
    let both = |first: &WantedUpload, last: &WantedUpload| {
        let sets = [uploaded(first, "20250718.9").sets, uploaded(last, "20250718.10").sets];
        vec![Resource { sets: sets.into_iter().flatten().collect(), ..uploaded(&new, "1") }]
    };
    assert_eq!((asks(both(&old, &new)), asks(both(&new, &old))), (vec![], vec!["upload"]));
}

fn words(plan: &MaasPlan) -> Vec<&'static str> {
    plan.changes.iter().map(Change::word).collect()
}

/// Carries plans out until none is left; returns how many there were.
fn settle(state: &mut MaasState, wanted: &WantedState) -> usize {
    for round in 0..4 {
        let plan = plan(state, wanted);
        if plan.changes.is_empty() {
            return round;
        }
        plan.changes.iter().for_each(|change| state.take(change, wanted));
    }
    panic!("there is always more: {:?}", plan(state, wanted));
}

#[test]
fn a_fresh_maas() {
    let wanted = wanted();
    for (release, source) in
        [(Before38, &["update-boot-source"][..]), (Since38, &["disable-boot-source", "add-boot-source"])]
    {
        let mut state = fresh(release);
        let plan = plan(&state, &wanted);
        let repositories = ["update-package-repository", "add-package-repository"];
        let mut expected = [
            &["set"][..],
            source,
            &["set"],
            &repositories,
            &["add-selection", "add-selection", "import", "set", "set"],
        ]
        .concat();
        expected.extend((release == Before38).then_some("delete-selection")); // of the source that is replaced
        assert_eq!(words(&plan), expected, "{plan:?}");
        assert!(plan.changes[0].to_string().contains(NO_PROXY), "{plan:?}");
        assert_eq!(settle(&mut state, &wanted), 1);
        assert_eq!(
            (&state.settings[COMMISSIONING], &state.settings[DEFAULT_SERIES]),
            (&json!("noble"), &json!("noble"))
        );
        let named = state.sources.iter().any(|source| source.name.as_deref() == Some("gapferry-maas"));
        assert_eq!(named, release == Since38);
        assert_eq!(state.sources.iter().filter(|source| source.is_enabled()).count(), 1);
    }
}

#[test]
fn each_difference_is_found_alone() {
    let wanted = wanted();
    let mut settled = fresh(Before38);
    settle(&mut settled, &wanted);
    type Spoil = fn(&mut MaasState);
    let cases: [(Spoil, &[&str]); 17] = [
        (|state| state.sources[0].keyring_data = "eA==".into(), &["update-boot-source"]),
        (|state| state.sources[0].keyring_filename = "/k".into(), &["update-boot-source"]),
        (|state| state.sources[0].enabled = Some(false), &["update-boot-source"]),
        (|state| state.sources[0].name = Some(state.sources[0].url.clone()), &["update-boot-source"]),
        (|state| drop(state.settings.insert(DEFAULT_SERIES.into(), json!("focal"))), &["set"]),
        (
            |state| {
                state.settings.insert(DEFAULT_OSYSTEM.into(), json!("centos"));
                state.settings.insert(DEFAULT_SERIES.into(), json!("8"));
            },
            &["set", "set"],
        ),
        (|state| state.sources[0].skip_keyring_verification = Some(true), &["update-boot-source"]),
        (|state| state.sources[0].selections[0].arches = vec!["amd64".into()], &["update-selection"]),
        (|state| state.sources[0].selections[0].labels = vec!["candidate".into()], &["update-selection"]),
        (|state| drop(state.sources[0].selections.pop()), &["add-selection"]),
        (|state| state.repositories[0].url.push('x'), &["update-package-repository"]),
        (|state| state.repositories[0].key.clear(), &["update-package-repository"]),
        (|state| state.repositories[1].enabled = Some(false), &["update-package-repository"]),
        (|state| state.repositories[0].disabled_pockets.clear(), &["update-package-repository"]),
        (|state| drop(state.settings.insert("enable_analytics".into(), json!(null))), &["set"]),
        (|state| drop(state.settings.insert(COMMISSIONING.into(), json!("xenial"))), &["set"]),
        (|state| state.resources[0].sets = BTreeMap::new(), &["import"]),
    ];
    for (number, (spoil, expected)) in cases.into_iter().enumerate() {
        let mut state = settled.clone();
        spoil(&mut state);
        assert_eq!(words(&plan(&state, &wanted)), expected, "{number}");
        settle(&mut state, &wanted);
    }
    // What differs and does not matter.
    let mut state = settled.clone();
    state.sources[0].url.push('/');
    state.repositories[0].key = format!("\r\n{}\r\n", state.repositories[0].key);
    state.settings.insert(COMMISSIONING.into(), json!("jammy"));
    state.settings.insert(DEFAULT_OSYSTEM.into(), json!("custom"));
    state.settings.insert(DEFAULT_SERIES.into(), json!("theirs"));
    state.uploaded_names.insert("theirs".into());
    state.sources[0].name = Some("a name of their own".into());
    assert_eq!(words(&plan(&state, &wanted)), [""; 0]);
}

#[test]
fn images_are_missing_until_all_kernels_of_the_newest_version_are_whole() {
    let wanted = WantedState { sources: vec![wanted_source("maas", &[("jammy", "amd64")])], ..WantedState::default() };
    let jammy = image("jammy", "amd64");
    let other = resource(&image("jammy", "arm64"), "20250718");
    let whole = |version| resource(&jammy, version);
    for (resources, there) in [
        (vec![], false),
        (vec![other], false),
        (vec![whole("20250717")], false),
        (vec![whole("20250718")], true),
        (vec![whole("20250801")], true),
        (vec![whole("20250718"), whole("20240101")], true),
        (vec![whole("20250718"), incomplete(resource(&jammy, "20250718"))], false),
        (vec![whole("20250718"), Resource { sets: BTreeMap::new(), ..whole("") }], false),
    ] {
        assert_eq!(missing(&resources, &wanted).is_empty(), there, "{resources:?}");
    }
}

#[test]
fn what_is_not_ours_stays() {
    let mut state = fresh(Since38);
    let elsewhere =
        BootSource { id: 5, url: "http://mirror/images/".into(), enabled: Some(true), ..BootSource::default() };
    state.sources.push(elsewhere.clone());
    for (name, url) in [
        ("gapferry-x", "http://other/apt/x"),
        ("mine", "http://gapferry/apt/x"),
        ("gapferry-y", "http://gapferry/apt/y"),
    ] {
        state.repositories.push(PackageRepository {
            id: 9,
            name: name.into(),
            url: url.into(),
            ..PackageRepository::default()
        });
    }
    let plan = plan(&state, &wanted());
    let gone: Vec<_> = plan.changes.iter().filter(|change| change.word() == "delete-package-repository").collect();
    assert!(matches!(gone[..], [Change::DeleteRepository { name, .. }] if name == "gapferry-y"), "{plan:?}");
    assert!(plan.notes.iter().any(|note| note.contains("http://mirror/images/ stays")), "{plan:?}");
    assert!(!plan.changes.iter().any(|change| change.to_string().contains("mirror")));
}

/// From 3.8 on a PUT takes no architecture out of a selection, and the one of the release for commissioning cannot be deleted.
#[test]
fn selections_lose_architectures_as_the_version_allows() {
    let wanted =
        WantedState { sources: vec![wanted_source("maas", &[("jammy", "amd64"), ("noble", "amd64")])], ..wanted() };
    let both = Vec::from(["amd64", "arm64"].map(str::to_owned));
    for (maas, release, expected) in [
        (Before38, "jammy", &["update-selection"][..]),
        (Since38, "jammy", &["replace-selection"]),
        (Since38, "noble", &[]),
    ] {
        let mut state = fresh(maas);
        settle(&mut state, &wanted);
        let source = state.at("http://gapferry/images/maas");
        source.selections.iter_mut().find(|now| now.release == release).unwrap().arches.clone_from(&both);
        let plan = super::plan(&state, &wanted);
        assert_eq!(words(&plan), expected, "{release}");
        let told = plan.notes.iter().any(|note| note.contains("ubuntu/noble for arm64, which is not published"));
        assert_eq!(told, expected.is_empty(), "{:?}", plan.notes);
        settle(&mut state, &wanted);
    }
}

#[test]
fn archives_that_are_lost_are_noted_or_reset() {
    let mut state = fresh(Before38);
    settle(&mut state, &wanted());
    let without = |lost_archives| WantedState { repositories: vec![], lost_archives, ..wanted() };
    let kept = plan(&state, &without(LostArchives::Keep));
    assert_eq!(words(&kept), ["delete-package-repository"]);
    let note = kept.notes.iter().find(|note| note.contains("main_archive still points at http://gapferry/apt/ubuntu"));
    assert!(note.is_some_and(|note| note.contains("--reset-archives")), "{kept:?}");
    settle(&mut state, &without(LostArchives::Reset));
    assert_eq!(state.repositories[0].url, "http://archive.ubuntu.com/ubuntu");
    assert!(state.repositories[0].key.is_empty() && state.repositories[0].disabled_pockets.is_empty());
    // What points elsewhere is somebody's choice.
    state.repositories[0].url = "http://mirror/ubuntu".into();
    for fate in [LostArchives::Keep, LostArchives::Reset] {
        let plan = super::plan(&state, &without(fate));
        assert!(plan.changes.is_empty() && !plan.notes.iter().any(|note| note.contains("main_archive")), "{plan:?}");
    }
}

#[test]
fn names_of_sources_are_taken_once() {
    let mut state = fresh(Since38);
    let other = BootSource {
        id: 4,
        url: "http://other/images/maas".into(),
        name: Some("gapferry-maas".into()),
        enabled: Some(true),
        ..BootSource::default()
    };
    state.sources.push(other);
    settle(&mut state, &wanted());
    let ours = state.at("http://gapferry/images/maas");
    assert_eq!(ours.name.as_deref(), Some("gapferry-maas of http://gapferry/images/maas"));
}

#[test]
fn selections_that_are_kept_by_architecture() {
    let wanted = wanted();
    let mut state = fresh(Since38);
    settle(&mut state, &wanted);
    let source = state.at("http://gapferry/images/maas");
    source.selections = ["amd64", "arm64"]
        .map(|arch| BootSelection {
            id: 50 + arch.len() as u64 + u64::from(arch == "arm64"),
            os: "ubuntu".into(),
            release: "jammy".into(),
            arches: vec![arch.into()],
            ..BootSelection::default()
        })
        .to_vec();
    source.selections.push(BootSelection { id: 60, arches: vec!["s390x".into()], ..source.selections[0].clone() });
    assert_eq!(words(&plan(&state, &wanted)), ["add-selection", "delete-selection"]);
    settle(&mut state, &wanted);
}

fn any_state() -> impl Strategy<Value = MaasState> {
    let words =
        |of: &'static [&'static str]| prop::collection::vec(prop::sample::select(of).prop_map(str::to_owned), 0..3);
    let url = prop::sample::select(
        &[
            DEFAULT,
            "http://gapferry/images/maas/",
            "http://gapferry/images/maas",
            "http://gapferry/images/two/",
            "http://else/",
        ][..],
    );
    let release = prop::sample::select(&["jammy", "noble", "focal"][..]);
    let selection = (release, words(&["amd64", "arm64", "*"])).prop_map(|(release, arches)| BootSelection {
        os: "ubuntu".into(),
        release: release.into(),
        arches,
        ..BootSelection::default()
    });
    let source = (url, any::<bool>(), prop::collection::vec(selection, 0..4));
    let repository = (
        prop::sample::select(&[MAIN_ARCHIVE, "gapferry-own", "gapferry-old", "mine"][..]),
        prop::sample::select(&["http://gapferry/apt/ubuntu", "http://gapferry/apt/old"][..]),
        words(&["backports", "security"]),
        prop::option::of(any::<bool>()),
    );
    let sources = prop::collection::vec(source, 0..4);
    (prop::sample::select(&[Before38, Since38][..]), sources, prop::collection::vec(repository, 0..4), any::<bool>())
        .prop_map(|(release, sources, repositories, importing)| {
            let mut state = MaasState { importing, ..fresh(release) };
            state.sources.clear();
            for (url, on, mut selections) in sources {
                // Addresses are unique in MAAS, and below 3.8 releases of a source too.
                if state.sources.iter().any(|source| same_url(&source.url, url)) {
                    continue;
                }
                let id = state.sources.len() as u64 * 10;
                selections.iter_mut().zip(id..).for_each(|(selection, id)| selection.id = id);
                let new = release == Since38;
                let (enabled, name) = (new.then_some(on), new.then(|| url.to_owned()));
                state.sources.push(BootSource {
                    name,
                    id,
                    url: url.into(),
                    enabled,
                    selections,
                    ..BootSource::default()
                });
            }
            state.repositories.clear();
            for (name, url, disabled_pockets, enabled) in repositories {
                if !state.repositories.iter().any(|now| now.name == name) {
                    let (id, name, url) = (state.repositories.len() as u64, name.into(), url.into());
                    state.repositories.push(PackageRepository {
                        id,
                        name,
                        url,
                        disabled_pockets,
                        enabled,
                        ..PackageRepository::default()
                    });
                }
            }
            state
        })
}

proptest! {
    /// What a plan leads to needs no other plan, from wherever one begins, and whether one stops on the way or not.
    #[test]
    fn plans_lead_to_what_is_wanted(mut state in any_state(), two in any::<bool>(), stop in 0..12_usize) {
        let mut wanted = wanted();
        if two {
            wanted.sources.push(wanted_source("two", &[("jammy", "amd64")]));
        }
        for change in plan(&state, &wanted).changes.iter().take(stop) {
            state.take(change, &wanted);
        }
        // A double selection is dropped, the other one made anew, its images imported.
        prop_assert!(settle(&mut state, &wanted) <= 3);
    }
}
