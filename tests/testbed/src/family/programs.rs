//! The programs of each family, and the Go packages that they are made from.

/// A program of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The file that is made.
    pub name: &'static str,
    /// The Go package that it is made from.
    pub package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

pub const KUBERNETES: &[Program] = &[
    program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    program(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    program("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    program("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
];

pub const CONTAINERD_1: &[Program] = &[
    program(
        "containerd",
        "github.com/containerd/containerd/cmd/containerd",
    ),
    program(
        "containerd-shim-runc-v2",
        "github.com/containerd/containerd/cmd/containerd-shim-runc-v2",
    ),
    program("ctr", "github.com/containerd/containerd/cmd/ctr"),
];

pub const CONTAINERD_2: &[Program] = &[
    program(
        "containerd",
        "github.com/containerd/containerd/v2/cmd/containerd",
    ),
    program(
        "containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ),
    program("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
];

pub const CRIO_MODULE: &str = "github.com/cri-o/cri-o";

pub const CRIO: &[Program] = &[program("crio", "github.com/cri-o/cri-o/cmd/crio")];

pub const CNI: &[Program] = &[
    program(
        "host-local",
        "github.com/containernetworking/plugins/plugins/ipam/host-local",
    ),
    program(
        "loopback",
        "github.com/containernetworking/plugins/plugins/main/loopback",
    ),
    program(
        "ptp",
        "github.com/containernetworking/plugins/plugins/main/ptp",
    ),
];

pub const ETCD: &[Program] = &[program("etcd", "go.etcd.io/etcd/server/v3")];

pub const RUNC: &[Program] = &[program("runc", "github.com/opencontainers/runc")];

pub const REGISTRY: &[Program] = &[program(
    "registry",
    "github.com/distribution/distribution/v3/cmd/registry",
)];

pub const TEST_IMAGE: &[Program] = &[program("testimage", ".")];

pub const HELM: &[Program] = &[program("helm", "helm.sh/helm/v4/cmd/helm")];

pub const PROMTOOL: &[Program] = &[program(
    "promtool",
    "github.com/prometheus/prometheus/cmd/promtool",
)];

pub const CRANE: &[Program] = &[program(
    "crane",
    "github.com/google/go-containerregistry/cmd/crane",
)];

pub const KUEUE: &[Program] = &[program("kueue", "sigs.k8s.io/kueue/cmd/kueue")];

pub const JOBSET: &[Program] = &[program("jobset", "sigs.k8s.io/jobset")];

pub const TEKTON: &[Program] = &[
    program("controller", "github.com/tektoncd/pipeline/cmd/controller"),
    program("entrypoint", "github.com/tektoncd/pipeline/cmd/entrypoint"),
];

pub const ARGO_MODULE: &str = "github.com/argoproj/argo-workflows/v3";

pub const ARGO: &[Program] = &[
    program(
        "workflow-controller",
        "github.com/argoproj/argo-workflows/v3/cmd/workflow-controller",
    ),
    program(
        "argoexec",
        "github.com/argoproj/argo-workflows/v3/cmd/argoexec",
    ),
];
