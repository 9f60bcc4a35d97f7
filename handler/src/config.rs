//! The function's configuration: environment variables in, one checked value out. Pure: the caller reads the environment.

mod authentication;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use authentication::{Authentication, Region, SecretSource};

use crate::payload::{self, Compression, Decode, Key, Payload, Pointer, Split, Timestamp, TopicChoice, ValueForm};

/// What becomes of a record that the topic can never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnPoison {
    /// It is named, until the event source mapping gives it up to its failure destination.
    Block,
    /// It goes to this topic, whole, and the stream moves on.
    Divert(String),
}

/// Who says that a record is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeJudge {
    /// The brokers, whatever the function was told.
    Brokers,
    /// The function: the brokers that `k2m run` embeds take any size. No variable chooses it.
    Function,
}

/// What may be said in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures of whole invocations only.
    Error,
    /// Also what will be tried again.
    Warn,
    /// Also one summary line an invocation.
    Info,
    /// Also librdkafka's own notes.
    Debug,
}

impl LogLevel {
    /// Each with its word in `K2M_LOG`.
    const ALL: [(&str, Self); 4] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];
}

/// Everything the function needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port`, comma-separated, as librdkafka takes it.
    pub bootstrap_servers: String,
    /// The topic that records go to, unless the payload's choice is another.
    pub topic: String,
    /// How to speak to the brokers.
    pub authentication: Authentication,
    /// PEM bundle of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A secret with the certificate authority to trust instead of the system's.
    pub ca_secret: Option<SecretSource>,
    /// Bytes of the largest record batch the topic takes, as far as the deployment knew; `None`: Kafka's default. A hint: the brokers are
    /// the judge.
    pub max_message_bytes: Option<usize>,
    /// Who says that a record is too large.
    pub size_judge: SizeJudge,
    /// What becomes of a record that the topic can never take.
    pub on_poison: OnPoison,
    /// The function's time-out, where the deployment told it: no more can be left of an invocation, whatever the clocks say.
    pub time_out: Option<Duration>,
    /// After so long without an invocation the connections are taken to be dead.
    pub idle_limit: Duration,
    /// How long before the function's deadline the answer is given; `None`: a tenth of the time left, from 100 ms to 1 s.
    pub deadline_margin: Option<Duration>,
    /// What a record's data is taken for, and what its message is made of.
    pub payload: Payload,
    /// What may be said in the log.
    pub log: LogLevel,
    /// The name that brokers see in their logs and quotas.
    pub client_id: String,
}

/// A configuration that can't be used: which variable, what it holds, what it should hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A variable that has no default isn't set, or is empty.
    #[error("{variable} is not set: it takes {expected}")]
    Missing {
        /// The variable's name.
        variable: &'static str,
        /// What it takes, in words.
        expected: String,
    },
    /// A variable holds something that it can't.
    #[error("{variable} is {value:?}: it takes {expected}")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it takes, in words.
        expected: String,
    },
    /// A `K2M_` variable that nothing reads: a slip of the pen would otherwise be silently ignored.
    #[error("{variable} is not a variable of k2m: the known ones are {known}")]
    Unknown {
        /// The variable's name.
        variable: String,
        /// All known names.
        known: String,
    },
}

const BOOTSTRAP_SERVERS: &str = "K2M_BOOTSTRAP_SERVERS";
const TOPIC: &str = "K2M_TOPIC";
const AUTHENTICATION: &str = "K2M_AUTHENTICATION";
const CLUSTER_REGION: &str = "K2M_CLUSTER_REGION";
const SECRET_ARN: &str = "K2M_SECRET_ARN";
const SECRET_FILE: &str = "K2M_SECRET_FILE";
const CA_FILE: &str = "K2M_CA_FILE";
const CA_SECRET_ARN: &str = "K2M_CA_SECRET_ARN";
const MAX_MESSAGE_BYTES: &str = "K2M_MAX_MESSAGE_BYTES";
const ON_POISON: &str = "K2M_ON_POISON";
const DEAD_LETTER_TOPIC: &str = "K2M_DEAD_LETTER_TOPIC";
const TIMEOUT_MS: &str = "K2M_TIMEOUT_MS";
const IDLE_LIMIT_MS: &str = "K2M_IDLE_LIMIT_MS";
const DEADLINE_MARGIN_MS: &str = "K2M_DEADLINE_MARGIN_MS";
const DECODE: &str = "K2M_DECODE";
const KEY: &str = "K2M_KEY";
const TOPIC_POINTER: &str = "K2M_TOPIC_POINTER";
const TOPIC_MAP: &str = "K2M_TOPIC_MAP";
const VALUE: &str = "K2M_VALUE";
const TIMESTAMP: &str = "K2M_TIMESTAMP";
const HEADERS: &str = "K2M_HEADERS";
const COMPRESSION: &str = "K2M_COMPRESSION";
const LOG: &str = "K2M_LOG";

