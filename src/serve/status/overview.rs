//! What a generation publishes, as the page and its search need it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::bundle::state::stored_state::StoredState;
use crate::collection::Collection;
use crate::formats::openpgp::Keyring;
use crate::site::Generation;

/// One item of what is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its version, as upstream writes it.
    pub version: String,
    /// Its architecture, if it has one.
    pub architecture: String,
    /// The place in upstream that lists it.
    pub listed_in: String,
    /// Number of its collection in [`Overview::folders`].
    pub folder: usize,
    /// Whether upstream does not vouch for it.
    pub unsigned: bool,
}

/// What a generation publishes.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// The collections, as KIND/NAME.
    pub folders: Vec<String>,
    /// All items, by name.
    pub rows: Vec<Row>,
    /// Of each published archive, as KIND/NAME, its suites with their components.
    pub suites: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Fingerprints of the key that the site signs with.
    pub key: Vec<String>,
}

impl Overview {
    /// Reads the manifests of the generation in `folder`. One that cannot be read is left out.
    pub fn load(folder: &Path, generation: &Generation) -> Self {
        let mut overview = Self { key: key(folder), ..Self::default() };
        for name in generation.names.keys() {
            let manifests = folder.join("manifests");
            let (manifest, lists) = (manifests.join(format!("{name}.json")), manifests.join(name.as_str()));
            let Ok(state) = StoredState::in_files(&manifest, &lists) else { continue };
            state.collections().filter_map(Result::ok).for_each(|collection| overview.add(&collection));
        }
        overview
            .rows
            .sort_by(|a, b| (&a.name, &a.architecture, &a.version).cmp(&(&b.name, &b.architecture, &b.version)));
        overview
    }

    fn add(&mut self, collection: &Collection) {
        let folder = self.folders.len();
        self.folders.push(collection.folder());
        for item in &collection.items {
            if let Some((suite, component)) = item.details.suite() {
                let suites = self.suites.entry(collection.folder()).or_default();
                suites.entry(suite.to_string()).or_default().extend(component.map(str::to_owned));
            }
            self.rows.push(Row {
                name: item.name.clone(),
                version: item.version.clone(),
                architecture: item.architecture.clone(),
                listed_in: item.details.listed_in().into_owned(),
                folder,
                unsigned: item.proof.is_none(),
            });
        }
    }

    /// The first `most` items that have all `words` in their names, and how many there are of them.
    pub fn search(&self, words: &str, most: usize) -> (Vec<&Row>, usize) {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let fits = |row: &&Row| {
            let name = row.name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        let mut found: Vec<&Row> = self.rows.iter().filter(fits).collect();
        // What is called so comes before what contains it.
        found.sort_by_key(|row| words.iter().all(|word| row.name.to_lowercase() != *word));
        let count = found.len();
        found.truncate(most);
        (found, count)
    }
}

fn key(folder: &Path) -> Vec<String> {
    let keyring = fs::read(folder.join("keys/site.gpg")).ok().and_then(|bytes| Keyring::parse(&bytes).ok());
    keyring.map(|keyring| keyring.fingerprints()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_so_comes_first() {
        let row = |name: &str| Row {
            name: name.into(),
            version: "1".into(),
            architecture: "amd64".into(),
            listed_in: String::new(),
            folder: 0,
            unsigned: false,
        };
        let overview = Overview { rows: ["libnginx", "nginx", "nginx-core"].map(row).to_vec(), ..Overview::default() };
        let names = |words: &str, most| {
            let (rows, count) = overview.search(words, most);
            (rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(" "), count)
        };
        assert_eq!(names("NGINX", 2), ("nginx libnginx".into(), 3));
        assert_eq!(names("core nginx", 9), ("nginx-core".into(), 1));
        assert_eq!(names("apache", 9), (String::new(), 0));
    }
}
