//! What all of the texts are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use url::Url;

use super::{HostName, PublishedFeed, PublishedSuite, SetupError, nothing, suites};
use crate::address::{Address, RoutingTable};
use crate::collection::{Collection, Publish};
use crate::error_class::Fault;
use crate::formats::openpgp::{MAX_KEYRING_BYTES, SiteKeyAlgorithm, armored_keyring};
use crate::formats::rpm::REPOMD_ASC;
use crate::kind::{ClientProgram, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::site::{Generation, Site, StoreAssertion, answering, own_key};
use crate::storage::read_capped;
use crate::time::Time;

/// Where devices look for snaps that have been told nothing else.
const DEFAULT_STORE: &str = "api.snapcraft.io";

/// What a site is and publishes, as far as others have to know.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The site's name.
    pub site: Label,
    /// The number of the generation.
    pub generation: u64,
    /// The site's folder, as an absolute path.
    pub root: PathBuf,
    /// The collections that answer for each upstream's address: the table of `gapferry serve`, as far as its hosts have names.
    pub routes: RoutingTable,
    /// The upstreams' hosts with names, and why this site answers for each.
    pub upstreams: Vec<UpstreamNames>,
    /// Archives that clients can use.
    pub archives: Vec<AptArchive>,
    /// RPM repositories that clients can use.
    pub repositories: Vec<RpmRepository>,
    /// Files of security data, for scanners.
    pub feeds: Vec<PublishedFeed>,
    /// The kinds that clients are served.
    pub kinds: BTreeSet<Kind>,
    /// The site's own store assertion.
    pub store: Option<StoreAssertion>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// The same of collections that no host name leads to.
    pub nameless: Vec<String>,
}

/// A collection that stands for an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamNames {
    /// The upstream's host.
    pub host: HostName,
    /// Whether clients that keep their settings come over TLS.
    pub tls: bool,
    /// The collection's kind.
    pub kind: Kind,
    /// Its name.
    pub name: Label,
}

impl UpstreamNames {
    /// Returns the upstream at an address; `None` if no name server can lead to it.
    fn of(origin: &Origin, kind: Kind, name: &Label) -> Option<Self> {
        let host = Address::of_origin(origin).filter(Address::is_routable)?.host().parse().ok()?;
        let tls = Url::parse(origin.as_str()).is_ok_and(|url| url.scheme() == "https");
        Some(Self { host, tls, kind, name: name.clone() })
    }

    /// Where the tree stands below a generation.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }
}

/// An archive as apt knows it.
#[derive(Clone, Debug)]
pub struct AptArchive {
    /// The collection's name.
    pub name: Label,
    /// Upstream's address, as the builder says.
    pub origin: Origin,
    /// How it is published.
    pub publish: Publish,
    /// Its suites.
    pub suites: Vec<PublishedSuite>,
    /// Who signs it, in one block of ASCII armor.
    pub key: String,
    /// When upstream's metadata expires for clients, if it does.
    pub valid_until: Option<Time>,
}

/// An RPM repository as dnf knows it.
#[derive(Clone, Debug)]
pub struct RpmRepository {
    /// The collection's name.
    pub name: Label,
    /// The signer of the list of its packages.
    pub signer: ListSigner,
    /// Whether upstream's keys, which sign the packages, are published.
    pub has_upstream_key: bool,
}

/// The signer of the list of a repository's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSigner {
    /// Nobody.
    Nobody,
    /// Upstream.
    Upstream,
    /// The site, with a key of this algorithm.
    Site(SiteKeyAlgorithm),
}

impl ListSigner {
    /// Looks at the repository in `folder` of the generation. A site's key that cannot be read counts as one that few clients
    /// know.
    fn of(generation: &Path, folder: &str, publish: Publish) -> Self {
        if !generation.join(folder).join(REPOMD_ASC).exists() {
            return Self::Nobody;
        }
        if publish == Publish::Verbatim {
            return Self::Upstream;
        }
        let key =
            read_capped(&generation.join(own_key(generation, publish)).with_extension("gpg"), MAX_KEYRING_BYTES).ok();
        Self::Site(key.and_then(|key| SiteKeyAlgorithm::of_public(&key)).unwrap_or_default())
    }
}

