//! Puts together the index of the embedded store.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::assertions::Sha3;
use crate::formats::assertions::snaps::SnapFacts;
use crate::formats::snap::api::{Download, Publisher, Snap};
use crate::formats::snap::{ALL, ChannelListing, Metadata};
use crate::site::{ChannelEntry, StoreIndex};

/// The architectures for which there are snaps, as dpkg calls them: devices of which are offered a snap for all.
const ARCHITECTURES: [&str; 7] = ["amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x"];

/// The index under construction.
#[derive(Default)]
pub(super) struct StoreIndexBuilder {
    snaps: BTreeMap<(String, u64), Snap>,
    /// By name, architecture and channel. Of several revisions that are listed there the highest counts.
    channels: BTreeMap<(String, String, String), u64>,
}

impl StoreIndexBuilder {
    /// Adds a snap with what is known of it.
    pub(super) fn add(
        &mut self,
        carried: &SnapFacts,
        metadata: Metadata,
        yaml: String,
        sha3: Sha3,
        size: u64,
        channels: &BTreeSet<ChannelListing>,
    ) {
        for ChannelListing { architecture, channel } in channels {
            let one = [architecture.as_str()];
            let for_devices: &[&str] = if architecture.as_str() == ALL { &ARCHITECTURES } else { &one };
            for architecture in for_devices {
                let key = (carried.name.clone(), (*architecture).to_owned(), channel.to_string());
                let revision = self.channels.entry(key).or_default();
                *revision = carried.revision.max(*revision);
            }
        }
        let account = &carried.publisher;
        let snap = Snap {
            architectures: metadata.architectures,
            base: metadata.base,
            confinement: metadata.confinement,
            created_at: carried.made.clone(),
            description: metadata.description,
            download: Download { sha3_384: sha3.to_hex(), size, url: String::new() },
            epoch: metadata.epoch,
            license: metadata.license,
            name: carried.name.clone(),
            publisher: Publisher {
                id: account.id.clone(),
                username: account.username.clone(),
                display_name: account.display_name.clone(),
                validation: account.validation.clone(),
            },
            revision: carried.revision,
            snap_id: carried.snap_id.clone(),
            snap_yaml: yaml,
            summary: metadata.summary,
            title: metadata.title,
            kind: metadata.kind.word().to_owned(),
            version: metadata.version,
        };
        self.snaps.insert((carried.name.clone(), carried.revision), snap);
    }

    /// The file's bytes.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let channels = self.channels.iter().map(|((name, architecture, channel), revision)| ChannelEntry {
            name: name.clone(),
            architecture: architecture.clone(),
            channel: channel.clone(),
            revision: *revision,
        });
        let snaps = self.snaps.values().cloned().collect();
        let index = StoreIndex { channels: channels.collect(), format: 1, snaps };
        serde_json::to_vec_pretty(&index).unwrap_or_default() // of strings and numbers alone, which cannot fail
    }
}
