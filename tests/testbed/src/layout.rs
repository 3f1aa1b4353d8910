//! Where things are in a node's folder.

use std::path::{Path, PathBuf};

use crate::component::Component;

/// The paths of one node; all of them lie in its folder.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout of the node in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The node's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the node is made of, as JSON.
    pub fn plan(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    /// The init process's pid, as the host sees it.
    pub fn init_pid(&self) -> PathBuf {
        self.dir.join("init.pid")
    }

    /// Locked by the keeper as long as it runs.
    pub fn keeper_lock(&self) -> PathBuf {
        self.dir.join("keeper.lock")
    }

    /// Start, stop and kill components here.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Certificates and keys.
    pub fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    /// The certificate and key of webhooks that processes of the node serve.
    pub fn webhook_certificates(&self) -> PathBuf {
        self.pki().join("webhooks")
    }

    /// A user's kubeconfig.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join(format!("{user}.kubeconfig"))
    }

    /// A component's configuration file.
    pub fn config(&self, name: &str) -> PathBuf {
        self.dir.join("config").join(name)
    }

    /// A component's own folder for its data.
    pub fn data(&self, component: Component) -> PathBuf {
        self.dir.join("data").join(component.name())
    }

    /// The runtime's images and snapshots.
    pub fn store(&self) -> PathBuf {
        self.data(Component::Runtime).join("root")
    }

    /// A component's log; `init` has one as well.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(format!("{name}.log"))
    }

    /// The kubelet's root directory.
    pub fn kubelet_root(&self) -> PathBuf {
        self.dir.join("kubelet")
    }

    /// The kubelet's pods API (1.37 and later).
    pub fn kubelet_pods_socket(&self) -> PathBuf {
        self.kubelet_root().join("pods-api/pods-api.sock")
    }

    /// Where the kubelet and device plugins meet.
    pub fn device_plugins(&self) -> PathBuf {
        self.kubelet_root().join("device-plugins")
    }

    /// Where CRI-O puts layers while they come, on the store's file system.
    pub fn store_tmp(&self) -> PathBuf {
        self.store().join("tmp")
    }

    /// What containerd keeps while it runs, and the kernel forgets at a reboot.
    pub fn runtime_state(&self) -> PathBuf {
        self.data(Component::Runtime).join("state")
    }

    /// Files that a node with CRI-O has in `/etc` beside the host's files.
    pub fn etc(&self) -> PathBuf {
        self.private("etc")
    }

    /// Folder that the node sees as `/run/containerd` or `/run/crio`.
    pub fn runtime(&self) -> PathBuf {
        self.dir.join("runtime")
    }

    /// The API server's audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// What the node sees as `/var/lib` and `/var/log`.
    pub fn private(&self, name: &str) -> PathBuf {
        self.dir.join("private").join(name)
    }
}
