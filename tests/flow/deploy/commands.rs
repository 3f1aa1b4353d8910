//! The page of commands has those of the program, with their flags.

use std::process::Command;

use pullwarden::config::KEYS;

use crate::support::generated::assert_generated;

/// Text of `--help`.
fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pullwarden"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Lines of a part of the help, up to the next empty line.
fn part<'a>(help: &'a str, head: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != head).skip(1);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// Flags and arguments in these lines, each with its meaning, which stands beside it or below.
fn entries(lines: &[&str]) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in lines {
        let text = line.trim_start();
        let begins = line.len() - text.len() < 10 && text.starts_with(['-', '<', '[']);
        match text.split_once("  ").filter(|_| begins) {
            Some((name, meaning)) => entries.push((name.to_owned(), meaning.trim().to_owned())),
            None if begins => entries.push((text.to_owned(), String::new())),
            None => {
                let (_, meaning) = entries.last_mut().unwrap();
                *meaning = format!("{meaning} {text}").trim().to_owned();
            }
        }
    }
    entries
}

/// Returns true for a key of the configuration, which has a page of its own, and for the help.
fn is_listed_elsewhere(name: &str) -> bool {
    let flag = |path: &str| format!("--{path} <VALUE>");
    name.contains("--help") || KEYS.iter().any(|key| name.contains(&flag(&key.flag())))
}

fn section(name: &str, about: &str) -> String {
    let help = help(&[name]);
    let all = [part(&help, "Arguments:"), part(&help, "Options:")].map(|lines| entries(&lines));
    let own = all
        .iter()
        .flatten()
        .filter(|(name, _)| !is_listed_elsewhere(name));
    let row = |(name, meaning): &(String, String)| {
        format!("| `{name}` | {} |\n", meaning.replace('|', "\\|"))
    };
    let rows: String = own.map(row).collect();
    let table = match rows.is_empty() {
        true => String::new(),
        false => format!("\n| | |\n|---|---|\n{rows}"),
    };
    format!("\n## {name}\n\n{about}.\n{table}")
}

#[test]
fn the_page_of_commands_has_every_command_and_flag() {
    let help = help(&[]);
    let commands = part(&help, "Commands:").into_iter().map(str::trim);
    let commands = commands.filter_map(|line| line.split_once(' '));
    let commands = commands.filter(|(name, _)| *name != "help");
    let sections: String = commands
        .map(|(name, about)| section(name, about.trim()))
        .collect();
    let marks = [
        "<!-- The list of commands begins. -->\n",
        "\n<!-- The list of commands ends. -->",
    ];
    assert_generated("docs/commands.md", marks, &sections);
}

#[test]
fn the_page_of_commands_has_every_exit_code() {
    let help = help(&[]);
    let codes = part(&help, "Exit codes:").into_iter().map(str::trim);
    let row = |(code, meaning): (&str, &str)| format!("| {code} | {} |\n", meaning.trim());
    let rows: String = codes
        .filter_map(|line| line.split_once(' '))
        .map(row)
        .collect();
    let marks = [
        "<!-- The table of exit codes begins. -->\n",
        "<!-- The table of exit codes ends. -->",
    ];
    let table = format!("| code | meaning |\n|---|---|\n{rows}");
    assert_generated("docs/commands.md", marks, &table);
}
