//! All snaps of a generation, found by name, id, revision and channel, and all that is said of them. Nothing of HTTP.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error_class::Fault;
use crate::formats::assertions::{Assertion, MAX_STREAM_BYTES, Pool, Reference};
use crate::formats::snap::Channel;
use crate::formats::snap::api::{ChannelRelease, Snap};
use crate::path::PublishPath;
use crate::site::{STORE_INDEX, StoreIndex};
use crate::storage::read_to_cap;

/// The largest index that is read, in bytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;
/// The most that all assertions of a generation may have together, in bytes. A snap's have ten thousand.
const MAX_ASSERTIONS_BYTES: u64 = 256 << 20;

/// All snaps of a generation.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    offers: BTreeMap<String, SnapOffer>,
    /// The snaps' names, by their ids.
    names: BTreeMap<String, String>,
    assertions: Pool,
    assertions_bytes: u64,
}

/// One snap: all that there is of one name.
#[derive(Clone, Debug, Default)]
pub struct SnapOffer {
    /// Its name.
    pub name: String,
    /// Its id.
    pub snap_id: String,
    revisions: BTreeMap<u64, Revision>,
    channels: BTreeMap<String, BTreeMap<Channel, u64>>,
}

/// One revision of a snap.
#[derive(Clone, Debug)]
pub struct Revision {
    /// What the store says of it; the address of its file is empty.
    pub snap: Snap,
    /// Its file.
    pub file: PathBuf,
}

impl Revision {
    /// Returns whether devices of this architecture can run it.
    fn runs_on(&self, architecture: &str) -> bool {
        let architectures = &self.snap.architectures;
        architectures.is_empty() || architectures.iter().any(|one| one == architecture || one == "all")
    }
}

impl Catalogue {
    /// The snaps in these folders; `None` if there is an index in none of them.
    pub fn load(folders: &[PathBuf]) -> Result<Option<Self>, Fault> {
        let mut catalogue = Self::default();
        let mut any = false;
        for folder in folders {
            let Some(index) = read(&folder.join(STORE_INDEX), MAX_INDEX_BYTES)? else { continue };
            let index = serde_json::from_slice(&index);
            catalogue.add(index.map_err(damaged)?, folder)?;
            any = true;
        }
        Ok(any.then_some(catalogue))
    }

    /// Adds the snaps of an index, and the assertions that stand beside it in `folder`.
    fn add(&mut self, index: StoreIndex, folder: &Path) -> Result<(), Fault> {
        if index.format != 1 {
            return Err(damaged(format!("its format is {}, and 1 is understood", index.format)));
        }
        for snap in &index.snaps {
            let stem = stem(snap).ok_or_else(|| damaged(format!("{:?} is no name of a snap", snap.name)))?;
            let file = format!("{stem}.assert");
            if let Some(stream) = read(&folder.join(&file), MAX_STREAM_BYTES as u64)? {
                self.vouch(&stream, &file)?;
            }
        }
        self.offer(index, folder);
        Ok(())
    }

    /// Adds the snaps of an index alone, with their files in `folder`.
    pub fn offer(&mut self, index: StoreIndex, folder: &Path) {
        for snap in index.snaps {
            let Some(stem) = stem(&snap) else { continue };
            let offer = self.offers.entry(snap.name.clone()).or_default();
            offer.name.clone_from(&snap.name);
            offer.snap_id.clone_from(&snap.snap_id);
            self.names.insert(snap.snap_id.clone(), snap.name.clone());
            let file = folder.join(format!("{stem}.snap"));
            offer.revisions.insert(snap.revision, Revision { snap, file });
        }
        for listing in index.channels {
            // A channel that is none, or of a revision that is not here, can be offered to nobody.
            let offer = self.offers.get_mut(&listing.name).filter(|o| o.revisions.contains_key(&listing.revision));
            if let Some((offer, channel)) = offer.zip(listing.channel.parse().ok()) {
                offer.channels.entry(listing.architecture).or_default().insert(channel, listing.revision);
            }
        }
    }

