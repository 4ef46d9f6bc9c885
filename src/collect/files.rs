//! Collects any other files. Nobody vouches for them, and the item list says so.

use std::io;
use std::path::{Path, PathBuf};

use super::folder::each_file;
use super::named_files::TakenFile;
use super::{CollectContext, CollectError, address, named_files};
use crate::bundle::state::ItemLine;
use crate::bundle::state::line::ItemTag;
use crate::bundle::state::new_list::{CollectionHead, NewList, NewListWriter};
use crate::bundle::{BundleError, FormatError};
use crate::collection::Publish;
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::kind::{Details, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::path::{MalformedPath, PublishPath};
use crate::selection::{FilePlace, FilesSource};
use crate::storage::{ExternalSort, FileError};

/// Takes the files of all tables that are called `name` into the depot. Returns their item list: a folder may have more files than there
/// is memory for, so they are sorted on disk.
pub fn collect(name: &Label, sources: &[&FilesSource], with: &CollectContext<'_>) -> Result<NewList, CollectError> {
    let scratch = with.depot.root();
    let mut found = FoundFiles { scratch, sort: ExternalSort::new(scratch) };
    let mut batch = with.depot.batch();
    let mut selected = Vec::new();
    for source in sources {
        match &source.place {
            FilePlace::Url { url, sha256 } => {
                let file = named_files::selected(url, *sha256, with)?;
                let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
                let origin = address::origin(url);
                let malformed =
                    |error| Fault::usage(format!("{origin} does not end in a name that can be carried")).because(error);
                let path = published(source, name).map_err(malformed)?;
                found.add(&FoundFile { path, sha256: *sha256, size: file.size, origin: Origin::Url(origin) })?;
                selected.push(file);
            }
            FilePlace::Path { path, .. } => each_named(path, |path, name| {
                let TakenFile { sha256, size } = named_files::take(&path, None, &mut batch, with)?;
                let malformed = |error| {
                    let path = path.display();
                    Fault::usage(format!(
                        "{path} cannot be carried under its name: rename it, or name it with its url and to"
                    ))
                    .because(error)
                };
                let path = published(source, name).map_err(malformed)?;
                found.add(&FoundFile { path, sha256, size, origin: Origin::Local })
            })?,
        }
    }
    batch.commit()?;
    with.fetch_selected("fetching files", selected)?;
    found.list(name)
}

/// A file that a table names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FoundFile {
    path: PublishPath,
    sha256: Sha256,
    size: u64,
    origin: Origin,
}

impl FoundFile {
    /// Returns the file as a record. Records sort by path.
    fn record(&self) -> Vec<u8> {
        // No path has a zero.
        [self.path.as_str(), "\0", &self.sha256.to_hex(), "\0", &self.size.to_string(), "\0", self.origin.as_str()]
            .concat()
            .into_bytes()
    }

    fn of_record(record: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(record).ok()?.splitn(4, '\0');
        let (path, sha256) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { path, sha256, size: parts.next()?.parse().ok()?, origin: parts.next()?.into() })
    }

    fn into_line(self) -> ItemLine {
        let Self { path, sha256, size, origin } = self;
        ItemLine {
            architecture: None, // nothing is known of what is inside
            details: Details::File { origin },
            licence: None,
            name: path.to_string(),
            path,
            proof: None,
            publisher: None,
            reason: "requested".to_owned(),
            sha256,
            size,
            source: None,
            tag: ItemTag::Item,
            version: sha256.abbreviated(),
        }
    }
}

/// The files that were found.
struct FoundFiles<'a> {
    scratch: &'a Path,
    sort: ExternalSort,
}

impl FoundFiles<'_> {
    fn add(&mut self, file: &FoundFile) -> Result<(), CollectError> {
        self.sort.push(&file.record()).map_err(|error| cannot_sort(self.scratch, error))
    }

    /// Writes the item list of the files.
    fn list(self, name: &Label) -> Result<NewList, CollectError> {
        let Self { scratch, sort } = self;
        let head = CollectionHead {
            kind: Kind::Files,
            name: name.clone(),
            origin: Origin::Local,
            publish: Publish::Verbatim,
            second_digest: None,
            source: name.clone(),
        };
        let failed = |error| -> CollectError { BundleError::in_file(scratch)(error).into() };
        let mut list = NewListWriter::create(head, scratch).map_err(failed)?;
        let mut sorted = sort.finish().map_err(|error| cannot_sort(scratch, error))?;
        let mut last: Option<FoundFile> = None;
        while let Some(record) = sorted.next_record().map_err(|error| cannot_sort(scratch, error))? {
            let file = FoundFile::of_record(&record)
                .ok_or_else(|| Fault::failed(format!("a file in {} changed just now", scratch.display())))?;
            match last.as_ref().filter(|last| last.path == file.path) {
                Some(last) if last.sha256 == file.sha256 => continue,
                Some(_) => {
                    let path = &file.path;
                    return Err(Fault::usage(format!("two different files would be published as {path}")).into());
                }
                None => {}
            }
            last = Some(file.clone());
            list.item(&file.into_line()).map_err(|error| match error {
                // All else of a line is ours.
                FormatError::Contradiction(reason) => Fault::usage(reason).into(),
                error => failed(error),
            })?;
        }
        list.finish().map_err(failed)
    }
}

