//! Files that hold secrets: read with a cap, and refused if every user of the machine can read them.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::CollectError;
use crate::error_class::Fault;
use crate::next_command;
use crate::secret::Secret;
use crate::storage::FileError;

/// The largest file of a secret that is read, in bytes; real tokens have some 2,000.
const MAX_SECRET_BYTES: u64 = 64 << 10;
/// The permission of all others to read a file.
const OTHERS_READ: u32 = 0o004;

/// Reads a file that has a password or token in one line; white space around it does not count.
pub(super) fn read_secret(path: &Path) -> Result<Secret, CollectError> {
    let text = read_private(path)?;
    let malformed = |what| {
        let path = path.display();
        Fault::usage(format!("{path} {what}: write the password or token into it, in one line and with nothing else"))
    };
    let secret = text.trim_ascii();
    match () {
        () if secret.is_empty() => Err(malformed("is empty").into()),
        () if secret.contains(&b'\n') => Err(malformed("has several lines").into()),
        () if secret.iter().any(u8::is_ascii_control) => Err(malformed("has control characters").into()),
        () => Ok(Secret::new(secret)),
    }
}

/// Reads a file that holds secrets, unless every user of this machine can read it.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, CollectError> {
    let (bytes, mode) = read(path)?;
    match mode & OTHERS_READ {
        0 => Ok(bytes),
        _ => Err(CollectError::WorldReadable { path: path.to_owned(), command: next_command::make_private(path) }),
    }
}

/// The content of a regular file, and its mode.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), FileError> {
    let failed = |source| FileError::on_named::<FileError>("read", path)(source);
    // Opening a pipe can block, so it is looked at first.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(FileError::on_named("read", path)(std::io::ErrorKind::IsADirectory.into()));
    }
    let file = File::open(path).map_err(|source| FileError::on_named::<FileError>("read", path)(source))?;
    let mode = file.metadata().map_err(|source| FileError::on_named::<FileError>("read", path)(source))?;
    // So that no copy is left behind by a buffer that grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize + 1));
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(FileError::on_named::<FileError>("read", path))?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(FileError::on_named("read", path)(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok((bytes, mode.permissions().mode()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::path::PathBuf;

    use crate::error_class::ErrorClass;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn reads_one_line() {
        for content in ["se cret", "se cret\n", " se cret\r\n\n"] {
            let (_folder, path) = file(content.as_bytes(), 0o640);
            assert_eq!(read_secret(&path).unwrap().expose(), b"se cret", "{content:?}");
        }
    }

    #[test]
    fn rejects_a_file_that_all_can_read_with_the_command() {
        for mode in [0o644, 0o604, 0o777] {
            let (_folder, path) = file(b"secret", mode);
            let error = read_secret(&path).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Usage);
            let command = format!("`chmod 600 '{}'`", path.display());
            assert!(error.to_string().ends_with(&command), "{error}");
        }
    }

    #[test]
    fn rejects_what_is_no_secret() {
        for content in [&b""[..], b" \n", b"a\nb", b"a\0b", b"a\x1b[2J"] {
            let (_folder, path) = file(content, 0o600);
            assert!(matches!(read_secret(&path), Err(CollectError::Fault(_))), "{content:?}");
        }
        let (folder, path) = file(&vec![b'a'; 100_000], 0o600);
        assert!(matches!(read_secret(&path), Err(CollectError::File(_))));
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            assert_eq!(read_secret(&path).unwrap_err().class(), ErrorClass::Usage);
        }
    }
}
