//! Properties of any text of an error, an annotation or an image's name.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use pullwarden::judge::{ANNOTATION_FAILURE_COUNT, ANNOTATION_MODE, Cause, Reference, Wishes};

use crate::support::pod::{DENIED, NO_HOST, NOT_FOUND};
use crate::support::random::cases;

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_text_has_a_cause(reason in any::<String>(), message in any::<String>()) {
        Cause::of(&reason, &message);
        Cause::of("ErrImagePull", &message);
    }

    /// Texts made of what real ones are made of, put together at random.
    #[test]
    fn any_structure_has_a_cause(parts in vec(proptest::sample::select(PARTS.to_vec()), 0..24)) {
        let message = parts.concat();
        let cause = Cause::of("ErrImagePull", &message);
        let pause = format!("Back-off pulling image \"a\": ErrImagePull: {message}");
        if !message.starts_with("Back-off") {
            prop_assert_eq!(Cause::of("ImagePullBackOff", &pause), cause);
        }
    }

    /// A reference may be called anything: it never makes a cause less patient than an honest name has.
    #[test]
    fn a_name_changes_no_cause(host in "[a-z0-9.-]{1,20}", path in "(/[a-z0-9._-]{1,12}){1,3}", tag in "[A-Za-z0-9_.-]{1,16}") {
        let name = format!("{host}.example{path}:{tag}");
        for text in [NOT_FOUND, DENIED, NO_HOST] {
            let named = text.replace("r.test/bad:1", &name).replace("r.test/v2/bad/manifests/1", &format!("{host}/v2{path}/manifests/{tag}"));
            prop_assert_eq!(Cause::of("ErrImagePull", &named), Cause::of("ErrImagePull", text), "{}", named);
        }
    }

    #[test]
    fn any_annotations_can_be_read(mode in any::<String>(), count in any::<String>()) {
        let annotations = BTreeMap::from([
            (ANNOTATION_MODE.to_owned(), mode.clone()),
            (ANNOTATION_FAILURE_COUNT.to_owned(), count.clone()),
        ]);
        let wishes = Wishes::of(&annotations);
        prop_assert_eq!(wishes.mode.is_some(), ["off", "observe", "enforce"].contains(&mode.as_str()));
        let honest = count.parse::<u32>().is_ok_and(|n| n > 0) && !count.starts_with('+');
        prop_assert_eq!(wishes.count.is_some(), honest);
        let complaints = usize::from(wishes.mode.is_none()) + usize::from(wishes.count.is_none());
        prop_assert_eq!(wishes.complaints.len(), complaints);
        for complaint in &wishes.complaints {
            prop_assert!(!complaint.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn any_reference_can_be_taken_apart(image in any::<String>()) {
        prop_assert!(!Reference::of(&image).registry.contains('/'));
    }
}

const PARTS: [&str; 24] = [
    "rpc error: code = NotFound desc = ",
    "[",
    "]",
    ", ",
    ": ",
    "\"",
    "\\",
    "\n",
    "Back-off pulling image \"a\": ErrImagePull: ",
    "failed to pull and unpack image \"r/a:1\"",
    "failed to resolve image",
    "failed to resolve reference \"r/a:1\"",
    "r/a:1",
    "not found",
    "unexpected status from HEAD request to https://r/v2/a",
    "503 Service Unavailable",
    "99",
    "dial tcp",
    "errors:\n",
    "denied",
    "server message: ",
    " - Server message: ",
    "é",
    "\u{0}",
];
