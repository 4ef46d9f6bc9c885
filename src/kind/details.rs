//! Peculiarities of items of one kind.

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::formats::apt::suite_name::SuiteName;
use crate::formats::feed::FeedFormat;
use crate::formats::os_image::OsImage;
use crate::formats::snap::ChannelListing;
use crate::origin::Origin;
use crate::time::Time;

/// Peculiarities of an item of one kind. Fields stand in the order of their names, since the manifest's keys are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Details {
    /// A Debian package.
    Deb {
        /// Its component; absent in flat suites, which have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<String>,
        /// The suite that lists it.
        #[schemars(with = "String")]
        suite: SuiteName,
    },
    /// Security data of an upstream.
    Feed {
        /// When upstream made it: the date in the data, else that of the server; absent if neither says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<Time>,
        /// Its format.
        format: FeedFormat,
    },
    /// A file that nothing is known of.
    File {
        /// Its origin.
        origin: Origin,
    },
    /// A file of a stream of images.
    Image {
        /// The content id of the products file that lists it.
        stream: String,
    },
    /// An image of another operating system.
    OsImage {
        /// Properties that MAAS has to know.
        image: Box<OsImage>,
        /// Its origin.
        origin: Origin,
    },
    /// An RPM package.
    Rpm {
        /// The metadata that lists it, such as `primary`.
        list: String,
    },
    /// A snap.
    Snap {
        /// The channels that offer it, by architecture.
        channels: BTreeSet<ChannelListing>,
        /// Its revision.
        revision: u64,
    },
}

/// The parts of an item that order it among items of one name.
#[derive(Clone, Copy, Debug)]
pub struct ItemVersion<'a> {
    /// The version, as upstream writes it.
    pub version: &'a str,
    /// The details of its kind.
    pub details: &'a Details,
}

impl Details {
    /// Returns the line of development that the item belongs to, where one collection may have several beside each other: the suite
    /// without its pocket, or the track of a snap. Empty for other kinds.
    pub fn release_line(&self) -> String {
        match self {
            Self::Deb { suite, .. } => {
                let suite = suite.to_string();
                suite.split(['-', '/']).next().unwrap_or_default().to_owned()
            }
            Self::Snap { channels, .. } => {
                let first = channels.iter().next().map(|listing| listing.channel.to_string()).unwrap_or_default();
                first.split('/').next().unwrap_or_default().to_owned()
            }
            Self::Feed { .. } | Self::File { .. } | Self::Image { .. } | Self::OsImage { .. } | Self::Rpm { .. } => {
                String::new()
            }
        }
    }

    /// Returns the revision of a snap; `None` for anything else.
    pub fn revision(&self) -> Option<u64> {
        match self {
            Self::Snap { revision, .. } => Some(*revision),
            _ => None,
        }
    }

    /// Returns the place in upstream that lists the item, or the item's origin, in words for people.
    pub fn listed_in(&self) -> Cow<'_, str> {
        match self {
            Self::Deb { component: None, suite } => suite.to_string().into(),
            Self::Deb { component: Some(component), suite } => format!("{suite}/{component}").into(),
            Self::Feed { date, format } => {
                let date = date.map_or_else(|| "undated".to_owned(), |date| format!("of {date}"));
                format!("{format} data {date}").into()
            }
            Self::File { origin } | Self::OsImage { origin, .. } => origin.as_str().into(),
            Self::Image { stream } => stream.into(),
            Self::Rpm { list } => list.into(),
            Self::Snap { channels, .. } => {
                channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ").into()
            }
        }
    }

    /// Returns the version of the item as people tell it from others: of a snap with its revision.
    pub fn full_version<'v>(&self, version: &'v str) -> Cow<'v, str> {
        match self {
            Self::Snap { revision, .. } => format!("{version} (revision {revision})").into(),
            _ => version.into(),
        }
    }

    /// Returns the suite and the component that list a package; `None` for anything else.
    pub fn suite(&self) -> Option<(&SuiteName, Option<&str>)> {
        match self {
            Self::Deb { component, suite } => Some((suite, component.as_deref())),
            _ => None,
        }
    }

    /// Returns the content id of the stream that lists an image; `None` for anything else.
    pub fn stream(&self) -> Option<&str> {
        match self {
            Self::Image { stream } => Some(stream),
            _ => None,
        }
    }

    /// Returns the format of security data, and when upstream made it; `None` for anything else.
    pub fn feed(&self) -> Option<(FeedFormat, Option<Time>)> {
        match self {
            Self::Feed { date, format } => Some((*format, *date)),
            _ => None,
        }
    }

    /// Returns what MAAS has to know of an image of another operating system; `None` for anything else.
    pub fn os_image(&self) -> Option<&OsImage> {
        match self {
            Self::OsImage { image, .. } => Some(image),
            _ => None,
        }
    }
}
