//! apt: sources in deb822 style for each published archive, with the keys that sign it.

use std::collections::{BTreeMap, BTreeSet};

use super::{AptArchive, Facts, PublishedSuite, ServeUrl, SetupError, SetupFile, nothing, quote};
use crate::error_class::Fault;
use crate::formats::apt::archive::IndexKind;
use crate::formats::apt::suite_name::SuiteName;
use crate::label::Label;
use crate::path::PublishPath;

/// What a client is to use; everything where nothing is named.
#[derive(Clone, Debug, Default)]
pub struct AptClientChoice {
    /// Archives, by the names of their collections.
    pub archives: Vec<Label>,
    /// Suites.
    pub suites: Vec<String>,
}

/// Where a client finds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys<'f> {
    /// In the sources themselves, which apt 2.4 and newer read.
    Inline,
    /// In files of their own, in this folder of the client.
    Folder(&'f str),
}

/// Sources, and files of keys where they are not in the sources.
pub fn files(
    facts: &Facts,
    choice: &AptClientChoice,
    serve_url: &ServeUrl,
    keys: Keys<'_>,
) -> Result<Vec<SetupFile>, SetupError> {
    let chosen = chosen(facts, choice)?;
    let text = |archives: &[ClientArchive<'_>]| {
        let stanzas: String = archives.iter().map(|archive| archive.stanzas(serve_url, keys)).collect();
        head(facts, keys) + &stanzas
    };
    Ok(match keys {
        Keys::Inline => vec![SetupFile::new("gapferry.sources", text(&chosen))],
        Keys::Folder(_) => {
            let each = chosen.iter().flat_map(|archive| {
                let sources = SetupFile::new(
                    format!("gapferry-{}.sources", archive.archive.name),
                    text(std::slice::from_ref(archive)),
                );
                [sources, SetupFile::new(key_file(archive.archive), archive.archive.key.clone())]
            });
            each.collect()
        }
    })
}

fn key_file(archive: &AptArchive) -> String {
    format!("gapferry-{}.asc", archive.name)
}

fn head(facts: &Facts, keys: Keys<'_>) -> String {
    let place = match keys {
        Keys::Inline => {
            "For /etc/apt/sources.list.d/gapferry.sources of each client; apt 2.4 or newer reads the keys in it."
                .to_owned()
        }
        Keys::Folder(folder) => {
            format!("For /etc/apt/sources.list.d of each client, with the .asc beside it in {folder}.")
        }
    };
    let then = "Take sources that are out of reach away there, then: sudo apt-get update";
    quote::comment("#", &format!("{}\n{place}\n{then}", facts.headline("Sources of packages")))
}

/// An archive with those of its suites that a client is to use.
pub(super) struct ClientArchive<'f> {
    pub(super) archive: &'f AptArchive,
    pub(super) suites: Vec<&'f PublishedSuite>,
}

/// Archives and suites that are published and chosen; each name that was chosen must be among them.
pub(super) fn chosen<'f>(facts: &'f Facts, choice: &AptClientChoice) -> Result<Vec<ClientArchive<'f>>, Fault> {
    let is_chosen = |archive: &&AptArchive| choice.archives.is_empty() || choice.archives.contains(&archive.name);
    let of = |archive: &'f AptArchive| {
        let wanted = |suite: &&PublishedSuite| {
            choice.suites.is_empty() || choice.suites.iter().any(|name| is_called(suite, name))
        };
        ClientArchive { archive, suites: archive.suites.iter().filter(wanted).collect() }
    };
    let mut found: Vec<ClientArchive<'f>> = facts.archives.iter().filter(is_chosen).map(of).collect();
    found.retain(|chosen| !chosen.suites.is_empty());
    let absent_archive = choice.archives.iter().find(|name| !found.iter().any(|chosen| chosen.archive.name == **name));
    let has_suite = |name: &str| found.iter().flat_map(|chosen| &chosen.suites).any(|suite| is_called(suite, name));
    let absent_suite = choice.suites.iter().find(|name| !has_suite(name));
    match (absent_archive, absent_suite) {
        (Some(name), _) => Err(nothing(format_args!("archive {name} with such suites"))),
        (None, Some(name)) => Err(nothing(format_args!("suite {name:?}"))),
        (None, None) if found.is_empty() => Err(nothing("archive of packages")),
        (None, None) => Ok(found),
    }
}

fn is_called(suite: &PublishedSuite, name: &str) -> bool {
    name.parse().is_ok_and(|name: SuiteName| name == suite.name)
}

