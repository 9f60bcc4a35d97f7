//! How `bootstrap` is linked, however it is built; other programs of the package keep their symbols, for profiles.

fn main() {
    // Symbols are a sixth of what is uploaded, and of no use in a sandbox.
    println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,--strip-all");
    // Position-independent, it has 34,000 addresses in the tables of OpenSSL and librdkafka to be filled in before `main`: half a millisecond of
    // each cold start, and as many pages that are no longer shared with the file. Stack, heap and libraries stay where chance puts them.
    println!("cargo::rustc-link-arg-bin=bootstrap=-no-pie");
    // Texts that end alike are kept once: 0.6 % of what is uploaded.
    println!("cargo::rustc-link-arg-bin=bootstrap=-Wl,-O2");
    println!("cargo::rerun-if-changed=build.rs");
}
