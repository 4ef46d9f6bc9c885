//! What a MAAS keeps, and how it changes: the documented rules, as strictly as MAAS has them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::request::Fields;
use super::upload_model::Uploads;
use crate::stream_client::StreamClient;

/// A status and a body.
pub(super) type Reply = (u16, Vec<u8>);

/// An image: os, release, arch, subarch, version.
type Listed = [String; 5];

/// Where MAAS's own boot source is.
pub(super) const DEFAULT: &str = "http://images.maas.io/ephemeral-v3/stable/";

/// What a MAAS keeps.
#[derive(Debug)]
pub(super) struct Model {
    /// Whether it is one of 3.8, which knows sources that are disabled.
    pub(super) new: bool,
    pub(super) sources: BTreeMap<u64, Value>,
    pub(super) keyrings: BTreeMap<u64, Vec<u8>>,
    /// By source and number.
    pub(super) selections: BTreeMap<(u64, u64), Value>,
    pub(super) repositories: BTreeMap<u64, Value>,
    pub(super) settings: BTreeMap<String, Value>,
    /// By number; `sets` included.
    pub(super) resources: BTreeMap<u64, Value>,
    /// What it has read of each source.
    pub(super) caches: BTreeMap<u64, Vec<Listed>>,
    /// How often it refuses selections of a source that it has just been told of, before it has read it.
    pub(super) slow: u32,
    /// Never reads a source.
    pub(super) blind: bool,
    /// Finds nothing of this release.
    pub(super) overlooks: Option<String>,
    /// Imports come to an end with nothing.
    pub(super) fails_imports: bool,
    /// Imports are refused with status 400 and an empty answer, as a server in front of MAAS refuses them.
    pub(super) refuses_imports: bool,
    /// What is uploaded.
    pub(super) uploads: Uploads,
    /// What the reference client has found at an address with a keyring.
    found: BTreeMap<(String, Vec<u8>), Vec<Listed>>,
    waits: BTreeMap<u64, u32>,
    importing: u32,
    next: u64,
}

pub(super) fn no(field: &str, why: &str) -> Reply {
    (400, json!({ field: [why] }).to_string().into_bytes())
}

fn ok(value: &Value) -> Reply {
    (200, value.to_string().into_bytes())
}

/// What the reference client finds in a stream.
fn found_at(url: &str, keyring: &[u8]) -> Vec<Listed> {
    let index = format!("{}/streams/v1/index.sjson", url.trim_end_matches('/'));
    let format = "%(os)s %(release)s %(arch)s %(subarch)s %(version_name)s";
    let lines = StreamClient::new(keyring).query(&index, format, &["release~.", "subarch~."]);
    let listed = lines.iter().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap());
    let mut listed: Vec<Listed> = listed.collect();
    listed.dedup();
    listed
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

impl Model {
    /// As it is after its installation.
    pub(super) fn new(new: bool) -> Self {
        let archive = |name: &str, url: &str, arches: Value| {
            json!({
                "name": name, "url": url, "distributions": [], "disabled_pockets": [], "disabled_components": [],
                "components": [], "arches": arches, "key": "", "disable_sources": true, "enabled": true,
            })
        };
        let main = archive("main_archive", "http://archive.invalid/ubuntu", json!(["amd64", "i386"]));
        let ports = archive(
            "ports_archive",
            "http://ports.invalid/ubuntu-ports",
            json!(["arm64", "armhf", "ppc64el", "s390x"]),
        );
        let settings = [
            ("boot_images_auto_import", json!(true)),
            ("boot_images_no_proxy", json!(false)),
            ("enable_http_proxy", json!(true)),
            ("http_proxy", json!(null)),
            ("dnssec_validation", json!("auto")),
            ("enable_analytics", json!(true)),
            ("ntp_servers", json!("ntp.ubuntu.com")),
            ("upstream_dns", json!(null)),
            ("commissioning_distro_series", json!("focal")),
        ];
        let mut model = Self {
            new,
            sources: BTreeMap::new(),
            keyrings: BTreeMap::new(),
            selections: BTreeMap::new(),
            repositories: BTreeMap::from([(1, main), (2, ports)]),
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            resources: BTreeMap::new(),
            caches: BTreeMap::new(),
            slow: 2,
            blind: false,
            overlooks: None,
            fails_imports: false,
            refuses_imports: false,
            uploads: Uploads::default(),
            found: BTreeMap::new(),
            waits: BTreeMap::new(),
            importing: 0,
            next: 10,
        };
        if new {
            model.settings.insert("release_notifications".into(), json!(true));
        }
        let mut source =
            json!({ "url": DEFAULT, "keyring_filename": "/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg" });
        if new {
            source["enabled"] = json!(true);
            source["skip_keyring_verification"] = json!(false);
        }
        model.sources.insert(1, source);
        let selection =
            json!({ "os": "ubuntu", "release": "focal", "arches": ["amd64"], "subarches": ["*"], "labels": ["*"] });
        model.selections.insert((1, 1), selection);
        model
    }

