//! Leaves the symbols out of `bootstrap`: a sixth of what is uploaded, and of no use in a sandbox. Other programs keep theirs, for profiles.

fn main() {
    println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,--strip-all");
    println!("cargo::rerun-if-changed=build.rs");
}
