//! A list of the API server's, taken apart while it comes: a node may have a hundred Pods with a quarter of a megabyte of annotations each, and
//! the agent less memory than that.

use std::io;

/// The longest element that is taken. The API server's store takes a tenth of that.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;

/// Takes a JSON list (`{"metadata": …, "items": [ … ]}`) apart.
#[derive(Debug, Default)]
pub(super) struct List {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The last string at depth 1: the key of what comes next.
    key: Vec<u8>,
    in_items: bool,
    /// The element that is coming.
    element: Vec<u8>,
    /// All but the elements: a list that is empty.
    rest: Vec<u8>,
}

impl List {
    /// Takes the next bytes; `each` is given every element that they complete.
    ///
    /// # Errors
    /// If an element is longer than any can be.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
        for &byte in bytes {
            let was_element = self.in_items && self.depth > 2;
            self.step(byte);
            let is_element = self.in_items && self.depth > 2;
            let kept = match (was_element || is_element, self.in_items && self.depth == 2) {
                (true, _) => &mut self.element,
                // The bracket that opens the items, and the commas between them.
                (false, true) if byte != b'[' => continue,
                (false, _) => &mut self.rest,
            };
            if kept.len() >= LONGEST {
                return Err(io::Error::other("an element of the list is too long"));
            }
            kept.push(byte);
            if was_element && !is_element {
                each(&self.element);
                self.element.clear();
            }
        }
        Ok(())
    }

    /// Rest of the text when all has come: the list without its elements.
    pub(super) fn rest(self) -> Vec<u8> {
        self.rest
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ if self.depth == 1 && self.key.len() < b"items".len() + 1 => self.key.push(byte),
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.in_items |= self.depth == 2 && byte == b'[' && self.key == b"items";
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.in_items &= self.depth > 1;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Takes a text apart in pieces of so many bytes.
    fn apart(text: &str, piece: usize) -> (Vec<Value>, Value) {
        let mut list = List::default();
        let mut elements = Vec::new();
        for bytes in text.as_bytes().chunks(piece) {
            let each = |bytes: &[u8]| elements.push(serde_json::from_slice(bytes).unwrap());
            list.take(bytes, each).unwrap();
        }
        (elements, serde_json::from_slice(&list.rest()).unwrap())
    }

    #[test]
    fn every_element_comes_and_the_rest_is_an_empty_list() {
        let items = [
            json!({"metadata": {"name": "a\"]}\\", "annotations": {"items": "[{"}}, "items": [[], {}]}),
            json!({}),
            json!({"é": "\u{1f600}", "n": [1, {"items": [2]}]}),
        ];
        let list = json!({"kind": "items", "metadata": {"resourceVersion": "7", "items": [{}]}, "items": items, "zzz": ["items"]});
        for text in [
            list.to_string(),
            serde_json::to_string_pretty(&list).unwrap(),
        ] {
            for piece in [1, 2, 3, 7, 10_000] {
                let (elements, rest) = apart(&text, piece);
                assert_eq!(elements, items, "{piece}");
                assert_eq!(rest["metadata"], list["metadata"]);
                assert_eq!(
                    (&rest["items"], &rest["zzz"]),
                    (&json!([]), &json!(["items"]))
                );
            }
        }
    }

    #[test]
    fn without_elements_there_are_none() {
        for text in [
            r#"{"items":[],"metadata":{}}"#,
            r#"{"items":null}"#,
            r#"{"kind":"Status"}"#,
        ] {
            assert!(apart(text, 1).0.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for text in ["}}}]]]", "\"", "{\"items\":[{\"a\":", "\\\"[{", ""] {
            let mut list = List::default();
            list.take(text.as_bytes(), |_| panic!("no element is complete"))
                .unwrap();
            assert!(serde_json::from_slice::<Value>(&list.rest()).is_err());
        }
    }
}
