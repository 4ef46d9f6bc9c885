//! A stream on disk: first the files, then the products files that name them, last the index.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize as _;
use serde_json::{Map, Value, json};

use crate::digest::{Hashing, Sha256};
use crate::formats::openpgp::SiteKey;

use super::super::archive;
use super::{Payload, Signing, Stream, StreamItem, StreamProduct};

/// Path → digest of the file.
type FileDigests<'a> = BTreeMap<&'a str, Sha256>;

impl Stream {
    /// Writes `streams/v1/` and the files that it names in `dir`, signed by `key`.
    ///
    /// A file of the right path and size is kept, since in such streams a path has one content for ever; metadata is
    /// replaced; nothing is removed. No file is ever held in memory.
    pub fn write_to(&self, dir: &Path, key: &SiteKey) -> io::Result<()> {
        let digests = self.write_payload(dir)?;
        let forms: &[&str] = if self.signing == Signing::Signed { &["sjson", "json"] } else { &["json"] };
        for (content_id, products) in &self.contents {
            let text = canonical(&self.products_file(content_id, products, &digests))?;
            for form in forms {
                self.write_signed(dir, &metadata_path(content_id, form), &text, key)?;
            }
        }
        for form in forms {
            self.write_signed(dir, &metadata_path("index", form), &canonical(&self.index(form))?, key)?;
        }
        Ok(())
    }

    fn write_payload(&self, dir: &Path) -> io::Result<FileDigests<'_>> {
        let mut written: BTreeMap<&str, (&Payload, Sha256)> = BTreeMap::new();
        for item in self.items() {
            match written.get(item.path.as_str()) {
                Some((payload, _)) if **payload == item.payload => {}
                Some(_) => return Err(io::Error::other(format!("{}: two items, two contents", item.path))),
                None => {
                    let digest = write_file(&dir.join(&item.path), &item.payload)?;
                    written.insert(&item.path, (&item.payload, digest));
                }
            }
        }
        Ok(written.into_iter().map(|(path, (_, digest))| (path, digest)).collect())
    }

    fn products_file(
        &self,
        content_id: &str,
        products: &BTreeMap<String, StreamProduct>,
        digests: &FileDigests,
    ) -> Value {
        let products: Map<String, Value> =
            products.iter().map(|(name, product)| (name.clone(), product_value(product, digests))).collect();
        let mut file = json!({
            "content_id": content_id,
            "datatype": self.datatype,
            "format": "products:1.0",
            "products": products,
            "updated": date(self.updated),
        });
        (self.edit_products)(content_id, &mut file);
        file
    }

    /// The index whose paths have this form.
    fn index(&self, form: &str) -> Value {
        let entry = |(content_id, products): (&String, &BTreeMap<String, StreamProduct>)| {
            let value = json!({
                "datatype": self.datatype,
                "format": "products:1.0",
                "path": metadata_path(content_id, form),
                "products": products.keys().collect::<Vec<_>>(),
                "updated": date(self.updated),
            });
            (content_id.clone(), value)
        };
        let entries: Map<String, Value> = self.contents.iter().map(entry).collect();
        let mut index = json!({ "format": "index:1.0", "index": entries, "updated": date(self.updated) });
        (self.edit_index)(&mut index);
        index
    }

    /// Writes one form of a metadata file, `path`, with its signature in or beside it.
    fn write_signed(&self, dir: &Path, path: &str, text: &str, key: &SiteKey) -> io::Result<()> {
        if path.ends_with(".sjson") {
            let signed = key.sign_clear(text, self.updated).map_err(io::Error::other)?;
            return archive::write(&dir.join(path), signed.as_bytes());
        }
        archive::write(&dir.join(path), text.as_bytes())?;
        if self.signing != Signing::Unsigned {
            let signature = key.sign_detached(text.as_bytes(), self.updated).map_err(io::Error::other)?;
            archive::write(&dir.join(format!("{path}.gpg")), signature.as_bytes())?;
        }
        Ok(())
    }
}

fn metadata_path(name: &str, form: &str) -> String {
    format!("streams/v1/{name}.{form}")
}

fn product_value(product: &StreamProduct, digests: &FileDigests) -> Value {
    let version = |(name, version): (&String, &super::StreamVersion)| {
        let items = version.items.iter().map(|item| (item.name.clone(), item_value(item, digests)));
        (name.clone(), with(&version.tags, [("items", items.collect::<Map<_, _>>().into())]))
    };
    let versions: Map<String, Value> = product.versions.iter().map(version).collect();
    with(&product.tags, [("versions", versions.into())])
}

fn item_value(item: &StreamItem, digests: &FileDigests) -> Value {
    let sha256 = digests.get(item.path.as_str()).map(|digest| digest.to_hex());
    let truth = [
        ("ftype", json!(item.ftype)),
        ("path", json!(item.path)),
        ("sha256", json!(sha256)),
        ("size", json!(item.payload.size())),
    ];
    with(&item.tags, truth)
}

/// The object `tags` with these besides, where it does not have them itself.
fn with<const N: usize>(tags: &Value, others: [(&str, Value); N]) -> Value {
    let mut object = tags.as_object().cloned().unwrap_or_default();
    for (name, value) in others {
        object.entry(name).or_insert(value);
    }
    Value::Object(object)
}

/// JSON as simplestreams writes it: keys sorted, which `Value` does by itself, indented by one, with a newline at the end.
fn canonical(value: &Value) -> io::Result<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Unix seconds as streams write them (RFC 2822 with an offset); empty where there is no such time.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
        .unwrap_or_default()
}

/// Writes a file unless it is there with this size; either way the digest of what it should hold.
fn write_file(path: &Path, payload: &Payload) -> io::Result<Sha256> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == payload.size()) {
        return Ok(Sha256::of_reader(&mut payload.reader())?.0);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let mut file = Hashing::new(BufWriter::with_capacity(1 << 16, File::create(&partial)?));
    io::copy(&mut payload.reader(), &mut file)?;
    let (mut file, digest, _) = file.finish();
    file.flush()?;
    fs::rename(&partial, path)?;
    Ok(digest)
}
