//! Boot sources of a MAAS of the tests' own: saved, read when its version reads them, and complained of if out of reach.

use serde_json::{Value, json};

use super::model::{Listed, Model, Reply, no, text};
use super::request::Fields;
use super::version::{Reading, Unreachable};
use crate::stream_client::StreamClient;

/// A wait that has no end by itself.
const FOR_EVER: u32 = u32::MAX;

/// Lists what the reference client finds in a stream.
fn found_at(url: &str, keyring: &[u8]) -> Vec<Listed> {
    let index = format!("{}/streams/v1/index.sjson", url.trim_end_matches('/'));
    let format = "%(os)s %(release)s %(arch)s %(subarch)s %(version_name)s";
    let lines = StreamClient::new(keyring).query(&index, format, &["release~.", "subarch~."]);
    let listed = lines.iter().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap());
    let mut listed: Vec<Listed> = listed.collect();
    listed.dedup();
    listed
}

impl Model {
    pub(super) fn set_source(&mut self, id: Option<u64>, fields: &Fields) -> Reply {
        let mut now = id.map_or_else(|| json!({ "url": "", "keyring_filename": "" }), |id| self.sources[&id].clone());
        for name in ["url", "keyring_filename"] {
            if let Some(value) = fields.text(name) {
                now[name] = json!(value);
            }
        }
        let held = id.and_then(|id| self.keyrings.get(&id)).is_some_and(|keyring| !keyring.is_empty());
        if self.behaviour().has_source_fields {
            if held && fields.file("keyring_data").is_none() {
                return (500, b"'memoryview' object has no attribute 'read'".to_vec());
            }
            self.set_source_fields(id, &mut now, fields);
        }
        let url = text(&now, "url");
        let id = id.unwrap_or_else(|| self.number());
        let keyring = fields.file("keyring_data").map(<[u8]>::to_vec).or_else(|| self.keyrings.get(&id).cloned());
        let keyring = keyring.unwrap_or_default();
        if keyring.is_empty() == text(&now, "keyring_filename").is_empty() {
            return no("__all__", "One of keyring_data or keyring_filename must be specified.");
        }
        for field in ["url", "name"] {
            let same = |other: &Value| other.get(field).is_some() && other.get(field) == now.get(field);
            if self.sources.iter().any(|(other, source)| *other != id && same(source)) {
                return no(field, &format!("Boot source with this {field} already exists."));
            }
        }
        self.keyrings.insert(id, keyring);
        let was = self.sources.insert(id, now).map(|was| text(&was, "url"));
        self.saved(id, was.as_deref().is_none_or(|was| was.trim_end_matches('/') != url.trim_end_matches('/')));
        (if was.is_none() { 201 } else { 200 }, self.source(id).to_string().into_bytes())
    }

    /// The fields that a source has since 3.8.
    fn set_source_fields(&self, id: Option<u64>, now: &mut Value, fields: &Fields) {
        now["url"] = json!(text(now, "url").trim_end_matches('/'));
        for (name, default) in [("enabled", true), ("skip_keyring_verification", false)] {
            // A switch that a change leaves out is off.
            let default = id.is_none() && default;
            now[name] = json!(fields.text(name).map_or(default, |value| value == "true"));
        }
        let given = fields.text("name").filter(|name| !name.is_empty());
        now["name"] = json!(given.unwrap_or_else(|| text(now, "url")));
        let highest = self.sources.values().filter_map(|source| source["priority"].as_u64()).max().unwrap_or(0);
        if id.is_none() {
            now["priority"] = json!(highest + 1);
        }
    }

    /// Reads what MAAS reads after a source was saved, and forgets what was read at another address.
    fn saved(&mut self, id: u64, is_elsewhere: bool) {
        if is_elsewhere {
            self.caches.remove(&id);
            self.waits.insert(id, FOR_EVER);
        }
        match self.behaviour().reading {
            Reading::AllButForTheFirst if id == 1 => {}
            Reading::AllButForTheFirst => self.read_all_soon(),
            Reading::Each => self.read_soon(id),
        }
    }

    fn read_soon(&mut self, id: u64) {
        if self.is_unreachable(id) {
            self.complain(id);
        } else {
            self.caches.remove(&id);
            self.waits.insert(id, self.slow);
        }
    }

    pub(super) fn read_all_soon(&mut self) {
        self.sources.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.read_soon(id));
    }

    pub(super) fn is_disabled(&self, id: u64) -> bool {
        self.sources[&id]["enabled"] == json!(false)
    }

    /// No way leads to MAAS's own source.
    fn is_unreachable(&self, id: u64) -> bool {
        !self.is_disabled(id) && text(&self.sources[&id], "url").contains("images.maas.io")
    }

    fn complain(&mut self, id: u64) {
        match self.behaviour().unreachable {
            Unreachable::Stays => self.notices.push("commissioning_series_unavailable".to_owned()),
            Unreachable::IsDisabled => {
                self.notices.push(format!("Image manifest fetcher (boot source {id})"));
                self.sources.get_mut(&id).unwrap()["enabled"] = json!(false);
            }
        }
    }

    /// Reads a source, once it is time. The stream is read by the reference client, with the keyring that was uploaded.
    pub(super) fn cache(&mut self, id: u64) -> &[Listed] {
        let wait = self.waits.entry(id).or_default();
        if *wait > 0 {
            *wait = if *wait == FOR_EVER { FOR_EVER } else { *wait - 1 };
            return &[];
        }
        if !self.caches.contains_key(&id) && !self.blind {
            self.read(id);
        }
        self.caches.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn read(&mut self, id: u64) {
        if self.is_disabled(id) {
            return;
        }
        if self.is_unreachable(id) {
            return self.complain(id);
        }
        let url = text(&self.sources[&id], "url");
        let Some(keyring) = self.keyrings.get(&id).filter(|keyring| !keyring.is_empty()) else { return };
        let found = self.found.entry((url.clone(), keyring.clone())).or_insert_with(|| found_at(&url, keyring));
        let mut listed = found.clone();
        listed.retain(|[_, release, ..]| Some(release) != self.overlooks.as_ref());
        self.caches.insert(id, listed);
    }

    /// Deletes a source, which only its own kind of MAAS allows.
    pub(super) fn delete_source(&mut self, id: u64) -> Reply {
        if self.behaviour().has_source_fields && text(&self.sources[&id], "url").contains("images.maas.io") {
            return (400, b"The MAAS default boot sources can't be deleted.".to_vec());
        }
        self.sources.remove(&id);
        self.selections.retain(|(of, _), _| *of != id);
        self.rows.retain(|(of, ..)| *of != id);
        if self.behaviour().reading == Reading::AllButForTheFirst {
            self.read_all_soon();
        }
        (204, Vec::new())
    }
}
