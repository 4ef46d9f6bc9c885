//! The rights that a snap asks for: its confinement, its interfaces and the programs that run by themselves.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::yaml::{Plug, Texts, parse_yaml};
use super::{MAX_SNAP_YAML_BYTES, not_utf8};
use crate::formats::Invalid;

/// The confinement of a snap that names none.
const STRICT: &str = "strict";

/// The rights that a snap asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapRights {
    /// `strict`, `classic` or `devmode`, as it is written.
    pub confinement: String,
    /// The interfaces by plug or slot, such as `plug serial` with `serial-port`.
    pub interfaces: BTreeMap<String, String>,
    /// The apps that are services, each with its kind, such as `simple`.
    pub services: BTreeMap<String, String>,
}

/// The fields that are looked at. Other forms of them than snapd takes count as absent.
#[derive(Debug, Deserialize)]
struct RightsYaml {
    confinement: Option<String>,
    plugs: Option<BTreeMap<String, Plug>>,
    slots: Option<BTreeMap<String, Plug>>,
    apps: Option<BTreeMap<String, Option<AppYaml>>>,
    hooks: Option<BTreeMap<String, Option<AppYaml>>>,
}

/// An app or a hook.
#[derive(Debug, Deserialize)]
struct AppYaml {
    daemon: Option<String>,
    plugs: Option<Texts>,
    slots: Option<Texts>,
}

impl SnapRights {
    /// Reads the text of a `meta/snap.yaml`.
    pub fn parse(yaml: &[u8]) -> Result<Self, Invalid> {
        if yaml.len() as u64 > MAX_SNAP_YAML_BYTES {
            return Err(Invalid::new(format!("its meta/snap.yaml is larger than {MAX_SNAP_YAML_BYTES} bytes")));
        }
        let yaml: RightsYaml = parse_yaml(std::str::from_utf8(yaml).map_err(not_utf8)?)?;
        let mut rights = Self { confinement: yaml.confinement.unwrap_or_else(|| STRICT.to_owned()), ..Self::default() };
        for (side, named) in [("plug", yaml.plugs), ("slot", yaml.slots)] {
            for (name, plug) in named.unwrap_or_default() {
                let interface = plug.interface().unwrap_or(&name).to_owned();
                rights.interfaces.insert(format!("{side} {name}"), interface);
            }
        }
        let apps = yaml.apps.unwrap_or_default().into_iter().map(|(name, app)| (Some(name), app));
        let hooks = yaml.hooks.unwrap_or_default().into_values().map(|hook| (None, hook));
        for (name, app) in apps.chain(hooks) {
            let Some(app) = app else { continue };
            rights.services.extend(name.zip(app.daemon));
            for (side, named) in [("plug", app.plugs), ("slot", app.slots)] {
                for name in named.map(|texts| texts.0).unwrap_or_default() {
                    // One that is not defined above is of the interface of its name.
                    rights.interfaces.entry(format!("{side} {name}")).or_insert(name);
                }
            }
        }
        Ok(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const YAML: &str = "name: thing\nconfinement: classic\nplugs:\n  serial: serial-port\n  content-here: {interface: content, x: [1]}\n\
        slots:\n  own:\n    interface: dbus\napps:\n  run: {command: a, plugs: [network, serial]}\n  server: {daemon: simple, slots: [own]}\n\
        \x20 empty:\nhooks:\n  install: {plugs: [network-control]}\n  remove:\n";

    #[test]
    fn interfaces_and_services_are_found() {
        let rights = SnapRights::parse(YAML.as_bytes()).unwrap();
        assert_eq!(rights.confinement, "classic");
        let pairs = |of: &BTreeMap<String, String>| of.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>();
        let wanted = [
            "plug content-here=content",
            "plug network=network",
            "plug network-control=network-control",
            "plug serial=serial-port",
            "slot own=dbus",
        ];
        assert_eq!(pairs(&rights.interfaces), wanted);
        assert_eq!(pairs(&rights.services), ["server=simple"]);
        assert_eq!(SnapRights::parse(b"name: thing\n").unwrap().confinement, "strict");
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "(apps|plugs|slots|confinement|hooks|a|:|-| |\\{|\\[|\\]|\\}|,|\\n|\\PC){0,80}") {
            let _ = SnapRights::parse(text.as_bytes());
        }
    }
}
