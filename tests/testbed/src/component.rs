//! The processes of a node and how each is called.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::network::Ip;
use crate::plan::Plan;
use crate::settings::{
    FAULTS, FAULTS_CHALLENGING, FAULTS_DEAF, FAULTS_EXPIRED, FAULTS_HTTP, FAULTS_UNKNOWN,
    FAULTS_WRONG_HOST, NAMES, REGISTRY,
};

/// A process of the node that tests may stop, start and kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The API server's store.
    Etcd,
    /// The container runtime; containers go on when it stops.
    Runtime,
    /// The real registry, on port 5000.
    Registry,
    /// The fault registry in front of it, on port 5001.
    Faults,
    /// kube-apiserver.
    Apiserver,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// The kubelet.
    Kubelet,
}

impl Component {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 8] = [
        Self::Runtime,
        Self::Etcd,
        Self::Registry,
        Self::Faults,
        Self::Apiserver,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubelet,
    ];

    /// The name of its log and of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Runtime => "runtime",
            Self::Registry => "registry",
            Self::Faults => "faults",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
        }
    }

    /// The port that answers once it is up. The runtime has a socket instead.
    pub fn port(self, plan: &Plan) -> Option<SocketAddr> {
        let port = match self {
            Self::Runtime => return None,
            Self::Etcd => 2379,
            Self::Registry => 5000,
            Self::Faults => 5001,
            Self::Apiserver => 443,
            Self::ControllerManager => 10257,
            Self::Scheduler => 10259,
            Self::Kubelet => plan.place().kubelet,
        };
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Its command line.
    pub fn command(self, plan: &Plan) -> Command {
        let layout = plan.layout();
        let programs = &plan.programs;
        let data = layout.data(self);
        let pki = layout.pki();
        let admin = layout.kubeconfig("admin");
        let mut line = match self {
            Self::Etcd => Line::of(&programs.etcd, "etcd")
                .path("--data-dir=", &data)
                .flag("--listen-client-urls=http://127.0.0.1:2379")
                .flag("--advertise-client-urls=http://127.0.0.1:2379")
                .flag("--listen-peer-urls=http://127.0.0.1:2380")
                .flag("--unsafe-no-fsync"),
            Self::Runtime => Line {
                command: plan.runtime.command(plan),
            },
            Self::Registry => Line::of(&programs.registry, "registry")
                .flag("serve")
                .path("", &layout.config("registry.json"))
                .env("OTEL_TRACES_EXPORTER", "none"),
            Self::Faults => Line {
                command: Command::new(&plan.testbed),
            }
            .flag("faults")
            .flag(&format!("--listen={FAULTS_HTTP}"))
            .flag(&format!("--listen={FAULTS_CHALLENGING}"))
            .path(
                &format!("--tls={FAULTS_EXPIRED}="),
                &pki.join("faults-expired"),
            )
            .path(
                &format!("--tls={FAULTS_UNKNOWN}="),
                &pki.join("faults-unknown"),
            )
            .path(
                &format!("--tls={FAULTS_WRONG_HOST}="),
                &pki.join("faults-wrong-host"),
            )
            .flag(&format!("--deaf={FAULTS_DEAF}"))
            .flag(&format!("--names={NAMES}"))
            // The last one: once it answers, all others do.
            .flag(&format!("--listen={FAULTS}"))
            .flag(&format!("--upstream={REGISTRY}")),
            Self::Apiserver => Line::of(&programs.kubernetes, "kube-apiserver")
                .flag("--etcd-servers=http://127.0.0.1:2379")
                .flag(&format!("--bind-address={}", plan.network.any()))
                .flag("--secure-port=443")
                .flag(&format!(
                    "--advertise-address={}",
                    plan.place().ip_of(plan.network.first())
                ))
                .flag(&format!(
                    "--service-cluster-ip-range={}",
                    plan.network.each(Ip::services)
                ))
                .path("--tls-cert-file=", &pki.join("apiserver.crt"))
                .path("--tls-private-key-file=", &pki.join("apiserver.key"))
                .path(
                    "--kubelet-client-certificate=",
                    &pki.join("kubelet-client.crt"),
                )
                .path("--kubelet-client-key=", &pki.join("kubelet-client.key"))
                .flag("--kubelet-preferred-address-types=InternalIP")
                .flag("--service-account-issuer=https://kubernetes.default.svc")
                .path(
                    "--service-account-key-file=",
                    &pki.join("service-account.pub"),
                )
                .path(
                    "--service-account-signing-key-file=",
                    &pki.join("service-account.key"),
                )
                .path("--token-auth-file=", &layout.config("tokens.csv"))
                .flag("--authorization-mode=Node,RBAC")
                .flag("--enable-admission-plugins=NodeRestriction")
                .path(
                    "--admission-control-config-file=",
                    &layout.config("admission.json"),
                )
                .flag("--allow-privileged=true")
                .path("--audit-policy-file=", &layout.config("audit-policy.json"))
                .path("--audit-log-path=", &layout.audit_log())
                .flag("--audit-log-mode=blocking")
                // In MB: there is one file, however much is asked.
                .flag("--audit-log-maxsize=10000"),
            Self::ControllerManager => Line::of(&programs.kubernetes, "kube-controller-manager")
                .path("--kubeconfig=", &admin)
                .path(
                    "--service-account-private-key-file=",
                    &pki.join("service-account.key"),
                )
                .path("--root-ca-file=", &pki.join("ca.crt"))
                .flag("--controllers=*,-node-ipam-controller")
                .flag("--leader-elect=false"),
            Self::Scheduler => Line::of(&programs.kubernetes, "kube-scheduler")
                .path("--kubeconfig=", &admin)
                .flag("--leader-elect=false"),
            Self::Kubelet => Line::of(&programs.kubernetes, "kubelet")
                .path("--config=", &layout.config("kubelet.json"))
                .path("--kubeconfig=", &layout.kubeconfig(plan.place().kubeconfig))
                .path("--root-dir=", &layout.kubelet_root())
                .path("--cert-dir=", &data)
                .flag(&format!("--hostname-override={}", plan.place().name))
                .flag(&format!(
                    "--node-ip={}",
                    plan.network.each(|family| plan.place().ip_of(family))
                ))
                .flag("--v=3"),
        }
        .command;
        line.current_dir(&data);
        line
    }
}

/// A command line in the making.
struct Line {
    command: Command,
}

impl Line {
    fn of(folder: &Path, program: &str) -> Self {
        Self {
            command: Command::new(folder.join(program)),
        }
    }

    fn flag(mut self, flag: &str) -> Self {
        self.command.arg(flag);
        self
    }

    fn path(mut self, flag: &str, path: &Path) -> Self {
        let mut argument = std::ffi::OsString::from(flag);
        argument.push(path);
        self.command.arg(argument);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }
}
