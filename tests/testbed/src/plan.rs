//! What a node is made of, decided before it starts and kept in its folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::component::Component;
use crate::family::{Family, Kind};
use crate::layout::Layout;
use crate::network::Network;
use crate::node::NodeOptions;
use crate::place::{self, Place};
use crate::progress::Progress;
use crate::runtime::Runtime;
use crate::systemd::CgroupDriver;
use crate::{cache, settings};

/// The folders with the programs, and all that the components' configuration depends on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The node's own folder.
    pub dir: PathBuf,
    /// Tells this node's cgroups from those of others.
    pub id: String,
    /// Kubernetes' version.
    pub kubernetes: String,
    /// The container runtime.
    pub runtime: Runtime,
    /// The IP families.
    #[serde(default)]
    pub network: Network,
    /// Who makes the control groups of Pods.
    pub cgroup_driver: CgroupDriver,
    /// Merged into the kubelet's configuration.
    pub kubelet: serde_json::Value,
    /// The folder of the node whose cluster this one joins; `None` where it brings a control plane of its own.
    pub joins: Option<PathBuf>,
    /// The size of the runtime's store, where it is on a file system of its own.
    pub store_mib: Option<u64>,
    /// The testbed's own program.
    pub testbed: PathBuf,
    /// The programs of each family.
    pub programs: Programs,
}

/// One folder for each family.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Programs {
    /// kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubectl.
    pub kubernetes: PathBuf,
    /// The container runtime and the programs that come with it.
    pub runtime: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// runc.
    pub runc: PathBuf,
    /// CNI plugins.
    pub cni: PathBuf,
    /// The registry.
    pub registry: PathBuf,
    /// The test image's program.
    pub testimage: PathBuf,
}

/// The families that a node of these versions needs.
pub fn families(kubernetes: &str, runtime: Runtime) -> Result<[Family; 7]> {
    Ok([
        Kind::Kubernetes.at(kubernetes)?,
        runtime.family(),
        Kind::Etcd.default_family()?,
        Kind::Runc.default_family()?,
        Kind::Cni.default_family()?,
        Kind::Registry.default_family()?,
        Kind::TestImage.default_family()?,
    ])
}

impl Programs {
    /// Builds what is missing.
    pub fn build(options: &NodeOptions) -> Result<Self> {
        let progress = Progress::new(options.quiet);
        let families = families(&options.kubernetes, options.runtime)?;
        let [kubernetes, runtime, etcd, runc, cni, registry, testimage] =
            families.map(|family| cache::build(&family, progress));
        Ok(Self {
            kubernetes: kubernetes?,
            runtime: runtime?,
            etcd: etcd?,
            runc: runc?,
            cni: cni?,
            registry: registry?,
            testimage: testimage?,
        })
    }
}

impl Plan {
    /// Writes everything the components read.
    pub fn make(
        options: &NodeOptions,
        programs: Programs,
        dir: &Path,
        id: &str,
        testbed: PathBuf,
    ) -> Result<Self> {
        let plan = Self {
            dir: dir.to_owned(),
            id: id.to_owned(),
            kubernetes: Kind::Kubernetes.at(&options.kubernetes)?.version.to_owned(),
            runtime: options.runtime,
            network: options.network,
            cgroup_driver: match options.cgroup_driver {
                Some(driver) => driver,
                None => CgroupDriver::asked()?,
            },
            kubelet: options.kubelet.clone(),
            joins: options.joins.clone(),
            store_mib: options.store_mib,
            testbed,
            programs,
        };
        plan.cgroup_driver.check()?;
        settings::write(&plan).context("writing the components' configuration")?;
        let text = serde_json::to_string_pretty(&plan).context("encoding the node's plan")?;
        let path = plan.layout().plan();
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(plan)
    }

    /// Reads the plan of the node in `dir`.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = Layout::new(dir).plan();
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("decoding {}", path.display()))
    }

    /// Its place in the cluster.
    pub fn place(&self) -> Place {
        match self.joins {
            None => place::FIRST,
            Some(_) => place::SECOND,
        }
    }

    /// The processes of the node, in the order in which they start.
    pub fn components(&self) -> &'static [Component] {
        match self.joins {
            None => &Component::ALL,
            Some(_) => &[Component::Runtime, Component::Kubelet],
        }
    }

    /// The layout of the node that brings the control plane.
    pub fn control_plane(&self) -> Layout {
        Layout::new(self.joins.as_ref().unwrap_or(&self.dir))
    }

    /// The container runtime's socket.
    pub fn cri_socket(&self) -> PathBuf {
        let file = format!("{}.sock", self.runtime.name());
        self.layout().runtime().join(file)
    }

    /// The paths in the node's folder.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.dir)
    }
}
