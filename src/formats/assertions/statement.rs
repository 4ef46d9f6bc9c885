//! What the assertions that gapferry understands state: only the fields that it needs.

use jiff::Timestamp;
use url::Url;

use super::fields;
use super::headers::{Headers, Value, is_dashed_name};
use super::key::RsaPublicKey;
use super::reference::{ACCOUNT, ACCOUNT_KEY, DEFAULT_PROVENANCE, SNAP_DECLARATION, SNAP_REVISION, STORE};
use crate::digest::Sha3;
use crate::formats::Invalid;

/// What an assertion states, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Who an account is.
    Account(Account),
    /// Whose a key is.
    AccountKey(AccountKey),
    /// What a snap is called and who publishes it.
    SnapDeclaration(SnapDeclaration),
    /// Which revision of which snap some bytes are.
    SnapRevision(SnapRevision),
    /// Where a store of its own is.
    Store(StoreStatement),
    /// Anything else. The assertion is verified all the same.
    Other,
}

/// An `account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub display_name: String,
    /// Its name in the store; may be empty.
    pub username: String,
    /// How well the store knows it: `unproven`, `starred`, `verified`, or `certified` in the oldest.
    pub validation: String,
}

/// An `account-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// Whose key it is.
    pub account_id: String,
    /// What its owner calls it; old ones have no name.
    pub name: String,
    /// From when it is valid.
    pub since: Timestamp,
    /// Until when it is valid, not included.
    pub until: Option<Timestamp>,
    /// Whether it may sign only some assertions.
    pub constrained: bool,
    /// The key.
    pub public_key: RsaPublicKey,
}

impl AccountKey {
    /// Whether the key is valid at this time.
    pub fn valid_at(&self, time: Timestamp) -> bool {
        self.since <= time && self.until.is_none_or(|until| time < until)
    }
}

/// A `snap-declaration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapDeclaration {
    /// The snap's id, which never changes.
    pub snap_id: String,
    /// Its name; empty if the store took it away.
    pub snap_name: String,
    /// Account of its publisher.
    pub publisher_id: String,
    /// Who besides the store may sign revisions of it.
    pub revision_authorities: Vec<RevisionAuthority>,
}

/// Lets an account sign revisions of a snap that did not come through the store's own pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionAuthority {
    /// The account.
    pub account_id: String,
    /// Of which provenances.
    pub provenance: Vec<String>,
    /// From which revision on.
    pub min_revision: u64,
    /// Up to which revision, included.
    pub max_revision: Option<u64>,
}

impl RevisionAuthority {
    /// Whether this lets `authority` sign `revision`. Constraints on devices are left to the devices, as in snapd's
    /// database of assertions.
    pub fn covers(&self, revision: &SnapRevision, authority: &str) -> bool {
        self.account_id == authority
            && self.provenance.contains(&revision.provenance)
            && self.min_revision <= revision.revision
            && self.max_revision.is_none_or(|last| revision.revision <= last)
    }
}

/// A `snap-revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapRevision {
    /// Digest of the snap's file.
    pub sha3_384: Sha3,
    /// Size of the snap's file, in bytes.
    pub size: u64,
    /// The snap's id.
    pub snap_id: String,
    /// The revision's number.
    pub revision: u64,
    /// Account of who uploaded it.
    pub developer_id: String,
    /// Through which pipeline it came.
    pub provenance: String,
}

/// A `store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStatement {
    /// Its id.
    pub store: String,
    /// Account of who runs it.
    pub operator_id: String,
    /// Where it is; devices that are told to use it send all requests there.
    pub url: Option<Url>,
}

impl Statement {
    /// Whether this type is more than [`Statement::Other`], so that a newer format of it could mean something else.
    pub(super) fn understands(kind: &str) -> bool {
        matches!(kind, ACCOUNT | ACCOUNT_KEY | SNAP_DECLARATION | SNAP_REVISION | STORE)
    }

    /// Reads what is specific to the type.
    pub(super) fn parse(kind: &str, headers: &Headers, body: &[u8]) -> Result<Self, Invalid> {
        Ok(match kind {
            ACCOUNT => Self::Account(account(headers)?),
            ACCOUNT_KEY => Self::AccountKey(account_key(headers, body)?),
            SNAP_DECLARATION => Self::SnapDeclaration(snap_declaration(headers)?),
            SNAP_REVISION => Self::SnapRevision(snap_revision(headers)?),
            STORE => Self::Store(store(headers)?),
            _ => Self::Other,
        })
    }
}

fn account(headers: &Headers) -> Result<Account, Invalid> {
    fields::must_time(headers, "timestamp")?;
    Ok(Account {
        id: fields::text(headers, "account-id")?.to_owned(),
        display_name: fields::text(headers, "display-name")?.to_owned(),
        username: fields::optional(headers, "username")?.unwrap_or_default().to_owned(),
        validation: fields::text(headers, "validation")?.to_owned(),
    })
}

