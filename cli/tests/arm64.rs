//! The handler for arm64, on a machine that is none: qemu runs it, `k2m run` is its Lambda, real Apache Kafka takes what it sends.
//!
//! Compiling it takes minutes and compilers of its own, so this is no part of `cargo test`: `scripts/check-arm64` does both, in the gate and for each release.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use k2m_testkit::{KafkaCluster, ReadbackRequest, ground};
use serde_json::{Value, json};

/// Says where the handler is.
const BOOTSTRAP: &str = "K2M_ARM64_BOOTSTRAP";
/// Where an ELF file says what it runs on, and what arm64 is there.
const MACHINE: (std::ops::Range<usize>, [u8; 2]) = (18..20, [183, 0]);

/// A program that runs the handler as if it were this machine's, in `folder`.
fn handler(folder: &Path) -> PathBuf {
    let bootstrap = std::env::var_os(BOOTSTRAP).map(PathBuf::from);
    let bootstrap = bootstrap.unwrap_or_else(|| panic!("{BOOTSTRAP} is not set: run scripts/check-arm64"));
    let binary = std::fs::read(&bootstrap).unwrap_or_else(|error| panic!("{BOOTSTRAP}: {bootstrap:?}: {error}"));
    let (place, arm64) = MACHINE;
    assert_eq!(
        binary.get(place),
        Some(&arm64[..]),
        "{bootstrap:?} is no handler for arm64"
    );

    // As little as it finds in Lambda's own image, but for authorities of certificates: a C library.
    let packages = [
        "base-files",
        "libc6:arm64",
        "libgcc-s1:arm64",
        "qemu-user-static+qemu-user",
    ];
    let root = ground::debian("arm64", &packages).expect("an arm64 system");
    let qemu = ["qemu-aarch64-static", "qemu-aarch64"].map(|name| root.join("usr/bin").join(name));
    let qemu = qemu
        .iter()
        .find(|path| path.is_file())
        .expect("qemu is among the packages");
    let program = folder.join("bootstrap");
    let script = format!(
        "#!/bin/sh\nexec '{}' -L '{}' '{}'\n",
        qemu.display(),
        root.display(),
        bootstrap.display()
    );
    std::fs::write(&program, script).expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    program
}

#[test]
fn what_the_handler_for_arm64_sends_is_in_kafka() {
    let folder = tempfile::tempdir().expect("a folder");
    let handler = handler(folder.path());
    let input = folder.path().join("records.jsonl");
    let records = (0..5_000).map(|n| json!({"partitionKey": format!("key-{}", n % 50), "data": format!("{n:0>300}")}));
    let records: Vec<String> = records.map(|record| record.to_string()).collect();
    std::fs::write(&input, records.join("\n")).expect("a file");
    let kafka = KafkaCluster::builder().tls(true).start().expect("a broker");
    let ca = kafka
        .ca_file()
        .expect("an authority")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let tls = kafka.tls_bootstrap_servers().expect("a TLS listener");

    // What is written in C and in assembly for one processor each: cryptography, and each compression.
    for (topic, more) in [
        (
            "plain",
            vec![
                "--bootstrap-servers",
                &kafka.bootstrap_servers(),
                "--compression",
                "zstd",
            ],
        ),
        (
            "secret",
            vec!["--bootstrap-servers", &tls, "--ca-file", &ca, "--compression", "gzip"],
        ),
    ] {
        kafka.create_topic(topic, 3, 1, &[]).expect("a topic");
        let output = Command::new(env!("CARGO_BIN_EXE_k2m"))
            .args(["run", "-o", "json", "--topic", topic, "--shards", "2", "--handler"])
            .arg(&handler)
            .arg("--input")
            .arg(&input)
            .arg("--handler-log")
            .arg(folder.path().join("handler.log"))
            .args(more)
            .output()
            .expect("k2m starts");
        let log = std::fs::read_to_string(folder.path().join("handler.log")).unwrap_or_default();
        let said = format!("{}\n{log}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(
            (output.status.code(), &summary["acknowledged"]),
            (Some(0), &json!(5_000)),
            "{summary}\n{said}"
        );
        let request = ReadbackRequest::new(&kafka.bootstrap_servers(), topic);
        let found = request.read().expect("the topic can be read");
        assert_eq!(
            (
                found.messages,
                found.distinct,
                found.keys_out_of_order,
                found.without_headers
            ),
            (5_000, 5_000, 0, 0),
            "{found:?}\n{said}"
        );
    }
}
