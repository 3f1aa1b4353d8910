//! A line of the corpus.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// One thing that a Pod of a case shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The case's name.
    pub case: String,
    /// The kubelet's version.
    pub kubelet: String,
    /// Why the container waits; `Running` where it does not.
    pub reason: String,
    /// What the kubelet says to it.
    pub message: String,
}

impl Entry {
    /// Whether the kubelet waits for its next attempt.
    pub fn is_back_off(&self) -> bool {
        self.reason == "ImagePullBackOff"
    }

    /// The text of the file with these lines.
    pub fn file(entries: &[Self]) -> Result<String> {
        let mut text = String::new();
        for entry in entries {
            text += &serde_json::to_string(entry).context("encoding an entry")?;
            text.push('\n');
        }
        Ok(text)
    }

    /// The lines of a file.
    pub fn read(text: &str) -> Result<Vec<Self>> {
        let entries = text.lines().map(serde_json::from_str);
        entries
            .collect::<Result<_, _>>()
            .context("decoding the committed file")
    }

    fn is_of_the_same(&self, other: &Self) -> bool {
        self.case == other.case && self.is_back_off() == other.is_back_off()
    }

    fn said(&self) -> String {
        format!("{}: {}", self.reason, self.message)
    }
}

/// What differs, for people: a text for each entry that is not the same in both.
pub fn differences(committed: &[Entry], now: &[Entry]) -> Vec<String> {
    let mut texts = Vec::new();
    for old in committed {
        let new = now.iter().find(|new| new.is_of_the_same(old));
        if new == Some(old) {
            continue;
        }
        let new = new.map_or("nothing".to_owned(), Entry::said);
        texts.push(format!("{}\n  - {}\n  + {new}", old.case, old.said()));
    }
    for new in now {
        if !committed.iter().any(|old| old.is_of_the_same(new)) {
            texts.push(format!("{}\n  - nothing\n  + {}", new.case, new.said()));
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(case: &str, reason: &str, message: &str) -> Entry {
        Entry {
            case: case.to_owned(),
            kubelet: "1.37.2".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_differs_is_told_both_ways() -> Result<()> {
        let old = [
            entry("a", "ErrImagePull", "x"),
            entry("a", "ImagePullBackOff", "y"),
            entry("gone", "Running", ""),
        ];
        let new = [
            entry("a", "ErrImagePull", "z"),
            entry("a", "ImagePullBackOff", "y"),
            entry("new", "Running", ""),
        ];
        let expected = [
            "a\n  - ErrImagePull: x\n  + ErrImagePull: z",
            "gone\n  - Running: \n  + nothing",
            "new\n  - nothing\n  + Running: ",
        ];
        assert_eq!(differences(&old, &new), expected);
        assert_eq!(Entry::read(&Entry::file(&old)?)?, old);
        Ok(())
    }
}
