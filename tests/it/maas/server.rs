//! A MAAS of the tests' own: version 2 of the API, as far as `gapferry maas apply` uses it, and not one request more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::model::{Model, Reply};
use super::request::{Fields, authorize, form, is_form_without_a_part};
use super::version::Version;
use crate::support::server::{Request, Server};

/// The key that it takes.
pub(super) const KEY: &str = "consumerKEY1:tokenTOKEN2:secretSECRET3";

/// A running MAAS.
pub(super) struct Maas {
    pub(super) server: Server,
    shared: Arc<Shared>,
    _folder: TempDir,
}

struct Shared {
    model: Mutex<Model>,
    record: Mutex<Record>,
}

/// What has come.
#[derive(Default)]
struct Record {
    nonces: HashSet<String>,
    /// Method and target of all that was to change something.
    changes: Vec<String>,
    /// Requests that are not as documented.
    violations: Vec<String>,
    /// After so many changes, answers stay out.
    mute_after: Option<usize>,
}

impl Maas {
    /// As it is after its installation.
    pub(super) fn start(version: Version) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path());
        let shared = Arc::new(Shared { model: Mutex::new(Model::new(version)), record: Mutex::default() });
        let answering = shared.clone();
        server.answer_all(move |request| answering.answer(request));
        Self { server, shared, _folder: folder }
    }

    pub(super) fn url(&self) -> String {
        self.server.url("MAAS").to_string()
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.shared.model.lock().unwrap()
    }

    /// Method and target of all that was to change something since this was asked last.
    pub(super) fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.record.lock().unwrap().changes)
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.shared.record.lock().unwrap().changes.len()
    }

    /// Makes `changes` more changes and then answers no more; none for no limit.
    pub(super) fn mute_after(&self, changes: Option<usize>) {
        let mut record = self.shared.record.lock().unwrap();
        record.mute_after = changes;
        record.changes.clear();
    }

    /// Everything that came was as documented.
    #[track_caller]
    pub(super) fn was_asked_rightly(&self) {
        let record = self.shared.record.lock().unwrap();
        assert!(record.violations.is_empty(), "{:#?}", record.violations);
        assert!(!record.nonces.is_empty());
    }
}

/// Reads a form that may have these fields.
fn fields(request: &Request, known: &[&str]) -> Result<Fields, String> {
    let fields = form(request)?;
    let unknown = fields.unknown(known);
    if unknown.is_empty() { Ok(fields) } else { Err(format!("unknown fields {unknown:?}")) }
}

fn all(list: impl Iterator<Item = (u64, Value)>) -> Reply {
    let list = list.map(|(id, mut value)| {
        value["id"] = json!(id);
        value
    });
    (200, Value::Array(list.collect()).to_string().into_bytes())
}

impl Shared {
    fn answer(&self, request: &Request) -> Reply {
        if is_form_without_a_part(request) && self.model.lock().unwrap().behaviour().refuses_empty_forms {
            return (400, Vec::new());
        }
        let Some((path, query)) = api_path(&request.target) else {
            return (404, b"<!doctype html><title>404 Not Found</title>".to_vec());
        };
        {
            let mut record = self.record.lock().unwrap();
            match authorize(request, KEY, &mut record.nonces) {
                Err((answer, true)) => return (401, answer.into_bytes()),
                Err((violation, false)) => {
                    record.violations.push(violation);
                    return (401, b"Unrecognised signature method.".to_vec());
                }
                Ok(()) => {}
            }
        }
        let reply = self.route(request, &path, &query);
        let mut record = self.record.lock().unwrap();
        if request.method != "GET" {
            record.changes.push(format!("{} {}", request.method, request.target));
        }
        let is_mute = |record: &Record| record.mute_after.is_some_and(|after| record.changes.len() >= after);
        let mut record = record;
        while is_mute(&record) {
            drop(record);
            std::thread::sleep(Duration::from_millis(5));
            record = self.record.lock().unwrap();
        }
        match reply {
            Ok(reply) => reply,
            Err(violation) => {
                record.violations.push(format!("{} {}: {violation}", request.method, request.target));
                (500, b"violation".to_vec())
            }
        }
    }