impl RpmRepository {
    /// The repository that stands in the generation's folder.
    fn of(generation: &Path, collection: &Collection) -> Self {
        let folder = collection.folder();
        Self {
            name: collection.name.clone(),
            signer: ListSigner::of(generation, &folder, collection.publish),
            has_upstream_key: generation.join(format!("keys/{folder}.asc")).exists(),
        }
    }
}

impl Facts {
    /// Looks at what the site publishes now.
    pub fn collect(site: &Site) -> Result<Self, SetupError> {
        let generation = site.current()?;
        if generation.published.is_empty() {
            return Err(nothing("generation yet: import a bundle first").into());
        }
        let mut facts = Self {
            site: site.config.name.clone(),
            generation: generation.number,
            root: std::path::absolute(site.root()).unwrap_or_else(|_| site.root().to_owned()),
            routes: named_routes(&generation, site),
            upstreams: Vec::new(),
            archives: Vec::new(),
            repositories: Vec::new(),
            feeds: Vec::new(),
            kinds: BTreeSet::new(),
            store: None,
            notes: Vec::new(),
            nameless: Vec::new(),
        };
        let kinds = generation.published.values().map(|published| published.kind);
        facts.kinds.extend(kinds.filter(|kind| !kind.is_handed_on()));
        for (collection, _) in site.collections(&generation)? {
            facts.add(site, &generation, &collection)?;
            let aliases = site.config.serve.alias.iter().filter(|alias| alias.collection == collection.folder());
            let Collection { kind, name, .. } = &collection;
            facts
                .upstreams
                .extend(aliases.filter_map(|alias| UpstreamNames::of(&alias.url.as_str().into(), *kind, name)));
        }
        facts.add_store(site)?;
        Ok(facts)
    }

    fn add(&mut self, site: &Site, generation: &Generation, collection: &Collection) -> Result<(), SetupError> {
        let Collection { kind, name, .. } = collection;
        if kind.is_handed_on() {
            return Ok(());
        }
        match UpstreamNames::of(&collection.origin, *kind, name) {
            _ if site.config.serve.by_path_only.contains(&collection.folder()) => {}
            _ if generation.published.get(&collection.folder()).is_some_and(|published| !published.vouched) => {}
            Some(upstream) => self.upstreams.push(upstream),
            None if collection.origin.is_on_disk() => {}
            None => self.nameless.push(format!(
                "{} comes from {:?}, which has no host name or no plain path: it is there under this site's own address only",
                collection.folder(),
                collection.origin.as_str()
            )),
        }
        let folder = site.generation_folder(generation.number);
        match kind.client() {
            ClientProgram::Apt => self.add_archive(site, generation, collection)?,
            ClientProgram::Dnf => self.repositories.push(RpmRepository::of(&folder, collection)),
            ClientProgram::Scanner => self.feeds.extend(PublishedFeed::all_of(collection)),
            _ => {} // has no settings but upstream's address
        }
        Ok(())
    }

    fn add_archive(&mut self, site: &Site, generation: &Generation, collection: &Collection) -> Result<(), SetupError> {
        let folder = site.generation_folder(generation.number);
        let Some(key) = key(site, &folder, collection)? else {
            self.notes.push(format!(
                "{} is published as upstream made it, and no keyring is pinned for {}: apt cannot check it",
                collection.folder(),
                collection.source
            ));
            return Ok(());
        };
        self.archives.push(AptArchive {
            name: collection.name.clone(),
            origin: collection.origin.clone(),
            publish: collection.publish,
            suites: suites(&folder.join(collection.folder()), collection),
            key,
            valid_until: generation.published.get(&collection.folder()).and_then(|p| p.valid_until),
        });
        Ok(())
    }

