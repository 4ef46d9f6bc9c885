//! Uploads to a MAAS of the tests' own: appended piece by piece, judged at the end, and refused as MAAS's form refuses.

use std::collections::BTreeMap;

use gapferry::digest::Sha256;
use serde_json::{Value, json};

use super::model::{Model, Reply, no, text};
use super::request::Fields;

/// The operating systems that it knows.
const SYSTEMS: [&str; 8] = ["ubuntu", "centos", "rhel", "ol", "windows", "suse", "esxi", "custom"];
/// What a custom image can be built on.
const BASES: [&str; 4] = ["ubuntu", "centos", "rhel", "ol"];
/// How images can be packed, and what the file is called then.
const FILETYPES: [[&str; 2]; 11] = [
    ["tgz", "root.tgz"],
    ["tbz", "root.tbz"],
    ["txz", "root.txz"],
    ["ddtgz", "root-dd"],
    ["ddtar", "root-dd.tar"],
    ["ddraw", "root-dd.raw"],
    ["ddtbz", "root-dd.tar.bz2"],
    ["ddtxz", "root-dd.tar.xz"],
    ["ddbz2", "root-dd.bz2"],
    ["ddgz", "root-dd.gz"],
    ["ddxz", "root-dd.xz"],
];

/// Files that are uploaded.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// By resource and file.
    files: BTreeMap<(u64, u64), Upload>,
    /// After so many pieces, one is answered with this status.
    pub(super) fails: Option<(usize, u16)>,
    /// What has come of whole images, under their names.
    pub(super) whole: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug)]
struct Upload {
    version: String,
    filename: String,
    sha256: String,
    size: usize,
    bytes: Vec<u8>,
    /// How often the resource is looked at before all regions have the file.
    settling: u32,
}

impl Model {
    /// Makes a resource, or a new set of one that is there.
    pub(super) fn begin_upload(&mut self, fields: &Fields) -> Reply {
        let of = |name: &str| fields.text(name).unwrap_or_default();
        let name = match self.accepted_name(&of("name")) {
            Ok(name) => name,
            Err(why) => return no("name", &why),
        };
        let architecture = of("architecture");
        let usable = |resource: &Value| {
            let same = text(resource, "architecture").split('/').next() == architecture.strip_suffix("/generic");
            text(resource, "name").starts_with("ubuntu/") && same
        };
        if !self.resources.values().any(usable) {
            return no(
                "architecture",
                &format!("'{architecture}' is not a valid architecture. It should be one of: ''."),
            );
        }
        let Some([_, filename]) = FILETYPES.iter().find(|[known, _]| *known == of("filetype")) else {
            return no("filetype", "Select a valid choice.");
        };
        let Ok(size) = of("size").parse::<usize>() else { return no("size", "Enter a whole number.") };
        if of("sha256").len() != 64 {
            return no("sha256", "Ensure this value has 64 characters.");
        }
        let base = of("base_image");
        let is_custom = of("name").starts_with("custom/") || !of("name").contains('/');
        let is_base = base.split_once('/').is_some_and(|(os, release)| BASES.contains(&os) && !release.is_empty());
        if !(base.is_empty() || is_custom && is_base) {
            return no("base_image", "custom images require a valid non-custom OS type base image");
        }
        let there = self.resources.iter().find(|(_, resource)| {
            resource["type"] == "Uploaded" && text(resource, "name") == name && resource["architecture"] == architecture
        });
        let id = there.map(|(id, _)| *id).unwrap_or_else(|| self.number());
        let resource = self.resources.entry(id).or_insert_with(|| {
            json!({
                "name": name, "architecture": architecture, "type": "Uploaded", "sets": {}, "title": of("title"),
                "base_image": if is_custom && base.is_empty() { "ubuntu/noble" } else { &base },
            })
        });
        let sets = resource["sets"].as_object_mut().unwrap();
        let version = match sets.len() {
            0 => "20261122".to_owned(),
            more => format!("20261122.{more}"),
        };
        // What was there goes at once, and its set stays without a file.
        for set in sets.values_mut() {
            set["files"] = json!({});
        }
        sets.insert(version.clone(), json!({}));
        self.uploads.files.retain(|(of, _), _| *of != id);
        let known = self.uploads.whole.values().find(|bytes| Sha256::of(bytes).to_hex() == of("sha256")).cloned();
        let file = self.number();
        let upload = Upload {
            version,
            filename: (*filename).to_owned(),
            sha256: of("sha256"),
            size,
            bytes: known.unwrap_or_default(),
            settling: 0,
        };
        self.uploads.files.insert((id, file), upload);
        (201, self.settled(id).unwrap().to_string().into_bytes())
    }

