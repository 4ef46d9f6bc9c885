//! What a MAAS answers, and the plan that is made of it.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gapferry::maas::{Build, MaasState, MaasVersion, Setting, WantedImage, WantedSource, WantedState, plan};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static WANTED: LazyLock<WantedState> = LazyLock::new(|| {
    let image = WantedImage { os: "ubuntu".into(), release: "jammy".into(), arch: "amd64".into() };
    let build = Build { version: "20250718".into(), bytes: 5 };
    let source = WantedSource {
        name: "maas".into(),
        url: "http://s/images/maas/".into(),
        keyring: vec![0x99],
        images: BTreeMap::from([(image, build)]),
    };
    WantedState {
        serve_url: "http://s".into(),
        sources: vec![source],
        settings: BTreeMap::from([("enable_analytics".into(), Setting::Switch(false))]),
        commissioning: vec!["jammy".into()],
        ..WantedState::default()
    }
});

/// A part of the input as MAAS would answer with it.
fn part<T: serde::de::DeserializeOwned + Default>(all: &Value, name: &str) -> T {
    serde_json::from_value(all.get(name).cloned().unwrap_or_default()).unwrap_or_default()
}

fuzz_target!(|text: &[u8]| {
    let _ = std::str::from_utf8(text).map(gapferry::maas::ApiKey::parse);
    let Ok(all) = serde_json::from_slice::<Value>(text) else { return };
    let mut state = MaasState {
        version: MaasVersion::parse(&part::<String>(&all, "version")).unwrap_or_default(),
        sources: part(&all, "sources"),
        repositories: part(&all, "repositories"),
        settings: part(&all, "settings"),
        resources: part(&all, "resources"),
        uploaded: part(&all, "uploaded"),
        uploaded_names: part(&all, "uploaded_names"),
        importing: false,
    };
    if let Some(source) = state.sources.first_mut() {
        source.selections = part(&all, "selections");
    }
    for change in plan(&state, &WANTED).changes {
        assert!(!change.to_string().is_empty());
    }
});
