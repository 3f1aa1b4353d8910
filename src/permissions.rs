//! Files and folders of the agent. They tell of every Pod of the node: nobody but their owner reads
//! them, and its group.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The most that anybody may do with a file.
const FILE: u32 = 0o640;

/// The most that anybody may do with a folder that the agent has made.
const FOLDER: u32 = 0o750;

/// Makes a folder, and those above it, where they are missing. One that is there is left as it is.
///
/// # Errors
/// If it cannot be made.
pub fn make_folder(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(dir)
}

/// Makes a new file in place of one that may be there, which others may have opened already.
///
/// # Errors
/// If it cannot be made.
pub fn replace(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE).open(path)
}

/// Opens a file to be written to at its end, and makes it where it is missing.
///
/// # Errors
/// If it cannot be opened, or not be narrowed.
pub fn append_to(path: &Path) -> io::Result<File> {
    narrow(path)?;
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(FILE).open(path)
}

/// Takes from others what an older version, or somebody else, has let them do with a file. One that
/// is not there is no failure.
///
/// # Errors
/// If that is refused.
pub fn narrow(path: &Path) -> io::Result<()> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & !FILE != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(mode & FILE))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn others_cannot_read_what_is_made_or_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_folder(&folder).unwrap();
        assert_eq!(mode(&folder) & !FOLDER, 0);
        assert_eq!(mode(&dir.path().join("a")) & !FOLDER, 0);
        for before in [None, Some(0o666), Some(0o4777), Some(0o600)] {
            for open in [replace, append_to] {
                let path = folder.join("file");
                if let Some(before) = before {
                    std::fs::write(&path, "").unwrap();
                    std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
                }
                open(&path).unwrap().write_all(b"secret").unwrap();
                assert_eq!(mode(&path) & !FILE, 0, "{before:?}");
                std::fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_tighter_file_and_a_folder_are_left_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        narrow(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        make_folder(dir.path()).unwrap();
        narrow(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o755);
    }
}
