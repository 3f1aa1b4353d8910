//! Compiles the agent's own `cri.proto` into `OUT_DIR`, as the agent's build script does.
#![allow(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/cri.proto");
    let descriptors = protox::compile(["cri.proto"], ["../../proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
