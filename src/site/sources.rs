//! Which source each collection belongs to. What a site allows or pins, it does so by source, and a builder writes the source's
//! name into the manifest; so whoever has stolen a builder's key must not be able to pass a collection on to a source that is
//! allowed more.

use url::Url;

use super::SiteError;
use super::publish::PublishError;
use super::state::Generation;
use crate::collection::Collection;

/// Fixes the collection's source at its first publication, and refuses another one from then on.
pub(super) fn keep(next: &mut Generation, collection: &Collection) -> Result<(), PublishError> {
    let known = next.sources.entry(collection.folder()).or_insert_with(|| collection.source.clone());
    match *known == collection.source {
        true => Ok(()),
        false => Err(PublishError::OtherSource { known: known.to_string(), found: collection.source.to_string() }),
    }
}

/// Refuses a collection without upstream's proof that would answer for the address of another source's collection.
pub(super) fn keep_apart(next: &Generation) -> Result<(), SiteError> {
    let address = |folder: &str| {
        let published = next.published.get(folder)?;
        Some((next.sources.get(folder)?, Url::parse(&published.origin).ok().filter(|url| url.has_host())?))
    };
    for (folder, _) in next.published.iter().filter(|(_, published)| published.unsigned > 0) {
        let Some((source, url)) = address(folder) else { continue };
        let is_taken =
            |other: &&String| address(other).is_some_and(|(owner, theirs)| owner != source && overlap(&url, &theirs));
        if let Some(other) = next.published.keys().find(is_taken) {
            let source = PublishError::AddressTaken { address: url.to_string(), other: other.clone() };
            return Err(SiteError::Publish { collection: folder.clone(), source });
        }
    }
    Ok(())
}

/// Whether one address is at, above or below the other.
fn overlap(one: &Url, other: &Url) -> bool {
    let path = |url: &Url| format!("{}/", url.path().trim_end_matches('/'));
    let (a, b) = (path(one), path(other));
    one.host_str() == other.host_str() && (a.starts_with(&b) || b.starts_with(&a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Kind, Publish};
    use crate::site::Published;

    fn generation(of: &[(&str, &str, &str, u64)]) -> Generation {
        let mut generation = Generation::none();
        for (name, source, origin, unsigned) in of {
            let folder = format!("apt/{name}");
            generation.sources.insert(folder.clone(), source.parse().unwrap());
            let published = Published {
                kind: Kind::Apt,
                name: name.parse().unwrap(),
                origin: (*origin).to_owned(),
                publish: Publish::ReIndexed,
                items: 1,
                unsigned: *unsigned,
                not_carried: 0,
                not_carried_examples: Vec::new(),
                before: None,
                valid_until: None,
                missing_indexes: Vec::new(),
                notes: Vec::new(),
            };
            generation.published.insert(folder, published);
        }
        generation
    }

    #[test]
    fn a_collection_stays_with_its_source() {
        let collection = |source: &str| Collection {
            files: Default::default(),
            items: Vec::new(),
            kind: Kind::Apt,
            name: "ubuntu".parse().unwrap(),
            origin: "local".to_owned(),
            proofs: Vec::new(),
            publish: Publish::ReIndexed,
            source: source.parse().unwrap(),
        };
        let mut next = Generation::none();
        assert!(keep(&mut next, &collection("ubuntu")).is_ok());
        assert!(keep(&mut next, &collection("own")).is_err());
        assert!(keep(&mut next, &collection("ubuntu")).is_ok());
    }

    #[test]
    fn nobody_without_proof_answers_for_another() {
        let ubuntu = ("ubuntu", "ubuntu", "http://archive.example/ubuntu", 0);
        for (other, fine) in [
            (("own", "own", "local", 1), true),
            (("own", "own", "http://archive.example/own", 1), true),
            (("own", "own", "http://archive.example/ubuntu2", 1), true),
            (("own", "own", "http://archive.example/ubuntu/", 1), false),
            (("own", "own", "https://archive.example/ubuntu/pool", 1), false),
            (("own", "own", "http://archive.example/", 1), false),
            (("own", "own", "http://archive.example/ubuntu", 0), true),
            (("more", "ubuntu", "http://archive.example/ubuntu", 1), true),
        ] {
            assert_eq!(keep_apart(&generation(&[ubuntu, other])).is_ok(), fine, "{other:?}");
        }
    }
}
