//! Journals that version 0.1.0 wrote before the judge took events: they replay to the same verdicts.

use std::path::Path;

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