/// The function's own region, set by Lambda.
const AWS_REGION: &str = "AWS_REGION";

/// The variables the function reads, in the order of the documentation.
pub const VARIABLES: [&str; 23] = [
    BOOTSTRAP_SERVERS,
    TOPIC,
    AUTHENTICATION,
    CLUSTER_REGION,
    SECRET_ARN,
    SECRET_FILE,
    CA_FILE,
    CA_SECRET_ARN,
    MAX_MESSAGE_BYTES,
    ON_POISON,
    DEAD_LETTER_TOPIC,
    TIMEOUT_MS,
    IDLE_LIMIT_MS,
    DEADLINE_MARGIN_MS,
    DECODE,
    KEY,
    TOPIC_POINTER,
    TOPIC_MAP,
    VALUE,
    TIMESTAMP,
    HEADERS,
    COMPRESSION,
    LOG,
];

/// Shorter than what closes idle connections between Lambda and MSK: brokers do after ten minutes, network address translation and
/// connection tracking after 350 seconds.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// Longest name that Kafka accepts for a topic, in characters.
const TOPIC_MAX: usize = 249;

impl Config {
    /// Reads the configuration from `(name, value)` pairs; names that don't begin with `K2M_` are ignored, but for
    /// `AWS_LAMBDA_FUNCTION_NAME`, which becomes part of the client id, and `AWS_REGION`, the cluster's region unless
    /// `K2M_CLUSTER_REGION` says otherwise.
    ///
    /// # Errors
    /// The first variable, in the order of [`VARIABLES`], that is missing, holds a value it can't, or isn't known.
    pub fn from_env(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let all: BTreeMap<String, String> = variables.into_iter().collect();
        if let Some(unknown) = all
            .keys()
            .find(|name| name.starts_with("K2M_") && !VARIABLES.contains(&name.as_str()))
        {
            return Err(ConfigError::Unknown {
                variable: unknown.clone(),
                known: VARIABLES.join(", "),
            });
        }
        let get = |name: &str| all.get(name).map(String::as_str).filter(|value| !value.is_empty());

        let time_out = millis(TIMEOUT_MS, get(TIMEOUT_MS), 1, 900_000)?;
        let deadline_margin = millis(DEADLINE_MARGIN_MS, get(DEADLINE_MARGIN_MS), 100, 60_000)?;
        if let (Some(margin), Some(time_out)) = (deadline_margin, time_out)
            && margin >= time_out
        {
            return Err(ConfigError::Invalid {
                variable: DEADLINE_MARGIN_MS,
                value: margin.as_millis().to_string(),
                expected: format!(
                    "less than the function's time-out, {} milliseconds",
                    time_out.as_millis()
                ),
            });
        }
        let on_poison = on_poison(get(ON_POISON), get(DEAD_LETTER_TOPIC), get(TOPIC))?;
        let payload = payload(get)?;
        apart(&on_poison, payload.topic.as_ref())?;
        Ok(Self {
            bootstrap_servers: bootstrap_servers(get(BOOTSTRAP_SERVERS))?,
            topic: topic(TOPIC, get(TOPIC))?,
            authentication: authentication::read(get)?,
            ca_file: get(CA_FILE).map(PathBuf::from),
            ca_secret: authentication::ca_secret(get)?,
            max_message_bytes: number(MAX_MESSAGE_BYTES, get(MAX_MESSAGE_BYTES), 1_000, 100_000_000, "bytes")?,
            size_judge: SizeJudge::Brokers,
            on_poison,
            time_out,
            idle_limit: millis(IDLE_LIMIT_MS, get(IDLE_LIMIT_MS), 1, 3_600_000)?.unwrap_or(IDLE_LIMIT),
            deadline_margin,
            payload,
            log: word(LOG, get(LOG), &LogLevel::ALL)?.unwrap_or(LogLevel::Info),
            client_id: get("AWS_LAMBDA_FUNCTION_NAME").map_or_else(|| "k2m".to_owned(), |name| format!("k2m-{name}")),
        })
    }
}

