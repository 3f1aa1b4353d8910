//! OCI images with one program, made in memory.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of an image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes and their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let hex: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Self {
            digest: format!("sha256:{hex}"),
            bytes,
        }
    }

    /// What names the bytes in a manifest or an index.
    pub fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image: its entrypoint is the test program, its command `pause`.
#[derive(Debug, Clone)]
pub struct Image {
    /// The layers, and last the configuration.
    pub blobs: Vec<Blob>,
    /// The manifest that names them.
    pub manifest: Blob,
}

impl Image {
    /// An image of the program in `folder`; `extra` random bytes, if any, are a layer of their own.
    pub fn new(folder: &Path, extra: usize) -> Result<Self> {
        let path = folder.join("testimage");
        let program = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut layers = vec![layer("testimage", 0o755, &program)?];
        if extra > 0 {
            let mut bytes = Vec::with_capacity(extra);
            fs::File::open("/dev/urandom")
                .and_then(|file| file.take(extra as u64).read_to_end(&mut bytes))
                .context("reading /dev/urandom")?;
            layers.push(layer("ballast", 0o644, &bytes)?);
        }
        Self::of(layers)
    }

    /// The image that is shipped: one program that needs nothing else.
    pub fn of_agent(program: &Path) -> Result<Self> {
        Self::of_program(program, "pullwarden")
    }

    /// An image of one program at this path, which it runs.
    pub fn of_program(program: &Path, path: &str) -> Result<Self> {
        let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        Self::with(
            architecture(),
            &json!({"Entrypoint": [format!("/{path}")]}),
            vec![layer(path, 0o755, &bytes)?],
        )
    }

    /// The same image, but its configuration says that it is for another architecture.
    pub fn for_another_architecture(&self) -> Result<Self> {
        let mut layers = self.blobs.clone();
        layers.pop();
        Self::with_architecture("s390x", layers)
    }

    /// The configuration's digest.
    pub fn config(&self) -> Option<&str> {
        self.blobs.last().map(|blob| blob.digest.as_str())
    }

    /// The last layer's digest.
    pub fn last_layer(&self) -> Option<&str> {
        let last = self.blobs.len().checked_sub(2)?;
        self.blobs.get(last).map(|blob| blob.digest.as_str())
    }

    fn of(layers: Vec<Blob>) -> Result<Self> {
        Self::with_architecture(architecture(), layers)
    }

    fn with_architecture(architecture: &str, layers: Vec<Blob>) -> Result<Self> {
        let config = json!({"Entrypoint": ["/testimage"], "Cmd": ["pause"]});
        Self::with(architecture, &config, layers)
    }

    fn with(architecture: &str, config: &Value, layers: Vec<Blob>) -> Result<Self> {
        let diffs: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let config = Blob::new(serde_json::to_vec(&json!({
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }))?);
        let manifest = Blob::new(serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": layers.iter().map(|l| l.descriptor(LAYER)).collect::<Vec<_>>(),
        }))?);
        let mut blobs = layers;
        blobs.push(config);
        Ok(Self { blobs, manifest })
    }

    /// The image as an archive in OCI layout, for `ctr images import`.
    pub fn archive(&self, reference: &str) -> Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in self.layout(reference)? {
            append(&mut tar, &path, 0o644, &bytes)?;
        }
        tar.into_inner().context("ending the image's archive")
    }

    /// Writes the image as a folder in OCI layout.
    fn write_layout(&self, reference: &str, folder: &Path) -> Result<()> {
        for (path, bytes) in self.layout(reference)? {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
            fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Pushes the image with the program `crane`, which has the credentials that docker keeps, and
    /// returns its name with its digest. The image is written to the folder `layout` first.
    pub fn push(&self, reference: &str, layout: &Path, mut crane: Command) -> Result<String> {
        // An earlier image would be pushed too.
        if layout.exists() {
            fs::remove_dir_all(layout).with_context(|| format!("removing {}", layout.display()))?;
        }
        self.write_layout(reference, layout)?;
        crane.arg("push").arg(layout).arg(reference);
        let output = crane.output().context("running crane")?;
        ensure!(
            output.status.success(),
            "pushing {reference} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Files of the OCI layout, by their paths.
    fn layout(&self, reference: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut manifest = self.manifest.descriptor(MANIFEST);
        manifest["annotations"] = json!({"io.containerd.image.name": reference});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
        let mut files = vec![
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
            ("index.json".to_owned(), serde_json::to_vec(&index)?),
        ];
        let blobs = self.blobs.iter().chain([&self.manifest]);
        files.extend(blobs.map(|blob| {
            let path = format!("blobs/{}", blob.digest.replace(':', "/"));
            (path, blob.bytes.clone())
        }));
        Ok(files)
    }
}

/// What Go and OCI call the architecture that this runs on.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn layer(name: &str, mode: u32, content: &[u8]) -> Result<Blob> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, name, mode, content)?;
    Ok(Blob::new(tar.into_inner().context("ending a layer")?))
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, name, content)
        .with_context(|| format!("adding {name} to an archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_what_there_is() -> Result<()> {
        let image = Image::of(vec![
            layer("a", 0o755, b"program")?,
            layer("b", 0o644, b"more")?,
        ])?;
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes)?;
        let [first, second, config] = &image.blobs[..] else {
            anyhow::bail!("two layers and a configuration, not {}", image.blobs.len());
        };
        assert_eq!(manifest["config"]["digest"], config.digest.as_str());
        assert_eq!(manifest["layers"][0]["digest"], first.digest.as_str());
        assert_eq!(manifest["layers"][1]["size"], second.bytes.len());
        let config: Value = serde_json::from_slice(&config.bytes)?;
        assert_eq!(config["rootfs"]["diff_ids"][1], second.digest.as_str());
        Ok(())
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        assert_eq!(
            Blob::new(b"abc".to_vec()).digest,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
