//! Which partitions other clients choose for keys, told by sending them.

use std::fmt::Write as _;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, KafkaVersion, Result, ground};

const JAVA: &str = include_str!("../kafka/Partitions.java");
const PYTHON: &str = include_str!("../python/partitions.py");

/// A client that isn't k2m's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherClient {
    /// Kafka's own, for Java.
    Java,
    /// confluent-kafka for Python, with the partitioner `murmur2_random`.
    Confluent,
}

/// Sends a record for each key to `topic`, in plaintext; `None` is no key. Answers the partition of each.
pub fn partitions(client: OtherClient, bootstrap: &str, topic: &str, keys: &[Option<Vec<u8>>]) -> Result<Vec<i32>> {
    let folder = tempfile::tempdir().map_err(Error::io("create a temporary folder"))?;
    let lines = keys.iter().fold(String::new(), |mut lines, key| {
        let key = key.as_ref().map_or("-".to_owned(), |key| STANDARD.encode(key));
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{key}");
        lines
    });
    let path = folder.path().join("keys");
    std::fs::write(&path, lines).map_err(Error::io(format!("write {}", path.display())))?;
    let mut command = match client {
        OtherClient::Java => {
            let mut command = Command::new("java");
            command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
            command
                .arg("-cp")
                .arg(ground::kafka_libs(KafkaVersion::default())?.join("*"));
            command.arg(ground::script("Partitions.java", JAVA)?);
            command
        }
        OtherClient::Confluent => {
            let mut command = Command::new(ground::python()?);
            command.arg(ground::script("partitions.py", PYTHON)?);
            command
        }
    };
    let printed = ground::run(command.args([bootstrap, topic]).arg(&path))?;
    serde_json::from_slice(&printed).map_err(|source| Error::Report {
        source,
        text: String::from_utf8_lossy(&printed).into_owned(),
    })
}
