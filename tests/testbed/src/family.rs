//! The component families that are pinned under `components/`, and what `go build` makes of each.

mod programs;

use anyhow::{Result, bail};

pub use programs::Program;
use programs::{
    ARGO, ARGO_MODULE, CNI, CONTAINERD_1, CONTAINERD_2, CRANE, CRIO, CRIO_MODULE, ETCD, HELM,
    JOBSET, KUBERNETES, KUEUE, PROMTOOL, REGISTRY, RUNC, TEKTON, TEST_IMAGE,
};

/// A group of programs that are built together from one pinned Go module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Which group.
    pub kind: Kind,
    /// Its version, as in the folder's name.
    pub version: &'static str,
}

/// The groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The control plane, the kubelet and kubectl.
    Kubernetes,
    /// The container runtime, its shim and `ctr`.
    Containerd,
    /// Another container runtime, and its program that keeps namespaces.
    Crio,
    /// The API server's store.
    Etcd,
    /// What starts containers.
    Runc,
    /// The plugins that give Pods their network.
    Cni,
    /// The distribution project's registry.
    Registry,
    /// The program in the testbed's own images.
    TestImage,
    /// What installs charts. No part of a node.
    Helm,
    /// What tries alerting rules. No part of a node.
    Promtool,
    /// The tool that pushes images to registries. No part of a node.
    Crane,
    /// The queues of Kueue. No part of a node, like the controllers that follow.
    Kueue,
    /// Sets of Jobs that start and end together.
    JobSet,
    /// Tekton Pipelines, and the program that starts a step in its Pods.
    Tekton,
    /// Argo Workflows, and the program that runs beside a step.
    Argo,
}

const fn family(kind: Kind, version: &'static str) -> Family {
    Family { kind, version }
}

/// Every family that has a folder; the first of a kind is the default.
pub const PINNED: &[Family] = &[
    family(Kind::Kubernetes, "1.37.2"),
    family(Kind::Kubernetes, "1.36.3"),
    family(Kind::Kubernetes, "1.34.4"),
    family(Kind::Kubernetes, "1.33.13"),
    family(Kind::Kubernetes, "1.32.2"),
    family(Kind::Kubernetes, "1.31.0"),
    family(Kind::Kubernetes, "1.30.14"),
    family(Kind::Containerd, "2.4.2"),
    family(Kind::Containerd, "2.1.9"),
    family(Kind::Containerd, "1.7.35"),
    family(Kind::Crio, "1.36.3"),
    family(Kind::Crio, "1.34.0"),
    family(Kind::Etcd, "3.6.8"),
    family(Kind::Runc, "1.5.2"),
    family(Kind::Cni, "1.9.1"),
    family(Kind::Registry, "3.1.2"),
    family(Kind::TestImage, "1"),
    family(Kind::Helm, "4.3.1"),
    family(Kind::Promtool, "0.316.0"),
    family(Kind::Crane, "0.22.1"),
    family(Kind::Kueue, "0.17.0"),
    family(Kind::JobSet, "0.11.1"),
    family(Kind::JobSet, "0.8.0"),
    family(Kind::Tekton, "1.0.0"),
    family(Kind::Argo, "3.7.0"),
];

impl Kind {
    /// The first part of the folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
            Self::Etcd => "etcd",
            Self::Runc => "runc",
            Self::Cni => "cni",
            Self::Registry => "registry",
            Self::TestImage => "testimage",
            Self::Helm => "helm",
            Self::Promtool => "promtool",
            Self::Crane => "crane",
            Self::Kueue => "kueue",
            Self::JobSet => "jobset",
            Self::Tekton => "tekton",
            Self::Argo => "argo",
        }
    }

    /// The versions that are pinned, the default first.
    pub fn versions(self) -> Vec<&'static str> {
        PINNED
            .iter()
            .filter(|f| f.kind == self)
            .map(|f| f.version)
            .collect()
    }

    /// The pinned family of this kind at `version`; an error lists the versions there are.
    pub fn at(self, version: &str) -> Result<Family> {
        let wanted = version.trim_start_matches('v');
        match PINNED
            .iter()
            .find(|f| f.kind == self && f.version == wanted)
        {
            Some(family) => Ok(*family),
            None => bail!(
                "{} {version} is not pinned; there are: {}",
                self.name(),
                self.versions().join(", ")
            ),
        }
    }

    /// The family of the default version.
    pub fn default_family(self) -> Result<Family> {
        self.at(self.default_version())
    }

    /// The default version.
    pub fn default_version(self) -> &'static str {
        self.versions().first().copied().unwrap_or_default()
    }
}

