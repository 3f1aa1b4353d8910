//! The commands in the documentation are ones that there are: subcommands, flags, folders, aliases. What they do is shown elsewhere.
//! Links lead to pages that there are, and pages and lines are short.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::allowed::{files, read};

fn workspace(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Every page for users, by its name.
fn pages() -> Vec<(String, String)> {
    let others = [
        "README.md",
        "deploy/README.md",
        "tests/README.md",
        "tests/commands.md",
    ];
    let others = others.into_iter().map(PathBuf::from);
    let pages = others.chain(files("docs", &[".md"]));
    pages
        .map(|path| (path.display().to_string(), read(&path)))
        .collect()
}

/// Every page: those for users, and those about pullwarden itself.
fn all_pages() -> Vec<(String, String)> {
    let others = ["SECURITY.md", "ARCHITECTURE.md", "CHANGELOG.md"];
    let others = others.map(|name| (name.to_owned(), read(Path::new(name))));
    pages().into_iter().chain(others).collect()
}

/// The lines of a page that are to be typed, without their comments.
fn commands(page: &str) -> Vec<Vec<&str>> {
    let mut commands = Vec::new();
    for block in page.split("```sh\n").skip(1) {
        let lines = block.split("```").next().unwrap().lines();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let line = line.split("  #").next().unwrap();
            commands.push(line.split_whitespace().collect());
        }
    }
    commands
}

fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is wrong with a call of the agent's program.
fn fault_of_ours(arguments: &[&str]) -> Option<String> {
    let subcommand = arguments.first()?;
    if !help(&[]).contains(&format!("  {subcommand} ")) {
        return Some(format!("no subcommand {subcommand}"));
    }
    let help = help(&[subcommand]);
    let flags = arguments.iter().filter(|word| word.starts_with('-'));
    let names = flags.map(|flag| flag.split('=').next().unwrap());
    // `-` is standard input.
    let mut unknown = names.filter(|name| name.len() > 1 && !help.contains(*name));
    unknown.next().map(|name| format!("no flag {name}"))
}

/// What is wrong with a call of cargo: an alias, or a command of the testbed.
fn fault_of_cargo(arguments: &[&str]) -> Option<String> {
    let aliases = std::fs::read_to_string(workspace(".cargo/config.toml")).unwrap();
    let testbed = std::fs::read_to_string(workspace("tests/testbed/src/commands/mod.rs")).unwrap();
    match arguments {
        ["run", "-p", "testbed", "--", command, ..] => {
            let variant: String = command
                .split('-')
                .map(|word| word[..1].to_uppercase() + &word[1..])
                .collect();
            let known = testbed.contains(&format!("    {variant}("));
            (!known).then(|| format!("the testbed has no {command}"))
        }
        ["build" | "test", ..] => None,
        [alias, ..] => {
            let known = aliases.contains(&format!("\n{alias} = "));
            (!known).then(|| format!("no alias {alias}"))
        }
        [] => None,
    }
}

/// What is wrong with a folder that kubectl or helm is given.
fn fault_of_folder(arguments: &[&str]) -> Option<String> {
    let mut folders = arguments.iter().filter(|word| word.starts_with("deploy/"));
    let is_there = |folder: &&&str| {
        let path = workspace(folder);
        ["kustomization.yaml", "Chart.yaml"]
            .iter()
            .any(|file| path.join(file).exists())
    };
    folders
        .find(|folder| !is_there(folder))
        .map(|folder| format!("nothing to install in {folder}"))
}

