//! Secrets in texts of others: they go no further than the place where the texts come in, and the cause of a text does not hang on them.

use std::path::Path;

use proptest::prelude::*;
use pullwarden::judge::Cause;
use pullwarden::text::redacted;
use serde_json::Value;
use tonic::{Code, Status};

use crate::support::apiserver::Kind;
use crate::support::node::Node;
use crate::support::pod::{BAD, Pod};
use crate::support::random::cases;
use crate::support::until;

/// In every place where a secret may stand.
const SECRET: &str = "hunter2";

/// The texts of the corpus, with their reasons.
fn corpus() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pull-errors");
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| line[key].as_str().unwrap().to_owned();
                texts.push((text("reason"), text("message")));
            }
        }
    }
    texts
}

/// The same text as it would be with credentials in its URLs, and a signed query behind each.
fn with_secrets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(['"', ' ', '\n', '\\']).unwrap_or(after.len());
        let (url, after) = after.split_at(end);
        let bare = url.trim_end_matches([':', ',', ')', '.']);
        // What stands before an @ of the authority; one of the path is a digest's.
        let path = bare.find('/').unwrap_or(bare.len());
        let host = bare[..path].rfind('@').map_or(bare, |at| &bare[at + 1..]);
        out.push_str(before);
        out.push_str(&format!(
            "://user:{SECRET}@{host}?ns=a&X-Amz-Signature={SECRET}"
        ));
        out.push_str(&url[bare.len()..]);
        rest = after;
    }
    out + rest
}

#[test]
fn the_cause_of_every_known_text_is_the_same_without_secrets() {
    let mut urls = 0;
    for (reason, message) in corpus() {
        let cause = Cause::of(&reason, &message);
        assert_eq!(Cause::of(&reason, &redacted(&message)), cause, "{message}");
        let secret = with_secrets(&message);
        urls += usize::from(secret != message);
        let without = redacted(&secret);
        assert!(!without.contains(SECRET), "{without}");
        assert_eq!(Cause::of(&reason, &secret), cause, "{secret}");
        assert_eq!(Cause::of(&reason, &without), cause, "{without}");
    }
    assert!(urls > 50, "only {urls} texts have a URL");
}

#[test]
fn a_known_text_without_secrets_is_left_alone() {
    // The token server's address has a query; nothing else in the corpus is a secret.
    for (_, message) in corpus() {
        let without = redacted(&message);
        if without != message {
            assert!(message.contains('?'), "{message}\n{without}");
        }
    }
}

/// What may stand in a user's name, a password or a query.
const PLAIN: &str = "[A-Za-z0-9._~!$&'()*+,;=:@%-]{0,12}";

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let once = redacted(&text).into_owned();
        prop_assert_eq!(redacted(&once), once.as_str());
    }

    #[test]
    fn what_is_left_is_left_alone(pieces in prop::collection::vec(pieces(), 0..12)) {
        let text = pieces.concat();
        let once = redacted(&text).into_owned();
        prop_assert_eq!(redacted(&once), once.as_str(), "{}", text);
    }

    #[test]
    fn a_text_without_urls_and_credentials_is_left_alone(text in "[A-Za-z0-9 .,:@/\\[\\]\"'()\\\\_-]{0,80}") {
        let lower = text.to_lowercase();
        let words = ["://", "basic", "bearer", "authorization", "x-registry-auth"];
        prop_assume!(!words.iter().any(|word| lower.contains(word)));
        prop_assert_eq!(redacted(&text), text.as_str());
    }

    #[test]
    fn a_secret_before_the_host_is_gone(before in "[a-z\"' (:]{0,9}", user in PLAIN, secret in "[A-Z][A-Za-z0-9/?#@:]{6,20}[0-9]", after in "[a-z/.\": ]{0,20}") {
        let text = format!("{before}https://{user}:{secret}@r.test{after}");
        prop_assert!(!redacted(&text).contains(&secret), "{} → {}", text, redacted(&text));
    }

    #[test]
    fn a_secret_in_a_query_is_gone(before in "[a-z\"' (:]{0,9}", path in "[a-z0-9/:._-]{0,20}", query in PLAIN, secret in "[A-Z][A-Za-z0-9/?:@%+=]{6,20}[0-9]", after in "[a-z/.\": ]{0,20}") {
        let text = format!("{before}https://r.test/{path}?{query}{secret}{after}");
        prop_assert!(!redacted(&text).contains(&secret), "{} → {}", text, redacted(&text));
    }

    #[test]
    fn a_credential_is_gone(scheme in "(Authorization: |authorization: |)(Bearer|Basic|bearer|BASIC)", secret in "[A-Za-z0-9+/._-]{7,20}[0-9]=?", after in "[\\]),.:]?( [a-z]{1,9})?") {
        let text = format!("{scheme} {secret}{after}");
        prop_assert!(!redacted(&text).contains(&secret), "{} → {}", text, redacted(&text));
    }
}

/// What texts with secrets are made of.
fn pieces() -> impl Strategy<Value = String> {
    let known = vec![
        "://",
        "https://",
        "@",
        "?",
        "#",
        "/",
        "=",
        "&",
        ":",
        ": ",
        ", ",
        " ",
        "\"",
        "\\",
        "\n",
        "Bearer ",
        "basic ",
        "Authorization: ",
        "token=",
        "password=",
        "sha256:",
        "a",
        "1",
        "…",
        "]",
        "é",
    ];
    prop_oneof![
        prop::sample::select(known).prop_map(str::to_owned),
        "[a-f0-9]{32}",
        any::<char>().prop_map(String::from),
    ]
}

/// Nothing that is written, sent or told has the secret in it.
#[tokio::test]
async fn a_secret_goes_no_further() {
    let image = format!("https://u:{SECRET}@r.test/bad:1");
    let error = format!(
        "failed to pull and unpack image \"{BAD}\": failed to resolve image: {BAD}: not found"
    );
    let url = format!("Get \"https://user:{SECRET}@r.test/v2/?sig={SECRET}\"");
    let says = |n: u32| format!("{error}: {url} Authorization: Bearer {SECRET}{n}: strange");
    let mut node = Node::counting_to(2).await;
    node.config.policy.switches.second_opinion = true;
    let answer = Status::new(Code::Unknown, format!("{url}: Bearer {SECRET}"));
    node.runtime.pull_comes_to(Err(answer));
    let pod = Pod::bad("secret").container("d", &image);
    let pod = pod.annotation("pullwarden.io/mode", &format!("https://{SECRET}@r.test"));
    node.add(&pod);
    let agent = node.agent();
    agent.judges(&pod).await;
    node.report(&pod.clone().failing(&says(1)));
    until("a failure is counted", async || {
        agent.failures(&pod).await == 1
    })
    .await;
    let status = serde_json::to_string(&agent.status().await).unwrap();
    assert!(!status.contains(SECRET), "{status}");
    node.report(&pod.clone().pausing(&says(1)));
    node.report(&pod.clone().waiting("d", &format!("{url} is odd"), ""));
    node.turns(2).await;
    node.report(&pod.clone().failing(&says(2)));
    node.turns(3).await;
    let mut told = String::new();
    for kind in [Kind::PatchStatus, Kind::PatchPod, Kind::PostEvent] {
        for body in node.api.bodies(kind) {
            told.push_str(&body.to_string());
        }
    }
    for line in node.lines() {
        told.push_str(&line.to_string());
    }
    told.push_str(&std::fs::read_to_string(node.state_file()).unwrap());
    assert!(!told.contains(SECRET), "{told}");
    assert!(told.contains("https://…@r.test/v2/?…"), "{told}");
}
