//! The install as it is shipped, on nodes whose Pods have IPv6 addresses: after IPv4 ones, before them, and alone.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};

use serde_json::Value;
use testbed::{Ip, Network};

use super::installed::{Installed, agents_container, bring, ready, until_status};
use super::{bad, only_pod};
use crate::bed::{Bed, Group};
use crate::cluster::{Cluster, assert_failed_by_us, name};
use crate::shapes::REGISTRY;

const PORT: u16 = 9797;

#[test]
fn it_fails_a_pod_where_pods_have_ipv6_addresses_alone() {
    it_fails_a_pod(Network::V6);
}

#[test]
fn it_fails_a_pod_where_pods_have_ipv6_addresses_second() {
    it_fails_a_pod(Network::Dual);
}

#[test]
fn it_fails_a_pod_where_pods_have_ipv6_addresses_first() {
    it_fails_a_pod(Network::DualV6);
}

fn it_fails_a_pod(network: Network) {
    let bed = Bed::of(Group::Network(network));
    bring(&bed.node);
    bed.run("networks", |cluster| {
        let installed = Installed(&bed.node);
        async move {
            let home = Cluster {
                namespace: "pullwarden".to_owned(),
                ..cluster.clone()
            };
            installed.apply("overlays/enforce");
            // The kubelet probes the Pod's first address.
            let own = ready(&home, None).await;
            let addresses = addresses(&own);
            let families = addresses.iter().map(family).collect::<Vec<_>>();
            assert_eq!(families, network.families(), "{addresses:?}");

            installed.configure("mode: enforce\nwarmUp: 0s\n");
            until_status(&cluster, &installed, "the warm-up to be over", |status| {
                status["warmUpLeftSeconds"] == 0
            })
            .await;
            let image = format!("{REGISTRY}/networks/missing:1");
            cluster.create(bad("stuck", &image, "2")).await;
            let stuck = only_pod(&cluster, "stuck").await;
            let failed = cluster.until_failed(name(&stuck)).await;
            assert_failed_by_us(&failed, "ImageNotFound", &image);

            // The agent knows only the Service's address, and reached it from the address of that family.
            let path = "/api/v1/namespaces/default/services/kubernetes";
            let service = cluster.get(path).await.unwrap();
            let at = service["spec"]["clusterIP"].as_str().unwrap();
            assert_eq!(at, network.first().api_server());
            let environment = installed.environment();
            let host = format!("KUBERNETES_SERVICE_HOST={at}");
            assert!(environment.contains(&host), "{environment:?}");
            installed.check();
            let from = installed.addresses();
            assert_eq!(from.len(), 1, "{from:?}");
            assert!(from.contains(&addresses[0].to_string()), "{from:?}");

            metrics(addresses[0]).unwrap();
            if let [_, second] = addresses[..] {
                assert!(metrics(second).is_err(), "it listens at one address");
                at_both(&home, &installed, &own).await;
            }
            let pods = home.pods().await;
            let agent = agents_container(pods.last().unwrap());
            assert_eq!(agent["restartCount"], 0, "{agent}");
        }
    });
}

/// An administrator has the agent listen at all its addresses.
async fn at_both(home: &Cluster, installed: &Installed<'_>, before: &Value) {
    installed.kubectl(&[
        "-n",
        "pullwarden",
        "set",
        "env",
        "daemonset/pullwarden",
        "PULLWARDEN_ADMIN_ADDRESS=[::]:9797",
    ]);
    let own = ready(home, Some(name(before))).await;
    for address in addresses(&own) {
        metrics(address).unwrap();
    }
}

/// Addresses of a Pod, the first one first.
fn addresses(pod: &Value) -> Vec<IpAddr> {
    let listed = pod["status"]["podIPs"].as_array().unwrap().iter();
    let addresses = listed.map(|of| of["ip"].as_str().unwrap().parse());
    let addresses = addresses.collect::<Result<Vec<IpAddr>, _>>().unwrap();
    assert_eq!(pod["status"]["podIP"], addresses[0].to_string());
    addresses
}

fn family(address: &IpAddr) -> Ip {
    match address {
        IpAddr::V4(_) => Ip::V4,
        IpAddr::V6(_) => Ip::V6,
    }
}

/// Reads the agent's metrics, as Prometheus does. The error is that nothing listens there.
fn metrics(address: IpAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((address, PORT))?;
    let request = "GET /metrics HTTP/1.1\r\nHost: pullwarden\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\npullwarden_"), "{answer}");
    assert!(answer.contains("# EOF"), "{answer}");
    Ok(())
}