impl ClientArchive<'_> {
    /// One stanza for suites with the same components.
    fn stanzas(&self, serve_url: &ServeUrl, keys: Keys<'_>) -> String {
        let mut groups: BTreeMap<(&'static str, &BTreeSet<PublishPath>), Vec<&SuiteName>> = BTreeMap::new();
        for suite in &self.suites {
            for (types, kind) in [("deb", IndexKind::Packages), ("deb-src", IndexKind::Sources)] {
                if let Some(components) = suite.components_of(kind) {
                    groups.entry((types, components)).or_default().push(&suite.name);
                }
            }
        }
        let stanza = |((types, components), suites): (_, Vec<&SuiteName>)| {
            self.stanza(types, components, &suites, serve_url, keys)
        };
        groups.into_iter().map(stanza).collect()
    }

    fn stanza(
        &self,
        types: &str,
        components: &BTreeSet<PublishPath>,
        suites: &[&SuiteName],
        serve_url: &ServeUrl,
        keys: Keys<'_>,
    ) -> String {
        let AptArchive { name, key, valid_until, .. } = self.archive;
        let suites = suites.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let components = components.iter().map(PublishPath::as_str).collect::<Vec<_>>().join(" ");
        let mut text = format!("\nTypes: {types}\nURIs: {serve_url}/apt/{name}\nSuites: {suites}\n");
        // A flat suite takes none.
        if !components.is_empty() {
            text += &format!("Components: {components}\n");
        }
        if let Some(time) = valid_until {
            text += &quote::comment(
                "#",
                &format!("Upstream's own metadata, which expires at {time}; the site watches over age."),
            );
            text += "Check-Valid-Until: no\n";
        }
        text + &match keys {
            Keys::Inline => format!("Signed-By:\n{}", folded(key)),
            Keys::Folder(folder) => format!("Signed-By: {folder}/{}\n", key_file(self.archive)),
        }
    }
}

/// The lines of a field: indented, and a dot for each empty one (deb822(5)).
fn folded(text: &str) -> String {
    text.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    fn url() -> ServeUrl {
        "http://gapferry.dc1.example".parse().unwrap()
    }

    #[test]
    fn suites_with_the_same_components_share_a_stanza() {
        let files = files(&facts(), &AptClientChoice::default(), &url(), Keys::Folder("/etc/apt/keyrings")).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            ["gapferry-ubuntu.sources", "gapferry-ubuntu.asc", "gapferry-extra.sources", "gapferry-extra.asc"]
        );
        let stanzas: Vec<&str> = files[0].text.split("\n\n").skip(1).collect();
        let stanza = |types, suites, components| {
            format!(
                "Types: {types}\nURIs: http://gapferry.dc1.example/apt/ubuntu\nSuites: {suites}\nComponents: {components}\n\
                 Signed-By: /etc/apt/keyrings/gapferry-ubuntu.asc"
            )
        };
        assert_eq!(stanzas[0], stanza("deb", "jammy", "main"));
        assert_eq!(stanzas[1], stanza("deb", "noble noble-updates", "main universe"));
        assert_eq!(stanzas[2].trim_end(), stanza("deb-src", "noble noble-updates", "main"));
        assert!(files[2].text.contains("\nCheck-Valid-Until: no\n") && !files[0].text.contains("Check-Valid-Until"));
        assert!(files[1].text.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"));
    }

    #[test]
    fn keys_can_be_in_the_sources() {
        let choice = AptClientChoice { archives: vec!["ubuntu".parse().unwrap()], suites: vec!["jammy".into()] };
        let files = files(&facts(), &choice, &url(), Keys::Inline).unwrap();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        let expected = "Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n =BBBB\n \
                        -----END PGP PUBLIC KEY BLOCK-----\n";
        assert!(file.text.ends_with(expected) && file.text.matches("Types:").count() == 1, "{}", file.text);
    }

    #[test]
    fn what_is_chosen_must_be_there() {
        let choice = |archives: &[&str], suites: &[&str]| AptClientChoice {
            archives: archives.iter().map(|name| name.parse().unwrap()).collect(),
            suites: suites.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (choice, words) in [
            (choice(&["absent"], &[]), "no archive absent"),
            (choice(&[], &["bad\nsuite"]), "no suite \"bad\\nsuite\""),
            (choice(&["extra"], &["jammy"]), "no archive extra with such suites"),
        ] {
            let error = files(&facts(), &choice, &url(), Keys::Inline).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
