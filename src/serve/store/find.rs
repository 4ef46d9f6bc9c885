//! Looking around: `GET /v2/snaps/find` and `GET /api/v1/snaps/names`.

use serde_json::{Value, json};

use super::catalogue::{Catalogue, Revision, SnapOffer};
use super::info;
use crate::formats::snap::Channel;

/// The most snaps that one search finds.
const MAX_FOUND: usize = 250;

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct SearchQuery {
    /// These words, in the name, the title or the summary.
    pub words: String,
    /// Exactly this name.
    pub name: String,
    /// On this channel or a safer one; if there is none, on any.
    pub channel: Option<Channel>,
    /// Of these confinements; of any if it is empty.
    pub confinements: Vec<String>,
    /// For devices of this architecture.
    pub architecture: String,
}

/// The snaps that fit: those first whose name is what is searched for, the others by name.
pub fn reply(catalogue: &Catalogue, query: &SearchQuery) -> Value {
    let words = query.words.to_lowercase();
    let fits = |offer: &SnapOffer, revision: &Revision| {
        let snap = &revision.snap;
        let texts = || [&offer.name, &snap.title, &snap.summary].map(|text| text.to_lowercase());
        (query.name.is_empty() || offer.name == query.name)
            && (query.confinements.is_empty() || query.confinements.contains(&snap.confinement))
            && words.split_whitespace().all(|word| texts().iter().any(|text| text.contains(word)))
    };
    let found = catalogue.all().filter_map(|offer| {
        let (channel, revision) = match &query.channel {
            Some(channel) => offer.on(&query.architecture, channel)?,
            None => offer.best(&query.architecture).map(|(channel, revision)| (channel.clone(), revision))?,
        };
        fits(offer, revision).then_some((offer, channel, revision))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(offer, _, _)| offer.name.to_lowercase() != words);
    let results: Vec<Value> =
        found.iter().take(MAX_FOUND).map(|(offer, channel, it)| one(offer, channel, it)).collect();
    json!({ "results": results })
}

fn one(offer: &SnapOffer, channel: &Channel, revision: &Revision) -> Value {
    let snap = &revision.snap;
    json!({
        "name": offer.name,
        "revision": {
            "base": snap.base,
            "channel": channel.to_string(),
            "confinement": snap.confinement,
            "download": { "size": snap.download.size },
            "revision": snap.revision,
            "type": snap.kind,
            "version": snap.version,
        },
        "snap": info::of_snap(revision),
        "snap-id": offer.snap_id,
    })
}

/// The names of all snaps for devices of this architecture. snapd's decoder wants the outer names in this very order, and
/// each object here has but one.
pub fn names(catalogue: &Catalogue, architecture: &str) -> Value {
    let named = catalogue.all().filter_map(|offer| {
        let (_, revision) = offer.best(architecture)?;
        let snap = &revision.snap;
        Some(json!({
            "aliases": null,
            "apps": [],
            "package_name": offer.name,
            "summary": snap.summary,
            "title": snap.title,
            "version": snap.version,
        }))
    });
    let named: Vec<Value> = named.collect();
    json!({ "_embedded": { "clickindex:package": named } })
}