    /// The assertion was verified when it was kept; here too, since it is handed on.
    fn add_store(&mut self, site: &Site) -> Result<(), SetupError> {
        let Some(stream) = StoreAssertion::stream_of(site.root())? else { return Ok(()) };
        match StoreAssertion::verify(site.snap_roots, &stream, Time::now()) {
            Ok(store) => self.store = Some(store),
            Err(error) => self.notes.push(format!("the site's store assertion is left out: {error}")),
        }
        Ok(())
    }

    /// Returns whether something is published that this program of clients reads.
    pub fn has_client(&self, program: ClientProgram) -> bool {
        self.kinds.iter().any(|kind| kind.client() == program)
    }

    /// The folders below a generation that are for clients, sorted.
    pub fn folders(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().map(|kind| kind.as_str()).chain(["keys"]).collect::<BTreeSet<_>>().into_iter()
    }

    /// The hosts that this site answers for, each with the reasons why.
    pub fn hosts(&self) -> BTreeMap<HostName, BTreeSet<String>> {
        let mut hosts: BTreeMap<HostName, BTreeSet<String>> = BTreeMap::new();
        let tls = |tls: bool| if tls { ", over https" } else { "" };
        for upstream in &self.upstreams {
            let why = format!("{}{}", upstream.folder(), tls(upstream.tls));
            hosts.entry(upstream.host.clone()).or_default().insert(why);
        }
        for (host, over_tls) in self.store_hosts() {
            hosts.entry(host).or_default().insert(format!("the snap store{}", tls(over_tls)));
        }
        hosts
    }

    /// Hosts at which devices look for the snap store, and whether over TLS.
    pub fn store_hosts(&self) -> BTreeMap<HostName, bool> {
        let mut hosts = BTreeMap::new();
        if self.has_client(ClientProgram::Snapd) {
            hosts.extend(DEFAULT_STORE.parse().ok().map(|host| (host, true)));
        }
        if let Some(store) = &self.store {
            let host = store.url.host_str().and_then(|host| host.parse().ok());
            hosts.extend(host.map(|host| (host, store.url.scheme() == "https")));
        }
        hosts
    }

    /// The first line of each text.
    pub fn headline(&self, what: &str) -> String {
        let program = concat!("gapferry ", env!("CARGO_PKG_VERSION"));
        format!("{what} for the site {}, generation {}; written by {program} setup", self.site, self.generation)
    }
}

/// Returns the routes of hosts with names: others must not come into the configuration of a web server.
fn named_routes(generation: &Generation, site: &Site) -> RoutingTable {
    let answering = answering(generation, &site.config.serve).into_iter();
    RoutingTable::new(answering.filter(|(address, _)| address.host().parse::<HostName>().is_ok()))
}

