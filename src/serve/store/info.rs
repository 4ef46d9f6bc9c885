//! `GET /v2/snaps/info/NAME`: all channels of one snap.
//!
//! `snap debug connectivity` asks so for the download address of `core`, the one snap that it takes every store to have, and
//! then for the head of what is there (snapd's `store/store.go`, `snapConnCheck`). It installs nothing. A site need not carry
//! `core`, so the store has an answer of its own: the address of a file that it does have.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::catalogue::{Catalogue, Revision, SnapOffer};
use super::refresh::addressed;
use crate::formats::snap::Channel;

/// The most channels that are listed: a snap's texts stand in each of them.
const MAX_CHANNELS: usize = 512;

/// Fields of a revision that are left out unless they are asked for: they are long, and snapd reads those of the snap.
const ON_DEMAND: [&str; 2] = ["description", "snap-yaml"];

/// The snap that snapd asks for when it checks whether its store can be reached.
const CHECKED_SNAP: &str = "core";

/// What is asked about a snap.
#[derive(Clone, Debug, Default)]
pub struct InfoQuery {
    /// Only for devices of this architecture.
    pub architecture: Option<String>,
    /// Only these fields of snaps; all that are usual if there are none.
    pub fields: BTreeSet<String>,
}

impl InfoQuery {
    /// Returns true for the question by which snapd checks if the store can be reached. Every other question about a snap
    /// asks for more fields.
    pub fn is_connectivity_check(&self, name: &str) -> bool {
        name == CHECKED_SNAP && self.fields.iter().eq(["download"])
    }
}

/// Returns the reply to a connectivity check: the address of one of this store's files.
pub fn connectivity(catalogue: &Catalogue, query: &InfoQuery, base: &str) -> Value {
    let revision = catalogue.all().find_map(SnapOffer::any);
    let url = match revision {
        Some(revision) => addressed(&revision.snap, base).download.url,
        None => format!("{base}/v2/snaps/categories"),
    };
    let architecture = query.architecture.as_deref().unwrap_or("amd64");
    json!({
        "channel-map": [{
            "channel": {
                "architecture": architecture,
                "name": "stable",
                "released-at": "1970-01-01T00:00:00Z",
                "risk": "stable",
                "track": "latest",
            },
            "download": { "deltas": [], "url": url },
        }],
        "default-track": null,
        "name": CHECKED_SNAP,
        "snap": { "name": CHECKED_SNAP },
        "snap-id": "",
    })
}

/// The reply; `None` if there is nothing for such devices.
pub fn reply(offer: &SnapOffer, query: &InfoQuery, base: &str) -> Option<Value> {
    let wanted = |architecture: &&str| query.architecture.as_deref().is_none_or(|only| only == *architecture);
    let listed = offer.architectures().filter(wanted).flat_map(|architecture| {
        // snapd takes a branch for the channel that it branches off, so branches stay unsaid.
        let channels = offer.listed(architecture).filter(|(channel, _)| channel.branch().is_none());
        channels.map(move |(channel, revision)| (architecture, channel, revision))
    });
    let listed: Vec<_> = listed.take(MAX_CHANNELS).collect();
    let (_, _, best) = listed.first()?;
    let channels = listed.iter().map(|(architecture, channel, revision)| {
        let mut fields = fields(revision, query, base);
        fields.insert("channel".to_owned(), describe(architecture, channel, revision));
        Value::Object(fields)
    });
    let channels: Vec<Value> = channels.collect();
    Some(json!({
        "channel-map": channels,
        "default-track": null,
        "name": offer.name,
        "snap": of_snap(best),
        "snap-id": offer.snap_id,
    }))
}

/// What is the same for all revisions, told by the best known one.
pub(super) fn of_snap(revision: &Revision) -> Value {
    let snap = &revision.snap;
    json!({
        "contact": "",
        "description": snap.description,
        "license": snap.license,
        "media": [],
        "name": snap.name,
        "prices": {},
        "private": false,
        "publisher": snap.publisher,
        "snap-id": snap.snap_id,
        "store-url": "",
        "summary": snap.summary,
        "title": snap.title,
    })
}

fn fields(revision: &Revision, query: &InfoQuery, base: &str) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(addressed(&revision.snap, base)) else {
        return Map::new();
    };
    fields.retain(|name, _| match query.fields.is_empty() {
        true => !ON_DEMAND.contains(&name.as_str()),
        false => name == "revision" || query.fields.contains(name),
    });
    fields
}

fn describe(architecture: &str, channel: &Channel, revision: &Revision) -> Value {
    json!({
        "architecture": architecture,
        "name": channel.short(),
        "released-at": time(&revision.snap.created_at),
        "risk": channel.risk(),
        "track": channel.track(),
    })
}

/// When it was made, as a time that snapd reads in any case; when it was released to the channel is not carried.
fn time(created_at: &str) -> &str {
    match created_at.parse::<jiff::Timestamp>() {
        Ok(_) => created_at,
        Err(_) => "1970-01-01T00:00:00Z",
    }
}
