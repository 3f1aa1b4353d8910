//! What containerd's log says about the pulls of an image.

use anyhow::{Context, Result};

use super::Node;
use crate::component::Component;

/// The pulls of one image, as containerd saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulls {
    /// How many it was asked for.
    pub begun: usize,
    /// How those ended that failed, oldest first: gRPC's code and the text.
    pub errors: Vec<String>,
}

impl Node {
    /// The pulls of an image that containerd itself has begun, and their errors, by its log.
    /// `image` is the reference that the Pod names.
    pub fn pulls(&self, image: &str) -> Result<Pulls> {
        let path = self.log(Component::Containerd);
        let log = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Pulls::of(image, &String::from_utf8_lossy(&log)))
    }
}

impl Pulls {
    fn of(image: &str, log: &str) -> Self {
        // Of the words in the line's text; the text is quoted, and quotes in it are escaped.
        let begun = format!(r#" msg="PullImage \"{image}\"""#);
        let failed = format!(r#" msg="PullImage \"{image}\" failed""#);
        let mut pulls = Self::default();
        for line in log.lines() {
            if line.contains(&failed) {
                pulls.errors.push(error(line));
            } else if line.contains(&begun) && line.contains("level=info") {
                pulls.begun += 1;
            }
        }
        pulls
    }
}

/// The text of a line's error; all that follows if it is not quoted as expected.
fn error(line: &str) -> String {
    let Some((_, quoted)) = line.split_once(" error=") else {
        return String::new();
    };
    let mut escaped = false;
    let end = quoted.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        is_end
    });
    let text = end.and_then(|(end, _)| serde_json::from_str(&quoted[..=end]).ok());
    text.unwrap_or_else(|| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_counted_by_image() {
        let log = concat!(
            r#"time="2026-01-01T00:00:00Z" level=info msg="PullImage \"h/a:1\"""#,
            "\n",
            r#"time="2026-01-01T00:00:00Z" level=info msg="PullImage \"h/a:12\"""#,
            "\n",
            r#"time="2026-01-01T00:00:01Z" level=error msg="PullImage \"h/a:1\" failed" error="rpc error: code = NotFound desc = \"h/a:1\": not found\n<x>""#,
            "\n",
            r#"time="2026-01-01T00:00:02Z" level=info msg="PullImage \"h/a:1\" returns image reference""#,
            "\n",
            r#"time="2026-01-01T00:00:03Z" level=info msg="PullImage \"h/a:1\"" name=x"#,
        );
        let expected = Pulls {
            begun: 2,
            errors: vec!["rpc error: code = NotFound desc = \"h/a:1\": not found\n<x>".to_owned()],
        };
        assert_eq!(Pulls::of("h/a:1", log), expected);
        assert_eq!(Pulls::of("h/b:1", log), Pulls::default());
    }
}
