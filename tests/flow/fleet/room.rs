//! The pure room: no interleaving of agents exceeds a limit, and no text breaks it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use pullwarden::fleet::{About, Answer, Book, Limits, Scope, Token};

use crate::support::random::cases;

const WINDOW: u64 = 600;

fn limits(pods: u32, per_registry: u32) -> Limits {
    Limits {
        window: Duration::from_secs(WINDOW),
        pods,
        per_registry,
        per_namespace: 4,
        per_owner: 3,
        namespaces: [("barred".to_owned(), 0)].into(),
    }
}

/// The entries of the object.
type Entries = BTreeMap<String, String>;

/// The object, with its version.
#[derive(Default)]
struct Object {
    entries: Entries,
    version: u64,
}

fn read(entries: &Entries) -> Book {
    let entries = entries.iter().map(|(key, value)| (&**key, &**value));
    Book::read(entries).unwrap()
}

fn token(at: u64, pod: u32, [namespace, owner, registry]: [&str; 3]) -> Token {
    let about = About::of(namespace, ("Job", owner), registry, "image");
    Token::new(
        at,
        &format!("node-{}", pod % 7),
        &format!("{pod:08}"),
        about,
    )
}

/// One agent between its read and its write, as `report` does it.
struct Agent {
    wanted: Token,
    answer: Answer,
    outdated: Vec<String>,
    version: u64,
}

impl Agent {
    fn reading(object: &Object, wanted: Token, limits: &Limits) -> Self {
        let book = read(&object.entries);
        Self {
            answer: book.ask(&wanted, false, limits),
            outdated: book.outdated(&wanted, limits).collect(),
            version: object.version,
            wanted,
        }
    }

    /// Enters the token. Returns it if the Pod may be failed.
    fn writing(self, object: &mut Object) -> Option<Token> {
        match self.answer {
            Answer::Free => return Some(self.wanted),
            Answer::Closed(_) => return None,
            Answer::Enter => {}
        }
        // The API server answers a conflict.
        if self.version != object.version {
            return None;
        }
        for key in self.outdated {
            object.entries.remove(&key);
        }
        let (key, value) = (self.wanted.key(), self.wanted.value());
        object.entries.insert(key, value);
        object.version += 1;
        Some(self.wanted)
    }
}

