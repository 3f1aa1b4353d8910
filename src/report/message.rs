//! The text of our conditions and of the Event.

use crate::judge::{Complaint, FailRequest};
use crate::text::Shown;

/// The longest text that goes into a condition or an Event, in bytes.
const LONGEST: usize = 1024;

/// Words before the runtime's own answer.
const OPINION: &str = "; asked without credentials, the runtime says: ";

/// Returns the text of the Pod's conditions and of the Event.
pub(super) fn message(request: &FailRequest) -> String {
    let FailRequest {
        image,
        cause,
        failures,
        error,
        opinion,
        known_bad,
        ..
    } = request;
    let seconds = std::time::Duration::from_secs(request.lasting.as_secs());
    let lasting = humantime::format_duration(seconds);
    let counted = match failures {
        0 => format!("for {lasting}"),
        1 => "once".to_owned(),
        many => format!("{many} times in {lasting}"),
    };
    let image = clip(&Shown(image).to_string(), LONGEST / 2);
    let before = match known_bad {
        true => ", as before in another Pod of the same owner",
        false => "",
    };
    let mut text = format!(
        "image {image} could not be pulled {counted}{before} ({cause}); last error: {error}"
    );
    if let Some(opinion) = opinion {
        let opinion = clip(&Shown(opinion).to_string(), LONGEST / 4);
        text = clip(&text, LONGEST * 3 / 4 - OPINION.len()) + OPINION + &opinion;
    }
    clip(&text, LONGEST)
}

/// Returns the text of the Event about annotations that cannot be read.
pub(super) fn ignored(complaints: &[Complaint]) -> String {
    let texts: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
    clip(&format!("Ignored: {}", texts.join("; ")), LONGEST)
}

/// At most `most` bytes of a text, marked where it was cut.
fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::judge::{Asks, Cause, PodId};

    #[test]
    fn tells_image_cause_count_duration_and_error() {
        let mut request = FailRequest {
            pod: PodId {
                uid: "u".to_owned(),
                namespace: "n".to_owned(),
                name: "p".to_owned(),
            },
            image: "r/a:1".to_owned(),
            cause: Cause::ImageNotFound,
            failures: 3,
            lasting: Duration::from_millis(49_700),
            error: "r/a:1: not found".to_owned(),
            enforce: true,
            known_bad: false,
            asks: Asks::default(),
            opinion: None,
        };
        assert_eq!(
            message(&request),
            "image r/a:1 could not be pulled 3 times in 49s (ImageNotFound); last error: r/a:1: not found"
        );
        request.known_bad = true;
        assert!(message(&request).contains("in 49s, as before in another Pod of the same owner ("));
        request.image = "r/\u{1b}[31ma".to_owned();
        assert!(message(&request).starts_with("image r/\\u{1b}[31ma could"));
        request.error = "é".repeat(5000);
        request.image = "i".repeat(5000);
        assert!(message(&request).len() <= LONGEST);
        request.opinion = Some("NotFound: no\nsuch image".to_owned());
        let text = message(&request);
        assert!(
            text.len() <= LONGEST && text.ends_with("the runtime says: NotFound: no\\nsuch image")
        );
    }
}
