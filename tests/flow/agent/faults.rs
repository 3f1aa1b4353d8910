//! The runtime and the API server come and go; what they say may be old.

use std::time::Duration;

use pullwarden::cri::Runtime;
use pullwarden::view::EvidenceState;
use tonic::{Code, Status};

use crate::support::apiserver::{Act, Kind};
use crate::support::node::{Agent, Node};
use crate::support::pod::{NOT_FOUND, Pod};
use crate::support::{DEADLINE, until};

fn pod() -> Pod {
    Pod::bad("p")
}

async fn runtime_is(agent: &Agent, well: bool) {
    until("the agent knows about the runtime", async || {
        agent.status().await.runtime == well
    })
    .await;
}

#[tokio::test]
async fn a_runtime_that_is_not_there_yet_is_waited_for() {
    let node = Node::counting_to(1).await;
    node.runtime.down().await;
    node.add(&pod());
    let agent = node.agent();
    runtime_is(&agent, false).await;
    assert!(node.api.kinds().is_empty());
    assert!(agent.metrics.sources.failed_polls.get() > 0);
    node.runtime.up();
    runtime_is(&agent, true).await;
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn a_runtime_that_restarts_while_failures_are_counted() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    node.runtime.down().await;
    runtime_is(&agent, false).await;
    // What is reported meanwhile is counted all the same.
    node.fail_to(&agent, &pod(), 2).await;
    node.runtime.up();
    runtime_is(&agent, true).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
    assert_eq!(node.api.count(Kind::List), 1, "the evidence stayed open");
}

#[tokio::test]
async fn a_runtime_that_answers_with_errors_is_no_empty_node() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 2).await;
    node.runtime.fault(Some(Status::unavailable("starting")));
    runtime_is(&agent, false).await;
    node.advance(Duration::from_secs(60));
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    node.runtime.fault(None);
    runtime_is(&agent, true).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

/// tonic's own timeout ends with the headers.
#[tokio::test]
async fn a_runtime_that_stops_in_mid_answer_holds_no_call() {
    let node = Node::observing().await;
    node.runtime.stop_in_mid_answer(true);
    let runtime = || Runtime::at(&node.config.startup.cri_socket);
    let [mut a, mut b, mut c, mut d, mut e] = std::array::from_fn(|_| runtime());
    let calls = async {
        tokio::join!(
            a.version(),
            b.sandboxes(),
            c.sandboxes_with_containers(),
            d.images(),
            e.has_image("r/a:1"),
        )
    };
    let (a, b, c, d, e) = tokio::time::timeout(*DEADLINE, calls)
        .await
        .expect("all calls end");
    let errors = [a.err(), b.err(), c.err(), d.err(), e.err()];
    for error in errors.map(|error| error.expect("the answer is not whole")) {
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    }
}

#[tokio::test]
async fn a_runtime_that_stops_in_mid_answer_is_not_waited_for() {
    let node = Node::counting_to(1).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.runtime.stop_in_mid_answer(true);
    runtime_is(&agent, false).await;
    assert!(agent.metrics.sources.failed_polls.get() > 0);
    node.runtime.stop_in_mid_answer(false);
    runtime_is(&agent, true).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn an_api_server_that_is_away_while_failures_are_counted() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 2).await;
    node.api.down().await;
    agent.evidence_is(EvidenceState::Lost).await;
    until("the metric says so", async || {
        agent.metrics.sources.evidence_lost.get() == 1
    })
    .await;
    node.turns(3).await;
    assert_eq!(
        agent.failures(&pod()).await,
        2,
        "what is not seen is not counted, and nothing is forgotten"
    );
    node.api.up().await;
    agent.evidence_is(EvidenceState::Open).await;
    assert!(node.api.writes().is_empty(), "a reconnect decides nothing");
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn an_api_server_that_is_not_there_at_first() {
    let node = Node::counting_to(1).await;
    node.api.down().await;
    node.add(&pod());
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    node.api.up().await;
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn a_reconnect_does_not_decide_for_a_pod_that_has_reached_its_count() {
    let mut node = Node::counting_to(3).await;
    node.config.warm_up = Duration::from_secs(3600);
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 3).await;
    node.advance(Duration::from_secs(3600));
    node.api.store().compact();
    node.asked(Kind::List, 2).await;
    node.turns(3).await;
    assert!(node.api.writes().is_empty());
    node.fail_once(&pod());
    node.asked(Kind::PostEvent, 1).await;
}

