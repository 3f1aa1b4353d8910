//! Files of recorded logs, read line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A line that is longer than this is none of the agent's.
const LONGEST: u64 = 16 * 1024 * 1024;

/// One file that was named, to be read more than once.
#[derive(Clone, Debug)]
pub struct Log {
    /// The file's path.
    pub path: PathBuf,
    /// The content of a pipe, which can be read only once.
    piped: Option<Rc<[u8]>>,
}

impl Log {
    /// Opens a file; a pipe is read whole.
    ///
    /// # Errors
    /// If it cannot be read, or is a directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            let files = path.join("pulls.jsonl*");
            return Err(io::Error::new(
                io::ErrorKind::IsADirectory,
                format!("is a directory; name its files: {}", files.display()),
            ));
        }
        let mut file = File::open(path)?;
        let piped = match metadata.is_file() {
            true => None,
            false => {
                let mut content = Vec::new();
                file.read_to_end(&mut content)?;
                Some(content.into())
            }
        };
        Ok(Self {
            path: path.to_owned(),
            piped,
        })
    }

    /// All lines.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn lines(&self) -> io::Result<Lines> {
        let end = Place {
            byte: u64::MAX,
            line: u64::MAX,
        };
        self.lines_between(Place { byte: 0, line: 0 }, end)
    }

    /// The lines from one place to another.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn lines_between(&self, from: Place, to: Place) -> io::Result<Lines> {
        let input: Box<dyn BufRead> = match &self.piped {
            Some(content) => {
                let mut cursor = Cursor::new(Rc::clone(content));
                cursor.set_position(from.byte);
                Box::new(cursor)
            }
            None => {
                let mut file = File::open(&self.path)?;
                file.seek(SeekFrom::Start(from.byte))?;
                Box::new(BufReader::with_capacity(256 * 1024, file))
            }
        };
        let input = Box::new(input.take(to.byte.saturating_sub(from.byte)));
        Ok(Lines {
            input,
            line: Vec::new(),
            place: from,
        })
    }
}

/// The end of a line in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of bytes before it.
    pub byte: u64,
    /// Number of lines before it.
    pub line: u64,
}

/// The lines of a file, one at a time.
pub struct Lines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    place: Place,
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
    /// The place after the last line that was read.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut limited = (&mut self.input).take(LONGEST);
        let mut length = limited.read_until(b'\n', &mut self.line)?;
        if length == 0 {
            return Ok(None);
        }
        let is_long = limited.limit() == 0 && self.line.last() != Some(&b'\n');
        if is_long {
            self.line.clear();
            length += self.input.skip_until(b'\n')?;
        }
        self.place.byte += length as u64;
        self.place.line += 1;
        Ok(Some(Line {
            number: self.place.line,
            text: (!is_long).then_some(&self.line),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_passed_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut text = vec![b'x'; usize::try_from(LONGEST).unwrap() + 10];
        text.extend(b"\nshort\ncut");
        std::fs::write(file.path(), &text).unwrap();
        let log = Log::open(file.path()).unwrap();
        let mut lines = log.lines().unwrap();
        assert!(lines.next_line().unwrap().unwrap().text.is_none());
        let from = lines.place();
        assert_eq!(
            lines.next_line().unwrap().unwrap().text,
            Some(&b"short\n"[..])
        );
        let to = lines.place();
        let last = lines.next_line().unwrap().unwrap();
        assert_eq!((last.number, last.text), (3, Some(&b"cut"[..])));
        assert!(lines.next_line().unwrap().is_none());
        assert_eq!(lines.place().byte, text.len() as u64);

        let mut part = log.lines_between(from, to).unwrap();
        let line = part.next_line().unwrap().unwrap();
        assert_eq!((line.number, line.text), (2, Some(&b"short\n"[..])));
        assert!(part.next_line().unwrap().is_none());
    }
}
