//! The `pullwarden` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    pullwarden::cli::main(std::env::args_os())
}
