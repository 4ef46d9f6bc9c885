//! An item of a bundle as bills of materials have it.

use crate::address::Address;
use crate::bundle::state::ItemLine;
use crate::bundle::state::manifest::StateCollection;
use crate::digest::Sha256;
use crate::kind::{Details, Kind};
use crate::origin::Origin;
use crate::review::item_change::shown_version;

use super::purl;

/// The number of hexadecimal digits of an id.
const ID_DIGITS: usize = 24;
/// The architectures of packages of source code.
const SOURCES: [&str; 3] = ["source", "src", "nosrc"];

/// An item of a bundle.
#[derive(Clone, Debug)]
pub(super) struct SbomComponent {
    /// Unique in the bundle, and the same in all bundles that have it at the same path.
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) component_type: ComponentType,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) purl: String,
    /// Its publisher, or else the host that hands it out.
    pub(super) supplier: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) sha256: Sha256,
    /// The address of the file at upstream.
    pub(super) url: Option<String>,
    /// The collection and the path.
    pub(super) path: String,
    pub(super) reason: String,
    pub(super) source: Option<SbomSource>,
}

/// A source package.
#[derive(Clone, Debug)]
pub(super) struct SbomSource {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) purl: String,
}

/// The type of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComponentType {
    Application,
    File,
    OperatingSystem,
}

impl ComponentType {
    fn of(details: &Details) -> Self {
        match details {
            Details::Deb { .. } | Details::Rpm { .. } | Details::Snap { .. } => Self::Application,
            Details::Feed { .. } | Details::File { .. } => Self::File,
            Details::Image { .. } | Details::OsImage { .. } => Self::OperatingSystem,
        }
    }

    /// Its name in CycloneDX.
    pub(super) fn in_cyclonedx(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::File => "file",
            Self::OperatingSystem => "operating-system",
        }
    }

    /// Its name in SPDX.
    pub(super) fn in_spdx(self) -> &'static str {
        match self {
            Self::Application => "APPLICATION",
            Self::File => "FILE",
            Self::OperatingSystem => "OPERATING-SYSTEM",
        }
    }
}

impl SbomComponent {
    /// Makes the component of an item. `builder` is the builder of the bundle.
    pub(super) fn of(collection: &StateCollection, item: ItemLine, builder: Option<&str>) -> Self {
        let path = format!("{}/{}", collection.folder(), item.path);
        let source = SbomSource::of(&item);
        Self {
            id: format!("item-{}", short_digest(&path)),
            kind: collection.kind,
            component_type: ComponentType::of(&item.details),
            version: shown_version(&item),
            purl: purl::of_item(&item),
            supplier: supplier(collection, &item, builder),
            url: url(collection, &item),
            name: item.name,
            licence: item.licence,
            sha256: item.sha256,
            path,
            reason: item.reason,
            source,
        }
    }
}

impl SbomSource {
    /// Returns the source package of a package; `None` for source packages and for what has none.
    fn of(item: &ItemLine) -> Option<Self> {
        let is_source = item.architecture.as_deref().is_some_and(|architecture| SOURCES.contains(&architecture));
        if is_source || !matches!(item.details, Details::Deb { .. } | Details::Rpm { .. }) {
            return None;
        }
        let (name, version) = match &item.source {
            Some(source) => (source.name.clone(), source.version.clone()),
            None => (item.name.clone(), item.version.clone()),
        };
        let purl = purl::of_source(item, &name, &version);
        Some(Self { id: format!("source-{}", short_digest(&purl)), name, version, purl })
    }
}

fn short_digest(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_hex().chars().take(ID_DIGITS).collect()
}

/// Returns the publisher, else the host that hands the item out, else the builder, whose own file it is.
fn supplier(collection: &StateCollection, item: &ItemLine, builder: Option<&str>) -> Option<String> {
    let host = || Address::of_origin(&collection.upstream()).map(|address| address.host().to_owned());
    let own = || builder.filter(|_| collection.upstream().is_on_disk()).map(str::to_owned);
    item.publisher.clone().or_else(host).or_else(own)
}

/// Returns the address of the file at upstream; `None` if its kind has no addresses, or if upstream's is none of the web.
fn url(collection: &StateCollection, item: &ItemLine) -> Option<String> {
    let origin = match &item.details {
        Details::File { origin } | Details::OsImage { origin, .. } if *origin != Origin::Local => {
            return web(origin.as_str());
        }
        _ => collection.upstream(),
    };
    let base = web(origin.as_str()).filter(|_| collection.kind.has_address())?;
    let path: Vec<String> = item.path.as_str().split('/').map(purl::encoded).collect();
    Some(format!("{}/{}", base.trim_end_matches('/'), path.join("/")))
}

/// Returns an address of the web in its normal form, which has no character that is not allowed there.
fn web(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    is_web.then(|| url.to_string())
}
