//! Other names of a suite: its Suite and its Codename, such as `oldstable` and `bookworm`.
//!
//! An archive has the suite in a folder and usually a link to that by its other name. Clients may use either.

use std::collections::BTreeMap;

use super::root::Root;
use crate::path::{MalformedPath, PublishPath};
use crate::site::tree::Tree;

/// Folders of suites below a collection, by the other name of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SuiteAliases(BTreeMap<String, String>);

impl SuiteAliases {
    /// The aliases of the suites: names that Releases give, that no other suite has or is given.
    pub(super) fn of(roots: &[Root]) -> Self {
        // A flat suite is named by its folder alone.
        let roots = || roots.iter().filter(|root| !root.suite.is_flat());
        let given = roots().flat_map(|root| {
            let names = root.release().map(crate::formats::apt::release::Release::names).unwrap_or_default();
            names.into_iter().map(|name| (format!("dists/{name}"), root.suite.folder()))
        });
        Self::among(&roots().map(|root| root.suite.folder()).collect::<Vec<_>>(), given)
    }

    fn among<'r>(folders: &[&'r str], given: impl Iterator<Item = (String, &'r str)>) -> Self {
        let is_below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let is_taken = |alias: &str| {
            folders.iter().any(|folder| *folder == alias || is_below(alias, folder) || is_below(folder, alias))
        };
        let mut suites: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (alias, folder) in given.filter(|(alias, _)| alias.parse::<PublishPath>().is_ok() && !is_taken(alias)) {
            let of_alias = suites.entry(alias).or_default();
            if !of_alias.contains(&folder) {
                of_alias.push(folder);
            }
        }
        let single = |(alias, of): (String, Vec<&str>)| match of.as_slice() {
            [folder] => Some((alias, (*folder).to_owned())),
            _ => None,
        };
        let aliases: BTreeMap<String, String> = suites.into_iter().filter_map(single).collect();
        // One with a slash may be below another one.
        let is_nested = |alias: &String| aliases.keys().any(|other| is_below(alias, other) || is_below(other, alias));
        Self(aliases.iter().filter(|(alias, _)| !is_nested(alias)).map(|(a, f)| (a.clone(), f.clone())).collect())
    }

    /// Adds to the tree what each suite has, under its other name.
    pub(super) fn add_to(&self, tree: &mut Tree) -> Result<(), MalformedPath> {
        for (alias, folder) in &self.0 {
            let files: Vec<_> = tree.below(folder).map(|(path, digest)| (path.clone(), *digest)).collect();
            for (path, digest) in files {
                let below = path.as_str().strip_prefix(folder.as_str()).unwrap_or_default();
                tree.add(format!("{alias}{below}").parse()?, digest);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(folders: &[&'static str], given: &[(&str, &'static str)]) -> Vec<String> {
        let given = given.iter().map(|(alias, folder)| (format!("dists/{alias}"), *folder));
        SuiteAliases::among(folders, given).0.into_iter().map(|(alias, folder)| format!("{alias} {folder}")).collect()
    }

    #[test]
    fn a_name_that_one_suite_alone_is_given_is_an_alias() {
        let folders = ["dists/bookworm", "dists/bookworm-updates"];
        let given = [
            ("oldstable", folders[0]),
            ("bookworm", folders[0]),
            ("oldstable-updates", folders[1]),
            ("bookworm-updates", folders[1]),
        ];
        assert_eq!(
            among(&folders, &given),
            ["dists/oldstable dists/bookworm", "dists/oldstable-updates dists/bookworm-updates"]
        );
    }

    #[test]
    fn a_name_of_two_suites_and_a_folder_of_another_are_none() {
        let folders = ["dists/a", "dists/b", "dists/c/d"];
        assert_eq!(among(&folders, &[("stable", folders[0]), ("stable", folders[1])]), [""; 0]);
        for name in ["b", "a/x", "c", "../x", ""] {
            assert_eq!(among(&folders, &[(name, folders[0])]), [""; 0], "{name}");
        }
        assert_eq!(among(&folders, &[("x", folders[0]), ("x/y", folders[1])]), [""; 0]);
    }
}
