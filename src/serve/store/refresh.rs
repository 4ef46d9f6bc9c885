//! `POST /v2/snaps/refresh`: which revision each action gets.
//!
//! | action | names | is answered with |
//! |---|---|---|
//! | `install`, `download` | a revision | that revision |
//! | `install`, `download` | a channel, or none | what the channel has, or the next safer one of its track |
//! | `refresh` | a revision | that revision, unless it is installed |
//! | `refresh` | another channel than the tracked one | what that channel has, unless it is installed |
//! | `refresh` | the tracked channel, or none | what that channel has, if it is of a higher revision than the installed one |
//! | `refresh` | a channel whose revision cannot read the epoch of the installed data | the newest revision between the two that can; if there is none, nothing for the tracked channel, else a refusal |
//! | `refresh` | a revision that cannot read the epoch of the installed data | a refusal |
//! | `fetch-assertions` | assertions | nothing: the device has what it was installed with |
//!
//! So a rollback of the site takes no device back by itself; a refresh to a revision does. What needs no answer is absent from
//! the results, as snapd expects. No action names a channel by default: the tracked one counts, or else `latest/stable`.

use std::collections::HashMap;

use super::catalogue::{Catalogue, Revision, SnapOffer};
use super::request::Asked;
use crate::formats::snap::Channel;
use crate::formats::snap::api::{Action, Answer, Extra, Installed, Snap, StoreRefusal};

/// The largest reply, in bytes: a hundred snaps have one or two million.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Who asks, and how it can reach this store.
#[derive(Clone, Copy, Debug)]
pub struct AskingDevice<'a> {
    /// The device's architecture, as dpkg calls it.
    pub architecture: &'a str,
    /// Scheme and host of this store as the device addresses it, such as `http://store:8080`.
    pub base: &'a str,
}

/// The reply as JSON; `None` if it would be too large.
pub fn reply(catalogue: &Catalogue, asked: &Asked, device: AskingDevice<'_>) -> Option<Vec<u8>> {
    // One answer is in memory at a time: a request of a few bytes can ask for a snap with a long description a thousand times.
    let mut json = br#"{"error-list":[],"results":["#.to_vec();
    let start = json.len();
    for answer in answers(catalogue, asked, device) {
        if json.len() > start {
            json.push(b',');
        }
        serde_json::to_writer(&mut json, &answer).ok()?;
        if json.len() > MAX_REPLY_BYTES {
            return None;
        }
    }
    json.extend_from_slice(b"]}");
    Some(json)
}

/// The answers, in the order of the actions.
pub fn answers(catalogue: &Catalogue, asked: &Asked, device: AskingDevice<'_>) -> impl Iterator<Item = Answer> {
    let by_key: HashMap<&str, &Installed> = asked.context.iter().map(|i| (i.instance_key.as_str(), i)).collect();
    let by_id: HashMap<&str, &Installed> = asked.context.iter().map(|i| (i.snap_id.as_str(), i)).collect();
    asked.actions.iter().filter_map(move |action| {
        let installed = by_key.get(action.instance_key.as_str()).filter(|i| i.snap_id == action.snap_id);
        let installed = installed.or_else(|| by_id.get(action.snap_id.as_str())).copied();
        let result = match action.action.as_str() {
            "install" | "download" => install(catalogue, action, device).map(Some),
            "refresh" => refresh(catalogue, action, installed, device),
            "fetch-assertions" => return Some(no_assertions(action)),
            other => Err(refusal("unsupported-action", format!("this store knows no action {other:?}"))),
        };
        match result {
            Ok(found) => found.map(|found| found.answer(action, device)),
            Err(refusal) => Some(refused(catalogue, action, refusal)),
        }
    })
}

/// What an action gets, and from which channel.
struct MatchedRevision<'a> {
    revision: &'a Revision,
    channel: Option<Channel>,
}

impl MatchedRevision<'_> {
    fn answer(&self, action: &Action, device: AskingDevice<'_>) -> Answer {
        let snap = addressed(&self.revision.snap, device.base);
        Answer {
            result: action.action.clone(),
            instance_key: action.instance_key.clone(),
            snap_id: snap.snap_id.clone(),
            name: snap.name.clone(),
            effective_channel: self.channel.as_ref().map(Channel::to_string),
            snap: Some(snap),
            ..Answer::default()
        }
    }
}

/// The snap with the address of its file at this store.
pub fn addressed(snap: &Snap, base: &str) -> Snap {
    let mut snap = snap.clone();
    snap.download.url = format!("{base}/api/v1/snaps/download/{}_{}.snap", snap.snap_id, snap.revision);
    snap
}

fn install<'a>(
    catalogue: &'a Catalogue,
    action: &Action,
    device: AskingDevice<'_>,
) -> Result<MatchedRevision<'a>, StoreRefusal> {
    let offer = match (action.name.as_str(), action.snap_id.as_str()) {
        ("", id) if !id.is_empty() => catalogue.with_id(id).ok_or_else(|| unknown("id-not-found", id))?,
        (name, _) => catalogue.named(name).ok_or_else(|| unknown("name-not-found", name))?,
    };
    match action.revision {
        Some(number) => of_number(offer, number, device),
        None => on_channel(offer, &channel(action.channel.as_deref().unwrap_or_default())?, device),
    }
}

