//! `/livez`, `/readyz`, `/metrics` and the control socket, as others see them.

use std::net::SocketAddr;
use std::time::Duration;

use prometheus_client::registry::Registry;
use pullwarden::admin::Admin;
use pullwarden::view::{Ask, Status};
use pullwarden::{admin, control};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::support::apiserver::Kind;
use crate::support::node::{Agent, Node};
use crate::support::pod::{BAD, Pod};
use crate::support::until;

/// Serves the admin address of an agent on a port of its own.
async fn serve(node: &Node, agent: &Agent) -> SocketAddr {
    let mut registry = Registry::default();
    agent.metrics.register(&mut registry);
    let clock = node.clock();
    let admin = Admin {
        health: agent.health.clone(),
        registry,
        started: clock.now(),
        clock,
        poll: node.config.poll,
    };
    let listener = admin::bind(node.config.startup.admin_address.0)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(admin::serve(listener, admin));
    address
}

/// Sends these bytes; the status line's code, and all that was answered.
async fn raw(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (code.unwrap_or(0), answer)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    raw(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
    )
    .await
}

#[tokio::test]
async fn ready_goes_with_the_runtime_and_alive_does_not() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    until("it is ready", async || {
        get(address, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(get(address, "/livez").await.0, 200);
    node.runtime.down().await;
    until("it is not ready", async || {
        get(address, "/readyz").await.0 == 503
    })
    .await;
    assert_eq!(
        get(address, "/livez").await.0,
        200,
        "a restart would not help"
    );
}

#[tokio::test]
async fn an_agent_that_has_no_turn_is_not_alive() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    until("it is ready", async || {
        get(address, "/readyz").await.0 == 200
    })
    .await;
    agent.kill().await;
    assert_eq!(get(address, "/livez").await.0, 200);
    node.advance(Duration::from_secs(62));
    assert_eq!(get(address, "/livez").await.0, 500);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_allowed() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    assert_eq!(get(address, "/").await.0, 404);
    assert_eq!(get(address, "/metrics/../livez").await.0, 404);
    assert_eq!(
        raw(
            address,
            b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        )
        .await
        .0,
        405
    );
    assert_eq!(raw(address, b"\0\0\0\r\n\r\n").await.0, 400);
    assert_eq!(get(address, "/livez").await.0, 200, "and it goes on");
}

/// More connections than the agent keeps.
const CROWD: usize = 64;

/// A connection from this address of the loopback network.
async fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// The agent answers well within the five seconds that a probe has.
async fn answers_at_once(address: SocketAddr) {
    let answer = tokio::time::timeout(Duration::from_secs(1), get(address, "/livez"));
    assert_eq!(answer.await.expect("it answers at once").0, 200);
}

#[tokio::test]
async fn idle_connections_keep_no_probe_waiting() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(connect_from("127.0.0.1", address).await);
    }
    answers_at_once(address).await;
    // None of them lasts, not even those that there is room for.
    for mut idle in crowd {
        until("the agent has closed it", async || {
            !matches!(idle.read(&mut [0]).await, Ok(1..))
        })
        .await;
    }
}

#[tokio::test]
async fn slow_senders_keep_no_probe_waiting() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(async move {
            loop {
                let mut stream = connect_from("127.0.0.2", address).await;
                let start = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ".iter();
                for byte in start.chain(std::iter::repeat(&b'x')) {
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
    for _ in 0..5 {
        answers_at_once(address).await;
    }
    crowd.shutdown().await;
}

#[tokio::test]
async fn a_crowd_does_not_drop_a_probe_that_is_on_its_way() {
    let node = Node::observing().await;
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    let mut probe = connect_from("127.0.0.1", address).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(connect_from("127.0.0.2", address).await);
    }
    probe
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn metrics_have_labels_of_closed_enums_only() {
    let node = Node::counting_to(2).await;
    let pod = Pod::bad("secret-name").namespace("secret-space");
    node.add(&pod);
    let agent = node.agent();
    let address = serve(&node, &agent).await;
    node.fail_to(&agent, &pod, 1).await;
    node.fail_once(&pod);
    node.asked(Kind::PostEvent, 1).await;
    let mut text = String::new();
    until("the Event is counted", async || {
        text = get(address, "/metrics").await.1;
        text.contains(r#"pullwarden_writes_total{step="event",result="ok"} 1"#)
    })
    .await;
    for line in [
        r#"pullwarden_pull_failures_total{cause="ImageNotFound",class="permanent"} 2"#,
        r#"pullwarden_pods_condemned_total{cause="ImageNotFound",class="permanent"} 1"#,
        r#"pullwarden_verdicts_total{decision="condemn"} 1"#,
        r#"pullwarden_writes_total{step="look",result="ok"} 1"#,
        r#"pullwarden_writes_total{step="condition",result="ok"} 1"#,
        r#"pullwarden_writes_total{step="deadline",result="ok"} 1"#,
        "pullwarden_sandboxes 1",
        "pullwarden_unsettled_pods 1",
        "pullwarden_evidence_open 1",
        "pullwarden_evidence_lost 0",
        "pullwarden_state_unwritable 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    for secret in ["secret", "r.test", "uid-", "not found"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    assert!(text.trim_end().ends_with("# EOF"));
    assert!(text.contains("application/openmetrics-text"));
}

#[tokio::test]
async fn the_control_socket_answers_with_the_status_as_json() {
    let mut node = Node::counting_to(3).await;
    node.stop_the_clock(1_000_000);
    let pod = Pod::bad("p");
    node.add(&pod);
    let agent = node.agent();
    node.fail_to(&agent, &pod, 2).await;
    let path = node.path().join("run/control.sock");
    let listener = control::bind(&path).await.unwrap();
    tokio::spawn(control::serve(listener, agent.ask.clone()));

    let mut text = String::new();
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(br#"{"ask":"status"}"#).await.unwrap();
    stream.shutdown().await.unwrap();
    stream.read_to_string(&mut text).await.unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["node"], "node1");
    assert_eq!(status["mode"], "enforce");
    assert_eq!(status["evidence"], "open");
    assert_eq!(status["budgetSpent"], 0);
    assert_eq!(status["stateKept"], true);
    let entry = &status["pods"][0];
    assert_eq!(
        (&entry["namespace"], &entry["pod"], &entry["image"]),
        (&"default".into(), &"p".into(), &BAD.into())
    );
    assert_eq!(
        (&entry["failures"], &entry["cause"]),
        (&2.into(), &"ImageNotFound".into())
    );
    assert_eq!(
        entry["counted"],
        json!({"kind": "failure-count", "have": 2, "need": 3, "text": "2 of 3 failures"})
    );
    assert_eq!(
        entry["reasons"],
        json!([{"kind": "threshold", "image": BAD, "text": "ImageNotFound, 2 of 3 failures"}])
    );
    // The client of `pullwarden status` reads the same, but the agent may have looked meanwhile.
    let first: Status = serde_json::from_str(&text).unwrap();
    let mut status = control::ask::<Status>(&path, &Ask::Status).await.unwrap();
    status.polls = first.polls;
    assert_eq!(status, first);
    // A second agent does not take the socket of one that runs.
    let second = control::bind(&path).await;
    assert!(format!("{:#}", second.unwrap_err()).contains("another agent answers"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
