//! Deliveries to Apache Kafka through a listener that checks IAM tokens.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k2m_handler::batch;
use k2m_handler::config::{Config, Region};
use k2m_handler::event::decode;
use k2m_handler::invocation::Deliver;
use k2m_handler::kafka::iam::{credentials, token};
use k2m_handler::kafka::{KafkaProducer, Surroundings};
use k2m_testkit::{KafkaCluster, KafkaVersion, readback, wait_until};
use rdkafka::ClientConfig;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use tokio::time::Instant;

use crate::runtime_api::{Outcome, invoke};

/// The function's time-out: what fails does so at its end.
const TIME_OUT: Duration = Duration::from_secs(8);

const REGION: &str = "eu-central-1";
const KEY_ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const SESSION: (&str, &str) = ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEsession/token==");

fn variable(name: &str) -> Option<String> {
    let found = [KEY_ID, SECRET, SESSION].into_iter().find(|(it, _)| *it == name);
    found.map(|(_, value)| value.to_owned())
}

/// A batch of records with these sequence numbers, which arrived just now: Kafka removes at once what is older than the topic keeps.
fn event(sequence_numbers: Range<u32>) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let records: Vec<String> = sequence_numbers
        .map(|number| {
            format!(
                r#"{{"eventSource":"aws:kinesis","eventID":"shardId-000000000000:{number}","eventSourceARN":"arn:aws:kinesis:eu-central-1:111122223333:stream/orders",
                "kinesis":{{"partitionKey":"k{}","sequenceNumber":"{number}","data":"aGk=","approximateArrivalTimestamp":{now}}}}}"#,
                number % 7
            )
        })
        .collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

fn cluster(version: KafkaVersion) -> KafkaCluster {
    let builder = KafkaCluster::builder().version(version).tls(true).iam(REGION);
    let cluster = builder.start().expect("the broker starts");
    cluster.create_topic("orders", 3, 1, &[]).expect("the topic is created");
    cluster
}

fn stored(cluster: &KafkaCluster) -> (u64, u64) {
    let read = readback(&cluster.bootstrap_servers(), "orders").expect("the topic can be read");
    (read.messages, read.distinct)
}

/// Runs the function once with these variables, for records with these sequence numbers.
fn function(cluster: &KafkaCluster, servers: &str, more: &[(&str, &str)], sequence_numbers: Range<u32>) -> Outcome {
    let ca = cluster.ca_file().expect("there is TLS").display().to_string();
    let common = [
        ("K2M_BOOTSTRAP_SERVERS", servers),
        ("K2M_TOPIC", "orders"),
        ("K2M_CA_FILE", &ca),
        ("K2M_LOG", "debug"),
    ];
    let outcome = invoke(&[&common, more].concat(), &event(sequence_numbers), TIME_OUT);
    for secret in [SECRET.1, SESSION.1, "X-Amz-Signature", "aHR0cHM6Ly9rYWZrYS"] {
        assert!(!outcome.output.contains(secret), "{}", outcome.output);
    }
    outcome
}

