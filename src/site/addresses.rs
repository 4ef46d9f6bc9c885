//! The addresses that each published collection answers for, and their owners.
//!
//! What a site allows or pins, it does so by source, and a builder writes source, name and origin into the manifest. So whoever has stolen
//! a builder's key must not be able to give a collection to a source that is allowed more, nor to have unsigned packages answer for
//! an address that clients know as another source's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::SiteError;
use super::serve_config::Serve;
use super::state::{Generation, Published};
use super::tree::Tree;
use crate::address::{Address, RoutingTable};
use crate::bundle::state::manifest::StateCollection;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::kind::Kind;
use crate::label::Label;
use crate::path::PublishPath;

/// Returns the addresses of upstreams that a generation answers for, each with the collection, as KIND/NAME: that of the collection's
/// origin, and the site's aliases. Snaps are not among them: every host answers for the store.
pub(crate) fn answering(generation: &Generation, config: &Serve) -> Vec<(Address, String)> {
    let all = generation.published.iter().flat_map(|(folder, published)| {
        of_collection(folder, published, config).into_iter().map(|address| (address, folder.clone()))
    });
    all.collect()
}

/// Returns the addresses that a collection answers for.
///
/// The origin is the builder's word. So a collection that upstream does not vouch for answers only for the aliases of `site.toml`, which no builder
/// can write.
pub(super) fn of_collection(folder: &str, published: &Published, config: &Serve) -> Vec<Address> {
    if !published.kind.has_address() {
        return Vec::new();
    }
    let origin = claimed(folder, published, config).filter(|_| published.vouched);
    let aliases =
        config.alias.iter().filter(|alias| alias.collection == folder).filter_map(|alias| Address::of_url(&alias.url));
    origin.into_iter().chain(aliases).collect()
}

/// Fixes the collection's source at its first publication, and refuses another one from then on. Most sources
/// have one collection, which bears their name.
pub(super) fn note(next: &mut Generation, collection: &StateCollection) -> Result<(), Fault> {
    // Sources that are named after a kind are that kind's alone, which publishers check.
    let is_of_a_kind = collection.kind.owns_source() || Kind::owner_of_source(collection.source.as_str()).is_some();
    let first = if is_of_a_kind { &collection.source } else { &collection.name };
    let known = next.sources.entry(collection.folder()).or_insert_with(|| first.clone());
    match *known == collection.source {
        true => Ok(()),
        false => Err(Fault::refused(format!(
            "it belongs to the source {known} and not to {}: keys and policy go by source; give it another name, or its own source's",
            collection.source
        ))),
    }
}

/// Notes which sources the published addresses belong to. This is never forgotten, so that an address stays its source's if the
/// collection moves or is no longer carried.
pub(super) fn note_owners(next: &mut Generation, config: &Serve) {
    for (address, folder) in answering(next, config) {
        if let Some(source) = next.sources.get(&folder) {
            next.addresses.entry(address).or_default().insert(source.clone());
        }
    }
}

/// Makes the error of a collection that the site refuses.
fn refused(collection: &str, why: impl Display) -> SiteError {
    SiteError::Publish { collection: collection.to_owned(), source: Box::new(Fault::refused(why).into()) }
}