    /// Everything as after the installation; only what stands in streams is not looked up again.
    pub(super) fn reset(&mut self) {
        *self = Self { found: std::mem::take(&mut self.found), ..Self::new(self.new) };
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn source(&self, id: u64) -> Value {
        let mut value = self.sources[&id].clone();
        value["id"] = json!(id);
        value["keyring_data"] = json!(STANDARD.encode(self.keyrings.get(&id).cloned().unwrap_or_default()));
        value["resource_uri"] = json!(format!("/MAAS/api/2.0/boot-sources/{id}/"));
        value
    }

    pub(super) fn set_source(&mut self, id: Option<u64>, fields: &Fields) -> Reply {
        let mut now = id.map_or_else(|| json!({ "url": "", "keyring_filename": "" }), |id| self.sources[&id].clone());
        let was = text(&now, "url");
        for name in ["url", "keyring_filename"] {
            if let Some(value) = fields.text(name) {
                now[name] = json!(value);
            }
        }
        let url = text(&now, "url");
        let url = if self.new { url.trim_end_matches('/').to_owned() } else { url };
        now["url"] = json!(url);
        if self.new {
            for (name, default) in [("enabled", true), ("skip_keyring_verification", false)] {
                // A switch that a change leaves out is off.
                let default = id.is_none() && default;
                now[name] = json!(fields.text(name).map_or(default, |value| value == "true"));
            }
        }
        let id = id.unwrap_or_else(|| self.number());
        let keyring = fields.file("keyring_data").map(<[u8]>::to_vec).or_else(|| self.keyrings.get(&id).cloned());
        let keyring = keyring.unwrap_or_default();
        if keyring.is_empty() == text(&now, "keyring_filename").is_empty() {
            return no("__all__", "One of keyring_data or keyring_filename must be specified.");
        }
        if self.sources.iter().any(|(other, source)| *other != id && text(source, "url") == url) {
            return no("url", "Boot source with this Url already exists.");
        }
        self.keyrings.insert(id, keyring);
        let created = self.sources.insert(id, now).is_none();
        if created || was.trim_end_matches('/') != url.trim_end_matches('/') {
            self.caches.remove(&id);
            self.waits.insert(id, self.slow);
        }
        (if created { 201 } else { 200 }, self.source(id).to_string().into_bytes())
    }

    /// Reads a source, once it is time. The stream is read by the reference client, with the keyring that was uploaded.
    fn cache(&mut self, id: u64) -> &[Listed] {
        let wait = self.waits.entry(id).or_default();
        if *wait > 0 {
            *wait -= 1;
            return &[];
        }
        if !self.caches.contains_key(&id) && !self.blind {
            self.read(id);
        }
        self.caches.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    fn read(&mut self, id: u64) {
        let url = text(&self.sources[&id], "url");
        let Some(keyring) = self.keyrings.get(&id).filter(|keyring| !keyring.is_empty()) else { return };
        let found = self.found.entry((url.clone(), keyring.clone())).or_insert_with(|| found_at(&url, keyring));
        let mut listed = found.clone();
        listed.retain(|[_, release, ..]| Some(release) != self.overlooks.as_ref());
        self.caches.insert(id, listed);
    }

    pub(super) fn select(&mut self, source: u64, id: Option<u64>, fields: &Fields) -> Reply {
        let (os, release) = (fields.text("os").unwrap_or_default(), fields.text("release").unwrap_or_default());
        let arches = fields.list("arches");
        let cache = self.cache(source).to_vec();
        let of_it: Vec<&Listed> = cache.iter().filter(|[o, r, ..]| *o == os && *r == release).collect();
        if of_it.is_empty() {
            return no("os", &format!("OS {os} with release {release} has no available images for download"));
        }
        if arches.iter().any(|arch| arch != "*" && !of_it.iter().any(|listed| listed[2] == *arch)) {
            return no("arches", &format!("No available images to download for {arches:?}"));
        }
        let twice = self.selections.iter().any(|((of, number), other)| {
            *of == source && Some(*number) != id && text(other, "os") == os && text(other, "release") == release
        });
        if twice {
            return no("__all__", "Boot source selection with this Boot source, Os and Release already exists.");
        }
        let id = id.unwrap_or_else(|| self.number());
        let made = json!({
            "os": os, "release": release, "arches": arches, "subarches": fields.list("subarches"), "labels": fields.list("labels"),
        });
        self.selections.insert((source, id), made.clone());
        ok(&made)
    }

    pub(super) fn deselect(&mut self, source: u64, id: u64) -> Reply {
        let release = text(&self.selections[&(source, id)], "release");
        if self.settings["commissioning_distro_series"] == json!(release) {
            return no("__all__", "Unable to delete. It is the operating system used in ephemeral environments.");
        }
        self.selections.remove(&(source, id));
        (204, Vec::new())
    }

    pub(super) fn set_repository(&mut self, id: Option<u64>, fields: &Fields) -> Reply {
        let mut now = id.map_or_else(|| json!({ "enabled": true }), |id| self.repositories[&id].clone());
        for name in ["name", "url", "key"] {
            now[name] = json!(fields.text(name).unwrap_or_default().trim());
        }
        for name in ["enabled", "disable_sources"] {
            now[name] = json!(fields.text(name).is_some_and(|value| value == "true"));
        }
        for name in ["distributions", "disabled_pockets", "disabled_components", "components", "arches"] {
            let list: Vec<String> = fields.list(name).into_iter().filter(|value| !value.is_empty()).collect();
            now[name] = json!(list);
        }
        let built_in = id.is_some_and(|id| id < 3);
        let known = ["amd64", "i386", "arm64", "armhf", "ppc64el", "s390x"];
        if built_in && now["enabled"] != json!(true) {
            return no("__all__", "Default repositories may not be disabled.");
        }
        if built_in && now["components"] != json!([]) {
            return no(
                "components",
                "This is a default Ubuntu repository. Please update 'disabled_components' instead.",
            );
        }
        if !built_in && now["disabled_components"] != json!([]) {
            return no("disabled_components", "This is a custom repository. Please update 'components' instead.");
        }
        if fields.list("arches").is_empty() || fields.list("arches").iter().any(|arch| !known.contains(&arch.as_str()))
        {
            return no("arches", "not a valid architecture");
        }
        let id = id.unwrap_or_else(|| self.number());
        self.repositories.insert(id, now.clone());
        ok(&now)
    }

    pub(super) fn set(&mut self, fields: &Fields) -> Reply {
        let (name, value) = (fields.text("name").unwrap_or_default(), fields.text("value").unwrap_or_default());
        let Some(now) = self.settings.get(&name) else { return no(&name, "not a valid config setting") };
        let is_here = |release: &str| self.resources.values().any(|of| text(of, "name") == format!("ubuntu/{release}"));
        if name == "commissioning_distro_series" && !is_here(&value) {
            return no(&name, "not a valid release: it has no images");
        }
        let value = if now.is_boolean() { json!(value == "true") } else { json!(value) };
        self.settings.insert(name, value);
        (200, b"OK".to_vec())
    }

    /// Begins an import; before that, MAAS reads its sources anew.
    pub(super) fn import(&mut self) -> Reply {
        if self.refuses_imports {
            return (400, Vec::new());
        }
        for id in self.sources.keys().copied().collect::<Vec<_>>() {
            if !self.blind && !self.keyrings.get(&id).is_none_or(Vec::is_empty) {
                self.read(id);
                self.waits.insert(id, 0);
            }
        }
        self.importing = 3;
        (200, b"Import of boot resources started".to_vec())
    }

    /// Whether an import is under way; it goes on a step with each question.
    pub(super) fn is_importing(&mut self) -> Reply {
        if self.importing > 0 && !self.fails_imports {
            self.step(self.importing == 1);
        }
        let running = self.importing > 0;
        self.importing = self.importing.saturating_sub(1);
        ok(&json!(running))
    }

    fn step(&mut self, complete: bool) {
        let selections: Vec<(u64, Value)> =
            self.selections.iter().map(|((source, _), of)| (*source, of.clone())).collect();
        for (source, selection) in selections {
            for [os, release, arch, subarch, version] in self.caches.get(&source).cloned().unwrap_or_default() {
                let arches = selection["arches"].as_array().unwrap();
                let selected = arches.contains(&json!(arch)) || arches.contains(&json!("*"));
                if !selected || text(&selection, "os") != os || text(&selection, "release") != release {
                    continue;
                }
                let (name, architecture) = (format!("{os}/{release}"), format!("{arch}/{subarch}"));
                let there = self
                    .resources
                    .iter()
                    .find(|(_, r)| text(r, "name") == name && text(r, "architecture") == architecture);
                let id = there.map(|(id, _)| *id).unwrap_or_else(|| self.number());
                let resource = self.resources.entry(id).or_insert_with(
                    || json!({ "name": name, "architecture": architecture, "type": "Synced", "sets": {} }),
                );
                resource["sets"][&version] =
                    json!({ "version": version, "complete": complete, "size": 5, "progress": 50.0 });
            }
        }
    }
}
