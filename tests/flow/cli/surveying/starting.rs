//! The ways to start a survey: as a plugin, with credentials, with wrong arguments, and watching.

use std::path::Path;
use std::process::Stdio;

use super::{Cluster, PROGRAM, output};
use crate::cli::terminal::{Running, read};
use crate::support::apiserver::Kind;
use crate::support::pod::Pod;

#[tokio::test]
async fn kubectl_starts_it_by_the_name_of_a_plugin() {
    let cluster = Cluster::of([Pod::bad("p").not_found()]).await;
    let plugin = cluster.folder.path().join("kubectl-pullwarden");
    std::os::unix::fs::symlink(PROGRAM, &plugin).unwrap();
    let found = output(cluster.command(&plugin, &[])).await;
    assert_eq!(
        String::from_utf8(found.stdout).unwrap(),
        cluster.text(&[]).await
    );
    let help = output(cluster.command(&plugin, &["--help"])).await;
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("Usage: kubectl pullwarden survey [OPTIONS]"),
        "{help}"
    );
    let plain = cluster.text(&["--help"]).await;
    assert!(
        plain.contains("Usage: pullwarden survey [OPTIONS]"),
        "{plain}"
    );
}

#[tokio::test]
async fn the_credentials_are_found_as_kubectl_finds_them() {
    let cluster = Cluster::of([]).await;
    let home = cluster.folder.path().join("home");
    std::fs::create_dir_all(home.join(".kube")).unwrap();
    let kubeconfig = cluster.folder.path().join("kubeconfig");
    std::fs::copy(&kubeconfig, home.join(".kube/config")).unwrap();
    let mut at_home = cluster.command(Path::new(PROGRAM), &[]);
    at_home.env_remove("KUBECONFIG").env("HOME", &home);
    assert!(output(at_home).await.status.success());
    let mut named = cluster.command(
        Path::new(PROGRAM),
        &["--kubeconfig", "kubeconfig", "--context", "fake"],
    );
    named.env_remove("KUBECONFIG");
    assert!(output(named).await.status.success());
    assert_eq!(cluster.api.count(Kind::List), 2);
    for (arguments, part) in [
        (&["--context", "other"][..], "other"),
        (&["--kubeconfig", "none"], "reading the kubeconfig none"),
    ] {
        let complaint = cluster.complaint(arguments).await;
        assert!(complaint.contains(part), "{complaint}");
    }
    let mut nowhere = cluster.command(Path::new(PROGRAM), &[]);
    nowhere.env("KUBECONFIG", "none");
    let complaint = String::from_utf8(output(nowhere).await.stderr).unwrap();
    assert!(
        complaint.contains("$KUBECONFIG or ~/.kube/config"),
        "{complaint}"
    );
}

#[tokio::test]
async fn wrong_arguments_and_configurations_have_their_codes() {
    let cluster = Cluster::of([]).await;
    for arguments in [
        &["--watch=9"][..],
        &["--watch=soon"],
        &["--by", "owner"],
        &["-n", "../nodes"],
        &["-o", "text"],
    ] {
        assert_eq!(
            cluster.run(arguments).await.status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    cluster.write("loud.yaml", "mode: loud\n");
    let output = cluster.run(&["--config", "loud.yaml"]).await;
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(cluster.api.log().is_empty());
}

#[tokio::test]
async fn watching_goes_on_after_a_refusal() {
    let cluster = Cluster::of([Pod::bad("p").not_found()]).await;
    cluster
        .api
        .refuse_from(Kind::List, 1, 403, "pods is forbidden");
    let mut command = cluster.command(Path::new(PROGRAM), &["--watch"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let text = read(running.0.stdout.take().unwrap(), "403", 1).await;
    assert!(
        text.starts_with("listing the Pods of all namespaces: 403"),
        "{text}"
    );
    assert!(running.0.try_wait().unwrap().is_none(), "it still watches");
}

#[tokio::test]
async fn who_watches_json_reads_errors_elsewhere() {
    let cluster = Cluster::of([]).await;
    cluster.api.refuse_from(Kind::List, 1, 403, "no");
    let mut command = cluster.command(Path::new(PROGRAM), &["--watch", "-o", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let text = read(running.0.stderr.take().unwrap(), "403", 1).await;
    assert!(text.starts_with("pullwarden: listing the Pods"), "{text}");
    running.0.kill().unwrap();
    let printed = read(running.0.stdout.take().unwrap(), "403", 1).await;
    assert!(printed.is_empty(), "{printed}");
}
