//! Asks a snap store, as snapd does: what it offers, and what is signed about that.

use std::collections::BTreeSet;

use url::Url;

use super::snap_set::{REQUESTED, Wish};
use crate::collect::address::{below, origin};
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::fetch::{FetchError, Question};
use crate::formats::assertions::{Assertion, MAX_STREAM_BYTES, Pool, Reference, max_format};
use crate::formats::snap::api::{Action, Answer, Reply, SERIES, Snap, StoreRefusal, StoreRequest};

/// Snaps that are asked for in one request.
const ACTIONS_PER_REQUEST: usize = 50;
/// The largest answer to one request, in bytes. A snap's is some 10 KiB.
const MAX_REPLY_BYTES: u64 = 16 << 20;
/// How often the answers may name further assertions: the longest chain that is verified is shorter.
const MAX_ROUNDS: usize = 32;
/// The number of channels that an error lists.
const LISTED_CHANNELS: usize = 20;
/// The context of a request that fails.
const ASKING: &str = "cannot ask the store";
/// The fields of a snap that are looked at.
const FIELDS: [&str; 9] =
    ["architectures", "base", "download", "name", "revision", "snap-id", "snap-yaml", "type", "version"];

/// What a store offers for a wish. Nobody vouches for it yet.
pub(super) struct StoreOffer {
    pub(super) wish: Wish,
    pub(super) snap: Snap,
    /// Where the file is.
    pub(super) url: Url,
}

/// Asks for all wishes, of one store and architecture at a time.
pub(super) fn offers(wishes: &BTreeSet<Wish>, with: &CollectContext<'_>) -> Result<Vec<StoreOffer>, CollectError> {
    let wishes: Vec<&Wish> = wishes.iter().collect();
    let groups = wishes.chunk_by(|a, b| (&a.store, &a.architecture) == (&b.store, &b.architecture));
    let chunks: Vec<&[&Wish]> = groups.flat_map(|group| group.chunks(ACTIONS_PER_REQUEST)).collect();
    let questions = chunks.iter().filter_map(|chunk| question(chunk)).collect();
    let mut offers = Vec::new();
    for (chunk, reply) in chunks.iter().zip(with.fetcher.ask_all(questions)) {
        offers.extend(read(chunk, &reply.map_err(CollectError::within(ASKING))?)?);
    }
    Ok(offers)
}

fn question(wishes: &[&Wish]) -> Option<Question> {
    let first = wishes.first()?;
    let actions = wishes.iter().enumerate().map(|(number, wish)| Action {
        action: "download".to_owned(),
        instance_key: number.to_string(),
        name: wish.name.clone(),
        channel: wish.revision.is_none().then(|| wish.channel.to_string()),
        revision: wish.revision.and_then(|revision| i64::try_from(revision).ok()),
        ..Action::default()
    });
    let fields = FIELDS.map(str::to_owned).to_vec();
    let request = StoreRequest { context: Vec::new(), actions: actions.collect(), fields };
    let headers = vec![
        ("Accept", "application/json".to_owned()),
        ("Snap-Device-Series", SERIES.to_owned()),
        ("Snap-Device-Architecture", first.architecture.clone()),
    ];
    let body = serde_json::to_string(&request).ok()?;
    let url = below(&first.store, "v2/snaps/refresh");
    Some(Question { url, headers, body: Some(body), cap: MAX_REPLY_BYTES })
}

fn read(wishes: &[&Wish], reply: &[u8]) -> Result<Vec<StoreOffer>, CollectError> {
    let Some(first) = wishes.first() else { return Ok(Vec::new()) };
    let malformed = |error: serde_json::Error| {
        Fault::unavailable(format!("the answer of {} is malformed", origin(&first.store))).because(error)
    };
    let reply: Reply = serde_json::from_slice(reply).map_err(malformed)?;
    let answer = |(number, wish): (usize, &&Wish)| {
        let found = reply.results.iter().find(|answer| answer.instance_key == number.to_string());
        offer(wish, found, &reply)
    };
    wishes.iter().enumerate().map(answer).collect()
}

