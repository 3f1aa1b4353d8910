//! Messages without what is different each time, in the same form.

use std::path::Path;

/// A node's folder is written like this.
const DIR: &str = "/run/testbed";
/// A client's port is written like this.
const PORT: &str = "40000";
/// The present is written like this.
const TIME: &str = "2026-01-01T00:00:00Z";
/// The length of a SHA-256 digest in hexadecimal digits.
const DIGEST: usize = 64;

/// What stands before the text of an error that has this code.
const DEADLINE: &str = "rpc error: code = DeadlineExceeded desc = ";

/// The message with the node's folder, client ports, digests, names made up and the present time replaced by
/// what is always the same, and without figures of how fast a download was.
pub fn stable(message: &str, dir: &Path) -> String {
    let message = message.replace(&dir.display().to_string(), DIR);
    codes(&times(&ports(&digests(&scratch(&untuned(&message))))))
}

/// The code of a connection that could not be made in time, which is `DeadlineExceeded` or none as
/// chance will have it, is left out.
fn codes(message: &str) -> String {
    match message.contains("dial tcp") && message.ends_with("i/o timeout") {
        true => message.replace(DEADLINE, ""),
        false => message.to_owned(),
    }
}

/// The name that CRI-O makes up for a folder gets the number 1.
fn scratch(message: &str) -> String {
    const MARK: &str = "container_images_storage";
    let mut parts = message.split(MARK);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += MARK;
        text += "1";
        text += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    text
}

/// CRI-O's figures of a download that broke off are left out.
fn untuned(message: &str) -> String {
    let cut = message
        .split_once("(heuristic tuning data: ")
        .and_then(|(before, rest)| Some((before, rest.split_once("): ")?.1)));
    match cut {
        Some((before, after)) => format!("{before}{}", untuned(after)),
        None => message.to_owned(),
    }
}

/// Digests become 000…1, 000…2 in the order in which they come.
fn digests(message: &str) -> String {
    let mut known: Vec<&str> = Vec::new();
    let mut text = String::new();
    let mut rest = message;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(begin);
        text += before;
        let end = from.find(|c: char| !c.is_ascii_hexdigit());
        let (digits, after) = from.split_at(end.unwrap_or(from.len()));
        if digits.len() == DIGEST {
            let place = known.iter().position(|digest| *digest == digits);
            let number = place.unwrap_or_else(|| {
                known.push(digits);
                known.len() - 1
            });
            text += &format!("{:0DIGEST$}", number + 1);
        } else {
            text += digits;
        }
        rest = after;
    }
    text + rest
}

/// The port in `127.0.0.1:40000->`: Go writes its own end of a connection first.
fn ports(message: &str) -> String {
    let mut parts = message.split("->").peekable();
    let mut text = String::new();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            text += part;
            break;
        }
        let before = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let has_port = before.ends_with(':') && before.len() < part.len();
        text += if has_port { before } else { part };
        text += if has_port { PORT } else { "" };
        text += "->";
    }
    text
}

/// The time in Go's `current time … is after …`.
fn times(message: &str) -> String {
    const MARK: &str = "current time ";
    match message.split_once(MARK) {
        Some((before, rest)) => {
            let (_, after) = rest.split_once(' ').unwrap_or((rest, ""));
            format!("{before}{MARK}{TIME} {}", times(after))
        }
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_replaced_and_the_rest_is_kept() {
        let check = |message: &str, expected: &str| {
            assert_eq!(stable(message, Path::new("/tmp/pwtb-1a")), expected);
        };
        check(
            "read tcp 127.0.0.1:51234->127.0.0.1:5001: reset",
            "read tcp 127.0.0.1:40000->127.0.0.1:5001: reset",
        );
        check("a -> b, <nil>", "a -> b, <nil>");
        check(
            "file \"/t/container_images_storage263655/1\": read: (heuristic tuning data: total 1 @1.2 ms, last retry 1 @0 ms): EOF",
            "file \"/t/container_images_storage1/1\": read: EOF",
        );
        check(
            "write /tmp/pwtb-1a/data/x: no space left on device",
            "write /run/testbed/data/x: no space left on device",
        );
        check(
            "expired: current time 2026-11-23T14:50:00Z is after 2020-01-01T00:00:00Z",
            "expired: current time 2026-01-01T00:00:00Z is after 2020-01-01T00:00:00Z",
        );
        check(
            "rpc error: code = DeadlineExceeded desc = dial tcp 10.97.0.1:5444: i/o timeout",
            "dial tcp 10.97.0.1:5444: i/o timeout",
        );
        let (a, b) = ("ab".repeat(32), "c0".repeat(32));
        let (one, two) = (format!("{:064}", 1), format!("{:064}", 2));
        check(
            &format!("sha256:{a}, expected sha256:{b}: {a} feed"),
            &format!("sha256:{one}, expected sha256:{two}: {one} feed"),
        );
    }
}
