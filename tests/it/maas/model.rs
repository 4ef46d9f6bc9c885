//! What a MAAS keeps, and how it changes: the documented rules, as strictly as MAAS has them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::request::Fields;
use super::upload_model::Uploads;
use super::version::{Behaviour, Imports, Version};

/// A status and a body.
pub(super) type Reply = (u16, Vec<u8>);

/// An image: os, release, arch, subarch, version.
pub(super) type Listed = [String; 5];

/// Where MAAS's own boot source is.
pub(super) const DEFAULT: &str = "http://images.maas.io/ephemeral-v3/stable/";

/// What a MAAS keeps.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) version: Version,
    pub(super) sources: BTreeMap<u64, Value>,
    pub(super) keyrings: BTreeMap<u64, Vec<u8>>,
    /// By source and number.
    pub(super) selections: BTreeMap<(u64, u64), Value>,
    /// By what it imports, if that is not the selections: source, os, release, architecture.
    pub(super) rows: BTreeSet<(u64, String, String, String)>,
    /// Notices for all users, which stay.
    pub(super) notices: Vec<String>,
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
    pub(super) found: BTreeMap<(String, Vec<u8>), Vec<Listed>>,
    pub(super) waits: BTreeMap<u64, u32>,
    importing: u32,
    /// The import under way was begun by somebody else, before what was changed since.
    is_others: bool,
    next: u64,
}

pub(super) fn no(field: &str, why: &str) -> Reply {
    (400, json!({ field: [why] }).to_string().into_bytes())
}

