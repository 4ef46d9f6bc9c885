//! The store, asked without HTTP.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::catalogue::Catalogue;
use super::refresh::{AskingDevice, answers, reply};
use super::request::{Asked, MAX_ENTRIES};
use crate::formats::snap::api::{Action, Epoch, Installed, Snap};
use crate::site::{ChannelEntry, StoreIndex};

const DEVICE: AskingDevice<'_> = AskingDevice { architecture: "amd64", base: "http://store.test" };

fn catalogue() -> Catalogue {
    let snap = |name: &str, revision, architecture: &str| Snap {
        name: name.to_owned(),
        snap_id: format!("{name}-id"),
        revision,
        architectures: vec![architecture.to_owned()],
        description: "long ".repeat(2000),
        ..Snap::default()
    };
    let listing = |name: &str, architecture: &str, channel: &str, revision| ChannelEntry {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        channel: channel.to_owned(),
        revision,
    };
    let mut catalogue = Catalogue::default();
    let index = StoreIndex {
        format: 1,
        snaps: vec![snap("one", 3, "amd64"), snap("one", 5, "all"), snap("one", 6, "arm64"), snap("two", 1, "amd64")],
        channels: vec![
            listing("one", "amd64", "latest/stable", 3),
            listing("one", "amd64", "latest/beta", 5),
            listing("one", "arm64", "latest/stable", 6),
            listing("two", "amd64", "2/edge", 1),
            listing("two", "amd64", "no/such/channel", 1),
            listing("two", "amd64", "latest/stable", 77),
            listing("three", "amd64", "latest/stable", 1),
        ],
    };
    catalogue.offer(index, Path::new("folder"));
    catalogue
}

#[test]
fn listings_of_nothing_are_passed_over() {
    let catalogue = catalogue();
    assert!(catalogue.named("three").is_none() && catalogue.with_id("one").is_none());
    let releases = catalogue.with_id("two-id").unwrap().releases();
    assert_eq!(releases.iter().map(|release| release.channel.as_str()).collect::<Vec<_>>(), ["2/edge"]);
    assert_eq!(catalogue.named("one").unwrap().revision(5, "riscv64").unwrap().file, Path::new("folder/one_5.snap"));
}

/// Returns the revision that a refresh of revision `revision` is answered with, from the snaps in `made`: revision, epoch and channel.
fn stepped(made: &[(u64, &[u32], &[u32], &str)], revision: i64, write: u32, wanted: Option<&str>) -> Option<u64> {
    let snaps = made.iter().map(|(revision, read, write, _)| Snap {
        name: "one".to_owned(),
        snap_id: "one-id".to_owned(),
        revision: *revision,
        epoch: Epoch { read: read.to_vec(), write: write.to_vec() },
        ..Snap::default()
    });
    let channels =
        made.iter().filter(|(.., channel)| !channel.is_empty()).map(|(revision, .., channel)| ChannelEntry {
            name: "one".to_owned(),
            architecture: "amd64".to_owned(),
            channel: (*channel).to_owned(),
            revision: *revision,
        });
    let mut catalogue = Catalogue::default();
    let index = StoreIndex { format: 1, snaps: snaps.collect(), channels: channels.collect() };
    catalogue.offer(index, Path::new("folder"));
    let epoch = Some(Epoch { read: vec![write], write: vec![write] });
    let tracking = "latest/stable".to_owned();
    let (snap_id, key) = ("one-id".to_owned(), "k".to_owned());
    let installed = Installed { snap_id, instance_key: key, revision, tracking_channel: tracking, epoch };
    let action = Action {
        action: "refresh".into(),
        instance_key: "k".into(),
        snap_id: "one-id".into(),
        channel: wanted.map(str::to_owned),
        ..Action::default()
    };
    let asked = Asked { context: vec![installed], actions: vec![action] };
    answers(&catalogue, &asked, DEVICE).find_map(|answer| Some(answer.snap?.revision))
}

#[test]
fn newest_readable_revision_on_the_way_to_the_channels_is_offered() {
    let old: (u64, &[u32], &[u32], &str) = (1, &[0], &[0], "");
    let newest: (u64, &[u32], &[u32], &str) = (9, &[2], &[2], "latest/stable");
    for (between, offered) in [
        (&[][..], None),
        // Carried by their numbers alone.
        (&[(4, &[0][..], &[0][..], "")][..], Some(4)),
        (&[(4, &[0], &[0], ""), (6, &[0, 1], &[1], "")], Some(6)),
        (&[(4, &[0], &[0], ""), (6, &[1], &[1], "")], Some(4)),
        (&[(11, &[0, 1], &[1], "")], None),
        // On channels: a device is not led to one that is riskier, or to another track.
        (&[(4, &[0, 1], &[1], "latest/edge")], None),
        (&[(4, &[0, 1], &[1], "3/stable")], None),
        (&[(4, &[0, 1], &[1], "latest/stable/fix")], None),
    ] {
        let made = [&[old][..], between, &[newest]].concat();
        assert_eq!(stepped(&made, 1, 0, None), offered, "{between:?}");
        assert_eq!(stepped(&made, 1, 2, None), Some(9), "it can read what is installed");
        assert_eq!(stepped(&made, 4, 7, None), None, "nothing can read what is installed");
    }
    let made = [old, (4, &[0, 1], &[1], "latest/candidate"), (9, &[2], &[2], "latest/edge")];
    assert_eq!(stepped(&made, 1, 0, Some("latest/edge")), Some(4), "a safer channel of the same track is on the way");
    assert_eq!(stepped(&made, 1, 1, Some("latest/edge")), Some(4));
    assert_eq!(stepped(&made, 4, 1, Some("latest/edge")), None);
}