    /// The name that an image has afterwards.
    fn accepted_name(&self, name: &str) -> Result<String, String> {
        let short = match name.split('/').collect::<Vec<_>>().as_slice() {
            ["custom", release] | [release] => (*release).to_owned(), // judged without the system
            ["ubuntu", _] => return Err(format!("{name} is a reserved name")),
            [os, _] if SYSTEMS.contains(os) => name.to_owned(),
            _ => return Err(format!("Unsupport operating system {name}")),
        };
        let listed = self.caches.values().flatten();
        let mut reserved: Vec<String> =
            listed.flat_map(|[os, release, ..]| [format!("{os}/{release}"), os.clone(), release.clone()]).collect();
        reserved.extend(SYSTEMS.map(str::to_owned));
        let digits = short.strip_prefix("centos").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        if reserved.contains(&short) || digits.is_some_and(|digits| (1..=2).contains(&digits.len())) {
            return Err(format!("{short} is a reserved name"));
        }
        let is_custom = short != name && self.behaviour().keeps_custom;
        Ok(if is_custom { name.to_owned() } else { short })
    }

    /// Appends a piece; with the last one the digest is compared.
    pub(super) fn take_piece(&mut self, which: (u64, u64), length: Option<usize>, piece: &[u8]) -> Reply {
        let bad = |why: &str| (400, why.as_bytes().to_vec());
        let name = self.resources.get(&which.0).map(|resource| text(resource, "name")).unwrap_or_default();
        let Some(upload) = self.uploads.files.get_mut(&which) else { return (404, b"Not Found".to_vec()) };
        if length.unwrap_or(0) == 0 {
            return bad("Missing data.");
        }
        if length != Some(piece.len()) {
            return bad("Content-Length doesn't equal size of received data.");
        }
        if upload.bytes.len() == upload.size {
            return bad("Cannot upload to a complete file.");
        }
        if upload.bytes.len() + piece.len() > upload.size {
            return bad("Too much data received.");
        }
        match &mut self.uploads.fails {
            Some((0, status)) => {
                let status = *status;
                self.uploads.fails = None;
                return (status, b"No space left on device".to_vec());
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        upload.bytes.extend_from_slice(piece);
        if upload.bytes.len() == upload.size {
            if Sha256::of(&upload.bytes).to_hex() != upload.sha256 {
                return bad("Saved content does not match given SHA256 value.");
            }
            upload.settling = 2;
            self.uploads.whole.insert(name, upload.bytes.clone());
        }
        (200, b"OK".to_vec())
    }

    /// A resource as it is told of, which takes it a step on.
    pub(super) fn settled(&mut self, id: u64) -> Option<Value> {
        for ((_, file), upload) in self.uploads.files.iter_mut().filter(|((of, _), _)| *of == id) {
            let complete = upload.bytes.len() == upload.size && upload.settling == 0;
            upload.settling = upload.settling.saturating_sub(1);
            let mut told = json!({
                "filename": upload.filename, "filetype": "root", "sha256": upload.sha256, "size": upload.size,
                "complete": complete,
            });
            if !complete {
                told["progress"] = json!(upload.bytes.len() as f64 * 100.0 / upload.size as f64);
                told["upload_uri"] = json!(format!("/MAAS/api/2.0/boot-resources/{id}/upload/{file}/"));
            }
            let set = json!({
                "version": upload.version, "label": "uploaded", "size": upload.size, "complete": complete,
                "files": { upload.filename.as_str(): told },
            });
            self.resources.get_mut(&id).unwrap()["sets"][&upload.version] = set;
        }
        let mut told = self.resources.get(&id).cloned()?;
        told["id"] = json!(id);
        Some(told)
    }

    /// Everything that was uploaded is gone.
    pub(super) fn forget_uploads(&mut self) {
        self.resources.retain(|_, resource| resource["type"] != "Uploaded");
        self.uploads = Uploads::default();
    }
}