fn bootstrap_servers(value: Option<&str>) -> Result<String, ConfigError> {
    let expected = || "host:port, several separated by commas".to_owned();
    let value = value.ok_or_else(|| ConfigError::Missing {
        variable: BOOTSTRAP_SERVERS,
        expected: expected(),
    })?;
    // A pasted list often has blanks or a comma at its end: harmless, so cleaned rather than refused.
    let servers: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|server| !server.is_empty())
        .collect();
    let well_formed = |server: &&str| {
        server.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(['/', ' ']) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if servers.is_empty() || !servers.iter().all(well_formed) {
        return Err(ConfigError::Invalid {
            variable: BOOTSTRAP_SERVERS,
            value: value.to_owned(),
            expected: expected(),
        });
    }
    Ok(servers.join(","))
}

fn topic(variable: &'static str, value: Option<&str>) -> Result<String, ConfigError> {
    let expected = || format!("a Kafka topic's name: 1 to {TOPIC_MAX} of the characters a-z A-Z 0-9 . _ -");
    let value = value.ok_or_else(|| ConfigError::Missing {
        variable,
        expected: expected(),
    })?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if value.is_empty() || value.len() > TOPIC_MAX || value == "." || value == ".." || !value.chars().all(allowed) {
        return Err(ConfigError::Invalid {
            variable,
            value: value.to_owned(),
            expected: expected(),
        });
    }
    Ok(value.to_owned())
}

/// `dead_letter` is checked also where it isn't needed: a slip would show only once it is.
fn on_poison(value: Option<&str>, dead_letter: Option<&str>, own: Option<&str>) -> Result<OnPoison, ConfigError> {
    let dead_letter = dead_letter
        .map(|name| topic(DEAD_LETTER_TOPIC, Some(name)))
        .transpose()?;
    match (value.unwrap_or("block"), dead_letter) {
        ("block", _) => Ok(OnPoison::Block),
        ("divert", Some(name)) if Some(name.as_str()) == own => Err(ConfigError::Invalid {
            variable: DEAD_LETTER_TOPIC,
            value: name,
            expected: format!("another topic than {TOPIC}, which can't take the record"),
        }),
        ("divert", Some(name)) => Ok(OnPoison::Divert(name)),
        ("divert", None) => topic(DEAD_LETTER_TOPIC, None).map(OnPoison::Divert),
        (other, _) => Err(ConfigError::Invalid {
            variable: ON_POISON,
            value: other.to_owned(),
            expected: "block or divert".to_owned(),
        }),
    }
}

/// Refuses a dead-letter topic that data can lead to: what a topic can't take would come back to it.
fn apart(on_poison: &OnPoison, choice: Option<&TopicChoice>) -> Result<(), ConfigError> {
    match (on_poison, choice) {
        (OnPoison::Divert(name), Some(choice)) if choice.topics.values().any(|topic| topic == name) => {
            Err(ConfigError::Invalid {
                variable: DEAD_LETTER_TOPIC,
                value: name.clone(),
                expected: format!("another topic than those of {TOPIC_MAP}, which can't take the record"),
            })
        }
        _ => Ok(()),
    }
}

fn payload<'v>(get: impl Fn(&str) -> Option<&'v str>) -> Result<Payload, ConfigError> {
    let decode = read(DECODE, get(DECODE), Decode::parse)?.unwrap_or_default();
    let timestamp = read(TIMESTAMP, get(TIMESTAMP), Timestamp::parse)?.unwrap_or(Timestamp::Arrival);
    if timestamp == Timestamp::Event && decode.split != Split::CloudwatchLogs {
        return Err(ConfigError::Invalid {
            variable: TIMESTAMP,
            value: "event".to_owned(),
            expected: format!("event only with cloudwatch_logs in {DECODE}"),
        });
    }
    Ok(Payload {
        decode,
        key: read(KEY, get(KEY), Key::parse)?.unwrap_or(Key::PartitionKey),
        topic: topic_choice(get(TOPIC_POINTER), get(TOPIC_MAP))?,
        value: word(VALUE, get(VALUE), &ValueForm::ALL)?.unwrap_or(ValueForm::Bytes),
        timestamp,
        headers: word(HEADERS, get(HEADERS), &[("true", true), ("false", false)])?.unwrap_or(true),
        compression: word(COMPRESSION, get(COMPRESSION), &Compression::ALL)?.unwrap_or(Compression::None),
    })
}

