use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{Evidence, LogFormat, OwnPod};
use crate::judge::{Action, NodeMode, RestartPolicy};

/// A type that a configuration value can be read as. The error completes "PATH: …".
pub(super) trait Setting: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Setting for String {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(text.to_owned())
    }
}

impl Setting for NonZeroU32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is not a whole number from 1"))
    }
}

/// The longest duration that means anything here; keeps sums of moments in range.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl Setting for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let duration = humantime::parse_duration(text)
            .map_err(|_| format!("{text:?} is not a duration like 10s, 2m, 1h"))?;
        if duration > LONGEST {
            return Err(format!("{text:?} is longer than a year"));
        }
        Ok(duration)
    }
}

impl Setting for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        let path = Self::from(text);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(format!("{text:?} is not an absolute path"))
        }
    }
}

/// The port is what stands after the last colon. An IPv6 address may stand without brackets: a
/// manifest writes `$(POD_IP):9797` and does not know which kind of address the Pod gets.
impl Setting for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        let without_brackets = || {
            let (address, port) = text.rsplit_once(':')?;
            Some(Self::new(address.parse().ok()?, port.parse().ok()?))
        };
        text.parse().ok().or_else(without_brackets).ok_or_else(|| {
            format!(
                "{text:?} is not an address and a port like 127.0.0.1:9797, [::1]:9797 or ::1:9797"
            )
        })
    }
}

/// `off` or `on`.
pub(super) struct Switch(pub(super) bool);

impl Setting for Switch {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self(false)),
            "on" => Ok(Self(true)),
            _ => Err(format!("{text:?} is none of off, on")),
        }
    }
}

impl Setting for OwnPod {
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

impl Setting for Action {
    fn read(text: &str) -> Result<Self, String> {
        [Self::Fail, Self::Delete]
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of fail, delete"))
    }
}

impl Setting for Evidence {
    fn read(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Kubelet, Self::ApiServer]
            .into_iter()
            .find(|evidence| evidence.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of auto, kubelet, apiserver"))
    }
}

impl Setting for LogFormat {
    fn read(text: &str) -> Result<Self, String> {
        [Self::Text, Self::Json]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of text, json"))
    }
}

impl Setting for NodeMode {
    fn read(text: &str) -> Result<Self, String> {
        [Self::Observe, Self::OptIn, Self::Enforce]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of observe, opt-in, enforce"))
    }
}

impl Setting for RestartPolicy {
    fn read(text: &str) -> Result<Self, String> {
        [Self::Never, Self::OnFailure, Self::Always]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of Never, OnFailure, Always"))
    }
}

/// A scalar of the file as the text it would have been as a flag.
pub(super) fn text_of(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(_) => Err(format!("{value} is not expected here (quote it?)")),
        Value::Array(_) => Err("a list is not expected here".to_owned()),
        Value::Object(_) => Err("a mapping is not expected here".to_owned()),
        Value::Null => Err("is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_brackets_and_always_a_port() {
        for (text, address) in [
            ("127.0.0.1:9797", "127.0.0.1:9797"),
            ("[::]:9797", "[::]:9797"),
            ("[fd00:10::7]:9797", "[fd00:10::7]:9797"),
            ("fd00:10::7:9797", "[fd00:10::7]:9797"),
            ("::1:9797", "[::1]:9797"),
            (":::9797", "[::]:9797"),
            ("1:2:3:4:5:6:7:8:9797", "[1:2:3:4:5:6:7:8]:9797"),
            ("::ffff:10.0.0.1:9797", "[::ffff:10.0.0.1]:9797"),
        ] {
            let read = SocketAddr::read(text).unwrap();
            assert_eq!(read.to_string(), address, "{text}");
        }
        for text in [
            "",
            ":9797",
            "127.0.0.1",
            "::1",
            "fd00::9797",
            "[::1]",
            "[::1:9797",
            "1:2:3:4:5:6:7:8",
            "::1:70000",
            "node1:9797",
            "127.0.0.1:",
        ] {
            assert!(SocketAddr::read(text).is_err(), "{text}");
        }
    }
}
