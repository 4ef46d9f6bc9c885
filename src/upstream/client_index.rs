//! The indexes that clients ask for besides those of packages, as Debian and Ubuntu have them.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

use crate::samples::{DebSpec, stanza};

/// Languages in which generated packages are described.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// A package's stanza in Packages, up to what only the archive knows: the rest of its description is in Translation-en.
pub(super) fn packages_stanza(deb: &DebSpec) -> String {
    deb.fields(&[("Description", &deb.description().0), ("Description-md5", &description_md5(deb))])
}

/// The name of a description: the MD5 of its English text, as it stands in a control file, with a final newline.
fn description_md5(deb: &DebSpec) -> String {
    let (short, long) = deb.description();
    let digest = Md5::digest(format!("{short}\n{long}\n"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The indexes of one component, as they grow.
pub(super) struct ComponentIndexes<'a> {
    component: &'a str,
    /// Packages and files of each architecture.
    debs: BTreeMap<&'a str, Vec<&'a DebSpec>>,
    /// Stanzas of each language.
    translations: BTreeMap<&'static str, String>,
}

impl<'a> ComponentIndexes<'a> {
    /// Empty ones.
    pub(super) fn new(component: &'a str, architectures: &'a [String]) -> Self {
        let debs = architectures.iter().map(|architecture| (architecture.as_str(), Vec::new())).collect();
        Self { component, debs, translations: LANGUAGES.map(|language| (language, String::new())).into() }
    }

    /// Adds what they say of a package.
    pub(super) fn add(&mut self, deb: &'a DebSpec) {
        for (architecture, debs) in &mut self.debs {
            if deb.architecture == "all" || deb.architecture == *architecture {
                debs.push(deb);
            }
        }
        for (language, text) in &mut self.translations {
            let (short, long) = match *language {
                "en" => deb.description(),
                _ => (format!("erzeugtes Paket {}", deb.name), " F\u{fc}r eine Vorf\u{fc}hrung."),
            };
            let field = format!("Description-{language}");
            let description = format!("{short}\n{long}");
            let fields = [
                ("Package", deb.name.as_str()),
                ("Description-md5", &description_md5(deb)),
                (field.as_str(), &description),
            ];
            text.push_str(&stanza(&fields));
            text.push('\n');
        }
    }

    /// Path below the suite and text of each of them.
    pub(super) fn texts(self, origin: &str) -> Vec<(String, String)> {
        let component = self.component;
        let translation = |(language, text)| (format!("{component}/i18n/Translation-{language}"), text);
        let mut texts: Vec<(String, String)> = self.translations.into_iter().map(translation).collect();
        for (architecture, debs) in self.debs {
            texts.push((format!("{component}/Contents-{architecture}"), contents(&debs)));
            if architecture != "all" {
                texts.push((
                    format!("{component}/cnf/Commands-{architecture}"),
                    commands(component, architecture, &debs),
                ));
                texts.push((
                    format!("{component}/dep11/Components-{architecture}.yml"),
                    programs(origin, component, &debs),
                ));
            }
        }
        texts
    }
}

/// Files with the packages that have them, in the order of their paths.
fn contents(debs: &[&DebSpec]) -> String {
    let line = |deb: &&DebSpec| format!("usr/share/gapferry-demo/{:<32} {}/{}\n", deb.name, deb.section, deb.name);
    let mut lines: Vec<String> = debs.iter().map(line).collect();
    lines.sort();
    lines.dedup();
    lines.concat()
}

/// Commands with the packages that have them, as Ubuntu publishes them: each package has one of its own name.
fn commands(component: &str, architecture: &str, debs: &[&DebSpec]) -> String {
    let head = stanza(&[("suite", "stable"), ("component", component), ("arch", architecture)]);
    let entry = |deb: &&DebSpec| {
        stanza(&[("name", deb.name.as_str()), ("version", &deb.version), ("commands", &deb.name)]) + "\n"
    };
    format!("{head}\n{}", debs.iter().map(entry).collect::<String>())
}

/// Programs with the packages that have them, as YAML documents (the AppStream specification, "Collection metadata").
fn programs(origin: &str, component: &str, debs: &[&DebSpec]) -> String {
    let head =
        format!("---\nFile: DEP-11\nVersion: '0.14'\nOrigin: {}-{component}\nPriority: 10\n", origin.to_lowercase());
    let program = |deb: &&DebSpec| {
        let (short, _) = deb.description();
        format!(
            "---\nType: console-application\nID: org.gapferry.{name}\nPackage: {name}\nName:\n  C: {name}\nSummary:\n  C: {short}\n",
            name = deb.name
        )
    };
    head + &debs.iter().map(program).collect::<String>()
}