fn ok(value: &Value) -> Reply {
    (200, value.to_string().into_bytes())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

impl Model {
    /// As it is after its installation.
    pub(super) fn new(version: Version) -> Self {
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
            ("enable_third_party_drivers", json!(true)),
            ("release_notifications", json!(true)),
            ("default_osystem", json!("ubuntu")),
            ("default_distro_series", json!("focal")),
            ("ntp_servers", json!("ntp.ubuntu.com")),
            ("upstream_dns", json!(null)),
            ("commissioning_distro_series", json!("focal")),
        ];
        let mut model = Self {
            version,
            sources: BTreeMap::new(),
            keyrings: BTreeMap::new(),
            selections: BTreeMap::new(),
            rows: BTreeSet::new(),
            notices: Vec::new(),
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
            is_others: false,
            next: 10,
        };
        let mut source =
            json!({ "url": DEFAULT, "keyring_filename": "/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg" });
        if version.behaviour().has_source_fields {
            source["url"] = json!(DEFAULT.trim_end_matches('/'));
            source["name"] = json!("MAAS Stable");
            source["priority"] = json!(2);
            source["enabled"] = json!(true);
            source["skip_keyring_verification"] = json!(false);
            model.rows.insert((1, "ubuntu".into(), "focal".into(), "amd64".into()));
        }
        model.sources.insert(1, source);
        let selection =
            json!({ "os": "ubuntu", "release": "focal", "arches": ["amd64"], "subarches": ["*"], "labels": ["*"] });
        model.selections.insert((1, 1), selection);
        model
    }

    /// Everything as after the installation; only what stands in streams is not looked up again.
    pub(super) fn reset(&mut self) {
        *self = Self { found: std::mem::take(&mut self.found), ..Self::new(self.version) };
    }

    pub(super) fn behaviour(&self) -> &'static Behaviour {
        self.version.behaviour()
    }

    /// Somebody else has begun an import, which takes so many questions and brings nothing that is wanted.
    pub(super) fn begin_other_import(&mut self, steps: u32) {
        (self.importing, self.is_others) = (steps, true);
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
        if self.behaviour().imports == Imports::Rows {
            let all: BTreeSet<String> = of_it.iter().map(|listed| listed[2].clone()).collect();
            let chosen = if arches.iter().any(|arch| arch == "*") { all } else { arches.into_iter().collect() };
            self.rows.extend(chosen.into_iter().map(|arch| (source, os.clone(), release.clone(), arch)));
        }
        ok(&made)
    }

    /// Drops a selection; with its rows their images go at once.
    pub(super) fn deselect(&mut self, source: u64, id: u64) -> Reply {
        let [os, release] = ["os", "release"].map(|name| text(&self.selections[&(source, id)], name));
        if os == "ubuntu" && self.settings["commissioning_distro_series"] == json!(release) {
            let why = format!("Unable to delete {os} {release}. It is the operating system used for commissioning.");
            return (400, why.into_bytes());
        }
        self.selections.remove(&(source, id));
        if self.behaviour().imports == Imports::Rows {
            self.rows.retain(|row| (row.0, row.1.as_str(), row.2.as_str()) != (source, &os, &release));
            let name = json!(format!("{os}/{release}"));
            self.resources.retain(|_, resource| resource["type"] != "Synced" || resource["name"] != name);
        }
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
        let is_here = |os: &str| self.resources.values().any(|of| text(of, "name") == format!("{os}/{value}"));
        let os = if name == "default_distro_series" {
            text_of(&self.settings["default_osystem"])
        } else {
            "ubuntu".to_owned()
        };
        if ["commissioning_distro_series", "default_distro_series"].contains(&name.as_str()) && !is_here(&os) {
            return no(&name, "not a valid release: it has no images");
        }
        let value = if now.is_boolean() { json!(value == "true") } else { json!(value) };
        let is_of_proxy = ["enable_http_proxy", "http_proxy"].contains(&name.as_str());
        self.settings.insert(name, value);
        if is_of_proxy {
            // So that what was out of reach is found.
            self.read_all_soon();
        }
        (200, b"OK".to_vec())
    }

    /// Begins an import; before that, MAAS reads its sources anew.
    pub(super) fn import(&mut self) -> Reply {
        if self.refuses_imports {
            return (400, Vec::new());
        }
        if self.importing == 0 {
            for id in self.sources.keys().copied().collect::<Vec<_>>() {
                if !self.blind {
                    self.read(id);
                    self.waits.insert(id, 0);
                }
            }
            self.importing = 3;
        }
        (200, b"Import of boot resources started".to_vec())
    }

    /// Whether an import is under way; it goes on a step with each question.
    pub(super) fn is_importing(&mut self) -> Reply {
        if self.importing > 0 && !self.fails_imports && !self.is_others {
            self.step(self.importing == 1);
        }
        let running = self.importing > 0;
        self.importing = self.importing.saturating_sub(1);
        self.is_others &= self.importing > 0;
        ok(&json!(running))
    }

    /// Takes the import a step on, source by source.
    fn step(&mut self, complete: bool) {
        for source in self.sources.keys().copied().filter(|id| !self.is_disabled(*id)).collect::<Vec<_>>() {
            for [os, release, arch, subarch, version] in self.caches.get(&source).cloned().unwrap_or_default() {
                if self.imports(source, [&os, &release, &arch]) {
                    self.bring([&format!("{os}/{release}"), &format!("{arch}/{subarch}"), &version], complete);
                }
            }
        }
        let default = json!(format!("ubuntu/{}", text_of(&self.settings["default_distro_series"])));
        let mut names = self.resources.values().map(|resource| text(resource, "name"));
        if self.behaviour().import_sets_default && !names.any(|name| default == name) {
            let mut names = self.resources.values().map(|resource| text(resource, "name"));
            if let Some(release) = names.find_map(|name| name.strip_prefix("ubuntu/").map(str::to_owned)) {
                self.settings.insert("default_distro_series".into(), json!(release));
            }
        }
    }

    fn imports(&self, source: u64, [os, release, arch]: [&String; 3]) -> bool {
        if self.behaviour().imports == Imports::Rows {
            return self.rows.contains(&(source, os.clone(), release.clone(), arch.clone()));
        }
        self.selections.iter().any(|((of, _), selection)| {
            let arches = selection["arches"].as_array().unwrap();
            let has_arch = arches.contains(&json!(arch)) || arches.contains(&json!("*"));
            *of == source && has_arch && text(selection, "os") == *os && text(selection, "release") == *release
        })
    }

    fn bring(&mut self, [name, architecture, version]: [&str; 3], complete: bool) {
        let mut there = self.resources.iter();
        let there = there.find(|(_, r)| text(r, "name") == name && text(r, "architecture") == architecture);
        let id = there.map(|(id, _)| *id).unwrap_or_else(|| self.number());
        let resource = self
            .resources
            .entry(id)
            .or_insert_with(|| json!({ "name": name, "architecture": architecture, "type": "Synced", "sets": {} }));
        resource["sets"][version] = json!({ "version": version, "complete": complete, "size": 5, "progress": 50.0 });
    }
}
