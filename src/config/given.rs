//! Sources of the configuration, kept to read it again when its file has changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Config, Fault, Faults, Source, load};

/// Flags, environment and file that the configuration comes from. It is read again when the file
/// has changed.
#[derive(Debug)]
pub struct Given {
    flags: BTreeMap<&'static str, String>,
    variable: fn(&str) -> Option<String>,
    file: Option<PathBuf>,
    /// The file's content when it was last read.
    text: Option<Vec<u8>>,
}

impl Given {
    /// Flags by the keys' paths, variables as the environment, a file.
    pub fn new(
        flags: BTreeMap<&'static str, String>,
        variable: fn(&str) -> Option<String>,
        file: Option<PathBuf>,
    ) -> Self {
        Self {
            flags,
            variable,
            file,
            text: None,
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Every fault that was found.
    pub fn load(&mut self) -> Result<Config, Faults> {
        self.text = self.read();
        load(&self.flags, self.variable, self.file.as_deref())
    }

    /// Reads the configuration again if its file has changed. What the running one cannot take up is a fault too.
    pub fn changed(&mut self, running: &Config) -> Option<Result<Config, Faults>> {
        let text = self.read();
        if text == self.text {
            return None;
        }
        Some(self.load().and_then(|new| {
            let fixed = running.needs_restart(&new);
            let faults = fixed.into_iter().map(|path| Fault {
                path,
                source: self.file.clone().map_or(Source::Missing, Source::File),
                problem: "is taken up at the start only: the agent must be restarted".to_owned(),
            });
            let faults: Vec<Fault> = faults.collect();
            match faults.is_empty() {
                true => Ok(new),
                false => Err(Faults(faults)),
            }
        }))
    }

    /// A file that cannot be read counts as one that has changed: `load` says why.
    fn read(&self) -> Option<Vec<u8>> {
        std::fs::read(self.file.as_deref()?).ok()
    }
}
