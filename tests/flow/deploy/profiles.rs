//! The complete configurations of the documentation: each can be loaded, and differs from the defaults.

use std::collections::BTreeMap;
use std::path::Path;

use pullwarden::config::load;

use crate::support::allowed::read;

/// The blocks of YAML in a page, each with its heading.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap().to_owned();
        for block in section.split("```yaml\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            blocks.push((heading.clone(), block.to_owned()));
        }
    }
    blocks
}

#[test]
fn every_profile_is_a_configuration_without_faults() {
    let flags = BTreeMap::from([("nodeName", "n".to_owned()), ("ownPod", "n/p".to_owned())]);
    let profiles = blocks(&read(Path::new("docs/profiles.md")));
    assert!(profiles.len() >= 6, "{}", profiles.len());
    let of = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(&flags, |_| None, Some(file.path()))
    };
    let defaults = of("").unwrap();
    for (heading, text) in profiles {
        let config = of(&text).unwrap_or_else(|faults| panic!("{heading}: {faults}"));
        assert_ne!(config, defaults, "{heading}");
    }
}