fn topic_choice(pointer: Option<&str>, map: Option<&str>) -> Result<Option<TopicChoice>, ConfigError> {
    let pointer = read(TOPIC_POINTER, pointer, |text| {
        Pointer::parse(text).map_err(str::to_owned)
    })?;
    let topics = read(TOPIC_MAP, map, payload::topic_map)?;
    let missing = |variable, expected: &str| ConfigError::Missing {
        variable,
        expected: expected.to_owned(),
    };
    match (pointer, topics) {
        (Some(pointer), Some(topics)) => {
            for name in topics.values() {
                topic(TOPIC_MAP, Some(name))?;
            }
            Ok(Some(TopicChoice { pointer, topics }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(
            TOPIC_MAP,
            "the topic for each text at the pointer, as a JSON object",
        )),
        (None, Some(_)) => Err(missing(
            TOPIC_POINTER,
            "a JSON pointer to what the map's names are compared with",
        )),
    }
}

/// A value that isn't there, or is read by `parse`, whose error says what it takes.
fn read<T>(
    variable: &'static str,
    value: Option<&str>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let read = |value: &str| {
        parse(value).map_err(|expected| ConfigError::Invalid {
            variable,
            value: value.to_owned(),
            expected,
        })
    };
    value.map(read).transpose()
}

/// One of some words.
fn word<T: Copy>(
    variable: &'static str,
    value: Option<&str>,
    words: &[(&'static str, T)],
) -> Result<Option<T>, ConfigError> {
    read(variable, value, |value| {
        let found = words.iter().find(|(word, _)| *word == value);
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        found.map(|(_, it)| *it).ok_or_else(known)
    })
}

fn number(
    variable: &'static str,
    value: Option<&str>,
    low: usize,
    high: usize,
    unit: &str,
) -> Result<Option<usize>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    match value.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
        _ => Err(ConfigError::Invalid {
            variable,
            value: value.to_owned(),
            expected: format!("a whole number of {unit} from {low} to {high}"),
        }),
    }
}

fn millis(
    variable: &'static str,
    value: Option<&str>,
    low: usize,
    high: usize,
) -> Result<Option<Duration>, ConfigError> {
    let millis = number(variable, value, low, high, "milliseconds")?;
    Ok(millis.map(|millis| Duration::from_millis(millis as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_env(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    const GOOD: [(&str, &str); 2] = [(BOOTSTRAP_SERVERS, "b-1:9092,b-2:9092"), (TOPIC, "orders")];

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = read(&GOOD).expect("a good configuration");
        assert_eq!(
            config,
            Config {
                bootstrap_servers: "b-1:9092,b-2:9092".into(),
                topic: "orders".into(),
                authentication: Authentication::Tls,
                ca_file: None,
                ca_secret: None,
                max_message_bytes: None,
                size_judge: SizeJudge::Brokers,
                on_poison: OnPoison::Block,
                time_out: None,
                idle_limit: Duration::from_mins(1),
                deadline_margin: None,
                payload: Payload::default(),
                log: LogLevel::Info,
                client_id: "k2m".into(),
            }
        );
    }

    #[test]
    fn a_poison_is_diverted_to_another_topic_only() {
        let divert =
            |name: &str| read(&[GOOD.as_slice(), &[(ON_POISON, "divert"), (DEAD_LETTER_TOPIC, name)]].concat());
        let config = divert("orders-dead-letter").expect("another topic");
        assert_eq!(config.on_poison, OnPoison::Divert("orders-dead-letter".into()));
        let same = divert("orders").expect_err("the same topic");
        assert_eq!(
            same.to_string(),
            "K2M_DEAD_LETTER_TOPIC is \"orders\": it takes another topic than K2M_TOPIC, which can't take the record"
        );
    }

    #[test]
    fn a_poison_is_diverted_to_no_topic_of_the_map() {
        let more = [
            (ON_POISON, "divert"),
            (DEAD_LETTER_TOPIC, "other"),
            (TOPIC_POINTER, "/type"),
            (TOPIC_MAP, r#"{"created": "other"}"#),
        ];
        assert_eq!(
            read(&[GOOD.as_slice(), &more].concat())
                .expect_err("in the map")
                .to_string(),
            "K2M_DEAD_LETTER_TOPIC is \"other\": it takes another topic than those of K2M_TOPIC_MAP, which can't take the record"
        );
    }

    #[test]
    fn a_margin_leaves_some_of_the_time_out() {
        let margin = |margin| read(&[GOOD.as_slice(), &[(TIMEOUT_MS, "3000"), (DEADLINE_MARGIN_MS, margin)]].concat());
        assert!(margin("2999").is_ok());
        assert_eq!(
            margin("3000").expect_err("nothing is left").to_string(),
            "K2M_DEADLINE_MARGIN_MS is \"3000\": it takes less than the function's time-out, 3000 milliseconds"
        );
    }

    #[test]
    fn pasted_server_lists_are_cleaned() {
        let config =
            read(&[(BOOTSTRAP_SERVERS, " b-1:9092 , b-2:9092, "), (TOPIC, "t")]).expect("a good configuration");
        assert_eq!(config.bootstrap_servers, "b-1:9092,b-2:9092");
    }

    #[test]
    fn topics_out_of_the_map_are_checked() {
        let map = |map| read(&[GOOD.as_slice(), &[(TOPIC_POINTER, "/type"), (TOPIC_MAP, map)]].concat());
        let config = map(r#"{"created": "orders-created"}"#).expect("a good map");
        let choice = config.payload.topic.expect("a choice");
        assert_eq!(choice.pointer.as_str(), "/type");
        assert_eq!(choice.topics["created"], "orders-created");
        let bad = map(r#"{"created": "orders created"}"#).expect_err("no name for a topic");
        assert!(
            bad.to_string().starts_with("K2M_TOPIC_MAP is \"orders created\": "),
            "{bad}"
        );
    }

    #[test]
    fn every_bad_value_names_its_variable_and_what_it_takes() {
        let rows = [
            (BOOTSTRAP_SERVERS, ""),
            (BOOTSTRAP_SERVERS, "b-1"),
            (BOOTSTRAP_SERVERS, "https://b-1:9092"),
            (BOOTSTRAP_SERVERS, "b-1:0"),
            (BOOTSTRAP_SERVERS, "b-1:9092,:9092"),
            (TOPIC, ""),
            (TOPIC, "a topic"),
            (TOPIC, ".."),
            (AUTHENTICATION, "TLS"),
            (AUTHENTICATION, "iam"),
            (CLUSTER_REGION, "eu-central"),
            (CLUSTER_REGION, "eu-central-1a"),
            (AUTHENTICATION, "scram"),
            (
                SECRET_ARN,
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_orders-Ab12Cd",
            ),
            (SECRET_ARN, "AmazonMSK_orders"),
            (
                SECRET_ARN,
                "arn:aws:secretsmanager:here:123456789012:secret:AmazonMSK_orders-Ab12Cd",
            ),
            (SECRET_FILE, "secret.json"),
            (CA_SECRET_ARN, "arn:aws:kms:eu-central-1:123456789012:key/1"),
            (MAX_MESSAGE_BYTES, "1MB"),
            (MAX_MESSAGE_BYTES, "999"),
            (ON_POISON, "drop"),
            (ON_POISON, "divert"),
            (DEAD_LETTER_TOPIC, "a topic"),
            (TIMEOUT_MS, "900001"),
            (IDLE_LIMIT_MS, "0"),
            (DEADLINE_MARGIN_MS, "-5"),
            (DECODE, "unzip"),
            (DECODE, "lines,cloudwatch_logs"),
            (KEY, "customer"),
            (TOPIC_POINTER, "/type"),
            (TOPIC_POINTER, "type"),
            (TOPIC_MAP, "{}"),
            (TOPIC_MAP, r#"{"created": "orders"}"#),
            (VALUE, "avro"),
            (TIMESTAMP, "event"),
            (TIMESTAMP, "/a~"),
            (HEADERS, "yes"),
            (COMPRESSION, "brotli"),
            (LOG, "verbose"),
            ("K2M_TOPC", "orders"),
        ];
        let said: Vec<String> = rows
            .iter()
            .map(|(name, value)| {
                let mut pairs = GOOD.to_vec();
                pairs.push((name, value));
                read(&pairs).expect_err(value).to_string()
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
