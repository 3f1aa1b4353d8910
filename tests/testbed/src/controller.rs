//! Controllers of queues and workflows that tests start beside a node: what each needs of the
//! cluster and how it is called.

mod argo;
mod jobset;
mod kueue;
mod manifests;
mod tekton;

use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use crate::family::Kind;

/// A controller that is no part of a node. It runs only while a test asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Kueue: queues of Jobs, Pods and JobSets.
    Kueue,
    /// JobSet: Jobs that start and end together.
    JobSet,
    /// Tekton Pipelines, without its webhook, which only sets defaults and validates.
    Tekton,
    /// Argo Workflows.
    Argo,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kueue, Self::JobSet, Self::Tekton, Self::Argo];

    /// The kind of its pinned families.
    pub fn kind(self) -> Kind {
        match self {
            Self::Kueue => Kind::Kueue,
            Self::JobSet => Kind::JobSet,
            Self::Tekton => Kind::Tekton,
            Self::Argo => Kind::Argo,
        }
    }

    /// The name of its folder and of its log.
    pub fn name(self) -> &'static str {
        self.kind().name()
    }

    /// Environment variable that chooses its version for tests.
    pub fn version_variable(self) -> String {
        format!("TESTBED_{}", self.name().to_uppercase())
    }

    /// Writes its configuration and says what else it needs.
    pub(crate) fn setup(self, place: &Place, settings: &Value) -> Result<Setup> {
        match self {
            Self::Kueue => kueue::setup(place, settings),
            Self::JobSet => jobset::setup(place, settings),
            Self::Tekton => tekton::setup(place, settings),
            Self::Argo => argo::setup(place, settings),
        }
    }
}

/// A controller's version and settings.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// One of the pinned versions.
    pub version: String,
    /// Merged into its configuration: objects key by key, anything else replaced. For Tekton the
    /// data of `config-defaults`, for Argo those of `workflow-controller-configmap`.
    pub settings: Value,
}

impl ControllerOptions {
    /// The default version as it comes.
    pub fn of(controller: Controller) -> Self {
        Self {
            version: controller.kind().default_version().to_owned(),
            settings: Value::Null,
        }
    }
}

/// The files that a controller is started with.
#[derive(Debug)]
pub(crate) struct Place {
    /// The folder of its build: programs and manifests.
    pub build: PathBuf,
    /// Its own folder in that of the node.
    pub dir: PathBuf,
    /// The folder with `tls.crt` and `tls.key` for webhooks.
    pub certificates: PathBuf,
    /// The certificate of the authority that signed these.
    pub authority: PathBuf,
    /// The kubeconfig of the cluster's admin.
    pub kubeconfig: PathBuf,
}

/// A program that a controller runs in Pods, as the only one of an image.
#[derive(Debug)]
pub(crate) struct PodProgram {
    /// The program's name in the build, and the repository of the image.
    pub name: &'static str,
    /// Its path in the image.
    pub path: &'static str,
}

/// The needs of a controller.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Objects that are applied before it starts, CRDs and namespaces first.
    pub objects: Vec<Value>,
    /// Webhooks that are applied once it is ready.
    pub webhooks: Vec<Value>,
    /// An object that its webhooks admit, in a dry run, once they work.
    pub probe: Option<Value>,
    /// Images for its Pods.
    pub images: Vec<PodProgram>,
    /// The program in the build.
    pub program: &'static str,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// The program's environment.
    pub env: Vec<(&'static str, String)>,
    /// Port and path that answer with a success once it is ready.
    pub ready: (u16, &'static str),
    /// A folder that it sees as `/etc`.
    pub etc: Option<PathBuf>,
}
