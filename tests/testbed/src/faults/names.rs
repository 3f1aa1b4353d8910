//! A name server that knows no name, so that looking one up fails as it does for a typing error.

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;

/// The names under this one get "server failure" instead, as when a name server is out of order.
const BROKEN: &[u8] = b"\x06broken\x04test\x00";

/// Questions for the names under this one are not answered.
const SILENT: &[u8] = b"\x06silent\x04test\x00";

const HEADER: usize = 12;
const NO_SUCH_NAME: u8 = 3;
const SERVER_FAILURE: u8 = 2;

/// Serves for ever.
pub async fn serve(socket: UdpSocket) -> Result<()> {
    let mut buffer = [0; 1500];
    loop {
        let (size, client) = socket
            .recv_from(&mut buffer)
            .await
            .context("waiting for a question to the name server")?;
        if let Some(answer) = buffer.get(..size).and_then(refuse) {
            // A client that is gone needs no answer.
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

/// The answer to a question, if it gets one: the question itself, and that there is no such name.
fn refuse(question: &[u8]) -> Option<Vec<u8>> {
    let name = question.get(HEADER..)?;
    let mut end = 0;
    while *name.get(end)? > 0 {
        end += usize::from(*name.get(end)?) + 1;
    }
    let name = name.get(..=end)?;
    let code = match name.ends_with(BROKEN) {
        true => SERVER_FAILURE,
        false if name.ends_with(SILENT) => return None,
        false => NO_SUCH_NAME,
    };
    // The name, its end, its type and its class; what else was asked for is not repeated.
    let mut answer = question.get(..HEADER + end + 5)?.to_vec();
    let recursion_desired = question.get(2)? & 1;
    let flags = [0x84 | recursion_desired, 0x80 | code];
    answer.splice(2..HEADER, flags.into_iter().chain([0, 1, 0, 0, 0, 0, 0, 0]));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &[u8]) -> Vec<u8> {
        let header = [7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        let end = [0, 1, 0, 1];
        [&header, name, &end, b"what follows is not repeated"].concat()
    }

    #[test]
    fn no_name_is_known() {
        let check = |name: &[u8], code: u8| {
            let header = [7, 9, 0x85, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0];
            let expected = [&header, name, &[0, 1, 0, 1]].concat();
            assert_eq!(refuse(&question(name)), Some(expected));
        };
        check(b"\x08registry\x04test\x00", NO_SUCH_NAME);
        check(b"\x08registry\x06broken\x04test\x00", SERVER_FAILURE);
    }

    #[test]
    fn what_is_no_question_or_is_for_a_silent_name_gets_no_answer() {
        assert_eq!(refuse(b""), None);
        assert_eq!(
            refuse(&question(b"\x08registry\x06silent\x04test\x00")),
            None
        );
        assert_eq!(refuse(&question(b"\x3fshort")), None);
        assert_eq!(refuse(&question(b"\x01a\x00")[..16]), None);
    }
}
