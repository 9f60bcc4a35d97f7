//! What the examples of producers become in Kafka, message by message.

use std::fmt::Write as _;
use std::path::PathBuf;

use k2m_testkit::clerk::Message;
use k2m_testkit::{Clerk, KafkaCluster};

use crate::driver::Run;

/// The folder, and its topics.
const EXAMPLES: [(&str, &[&str]); 5] = [
    ("cloudwatch-logs", &["application-logs"]),
    ("pinpoint-events", &["app-events", "app-campaigns", "app-sessions"]),
    ("dms", &["shop-changes", "shop-customers", "shop-orders"]),
    ("dynamodb", &["order-table"]),
    ("iot-rules", &["telemetry"]),
];

#[test]
fn each_example_becomes_the_messages_that_it_is_for() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    let bootstrap = kafka.bootstrap_servers();
    let clerk = Clerk::start().expect("the clerk");
    let mut said = String::new();
    for (example, topics) in EXAMPLES {
        for topic in topics {
            kafka.create_topic(topic, 1, 1, &[]).expect("a topic");
        }
        let file = |name: &str| -> String {
            let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "examples", example, name]
                .iter()
                .collect();
            path.to_str().expect("UTF-8").to_owned()
        };
        let (config, input) = (file("k2m.yaml"), file("records.jsonl"));
        let arguments = [
            "--config",
            &config,
            "--input",
            &input,
            "--bootstrap-servers",
            &bootstrap,
        ];
        let ended = Run::start(&arguments).end();
        assert_eq!(ended.code, Some(0), "{example}: {}", ended.told());
        writeln!(said, "# {example}").expect("a text");
        for topic in topics {
            for message in clerk.read(&bootstrap, topic).expect("the topic can be read") {
                writeln!(said, "{topic} {}", shown(&message)).expect("a text");
            }
        }
    }
    insta::assert_snapshot!(said);
}

fn shown(message: &Message) -> String {
    let headers: Vec<String> = message
        .headers
        .iter()
        // These are of this run.
        .filter(|(name, _)| !matches!(name.as_str(), "k2m-shard" | "k2m-sequence"))
        .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or_default()))
        .collect();
    format!(
        "@{} {:?} -> {:?} [{}]",
        message.timestamp,
        message.key.as_deref().unwrap_or_default(),
        message.value.as_deref().unwrap_or_default(),
        headers.join(" ")
    )
}
