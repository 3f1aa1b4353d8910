//! `testbed enter` and `testbed kubectl`

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Name, run_as};

#[derive(Debug, Args)]
pub struct Enter {
    #[command(flatten)]
    name: Name,
    /// The command and its arguments; KUBECONFIG is set to the admin's
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Enter {
    pub fn run(self) -> Result<ExitCode> {
        let node = self.name.attach()?;
        let (program, arguments) = match self.command.split_first() {
            Some(parts) => parts,
            None => anyhow::bail!("there is no command to run"),
        };
        let mut command = node.command(program);
        command
            .args(arguments)
            .env("KUBECONFIG", node.admin_kubeconfig());
        run_as(command)
    }
}

#[derive(Debug, Args)]
pub struct Kubectl {
    #[command(flatten)]
    name: Name,
    /// kubectl's arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
}

impl Kubectl {
    pub fn run(self) -> Result<ExitCode> {
        let node = self.name.attach()?;
        let mut kubectl = node.kubectl();
        kubectl.args(self.arguments);
        run_as(kubectl)
    }
}
