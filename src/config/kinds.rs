//! Kinds of value that a key may have. Each one reads itself, says what is wrong, and describes itself in a schema.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Evidence, LogFormat, OwnPod};
use crate::judge::{Action, NodeMode, RestartPolicy, Source};

/// Text, or a number as the text that it would be as a flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let problem = match Value::deserialize(deserializer)? {
            Value::String(text) => return Ok(Self(text)),
            Value::Number(number) => return Ok(Self(number.to_string())),
            Value::Bool(value) => format!("{value} is not expected here (quote it?)"),
            Value::Array(_) => "a list is not expected here".to_owned(),
            Value::Object(_) => "a mapping is not expected here".to_owned(),
            Value::Null => "is empty".to_owned(),
        };
        Err(D::Error::custom(problem))
    }
}

/// Describes a type by this schema. The title says in a few words what the type takes.
macro_rules! described {
    ($type:ty, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// Reads a type from a scalar by its `read`, and describes it.
macro_rules! read_from_text {
    ($type:ty, $schema:tt) => {
        impl FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::read(text)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Scalar(text) = Scalar::deserialize(deserializer)?;
                Self::read(&text).map_err(D::Error::custom)
            }
        }
        described!($type, $schema);
    };
}

described!(Scalar, {"type": ["string", "number"]});
read_from_text!(Name, {"type": "string", "title": "a name", "minLength": 1});
read_from_text!(Count, {"type": "integer", "title": "a whole number from 1", "minimum": 1});
read_from_text!(Span, {"type": "string", "title": "a duration like 10s, 2m, 1h"});
read_from_text!(Places, {"type": "integer", "title": "a whole number from 0", "minimum": 0});
read_from_text!(Window, {"type": "string", "title": "a duration from 1m to 24h"});
read_from_text!(Poll, {"type": "string", "title": "a duration from 100ms to 60s"});
read_from_text!(AbsolutePath, {"type": "string", "title": "an absolute path"});
read_from_text!(Address, {"type": "string", "title": "an address and a port"});
read_from_text!(OwnPod, {"type": "string", "title": "namespace/name"});

/// Text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Name(pub(super) String);

impl Name {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("is empty".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// Whole number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Count(pub(super) NonZeroU32);

impl Count {
    /// The count of this number; 1 for 0.
    pub(super) fn of(number: u32) -> Self {
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    fn read(text: &str) -> Result<Self, String> {
        let number = text.parse();
        number
            .map(Self)
            .map_err(|_| format!("{text:?} is not a whole number from 1"))
    }
}

/// Whole number from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Places(pub(super) u32);

impl Places {
    fn read(text: &str) -> Result<Self, String> {
        let number = text.parse();
        number
            .map(Self)
            .map_err(|_| format!("{text:?} is not a whole number from 0"))
    }
}

/// Duration of at most a year, which keeps sums of moments in range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span(pub(super) Duration);

impl Span {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

    /// A span of minutes.
    pub(super) const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }

    fn read(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(duration) if duration > Self::LONGEST => {
                Err(format!("{text:?} is longer than a year"))
            }
            Ok(duration) => Ok(Self(duration)),
            Err(_) => Err(format!("{text:?} is not a duration like 10s, 2m, 1h")),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

/// Span of time that a budget is for: from a minute to a day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Window(Span);

impl Window {
    /// A window of minutes; within the bounds, whatever the number.
    pub(super) fn minutes(minutes: u64) -> Self {
        Self(Span::minutes(minutes.clamp(1, 24 * 60)))
    }

    /// The window of this length.
    pub(super) const fn of(length: Duration) -> Self {
        Self(Span(length))
    }

    /// The length.
    pub(super) const fn get(self) -> Duration {
        self.0.0
    }

    fn read(text: &str) -> Result<Self, String> {
        let span: Span = text.parse()?;
        let range = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
        match range.contains(&span.0) {
            true => Ok(Self(span)),
            false => Err("must lie between 1m and 24h".to_owned()),
        }
    }
}

/// Poll interval: from 100 milliseconds to a minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Poll(Span);

impl Poll {
    /// A poll interval in seconds; within the bounds, whatever the number.
    pub(super) fn seconds(seconds: u64) -> Self {
        Self(Span(Duration::from_secs(seconds.clamp(1, 60))))
    }

    /// The interval.
    pub(super) const fn get(self) -> Duration {
        self.0.0
    }

    fn read(text: &str) -> Result<Self, String> {
        let span: Span = text.parse()?;
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        match range.contains(&span.0) {
            true => Ok(Self(span)),
            false => Err("must lie between 100ms and 60s".to_owned()),
        }
    }
}

/// Absolute path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path of these parts below the root.
    pub(super) fn below_root(parts: &str) -> Self {
        Self(Path::new("/").join(parts))
    }

    fn read(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        match path.is_absolute() {
            true => Ok(Self(path)),
            false => Err(format!("{text:?} is not an absolute path")),
        }
    }
}

impl Deref for AbsolutePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// Address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Address(pub SocketAddr);

impl Address {
    /// The port is what stands after the last colon. An IPv6 address may stand without brackets: a
    /// manifest writes `$(POD_IP):9797` and does not know which kind of address the Pod gets.
    fn read(text: &str) -> Result<Self, String> {
        let without_brackets = || {
            let (address, port) = text.rsplit_once(':')?;
            Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
        };
        let address = text.parse().ok().or_else(without_brackets);
        address.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is not an address and a port like 127.0.0.1:9797, [::1]:9797 or ::1:9797"
            )
        })
    }
}

impl OwnPod {
    fn read(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(format!("{text:?} is not a Pod like namespace/name")),
        }
    }
}

impl Serialize for OwnPod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.namespace, self.name))
    }
}

/// Value that the configuration writes as one of a few words.
pub trait Words: Copy + 'static {
    /// Every value, in the order in which people are told of them.
    const ALL: &'static [Self];

    /// The word of this value.
    fn word(self) -> &'static str;
}

macro_rules! words {
    ($($type:ident: $($value:ident),+;)+) => { $(
        impl Words for $type {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    )+ };
}

words! {
    NodeMode: Observe, OptIn, Enforce;
    Action: Fail, Delete;
    RestartPolicy: Never, OnFailure, Always;
}

impl Words for Evidence {
    const ALL: &'static [Self] = &{
        let mut all = [Self::Auto; Source::ALL.len() + 1];
        let mut place = 0;
        while place < Source::ALL.len() {
            all[place + 1] = Self::Only(Source::ALL[place]);
            place += 1;
        }
        all
    };

    fn word(self) -> &'static str {
        self.as_str()
    }
}

impl Words for LogFormat {
    const ALL: &'static [Self] = &[Self::Text, Self::Json];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// `off` or `on`.
impl Words for bool {
    const ALL: &'static [Self] = &[false, true];

    fn word(self) -> &'static str {
        if self { "on" } else { "off" }
    }
}

/// One of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

fn words_of<T: Words>() -> Vec<&'static str> {
    T::ALL.iter().map(|value| value.word()).collect()
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Scalar(text) = Scalar::deserialize(deserializer)?;
        let value = T::ALL.iter().find(|value| value.word() == text);
        value.copied().map(Self).ok_or_else(|| {
            let words = words_of::<T>().join(", ");
            D::Error::custom(format_args!("{text:?} is none of {words}"))
        })
    }
}

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        words_of::<T>().concat().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = words_of::<T>();
        json_schema!({ "enum": words, "title": format!("one of {}", words.join(", ")) })
    }
}
