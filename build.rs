//! Says in one sentence that only Linux has what tcpgauge reads.

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        println!(
            "cargo::error=tcpgauge reads TCP socket states from Linux's /proc, so it builds for Linux targets only (for example --target x86_64-unknown-linux-musl)."
        );
    }
}
