//! `gapferry inspect`.

use std::io::Write;
use std::path::PathBuf;

use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::bundle_folder::find;
use super::error::Failure;
use super::output::{Output, note, write_json_line};
use crate::bundle::BundleError;
use crate::bundle::overview::{BundleOverview, PackingOverview, overview};
use crate::bundle::state::blob_table::BlobMark;
use crate::bundle::state::manifest::StateCollection;
use crate::bundle::state::{ItemLine, ListLine, ProofLine};
use crate::error_class::causes;
use crate::numbers::VolumeNumber;
use crate::terminal::safe;
use crate::trust::PublicKey;
use crate::units::Bytes;

/// Show what is in a bundle, from where, and signed by whom
///
/// Needs no key: it says whose signature the manifest bears, not whether to trust it. `verify` does that. Of a delta it says on which
/// states it builds, and marks the items that do not travel.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry inspect /media/usb/dc1-base-000042\n  \
    gapferry inspect --json dc1-base-000042 | jq '.collections[].items[] | select(.reason == \"requested\")'")]
pub(super) struct InspectArgs {
    /// The bundle's folder or name
    bundle: PathBuf,
}

pub(super) fn run(args: &InspectArgs, out: &Output) -> Result<(), Failure> {
    let found = overview(&find(&args.bundle, None)?)?;
    found.absent.iter().for_each(|error| note(&format!("a packing counts as absent: {}", causes(error).join(": "))));
    out.stream(|to| {
        let written = match out.is_json() {
            true => write_json_line(&ShownBundle(&found), to).map_err(Into::into),
            false => render(&found, to),
        };
        // Errors of stdout are kept elsewhere. The lists have been checked, so this is their private copy.
        written.map_err(|error| Failure::Bundle(BundleError::io("read", &std::env::temp_dir())(error)))
    })
}

/// The result for programs.
struct ShownBundle<'a>(&'a BundleOverview);

impl Serialize for ShownBundle<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = self.0;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in fields(&found.manifest)?.into_iter().filter(|(key, _)| key != "collections") {
            map.serialize_entry(&key, &value)?;
        }
        map.serialize_entry("bundle", &found.manifest.folder())?;
        map.serialize_entry("manifest_sha256", &found.digest)?;
        map.serialize_entry("signer", &found.signer.as_ref().map(PublicKey::fingerprint))?;
        map.serialize_entry("trust_files", &found.trust_files)?;
        map.serialize_entry("packings", &found.packings.iter().map(packing_json).collect::<Vec<_>>())?;
        map.serialize_entry("collections", &ShownCollections(found))?;
        map.serialize_entry("outcome", "done")?;
        map.end()
    }
}

/// The fields of a value that is an object.
fn fields<E: serde::ser::Error>(value: &impl Serialize) -> Result<Map<String, Value>, E> {
    match serde_json::to_value(value).map_err(E::custom)? {
        Value::Object(fields) => Ok(fields),
        other => Err(E::custom(format!("{other} is no object"))),
    }
}

struct ShownCollections<'a>(&'a BundleOverview);

impl Serialize for ShownCollections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.manifest.collections.iter().enumerate();
        serializer.collect_seq(all.map(|(index, collection)| ShownCollection { found: self.0, index, collection }))
    }
}

struct ShownCollection<'a> {
    found: &'a BundleOverview,
    index: usize,
    collection: &'a StateCollection,
}

impl Serialize for ShownCollection<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in fields(self.collection)? {
            map.serialize_entry(&key, &value)?;
        }
        let Self { found, index, .. } = *self;
        map.serialize_entry("proofs", &ShownLines { found, index, kind: LineKind::Proof })?;
        map.serialize_entry("items", &ShownLines { found, index, kind: LineKind::Item })?;
        map.end()
    }
}

/// The lines of an item list that are shown together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Proof,
    Item,
}

/// Reads the list while it is written: it may have millions of lines.
struct ShownLines<'a> {
    found: &'a BundleOverview,
    index: usize,
    kind: LineKind,
}

#[derive(Serialize)]
struct ShownLine<T> {
    #[serde(flatten)]
    line: T,
    /// `true` if a packing that is here carries it.
    travels: bool,
}

impl Serialize for ShownLines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = self.found.lists.read(self.index).map_err(S::Error::custom)?;
        let mut seq = serializer.serialize_seq(None)?;
        while let Some(line) = list.next_line().map_err(S::Error::custom)? {
            let travels = travels(self.found, &line);
            match (line, self.kind) {
                (ListLine::Proof(line), LineKind::Proof) => seq.serialize_element(&ShownLine { line, travels })?,
                (ListLine::Item(line), LineKind::Item) => seq.serialize_element(&ShownLine { line, travels })?,
                (ListLine::Item(_), LineKind::Proof) => break, // proofs stand first
                (ListLine::Proof(_), LineKind::Item) => {}
            }
        }
        seq.end()
    }
}

fn travels(found: &BundleOverview, line: &ListLine) -> bool {
    found.blobs.get(&line.blob().0).is_some_and(|blob| blob.has(BlobMark::Carried))
}

fn packing_json(shown: &PackingOverview) -> Value {
    let PackingOverview { id, signer, packing, totals, blobs, missing } = shown;
    let volumes = VolumeNumber::all().zip(&packing.volumes).map(|(number, volume)| {
        let file = packing.volume_file(number).unwrap_or_default();
        json!({ "file": file, "sha256": volume.sha256, "size": volume.size })
    });
    let (parameters, patches) = (&packing.parameters, &totals.patches);
    json!({
        "id": id, "signer": signer.as_ref().map(PublicKey::fingerprint), "bases": parameters.bases,
        "request": parameters.request, "volume_size": parameters.volume_size, "volumes": volumes.collect::<Vec<_>>(),
        "missing": missing, "blobs": blobs, "bytes": totals.bytes, "parts": totals.parts,
        "patches": { "parts": patches.parts, "bytes": patches.bytes, "stored": patches.stored },
    })
}

