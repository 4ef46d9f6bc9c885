//! The manifest's one canonical text: compact JSON, but a line break before each top-level key and each element of the long
//! lists.

use std::io::{self, Write};

use serde::Serialize;

use super::BundleError;
use super::layout::check;
use super::manifest::{FORMAT, Manifest};
use crate::collection::Collection;

impl Manifest {
    /// The manifest's text, exactly as it is signed.
    pub fn to_text(&self) -> Result<String, BundleError> {
        let mut bytes = Vec::new();
        write(self, &mut bytes).map_err(BundleError::ManifestSyntax)?;
        String::from_utf8(bytes).map_err(|error| BundleError::Inconsistent(error.to_string()))
    }

    /// Parses a manifest and checks that it is in its canonical text and says nothing contradictory.
    ///
    /// The caller has verified the signature over `bytes` first.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::parse_unless_known(bytes, |_| false)
    }

    /// The same, but without those checks where `is_known` finds that `bytes` went through them before.
    pub fn parse_unless_known(bytes: &[u8], is_known: impl FnOnce(&Self) -> bool) -> Result<Self, BundleError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(BundleError::ManifestSyntax)?;
        if manifest.format != FORMAT {
            return Err(BundleError::Format { found: manifest.format });
        }
        if is_known(&manifest) {
            return Ok(manifest);
        }
        check(&manifest)?;
        match is_text_of(&manifest, bytes) {
            true => Ok(manifest),
            false => Err(BundleError::NotCanonical),
        }
    }
}

/// Writes the manifest's text.
fn write(manifest: &Manifest, to: &mut impl Write) -> Result<(), serde_json::Error> {
    let mut out = ManifestText { to, between: "" };
    out.manifest(manifest)
}

/// Whether `bytes` are the manifest's text. Nothing of that size is built to see it.
fn is_text_of(manifest: &Manifest, bytes: &[u8]) -> bool {
    let mut rest = Rest(bytes);
    write(manifest, &mut rest).is_ok() && rest.0.is_empty()
}

/// What is still to be written of a text that is known; nothing else can be written.
struct Rest<'a>(&'a [u8]);

impl Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type WrittenText = Result<(), serde_json::Error>;

struct ManifestText<'a, W> {
    to: &'a mut W,
    /// What stands before the next key or element: a comma, but for the first one.
    between: &'static str,
}

impl<W: Write> ManifestText<'_, W> {
    fn manifest(&mut self, manifest: &Manifest) -> WrittenText {
        self.raw("{")?;
        self.list("blobs", &manifest.blobs)?;
        self.key("collections")?;
        self.elements(("[", "]"), &manifest.collections, Self::collection)?;
        self.value("created", &manifest.created)?;
        self.value("epoch", &manifest.epoch)?;
        self.value("expires", &manifest.expires)?;
        self.value("format", &manifest.format)?;
        self.value("generator", &manifest.generator)?;
        self.value("name", &manifest.name)?;
        self.value("previous", &manifest.previous)?;
        self.value("sequence", &manifest.sequence)?;
        self.value("site", &manifest.site)?;
        self.list("volumes", &manifest.volumes)?;
        self.raw("\n}\n")
    }

    fn collection(&mut self, collection: &Collection) -> WrittenText {
        let Collection { files, items, kind, name, origin, proofs, publish, second_digest, source } = collection;
        self.between = "";
        self.raw("{")?;
        self.key("files")?;
        self.elements(("{", "}"), files, |out, (path, digest)| {
            out.json(path)?;
            out.raw(":")?;
            out.json(digest)
        })?;
        self.list("items", items)?;
        self.value("kind", kind)?;
        self.value("name", name)?;
        self.value("origin", origin)?;
        self.list("proofs", proofs)?;
        self.value("publish", publish)?;
        if let Some(kind) = second_digest {
            self.value("second_digest", kind)?;
        }
        self.value("source", source)?;
        self.raw("\n}")
    }

    fn value(&mut self, key: &str, value: &impl Serialize) -> WrittenText {
        self.key(key)?;
        self.json(value)
    }

    fn list<T: Serialize>(&mut self, key: &str, elements: &[T]) -> WrittenText {
        self.key(key)?;
        self.elements(("[", "]"), elements, |out, element| out.json(element))
    }

    fn key(&mut self, key: &str) -> WrittenText {
        let between = std::mem::replace(&mut self.between, ",");
        self.raw(between)?;
        self.raw("\n\"")?;
        self.raw(key)?;
        self.raw("\":")
    }

    /// Elements between brackets, one to a line.
    fn elements<T>(
        &mut self,
        (open, close): (&str, &str),
        elements: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T) -> WrittenText,
    ) -> WrittenText {
        self.raw(open)?;
        let mut before = "\n";
        for element in elements {
            self.raw(before)?;
            before = ",\n";
            write(self, element)?;
        }
        if before != "\n" {
            self.raw("\n")?;
        }
        self.between = ",";
        self.raw(close)
    }

    fn json(&mut self, value: &impl Serialize) -> WrittenText {
        serde_json::to_writer(&mut *self.to, value)
    }

    fn raw(&mut self, text: &str) -> WrittenText {
        self.to.write_all(text.as_bytes()).map_err(serde_json::Error::io)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::collection::{Item, Publish};
    use crate::digest::Sha256;
    use crate::formats::signed_digest::DigestKind;
    use crate::kind::{Details, Kind};
    use crate::numbers::{Epoch, Sequence};
    use crate::origin::Origin;
    use crate::time::Time;

    fn snaps() -> Collection {
        let channels = ["amd64:latest/stable".parse().unwrap(), "arm64:latest/edge".parse().unwrap()];
        let item = Item {
            architecture: "amd64 arm64".to_owned(),
            details: Details::Snap { channels: channels.into(), revision: 6 },
            file: "jq_6.snap".parse().unwrap(),
            name: "jq".to_owned(),
            proof: Some("jq_6.assert".parse().unwrap()),
            publisher: "someone".to_owned(),
            reason: "requested".to_owned(),
            version: "1".to_owned(),
        };
        Collection {
            files: BTreeMap::from([(item.file.clone(), Sha256::of(b"jq"))]),
            items: vec![item],
            kind: Kind::Snaps,
            name: "store".parse().unwrap(),
            origin: Origin::Url("https://api.snapcraft.io/".to_owned()),
            proofs: Vec::new(),
            publish: Publish::Verbatim,
            second_digest: Some(DigestKind::Sha3),
            source: "store".parse().unwrap(),
        }
    }

    #[test]
    fn the_text_has_every_field() {
        let manifest = Manifest {
            blobs: Vec::new(),
            collections: vec![snaps()],
            created: Time::from_unix(1_795_255_200).unwrap(),
            epoch: Epoch::FIRST,
            expires: Time::from_unix(1_795_341_600).unwrap(),
            format: FORMAT,
            generator: "test".to_owned(),
            name: "base".parse().unwrap(),
            previous: None,
            sequence: Sequence::FIRST,
            site: "dc1".parse().unwrap(),
            volumes: Vec::new(),
        };
        assert_eq!(manifest.to_text().unwrap().replace('\n', ""), serde_json::to_string(&manifest).unwrap());
    }
}
