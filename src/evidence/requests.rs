//! Resource requests of a Pod, as the scheduler adds them up. The agent reads them of a Pod only
//! right before it fails it.

use std::collections::BTreeMap;

use super::core_v1::{Pod, Quantities};

/// Resources of a node that a Pod holds while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Requests {
    /// Processor cores.
    pub cpu: f64,
    /// Bytes of memory.
    pub memory: f64,
    /// Devices and other extended resources, of all kinds together.
    pub devices: f64,
}

impl Requests {
    /// Requests of a Pod: of its containers and sidecars together, or of its initialisation if that
    /// is more.
    pub fn of_pod(pod: &Pod) -> Self {
        let mut requests = Self::default();
        for (resource, amount) in amounts(pod) {
            match resource {
                "cpu" => requests.cpu = amount,
                "memory" => requests.memory = amount,
                name if is_device(name) => requests.devices += amount,
                _ => {}
            }
        }
        requests
    }

    /// Returns the amounts, each multiplied by the factor.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            cpu: self.cpu * factor,
            memory: self.memory * factor,
            devices: self.devices * factor,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
            devices: self.devices + other.devices,
        }
    }
}

/// Amounts by resource.
type Amounts<'a> = BTreeMap<&'a str, f64>;

/// Requests of a Pod by resource, as the scheduler adds them up.
pub fn amounts(pod: &Pod) -> Amounts<'_> {
    let spec = &pod.spec;
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for init in &spec.init_containers {
        let own = plus(sidecars.clone(), &init.resources.requests);
        for (resource, amount) in &own {
            let largest = most.entry(resource).or_default();
            *largest = amount.max(*largest);
        }
        if init.restart_policy == "Always" {
            sidecars = own;
        }
    }
    let each = spec.containers.iter();
    let mut total = each.fold(sidecars, |sum, container| {
        plus(sum, &container.resources.requests)
    });
    for (resource, amount) in most {
        let together = total.entry(resource).or_default();
        *together = amount.max(*together);
    }
    // What is asked for the Pod as a whole goes over the sum.
    let whole = &spec.resources.requests;
    for resource in ["cpu", "memory"] {
        if let Some(amount) = whole.get(resource) {
            total.insert(resource, quantity(amount).unwrap_or(0.0));
        }
    }
    plus(total, &spec.overhead)
}

/// Returns true for devices and other extended resources. Only these have a domain in their names;
/// `hugepages-2Mi` and `ephemeral-storage` are no devices.
pub fn is_device(resource: &str) -> bool {
    resource.contains('/')
}

fn plus<'a>(mut sum: Amounts<'a>, more: &'a Quantities) -> Amounts<'a> {
    for (resource, amount) in more {
        *sum.entry(resource).or_default() += quantity(amount).unwrap_or(0.0);
    }
    sum
}

/// The suffixes of amounts, and what they stand for.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// The largest amount that Kubernetes knows is 2^63; one that is larger is no amount.
const MOST: f64 = 1e19;

/// The number that an amount stands for: `500m`, `2Gi`, `1e3`.
fn quantity(text: &str) -> Option<f64> {
    let is_suffix = |c: char| c.is_ascii_alphabetic();
    let at = text.find(is_suffix).unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let known = SUFFIXES.iter().find(|(name, _)| *name == suffix);
    let value = match known {
        Some((_, factor)) => number.parse::<f64>().ok()? * factor,
        // An exponent, then.
        None => text.parse().ok()?,
    };
    (0.0..MOST).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("0", Some(0.0)),
            ("2", Some(2.0)),
            ("1.5", Some(1.5)),
            ("500m", Some(0.5)),
            ("100n", Some(1e-7)),
            ("1k", Some(1000.0)),
            ("64Mi", Some(67_108_864.0)),
            ("1Gi", Some(1_073_741_824.0)),
            ("1E", Some(1e18)),
            ("1e3", Some(1000.0)),
            ("2E3", Some(2000.0)),
            ("-1", None),
            ("", None),
            ("much", None),
            ("1Zi", None),
            ("NaN", None),
            ("inf", None),
            ("1e400", None),
        ] {
            let found = quantity(text);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= expected * 1e-12,
                (found, expected) => found == expected,
            };
            assert!(same, "{text}: {found:?}");
        }
    }

    fn requests(spec: Value) -> Requests {
        let pod: Pod = serde_json::from_value(json!({ "spec": spec })).unwrap();
        Requests::of_pod(&pod)
    }

    fn asking(cpu: &str, memory: &str) -> Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "99"}}})
    }

    #[test]
    fn a_pod_asks_for_what_it_takes_at_its_largest() {
        let gpu = json!({"name": "g", "resources": {"requests": {"example.com/gpu": "4", "hugepages-2Mi": "2Mi"}}});
        let mut sidecar = asking("1", "10");
        sidecar["restartPolicy"] = json!("Always");
        let found = requests(json!({
            "initContainers": [asking("1", "500"), sidecar, asking("3", "50")],
            "containers": [asking("500m", "100"), asking("1", "100"), gpu],
            "overhead": {"memory": "7"},
        }));
        let expected = Requests {
            // The last one that initialises it, beside the sidecar.
            cpu: 4.0,
            memory: 507.0,
            devices: 4.0,
        };
        assert_eq!(found, expected);
        assert_eq!(
            requests(json!({"containers": [{"name": "c"}]})),
            Requests::default()
        );
    }

    #[test]
    fn devices_of_different_kinds_are_held_side_by_side() {
        let asking = |kind: &str, amount: &str| json!({"name": "c", "resources": {"requests": {kind: amount}}});
        let pod = json!({"spec": {
            "initContainers": [asking("example.com/nic", "2")],
            "containers": [asking("example.com/gpu", "4"), asking("example.com/gpu", "4")],
        }});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let expected = [("example.com/gpu", 8.0), ("example.com/nic", 2.0)];
        assert_eq!(amounts(&pod), Amounts::from(expected));
        assert_eq!(Requests::of_pod(&pod).devices, 10.0);
    }

    #[test]
    fn what_is_asked_for_the_whole_pod_goes_over_the_sum() {
        let found = requests(json!({
            "resources": {"requests": {"cpu": "8"}},
            "containers": [asking("1", "100")],
        }));
        assert_eq!((found.cpu, found.memory), (8.0, 100.0));
    }
}
