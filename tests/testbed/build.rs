//! Compiles `.proto` files into `OUT_DIR`, without a `protoc` binary: the device plugin API, and what the agent reads of the kubelet's
//! own Pod service and of CRI.
#![allow(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=../../proto");
    let files = [
        "cri.proto",
        "deviceplugin.proto",
        "kubelet_pods.proto",
        "pod.proto",
    ];
    let descriptors = protox::compile(files, ["proto", "../../proto"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
