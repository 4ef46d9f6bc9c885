//! Brings what reprepro has to what is wanted: what is no longer wanted goes first, since reprepro keeps one version of a
//! package and passes over an older one without an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::PublishError;
use super::base::{BaseFolder, PoolDigests, remove_file, remove_folder};
use super::program::unreadable;
use super::wanted::RE_INDEX;
use super::wanted::{IndexTarget, WantedPackage, WantedSuite};
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::progress::Progress;
use crate::shell::shell_word;
use crate::storage::{FileError, has_no_links};

/// The longest arguments of one call, in bytes; Linux takes 2 MiB with the environment (execve(2)).
const MAX_ARGUMENTS: usize = 128 << 10;
/// The most packages of one call, so that progress is seen.
const MAX_PACKAGES: usize = 200;

/// How each package is listed.
const FORMAT: &str = "${$component}\\t${$architecture}\\t${package}\\t${version}\\t${sha256}\\n";

/// What one suite has: by index and name, the version and, of a binary package, the digest.
type Has = BTreeMap<IndexTarget, BTreeMap<String, (String, Option<Sha256>)>>;

/// Brings all suites to what is wanted. Nothing is exported yet.
pub(super) fn synchronize(
    base: &BaseFolder,
    suites: &[WantedSuite],
    depot: &Depot,
    progress: &Progress,
) -> Result<(), PublishError> {
    // What is no longer configured at all: reprepro refuses to work beside it.
    base.reprepro.run("clearvanished", &["--delete", "clearvanished"])?;
    let has: Vec<Has> = suites.iter().map(|suite| list(base, suite)).collect::<Result<_, _>>()?;
    no_other_bytes(base, suites, &has, &base.pool()?)?;
    for (suite, has) in suites.iter().zip(&has) {
        remove(base, suite, has)?;
    }
    let missing: Vec<_> = suites.iter().zip(&has).map(|(suite, has)| missing(suite, has)).collect();
    let sizes = missing.iter().flatten().flat_map(|(_, packages)| packages.iter().map(|(_, package)| package.size));
    let progress = progress.phase("including packages with reprepro", sizes.sum());
    for (suite, missing) in suites.iter().zip(missing) {
        for (target, packages) in missing {
            include(base, suite, &target, &packages, depot, &progress)?;
        }
    }
    Ok(())
}

fn list(base: &BaseFolder, suite: &WantedSuite) -> Result<Has, PublishError> {
    let text = base.reprepro.run("list", &["--list-format", FORMAT, "list", &suite.name])?;
    let text = String::from_utf8_lossy(&text);
    let mut has = Has::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [component, architecture, name, version, digest] = words.as_slice() else {
            return Err(unreadable("reprepro list", line));
        };
        let target = IndexTarget { component: (*component).to_owned(), architecture: (*architecture).to_owned() };
        let package = ((*version).to_owned(), digest.parse().ok());
        has.entry(target).or_default().insert((*name).to_owned(), package);
    }
    Ok(has)
}

/// The pool has one place for each name of a component: whatever bytes are there, are there.
fn no_other_bytes(base: &BaseFolder, suites: &[WantedSuite], has: &[Has], pool: &PoolDigests) -> Result<(), Fault> {
    let mut wanted: BTreeMap<(&str, &str), (Sha256, &str)> = BTreeMap::new();
    for (target, name, package) in suites.iter().flat_map(WantedSuite::packages) {
        for (file, digest) in &package.files {
            match wanted.insert((&target.component, file), (*digest, name)) {
                Some((other, _)) if other != *digest => {
                    return Err(Fault::refused(format!(
                        "{file} has different bytes in different suites, and reprepro's pool has one place for it: {RE_INDEX}"
                    )));
                }
                _ => {}
            }
        }
    }
    for (path, there) in pool {
        let Some((component, file)) = place(path) else { continue };
        if let Some((digest, name)) = wanted.get(&(component, file)).filter(|(digest, _)| digest != there) {
            let (command, base) = (removal(base, suites, has, component, name), base.folder.display());
            return Err(Fault::refused(format!(
                "{base} has {path} with the SHA-256 {there}, and it is to be published with {digest}: if the latter is right, \
                 take the former away with `{command}`, then run the same again"
            )));
        }
    }
    Ok(())
}

/// Component and file name of `pool/COMPONENT/PREFIX/SOURCE/FILE`.
fn place(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.strip_prefix("pool/")?.rsplitn(4, '/');
    let file = parts.next()?;
    Some((parts.nth(2)?, file))
}

/// What takes the package out of every suite that has it. Its name has nothing that a shell would heed, see
/// [`super::wanted::plain`].
fn removal(base: &BaseFolder, suites: &[WantedSuite], has: &[Has], component: &str, name: &str) -> String {
    let listed =
        |has: &Has| has.iter().any(|(target, names)| target.component == component && names.contains_key(name));
    let program = format!("reprepro --basedir {} --export=never", shell_word(&base.folder.to_string_lossy()));
    let each = suites.iter().zip(has).filter(|(_, has)| listed(has));
    let each: Vec<String> =
        each.map(|(suite, _)| format!("{program} -C {component} remove {} {name}", suite.name)).collect();
    match each.is_empty() {
        true => format!("{program} deleteunreferenced"),
        false => each.join(" && "),
    }
}

fn same(package: &WantedPackage, version: &str, digest: Option<Sha256>) -> bool {
    let wanted = package.main_file().map(|(_, digest)| digest);
    package.version == version && (digest.is_none() || wanted == digest)
}

