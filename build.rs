//! Says in one sentence that only Linux has what tcpgauge reads, and has the static binary linked small.

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
    // A static binary moves itself to where it was loaded. Packed, what it needs for that is a hundredth, and none of it stays in memory.
    // On other systems it takes a C library that knows of it, and on other processors a newer linker.
    let is = |key: &str, value| std::env::var(key).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
