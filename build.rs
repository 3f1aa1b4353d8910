//! Compiles the `.proto` files of `proto/` into `OUT_DIR`: no `protoc` binary, nothing written into `src/`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(["cri.proto", "kubelet_pods.proto", "pod.proto"], ["proto"])?;

    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        // A Pod's bytes stay in the buffer they came in.
        .bytes(".v1alpha1")
        .compile_fds(descriptors)?;
    Ok(())
}