fn cannot_sort(scratch: &Path, error: io::Error) -> CollectError {
    FileError::on("sort files in", scratch)(error)
}

fn published(source: &FilesSource, name: &str) -> Result<PublishPath, MalformedPath> {
    match &source.to {
        Some(folder) => folder.join(name),
        None => name.parse(),
    }
}

/// Hands the files that `from` means to `file`, each with its name: those below a folder by their paths there, and of a pattern each match by
/// its own name. What is named outright may be a symbolic link; below a folder [`each_file`] has the rule.
fn each_named(
    from: &Path,
    mut file: impl FnMut(PathBuf, &str) -> Result<(), CollectError>,
) -> Result<(), CollectError> {
    if from.is_dir() {
        return below(from, "", &mut file);
    }
    if from.exists() {
        return file(from.to_owned(), &own_name(from));
    }
    let matches = matching(from)?;
    if matches.is_empty() {
        return Err(no_file(from).into());
    }
    for path in matches {
        let name = own_name(&path);
        match path.is_dir() {
            true => below(&path, &format!("{name}/"), &mut file)?,
            false => file(path, &name)?,
        }
    }
    Ok(())
}

/// The paths that match a pattern, in the order of their names.
pub(super) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let bad = |error| Fault::usage(format!("{} is not a pattern", pattern.display())).because(error);
    let found = glob::glob(&pattern.to_string_lossy()).map_err(bad)?;
    let readable = |found: glob::GlobResult| found.map_err(|error| FileError::on("read", error.path())(error.into()));
    found.map(readable).collect()
}

fn no_file(path: &Path) -> Fault {
    Fault::usage(format!("there is no file {}", path.display()))
}

fn below(
    folder: &Path,
    prefix: &str,
    file: &mut impl FnMut(PathBuf, &str) -> Result<(), CollectError>,
) -> Result<(), CollectError> {
    let mut is_empty = true;
    each_file(
        folder,
        |_| true,
        |found| {
            is_empty = false;
            file(found.path, &format!("{prefix}{}", found.name))
        },
    )?;
    if is_empty { Err(no_file(&folder.join("*")).into()) } else { Ok(()) }
}

fn own_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn records_sort_by_path() {
        let file = |path: &str, origin: Origin| FoundFile {
            path: path.parse().unwrap(),
            sha256: Sha256::of(path.as_bytes()),
            size: 10,
            origin,
        };
        let files = ["a", "a-b", "a/b", "ab"].map(|path| file(path, Origin::Url("http://x/\u{e9}".into())));
        let records: Vec<_> = files.iter().map(FoundFile::record).collect();
        assert!(records.is_sorted());
        assert_eq!(records.iter().map(|record| FoundFile::of_record(record).unwrap()).collect::<Vec<_>>(), files);
    }

    #[test]
    fn files_folders_and_patterns() {
        let root = tempfile::tempdir().unwrap();
        let path = |below: &str| root.path().join(below);
        fs::create_dir_all(path("a/b")).unwrap();
        for file in ["a/1", "a/b/2", "x.iso", "[odd]"] {
            fs::write(path(file), "x").unwrap();
        }
        let names = |from: &str| {
            let mut names = Vec::new();
            each_named(&path(from), |_, name| {
                names.push(name.to_owned());
                Ok(())
            })
            .map(|()| names.join(" "))
        };
        assert_eq!(names("a").unwrap(), "1 b/2");
        assert_eq!(names("x.iso").unwrap(), "x.iso");
        assert_eq!(names("[odd]").unwrap(), "[odd]"); // refused later, by its name
        assert_eq!(names("[ax]*").unwrap(), "a/1 a/b/2 x.iso");
        assert!(matches!(names("*.deb"), Err(CollectError::Fault(_))));
        assert!(matches!(names("***"), Err(CollectError::Fault(_))));
        symlink(path("x.iso"), path("a/link")).unwrap();
        let error = names("a").unwrap_err().to_string();
        assert!(error.contains("a/link is a symbolic link that leads out of its folder"), "{error}");
        fs::remove_file(path("a/link")).unwrap();
        symlink("b/2", path("a/link")).unwrap();
        assert_eq!(names("a").unwrap(), "1 b/2 link");
        symlink(path("a/b"), path("elsewhere")).unwrap();
        assert_eq!(names("elsewhere").unwrap(), "2");
        std::os::unix::net::UnixListener::bind(path("a/b/socket")).unwrap();
        assert!(names("elsewhere").unwrap_err().to_string().contains("is a pipe, socket or device"));
    }
}
