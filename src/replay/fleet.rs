//! The fleet budget of a replay: for one policy, all nodes share it.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::Timestamp;

use super::case::Sentence;
use crate::fleet::{Answer, Book, Token};
use crate::judge::{Ending, FailRequest, Judge, Outcome, Policy, about};

/// The tokens of all nodes by one policy. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Fleet(Rc<RefCell<Book>>);

impl Fleet {
    /// Returns the end of a report that would have written to the Pod: with a token, or held.
    pub(super) fn end(
        &self,
        sentence: Option<&Sentence>,
        policy: &Policy,
        ending: Ending,
    ) -> Ending {
        let sentence = sentence.filter(|sentence| sentence.outcome.is_none());
        let token =
            sentence.and_then(|sentence| Some((sentence.token.as_ref()?, sentence.repeats)));
        let is_written = ending.outcome == Outcome::Written;
        let (true, Some((token, repeats)), Some(limits)) = (is_written, token, &policy.fleet)
        else {
            return ending;
        };
        let mut book = self.0.borrow_mut();
        match book.ask(token, repeats, limits) {
            Answer::Free => ending,
            Answer::Closed(closed) => Ending::closed(closed),
            Answer::Enter => {
                book.enter(token.clone(), limits);
                ending
            }
        }
    }
}

/// The token of a Pod that is to be failed; `None` if nothing is written to it.
pub(super) fn token_of(judge: &Judge, request: &FailRequest, time: Timestamp) -> Option<Token> {
    let view = &judge.latest().get(&request.pod.uid)?.view;
    let at = u64::try_from(time.as_second()).ok()?;
    let token = Token::new(
        at,
        &view.node,
        &request.pod.uid,
        about(view, &request.image),
    );
    request.enforce.then_some(token)
}
