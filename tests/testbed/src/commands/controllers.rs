//! Versions of the controllers that tests start beside a node.

use anyhow::Result;
use clap::Args;
use testbed::{Controller, Kind, Progress};

#[derive(Debug, Args)]
pub struct Controllers {
    /// Kueue's version, one of those pinned
    #[arg(long, value_name = "VERSION", default_value = Kind::Kueue.default_version())]
    kueue: String,
    /// JobSet's version, one of those pinned
    #[arg(long, value_name = "VERSION", default_value = Kind::JobSet.default_version())]
    jobset: String,
    /// Tekton's version, one of those pinned
    #[arg(long, value_name = "VERSION", default_value = Kind::Tekton.default_version())]
    tekton: String,
    /// Argo Workflows' version, one of those pinned
    #[arg(long, value_name = "VERSION", default_value = Kind::Argo.default_version())]
    argo: String,
}

impl Controllers {
    fn version(&self, controller: Controller) -> &str {
        match controller {
            Controller::Kueue => &self.kueue,
            Controller::JobSet => &self.jobset,
            Controller::Tekton => &self.tekton,
            Controller::Argo => &self.argo,
        }
    }

    /// Builds these, where they are missing.
    pub fn build(&self, wanted: &[Controller]) -> Result<()> {
        for controller in wanted {
            let family = controller.kind().at(self.version(*controller))?;
            testbed::build(&family, Progress::new(false))?;
        }
        Ok(())
    }

    /// Environment that tells tests the versions.
    pub fn env(&self) -> impl Iterator<Item = (String, &str)> {
        let all = Controller::ALL.into_iter();
        all.map(|controller| (controller.version_variable(), self.version(controller)))
    }
}