/// Refuses a collection without upstream's proof whose origin is, or overlaps, an address that another source has or ever had. It would not
/// answer for that address anyway, and who claims it is likely a thief. An alias of `site.toml` permits it.
pub(super) fn keep_apart(next: &Generation, config: &Serve) -> Result<(), SiteError> {
    let aliased = config.alias.iter().filter_map(|alias| {
        Some((Address::of_url(&alias.url)?, alias.collection.as_str(), source_of(next, &alias.collection)?))
    });
    let aliased: Vec<_> = aliased.collect();
    for (folder, published) in next.published.iter().filter(|(_, published)| !published.vouched) {
        let (Some(source), Some(address)) = (next.sources.get(folder), claimed(folder, published, config)) else {
            continue;
        };
        if aliased.iter().any(|(alias, of, _)| *alias == address && *of == folder) {
            continue;
        }
        let known =
            next.addresses.iter().flat_map(|(theirs, owners)| owners.iter().map(move |owner| (theirs, owner.clone())));
        let all = known.chain(aliased.iter().map(|(theirs, _, owner)| (theirs, owner.clone())));
        let taken = all.into_iter().find(|(theirs, owner)| owner != source && theirs.overlaps(&address));
        if let Some((theirs, owner)) = taken {
            return Err(refused(
                folder,
                format_args!(
                    "it has items without upstream's proof and would answer for {address}, but {theirs} belongs to the source {owner}; if \
                 it is to answer there, say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and collection = \
                 \"{folder}\""
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses a collection whose source is new at an address that is, or is below, that of a source with other pinned keys: whoever signs
/// one archive must not answer for another one. `before` has the owners before this generation, so two sources that share an address stay
/// together when one of them gets other keys. An alias of `site.toml` permits it.
pub(super) fn keep_keys_apart(
    before: &BTreeMap<Address, BTreeSet<Label>>,
    next: &Generation,
    config: &Serve,
    have_a_key_in_common: impl Fn(&Label, &Label) -> Result<bool, SiteError>,
) -> Result<(), SiteError> {
    for (folder, published) in next.published.iter().filter(|(_, published)| published.vouched) {
        let claim = claimed(folder, published, config).filter(|_| published.kind.has_address());
        let (Some(source), Some(address)) = (next.sources.get(folder), claim) else { continue };
        let is_owner = before.get(&address).is_some_and(|owners| owners.contains(source));
        let is_given = config
            .alias
            .iter()
            .any(|alias| alias.collection == *folder && Address::of_url(&alias.url).as_ref() == Some(&address));
        if is_owner || is_given {
            continue;
        }
        let above = before
            .iter()
            .filter(|(theirs, _)| theirs.overlaps(&address) && theirs.path().len() <= address.path().len());
        for (theirs, owner) in above.flat_map(|(theirs, owners)| owners.iter().map(move |owner| (theirs, owner))) {
            if owner != source && !have_a_key_in_common(source, owner)? {
                return Err(refused(
                    folder,
                    format_args!(
                        "it would answer for {address}, but {theirs} belongs to the source {owner}, for which other keys are pinned; \
                     if it is to answer there, say so in site.toml: [[serve.alias]] with url = \"http://{address}\" and \
                     collection = \"{folder}\""
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Says of a collection that it answers by path only, and what gives it its upstream's address; `None` if it answers for that, if the
/// site says so itself, or if no client could ask for it there.
pub(super) fn by_path_only(folder: &str, published: &Published, config: &Serve) -> Option<String> {
    let address = claimed(folder, published, config).filter(|_| !published.vouched && published.kind.has_address())?;
    let is_given = of_collection(folder, published, config).contains(&address);
    (!is_given && address.is_routable()).then(|| {
        format!(
            "upstream does not vouch for all of it, so it answers by path alone, and not for {address}: to let it, add `[[serve.alias]]` \
             with `url = \"http://{address}\"` and `collection = \"{folder}\"` to site.toml; `by-path-only = [\"{folder}\"]` under \
             `[serve]` says that it shall not"
        )
    })
}

/// Returns the source of a collection, whether it was published or not.
fn source_of(next: &Generation, folder: &str) -> Option<Label> {
    let named = || folder.split_once('/').and_then(|(_, name)| name.parse().ok());
    next.sources.get(folder).cloned().or_else(named)
}

/// Returns the address that the builder says is the collection's.
fn claimed(folder: &str, published: &Published, config: &Serve) -> Option<Address> {
    Address::of_origin(&published.origin).filter(|_| !config.by_path_only.contains(folder))
}

/// Refuses two collections that answer for one address with different metadata of one name: clients would see only one of
/// them. Collections with different suites answer together.
pub(super) fn answer_together<'t>(
    next: &Generation,
    config: &Serve,
    is_changed: impl Fn(&str) -> bool,
    tree_of: impl Fn(&str) -> Result<Cow<'t, Tree>, SiteError>,
) -> Result<(), SiteError> {
    let table = RoutingTable::new(answering(next, config));
    for (host, routes) in table.hosts() {
        let is_one = routes.iter().all(|route| route.folder == routes[0].folder);
        if is_one || !routes.iter().any(|route| is_changed(&route.folder)) {
            continue;
        }
        let mut answers: BTreeMap<String, (&str, Sha256)> = BTreeMap::new();
        for route in routes {
            let tree = tree_of(&route.folder)?;
            let may_change = |path: &PublishPath| !Kind::is_immutable(&format!("{}/{path}", route.folder));
            for (path, digest) in tree.files().filter(|(path, _)| may_change(path)) {
                let (other, theirs) =
                    *answers.entry(format!("{}/{path}", route.prefix)).or_insert((&route.folder, *digest));
                if other != route.folder && theirs != *digest {
                    let address = format!("{host}{}/{path}", route.prefix);
                    let own = &route.folder;
                    return Err(Fault::refused(format!(
                        "{other} and {own} both answer for {address}, and clients would see only one of them: carry both as one \
                         source of one selection; or let one answer by path only: in site.toml, write `by-path-only = \
                         [\"{own}\"]` under `[serve]`"
                    ))
                    .into());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::lists::tests::state;
    use crate::collection::Publish;
    use crate::site::{Alias, Published};

    fn generation(of: &[(&str, &str, &str, u64)]) -> Generation {
        let mut generation = Generation::none();
        for (name, source, origin, unsigned) in of {
            let folder = format!("apt/{name}");
            generation.sources.insert(folder.clone(), source.parse().unwrap());
            let published = Published {
                kind: Kind::Apt,
                name: name.parse().unwrap(),
                origin: (*origin).into(),
                publish: Publish::ReIndexed,
                items: 1,
                unsigned: *unsigned,
                vouched: *unsigned == 0,
                suites: BTreeSet::new(),
                not_carried: 0,
                not_carried_examples: Vec::new(),
                before: None,
                valid_until: None,
                missing_indexes: Vec::new(),
                oldest_data: None,
                notes: Vec::new(),
            };
            generation.published.insert(folder, published);
        }
        generation
    }

    #[test]
    fn collections_stay_with_their_sources() {
        let collection = |source: &str| StateCollection {
            kind: Kind::Apt,
            name: "ubuntu".parse().unwrap(),
            source: source.parse().unwrap(),
            ..state(&[("a", &[], &[])]).collections.remove(0)
        };
        let mut next = Generation::none();
        assert!(note(&mut next, &collection("own")).is_err());
        assert!(note(&mut next, &collection("ubuntu")).is_ok());
        assert!(note(&mut next, &collection("own")).is_err());
        assert!(note(&mut next, &collection("ubuntu")).is_ok());
    }

    #[test]
    fn unsigned_collections_cannot_claim_addresses_of_other_sources() {
        let ubuntu = ("ubuntu", "ubuntu", "http://archive.example/ubuntu", 0);
        for (other, fine) in [
            (("own", "own", "local", 1), true),
            (("own", "own", "http://archive.example/own", 1), true),
            (("own", "own", "http://archive.example/ubuntu2", 1), true),
            (("own", "own", "http://archive.example/ubuntu/", 1), false),
            (("own", "own", "https://archive.example/ubuntu/pool", 1), false),
            (("own", "own", "http://archive.example/", 1), false),
            (("own", "own", "http://archive.example./ubuntu", 1), false),
            (("own", "own", "http://ARCHIVE.example:81//ubuntu/./pool", 1), false),
            (("own", "own", "http://archive.example/x/..%2f%75buntu", 1), false),
            (("own", "own", "http://archive.example/ubuntu", 0), true),
            (("more", "ubuntu", "http://archive.example/ubuntu", 1), true),
        ] {
            assert_eq!(
                {
                    let mut next = generation(&[ubuntu, other]);
                    note_owners(&mut next, &Serve::default());
                    keep_apart(&next, &Serve::default()).is_ok()
                },
                fine,
                "{other:?}"
            );
        }
    }

    #[test]
    fn addresses_stay_with_their_source_when_the_collection_moves_or_goes() {
        let config = Serve::default();
        let mut before = generation(&[("ubuntu", "ubuntu", "http://archive.example/ubuntu", 0)]);
        note_owners(&mut before, &config);
        for others in [&[][..], &[("ubuntu", "ubuntu", "http://elsewhere.example/ubuntu", 0)]] {
            let mut next = generation(&[others, &[("own", "own", "http://archive.example/ubuntu", 1)]].concat());
            next.addresses.clone_from(&before.addresses);
            note_owners(&mut next, &config);
            assert!(keep_apart(&next, &config).is_err(), "{others:?}");
        }
    }

    #[test]
    fn aliases_count_whether_their_collection_is_published_or_not() {
        let alias = |collection: &str| Alias {
            url: "http://Security.example./ubuntu/".parse().unwrap(),
            collection: collection.to_owned(),
        };
        let mut next = generation(&[("own", "own", "http://security.example/ubuntu", 1)]);
        for (collection, fine) in [("apt/ubuntu", false), ("apt/own", true)] {
            let config = Serve { alias: vec![alias(collection)], ..Serve::default() };
            note_owners(&mut next, &config);
            assert_eq!(keep_apart(&next, &config).is_ok(), fine, "{collection}");
        }
        let config = Serve { alias: vec![alias("apt/ubuntu")], by_path_only: ["apt/own".to_owned()].into() };
        assert!(keep_apart(&next, &config).is_ok());
        assert_eq!(answering(&next, &config), []);
    }
}
