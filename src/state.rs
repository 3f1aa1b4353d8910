//! The state file: what must survive a restart. Written to a temporary file, synced, renamed.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::images::Images;
use crate::judge::{BrakeMemory, Judge, Kept, Ledger, Moment};
use crate::permissions;

/// The version of the file's form. An agent that meets a newer one sets the file aside.
const VERSION: u32 = 3;

/// State that is kept. It is written from references: a node that is full of failing Pods has too much
/// for a second copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State<'a> {
    version: u32,
    /// The boot that the moments below belong to.
    pub boot: Cow<'a, str>,
    /// Moment until which the agent only watches on this boot.
    pub warm_up_until: Moment,
    /// Memory of the brakes.
    pub brake: Cow<'a, BrakeMemory>,
    /// The images that were on the node.
    pub images: Cow<'a, Images>,
    /// The counts.
    pub ledger: Cow<'a, Ledger>,
}

impl<'a> State<'a> {
    /// The state to be kept.
    pub fn of(boot: &'a str, judge: &'a Judge, images: &'a Images) -> Self {
        Self {
            version: VERSION,
            boot: boot.into(),
            warm_up_until: judge.brake().warm_up_until,
            brake: Cow::Borrowed(&judge.brake().memory),
            images: Cow::Borrowed(images),
            ledger: Cow::Borrowed(judge.ledger()),
        }
    }

    /// The judge's part of it.
    pub fn kept(self) -> Kept {
        Kept {
            warm_up_until: self.warm_up_until,
            memory: self.brake.into_owned(),
            ledger: self.ledger.into_owned(),
        }
    }
}

/// Beginning of every version of the file.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// State file that was found at the start.
#[derive(Debug)]
pub enum Found {
    /// The state of an earlier run.
    State(Box<State<'static>>),
    /// None: a first start.
    Nothing,
    /// A file that cannot be used, and why. It was set aside as far as the disk allowed.
    Damaged(String),
}

/// The state file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    well: bool,
}

impl StateFile {
    /// The file in `dir`, which is made when the file is first written.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            path: dir.join("state.json"),
            well: true,
        }
    }

    /// The files that an agent may leave in `dir`, whether they are there or not.
    pub fn files(dir: &Path) -> [PathBuf; 3] {
        let file = Self::in_dir(dir);
        [file.temporary(), file.aside(), file.path]
    }

    /// Folder of the file.
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Reads what an earlier run left. A file that cannot be used is set aside beside it, as `state.json.damaged`.
    pub fn load(&self) -> Found {
        let aside = self.aside();
        for path in [&self.path, &self.temporary(), &aside] {
            // A file system that refuses this refuses to keep the state too, and that is told.
            let _ = permissions::narrow(path);
        }
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Damaged(format!("cannot be read: {error}")),
        };
        let problem = match serde_json::from_slice::<Versioned>(&text) {
            Ok(Versioned { version: VERSION }) => {
                match serde_json::from_slice::<State<'static>>(&text) {
                    Ok(state) => return Found::State(Box::new(state)),
                    Err(error) => error.to_string(),
                }
            }
            Ok(Versioned { version }) => {
                format!("has version {version}, this agent knows {VERSION}")
            }
            Err(error) => error.to_string(),
        };
        match std::fs::rename(&self.path, &aside) {
            Ok(()) => Found::Damaged(format!("{problem}; set aside as {}", aside.display())),
            Err(error) => Found::Damaged(format!("{problem}; setting it aside failed: {error}")),
        }
    }

    /// Keeps a state. A fault is returned only when it is news: the agent goes on with what it has in memory.
    ///
    /// # Errors
    /// The disk's, the first time in a row that it has one.
    pub fn save(&mut self, state: &State<'_>) -> io::Result<()> {
        let result = self.try_save(state);
        let was_well = std::mem::replace(&mut self.well, result.is_ok());
        if was_well { result } else { Ok(()) }
    }

    /// Returns whether the last attempt to keep the state succeeded.
    pub fn is_well(&self) -> bool {
        self.well
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension("json.damaged")
    }

    fn temporary(&self) -> PathBuf {
        self.path.with_extension("json.new")
    }

    fn try_save(&self, state: &State<'_>) -> io::Result<()> {
        let dir = self.dir();
        permissions::make_folder(dir)?;
        let temporary = self.temporary();
        let mut file = BufWriter::new(permissions::replace(&temporary)?);
        serde_json::to_writer(&mut file, state)?;
        file.into_inner()?.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        File::open(dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state() -> State<'static> {
        State {
            version: VERSION,
            boot: "boot".into(),
            warm_up_until: Moment::new(Duration::from_secs(9)),
            brake: Cow::default(),
            images: Cow::default(),
            ledger: Cow::default(),
        }
    }

    #[test]
    fn what_is_saved_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = StateFile::in_dir(&dir.path().join("made"));
        assert!(matches!(file.load(), Found::Nothing));
        file.save(&state()).unwrap();
        assert!(matches!(file.load(), Found::State(found) if *found == state()));
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let file = StateFile::in_dir(dir.path());
        for text in ["", "{", r#"{"version": 99}"#, "\0\0\0"] {
            std::fs::write(dir.path().join("state.json"), text).unwrap();
            assert!(matches!(file.load(), Found::Damaged(_)), "{text:?}");
            let aside = std::fs::read_to_string(dir.path().join("state.json.damaged"));
            assert_eq!(aside.unwrap(), text);
            assert!(matches!(file.load(), Found::Nothing));
        }
    }

    #[test]
    fn a_newer_version_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = StateFile::in_dir(dir.path());
        let newer = State {
            version: VERSION + 1,
            ..state()
        };
        file.save(&newer).unwrap();
        assert!(matches!(file.load(), Found::Damaged(why) if why.contains("version 4")));
    }

    #[test]
    fn a_fault_is_news_once_and_again_after_a_success() {
        let mut file = StateFile::in_dir(Path::new("/dev/null"));
        assert!(file.save(&state()).is_err());
        assert!(file.save(&state()).is_ok());
        assert!(!file.is_well());
    }
}
