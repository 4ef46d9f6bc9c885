//! Publishes Debian packages through the real reprepro, in a base folder of the site's: `SITE/reprepro/NAME`.
//!
//! What upstream vouches for was checked before, as for metadata of our own. Then reprepro is brought to that, exports and signs,
//! and what it has written is checked and read into the tree: the metadata as new blobs, the packages as the depot's, under the
//! paths of reprepro's pool. So clients see it with the same switch as all else, and what happens in the base folder before
//! that, a kill above all, they never see. The folder is derived from the depot: whoever deletes it loses nothing, and where a
//! run did not end well it is built again.

mod base;
mod keys;
mod lock;
mod program;
mod result;
mod sync;
mod unfinished;
mod wanted;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

pub use self::keys::RepreproKey;

use self::base::{BaseFolder, remove_folder};
use self::keys::{ReadyKey, bad_key};
use self::program::Program;
use self::unfinished::Unfinished;
use self::wanted::WantedSuite;
use super::super::{Context, PublishError};
use super::Root;
use super::re_index::{SuiteIndexes, describe};
use crate::collection::Collection;
use crate::error_class::Fault;
use crate::formats::apt::release::Release;
use crate::formats::openpgp::armored_keyring;
use crate::label::Label;
use crate::site::state::{REPREPRO_FOLDER, reprepro_base_folder};
use crate::site::tree::Tree;
use crate::storage::FileError;

/// Has reprepro publish the suites, and reads what it wrote.
pub(super) fn tree(
    collection: &Collection,
    suites: &[(Root, SuiteIndexes)],
    context: &mut Context<'_, '_>,
) -> Result<Tree, PublishError> {
    let mut suites: Vec<WantedSuite> =
        suites.iter().map(|(root, suite)| wanted(collection, root, suite, context)).collect::<Result<_, _>>()?;
    WantedSuite::fill(&mut suites);
    if context.of_kind.reprepro.is_rehearsal {
        return Ok(Tree::of_files(collection));
    }
    let folder = reprepro_base_folder(context.root, &collection.name);
    let parent = folder.parent().unwrap_or(&folder);
    // gpg's folder is in it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(FileError::on::<PublishError>("create", parent))?;
    let (unfinished, in_doubt) = Unfinished::begin(&folder)?;
    if in_doubt {
        let note = "an earlier run of reprepro did not end well: its base folder was built again from the depot";
        context.published.notes.push(note.to_owned());
    }
    let tree = published(folder, &suites, context);
    if !tree.as_ref().is_err_and(PublishError::leaves_doubt) {
        unfinished.end()?;
    }
    tree
}

fn published(folder: PathBuf, suites: &[WantedSuite], context: &mut Context<'_, '_>) -> Result<Tree, PublishError> {
    let signing = ReadyKey::prepare(&folder, context.key.first(), context.of_kind.reprepro.key)?;
    let base = BaseFolder { reprepro: Program::reprepro(&folder, &signing.home), folder };
    let overridden = base.configure(suites, &signing.fingerprint)?;
    sync::synchronize(&base, suites, context.depot, context.of_kind.reprepro.progress)?;
    for (suite, _) in suites.iter().zip(overridden).filter(|(_, changed)| *changed) {
        base.reprepro.run("reoverride", &["--export=silent-never", "reoverride", &suite.name])?;
    }
    // Suites that have gone would stay there.
    remove_folder(&base.folder.join("dists"))?;
    context.of_kind.reprepro.progress.message("exporting");
    base.reprepro.run("export", &["export"])?;
    let mut tree = Tree::default();
    for suite in suites {
        result::read(&base.folder, suite, &signing, &mut tree, context)?;
    }
    if let Some(public) = &signing.public {
        let armored = armored_keyring(public).map_err(bad_key(&signing.fingerprint, &signing.home))?;
        let (binary, armored) = (context.put(public)?, context.put(armored.as_bytes())?);
        context.keys.extend([("reprepro.gpg".to_owned(), binary), ("reprepro.asc".to_owned(), armored)]);
    }
    Ok(tree)
}

/// reprepro calls a suite by its codename alone, in paths and in Release: so the codename has to be the suite's name.
fn wanted(
    collection: &Collection,
    root: &Root,
    suite: &SuiteIndexes,
    context: &mut Context<'_, '_>,
) -> Result<WantedSuite, PublishError> {
    let name = root.suite.to_string();
    let upstream = root.release().map(|release| Release { codename: Some(name.clone()), ..release.clone() });
    let release = describe(collection, &root.suite, upstream, suite, context);
    if let Some(codename) = release.codename.as_ref().filter(|codename| **codename != name) {
        let folder = collection.folder();
        return Err(Fault::refused(format!(
            "clients know {folder}/{name} by the codename {codename}, and reprepro would publish it as {name}, which apt refuses: \
             keep publish = \"re-indexed\", or give the source another name"
        ))
        .into());
    }
    WantedSuite::read(&name, release, suite, &collection.files)
}

/// Removes base folders of collections that are not `kept`.
pub(in crate::site) fn tidy(site: &Path, kept: &[&Label]) -> Result<(), FileError> {
    let folder = site.join(REPREPRO_FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    let is_kept = |path: &PathBuf| kept.iter().any(|name| path.file_name().is_some_and(|file| file == name.as_str()));
    let mut gone = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !is_kept(path));
    gone.try_for_each(|path| remove_folder(&path))
}
