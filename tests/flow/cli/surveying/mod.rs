//! `pullwarden survey`, against an API server.

mod answering;
mod asking;
mod starting;

use std::path::Path;
use std::process::{Command, Output};

use pullwarden::clock::Clock;
use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::node::kubeconfig_for;
use crate::support::pod::Pod;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pullwarden");

/// An API server, and a folder with a kubeconfig for it.
struct Cluster {
    api: ApiServer,
    folder: tempfile::TempDir,
}

impl Cluster {
    async fn of(pods: impl IntoIterator<Item = Pod>) -> Self {
        let api = ApiServer::start().await;
        pods.into_iter().for_each(|pod| api.store().put(&pod));
        let folder = tempfile::tempdir().unwrap();
        let cluster = Self { api, folder };
        cluster.write("kubeconfig", &kubeconfig_for(&cluster.api.url()));
        cluster
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("KUBECONFIG", "kubeconfig")
            .current_dir(self.folder.path())
            .arg("survey")
            .args(arguments);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        output(self.command(Path::new(PROGRAM), arguments)).await
    }

    /// Its standard output.
    async fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.text(&arguments).await).unwrap()
    }

    /// Its complaint, in one line.
    async fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

async fn output(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap()
}

/// Pods of so many images.
fn many(pods: usize, images: usize) -> impl Iterator<Item = Pod> {
    (0..pods).map(move |n| {
        let image = format!("r.test/image{}:1", n % images);
        Pod::new(&format!("p{n:04}"))
            .container("c", &image)
            .not_found()
    })
}

/// A time before now, as the API server writes it.
fn ago(minutes: i64) -> Value {
    let at = Clock::default().wall() - jiff::SignedDuration::from_mins(minutes);
    json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A Pod that an agent failed so many minutes ago.
fn failed(name: &str, minutes: i64) -> Pod {
    let mut pod = Pod::bad(name).phase("Failed");
    pod.0["status"]["conditions"] = json!([{"type": "pullwarden.io/ImagePullFailed", "status": "True",
        "reason": "ImageNotFound", "lastTransitionTime": ago(minutes)}]);
    pod
}
