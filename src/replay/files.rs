use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// A line that is longer than this is none of the agent's.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Groups files by the node that they are of, each group in the order in which they were written: `pulls.jsonl.3` before `pulls.jsonl`.
/// Files that are named otherwise are a node's each.
pub fn in_order(files: &[PathBuf]) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<(PathBuf, Vec<(u32, PathBuf)>)> = Vec::new();
    for file in files {
        let (base, age) = apart(file);
        match groups.iter_mut().find(|(of, _)| *of == base) {
            Some((_, group)) => group.push((age, file.clone())),
            None => groups.push((base, vec![(age, file.clone())])),
        }
    }
    let ordered = groups.into_iter().map(|(_, mut group)| {
        group.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
        group.into_iter().map(|(_, file)| file).collect()
    });
    ordered.collect()
}

/// A file's name without the number that rotation has given it, and that number.
fn apart(file: &Path) -> (PathBuf, u32) {
    let number = file.extension().and_then(|end| end.to_str()?.parse().ok());
    match number {
        Some(number) => (file.with_extension(""), number),
        None => (file.to_owned(), 0),
    }
}

/// The lines of a file, one at a time.
#[derive(Debug)]
pub struct Lines {
    input: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

/// One line.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its text; `None` if it is too long to be one.
    pub text: Option<&'a [u8]>,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(file: &Path) -> io::Result<Self> {
        Ok(Self {
            input: BufReader::with_capacity(256 * 1024, File::open(file)?),
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut limited = (&mut self.input).take(LONGEST);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_long = limited.limit() == 0 && self.line.last() != Some(&b'\n');
        if is_long {
            self.line.clear();
            self.input.skip_until(b'\n')?;
        }
        Ok(Some(Line {
            number: self.number,
            text: (!is_long).then_some(&self.line),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_come_oldest_first_and_nodes_apart() {
        let files = [
            "a/pulls.jsonl",
            "b/pulls.jsonl.1",
            "a/pulls.jsonl.1",
            "a/pulls.jsonl.10",
            "b/pulls.jsonl",
            "week.jsonl",
        ];
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let found = in_order(&files);
        let expected = [
            vec!["a/pulls.jsonl.10", "a/pulls.jsonl.1", "a/pulls.jsonl"],
            vec!["b/pulls.jsonl.1", "b/pulls.jsonl"],
            vec!["week.jsonl"],
        ];
        let expected =
            expected.map(|group| group.into_iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_without_an_end_is_passed_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut text = vec![b'x'; usize::try_from(LONGEST).unwrap() + 10];
        text.extend(b"\nshort\ncut");
        std::fs::write(file.path(), text).unwrap();
        let mut lines = Lines::of(file.path()).unwrap();
        assert!(lines.next_line().unwrap().unwrap().text.is_none());
        assert_eq!(
            lines.next_line().unwrap().unwrap().text,
            Some(&b"short\n"[..])
        );
        let last = lines.next_line().unwrap().unwrap();
        assert_eq!((last.number, last.text), (3, Some(&b"cut"[..])));
        assert!(lines.next_line().unwrap().is_none());
    }
}
