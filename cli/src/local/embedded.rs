//! The embedded cluster: librdkafka's mock brokers, in memory only, in a process of their own.
//!
//! They can't live in k2m's process: they accept connections without close-on-exec, so that each handler started later would
//! hold the connections of the earlier ones open, and the failure of a broker would go unnoticed. The process is told what to
//! do in lines on its standard input, answers each with a line, and ends with its input, so it can't outlive k2m.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use thiserror::Error;

use super::broker::Connection;

/// Why the embedded cluster can't be used.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// librdkafka's word.
    #[error("the embedded broker failed: {0}; name a broker of yours with --bootstrap-servers to do without it")]
    Kafka(#[from] KafkaError),
    /// Its process.
    #[error(
        "the embedded broker's process failed: {0}; name a broker of yours with --bootstrap-servers to do without it"
    )]
    Process(#[from] io::Error),
    /// Its process's own words.
    #[error(
        "the embedded broker's process failed: it said `{0}`; name a broker of yours with --bootstrap-servers to do without it"
    )]
    Said(String),
}

/// What the cluster is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of brokers; their ids begin with 1.
    pub brokers: i32,
    /// The topic that records go to.
    pub topic: String,
    /// Its partitions, spread over the brokers.
    pub partitions: i32,
    /// Topics of as many partitions that the data chooses among.
    pub mapped_topics: Vec<String>,
    /// A topic of one partition for what the first can't take.
    pub dead_letter_topic: Option<String>,
}

/// The cluster's process; it ends when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    bootstrap_servers: String,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // All it has is in memory, so nothing is lost by ending it in the middle; it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Embedded {
    /// Starts the process, and waits until it listens.
    pub fn start(plan: &Plan) -> Result<Self, EmbeddedError> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["broker", "--brokers", &plan.brokers.to_string()])
            .args(["--partitions", &plan.partitions.to_string(), "--topic", &plan.topic])
            .args(plan.mapped_topics.iter().flat_map(|name| ["--mapped-topic", name]))
            .args(
                plan.dead_letter_topic
                    .iter()
                    .flat_map(|name| ["--dead-letter-topic", name]),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: after Ctrl-C running invocations still need it.
            .process_group(0)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        };
        let mut embedded = Self {
            child,
            input,
            output: BufReader::new(output),
            bootstrap_servers: String::new(),
        };
        embedded.bootstrap_servers = embedded.answer()?;
        Ok(embedded)
    }

    /// How it is reached.
    pub fn connection(&self) -> Connection {
        Connection::plaintext(self.bootstrap_servers.clone())
    }

    /// Takes a broker down, and lets the others lead its partitions, as a cluster's controller does.
    pub fn fail(&mut self, broker: i32) -> Result<(), EmbeddedError> {
        self.order("fail", broker)
    }

    /// Brings a broker back, as the leader of its partitions.
    pub fn recover(&mut self, broker: i32) -> Result<(), EmbeddedError> {
        self.order("recover", broker)
    }

    fn order(&mut self, what: &str, broker: i32) -> Result<(), EmbeddedError> {
        writeln!(self.input, "{what} {broker}")?;
        match self.answer()? {
            answer if answer == DONE => Ok(()),
            other => Err(EmbeddedError::Said(other)),
        }
    }

    fn answer(&mut self) -> Result<String, EmbeddedError> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

/// The answer to an order that was carried out.
const DONE: &str = "done";

/// The process's side: writes the brokers' addresses, then carries out an order a line until `input` ends.
pub fn serve(plan: &Plan, input: impl BufRead, mut output: impl Write) -> Result<(), EmbeddedError> {
    let cluster = Cluster::start(plan)?;
    writeln!(output, "{}", cluster.brokers.bootstrap_servers())?;
    output.flush()?;
    for line in input.lines() {
        let line = line?;
        let order = line
            .split_once(' ')
            .and_then(|(what, broker)| Some((what, broker.parse().ok()?)));
        let answer = match order {
            Some(("fail", broker)) => cluster.fail(broker),
            Some(("recover", broker)) => cluster.recover(broker),
            _ => return Err(EmbeddedError::Said(line)),
        };
        writeln!(
            output,
            "{}",
            answer.map_or_else(|error| error.to_string(), |()| DONE.to_owned())
        )?;
        output.flush()?;
    }
    Ok(())
}

/// The brokers themselves.
struct Cluster<'a> {
    brokers: MockCluster<'static, DefaultProducerContext>,
    plan: &'a Plan,
}

impl fmt::Debug for Cluster<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("plan", self.plan)
            .finish_non_exhaustive()
    }
}

