//! `pullwarden completions`: the completion script of a shell.

use clap::{Arg, ArgMatches, Command};
use clap_complete::{Shell, generate};

use super::arguments;
use super::printing::print;

/// Shells that have a script.
const SHELLS: [(&str, Shell); 3] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
];

pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Print the script by which a shell completes pullwarden's commands and flags")
        .after_help(arguments::examples([
            (
                "The script for bash: its completions folder takes it as `pullwarden`",
                "pullwarden completions bash",
            ),
            (
                "The script for zsh: a folder of $fpath takes it as `_pullwarden`",
                "pullwarden completions zsh",
            ),
        ]))
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(SHELLS.map(|(name, _)| name))
                .help("Shell"),
        )
}

/// Prints the script for all commands of `program`.
pub(super) fn run(matches: &ArgMatches, mut program: Command) -> anyhow::Result<()> {
    let name = matches.get_one::<String>("shell").map(String::as_str);
    let shell = SHELLS.iter().find(|(shell, _)| Some(*shell) == name);
    let mut script = Vec::new();
    if let Some((_, shell)) = shell {
        generate(*shell, &mut program, "pullwarden", &mut script);
    }
    print(&String::from_utf8_lossy(&script))?;
    Ok(())
}
