/// One key of the configuration. The file, the environment, the flags and their help are all made from this table.
#[derive(Debug)]
pub struct Key {
    /// Where it stands in the file, its levels joined by dots.
    pub path: &'static str,
    /// The default, as it would be written in the file; `null` where there is none.
    pub default: &'static str,
    /// What it takes, in a few words.
    pub takes: &'static str,
    /// What it is for, in a sentence.
    pub help: &'static str,
    /// Whether it holds a list, which has neither a flag nor a variable.
    pub list: bool,
}

impl Key {
    /// The flag's name, without the dashes.
    pub fn flag(&self) -> String {
        self.words('-').to_ascii_lowercase()
    }

    /// The environment variable's name.
    pub fn variable(&self) -> String {
        format!("PULLWARDEN_{}", self.words('_').to_ascii_uppercase())
    }

    fn words(&self, separator: char) -> String {
        let mut out = String::new();
        for character in self.path.chars() {
            match character {
                '.' => out.push(separator),
                upper if upper.is_ascii_uppercase() => out.extend([separator, upper]),
                other => out.push(other),
            }
        }
        out
    }
}

const fn scalar(
    path: &'static str,
    default: &'static str,
    takes: &'static str,
    help: &'static str,
) -> Key {
    Key {
        path,
        default,
        takes,
        help,
        list: false,
    }
}

const fn list(
    path: &'static str,
    default: &'static str,
    takes: &'static str,
    help: &'static str,
) -> Key {
    Key {
        path,
        default,
        takes,
        help,
        list: true,
    }
}

const COUNT: &str = "a whole number from 1";
const SPAN: &str = "a duration like 10s, 2m, 1h";
const PATH: &str = "an absolute path";

/// Every key.
pub const KEYS: [Key; 35] = [
    scalar(
        "nodeName",
        "null",
        "a name",
        "The node; NODE_NAME of the environment where not given",
    ),
    scalar(
        "mode",
        "observe",
        "observe, opt-in or enforce",
        "The most that may be done to Pods on this node",
    ),
    scalar(
        "action",
        "fail",
        "fail or delete",
        "What is done to a Pod whose time has come",
    ),
    scalar(
        "imagePullFailureCount",
        "null",
        COUNT,
        "Failures in a row after which a Pod is failed; in place of the thresholds permanent, denied and corrupt",
    ),
    scalar(
        "thresholds.permanent.failures",
        "5",
        COUNT,
        "Failures for errors that do not pass",
    ),
    scalar(
        "thresholds.permanent.for",
        "10m",
        SPAN,
        "How long they must last",
    ),
    scalar(
        "thresholds.denied.failures",
        "5",
        COUNT,
        "Failures for refusals",
    ),
    scalar(
        "thresholds.denied.for",
        "15m",
        SPAN,
        "How long they must last",
    ),
    scalar(
        "thresholds.corrupt.failures",
        "5",
        COUNT,
        "Failures for damaged content",
    ),
    scalar(
        "thresholds.corrupt.for",
        "15m",
        SPAN,
        "How long they must last",
    ),
    scalar(
        "thresholds.transient.failures",
        "12",
        COUNT,
        "Failures for errors that may pass, and for unknown ones",
    ),
    scalar(
        "thresholds.transient.for",
        "6h",
        SPAN,
        "How long they must last",
    ),
    list(
        "scope.restartPolicies",
        "[Never, OnFailure]",
        "a list of Never, OnFailure, Always",
        "Pods that are judged without asking for it",
    ),
    list(
        "scope.excludeNamespaces",
        "[kube-system]",
        "a list of names",
        "Namespaces that are left alone",
    ),
    list(
        "scope.namespaces",
        "[]",
        "a list of {names, selector, mode}",
        "Namespaces, by name or by label, in which less may be done",
    ),
    scalar(
        "budget.pods",
        "10",
        COUNT,
        "Pods failed on this node at most",
    ),
    scalar(
        "budget.perOwner",
        "3",
        COUNT,
        "Pods of one owner failed at most",
    ),
    scalar("budget.per", "10m", SPAN, "The time that the budget is for"),
    scalar(
        "registryBrake.repositories",
        "3",
        COUNT,
        "So many repositories of one registry that fail, and none pulled from it, hold its verdicts",
    ),
    scalar(
        "registryBrake.within",
        "15m",
        SPAN,
        "The time in which they fail",
    ),
    scalar(
        "registryBrake.atMost",
        "1h",
        SPAN,
        "How long that holds verdicts of class permanent; those of class denied 6h, or so long if it is longer",
    ),
    scalar(
        "newNodeBrake",
        "1h",
        SPAN,
        "How long refusals wait for a first pull from their registry since the node was started; 0s: not at all",
    ),
    scalar(
        "warmUp",
        "10m",
        SPAN,
        "Watching only, after the first start on a boot",
    ),
    scalar(
        "secondOpinion",
        "off",
        "off or on",
        "Whether the runtime is asked to pull the image itself before a Pod is failed",
    ),
    scalar(
        "evidence",
        "auto",
        "auto, kubelet or apiserver",
        "Who tells of Pending Pods; auto: the kubelet's socket where it answers, else the API server",
    ),
    scalar(
        "criSocket",
        "/run/containerd/containerd.sock",
        PATH,
        "The container runtime's socket",
    ),
    scalar(
        "kubeletPodsSocket",
        "/var/lib/kubelet/pods-api/pods-api.sock",
        PATH,
        "The socket of the kubelet's own Pod service, Kubernetes 1.37 and later",
    ),
    scalar(
        "ownPod",
        "null",
        "namespace/name",
        "The agent's own Pod; POD_NAMESPACE and POD_NAME of the environment where not given",
    ),
    scalar(
        "kubeconfig",
        "null",
        PATH,
        "Credentials for the API server; in-cluster ones where not given",
    ),
    scalar(
        "stateDir",
        "/var/lib/pullwarden",
        PATH,
        "Where the counts are kept",
    ),
    scalar(
        "logDir",
        "/var/log/pullwarden",
        PATH,
        "Where the node's log is kept",
    ),
    scalar(
        "logFormat",
        "text",
        "text or json",
        "How the process's own log is written to standard error; json: the node's log goes to standard output too",
    ),
    scalar(
        "adminAddress",
        "127.0.0.1:9797",
        "an address and a port",
        "Where /livez, /readyz and /metrics are served",
    ),
    scalar(
        "controlSocket",
        "/run/pullwarden/control.sock",
        PATH,
        "Where `pullwarden status` asks the agent",
    ),
    scalar(
        "poll",
        "5s",
        SPAN,
        "The time between two looks at the runtime; shorter after a Pod has come, longer on a calm node",
    ),
];
