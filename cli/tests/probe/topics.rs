//! Topics that the function creates: the handler's own code against Apache Kafka, asked as `k2m deploy` asks it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k2m_handler::config::Config;
use k2m_handler::probe::creation::{Became, CreateTopics, Outcome, Report, Wanted};
use k2m_handler::probe::report::Step;
use k2m_handler::probe::{Payload, Told, answer};
use k2m_testkit::{Denied, KafkaCluster, KafkaVersion, wait_until};

use crate::driver::Ask;

/// A function that writes to this topic, to two that the data chooses, and to `dead`.
fn config(servers: &str, topic: &str) -> Config {
    let variables = [
        ("K2M_BOOTSTRAP_SERVERS", servers),
        ("K2M_AUTHENTICATION", "plaintext"),
        ("K2M_TOPIC", topic),
        ("K2M_TOPIC_POINTER", "/type"),
        ("K2M_TOPIC_MAP", r#"{"a":"first","b":"second"}"#),
        ("K2M_ON_POISON", "divert"),
        ("K2M_DEAD_LETTER_TOPIC", "dead"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::from_env(variables).unwrap_or_else(|error| panic!("{error}"))
}

fn wanted(name: &str, partitions: i32, replication_factor: Option<i16>) -> Wanted {
    Wanted {
        name: name.to_owned(),
        partitions,
        replication_factor,
        configs: BTreeMap::new(),
    }
}

async fn asked(config: &Config, topics: Vec<Wanted>) -> Report {
    let payload = serde_json::to_vec(&Payload::create_topics(CreateTopics { topics })).expect("JSON");
    let due = tokio::time::Instant::now() + Duration::from_mins(1);
    let told = answer(&payload, "a-request", config, due).await;
    let Told::Topics(said) = told.expect("it is asked well") else {
        panic!("that is no answer to a question for topics")
    };
    // As it goes through Lambda.
    let text = serde_json::to_string(&Told::Topics(said)).expect("JSON");
    let answer: k2m_handler::probe::creation::Answer = serde_json::from_str(&text).expect("what was written");
    answer.k2m.topics
}

fn ask_as(config: &Config, topics: Vec<Wanted>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(asked(config, topics))
}

fn ask(servers: &str, topics: Vec<Wanted>) -> Report {
    ask_as(&config(servers, "orders"), topics)
}

fn one(report: &Report) -> &Became {
    let [topic] = &report.topics[..] else {
        panic!("{report:#?}")
    };
    topic
}

#[test]
fn what_is_missing_is_created_and_what_is_there_stays_as_it_is() {
    for version in KafkaVersion::ALL {
        let kafka = KafkaCluster::builder()
            .version(version)
            .brokers(3)
            .start()
            .expect("brokers");
        let servers = kafka.bootstrap_servers();
        kafka.create_topic("first", 3, 1, &[]).expect("a topic");
        let mut dead = wanted("dead", 1, Some(3));
        dead.configs
            .insert("max.message.bytes".to_owned(), "11534336".to_owned());
        let topics = || {
            vec![
                wanted("orders", 4, Some(2)),
                wanted("first", 6, Some(3)),
                wanted("second", 2, None),
                dead.clone(),
            ]
        };
        let report = ask(&servers, topics());
        assert!(report.ok, "{report:#?}");
        let seen: Vec<_> = report
            .topics
            .iter()
            .map(|topic| {
                (
                    topic.name.as_str(),
                    topic.outcome,
                    topic.partitions,
                    topic.replication_factor,
                )
            })
            .collect();
        let default = seen[2].3;
        assert!(default.is_some(), "the brokers' own number: {report:#?}");
        assert_eq!(
            seen,
            [
                ("orders", Outcome::Created, Some(4), Some(2)),
                ("first", Outcome::Exists, Some(3), Some(1)),
                ("second", Outcome::Created, Some(2), default),
                ("dead", Outcome::Created, Some(1), Some(3)),
            ]
        );
        assert_eq!(
            report.topics[1].differs.as_deref(),
            Some("it has 3 partitions, and 6 were asked for; it has 1 replica of each, and 3 were asked for")
        );
        // Asked again, all are there, and none is another.
        let again = ask(&servers, topics());
        assert!(again.ok, "{again:#?}");
        for (topic, before) in again.topics.iter().zip(&report.topics) {
            assert_eq!(topic.outcome, Outcome::Exists, "{again:#?}");
            assert_eq!(
                (topic.partitions, topic.replication_factor),
                (before.partitions, before.replication_factor)
            );
        }
        // Another client sees them, and the setting.
        assert_eq!(kafka.end_offsets("orders").expect("it is there").len(), 4);
        assert_eq!(kafka.end_offsets("first").expect("it is there").len(), 3);
        let probed = Ask::new("plaintext", servers).topic("dead").ask();
        assert_eq!(probed.healthy().topics[0].max_message_bytes, Some(11_534_336));
    }
}

#[test]
fn two_at_once_end_well() {
    let kafka = KafkaCluster::builder().brokers(3).start().expect("brokers");
    let servers = kafka.bootstrap_servers();
    for name in ["orders", "first", "second"] {
        let reports: Vec<Report> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| ask(&servers, vec![wanted(name, 3, Some(3))])))
                .collect();
            let reports = asking
                .into_iter()
                .map(|asking| asking.join().expect("it does not panic"));
            reports.collect()
        });
        let created = reports
            .iter()
            .filter(|report| one(report).outcome == Outcome::Created)
            .count();
        assert!(created <= 1, "{reports:#?}");
        for report in &reports {
            assert!(report.ok, "{report:#?}");
            assert_eq!(
                (one(report).partitions, one(report).replication_factor),
                (Some(3), Some(3))
            );
        }
    }
}

