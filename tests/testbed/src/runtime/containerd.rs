//! containerd: its configuration, its hosts, and the pulls in its log.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::unquoted;
use crate::component::Component;
use crate::image::Image;
use crate::node::Pulls;
use crate::plan::Plan;
use crate::settings::{
    FAULTS, FAULTS_EXPIRED, FAULTS_WRONG_HOST, MIRRORED, PAUSE_IMAGE, REGISTRY, make, save,
};

/// Writes containerd's configuration, and a folder for each registry.
pub fn write_settings(plan: &Plan) -> Result<()> {
    let layout = plan.layout();
    save(&layout.config("containerd.toml"), &configuration(plan))?;
    let hosts = |address: &str, text: &str| {
        let folder = layout.config("hosts").join(address);
        make(&folder)?;
        save(&folder.join("hosts.toml"), text)
    };
    for address in [REGISTRY, FAULTS] {
        hosts(address, &format!("server = \"http://{address}\"\n"))?;
    }
    // The mirror answers 404 to what it does not hold.
    let mirror = format!(
        "server = \"http://{MIRRORED}\"\n\
         [host.\"http://{REGISTRY}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    hosts(MIRRORED, &mirror)?;
    // Everything but the fault itself must be well: the authority of these is trusted.
    let authority = layout.pki().join("ca.crt");
    for address in [FAULTS_EXPIRED, FAULTS_WRONG_HOST] {
        let ca = authority.display();
        hosts(
            address,
            &format!("server = \"https://{address}\"\nca = \"{ca}\"\n"),
        )?;
    }
    Ok(())
}

/// containerd's command line.
pub fn command(plan: &Plan) -> Command {
    let mut command = Command::new(plan.programs.runtime.join("containerd"));
    let config = plan.layout().config("containerd.toml");
    command.arg(format!("--config={}", config.display()));
    command
}

/// Writes an image to a file of the node, and returns the command that imports it.
pub fn import(plan: &Plan, reference: &str, image: &Image) -> Result<Command> {
    let archive = plan.dir.join("config/import.tar");
    fs::write(&archive, image.archive(reference)?)
        .with_context(|| format!("writing {}", archive.display()))?;
    let mut ctr = Command::new(plan.programs.runtime.join("ctr"));
    ctr.env_clear()
        .arg("--address")
        .arg(plan.cri_socket())
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(&archive);
    Ok(ctr)
}

/// containerd's configuration: version 2 of the format for 1.7, version 3 from 2.0 on. No
/// registry mirrors are named there, as they would turn the transfer service off.
fn configuration(plan: &Plan) -> String {
    let layout = plan.layout();
    let data = layout.data(Component::Runtime);
    let quoted = |path: &Path| format!("\"{}\"", path.display());
    let general = format!(
        "root = {root}\nstate = {state}\n\n[grpc]\n  address = {socket}\n\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = {opt}\n\n",
        root = quoted(&layout.store()),
        state = quoted(&layout.runtime_state()),
        socket = quoted(&plan.cri_socket()),
        opt = quoted(&data.join("opt")),
    );
    let hosts = quoted(&layout.config("hosts"));
    let conf_dir = quoted(&layout.config("cni"));
    let cni = quoted(&plan.programs.cni);
    let runc = quoted(&plan.programs.runc.join("runc"));
    let systemd = plan.cgroup_driver.is_systemd();
    if plan.runtime.version().starts_with("1.") {
        let cri = "[plugins.\"io.containerd.grpc.v1.cri\"";
        format!(
            "version = 2\n{general}\
             {cri}]\n  sandbox_image = \"{PAUSE_IMAGE}\"\n  restrict_oom_score_adj = true\n  disable_apparmor = true\n\
             {cri}.registry]\n  config_path = {hosts}\n\
             {cri}.cni]\n  bin_dir = {cni}\n  conf_dir = {conf_dir}\n\
             {cri}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
             {cri}.containerd.runtimes.runc.options]\n  BinaryName = {runc}\n  SystemdCgroup = {systemd}\n"
        )
    } else {
        let images = "[plugins.\"io.containerd.cri.v1.images\"";
        let runtime = "[plugins.\"io.containerd.cri.v1.runtime\"";
        format!(
            "version = 3\n{general}\
             {images}.pinned_images]\n  sandbox = \"{PAUSE_IMAGE}\"\n\
             {images}.registry]\n  config_path = {hosts}\n\
             {runtime}]\n  restrict_oom_score_adj = true\n  disable_apparmor = true\n\
             {runtime}.cni]\n  bin_dirs = [{cni}]\n  conf_dir = {conf_dir}\n\
             {runtime}.containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
             {runtime}.containerd.runtimes.runc.options]\n  BinaryName = {runc}\n  SystemdCgroup = {systemd}\n"
        )
    }
}

/// The pulls of an image in containerd's log.
pub fn pulls(image: &str, log: &str) -> Pulls {
    // Of the words in the line's text; the text is quoted, and quotes in it are escaped.
    let begun = format!(r#" msg="PullImage \"{image}\"""#);
    let failed = format!(r#" msg="PullImage \"{image}\" failed""#);
    let mut pulls = Pulls::default();
    for line in log.lines() {
        if line.contains(&failed) {
            let (_, quoted) = line.split_once(" error=").unwrap_or_default();
            pulls.errors.push(unquoted(quoted));
        } else if line.contains(&begun) && line.contains("level=info") {
            pulls.begun += 1;
        }
    }
    pulls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_counted_by_image() {
        let log = concat!(
            r#"time="2026-01-01T00:00:00Z" level=info msg="PullImage \"h/a:1\"""#,
            "\n",
            r#"time="2026-01-01T00:00:00Z" level=info msg="PullImage \"h/a:12\"""#,
            "\n",
            r#"time="2026-01-01T00:00:01Z" level=error msg="PullImage \"h/a:1\" failed" error="rpc error: code = NotFound desc = \"h/a:1\": not found\n<x>""#,
            "\n",
            r#"time="2026-01-01T00:00:02Z" level=info msg="PullImage \"h/a:1\" returns image reference""#,
            "\n",
            r#"time="2026-01-01T00:00:03Z" level=info msg="PullImage \"h/a:1\"" name=x"#,
        );
        let expected = Pulls {
            begun: 2,
            errors: vec!["rpc error: code = NotFound desc = \"h/a:1\": not found\n<x>".to_owned()],
        };
        assert_eq!(pulls("h/a:1", log), expected);
        assert_eq!(pulls("h/b:1", log), Pulls::default());
    }
}
