//! The site's own `store` assertion: by it, devices find the site's snap store with `proxy.store`, and no other setting.
//!
//! Only Canonical signs such an assertion, for who registers a store there; it says under which address the store is. The site
//! keeps it, with all that it rests on, as `store.assert`, and `serve` answers with it.

use std::path::Path;

use url::Url;

use super::{Site, SiteError};
use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::assertions::{MAX_STREAM_BYTES, Pool, Statement, StoreStatement, Trust, Verifier};
use crate::storage::{audit, read_capped, read_named, write_atomically};
use crate::time::Time;

/// The name of the file.
const FILE: &str = "store.assert";

/// A `store` assertion that has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAssertion {
    /// Its id: what devices set `proxy.store` to.
    pub store: String,
    /// Account of who runs it.
    pub operator_id: String,
    /// The address at which devices look for it.
    pub url: Url,
    /// The assertion and all that it rests on.
    pub stream: Vec<u8>,
}

impl StoreAssertion {
    /// Reads a stream, and verifies all of it down to `trust`.
    pub fn verify(trust: &Trust, stream: &[u8], now: Time) -> Result<Self, Fault> {
        let untrusted = |error: Invalid| Fault::unverified("it cannot be trusted").because(error);
        let pool = Pool::of_stream(stream).map_err(untrusted)?;
        Verifier::new(trust, &pool, now).verify_all().map_err(untrusted)?;
        let stores = pool.iter().filter_map(|assertion| match assertion.statement() {
            Statement::Store(store) => Some(store),
            _ => None,
        });
        match stores.collect::<Vec<_>>().as_slice() {
            [StoreStatement { store, operator_id, url: Some(url) }] => Ok(Self {
                store: store.clone(),
                operator_id: operator_id.clone(),
                url: url.clone(),
                stream: stream.to_vec(),
            }),
            [StoreStatement { store, .. }] => Err(Fault::usage(format!(
                "the store {store} has no URL in it, so devices cannot be sent there: register it with one"
            ))),
            others => Err(Fault::usage(format!(
                "there are {} store assertions in it, and one is needed: take the file that `store-admin register` made",
                others.len()
            ))),
        }
    }

    /// What is kept at the site in `root`; `None` if nothing is.
    pub fn stream_of(root: &Path) -> Result<Option<Vec<u8>>, SiteError> {
        let path = root.join(FILE);
        match path.try_exists().map_err(SiteError::io("read", &path))? {
            true => Ok(Some(read_capped(&path, MAX_STREAM_BYTES as u64)?)),
            false => Ok(None),
        }
    }
}

/// Verifies the store assertion in `file` and keeps it at the site, in place of the one before.
pub fn keep_store_assertion(site: &Site, file: &Path) -> Result<StoreAssertion, SiteError> {
    let _lock = site.lock()?;
    let stream = read_named(file, MAX_STREAM_BYTES as u64)?;
    let refused = |error: Fault| {
        Fault::new(error.class(), format!("{} is not a store assertion for this site", file.display())).because(error)
    };
    let assertion = StoreAssertion::verify(site.snap_roots, &stream, Time::now()).map_err(refused)?;
    audit::append(&site.root().join("audit.jsonl"), "store-assertion", &assertion.store, assertion.url.as_str())?;
    write_atomically(&site.root().join(FILE), &stream, 0o644)?;
    Ok(assertion)
}