fn assert_delivered(outcome: &Outcome) {
    assert_eq!(outcome.answer, r#"{"batchItemFailures":[]}"#, "{}", outcome.output);
}

/// The batch failed from its first record on, and the summary says why in our words and in librdkafka's.
fn assert_failed(outcome: &Outcome, first: u32, ours: &str, librdkafka: &str) {
    let answer = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{first}"}}]}}"#);
    assert_eq!(outcome.answer, answer, "{}", outcome.output);
    assert!(outcome.summary("reason").contains(ours), "{}", outcome.output);
    assert!(outcome.summary("librdkafka").contains(librdkafka), "{}", outcome.output);
}

#[test]
fn the_function_delivers_with_its_role_and_says_why_it_can_t() {
    let cluster = cluster(KafkaVersion::V4);
    let servers = cluster.iam_bootstrap_servers().expect("there is IAM");
    let tls = cluster.tls_bootstrap_servers().expect("there is TLS");
    let iam = ("K2M_AUTHENTICATION", "iam");
    let (own, elsewhere) = (("AWS_REGION", REGION), ("AWS_REGION", "us-east-1"));

    let outcome = function(&cluster, &servers, &[iam, own, KEY_ID, SECRET, SESSION], 0..500);
    assert_delivered(&outcome);
    assert_eq!(stored(&cluster), (500, 500));

    // A function in another region than the cluster, which nobody told it.
    let outcome = function(&cluster, &servers, &[iam, elsewhere, KEY_ID, SECRET, SESSION], 500..600);
    let ours = "check that K2M_CLUSTER_REGION is the cluster's region";
    assert_failed(&outcome, 500, ours, "Access denied");
    let log = std::fs::read_to_string(cluster.log_file(1).expect("the id is right")).expect("there is a log");
    let why = "IAM token refused: host is kafka.us-east-1.amazonaws.com";
    assert!(log.contains(why), "{log}");

    // The same once it is told, here with keys that last.
    let told = ("K2M_CLUSTER_REGION", REGION);
    let outcome = function(&cluster, &servers, &[iam, elsewhere, told, KEY_ID, SECRET], 500..600);
    assert_delivered(&outcome);
    assert_eq!(stored(&cluster), (600, 600));

    let outcome = function(&cluster, &servers, &[iam, own], 600..601);
    let ours = "no IAM token can be made: AWS_ACCESS_KEY_ID is not set: Lambda sets it from the function's role";
    assert_failed(&outcome, 600, ours, "");

    // A port that speaks TLS and nothing else.
    let outcome = function(&cluster, &tls, &[iam, own, KEY_ID, SECRET, SESSION], 600..601);
    assert_failed(&outcome, 600, "this port does not take this way of authentication", "");

    // TLS alone asks for no token and hears of none.
    let outcome = function(&cluster, &tls, &[("K2M_AUTHENTICATION", "tls")], 600..700);
    assert_delivered(&outcome);
    assert!(!outcome.output.to_lowercase().contains("token"), "{}", outcome.output);
    assert_eq!(stored(&cluster), (700, 700));
}

/// Credentials that don't change, and a clock that can be put forward.
#[derive(Default)]
struct Sandbox {
    ahead_seconds: AtomicU64,
    tokens: AtomicU64,
}

impl Surroundings for Sandbox {
    fn variable(&self, name: &str) -> Option<String> {
        if name == KEY_ID.0 {
            self.tokens.fetch_add(1, Ordering::Relaxed);
        }
        variable(name)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead_seconds.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_sandbox_that_slept_through_its_token_begins_with_a_new_one() {
    let cluster = cluster(KafkaVersion::V3);
    let servers = cluster.iam_bootstrap_servers().expect("there is IAM");
    let ca = cluster.ca_file().expect("there is TLS").display().to_string();
    let variables = [
        ("K2M_BOOTSTRAP_SERVERS", servers.as_str()),
        ("K2M_TOPIC", "orders"),
        ("K2M_CA_FILE", &ca),
        ("K2M_AUTHENTICATION", "iam"),
        ("K2M_CLUSTER_REGION", REGION),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_env(variables).expect("a good configuration");
    let sandbox = Arc::new(Sandbox::default());
    let mut producer = KafkaProducer::new(config, None).with_surroundings(sandbox.clone());

    // A producer makes two: one to see that it can, one when librdkafka asks.
    for (slept, sequence_numbers, tokens) in [(0, 0..10, 2), (50, 10..20, 2), (900, 20..30, 4)] {
        sandbox.ahead_seconds.fetch_add(slept, Ordering::Relaxed);
        let payload = event(sequence_numbers);
        let records = decode(payload.as_bytes()).expect("a Kinesis event");
        let delivery = producer
            .deliver(&records, Instant::now() + Duration::from_secs(30))
            .await;
        assert_eq!(
            (delivery.failure, delivery.outcomes),
            (None, vec![batch::Outcome::Acknowledged; 10])
        );
        assert_eq!(
            sandbox.tokens.load(Ordering::Relaxed),
            tokens,
            "after {slept} s of sleep"
        );
    }
    assert_eq!(stored(&cluster), (30, 30));
}

/// A client that shows this token, whatever it is, and remembers what it is told.
struct Shown {
    token: String,
    told: Mutex<Option<String>>,
}

impl ClientContext for Shown {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, error: KafkaError, reason: &str) {
        let mut told = self.told.lock().expect("no panic with the lock");
        told.get_or_insert_with(|| format!("{error}: {reason}"));
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let later = (SystemTime::now() + Duration::from_mins(15)).duration_since(UNIX_EPOCH)?;
        Ok(OAuthToken {
            token: self.token.clone(),
            principal_name: "test".to_owned(),
            lifetime_ms: i64::try_from(later.as_millis())?,
        })
    }
}

impl ProducerContext for Shown {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What the broker says to a client with this token: nothing, once it is let in.
fn refusal(cluster: &KafkaCluster, token: String) -> Option<String> {
    let shown = Shown {
        token,
        told: Mutex::new(None),
    };
    let producer: BaseProducer<Shown> = ClientConfig::new()
        .set(
            "bootstrap.servers",
            cluster.iam_bootstrap_servers().expect("there is IAM"),
        )
        .set(
            "ssl.ca.location",
            cluster.ca_file().expect("there is TLS").to_string_lossy(),
        )
        .set("security.protocol", "sasl_ssl")
        .set("sasl.mechanisms", "OAUTHBEARER")
        .create_with_context(shown)
        .expect("the settings are right");
    let told = || producer.context().told.lock().expect("no panic with the lock").clone();
    wait_until(
        "the broker lets the client in or doesn't",
        Duration::from_secs(30),
        || {
            producer.poll(Duration::from_millis(50));
            let inside = producer
                .client()
                .fetch_metadata(Some("orders"), Duration::from_millis(200))
                .is_ok();
            Ok(inside || told().is_some())
        },
    )
    .expect("it answers");
    told()
}

/// The listener that the other tests rest on is no open door.
#[test]
fn the_test_broker_refuses_what_msk_would() {
    let cluster = cluster(KafkaVersion::V4);
    let region = Region::new("region", REGION).expect("a region");
    let made = |age: u64| {
        let then = SystemTime::now() - Duration::from_secs(age);
        token(credentials(variable).expect("all are set"), &region, then)
            .expect("a token")
            .value
    };
    let altered = |from: &str, to: &str| {
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(made(0)).expect("base64")).expect("UTF-8");
        assert!(url.contains(from), "{url}");
        URL_SAFE_NO_PAD.encode(url.replace(from, to))
    };
    let good = [made(0), made(890)];
    let bad = [
        ("expired token of ", made(901)),
        (
            "Action is ",
            altered("kafka-cluster%3AConnect", "kafka-cluster%3ADescribeCluster"),
        ),
        ("host is ", altered(REGION, "eu-west-1")),
        ("scope's region is ", altered("%2Feu-central-1%2F", "%2Feu-west-1%2F")),
        ("scope's service is ", altered("%2Fkafka-cluster%2F", "%2Fkafka%2F")),
        ("X-Amz-Algorithm is ", altered("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")),
        ("X-Amz-Expires is ", altered("X-Amz-Expires=900", "X-Amz-Expires=901")),
        ("X-Amz-Signature is ", altered("X-Amz-Signature=", "X-Amz-Sig=")),
        ("User-Agent is ", altered("&User-Agent=", "&Agent=")),
    ];
    for token in good {
        assert_eq!(refusal(&cluster, token), None);
    }
    for (reason, token) in bad {
        let told = refusal(&cluster, token).unwrap_or_else(|| panic!("let in, although {reason}wrong"));
        assert!(told.contains("Access denied"), "{reason}: {told}");
        let log = std::fs::read_to_string(cluster.log_file(1).expect("the id is right")).expect("there is a log");
        assert!(log.contains(&format!("IAM token refused: {reason}")), "{reason}: {log}");
    }
}