#[test]
fn what_is_refused_is_told_with_the_reason_and_creates_nothing() {
    for version in KafkaVersion::ALL {
        let kafka = KafkaCluster::builder()
            .version(version)
            .authorizer()
            .start()
            .expect("a broker");
        let servers = kafka.bootstrap_servers();
        // One broker holds one replica; the other topic of the same question is created all the same.
        let report = ask(
            &servers,
            vec![wanted("orders", 1, Some(3)), wanted("first", 1, Some(1))],
        );
        let [refused, created] = &report.topics[..] else {
            panic!("{report:#?}")
        };
        assert!(!report.ok, "{report:#?}");
        assert_eq!(
            (refused.outcome, refused.code.as_deref(), created.outcome),
            (Outcome::Refused, Some("InvalidReplicationFactor"), Outcome::Created),
            "{report:#?}"
        );
        let failure = refused.failure.as_ref().expect("it says why");
        assert!(
            failure.reason.contains("orders") && !failure.next.is_empty(),
            "{failure:?}"
        );
        // A setting that Kafka does not take, and a topic of somebody else.
        let mut odd = wanted("second", 1, None);
        odd.configs.insert("max.message.bytes".to_owned(), "many".to_owned());
        let report = ask(&servers, vec![odd, wanted("payments", 1, None)]);
        let seen: Vec<_> = report
            .topics
            .iter()
            .map(|topic| (topic.outcome, topic.code.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [(Outcome::Refused, Some("InvalidConfig")), (Outcome::Refused, None),],
            "{report:#?}"
        );
        let strange = report.topics[1].failure.as_ref().expect("it says why");
        assert!(
            strange.reason.contains("none that the function writes to"),
            "{strange:?}"
        );

        // Without the right.
        kafka.deny(&[Denied::Create("*")]).expect("a rule");
        let mut tries = 0;
        wait_until("the rule counts", Duration::from_secs(30), || {
            // What was created before it did is there for good.
            tries += 1;
            let name = format!("try-{tries}");
            let report = ask_as(&config(&servers, &name), vec![wanted(&name, 1, Some(1))]);
            let topic = one(&report);
            if topic.outcome == Outcome::Created {
                return Ok(false);
            }
            assert_eq!(topic.outcome, Outcome::Refused, "{report:#?}");
            assert_eq!(topic.code.as_deref(), Some("TopicAuthorizationFailed"), "{report:#?}");
            let failure = topic.failure.as_ref().expect("it says why");
            assert!(failure.next.contains("kafka-cluster:CreateTopic"), "{failure:?}");
            Ok(true)
        })
        .expect("creating is denied");
        for name in ["orders", "second", "payments"] {
            assert!(kafka.end_offsets(name).is_err(), "{name} was not created");
        }
    }
}

#[test]
fn where_nobody_is_reached_the_way_s_own_words_are_told_in_time() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = socket.local_addr().expect("an address");
    let start = Instant::now();
    let report = ask(
        &silent.to_string(),
        vec![wanted("orders", 1, None), wanted("first", 1, None)],
    );
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for topic in &report.topics {
        assert_eq!(topic.outcome, Outcome::NotReached, "{report:#?}");
        let failure = topic.failure.as_ref().expect("it says why");
        assert_eq!(failure.step, Step::ApiVersions, "{failure:?}");
    }
    drop(socket);
    let report = ask(&silent.to_string(), vec![wanted("orders", 1, None)]);
    let failure = one(&report).failure.as_ref().expect("it says why");
    assert_eq!((one(&report).outcome, failure.step), (Outcome::NotReached, Step::Tcp));
}