fn offer(wish: &Wish, answer: Option<&Answer>, reply: &Reply) -> Result<StoreOffer, CollectError> {
    let refusal = answer.map_or(reply.error_list.first(), |answer| answer.error.as_ref());
    if let Some(refusal) = refusal {
        return Err(refused(wish, refusal).into());
    }
    let snap = answer.and_then(|answer| answer.snap.clone()).filter(|snap| snap.name == wish.name);
    let (store, name) = (origin(&wish.store), &wish.name);
    let no_answer =
        || format!("{store} says nothing about {name}: run again, and if this persists, the store is faulty");
    let snap = snap.ok_or_else(|| Fault::unavailable(no_answer()))?;
    let url = &snap.download.url;
    let elsewhere = || format!("the store says that {name} is at {url:?}, which is no address that it may send us to");
    let url = Url::parse(url).ok().filter(|url| may_lead(&wish.store, url));
    let url = url.ok_or_else(|| Fault::unverified(elsewhere()))?;
    Ok(StoreOffer { wish: wish.clone(), snap, url })
}

/// Makes the error of a wish that the store refuses.
fn refused(wish: &Wish, refusal: &StoreRefusal) -> Fault {
    let (store, name, architecture) = (origin(&wish.store), &wish.name, &wish.architecture);
    let what = wish.revision.map_or_else(|| wish.channel.to_string(), |revision| format!("revision {revision}"));
    let reason = match wish.reason.as_str() {
        REQUESTED => String::new(),
        reason => format!(" ({reason})"),
    };
    let answer = if refusal.message.is_empty() { &refusal.code } else { &refusal.message };
    let mut releases = refusal.extra.iter().flat_map(|extra| &extra.releases).collect::<Vec<_>>();
    releases.sort();
    let listed = releases.iter().take(LISTED_CHANNELS);
    let listed: Vec<String> =
        listed.map(|release| format!("{} for {}", release.channel, release.architecture)).collect();
    let instead = if listed.is_empty() { String::new() } else { format!("; there is {}", listed.join(", ")) };
    Fault::usage(format!("{store} has no {name} {what} for {architecture}{reason}: {answer}{instead}"))
}

/// Whether the store may send us there: not to files of this machine, and not from https to http.
fn may_lead(store: &Url, to: &Url) -> bool {
    to.scheme() == "https" || (to.scheme() == "http" && store.scheme() == "http")
}

/// Fetches the assertions that are missing before those of `wanted` can be verified. What the store does not have is left to
/// the verifier to name.
pub(super) fn complete(
    pool: &mut Pool,
    wanted: &[(Url, Reference)],
    with: &CollectContext<'_>,
) -> Result<(), CollectError> {
    let mut unknown = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let missing: BTreeSet<(Url, Reference)> = wanted
            .iter()
            .flat_map(|(store, reference)| {
                pool.missing(with.snap_roots, reference).into_iter().map(move |missing| (store.clone(), missing))
            })
            .collect();
        let missing: Vec<_> = missing.into_iter().filter(|(_, reference)| !unknown.contains(reference)).collect();
        if missing.is_empty() {
            break;
        }
        let questions = missing.iter().map(|(store, reference)| assertion_question(store, reference));
        let answers = with.fetcher.ask_all(questions.collect());
        for ((_, reference), bytes) in missing.into_iter().zip(answers) {
            let untrusted = |error| Fault::unverified(format!("cannot use {reference}")).because(error);
            let bytes = match bytes {
                Err(FetchError::Missing { .. }) => {
                    unknown.insert(reference);
                    continue;
                }
                other => other.map_err(CollectError::within(ASKING))?,
            };
            let assertion = Assertion::parse(&bytes).map_err(untrusted)?;
            if *assertion.reference() != reference {
                let got = assertion.reference();
                return Err(Fault::unverified(format!("asked for {reference}, the store answers with {got}")).into());
            }
            pool.add(assertion).map_err(untrusted)?;
        }
    }
    Ok(())
}

fn assertion_question(store: &Url, reference: &Reference) -> Question {
    let path = format!("v2/assertions/{}/{}", reference.kind, reference.short_key().join("/"));
    let mut url = below(store, &path);
    url.set_query(Some(&format!("max-format={}", max_format(&reference.kind))));
    let headers = vec![("Accept", "application/x.ubuntu.assertion".to_owned())];
    Question { url, headers, body: None, cap: MAX_STREAM_BYTES as u64 }
}