fn refresh<'a>(
    catalogue: &'a Catalogue,
    action: &Action,
    installed: Option<&Installed>,
    device: AskingDevice<'_>,
) -> Result<Option<MatchedRevision<'a>>, StoreRefusal> {
    let offer = catalogue.with_id(&action.snap_id).ok_or_else(|| unknown("id-not-found", &action.snap_id))?;
    let current = installed.map_or(0, |installed| installed.revision);
    let number = |found: &MatchedRevision<'_>| i64::try_from(found.revision.snap.revision).unwrap_or(i64::MAX);
    if let Some(wanted) = action.revision {
        let found = of_number(offer, wanted, device)?;
        return if number(&found) == current { Ok(None) } else { readable(found, installed).map(Some) };
    }
    // A device may track what is no channel; it then gets what is on the one that it asks for.
    let tracked = installed.map_or(Ok(Channel::default()), |installed| channel(&installed.tracking_channel));
    let wanted = action.channel.as_deref().filter(|channel| !channel.is_empty()).map(channel).transpose()?;
    let other = wanted.as_ref().is_some_and(|wanted| tracked.as_ref() != Ok(wanted));
    let channel = wanted.map_or(tracked, Ok)?;
    let found = on_channel(offer, &channel, device)?;
    let or_step =
        |found| readable(found, installed).or_else(|refusal| step(offer, &channel, installed, device).ok_or(refusal));
    match other {
        true if number(&found) == current => Ok(None),
        true => or_step(found).map(Some),
        false if number(&found) > current => Ok(or_step(found).ok()),
        false => Ok(None),
    }
}

/// Returns the newest revision on the way to the channel's that can read the data of the installed one, as the store does for a channel
/// that had several epochs ("stepped upgrades" in snapd's documentation of epochs). The site does not know what a channel had. So a revision counts
/// if it is carried by its number alone, or is on the same track in no riskier channel.
fn step<'a>(
    offer: &'a SnapOffer,
    channel: &Channel,
    installed: Option<&Installed>,
    device: AskingDevice<'_>,
) -> Option<MatchedRevision<'a>> {
    let installed = installed?;
    let epoch = installed.epoch.as_ref()?;
    let (_, newest) = offer.on(device.architecture, channel)?;
    let after = u64::try_from(installed.revision).ok()? + 1;
    let between = offer.between(after..newest.snap.revision, device.architecture);
    let is_on_the_way = |revision: &Revision| {
        let mut listed =
            offer.listed(device.architecture).filter(|(_, one)| one.snap.revision == revision.snap.revision).peekable();
        let is_as_safe = |(other, _): (&Channel, _)| {
            other.track() == channel.track() && other.branch().is_none() && other.risk() <= channel.risk()
        };
        listed.peek().is_none() || listed.any(is_as_safe)
    };
    let revision =
        between.into_iter().rev().find(|revision| revision.snap.epoch.can_read(epoch) && is_on_the_way(revision))?;
    Some(MatchedRevision { revision, channel: Some(channel.clone()) })
}

/// Refuses a revision that cannot read the data of the installed one: snapd would download it and then not install it.
fn readable<'a>(
    found: MatchedRevision<'a>,
    installed: Option<&Installed>,
) -> Result<MatchedRevision<'a>, StoreRefusal> {
    let snap = &found.revision.snap;
    match installed.and_then(|installed| installed.epoch.as_ref()).filter(|epoch| !snap.epoch.can_read(epoch)) {
        None => Ok(found),
        Some(epoch) => {
            let text = format!("revision {} cannot read data of the epochs {:?}", snap.revision, epoch.write);
            Err(refusal("revision-not-found", text))
        }
    }
}

fn of_number<'a>(
    offer: &'a SnapOffer,
    number: i64,
    device: AskingDevice<'_>,
) -> Result<MatchedRevision<'a>, StoreRefusal> {
    let revision = u64::try_from(number).ok().and_then(|number| offer.revision(number, device.architecture));
    let revision = revision.ok_or_else(|| absent(offer, format!("revision {number} is not here")))?;
    Ok(MatchedRevision { revision, channel: None })
}

fn on_channel<'a>(
    offer: &'a SnapOffer,
    channel: &Channel,
    device: AskingDevice<'_>,
) -> Result<MatchedRevision<'a>, StoreRefusal> {
    let nothing = || absent(offer, format!("nothing is on {channel} for {}", device.architecture));
    let (channel, revision) = offer.on(device.architecture, channel).ok_or_else(nothing)?;
    Ok(MatchedRevision { revision, channel: Some(channel) })
}

fn channel(text: &str) -> Result<Channel, StoreRefusal> {
    if text.is_empty() {
        return Ok(Channel::default());
    }
    text.parse().map_err(|_| refusal("revision-not-found", format!("{text:?} is no channel")))
}

fn no_assertions(action: &Action) -> Answer {
    Answer {
        result: action.action.clone(),
        key: action.key.clone(),
        assertion_stream_urls: Some(Vec::new()),
        ..Answer::default()
    }
}

fn refused(catalogue: &Catalogue, action: &Action, refusal: StoreRefusal) -> Answer {
    let known = catalogue.named(&action.name).or_else(|| catalogue.with_id(&action.snap_id));
    // snapd takes an error without a name for one of the request as a whole.
    let name = if action.name.is_empty() { known.map_or("", |offer| &offer.name) } else { &action.name };
    let snap_id = known.map_or(&action.snap_id, |offer| &offer.snap_id);
    Answer {
        result: "error".to_owned(),
        instance_key: action.instance_key.clone(),
        snap_id: snap_id.clone(),
        name: name.to_owned(),
        key: action.key.clone(),
        error: Some(refusal),
        ..Answer::default()
    }
}

fn unknown(code: &str, wanted: &str) -> StoreRefusal {
    refusal(code, format!("the snap {wanted:?} is not here"))
}

fn absent(offer: &SnapOffer, message: String) -> StoreRefusal {
    StoreRefusal { extra: Some(Extra { releases: offer.releases() }), ..refusal("revision-not-found", message) }
}

fn refusal(code: &str, message: String) -> StoreRefusal {
    StoreRefusal { code: code.to_owned(), message, extra: None }
}
