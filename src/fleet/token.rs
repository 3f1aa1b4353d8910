//! One token: the entry of a Pod that an agent was about to fail.

use serde::{Deserialize, Serialize};

/// Longest word of a token's value, in characters. A longer one is cut.
const LONGEST: usize = 160;

/// Number of characters of a Pod's UID that the key has.
const POD: usize = 8;

/// Entry of a Pod that an agent was about to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Seconds since the epoch, by the API server's clock.
    pub at: u64,
    /// Name of the agent's node.
    pub node: String,
    /// First characters of the Pod's UID.
    pub pod: String,
    /// Meaning of the Pod for the limits.
    pub about: About,
}

/// Meaning of a Pod for the limits. Each text is one word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct About {
    /// Namespace of the Pod.
    pub namespace: String,
    /// Kind and name of the Pod's owner, as `Job/train`; of the Pod itself, if it has none.
    pub owner: String,
    /// Registry of the image.
    pub registry: String,
    /// Hash of the image reference.
    pub image: String,
}

impl About {
    /// The meaning of a Pod whose image this is.
    pub fn of(namespace: &str, (kind, name): (&str, &str), registry: &str, image: &str) -> Self {
        Self {
            namespace: word(namespace),
            owner: word(&format!("{kind}/{name}")),
            registry: word(registry),
            image: format!("{:016x}", hash(image)),
        }
    }
}

impl Token {
    /// A token of the Pod with this UID.
    pub fn new(at: u64, node: &str, uid: &str, about: About) -> Self {
        let letters = uid.chars().filter(char::is_ascii_alphanumeric);
        let pod: String = letters.take(POD).collect();
        Self {
            at,
            node: node.to_owned(),
            pod: pod.to_ascii_lowercase(),
            about,
        }
    }

    /// The key of its entry. The node's name may have dots, the other two parts have none.
    pub fn key(&self) -> String {
        let Self { at, node, pod, .. } = self;
        format!("{at:010}.{node}.{pod}")
    }

    /// The value of its entry.
    pub fn value(&self) -> String {
        let About {
            namespace,
            owner,
            registry,
            image,
        } = &self.about;
        format!("namespace={namespace} owner={owner} registry={registry} image={image}")
    }

    /// Reads an entry; `None` if it is no token.
    pub fn read(key: &str, value: &str) -> Option<Self> {
        let (at, rest) = key.split_once('.')?;
        let (node, pod) = rest.rsplit_once('.')?;
        let is_time = at.len() == 10 && at.bytes().all(|byte| byte.is_ascii_digit());
        let is_pod = pod.len() <= POD && pod.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_time || !is_pod || pod.is_empty() || node.is_empty() {
            return None;
        }
        // A later version may add words.
        let field = |name: &str| {
            let mut words = value.split(' ').filter_map(|word| word.split_once('='));
            let (_, text) = words.find(|(key, text)| *key == name && !text.is_empty())?;
            Some(text.to_owned())
        };
        Some(Self {
            at: at.parse().ok()?,
            node: node.to_owned(),
            pod: pod.to_owned(),
            about: About {
                namespace: field("namespace")?,
                owner: field("owner")?,
                registry: field("registry")?,
                image: field("image")?,
            },
        })
    }

    /// Returns true if the other token is of the same Pod.
    pub fn is_of_same_pod(&self, other: &Self) -> bool {
        self.node == other.node && self.pod == other.pod
    }

    /// Seconds since the token was entered. A token of the future is as old as a new one: the API
    /// servers' clocks differ a little.
    pub fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.at)
    }
}

/// The text as one word of bounded length, `-` if it is empty.
fn word(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    match text {
        "" => "-".to_owned(),
        _ => text.chars().take(LONGEST).map(letter).collect(),
    }
}

/// FNV-1a. It must be the same in every version of the agent, and nothing depends on its strength.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        let about = About::of("team-a", ("Job", "train"), "docker.io", "docker.io/a/b:1");
        Token::new(1_800_000_000, "node.example", "01234567-89ab", about)
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = token();
        assert_eq!(token.key(), "1800000000.node.example.01234567");
        assert_eq!(Token::read(&token.key(), &token.value()), Some(token));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let value = token().value();
        for key in [
            "",
            ".",
            "..",
            "1800000000",
            "1800000000.node",
            "1800000000..0",
            "1800000000.node.",
            "180000000.node.0",
            "18000000001.node.0",
            "+800000000.node.0",
            "1800000000.node.0_1",
            "1800000000.node.012345678",
        ] {
            assert_eq!(Token::read(key, &value), None, "{key}");
        }
        for value in [
            "",
            "{}",
            "namespace=a owner=b registry=c",
            "namespace= owner=b registry=c image=d",
        ] {
            assert_eq!(Token::read("1800000000.node.0", value), None, "{value}");
        }
        let more = format!("{value} and=more");
        assert!(Token::read("1800000000.node.0", &more).is_some());
    }

    #[test]
    fn texts_of_others_are_one_word_each() {
        let long = "r".repeat(1000);
        let about = About::of("", ("Job", "a b\u{202e}\n=c"), &long, "x");
        assert_eq!(about.namespace, "-");
        assert_eq!(about.owner, "Job/a_b__=c");
        assert_eq!(about.registry.len(), LONGEST);
        let token = Token::new(1, "n", "", about);
        assert!(Token::read(&token.key(), &token.value()).is_none());
    }
}
