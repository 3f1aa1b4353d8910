//! Content that is not as announced: the two values in such an error, compared.

use super::kind::Cause;

/// Digests of no bytes at all.
const EMPTY: [&str; 2] = [
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
];

/// Returns the cause of a mismatch in these phrases. Values that cannot be read say nothing.
pub(super) fn cause(phrases: &[&str]) -> Option<Cause> {
    phrases.iter().enumerate().find_map(|(at, phrase)| {
        let after = |head: &str| phrase.strip_prefix(head);
        if let Some(values) = after("unexpected commit digest") {
            return Some(of_digests(values.split_once(", expected ")));
        }
        if let Some(values) = after("Digest did not match, expected") {
            let values = values.split_once(", got ");
            return Some(of_digests(values.map(|(expected, got)| (got, expected))));
        }
        if let Some(values) = after("Download config.json digest ") {
            return Some(of_digests(values.split_once(" does not match expected ")));
        }
        // A layer's digest and the one that the image's configuration has for it.
        if let Some((layer, _)) = phrase.split_once(" does not match config's DiffID ") {
            let is_empty = EMPTY.iter().any(|empty| layer.contains(empty));
            return Some(match is_empty {
                true => Cause::RuntimeTrouble,
                false => Cause::DigestMismatch,
            });
        }
        // Not all versions show the digest that the unpacked layer should have.
        if let Some(got) = after("wrong diff id calculated on extraction") {
            return Some(of_digests(Some((got, ""))));
        }
        if let Some(values) = after("wrong diff id \"") {
            return Some(of_digests(values.split_once(" calculated on extraction ")));
        }
        if let Some(values) = after("unexpected commit size") {
            return Some(of_sizes(values.split_once(", expected ")));
        }
        after("failed size validation").map(|_| {
            let values = phrases.get(at + 1).copied().unwrap_or_default();
            of_sizes(values.split_once(" != "))
        })
    })
}

fn of_digests(values: Option<(&str, &str)>) -> Cause {
    let Some((got, expected)) = values else {
        return Cause::Unrecognised;
    };
    let got = got.split(',').next().unwrap_or_default();
    let got = got.trim_matches(['"', ' ']);
    let expected = expected.split(',').next().unwrap_or_default();
    let expected = expected.trim_matches(['"', ' ']);
    if EMPTY.contains(&got) {
        // No registry sends an image without content: the node has lost what came.
        Cause::RuntimeTrouble
    } else if got.contains(':') && got != expected {
        Cause::DigestMismatch
    } else {
        Cause::Unrecognised
    }
}

fn of_sizes(values: Option<(&str, &str)>) -> Cause {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match values.map(|(got, expected)| (number(got), number(expected))) {
        Some((Some(0), Some(_))) => Cause::RuntimeTrouble,
        // With fewer bytes the transfer was cut. With more it was resumed, and a part came twice.
        Some((Some(got), Some(expected))) if got != expected => Cause::ConnectionBroken,
        _ => Cause::Unrecognised,
    }
}
