//! `GET /v2/assertions/TYPE/KEY…`: what is said of snaps, byte for byte as it was received.
//!
//! The catalogue's assertions answer first, then those of the site's own `store` assertion, which may come and go without a
//! new generation.

use std::path::Path;

use super::catalogue::Catalogue;
use crate::formats::assertions::{Assertion, DEFAULT_PROVENANCE, Reference, primary_key};
use crate::site::StoreAssertion;

/// The assertion of this type and key, if its format is at most `max_format`.
///
/// The store has older formats of some assertions for older devices. They cannot be made from newer ones, so such a device is
/// told that there is none.
pub fn find(catalogue: &Catalogue, site: &Path, kind: &str, key: &[&str], max_format: Option<u64>) -> Option<Vec<u8>> {
    let reference = reference(kind, key)?;
    let fits = |assertion: &&Assertion| max_format.is_none_or(|max| assertion.format() <= max);
    if let Some(assertion) = catalogue.assertion(&reference) {
        return Some(assertion).filter(fits).map(|assertion| assertion.encoded().to_vec());
    }
    let own = Assertion::parse_stream(&own(site)?).ok()?;
    own.iter().find(|own| *own.reference() == reference).filter(fits).map(|own| own.encoded().to_vec())
}

/// The stream with the site's own `store` assertion.
pub fn own(site: &Path) -> Option<Vec<u8>> {
    StoreAssertion::stream_of(site).ok().flatten()
}

/// Names an assertion by what stands in an address: the default of an optional last part is left out there.
fn reference(kind: &str, key: &[&str]) -> Option<Reference> {
    let names = primary_key(kind)?;
    let mut key = key.to_vec();
    if key.len() + 1 == names.len() && names.last() == Some(&"provenance") {
        key.push(DEFAULT_PROVENANCE);
    }
    (key.len() == names.len()).then(|| Reference::new(kind, &key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_back_to_their_references() {
        for reference in [
            Reference::new("snap-revision", &["digest", DEFAULT_PROVENANCE]),
            Reference::new("snap-revision", &["digest", "own"]),
            Reference::snap_declaration("id"),
            Reference::store("id"),
        ] {
            let short: Vec<&str> = reference.short_key().iter().map(String::as_str).collect();
            assert_eq!(super::reference(&reference.kind, &short), Some(reference.clone()));
        }
        for (kind, key) in [("nothing", &["x"][..]), ("account", &[]), ("account", &["a", "b"]), ("store", &[])] {
            assert_eq!(reference(kind, key), None);
        }
    }
}
