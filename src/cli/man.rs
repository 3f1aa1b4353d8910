//! `pullwarden man`: the manual pages.

use anyhow::{Context as _, bail};
use clap::{Arg, ArgMatches, Command};
use clap_mangen::Man;

use super::arguments;
use super::printing::print;

pub(super) fn command() -> Command {
    Command::new("man")
        .about("Print a manual page, for the program man")
        .after_help(arguments::examples([
            (
                "The page of the program: `man -l -` shows it, a folder man1 keeps it",
                "pullwarden man",
            ),
            ("The page of one command", "pullwarden man survey"),
        ]))
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .help("Command of the page [default: the page of the whole program]"),
        )
}

/// Prints the page of `program`, or of one of its commands.
pub(super) fn run(matches: &ArgMatches, program: Command) -> anyhow::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    // Names of the commands' own pages come with it.
    program.build();
    let page = match matches.get_one::<String>("command") {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone(),
            None => bail!("there is no command {name}; `pullwarden --help` lists them"),
        },
    };
    let mut text = Vec::new();
    Man::new(page)
        .render(&mut text)
        .context("writing the manual page")?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(())
}
