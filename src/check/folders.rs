//! The folders that the agent writes to. Nothing is written here to find out.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{Access, StatVfs, access, statvfs};

use super::Finding;

/// Bytes that the node's log may take, and as many again.
const ROOM: u64 = 64 * 1024 * 1024;

/// Checks the folder that the counts are kept in.
pub(super) fn state(dir: &Path) -> Finding {
    look(
        "state folder",
        dir,
        "without it the counts are lost with each restart: set stateDir to a folder that can be written to, or mount one there",
    )
}

/// Checks the folder that the node's log is kept in.
pub(super) fn log(dir: &Path) -> Finding {
    look(
        "log folder",
        dir,
        "without it nothing tells later why a Pod was failed: set logDir to a folder that can be written to, or mount one there",
    )
}

fn look(what: &'static str, dir: &Path, remedy: &str) -> Finding {
    let shown = dir.display();
    match usable(dir) {
        Err(problem) => Finding::fault(what, &problem, remedy),
        Ok((_, space)) if is_full(&space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize) / 1024 / 1024;
            let found = format!("{shown}: {free} MiB are free, and {} files", space.f_favail);
            Finding::warning(
                what,
                &found,
                "make room on its file system: the agent takes 32 MiB at most for its log, and little more",
            )
        }
        Ok((true, _)) => Finding::ok(what, &format!("{shown} can be written to")),
        Ok((false, _)) => Finding::ok(what, &format!("{shown} is not there yet, and can be made")),
    }
}

/// Finds the nearest folder that exists, and the room on its file system.
fn usable(dir: &Path) -> Result<(bool, StatVfs), String> {
    let problem = |path: &Path, error: io::Error| match path == dir {
        true => format!("{} cannot be written to: {error}", dir.display()),
        false => format!(
            "{} is not there, and cannot be made: {}: {error}",
            dir.display(),
            path.display()
        ),
    };
    for path in dir.ancestors() {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(problem(path, error)),
            Ok(metadata) if !metadata.is_dir() => {
                return Err(problem(path, io::Error::from(ErrorKind::NotADirectory)));
            }
            Ok(_) => {
                let looked = access(path, Access::WRITE_OK | Access::EXEC_OK);
                let looked = looked.and_then(|()| statvfs(path));
                let space = looked.map_err(|error| problem(path, error.into()))?;
                return Ok((path == dir, space));
            }
        }
    }
    Err(problem(
        Path::new("/"),
        io::Error::from(ErrorKind::NotFound),
    ))
}

/// Some file systems do not count files, and say zero of zero.
fn is_full(space: &StatVfs) -> bool {
    space.f_bavail.saturating_mul(space.f_frsize) < ROOM
        || (space.f_files > 0 && space.f_favail < 16)
}
