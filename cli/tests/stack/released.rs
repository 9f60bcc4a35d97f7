//! A release where it is used: the archive, unpacked in a Debian that has a shell and little else, runs `demo`, deploys, and takes away again.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k2m_testkit::Debian;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::driver::{Account, seen};
use crate::story::remains;

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", seen(&output));
    output
}

/// Says where a release is that is made already.
const RELEASE: &str = "K2M_RELEASE";

/// Puts a release into a folder: the one that is named, or else the `k2m` and the `bootstrap` that the tests run, packed.
fn release(out: &Path) {
    if let Some(folder) = std::env::var_os(RELEASE) {
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{RELEASE}: {}: {error}", folder.display()));
        for file in files {
            let file = file.unwrap();
            std::fs::copy(file.path(), out.join(file.file_name())).unwrap();
        }
        return;
    }
    let beside = Path::new(env!("CARGO_BIN_EXE_k2m")).parent().unwrap();
    let built = tempfile::tempdir().unwrap();
    for name in ["k2m", "bootstrap"] {
        std::fs::copy(beside.join(name), built.path().join(name)).unwrap();
    }
    let xtask = beside.join("xtask");
    assert!(
        xtask.exists(),
        "{} is missing: run the tests with scripts/test, or build the whole --workspace first",
        xtask.display()
    );
    done(
        Command::new(xtask)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["dist", "--built"])
            .arg(built.path())
            .arg("--out")
            .arg(out),
    );
}

#[test]
fn the_archive_unpacked_in_an_empty_debian_deploys_without_rust() {
    let debian = Debian::new().unwrap();
    release(debian.shared());
    let tools = done(&mut debian.command(
        "for name in cargo rustc cc python3 docker; do command -v $name || :; done",
        &[],
    ));
    assert_eq!(String::from_utf8(tools.stdout).unwrap(), "", "the Debian is not empty");
    // A release carries handlers for both processors, and would rather deploy the one that can't run here.
    let architecture = std::env::consts::ARCH.replace("aarch64", "arm64");
    let archive = format!("k2m-{}-{architecture}-linux.tar.gz", env!("CARGO_PKG_VERSION"));
    done(&mut debian.command("sha256sum --check --strict SHA256SUMS && tar xzf $1", &[&archive]));
    let k2m = |arguments: &[&str]| debian.command("exec k2m-*-linux/k2m \"$@\"", arguments);
    let demo = String::from_utf8(done(&mut k2m(&["demo"])).stdout).unwrap();
    assert!(demo.trim_end().ends_with(" lost 0"), "{demo}");

    let account = Account::new(&["orders"]);
    let in_account = |arguments: &[&str]| {
        let output = done(k2m(arguments).envs(account.emulator.environment()));
        String::from_utf8(output.stdout).unwrap()
    };
    let more = ["--architecture", &architecture, "--yes", "-o", "json"];
    let deploy = account.on("deploy", "orders", &more);
    let deployed: Value = serde_json::from_str(&in_account(&deploy)).unwrap();
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put", "orders", "0", "5000"]);
    assert_eq!(account.arrived("orders", 5_000), (0..5_000).collect::<Vec<_>>());

    // What runs there is what the executable carries, and lies beside it for whoever deploys by other means.
    let functions = account.call("lambda", "list_functions", &json!({}));
    let function = &functions["Functions"][0];
    assert_eq!(function["Architectures"], json!([architecture]));
    let zip = format!("bootstrap-{}-{architecture}.zip", env!("CARGO_PKG_VERSION"));
    let zip = std::fs::read(debian.shared().join(zip)).unwrap();
    assert_eq!(
        function["CodeSha256"],
        STANDARD.encode(Sha256::digest(zip)),
        "{function:#}"
    );

    let again: Value = serde_json::from_str(&in_account(&deploy)).unwrap();
    assert_eq!(again["status"], "unchanged", "{again:#}");
    in_account(&account.on("destroy", "orders", &["--yes"]));
    assert_eq!(remains(&account), json!({}));
}