fn remove(base: &BaseFolder, suite: &WantedSuite, has: &Has) -> Result<(), PublishError> {
    for (target, names) in has {
        let wanted = suite.targets.get(target);
        let stays = |name: &String, version: &str, digest: Option<Sha256>| {
            wanted.and_then(|wanted| wanted.get(name)).is_some_and(|p| same(p, version, digest))
        };
        let goes: Vec<&String> = names
            .iter()
            .filter(|(name, (version, digest))| !stays(name, version, *digest))
            .map(|(name, _)| name)
            .collect();
        for batch in batches(&goes, |name| name.len()) {
            let mut arguments = target.options();
            arguments.extend(["--export=silent-never".to_owned(), "remove".to_owned(), suite.name.clone()]);
            arguments.extend(batch.iter().map(|name| (*name).clone()));
            base.reprepro.run("remove", &arguments)?;
        }
    }
    Ok(())
}

fn missing<'s>(suite: &'s WantedSuite, has: &Has) -> Vec<(IndexTarget, Vec<(&'s str, &'s WantedPackage)>)> {
    let mut missing = Vec::new();
    for (target, packages) in &suite.targets {
        let there = |name: &str, package| {
            has.get(target)
                .and_then(|has| has.get(name))
                .is_some_and(|(version, digest)| same(package, version, *digest))
        };
        let lacking = packages.iter().filter(|(name, package)| !there(name, package));
        let lacking: Vec<_> = lacking.map(|(name, package)| (name.as_str(), package)).collect();
        missing.push((target.clone(), lacking));
    }
    missing
}

fn include(
    base: &BaseFolder,
    suite: &WantedSuite,
    target: &IndexTarget,
    packages: &[(&str, &WantedPackage)],
    depot: &Depot,
    progress: &Progress,
) -> Result<(), PublishError> {
    let incoming = base.folder.join("incoming");
    let length = |(_, package): &(&str, &WantedPackage)| package.main_file().map_or(0, |(file, _)| file.len() + 10);
    for batch in batches(packages, length) {
        remove_folder(&incoming)?;
        fs::create_dir_all(&incoming).map_err(FileError::on::<FileError>("create", &incoming))?;
        for (file, digest) in batch.iter().flat_map(|(_, package)| &package.files) {
            lend(depot, digest, &incoming.join(file))?;
        }
        let main: Vec<String> =
            batch.iter().filter_map(|(_, package)| Some(format!("incoming/{}", package.main_file()?.0))).collect();
        match target.is_source() {
            false => call(base, suite, target, "includedeb", &main)?,
            // It takes one at a time, and has no place from which to learn where they belong.
            true => {
                main.iter().try_for_each(|file| call(base, suite, target, "includedsc", std::slice::from_ref(file)))?
            }
        }
        let files: BTreeSet<(&str, &str)> = batch
            .iter()
            .flat_map(|(_, package)| package.files.keys().map(|file| (target.component.as_str(), file.as_str())))
            .collect();
        let pool = base.pool()?;
        base.share(pool.iter().filter(|(path, _)| place(path).is_some_and(|place| files.contains(&place))), depot)?;
        progress.add(batch.iter().map(|(_, package)| package.size).sum());
    }
    Ok(remove_folder(&incoming)?)
}

fn call(
    base: &BaseFolder,
    suite: &WantedSuite,
    target: &IndexTarget,
    command: &'static str,
    files: &[String],
) -> Result<(), PublishError> {
    let mut arguments = target.options();
    arguments.push("--export=silent-never".to_owned());
    if target.is_source() {
        arguments.extend(["-S", "misc", "-P", "optional"].map(str::to_owned));
    }
    arguments.extend([command.to_owned(), suite.name.clone()]);
    arguments.extend(files.iter().cloned());
    base.reprepro.run(command, &arguments).map(drop)
}

/// Gives a blob a name that reprepro takes, without a copy where that is possible.
fn lend(depot: &Depot, digest: &Sha256, name: &Path) -> Result<(), PublishError> {
    remove_file(name)?;
    let Some(blob) = depot.local_file(digest) else { return Ok(depot.write_file(digest, name)?) };
    let link = || fs::hard_link(&blob, name).or_else(|_| std::os::unix::fs::symlink(std::path::absolute(&blob)?, name));
    match link() {
        Err(error) if has_no_links(&error) => Ok(depot.write_file(digest, name)?),
        linked => linked.map_err(FileError::on("link", name)),
    }
}

/// Slices that fit into one call each.
fn batches<T>(all: &[T], length: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, one) in all.iter().enumerate() {
        let next = length(one) + 1;
        if at > from && (bytes + next > MAX_ARGUMENTS || at - from >= MAX_PACKAGES) {
            batches.extend(all.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += next;
    }
    batches.extend(all.get(from..).filter(|rest| !rest.is_empty()));
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_all_and_fit() {
        let all: Vec<usize> = (0..1000).map(|n| n % 3000).collect();
        let batches = batches(&all, |n| n * 10);
        assert_eq!(batches.concat(), all);
        assert!(batches.iter().all(|batch| batch.len() <= MAX_PACKAGES));
        assert!(batches.iter().all(|batch| batch.iter().map(|n| n * 10 + 1).sum::<usize>() <= MAX_ARGUMENTS));
        assert!(super::batches(&[0; 0], |n| *n).is_empty());
    }

    #[test]
    fn places_in_the_pool() {
        assert_eq!(place("pool/main/liba/libabc/x_1_all.deb"), Some(("main", "x_1_all.deb")));
        assert_eq!(place("pool/non-free/x/a/abc/x.dsc"), Some(("non-free/x", "x.dsc")));
        assert_eq!(place("pool/x.deb"), None);
    }
}
