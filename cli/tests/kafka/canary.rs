//! A canary among other records: what the function's log says of it is where Apache Kafka has it, or why it has it nowhere.

use k2m_handler::canary::{self, Fate, Line};
use k2m_testkit::{Clerk, KafkaCluster};

use crate::driver::{Ended, Run, line, lines};

/// Other records than the canary.
const OTHERS: usize = 400;

/// Feeds a canary among others to a run with these arguments and no log but of errors; what came of it.
fn run(kafka: &KafkaCluster, id: &str, more: &[&str]) -> (Ended, Vec<Line>) {
    let bootstrap = kafka.bootstrap_servers();
    let mut arguments = vec!["--topic", "orders", "--bootstrap-servers", &bootstrap, "--retries", "1"];
    // It is told whatever the level is.
    arguments.extend(["--handler-env", "K2M_LOG=error"]);
    arguments.extend(more);
    let mut run = Run::start(&arguments);
    run.feed(&lines(0, OTHERS / 2, 7, 20));
    run.feed(&line(&canary::partition_key(id), &canary::data(id)));
    run.feed(&lines(OTHERS / 2, OTHERS / 2, 7, 20));
    let ended = run.end();
    let told = ended.handler_log.lines();
    let told = told.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let told: Vec<Line> = told.collect();
    assert!(told.iter().all(|line| line.canary == id), "{told:?}");
    (ended, told)
}

/// Whether a message that is where a line says has the canary's header, and no other message of the topic has it.
fn is_there(kafka: &KafkaCluster, line: &Line) -> bool {
    let topic = line.topic.as_deref().expect("a topic");
    let messages = Clerk::start()
        .and_then(|clerk| clerk.read(&kafka.bootstrap_servers(), topic))
        .expect("the topic can be read");
    let mut marked = messages
        .iter()
        .filter(|message| message.headers.get(canary::HEADER) == Some(&Some(line.canary.clone())));
    let found = marked.next().expect("a message with the header");
    marked.next().is_none() && (Some(found.partition), Some(found.offset)) == (line.partition, line.offset)
}

#[test]
fn the_log_says_where_it_is() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    // Each time at another offset, and whatever the payload is taken for.
    for (number, more) in [
        &[][..],
        &[
            "--decode",
            "cloudwatch_logs,kpl",
            "--value",
            "json",
            "--on-poison",
            "divert",
            "--dead-letter-topic",
            "dead",
        ],
        &["--headers", "false", "--key", "none"],
    ]
    .into_iter()
    .enumerate()
    {
        if number == 1 {
            kafka.create_topic("dead", 1, 1, &[]).expect("a topic");
        }
        let id = canary::new_id((7, number as u64));
        let (ended, told) = run(&kafka, &id, more);
        assert_eq!(ended.code, Some(0), "{}", ended.told());
        let [line] = told.as_slice() else {
            panic!("{more:?}: {told:?}\n{}", ended.told())
        };
        assert_eq!((line.outcome, line.topic.as_deref()), (Fate::Delivered, Some("orders")));
        assert!(is_there(&kafka, line), "{more:?}: {line:?}");
    }
}

#[test]
fn one_that_no_topic_takes_is_told_with_the_reason() {
    let kafka = KafkaCluster::builder().start().expect("a broker");
    kafka
        .create_topic("orders", 1, 1, &[("max.message.bytes", "250")])
        .expect("a topic");
    kafka.create_topic("dead", 1, 1, &[]).expect("a topic");
    let id = canary::new_id((8, 1));
    let (ended, told) = run(&kafka, &id, &["--on-poison", "divert", "--dead-letter-topic", "dead"]);
    assert_eq!(ended.code, Some(0), "{}", ended.told());
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (line.outcome, line.topic.as_deref()),
        (Fate::DeadLettered, Some("dead"))
    );
    let reason = line.reason.as_deref().expect("a reason");
    assert!(reason.contains("max.message.bytes"), "{reason}");
    assert!(is_there(&kafka, line), "{line:?}");

    // Given up, it is told at each try, the last time as the poison that it is.
    let (ended, told) = run(&kafka, &canary::new_id((8, 2)), &[]);
    assert_eq!(ended.diverted.len(), 1, "{}", ended.told());
    let last = told.last().expect("a line");
    assert_eq!((last.outcome, &last.topic), (Fate::Refused, &None), "{told:?}");
    assert!(last.reason.is_some(), "{last:?}");
}
