//! `cargo soak versions::`: the same tests on one combination of versions after the other.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use testbed::{ALL_TESTS, COMBINATIONS, Combination, Kind, Progress};

use super::super::Versions;
use super::super::cargo::{self, Build};
use super::table;

/// Results of the tests on a combination.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    passed: u32,
    failed: Vec<String>,
    /// As the tests' runner prints them; empty if it came to no end.
    seconds: String,
}

impl Outcome {
    /// Reads a line of the tests' runner.
    fn read(&mut self, line: &str) {
        if let Some((_, seconds)) = line.split_once("; finished in ") {
            let whole = seconds.split_once('.').map_or(seconds, |(whole, _)| whole);
            self.seconds = whole.to_owned();
        }
        let test = line
            .strip_prefix("test ")
            .and_then(|test| test.split_once(" ... "));
        match test {
            Some((_, "ok")) => self.passed += 1,
            Some((name, "FAILED")) => self.failed.push(name.replace(ALL_TESTS, "")),
            _ => {}
        }
    }

    fn is_well(&self) -> bool {
        self.failed.is_empty() && self.passed > 0 && !self.seconds.is_empty()
    }

    fn text(&self) -> String {
        let (passed, all) = (self.passed, self.passed as usize + self.failed.len());
        match self.failed.is_empty() {
            true => format!("{passed} of {all} passed"),
            false => format!(
                "{passed} of {all} passed, failed: {}",
                self.failed.join(", ")
            ),
        }
    }
}

/// The combinations that a filter names: `versions::` and a part of their names. `None` if it names
/// other tests.
pub fn named(filter: &[String]) -> Option<Result<Vec<&'static Combination>>> {
    let is_ours = |filter: &String| filter.starts_with(ALL_TESTS);
    filter.iter().any(is_ours).then(|| chosen(filter))
}

fn chosen(filter: &[String]) -> Result<Vec<&'static Combination>> {
    let parts: Option<Vec<&str>> = filter.iter().map(|f| f.strip_prefix(ALL_TESTS)).collect();
    let parts = parts.with_context(|| format!("`{ALL_TESTS}` is run without other tests"))?;
    let mut names = Vec::new();
    let mut chosen = Vec::new();
    for combination in COMBINATIONS {
        let name = combination.name()?;
        if parts.iter().any(|part| name.contains(part)) {
            chosen.push(combination);
        }
        names.push(name);
    }
    ensure!(
        !chosen.is_empty(),
        "no combination has {} in its name; there are:\n{}",
        parts.join(" or "),
        names.join("\n")
    );
    Ok(chosen)
}

/// Runs the tests on each combination, also after one that failed, and writes the results into
/// docs/compatibility.md.
pub fn run(combinations: &[&Combination]) -> Result<ExitCode> {
    let testbed = std::env::current_exe().context("finding the running program")?;
    testbed::build(&Kind::Helm.default_family()?, Progress::new(false))?;
    let agent = cargo::build_agent(Build::Static)?;
    let commit = commit()?;
    let mut lines = Vec::new();
    let mut is_well = true;
    for combination in combinations {
        let name = combination.name()?;
        println!("\n── {name}");
        let line = match ran(combination, &testbed, &agent) {
            Ok(outcome) => {
                let (text, seconds) = (outcome.text(), &outcome.seconds);
                table::write(combination, &format!(" {text} | {seconds} | {commit} |"))?;
                is_well &= outcome.is_well();
                format!("{name:<40} {text}, {seconds} s")
            }
            Err(error) => {
                is_well = false;
                format!("{name:<40} not run: {error:#}")
            }
        };
        println!("── {line}");
        lines.push(line);
    }
    println!("\n{}", lines.join("\n"));
    Ok(match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Builds what is missing, and runs the tests of a combination to their end.
fn ran(combination: &Combination, testbed: &Path, agent: &Path) -> Result<Outcome> {
    let versions = Versions {
        kubernetes: combination.kubernetes.to_owned(),
        runtime: combination.runtime()?,
    };
    cargo::build_components(&versions)?;
    let arguments = [combination.tests, "--test-threads=64"];
    let mut tests = cargo::cluster_tests(testbed, &versions, "soak", &arguments)
        .env("TESTBED_AGENT", agent)
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo")?;
    let stdout = tests.stdout.take().context("cargo has no output")?;
    let mut outcome = Outcome::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("reading the tests' output")?;
        println!("{line}");
        outcome.read(&line);
    }
    let status = tests.wait().context("waiting for cargo")?;
    // What came to no end has no result.
    if outcome.seconds.is_empty() || status.success() != outcome.is_well() {
        bail!("the tests ended with {status} after {}", outcome.text());
    }
    Ok(outcome)
}

/// The commit that is run, and a mark if files differ from it.
fn commit() -> Result<String> {
    let git = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(cargo::workspace(""))
            .output()
            .context("running git")?;
        ensure!(output.status.success(), "git {arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    Ok(match changes.is_empty() {
        true => commit,
        false => format!("{commit}, changed"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runners_lines_make_the_outcome() {
        let mut outcome = Outcome::default();
        for line in [
            "running 3 tests",
            "test versions::healing ... ok",
            "test versions::observing ... FAILED",
            "test versions::installed ... ok",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 201.77s",
        ] {
            assert!(!outcome.is_well());
            outcome.read(line);
        }
        assert_eq!(outcome.text(), "2 of 3 passed, failed: observing");
        assert_eq!(outcome.seconds, "201");
        assert!(!outcome.is_well());
        outcome.failed.clear();
        assert!(outcome.is_well());
    }

    #[test]
    fn a_filter_names_combinations_by_a_part_of_their_names() -> Result<()> {
        let named = |filter: &[&str]| {
            let filter: Vec<String> = filter.iter().map(|part| (*part).to_owned()).collect();
            named(&filter)
        };
        assert!(named(&["next_job::"]).is_none() && named(&[]).is_none());
        let all = named(&["versions::"]).context("ours")??;
        assert_eq!(all.len(), COMBINATIONS.len());
        let two = named(&["versions::kubernetes-1.31", "versions::kubernetes-1.30"]);
        assert_eq!(two.context("ours")??.len(), 3);
        for wrong in [&["versions::docker"][..], &["versions::", "next_job::"]] {
            assert!(named(wrong).context("ours")?.is_err());
        }
        Ok(())
    }
}