impl<'a> Cluster<'a> {
    fn start(plan: &'a Plan) -> Result<Self, KafkaError> {
        let brokers = MockCluster::new(plan.brokers)?;
        brokers.create_topic(&plan.topic, plan.partitions, plan.brokers.min(3))?;
        for topic in &plan.mapped_topics {
            brokers.create_topic(topic, plan.partitions, plan.brokers.min(3))?;
        }
        if let Some(topic) = &plan.dead_letter_topic {
            brokers.create_topic(topic, 1, plan.brokers.min(3))?;
        }
        let cluster = Self { brokers, plan };
        (0..plan.partitions).try_for_each(|partition| cluster.lead(partition, cluster.home(partition)))?;
        Ok(cluster)
    }

    fn fail(&self, broker: i32) -> Result<(), KafkaError> {
        self.brokers.broker_down(broker)?;
        self.at_home(broker)
            .try_for_each(|partition| self.lead(partition, broker % self.plan.brokers + 1))
    }

    fn recover(&self, broker: i32) -> Result<(), KafkaError> {
        self.brokers.broker_up(broker)?;
        self.at_home(broker)
            .try_for_each(|partition| self.lead(partition, broker))
    }

    /// The partitions that a broker leads as long as it is up.
    fn at_home(&self, broker: i32) -> impl Iterator<Item = i32> {
        (0..self.plan.partitions).filter(move |&partition| self.home(partition) == broker)
    }

    fn home(&self, partition: i32) -> i32 {
        partition % self.plan.brokers + 1
    }

    fn lead(&self, partition: i32, broker: i32) -> Result<(), KafkaError> {
        self.brokers.partition_leader(&self.plan.topic, partition, Some(broker))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::consumer::{BaseConsumer, Consumer as _};

    use super::*;

    fn plan() -> Plan {
        Plan {
            brokers: 3,
            topic: "t".to_owned(),
            partitions: 6,
            mapped_topics: Vec::new(),
            dead_letter_topic: None,
        }
    }

    /// The leader of each partition, as a client sees it.
    fn leaders(cluster: &Cluster<'_>) -> Vec<i32> {
        let config = Connection::plaintext(cluster.brokers.bootstrap_servers()).client_config();
        let consumer: BaseConsumer = config.create().unwrap();
        let metadata = consumer.fetch_metadata(Some("t"), Duration::from_secs(10)).unwrap();
        metadata.topics()[0]
            .partitions()
            .iter()
            .map(rdkafka::metadata::MetadataPartition::leader)
            .collect()
    }

    #[test]
    fn the_others_lead_while_a_broker_is_down() {
        let plan = plan();
        let cluster = Cluster::start(&plan).unwrap();
        assert_eq!(leaders(&cluster), [1, 2, 3, 1, 2, 3]);
        cluster.fail(1).unwrap();
        assert_eq!(leaders(&cluster), [2, 2, 3, 2, 2, 3]);
        cluster.recover(1).unwrap();
        assert_eq!(leaders(&cluster), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn each_topic_is_there_and_the_dead_letter_topic_has_one_partition() {
        let plan = Plan {
            mapped_topics: vec!["m".to_owned(), "n".to_owned()],
            dead_letter_topic: Some("d".to_owned()),
            ..plan()
        };
        let cluster = Cluster::start(&plan).unwrap();
        let config = Connection::plaintext(cluster.brokers.bootstrap_servers()).client_config();
        let consumer: BaseConsumer = config.create().unwrap();
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(10)).unwrap();
        let mut topics: Vec<_> = metadata
            .topics()
            .iter()
            .map(|topic| (topic.name(), topic.partitions().len()))
            .collect();
        topics.sort_unstable();
        assert_eq!(topics, [("d", 1), ("m", 6), ("n", 6), ("t", 6)]);
    }

    #[tokio::test]
    async fn a_topic_of_the_map_that_is_missing_is_told() {
        let plan = Plan {
            mapped_topics: vec!["m".to_owned()],
            ..plan()
        };
        let cluster = Cluster::start(&plan).unwrap();
        let connection = Connection::plaintext(cluster.brokers.bootstrap_servers());
        assert_eq!(connection.check_mapped("m").await.unwrap(), 6);
        let error = connection.check_mapped("n").await.unwrap_err().to_string();
        assert!(error.starts_with("topic n does not exist at "), "{error}");
        assert!(error.ends_with("or name another with --topic-map"), "{error}");
    }

    #[test]
    fn orders_are_answered_line_by_line() {
        let mut output = Vec::new();
        serve(&plan(), &b"fail 3\nrecover 3\nfail 9\n"[..], &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[0].split(',').count(), 3, "{output}");
        assert_eq!(lines[1..3], [DONE, DONE]);
        assert_ne!(lines[3], DONE, "there is no broker 9");
        assert!(matches!(
            serve(&plan(), &b"what\n"[..], Vec::new()),
            Err(EmbeddedError::Said(_))
        ));
    }
}