#[test]
fn every_command_is_one_that_there_is() {
    let (mut faults, mut ours) = (Vec::new(), 0);
    for (name, text) in pages() {
        for command in commands(&text) {
            let program = |word: &&str| *word == "pullwarden" || word.ends_with("/pullwarden");
            // Helm's release has the program's name, and kubectl its namespace: only what comes after `--` is a call.
            let others = command
                .iter()
                .any(|word| ["kubectl", "helm"].contains(word) || word.ends_with("(kubectl"));
            let from = match others {
                true => command.iter().position(|word| *word == "--"),
                false => Some(0),
            };
            let called =
                from.and_then(|from| Some(from + command[from..].iter().position(program)?));
            let fault = match (called, command.first()) {
                (Some(at), _) => {
                    ours += 1;
                    fault_of_ours(&command[at + 1..])
                }
                (None, Some(&"cargo")) => fault_of_cargo(&command[1..]),
                (None, Some(&("kubectl" | "helm"))) => fault_of_folder(&command[1..]),
                _ => None,
            };
            faults.extend(fault.map(|fault| format!("{name}: {}: {fault}", command.join(" "))));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(ours >= 10, "only {ours} calls of our own program");
}

/// Names of a page's headings in links: lower case, hyphens for spaces, and no other punctuation.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| {
            if c == ' ' {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
    };
    headings.map(anchor).collect()
}

/// Links lead somewhere: to a file that there is, and to a heading in it.
#[test]
fn every_page_and_heading_that_is_named_is_there() {
    for (name, text) in all_pages() {
        let folder = workspace(&name);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            let target = match file {
                "" => folder.clone(),
                _ => folder.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{name}: {link}");
            if !anchor.is_empty() {
                let anchors = anchors(&std::fs::read_to_string(target).unwrap());
                assert!(anchors.contains(anchor), "{name}: {link}: {anchors:?}");
            }
        }
    }
}

/// A newcomer finds each page from the index.
#[test]
fn every_page_is_in_the_index() {
    let index = read(Path::new("docs/README.md"));
    let pages = files("docs", &[".md"]).into_iter();
    let missing: Vec<PathBuf> = pages
        .filter(|page| !page.starts_with("docs/integrations") && !page.ends_with("docs/README.md"))
        .filter(|page| {
            let name = page.strip_prefix("docs").unwrap().display();
            !index.contains(&format!("]({name})"))
        })
        .collect();
    assert!(missing.is_empty(), "not in docs/README.md: {missing:?}");
}

/// The index of the engines names each page.
#[test]
fn every_integration_is_in_its_index() {
    let index = std::fs::read_to_string(workspace("docs/integrations/README.md")).unwrap();
    let entries = std::fs::read_dir(workspace("docs/integrations")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<String> = names
        .filter(|name| name != "README.md" && !index.contains(&format!("]({name}")))
        .collect();
    assert!(missing.is_empty(), "not in the index: {missing:?}");
}

/// A rule that is copied into a CronJob or a JobSet needs the status that the API server fills in
/// for a Job.
#[test]
fn the_rules_of_the_integrations_write_their_status_out() {
    let mut rules = 0;
    let pages = pages().into_iter();
    for (name, text) in pages.filter(|(name, _)| name.starts_with("docs/integrations/")) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            if pair[0].starts_with("- type: pullwarden.io/") {
                assert_eq!(pair[1], "status: \"True\"", "{name}: {}", pair[0]);
                rules += 1;
            }
        }
    }
    assert!(rules >= 3, "only {rules} rules");
}

/// A page that nobody reads to its end has two jobs.
#[test]
fn no_page_has_more_than_250_lines() {
    for path in files("docs", &[".md"]) {
        let lines = read(&path).lines().count();
        assert!(lines <= 250, "{}: {lines} lines", path.display());
    }
}

/// Nobody scrolls for long to find what this is.
#[test]
fn the_readme_has_at_most_120_lines() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= 120, "{lines} lines");
}

/// Returns true for a line that has links and no word beside them.
fn is_links_alone(line: &str) -> bool {
    let Some((before, links)) = line.split_once('[') else {
        return false;
    };
    let after = |link| str::split_once(link, ')').map_or(link, |(_, after)| after);
    let mut beside = std::iter::once(before).chain(links.split('[').map(after));
    !beside.any(|text| text.contains(char::is_alphabetic))
}

/// Lines of a page that can be broken: no code, row of a table, HTML or links alone. Lists between
/// two marks are made from the code.
fn prose(page: &str) -> Vec<&str> {
    let (mut is_code, mut is_made) = (false, false);
    let mut prose = Vec::new();
    for line in page.lines() {
        let text = line.trim_start();
        let is_fence = text.starts_with("```");
        is_code ^= is_fence;
        if text.starts_with("<!--") {
            is_made = text.contains(" begin");
        }
        let is_one_piece = is_fence || text.starts_with(['|', '<']) || is_links_alone(text);
        if !is_code && !is_made && !is_one_piece {
            prose.push(line);
        }
    }
    prose
}

#[test]
fn no_line_of_prose_is_longer_than_120_characters() {
    let mut faults = Vec::new();
    for (name, text) in all_pages() {
        let long = prose(&text).into_iter();
        let long = long.filter(|line| line.chars().count() > 120);
        faults.extend(long.map(|line| format!("{name}: {line}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn prose_is_told_from_what_cannot_be_broken() {
    let page = "A word.\n```sh\nls\n```\n| row |\n<b>\n<!-- The list begins. -->\n- made\n\
        <!-- The list ends. -->\n- [page](a.md), [page](b.md#c).\nSee [page](a.md).\n";
    assert_eq!(prose(page), ["A word.", "See [page](a.md)."]);
}