impl Family {
    /// Name and version, as the folder is called.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.kind.name(), self.version)
    }

    /// The programs to build.
    pub fn programs(&self) -> &'static [Program] {
        match self.kind {
            Kind::Kubernetes => KUBERNETES,
            Kind::Containerd if self.version.starts_with("1.") => CONTAINERD_1,
            Kind::Containerd => CONTAINERD_2,
            Kind::Crio => CRIO,
            Kind::Etcd => ETCD,
            Kind::Runc => RUNC,
            Kind::Cni => CNI,
            Kind::Registry => REGISTRY,
            Kind::TestImage => TEST_IMAGE,
            Kind::Helm => HELM,
            Kind::Promtool => PROMTOOL,
            Kind::Crane => CRANE,
            Kind::Kueue => KUEUE,
            Kind::JobSet => JOBSET,
            Kind::Tekton => TEKTON,
            Kind::Argo => ARGO,
        }
    }

    /// A Go module and those of its files and folders that are kept beside the programs, because a
    /// cluster needs them too: CRDs, webhooks and default settings.
    pub fn manifests(&self) -> Option<(&'static str, &'static [&'static str])> {
        let by_kustomize: &[&str] = &[
            "config/components/crd/bases",
            "config/components/webhook/manifests.yaml",
        ];
        match self.kind {
            Kind::Kueue => Some(("sigs.k8s.io/kueue", by_kustomize)),
            Kind::JobSet => Some(("sigs.k8s.io/jobset", by_kustomize)),
            Kind::Tekton => Some(("github.com/tektoncd/pipeline", &["config"])),
            Kind::Argo => Some((ARGO_MODULE, &["manifests/base/crds/full"])),
            _ => None,
        }
    }

    /// A Go module whose archive lacks files, and where the files of the folder `additions` belong
    /// in it.
    pub fn additions(&self) -> Option<(&'static str, &'static [(&'static str, &'static str)])> {
        let of_argo: &[(&str, &str)] = &[
            // The web page of a server that is not built here.
            ("index.html", "ui/dist/app/index.html"),
            // The archive has it for other systems only.
            (
                "signal_linux.go.txt",
                "workflow/executor/osspecific/signal_linux.go",
            ),
        ];
        (self.kind == Kind::Argo).then_some((ARGO_MODULE, of_argo))
    }

    /// A program in C: its name, the Go module that has its source files, and their folder.
    pub fn program_in_c(&self) -> Option<(&'static str, &'static str, &'static str)> {
        (self.kind == Kind::Crio).then_some(("pinns", CRIO_MODULE, "pinns/src"))
    }

    /// Whether C is needed: runc enters namespaces before Go's runtime starts, and both check
    /// profiles with libseccomp.
    pub fn cgo(&self) -> bool {
        matches!(self.kind, Kind::Runc | Kind::Crio)
    }

    /// Files that a build needs and Go modules cannot give, with the Debian packages that bring them.
    pub fn needs(&self) -> &'static [(&'static str, &'static str)] {
        match self.kind {
            Kind::Runc | Kind::Crio => &[
                ("/usr/bin/gcc", "gcc"),
                ("/usr/bin/pkg-config", "pkg-config"),
                ("/usr/include/stdio.h", "libc6-dev"),
                ("/usr/include/seccomp.h", "libseccomp-dev"),
            ],
            _ => &[],
        }
    }

    /// Build tags: file systems that the testbed does not use, and their C libraries, are left out.
    pub fn tags(&self) -> &'static str {
        match self.kind {
            Kind::Containerd if self.version.starts_with("1.") => {
                "no_aufs,no_btrfs,no_devmapper,no_zfs"
            }
            Kind::Containerd => "no_btrfs,no_zfs,no_devmapper",
            // Sandboxes always have a seccomp profile, which runc must be able to load.
            Kind::Runc => "seccomp,netgo,osusergo",
            // openpgp in Go stands for a C library; nothing here signs with it.
            Kind::Crio => {
                "seccomp,netgo,osusergo,containers_image_openpgp,containers_image_ostree_stub,\
                 exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper,libdm_no_deferred_remove"
            }
            // Rules are tried without anything to discover.
            Kind::Promtool => "remove_all_sd",
            _ => "",
        }
    }

    /// Linker flags: no symbol table, and the version where a program is to know its own.
    pub fn ldflags(&self) -> String {
        let version = self.version;
        match self.kind {
            Kind::Kubernetes => {
                let mut parts = version.split('.');
                let major = parts.next().unwrap_or_default();
                let minor = parts.next().unwrap_or_default();
                let package = "k8s.io/component-base/version";
                format!(
                    "-s -w -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
                )
            }
            Kind::Containerd => {
                let module = match version.starts_with("1.") {
                    true => "github.com/containerd/containerd",
                    false => "github.com/containerd/containerd/v2",
                };
                format!("-s -w -X {module}/version.Version=v{version}")
            }
            // With libseccomp inside, so that the cached program runs where the library is not.
            Kind::Runc | Kind::Crio => "-s -w -extldflags=-static".to_owned(),
            _ => "-s -w".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pinned_family_has_a_folder_that_names_its_packages() {
        for family in PINNED {
            let folder = crate::cache::sources(family);
            assert!(folder.join("go.mod").is_file(), "{}", folder.display());
            for program in family.programs().iter().filter(|p| p.package != ".") {
                let tools = std::fs::read_to_string(folder.join("tools.go")).unwrap_or_default();
                assert!(
                    tools.contains(&format!("\"{}\"", program.package)),
                    "{} lacks {}",
                    folder.display(),
                    program.package
                );
            }
        }
    }

    #[test]
    fn an_unknown_version_lists_the_pinned_ones() {
        let error = Kind::Promtool.at("1.2.3").map_err(|e| e.to_string());
        assert_eq!(
            error,
            Err("promtool 1.2.3 is not pinned; there are: 0.316.0".to_owned())
        );
        assert_eq!(
            Kind::Containerd.at("v1.7.35").ok(),
            Some(family(Kind::Containerd, "1.7.35"))
        );
    }
}