    fn route(&self, request: &Request, path: &str, query: &str) -> Result<Reply, String> {
        let mut model = self.model.lock().unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        let source_fields: &[&str] = match model.behaviour().has_source_fields {
            true => {
                &["url", "keyring_filename", "keyring_data", "name", "priority", "enabled", "skip_keyring_verification"]
            }
            false => &["url", "keyring_filename", "keyring_data"],
        };
        let selection = ["os", "release", "arches", "subarches", "labels"];
        let repository = [
            "name",
            "url",
            "key",
            "distributions",
            "disabled_pockets",
            "disabled_components",
            "components",
            "arches",
            "disable_sources",
            "enabled",
        ];
        let gone = || Ok((404, b"Not Found".to_vec()));
        match (request.method.as_str(), parts.as_slice(), query) {
            ("GET", ["version"], "") => {
                let version = json!({ "version": model.behaviour().version, "subversion": "", "capabilities": [] });
                Ok((200, version.to_string().into_bytes()))
            }
            ("GET", ["boot-sources"], "") => {
                let list: Vec<_> = model.sources.keys().map(|id| (*id, model.source(*id))).collect();
                Ok(all(list.into_iter()))
            }
            ("POST", ["boot-sources"], "") => Ok(model.set_source(None, &fields(request, source_fields)?)),
            ("PUT", ["boot-sources", id], "") if model.sources.contains_key(&number(id)?) => {
                Ok(model.set_source(Some(number(id)?), &fields(request, source_fields)?))
            }
            ("DELETE", ["boot-sources", id], "") if model.sources.contains_key(&number(id)?) => {
                Ok(model.delete_source(number(id)?))
            }
            ("GET", ["boot-sources", id, "selections"], "") => {
                let id = number(id)?;
                let of_it = model.selections.iter().filter(|((of, _), _)| *of == id);
                Ok(all(of_it.map(|((_, number), value)| (*number, value.clone()))))
            }
            ("POST", ["boot-sources", id, "selections"], "") if model.sources.contains_key(&number(id)?) => {
                Ok(model.select(number(id)?, None, &fields(request, &selection)?))
            }
            ("PUT" | "DELETE", ["boot-sources", source, "selections", id], "") => {
                let (source, id) = (number(source)?, number(id)?);
                match model.selections.contains_key(&(source, id)) {
                    false => gone(),
                    true if request.method == "DELETE" => Ok(model.deselect(source, id)),
                    true => Ok(model.select(source, Some(id), &fields(request, &selection)?)),
                }
            }
            ("GET", ["package-repositories"], "") => {
                Ok(all(model.repositories.iter().map(|(id, value)| (*id, value.clone()))))
            }
            ("POST", ["package-repositories"], "") => Ok(model.set_repository(None, &fields(request, &repository)?)),
            ("PUT", ["package-repositories", id], "") if model.repositories.contains_key(&number(id)?) => {
                Ok(model.set_repository(Some(number(id)?), &fields(request, &repository)?))
            }
            ("DELETE", ["package-repositories", id], "") if number(id)? > 2 => {
                model.repositories.remove(&number(id)?);
                Ok((204, Vec::new()))
            }
            ("GET", ["maas"], query) => {
                let name = query.strip_prefix("op=get_config&name=").ok_or("not documented")?;
                Ok(match model.settings.get(name) {
                    Some(value) => (200, value.to_string().into_bytes()),
                    None => (400, format!("{name} is not a valid config setting").into_bytes()),
                })
            }
            ("POST", ["maas"], "op=set_config") => Ok(model.set(&fields(request, &["name", "value"])?)),
            ("GET", ["boot-resources"], "type=synced" | "type=uploaded") => {
                let of_type = if query == "type=synced" { "Synced" } else { "Uploaded" };
                let listed = model.resources.iter().filter(|(_, value)| value["type"] == of_type).map(|(id, value)| {
                    let mut value = value.clone();
                    value.as_object_mut().unwrap().remove("sets");
                    (*id, value)
                });
                Ok(all(listed))
            }
            ("GET", ["boot-resources"], "op=is_importing") => Ok(model.is_importing()),
            ("POST", ["boot-resources"], "") => {
                let known = ["name", "architecture", "sha256", "size", "title", "filetype", "base_image"];
                Ok(model.begin_upload(&fields(request, &known)?))
            }
            ("PUT", ["boot-resources", id, "upload", file], "") => {
                let (id, file) = (number(id)?, number(file)?);
                let length = request.header("content-length").and_then(|length| length.parse().ok());
                match request.header("content-type") {
                    Some("application/octet-stream") => Ok(model.take_piece((id, file), length, &request.body)),
                    other => Err(format!("a piece of type {other:?}")),
                }
            }
            ("POST", ["boot-resources"], "op=import") => match request.header("content-type") {
                None if request.body.is_empty() => Ok(model.import()),
                Some(_) if is_form_without_a_part(request) => Ok(model.import()),
                kind => Err(format!("a body of type {kind:?}")),
            },
            ("GET", ["boot-resources", id], "") => match model.settled(number(id)?) {
                Some(value) => {
                    let mut value = value.clone();
                    value["id"] = json!(number(id)?);
                    Ok((200, value.to_string().into_bytes()))
                }
                None => gone(),
            },
            _ => Err("not documented".to_owned()),
        }
    }
}

/// The path below the API's root without the slash at its end, and the query.
fn api_path(target: &str) -> Option<(String, String)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix("/MAAS/api/2.0/")?.strip_suffix('/')?;
    Some((path.to_owned(), query.to_owned()))
}
