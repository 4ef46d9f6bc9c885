//! `GET /v2/snaps/info/NAME`: all channels of one snap.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::catalogue::{Offer, Revision};
use super::refresh::addressed;
use crate::formats::snap::Channel;

/// The most channels that are listed: a snap's texts stand in each of them.
const MAX_CHANNELS: usize = 512;

/// Fields of a revision that are left out unless they are asked for: they are long, and snapd reads those of the snap.
const ON_DEMAND: [&str; 2] = ["description", "snap-yaml"];

/// What is asked about a snap.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only for devices of this architecture.
    pub architecture: Option<String>,
    /// Only these fields of snaps; all that are usual if there are none.
    pub fields: BTreeSet<String>,
}

/// The reply; `None` if there is nothing for such devices.
pub fn reply(offer: &Offer, query: &Query, base: &str) -> Option<Value> {
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

fn fields(revision: &Revision, query: &Query, base: &str) -> Map<String, Value> {
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
