//! What the `bootstrap` binary needs of the machine it runs on: `provided.al2023` has glibc 2.34 and little else.

use std::process::Command;

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");

fn readelf(arguments: &[&str]) -> String {
    let output = Command::new("readelf")
        .args(arguments)
        .arg(BOOTSTRAP)
        .output()
        .expect("readelf, of Debian's binutils");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn needs_no_library_that_amazon_linux_lacks() {
    let needed: Vec<String> = readelf(&["--dynamic", "--wide"])
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned()))
        .collect();
    assert!(!needed.is_empty(), "a dynamic binary names the libraries it needs");
    for library in &needed {
        let known = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"]
            .iter()
            .any(|name| library.starts_with(name));
        assert!(known, "{library} is not on provided.al2023; needed: {needed:?}");
    }
}

#[test]
fn needs_no_newer_glibc_than_amazon_linux_has() {
    let symbols = readelf(&["--version-info", "--wide"]);
    let newest = symbols
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| {
            let version: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let (major, minor) = version.split_once('.')?;
            Some((
                major.parse::<u32>().ok()?,
                minor.split('.').next()?.parse::<u32>().ok()?,
            ))
        })
        .max()
        .expect("a dynamic binary names glibc versions");
    assert!(newest <= (2, 34), "newest symbol: GLIBC_{}.{}", newest.0, newest.1);
}

#[test]
fn started_by_hand_it_says_what_to_do_instead() {
    let output = Command::new(BOOTSTRAP)
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("`k2m run`"),
        "{output:?}"
    );
}