#[derive(Clone, Debug)]
enum Turn {
    /// Time goes by.
    Wait(u64),
    /// An agent wants a token and reads the object. Its clock is behind by so much.
    Read {
        pod: u32,
        of: [&'static str; 3],
        behind: u64,
    },
    /// One of the agents that have read it writes.
    Write(usize),
}

fn turn() -> impl Strategy<Value = Turn> {
    let namespace = prop_oneof![8 => Just("a"), 8 => Just("b"), 1 => Just("barred")];
    let owner = prop_oneof![Just("x"), Just("y"), Just("z")];
    let registry = prop_oneof![Just("r"), Just("s")];
    prop_oneof![
        2 => (0_u64..500).prop_map(Turn::Wait),
        6 => (0_u32..40, (namespace, owner, registry), 0_u64..20).prop_map(|(pod, (n, o, r), behind)| {
            Turn::Read { pod, of: [n, o, r], behind }
        }),
        5 => any::<usize>().prop_map(Turn::Write),
    ]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_interleaving_exceeds_a_limit_in_any_window(
        turns in vec(turn(), 1..150), pods in 1_u32..8, per_registry in 1_u32..6,
    ) {
        let limits = limits(pods, per_registry);
        let (mut now, mut object) = (1_800_000_000_u64, Object::default());
        let (mut agents, mut granted) = (Vec::new(), BTreeMap::new());
        for turn in turns {
            match turn {
                Turn::Wait(seconds) => now += seconds,
                Turn::Read { pod, of, behind } => {
                    agents.push(Agent::reading(&object, token(now - behind, pod, of), &limits));
                }
                Turn::Write(which) if !agents.is_empty() => {
                    let agent: Agent = agents.swap_remove(which % agents.len());
                    // An agent's request has a deadline: it does not write what it read long ago.
                    if now - agent.wanted.at < 60 {
                        // A Pod is tried again only if it was not failed the last time.
                        let token = agent.writing(&mut object);
                        granted.extend(token.map(|token| (token.pod.clone(), token)));
                    }
                }
                Turn::Write(_) => {}
            }
        }
        let granted: Vec<Token> = granted.into_values().collect();
        prop_assert!(granted.iter().all(|token| token.about.namespace != "barred"));
        let scopes = |token: &Token| [
            (Scope::Cluster, pods),
            (Scope::Registry(token.about.registry.clone()), per_registry),
            (Scope::Namespace(token.about.namespace.clone()), 4),
            (Scope::Owner {
                namespace: token.about.namespace.clone(),
                owner: token.about.owner.clone(),
            }, 3),
        ];
        for first in &granted {
            for (scope, limit) in scopes(first) {
                let window = first.at..first.at + WINDOW;
                let counted = granted.iter().filter(|t| scope.has(&t.about) && window.contains(&t.at));
                let counted: Vec<_> = counted.collect();
                prop_assert!(counted.len() <= limit as usize, "{scope}: {counted:?}");
            }
        }
    }

    #[test]
    fn garbage_never_panics(
        entries in proptest::collection::btree_map(".{0,40}|[0-9]{10}\\.[a-z.]{0,9}\\.[0-9a-f]{0,9}", ".{0,80}|namespace=.{0,9} owner=a registry=b image=c", 0..8),
        pods in any::<u32>(), window in any::<u64>(), at in any::<u64>(), uid in ".{0,40}",
    ) {
        let limits = Limits {
            window: Duration::from_secs(window),
            pods,
            ..limits(pods, pods)
        };
        let wanted = Token::new(at, &uid, &uid, About::of(&uid, (&uid, &uid), &uid, &uid));
        let entries = entries.iter().map(|(key, value)| (&**key, &**value));
        if let Ok(book) = Book::read(entries) {
            book.ask(&wanted, true, &limits);
            book.outdated(&wanted, &limits).count();
        }
    }

    #[test]
    fn every_token_is_read_as_it_was_written(
        at in 0_u64..9_999_999_999, node in "[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", uid in "[0-9a-f]{1,36}",
        texts in proptest::array::uniform4(".{0,200}"),
    ) {
        let [namespace, kind, name, registry] = &texts;
        let token = Token::new(at, &node, &uid, About::of(namespace, (kind, name), registry, name));
        prop_assert_eq!(Token::read(&token.key(), &token.value()), Some(token));
    }
}

fn book_of(tokens: &[Token]) -> Book {
    read(&tokens.iter().map(|t| (t.key(), t.value())).collect())
}

const NOW: u64 = 1_800_000_000;

#[test]
fn a_place_is_free_once_the_oldest_token_leaves_the_window() {
    let limits = limits(2, 2);
    let tokens = [
        token(NOW, 1, ["a", "x", "r"]),
        token(NOW + 100, 2, ["b", "y", "s"]),
    ];
    let book = book_of(&tokens);
    let at = |seconds| token(NOW + seconds, 3, ["a", "z", "t"]);
    let Answer::Closed(closed) = book.ask(&at(150), false, &limits) else {
        panic!("it is not held");
    };
    assert_eq!(closed.len(), 1);
    assert_eq!(
        (closed[0].scope.clone(), closed[0].limit),
        (Scope::Cluster, Some(2))
    );
    assert_eq!(closed[0].seconds, 450);
    assert_eq!(
        closed[0].why,
        "the fleet budget of the cluster is spent: 2 Pods in 10m"
    );
    assert!(matches!(
        book.ask(&at(599), false, &limits),
        Answer::Closed(_)
    ));
    assert_eq!(book.ask(&at(600), false, &limits), Answer::Enter);
}

#[test]
fn a_pod_that_is_tried_again_moves_its_token() {
    let limits = limits(1, 1);
    let first = token(NOW, 1, ["a", "x", "r"]);
    let book = book_of(std::slice::from_ref(&first));
    for seconds in [1, 599, 600] {
        let again = token(NOW + seconds, 1, ["a", "x", "r"]);
        assert_eq!(book.ask(&again, false, &limits), Answer::Enter);
        assert!(book.outdated(&again, &limits).eq([first.key()]));
    }
    assert_eq!(book.outdated(&first, &limits).count(), 0);
}

#[test]
fn a_repetition_of_a_known_failure_costs_one_place_an_hour() {
    let limits = limits(1, 1);
    let book = book_of(&[token(NOW, 1, ["a", "x", "r"])]);
    let next = |seconds| token(NOW + seconds, 2, ["a", "x", "r"]);
    assert_eq!(book.ask(&next(10), true, &limits), Answer::Free);
    assert_eq!(book.ask(&next(3599), true, &limits), Answer::Free);
    assert_eq!(book.ask(&next(3600), true, &limits), Answer::Enter);
    assert!(matches!(
        book.ask(&next(10), false, &limits),
        Answer::Closed(_)
    ));
    let other = token(NOW + 10, 2, ["a", "y", "r"]);
    assert!(matches!(book.ask(&other, true, &limits), Answer::Closed(_)));
}

#[test]
fn a_namespace_with_a_limit_of_0_never_has_a_place() {
    let closed = Book::default().ask(&token(NOW, 1, ["barred", "x", "r"]), false, &limits(9, 9));
    let Answer::Closed(closed) = closed else {
        panic!("it is not held");
    };
    assert_eq!(closed[0].scope, Scope::Namespace("barred".to_owned()));
    assert_eq!(closed[0].seconds, WINDOW);
}

#[test]
fn old_tokens_are_removed_after_an_hour_and_not_before() {
    let book = book_of(&[token(NOW, 1, ["a", "x", "r"])]);
    let outdated = |seconds, limits| {
        let wanted = token(NOW + seconds, 2, ["a", "x", "r"]);
        book.outdated(&wanted, limits).count()
    };
    let short = limits(1, 1);
    assert_eq!((outdated(3660, &short), outdated(3661, &short)), (0, 1));
    let long = Limits {
        window: Duration::from_secs(7200),
        ..limits(1, 1)
    };
    assert_eq!((outdated(7260, &long), outdated(7261, &long)), (0, 1));
}

#[test]
fn an_object_with_one_entry_that_is_no_token_is_unreadable() {
    let good = token(NOW, 1, ["a", "x", "r"]);
    let read = |key: &str, value: &str| {
        let entries = [(&*good.key(), &*good.value()), (key, value)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let entries = entries.iter().map(|(k, v)| (&**k, &**v));
        Book::read(entries.collect::<Vec<_>>().into_iter()).map_err(|error| error.to_string())
    };
    assert_eq!(
        read("note", "hello"),
        Err(r#"the entry "note" is no token"#.to_owned())
    );
    let long = format!("{} {}", good.value(), "x".repeat(1024));
    assert_eq!(
        read("1800000000.n.0", &long),
        Err(r#"the entry "1800000000.n.0" is no token"#.to_owned())
    );
    let many: Entries = (0..1025)
        .map(|n| token(NOW, n, ["a", "x", "r"]))
        .map(|t| (t.key(), t.value()))
        .collect();
    let many = Book::read(many.iter().map(|(k, v)| (&**k, &**v)));
    assert_eq!(
        many.unwrap_err().to_string(),
        "it has 1025 entries, more than 1024"
    );
}
