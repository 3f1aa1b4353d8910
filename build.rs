//! Compiles the `.proto` files of `proto/` into `OUT_DIR`: no `protoc` binary, nothing written into `src/`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(["cri.proto", "kubelet_pods.proto", "pod.proto"], ["proto"])?;

    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        // A Pod's bytes stay in the buffer they came in.
        .bytes(".v1alpha1")
        .compile_fds(descriptors.clone())?;

    // The same messages with the server's half, for the fakes of the flow tests; the agent never includes it.
    let fakes = out.join("fakes");
    std::fs::create_dir_all(&fakes)?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .out_dir(&fakes)
        .compile_fds(descriptors)?;
    Ok(())
}