fn account_key(headers: &Headers, body: &[u8]) -> Result<AccountKey, Invalid> {
    let name = fields::optional(headers, "name")?;
    if name.is_some_and(|name| !is_dashed_name(name)) {
        return Err(fields::malformed("name"));
    }
    let since = fields::must_time(headers, "since")?;
    let until = fields::time(headers, "until")?;
    if until.is_some_and(|until| until < since) {
        return Err(Invalid::new("its until is before its since"));
    }
    let public_key = RsaPublicKey::parse(body).map_err(|error| Invalid::new("its key is malformed").because(error))?;
    if fields::digest(headers, "public-key-sha3-384")? != public_key.id() {
        let found = public_key.id();
        return Err(Invalid::new(format!("its key is {found}, another one than public-key-sha3-384 says")));
    }
    let account_id = fields::text(headers, "account-id")?.to_owned();
    let constrained = headers.contains_key("constraints");
    Ok(AccountKey { account_id, name: name.unwrap_or_default().to_owned(), since, until, constrained, public_key })
}

fn snap_declaration(headers: &Headers) -> Result<SnapDeclaration, Invalid> {
    fields::must_time(headers, "timestamp")?;
    let name = fields::optional(headers, "snap-name")?.ok_or_else(|| fields::lacks("snap-name"))?;
    // snapd checks names when it installs; here they become names of files.
    if !name.is_empty() && !is_snap_name(name) {
        return Err(fields::malformed("snap-name"));
    }
    let authorities = "revision-authority";
    Ok(SnapDeclaration {
        snap_id: fields::text(headers, "snap-id")?.to_owned(),
        snap_name: name.to_owned(),
        publisher_id: fields::text(headers, "publisher-id")?.to_owned(),
        revision_authorities: fields::maps(headers, authorities)?
            .into_iter()
            .map(revision_authority)
            .collect::<Result<_, _>>()?,
    })
}

/// Whether `name` is one of a snap: as that of a key, of at most 40 characters (snapd's `snap/naming/validate.go`).
pub(crate) fn is_snap_name(name: &str) -> bool {
    name.len() <= 40 && is_dashed_name(name)
}

fn revision_authority(map: &Headers) -> Result<RevisionAuthority, Invalid> {
    let min_revision = fields::snap_revision(map, "min-revision")?.unwrap_or(1);
    let max_revision = fields::snap_revision(map, "max-revision")?;
    if max_revision.is_some_and(|last| last < min_revision) {
        return Err(fields::malformed("max-revision"));
    }
    let provenance = fields::texts(map, "provenance")?;
    if provenance.is_empty() || !provenance.iter().all(|provenance| is_provenance(provenance)) {
        return Err(fields::malformed("provenance"));
    }
    let account_id = fields::text(map, "account-id")?.to_owned();
    Ok(RevisionAuthority { account_id, provenance, min_revision, max_revision })
}

fn snap_revision(headers: &Headers) -> Result<SnapRevision, Invalid> {
    fields::must_time(headers, "timestamp")?;
    let provenance = fields::optional(headers, "provenance")?.unwrap_or(DEFAULT_PROVENANCE);
    if !is_provenance(provenance) {
        return Err(fields::malformed("provenance"));
    }
    Ok(SnapRevision {
        sha3_384: fields::digest(headers, "snap-sha3-384")?,
        size: fields::must_number(headers, "snap-size")?,
        snap_id: fields::text(headers, "snap-id")?.to_owned(),
        revision: fields::snap_revision(headers, "snap-revision")?.ok_or_else(|| fields::lacks("snap-revision"))?,
        developer_id: fields::text(headers, "developer-id")?.to_owned(),
        provenance: provenance.to_owned(),
    })
}

/// Letters and digits with single dashes between them.
fn is_provenance(text: &str) -> bool {
    text.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn store(headers: &Headers) -> Result<StoreStatement, Invalid> {
    fields::must_time(headers, "timestamp")?;
    fields::texts(headers, "friendly-stores")?;
    fields::optional(headers, "location")?;
    let url = fields::optional(headers, "url")?.filter(|text| !text.is_empty());
    let url = url.map(|text| store_url(text).ok_or_else(|| fields::malformed("url"))).transpose()?;
    let operator_id = fields::text(headers, "operator-id")?.to_owned();
    Ok(StoreStatement { store: fields::text(headers, "store")?.to_owned(), operator_id, url })
}

fn store_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https");
    (web && url.has_host() && url.query().is_none() && url.fragment().is_none()).then_some(url)
}

/// `timestamp`, of types that have one.
pub(super) fn timestamp(kind: &str, headers: &Headers) -> Result<Option<Timestamp>, Invalid> {
    let known = matches!(kind, ACCOUNT | SNAP_DECLARATION | SNAP_REVISION | STORE);
    match headers.get("timestamp") {
        // Of a type that is not understood it may mean anything, but a time is compared.
        Some(Value::Text(_)) if !known => Ok(fields::time(headers, "timestamp").unwrap_or_default()),
        Some(_) if known => fields::time(headers, "timestamp"),
        _ => Ok(None),
    }
}
