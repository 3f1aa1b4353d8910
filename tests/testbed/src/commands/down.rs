//! `testbed down`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use testbed::Node;

use super::Name;

#[derive(Debug, Args)]
pub struct Down {
    #[command(flatten)]
    name: Name,
}

impl Down {
    pub fn run(self) -> Result<ExitCode> {
        let name = &self.name.name;
        if let Ok(node) = Node::attach(&Node::folder(name)?) {
            node.shut_down()?;
            println!("The testbed {name} is gone.");
        } else if Node::clear(name)? {
            println!("The testbed {name} had ended already; what it had left is gone.");
        } else {
            println!("No testbed named {name} is up.");
        }
        Ok(ExitCode::SUCCESS)
    }
}
