//! Files of earlier versions. Journals that version 0.1.0 wrote before the judge took events replay
//! to the same verdicts, and a state file keeps its form.

use std::path::Path;

use pullwarden::state::{Found, StateFile};

use crate::support::node_log;

#[test]
fn recorded_journals_replay_to_the_same_verdicts() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals");
    let entries = std::fs::read_dir(&dir).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let verdicts = text.matches(r#""kind":"verdict""#).count();
        let replayed = node_log::replay(std::slice::from_ref(&file), &[]);
        let agreed = usize::try_from(replayed.tallies[0].agreed).unwrap();
        let name = file.display();
        assert!(replayed.unread.is_empty(), "{name}: {:?}", replayed.unread);
        assert!(
            replayed.disagreements.is_empty() && agreed == verdicts && verdicts > 0,
            "{name}: {agreed} of {verdicts}: {:#?}",
            replayed.disagreements
        );
    }
}

/// The state file has the judge's own types. A change of their form needs a new version, or a default:
/// this file has every field, and is read and written back as it is.
#[test]
fn a_recorded_state_file_keeps_its_form() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/state/version-3.json");
    let json = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("state.json");
    std::fs::copy(&recorded, &kept).unwrap();
    let mut file = StateFile::in_dir(dir.path());
    let Found::State(state) = file.load() else {
        panic!("the recorded file is not read");
    };
    file.save(&state).unwrap();
    assert_eq!(json(&kept), json(&recorded));
}
