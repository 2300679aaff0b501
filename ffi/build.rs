//! The shared library's name at run time, and that it stays once loaded: its sampling thread and its thread-local
//! destructors must never lose their code.

fn main() {
    let version = |part: &str| std::env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default();
    // Until 1.0 every minor version may change the interface.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libeco2.so.{}.{}", version("MAJOR"), version("MINOR"));
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
