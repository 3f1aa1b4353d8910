//! CRI-O: its configuration, its registries, and the pulls in its log.

pub mod own_cases;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;

use self::cri::image_service_client::ImageServiceClient;
use self::cri::{ImageSpec, PullImageRequest};
use super::unquoted;
use crate::component::Component;
use crate::image::Image;
use crate::node::Pulls;
use crate::plan::Plan;
use crate::registry;
use crate::settings::{FAULTS, FAULTS_CHALLENGING, PAUSE_IMAGE, REGISTRY, make, save};

#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]
mod cri {
    tonic::include_proto!("runtime.v1");
}

/// The program that watches a container. Debian has it.
pub const MONITOR: &str = "/usr/bin/conmon";

/// Hosts whose images the real registry has, in repositories that begin with [`IMPORTED`]. CRI-O
/// has no command that imports an image.
const IMPORTED_HOSTS: [&str; 3] = ["ghcr.io", "pullwarden.test", "testbed.local"];
const IMPORTED: &str = "imported";
/// The file of the script that runs runc.
const WRAPPER: &str = "runc-restricted";

/// Writes CRI-O's configuration and that of its libraries.
pub fn write_settings(plan: &Plan) -> Result<()> {
    let layout = plan.layout();
    let containers = layout.etc().join("containers");
    make(&containers)?;
    make(&layout.etc().join("crio/policies"))?;
    save(
        &containers.join("policy.json"),
        &own_cases::policy().to_string(),
    )?;
    save(&containers.join("registries.conf"), &registries())?;
    own_cases::write(plan)?;
    let wrapper = layout.config(WRAPPER);
    save(&wrapper, &restricted(&plan.programs.runc.join("runc")))?;
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755))
        .with_context(|| format!("making {} a program", wrapper.display()))?;
    save(&layout.config("crio.conf"), &configuration(plan))
}

/// A script that runs runc. Critical Pods ask for an `oomScoreAdj` below that of this process, which it may not
/// give where it runs in a container itself. containerd has a setting for that, CRI-O has none.
fn restricted(runc: &Path) -> String {
    format!(
        "#!/bin/sh\n\
         least=$(cat /proc/self/oom_score_adj)\n\
         for argument; do\n\
         \x20 if [ \"$before\" = --bundle ]; then\n\
         \x20   file=$argument/config.json\n\
         \x20   asked=$(sed -n 's/.*\"oomScoreAdj\": *\\(-*[0-9]*\\).*/\\1/p' \"$file\")\n\
         \x20   if [ \"${{asked:-$least}}\" -lt \"$least\" ]; then\n\
         \x20     sed -i \"s/\\(\\\"oomScoreAdj\\\": *\\)$asked/\\1$least/\" \"$file\"\n\
         \x20   fi\n\
         \x20 fi\n\
         \x20 before=$argument\n\
         done\n\
         exec '{}' \"$@\"\n",
        runc.display()
    )
}

/// Registries over HTTP, and the place of imported images.
fn registries() -> String {
    let insecure =
        |location: &str| format!("\n[[registry]]\nlocation = \"{location}\"\ninsecure = true\n");
    let mut text = "unqualified-search-registries = []\n".to_owned();
    // Another name of the fault registry. An agent compares names, so to it this is another registry.
    let second_name = FAULTS.replace("127.0.0.1", "localhost");
    text.extend([REGISTRY, &second_name, FAULTS, FAULTS_CHALLENGING].map(insecure));
    text.extend(IMPORTED_HOSTS.map(|host| {
        let location = format!("{REGISTRY}/{IMPORTED}/{host}");
        format!("{}prefix = \"{host}\"\n", insecure(&location))
    }));
    text + &own_cases::registries()
}

fn configuration(plan: &Plan) -> String {
    let layout = plan.layout();
    let data = layout.data(Component::Runtime);
    let programs = &plan.programs;
    format!(
        "[crio]\n\
         root = \"{root}\"\n\
         runroot = \"/run/containers/storage\"\n\
         storage_driver = \"overlay\"\n\
         log_dir = \"/var/log/crio/pods\"\n\
         version_file = \"/run/crio/version\"\n\
         version_file_persist = \"{data}/version\"\n\
         clean_shutdown_file = \"{data}/clean\"\n\
         [crio.api]\n\
         listen = \"{socket}\"\n\
         stream_address = \"127.0.0.1\"\n\
         stream_port = \"0\"\n\
         [crio.runtime]\n\
         cgroup_manager = \"{driver}\"\n\
         conmon_cgroup = \"pod\"\n\
         pinns_path = \"{pinns}\"\n\
         log_level = \"debug\"\n\
         hooks_dir = []\n\
         disable_hostport_mapping = true\n\
         default_runtime = \"runc\"\n\
         [crio.runtime.runtimes.runc]\n\
         runtime_path = \"{runc}\"\n\
         runtime_type = \"oci\"\n\
         runtime_root = \"/run/runc\"\n\
         monitor_path = \"{MONITOR}\"\n\
         [crio.image]\n\
         pause_image = \"{PAUSE_IMAGE}\"\n\
         pause_command = \"\"\n\
         big_files_temporary_dir = \"{tmp}\"\n\
         signature_policy = \"/etc/containers/policy.json\"\n\
         global_auth_file = \"/etc/containers/auth.json\"\n\
         [crio.network]\n\
         network_dir = \"{cni}\"\n\
         plugin_dirs = [\"{plugins}\"]\n",
        driver = plan.cgroup_driver,
        root = layout.store().display(),
        tmp = layout.store_tmp().display(),
        data = data.display(),
        socket = plan.cri_socket().display(),
        pinns = programs.runtime.join("pinns").display(),
        runc = layout.config(WRAPPER).display(),
        cni = layout.config("cni").display(),
        plugins = programs.cni.display(),
    )
}

