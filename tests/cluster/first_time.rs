//! What a stranger does first: the documentation's cargo commands in a clean clone, word by word, README's first screen at their head. Run
//! by `cargo soak first_time::`, as it takes as long as all the other tests together; nothing of this folder is used but what is committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::Stopwatch;

const WORKSPACE: &str = env!("CARGO_MANIFEST_DIR");

/// The clone's folder. Goes with the value.
struct Clone(PathBuf);

impl Clone {
    fn new() -> Self {
        let dir = format!("pullwarden-first-time-{}", std::process::id());
        let dir = std::env::temp_dir().join(dir);
        let clone = Self(dir);
        let mut git = Command::new("git");
        git.args(["clone", "--quiet", WORKSPACE]).arg(&clone.0);
        assert!(git.status().unwrap().success());
        clone
    }

    /// The lines to be typed that a page begins with `cargo`.
    fn commands(&self, page: &str) -> Vec<String> {
        let text = fs::read_to_string(self.0.join(page)).unwrap();
        let blocks = text.split("\n```sh\n").skip(1);
        let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
        let lines = lines.filter(|line| line.starts_with("cargo "));
        lines.map(str::to_owned).collect()
    }

    /// Runs a line as a shell would that knows nothing of these tests.
    fn run(&self, line: &str) {
        eprintln!("\n==> {line}");
        let begun = Stopwatch::start();
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]).current_dir(&self.0);
        let ours = |name: &str| {
            let of = ["CARGO", "TESTBED", "PULLWARDEN", "RUSTFLAGS"];
            of.iter().any(|prefix| name.starts_with(prefix)) && name != "CARGO_HOME"
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                shell.env_remove(name);
            }
        }
        let status = shell.status().unwrap();
        eprintln!(
            "==> {line}: {status}, {:.0} s",
            begun.elapsed().as_secs_f64()
        );
        assert!(status.success(), "{line}: {status}");
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        // What cannot be removed is in a temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_the_readme_begins_with_works_in_a_clean_clone() {
    let clone = Clone::new();
    let first = clone.commands("README.md");
    assert!(first[0].starts_with("cargo demo") && first[1].starts_with("cargo test-all"));
    for line in &first {
        clone.run(line);
    }
    for line in clone.commands("docs/install/by-hand.md") {
        clone.run(&line);
    }
    assert!(clone.0.join("target/release/pullwarden").exists());
    for line in clone.commands("docs/registries.md") {
        clone.run(&line);
    }
    assert!(clone.0.join("target/pullwarden-image.tar").exists());
    let remains = |entry: fs::DirEntry| {
        let name = entry.file_name().display().to_string();
        name.starts_with("pwtb-").then_some(name)
    };
    let entries = fs::read_dir(Path::new(&std::env::temp_dir())).unwrap();
    let remains: Vec<String> = entries
        .filter_map(|entry| remains(entry.unwrap()))
        .collect();
    assert!(remains.is_empty(), "left running: {remains:?}");
}
