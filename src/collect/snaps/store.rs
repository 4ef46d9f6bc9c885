//! Asks a snap store, as snapd does: what it offers, and what is signed about that.

use std::collections::BTreeSet;

use url::Url;

use super::SnapsError;
use super::wish::Wish;
use crate::collect::CollectContext;
use crate::collect::address::{below, origin};
use crate::fetch::{FetchError, Question};
use crate::formats::assertions::{Assertion, MAX_STREAM_BYTES, Pool, Reference, max_format};
use crate::formats::snap::api::{Action, Answer, Reply, SERIES, Snap, StoreRequest};

/// Snaps that are asked for in one request.
const ACTIONS_PER_REQUEST: usize = 50;
/// The largest answer to one request, in bytes. A snap's is some 10 KiB.
const MAX_REPLY_BYTES: u64 = 16 << 20;
/// How often the answers may name further assertions: the longest chain that is verified is shorter.
const MAX_ROUNDS: usize = 32;
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
pub(super) fn offers(wishes: &BTreeSet<Wish>, with: &CollectContext<'_>) -> Result<Vec<StoreOffer>, SnapsError> {
    let wishes: Vec<&Wish> = wishes.iter().collect();
    let groups = wishes.chunk_by(|a, b| (&a.store, &a.architecture) == (&b.store, &b.architecture));
    let chunks: Vec<&[&Wish]> = groups.flat_map(|group| group.chunks(ACTIONS_PER_REQUEST)).collect();
    let questions = chunks.iter().filter_map(|chunk| question(chunk)).collect::<Result<Vec<_>, _>>()?;
    let mut offers = Vec::new();
    for (chunk, reply) in chunks.iter().zip(with.fetcher.ask_all(questions)) {
        offers.extend(read(chunk, &reply?)?);
    }
    Ok(offers)
}

fn question(wishes: &[&Wish]) -> Option<Result<Question, SnapsError>> {
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
    let url = below(&first.store, "v2/snaps/refresh").map_err(SnapsError::from);
    Some(url.map(|url| Question { url, headers, body: Some(body), cap: MAX_REPLY_BYTES }))
}

fn read(wishes: &[&Wish], reply: &[u8]) -> Result<Vec<StoreOffer>, SnapsError> {
    let Some(first) = wishes.first() else { return Ok(Vec::new()) };
    let malformed = |source| SnapsError::Reply { store: origin(&first.store), source };
    let reply: Reply = serde_json::from_slice(reply).map_err(malformed)?;
    let answer = |(number, wish): (usize, &&Wish)| {
        let found = reply.results.iter().find(|answer| answer.instance_key == number.to_string());
        offer(wish, found, &reply)
    };
    wishes.iter().enumerate().map(answer).collect()
}

fn offer(wish: &Wish, answer: Option<&Answer>, reply: &Reply) -> Result<StoreOffer, SnapsError> {
    let refusal = answer.map_or(reply.error_list.first(), |answer| answer.error.as_ref());
    if let Some(refusal) = refusal {
        return Err(SnapsError::refused(wish, refusal));
    }
    let snap = answer.and_then(|answer| answer.snap.clone()).filter(|snap| snap.name == wish.name);
    let snap = snap.ok_or_else(|| SnapsError::NoAnswer { store: origin(&wish.store), name: wish.name.clone() })?;
    let url = Url::parse(&snap.download.url).ok().filter(|url| may_lead(&wish.store, url));
    let url = url.ok_or_else(|| SnapsError::Address { name: wish.name.clone(), url: snap.download.url.clone() })?;
    Ok(StoreOffer { wish: wish.clone(), snap, url })
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
) -> Result<(), SnapsError> {
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
        let answers = with.fetcher.ask_all(questions.collect::<Result<_, _>>()?);
        for ((_, reference), bytes) in missing.into_iter().zip(answers) {
            let untrusted = |source| SnapsError::Assertion { assertion: Box::new(reference.clone()), source };
            let bytes = match bytes {
                Err(FetchError::Missing { .. }) => {
                    unknown.insert(reference);
                    continue;
                }
                other => other?,
            };
            let assertion = Assertion::parse(&bytes).map_err(untrusted)?;
            if *assertion.reference() != reference {
                let got = Box::new(assertion.reference().clone());
                return Err(SnapsError::OtherAssertion { wanted: Box::new(reference), got });
            }
            pool.add(assertion).map_err(untrusted)?;
        }
    }
    Ok(())
}

fn assertion_question(store: &Url, reference: &Reference) -> Result<Question, SnapsError> {
    let path = format!("v2/assertions/{}/{}", reference.kind, reference.short_key().join("/"));
    let mut url = below(store, &path)?;
    url.set_query(Some(&format!("max-format={}", max_format(&reference.kind))));
    let headers = vec![("Accept", "application/x.ubuntu.assertion".to_owned())];
    Ok(Question { url, headers, body: None, cap: MAX_STREAM_BYTES as u64 })
}