    fn vouch(&mut self, stream: &[u8], file: &str) -> Result<(), Fault> {
        self.assertions_bytes += stream.len() as u64;
        if self.assertions_bytes > MAX_ASSERTIONS_BYTES {
            return Err(Fault::failed(format!("all assertions together have more than {MAX_ASSERTIONS_BYTES} bytes")));
        }
        let damaged = |error| Fault::failed(format!("{file} is damaged")).because(error);
        let parsed = Assertion::parse_stream(stream).map_err(damaged)?;
        for assertion in parsed {
            // Each snap's own stream has been verified. Should two of them differ in one assertion, the first counts, as for
            // snapd.
            let _ = self.assertions.add(assertion);
        }
        Ok(())
    }

    /// The snap of this name.
    pub fn named(&self, name: &str) -> Option<&SnapOffer> {
        self.offers.get(name)
    }

    /// The snap with this id.
    pub fn with_id(&self, snap_id: &str) -> Option<&SnapOffer> {
        self.named(self.names.get(snap_id)?)
    }

    /// All snaps, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &SnapOffer> {
        self.offers.values()
    }

    /// The assertion of this name.
    pub fn assertion(&self, reference: &Reference) -> Option<&Assertion> {
        self.assertions.get(reference)
    }
}

impl SnapOffer {
    /// What devices of this architecture get from a channel, and from which one: the next safer one if it has nothing.
    pub fn on(&self, architecture: &str, channel: &Channel) -> Option<(Channel, &Revision)> {
        let channels = self.channels.get(architecture)?;
        let found = channel.with_fallbacks().find_map(|channel| Some((*channels.get(&channel)?, channel)));
        let (revision, channel) = found?;
        Some((channel, self.revisions.get(&revision)?))
    }

    /// The revision of this number, if devices of this architecture can run it.
    pub fn revision(&self, number: u64, architecture: &str) -> Option<&Revision> {
        self.revisions.get(&number).filter(|revision| revision.runs_on(architecture))
    }

    /// The revisions of these numbers that devices of this architecture can run, in order. An inverted range has none.
    pub fn between(&self, numbers: Range<u64>, architecture: &str) -> Vec<&Revision> {
        let numbers = numbers.start..numbers.end.max(numbers.start);
        let revisions = self.revisions.range(numbers).map(|(_, revision)| revision);
        revisions.filter(|revision| revision.runs_on(architecture)).collect()
    }

    /// The revision of this number.
    pub fn any_revision(&self, number: u64) -> Option<&Revision> {
        self.revisions.get(&number)
    }

    /// Any revision, if there is one.
    pub fn any(&self) -> Option<&Revision> {
        self.revisions.values().next()
    }

    /// The best known of what devices of this architecture can have.
    pub fn best(&self, architecture: &str) -> Option<(&Channel, &Revision)> {
        self.listed(architecture).next()
    }

    /// What each channel has for devices of this architecture, the best known first.
    pub fn listed(&self, architecture: &str) -> impl Iterator<Item = (&Channel, &Revision)> {
        let channels = self.channels.get(architecture).into_iter().flatten();
        channels.filter_map(|(channel, revision)| Some((channel, self.revisions.get(revision)?)))
    }

    /// Architectures for which there is a channel.
    pub fn architectures(&self) -> impl Iterator<Item = &str> {
        self.channels.keys().map(String::as_str)
    }

    /// All channels of all architectures.
    pub fn releases(&self) -> Vec<ChannelRelease> {
        let of = |architecture: &String, channel: &Channel| ChannelRelease {
            architecture: architecture.clone(),
            channel: channel.to_string(),
        };
        let channels = self.channels.iter();
        channels.flat_map(|(arch, channels)| channels.keys().map(move |channel| of(arch, channel))).collect()
    }
}

/// NAME_REV, if that is the name of a file.
fn stem(snap: &Snap) -> Option<String> {
    let stem = format!("{}_{}", snap.name, snap.revision);
    let path: PublishPath = format!("{stem}.assert").parse().ok()?;
    (!snap.name.is_empty() && path.folders().next().is_none()).then_some(stem)
}

fn damaged(reason: impl Display) -> Fault {
    Fault::failed(format!("{STORE_INDEX} is damaged: {reason}"))
}

/// A file's bytes; `None` if there is no such file.
fn read(path: &Path, cap: u64) -> Result<Option<Vec<u8>>, Fault> {
    match File::open(path).and_then(|file| read_to_cap(file, cap)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            Err(Fault::failed(format!("cannot read {file}")).because(error))
        }
    }
}