/// Who signs the archive as it is published; none if that is not known.
fn key(site: &Site, generation: &Path, collection: &Collection) -> Result<Option<String>, SetupError> {
    let path = match collection.publish {
        Publish::Verbatim => site.keyring_path(collection.source.as_str()),
        own => generation.join(own_key(generation, own)).with_extension("asc"),
    };
    if collection.publish == Publish::Verbatim && !path.try_exists().unwrap_or(true) {
        return Ok(None);
    }
    let bytes = read_capped(&path, MAX_KEYRING_BYTES)?;
    let unusable = |error| Fault::failed(format!("cannot use the keyring {}", path.display())).because(error).into();
    armored_keyring(&bytes).map(Some).map_err(unusable)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::path::PublishPath;

    /// A site with two archives of one upstream, images and snaps.
    pub(in crate::setup) fn facts() -> Facts {
        let path = |text: &str| text.parse::<PublishPath>().unwrap();
        let suite = |name: &str, components: &[&str], sources: &[&str]| PublishedSuite {
            name: name.parse().unwrap(),
            components: components.iter().map(|text| path(text)).collect(),
            architectures: BTreeSet::from([path("amd64")]),
            sources: sources.iter().map(|text| path(text)).collect(),
            flat: BTreeSet::new(),
        };
        let archive = |name: &str, publish, suites| AptArchive {
            name: name.parse().unwrap(),
            origin: "http://archive.example.com/ubuntu".into(),
            publish,
            suites,
            key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=BBBB\n-----END PGP PUBLIC KEY BLOCK-----\n".into(),
            valid_until: (publish == Publish::Verbatim).then(|| Time::from_unix(1_800_000_000).unwrap()),
        };
        let upstreams = [
            (Kind::Apt, "ubuntu", "http://archive.example.com/ubuntu"),
            (Kind::Apt, "extra", "http://archive.example.com/ubuntu/"),
            (Kind::Apt, "whole", "http://archive.example.com"),
            (Kind::Images, "maas", "https://images.example.com/v3/stable.d"),
            (Kind::Snaps, "store", "https://api.snapcraft.io/"),
        ];
        let upstream = |(kind, name, url): (Kind, &str, &str)| {
            UpstreamNames::of(&url.into(), kind, &name.parse().unwrap()).unwrap()
        };
        let trees = upstreams.iter().filter(|(kind, ..)| *kind != Kind::Snaps);
        let answering = trees.map(|(kind, name, url)| {
            (Address::of_origin(&(*url).into()).unwrap(), format!("{}/{name}", kind.as_str()))
        });
        Facts {
            site: "dc1".parse().unwrap(),
            generation: 7,
            root: "/srv/gapferry".into(),
            routes: RoutingTable::new(answering),
            upstreams: upstreams.into_iter().map(upstream).collect(),
            archives: vec![
                archive(
                    "ubuntu",
                    Publish::ReIndexed,
                    vec![
                        suite("noble", &["main", "universe"], &["main"]),
                        suite("noble-updates", &["main", "universe"], &["main"]),
                        suite("jammy", &["main"], &[]),
                    ],
                ),
                archive("extra", Publish::Verbatim, vec![suite("noble", &["main"], &[])]),
            ],
            repositories: Vec::new(),
            feeds: Vec::new(),
            kinds: BTreeSet::from([Kind::Apt, Kind::Images, Kind::Snaps]),
            store: Some(StoreAssertion {
                store: "gapStore".into(),
                operator_id: "me".into(),
                url: Url::parse("https://snaps.dc1.example/").unwrap(),
                stream: b"type: store\n\nsig\n".to_vec(),
            }),
            notes: Vec::new(),
            nameless: Vec::new(),
        }
    }

    #[test]
    fn hostile_origins_are_no_upstreams() {
        let of = |origin: &str| UpstreamNames::of(&origin.into(), Kind::Apt, &"a".parse().unwrap());
        for origin in [
            "local",
            "file:///srv/x",
            "http://10.0.0.1/x",
            "http://[::1]/x",
            "http://localhost/x",
            "http://a.b/x;y",
            "http://a.b/$(id)",
            "http://a.b/x'y",
            "http://a.b/x{y",
            "http://a.b/x%0ay",
            "http://a.b/x/../../y z",
            "http://a.b/x$y",
            "http://a;b/x",
            "http://a\"b/x",
        ] {
            assert_eq!(of(origin), None, "{origin:?}");
        }
        let upstream = of("https://Archive.Example.com:8443/a/b/").unwrap();
        assert_eq!((upstream.host.as_str(), upstream.tls), ("archive.example.com", true));
    }

    #[test]
    fn hosts_have_their_reasons() {
        let rows: Vec<String> = facts()
            .hosts()
            .iter()
            .map(|(host, why)| format!("{host}: {}", why.iter().cloned().collect::<Vec<_>>().join("; ")))
            .collect();
        assert_eq!(
            rows,
            [
                "api.snapcraft.io: snaps/store, over https; the snap store, over https",
                "archive.example.com: apt/extra; apt/ubuntu; apt/whole",
                "images.example.com: images/maas, over https",
                "snaps.dc1.example: the snap store, over https",
            ]
        );
    }
}