/// CRI-O's command line.
pub fn command(plan: &Plan) -> Command {
    let layout = plan.layout();
    let mut command = Command::new(plan.programs.runtime.join("crio"));
    command
        .arg(format!("--config={}", layout.config("crio.conf").display()))
        .arg("--config-dir=")
        // The authority of registries whose certificate has another fault.
        .env("SSL_CERT_FILE", layout.pki().join("ca.crt"));
    command
}

/// Pushes an image to the real registry, and has CRI-O pull it under this name.
pub fn import(plan: &Plan, reference: &str, image: &Image) -> Result<()> {
    let (host, _) = reference.split_once('/').unwrap_or_default();
    if !IMPORTED_HOSTS.contains(&host) {
        bail!(
            "CRI-O can import images of {} only, and not {reference}",
            IMPORTED_HOSTS.join(", ")
        );
    }
    let (repository, tag) = reference
        .rsplit_once(':')
        .with_context(|| format!("{reference} has no tag"))?;
    let repository = format!("{IMPORTED}/{repository}");
    registry::push(REGISTRY, &repository, tag, image)
        .with_context(|| format!("pushing {repository}:{tag}"))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("making a runtime for a pull")?
        .block_on(pull(plan, reference))
        .with_context(|| format!("having CRI-O pull {reference}"))
}

async fn pull(plan: &Plan, reference: &str) -> Result<()> {
    let socket = plan.cri_socket();
    let connect = move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    };
    // The address is not used: there is one socket.
    let channel = Endpoint::from_static("http://crio")
        .connect_with_connector(tower::service_fn(connect))
        .await
        .context("connecting")?;
    let image = ImageSpec {
        image: reference.to_owned(),
    };
    ImageServiceClient::new(channel)
        .pull_image(PullImageRequest { image: Some(image) })
        .await?;
    Ok(())
}

/// Mark of the lines about a request to pull.
const REQUEST: &str = " name=/runtime.v1.ImageService/PullImage";

/// The pulls of an image in CRI-O's log. A request that waits for another one's pull counts too.
pub fn pulls(image: &str, log: &str) -> Pulls {
    let begun = format!(r#" msg="Pulling image: {image}" "#);
    let mut requests = BTreeSet::new();
    let mut pulls = Pulls::default();
    for line in log.lines().filter(|line| line.contains(REQUEST)) {
        let Some(id) = field(line, "id") else {
            continue;
        };
        if line.contains(&begun) {
            requests.insert(id);
            pulls.begun += 1;
        } else if requests.contains(id)
            && let Some((_, quoted)) = line.split_once(r#" msg="Response error: "#)
        {
            pulls.errors.push(unquoted(&format!("\"{quoted}")));
        }
    }
    pulls
}

/// The value of a field whose value needs no quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_counted_by_request() {
        let log = concat!(
            r#"time="x" level=info msg="Pulling image: h/a:1" file="server/image_pull.go:41" id=1 name=/runtime.v1.ImageService/PullImage"#,
            "\n",
            r#"time="x" level=info msg="Pulling image: h/a:12" file="y" id=2 name=/runtime.v1.ImageService/PullImage"#,
            "\n",
            r#"time="x" level=debug msg="Response error: no \"it\"\nmore" file="y" id=1 name=/runtime.v1.ImageService/PullImage"#,
            "\n",
            r#"time="x" level=debug msg="Response error: other" file="y" id=2 name=/runtime.v1.ImageService/PullImage"#,
            "\n",
            r#"time="x" level=info msg="Pulling image: h/a:1" file="y" id=3 name=/runtime.v1.ImageService/PullImage"#,
        );
        let expected = Pulls {
            begun: 2,
            errors: vec!["no \"it\"\nmore".to_owned()],
        };
        assert_eq!(pulls("h/a:1", log), expected);
        assert_eq!(pulls("h/b:1", log), Pulls::default());
    }
}