#[tokio::test]
async fn a_dropped_watch_goes_on_where_it_was() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 1).await;
    node.api.store().drop_watches();
    // Missed in between, told by the next watch.
    node.fail_once(&pod());
    node.report(&pod().pausing(NOT_FOUND));
    until("it is counted", async || agent.failures(&pod()).await == 2).await;
    assert_eq!(node.api.count(Kind::List), 1);
}

#[tokio::test]
async fn a_list_that_is_older_than_what_was_seen_changes_nothing() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.fail_once(&pod());
    until("it is counted", async || agent.failures(&pod()).await == 1).await;
    let selector = crate::support::store::Selector::default();
    let old = node.api.store().list(&selector);
    node.report(&pod().pausing(NOT_FOUND));
    node.fail_to(&agent, &pod(), 2).await;
    // The watch cache of another API server, behind by two reports.
    node.api.at(Kind::List, 2, Act::Answer(old));
    node.api.store().compact();
    node.asked(Kind::List, 2).await;
    node.turns(3).await;
    assert_eq!(agent.failures(&pod()).await, 2);
    assert!(node.api.writes().is_empty());
}

#[tokio::test]
async fn a_pod_that_left_while_nobody_watched_is_dropped() {
    let node = Node::counting_to(3).await;
    node.add(&pod());
    let agent = node.agent();
    node.fail_to(&agent, &pod(), 2).await;
    node.remove(&pod());
    node.api.store().put(&Pod::bad("q"));
    node.api.store().compact();
    let again = pod().uid("another");
    node.add(&again);
    agent.judges(&again).await;
    node.fail_once(&again);
    until("it is counted", async || agent.failures(&again).await == 1).await;
    node.advance(Duration::from_secs(11));
    agent.drops(&pod()).await;
    node.turns(2).await;
    assert!(node.api.writes().is_empty());
}

#[tokio::test]
async fn a_list_that_is_refused_is_said_and_tried_again() {
    let node = Node::counting_to(1).await;
    node.api
        .at(Kind::List, 1, Act::Refuse(403, "pods is forbidden"));
    node.add(&pod());
    let agent = node.agent();
    agent.evidence_is(EvidenceState::Lost).await;
    agent.judges(&pod()).await;
    assert_eq!(agent.status().await.evidence, EvidenceState::Open);
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_yet_is_waited_for() {
    let node = Node::counting_to(1).await;
    let path = node.config.startup.kubeconfig.as_deref().unwrap();
    let text = std::fs::read(path).unwrap();
    std::fs::remove_file(path).unwrap();
    node.add(&pod());
    let agent = node.agent();
    node.turns(3).await;
    assert!(agent.runs() && node.api.kinds().is_empty());
    std::fs::write(path, text).unwrap();
    agent.judges(&pod()).await;
}

#[tokio::test]
async fn a_runtime_that_stops_in_mid_answer_keeps_nobody_waiting() {
    let node = Node::counting_to(1).await;
    node.add(&pod());
    let agent = node.agent();
    agent.judges(&pod()).await;
    node.runtime.stop_in_mid_answer(true);
    // The report on the Pod asks the runtime too.
    node.fail_once(&pod());
    until("the failure is counted", async || {
        agent.failures(&pod()).await == 1
    })
    .await;
    // The runtime is given ten seconds for each answer: all of this is done by then.
    let hangs = tokio::time::timeout(Duration::from_secs(9), async {
        for _ in 0..20 {
            agent.status().await;
        }
        agent.stop().await;
    });
    assert!(hangs.await.is_ok());
    assert!(node.api.writes().is_empty());
}