fn render(found: &BundleOverview, to: &mut dyn Write) -> std::io::Result<()> {
    let manifest = &found.manifest;
    let volumes = || found.packings.iter().flat_map(|packing| &packing.packing.volumes);
    write!(
        to,
        "{}  for site {}, made {} by {}, valid until {}\nsigned by  {}\nvolumes    {} with {}\n",
        manifest.folder(),
        manifest.site,
        manifest.created,
        safe(&manifest.generator),
        manifest.expires,
        found.signer.as_ref().map_or_else(|| "nobody".to_owned(), PublicKey::fingerprint),
        volumes().count(),
        Bytes(volumes().map(|volume| volume.size).sum()),
    )?;
    header(found, to)?;
    found.packings.iter().try_for_each(|packing| to.write_all(packing_words(packing, found).as_bytes()))?;
    for (index, collection) in manifest.collections.iter().enumerate() {
        let origin = collection.origin.as_deref().unwrap_or("local");
        let items = found.items.get(index).copied().unwrap_or_default();
        let (folder, publish) = (collection.folder(), collection.publish);
        writeln!(to, "\n{folder}  from {}, published {publish}, {items} items", safe(origin))?;
        let mut list = found.lists.read(index).map_err(std::io::Error::other)?;
        while let Some(line) = list.next_line().map_err(std::io::Error::other)? {
            let mark = if travels(found, &line) { "" } else { "  does not travel" };
            match line {
                ListLine::Proof(proof) => proof_words(&proof, to)?,
                ListLine::Item(item) => item_words(&item, mark, to)?,
            }
        }
    }
    Ok(())
}

/// Writes the lines of the header that only some bundles have.
fn header(found: &BundleOverview, to: &mut dyn Write) -> std::io::Result<()> {
    let manifest = &found.manifest;
    let texts = [
        ("purpose", &manifest.purpose),
        ("ticket", &manifest.ticket),
        ("class", &manifest.classification),
        ("next", &manifest.next_expected.map(|time| format!("expected {time}"))),
        ("trust", &manifest.trust.map(|version| format!("made under version {version} of the trust file"))),
        ("carries", &carried(&found.trust_files)),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        writeln!(to, "{name:<9}  {}", safe(text))?;
    }
    for flag in &manifest.overrides {
        writeln!(to, "OVERRIDE   {}", safe(flag))?;
    }
    for item in &manifest.changed_items {
        let (collection, path, before) = (safe(&item.collection), &item.path, item.before);
        writeln!(
            to,
            "CHANGED    {collection}/{path}: other bytes than before under the same name and version; it was {before}"
        )?;
    }
    if let Some(more) = manifest.more_changed_items {
        writeln!(to, "CHANGED    {more} more items: other bytes than before under the same name and version")?;
    }
    for left in &manifest.left_out {
        writeln!(to, "LEFT OUT   {} of {}: {}", safe(&left.what), safe(&left.collection), safe(&left.why))?;
    }
    Ok(())
}

/// Says which trust files a bundle carries.
fn carried(versions: &[u64]) -> Option<String> {
    let numbers: Vec<String> = versions.iter().map(u64::to_string).collect();
    (!numbers.is_empty())
        .then(|| format!("the versions {} of the trust file; `trust show` shows the last one", numbers.join(", ")))
}

/// Says what of the state a packing carries. A packing that carries all of it, in full, needs no words.
fn packing_words(shown: &PackingOverview, found: &BundleOverview) -> String {
    let PackingOverview { id, signer, packing, totals, blobs, missing } = shown;
    let all = found.blobs.len() as u64;
    let (bases, patches) = (&packing.parameters.bases, &totals.patches);
    if bases.is_empty() && *blobs == all && missing.is_empty() && found.packings.len() == 1 && *signer == found.signer {
        return String::new();
    }
    let signer = signer.as_ref().map_or_else(|| "nobody".to_owned(), PublicKey::fingerprint);
    let mut text = format!("packing    {id}, signed by {signer}: {blobs} of {all} blobs, {}", Bytes(totals.bytes));
    if patches.parts > 0 {
        text += &format!(", {} of it as patches of {}", Bytes(patches.bytes), Bytes(patches.stored));
    }
    text.push('\n');
    for base in bases {
        text += &format!("  builds on sequence {}, manifest {}\n", base.sequence, base.manifest);
    }
    missing.iter().for_each(|file| text += &format!("  {file} is not here\n"));
    text
}

fn proof_words(proof: &ProofLine, to: &mut dyn Write) -> std::io::Result<()> {
    if proof.signed_by.is_empty() {
        return Ok(());
    }
    let date = proof.date.map_or_else(|| "undated".to_owned(), |date| date.to_string());
    let keys: Vec<String> = proof.signed_by.iter().map(|key| safe(key).to_string()).collect();
    writeln!(to, "  {} of {date}, signed by {}", proof.path, keys.join(", "))
}

fn item_words(item: &ItemLine, mark: &str, to: &mut dyn Write) -> std::io::Result<()> {
    let unproven = if item.proof.is_none() { "  WITHOUT UPSTREAM PROOF" } else { "" };
    writeln!(
        to,
        "  {} {} {}  {} ({}){unproven}{mark}",
        safe(&item.name),
        safe(&item.version),
        safe(item.architecture.as_deref().unwrap_or_default()),
        safe(&item.details.listed_in()),
        safe(&item.reason)
    )
}
