//! Compiles the device plugin API's `.proto` file into `OUT_DIR`, without a `protoc` binary.
#![allow(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["deviceplugin.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