#[test]
fn names_that_leave_the_folder_are_no_snaps() {
    let mut catalogue = Catalogue::default();
    let snap = |name: &str| Snap { name: name.to_owned(), ..Snap::default() };
    let snaps = vec![snap("../x"), snap("a/b"), snap(""), snap("/x"), snap(".x")];
    catalogue.offer(StoreIndex { format: 1, snaps, channels: Vec::new() }, Path::new("folder"));
    assert_eq!(catalogue.all().count(), 0);
}

#[test]
fn too_many_entries_are_refused_and_too_large_replies_are_not_written() {
    let body = |count: usize| {
        let action = json!({ "action": "install", "name": "one" });
        json!({ "actions": vec![action; count] }).to_string()
    };
    assert!(Asked::parse(body(MAX_ENTRIES + 1).as_bytes()).is_err());
    let asked = Asked::parse(body(MAX_ENTRIES).as_bytes()).unwrap();
    assert_eq!(reply(&catalogue(), &asked, DEVICE), None);
    let asked = Asked::parse(body(100).as_bytes()).unwrap();
    assert!(reply(&catalogue(), &asked, DEVICE).is_some());
}

/// Words of a request, right and wrong ones.
fn word() -> impl Strategy<Value = String> {
    let words =
        ["one", "two", "one-id", "two-id", "install", "refresh", "stable", "latest/beta", "2/edge/x", "a/b/c/d", ""];
    prop_oneof![8 => proptest::sample::select(words.map(str::to_owned).to_vec()), 1 => ".{0,12}"]
}

fn action() -> impl Strategy<Value = Action> {
    let kinds = ["install", "download", "refresh", "refresh", "fetch-assertions", "other"];
    let kind = proptest::sample::select(kinds.map(str::to_owned).to_vec());
    let which = (proptest::option::of(word()), proptest::option::of(prop_oneof![0..8i64, any::<i64>()]));
    (kind, [word(), word(), word(), word()], which).prop_map(|(action, [key, name, id, other], (channel, revision))| {
        Action { action, instance_key: key, name, snap_id: id, channel, revision, key: other }
    })
}

fn installed() -> impl Strategy<Value = Installed> {
    ([word(), word(), word()], prop_oneof![0..8i64, any::<i64>()]).prop_map(|([snap_id, key, channel], revision)| {
        Installed { snap_id, instance_key: key, revision, tracking_channel: channel, epoch: None }
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(asked) = Asked::parse(&body) {
            reply(&catalogue(), &asked, DEVICE);
        }
    }

    #[test]
    fn anything_like_a_request_is_answered_or_refused(
        body in "\\{\"(actions|context|fields)\":\\[?\\{?(\"(action|name|snap-id|revision|channel|instance-key)\":(\"[a-z/]{0,9}\"|-?[0-9]{1,25}|null|\\[\\]|\\{\\}),?){0,5}\\}?\\]?\\}"
    ) {
        if let Ok(asked) = Asked::parse(body.as_bytes()) {
            reply(&catalogue(), &asked, DEVICE);
        }
    }

    /// Each answer is to one of the actions, and is a snap for the device or an error.
    #[test]
    fn answers_are_to_what_is_asked(
        context in proptest::collection::vec(installed(), 0..4),
        actions in proptest::collection::vec(action(), 0..5),
    ) {
        let asked = Asked { context, actions };
        let catalogue = catalogue();
        let answers: Vec<_> = answers(&catalogue, &asked, DEVICE).collect();
        prop_assert!(answers.len() <= asked.actions.len());
        for answer in &answers {
            let asked_for = |action: &&Action| action.instance_key == answer.instance_key || action.key == answer.key;
            prop_assert!(asked.actions.iter().any(|action| asked_for(&action)));
            match (&answer.snap, &answer.error, &answer.assertion_stream_urls) {
                (Some(snap), None, None) => {
                    prop_assert!(snap.architectures != ["arm64"]);
                    let url = format!("http://store.test/api/v1/snaps/download/{}_{}.snap", snap.snap_id, snap.revision);
                    prop_assert_eq!(&snap.download.url, &url);
                }
                (None, Some(_), None) => prop_assert_eq!(&answer.result, "error"),
                (None, None, Some(urls)) => prop_assert!(urls.is_empty()),
                _ => prop_assert!(false, "{answer:?}"),
            }
        }
        prop_assert!(reply(&catalogue, &asked, DEVICE).is_some());
    }

    /// Who only follows a channel never goes back.
    #[test]
    fn following_a_channel_leads_to_higher_revisions_alone(revision in 0..8i64, tracking in word()) {
        let installed = Installed { snap_id: "one-id".into(), instance_key: "k".into(), revision, tracking_channel: tracking, epoch: None };
        let action = Action { action: "refresh".into(), instance_key: "k".into(), snap_id: "one-id".into(), ..Action::default() };
        let asked = Asked { context: vec![installed], actions: vec![action] };
        for answer in answers(&catalogue(), &asked, DEVICE) {
            prop_assert!(answer.snap.is_none_or(|snap| i64::try_from(snap.revision).unwrap() > revision));
        }
    }
}
