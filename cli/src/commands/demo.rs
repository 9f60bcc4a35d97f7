//! `k2m demo`: generated records through `run`'s own engine, with failures thrown in, then a count of what arrived.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::{CommandError, output, own_handler, signals, unless_stopped};
use crate::args::{Authentication, DemoArgs};
use crate::clock::{self, Clock};
use crate::demo::generate::{Dataset, OVERSIZED};
use crate::demo::mischief::{Mischief, Order};
use crate::demo::verify::{self, Verification};
use crate::exit::Exit;
use crate::local::broker::{BrokerError, Connection};
use crate::local::destination::Destination;
use crate::local::embedded::{Embedded, Plan};
use crate::local::engine::Event;
use crate::local::mapping::{LONGEST_BACKOFF, Settings};
use crate::local::sandbox::Program;
use crate::local::session::{End, Notice, Session};
use crate::local::summary::{Summary, Tally};
use crate::report::{Reporter, Total};

const SHARDS: u32 = 2;
const BROKERS: i32 = 3;
const PARTITIONS: i32 = 6;
/// The broker that fails.
const VICTIM: i32 = 1;
/// Records that a partition of the embedded brokers surely holds; they keep the newest 5 MiB, and each takes some 400 bytes.
const RECORDS_PER_PARTITION: u64 = 4_000;
/// How long a new topic may take to appear, in questions of 100 ms.
const TOPIC_PATIENCE: u32 = 300;

/// Runs the command, and reports what it saw.
pub async fn run(args: DemoArgs, reporter: &mut Reporter) -> Result<Exit, CommandError> {
    let mut signals = signals()?;
    let dataset = Dataset::new(args.records);
    let mut embedded;
    if args.broker.authentication == Some(Authentication::Iam) {
        let words = "--authentication iam: what demo reads back with has no tokens; use another of the cluster's ports, or `k2m run`";
        return Err(CommandError::Usage(words.to_owned()));
    }
    let (connection, topic, mut cluster) = if let Some(connection) = Connection::from_args(&args.broker).await? {
        let topic = unless_stopped(&mut signals, topic(&connection, args.topic)).await?;
        (connection, topic, None)
    } else {
        let topic = args.topic.unwrap_or_else(|| "k2m-demo".to_owned());
        let partitions = i32::try_from(dataset.len() / RECORDS_PER_PARTITION)
            .unwrap_or(i32::MAX)
            .max(PARTITIONS);
        embedded = Embedded::start(&Plan {
            brokers: BROKERS,
            topic: topic.clone(),
            partitions,
            mapped_topics: Vec::new(),
            dead_letter_topic: None,
        })?;
        (embedded.connection(), topic, Some(&mut embedded))
    };
    let folder = tempfile::tempdir().map_err(|source| CommandError::Machine {
        what: "make a temporary folder",
        source,
    })?;
    let destination = folder.path().join("failed.jsonl");
    let before = verify::ends(&connection, &topic)?;
    let session = session(args.records, &connection, &topic, &destination)?;

    let where_to = match &cluster {
        Some(_) => format!("{BROKERS} embedded brokers"),
        None => connection.bootstrap_servers.clone(),
    };
    let mut story = Story::new(reporter);
    story.tell(&format!(
        "sending {} records of {SHARDS} Kinesis shards through the Lambda handler to topic {topic} on {where_to}; one of them has {} MiB",
        dataset.len(),
        OVERSIZED / 1024 / 1024
    ))?;
    story.reporter.start(Total::Records(dataset.len()));
    let mut mischief = Mischief::new(args.records, cluster.is_none());
    let mut trouble: Result<(), CommandError> = Ok(());
    let ended = session
        .run(dataset.lines(), signals, |notice, tally| {
            let told = story.hear(notice, tally, &mut mischief, cluster.as_deref_mut());
            if trouble.is_ok() {
                trouble = told;
            }
        })
        .await;
    story.reporter.finish();
    trouble?;
    let End {
        summary,
        result,
        interrupted,
    } = ended;
    result?;
    if interrupted {
        reporter.error("stopped by a signal; what was delivered until then is not counted");
        return Ok(Exit::Interrupted);
    }

    let after = verify::ends(&connection, &topic)?;
    let mut verification = Verification::new(dataset, SHARDS);
    verify::read_back(&connection, &topic, &before, &after, &mut verification)?;
    verification
        .see_destination(&destination)
        .map_err(CommandError::Unverified)?;
    let servers = cluster.is_none().then_some(connection.bootstrap_servers);
    let report = Report::new(&verification, &mischief, topic, servers, summary);
    output(reporter.result(&report))?;
    if report.is_clean() {
        return Ok(Exit::Fine);
    }
    reporter.error(
        "records were lost, altered, out of order or counted as acknowledged without being there; please report it",
    );
    Ok(Exit::Failed)
}

/// The run that the demo is.
fn session(records: u64, connection: &Connection, topic: &str, destination: &Path) -> Result<Session, CommandError> {
    let (path, arguments) = own_handler(connection.is_embedded())?;
    Ok(Session {
        settings: Settings {
            batch_size: usize::try_from(records / 40).unwrap_or(usize::MAX).clamp(50, 1_000),
            window: 1_000,
            retries: Some(3),
            maximum_age: None,
            bisect: true,
            partial_failures: true,
            longest_backoff: LONGEST_BACKOFF,
        },
        shards: SHARDS,
        reshardings: Vec::new(),
        parallelization_factor: 1,
        destination: Some(Destination::open(destination)?),
        program: Program {
            path,
            arguments,
            environment: connection.environment(topic),
            timeout: Duration::from_secs(30),
            freeze: false,
            log: None,
        },
    })
}

/// The topic to use on a real cluster: the one that was named, or a new one.
async fn topic(connection: &Connection, named: Option<String>) -> Result<String, CommandError> {
    if let Some(topic) = named {
        connection.check(&topic).await?;
        return Ok(topic);
    }
    let topic = format!("k2m-demo-{:08x}", clock::random() >> 32);
    match connection.check(&topic).await {
        Err(BrokerError::NoTopic { .. }) => {}
        Ok(_) => return Ok(topic),
        Err(error) => return Err(error.into()),
    }
    let failed = |source| verify::question(&format!("create topic {topic}"), connection, source);
    let admin: AdminClient<DefaultClientContext> = connection.client_config().create().map_err(failed)?;
    // -1 leaves the number of replicas to the cluster.
    let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(-1));
    let created = admin
        .create_topics([&new], &AdminOptions::new())
        .await
        .map_err(failed)?;
    for result in created {
        result.map_err(|(_, code)| failed(rdkafka::error::KafkaError::AdminOp(code)))?;
    }
    // The controller has the topic at once, the other brokers hear of it a little later.
    for _ in 0..TOPIC_PATIENCE {
        match connection.check(&topic).await {
            Err(BrokerError::NoTopic { .. }) => tokio::time::sleep(Duration::from_millis(100)).await,
            result => return Ok(result.map(|_| topic)?),
        }
    }
    Err(CommandError::Unverified(format!(
        "topic {topic} was created but did not appear; try again with --topic {topic}"
    )))
}

/// Tells what happens, and makes happen what is planned.
struct Story<'a> {
    reporter: &'a mut Reporter,
    clock: Clock,
    last_error: Option<String>,
}

impl<'a> Story<'a> {
    fn new(reporter: &'a mut Reporter) -> Self {
        Self {
            reporter,
            clock: Clock::start(),
            last_error: None,
        }
    }

    fn tell(&self, what: &str) -> Result<(), CommandError> {
        output(
            self.reporter
                .tell(&format!("{:>7.3} s  {what}", self.clock.elapsed().as_secs_f64())),
        )
    }

    fn hear(
        &mut self,
        notice: Notice<'_>,
        tally: &Tally,
        mischief: &mut Mischief,
        cluster: Option<&mut Embedded>,
    ) -> Result<(), CommandError> {
        self.reporter.progress(tally);
        let event = match notice {
            Notice::Event(event) => event,
            Notice::Tick => return Ok(()),
            Notice::Interrupted => {
                self.reporter
                    .note("interrupted: running invocations end, nothing new begins; once more to kill them");
                return Ok(());
            }
        };
        match event {
            Event::Died { status, pid, .. } => {
                self.tell(&format!(
                    "process {pid} died in the middle of an invocation ({status}); its batch is halved and sent again"
                ))?;
            }
            Event::Invoked {
                error: Some(error),
                records,
                ..
            } if !error.starts_with("Runtime.ExitError") => {
                let message = error.split_once(": ").map_or(error.as_str(), |(_, message)| message);
                let message = message.lines().next().unwrap_or_default().to_owned();
                // Halving a batch brings the same words again and again.
                if self.last_error.as_ref() != Some(&message) {
                    self.tell(&format!(
                        "a batch of {records} records failed, and is halved until the cause is alone: {message}"
                    ))?;
                    self.last_error = Some(message);
                }
            }
            Event::Discarded { records, what, .. } => {
                self.tell(&format!(
                    "{records} record given up, and kept in the failure destination ({what})"
                ))?;
            }
            _ => {}
        }
        match mischief.next(event, tally.accepted()) {
            None => Ok(()),
            Some(Order::Kill(pid)) => {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    // It may just have ended; then another one's turn comes.
                    let _ = kill_process(pid, Signal::KILL);
                }
                Ok(())
            }
            Some(Order::FailBroker) => {
                cluster.map_or(Ok(()), |cluster| cluster.fail(VICTIM))?;
                self.tell(&format!(
                    "broker {VICTIM} of {BROKERS} fails; the others lead its partitions now"
                ))
            }
            Some(Order::RecoverBroker) => {
                cluster.map_or(Ok(()), |cluster| cluster.recover(VICTIM))?;
                self.tell(&format!("broker {VICTIM} is back"))
            }
        }
    }
}

/// What the demo says at its end.
#[derive(Debug, Serialize)]
struct Report {
    sent: u64,
    acknowledged: u64,
    read_back: u64,
    diverted: u64,
    lost: u64,
    messages: u64,
    duplicates: u64,
    out_of_order: u64,
    altered: u64,
    process_killed: bool,
    broker_failed: bool,
    oversized_diverted: bool,
    topic: String,
    bootstrap_servers: Option<String>,
    run: Summary,
}

impl Report {
    fn new(
        verification: &Verification,
        mischief: &Mischief,
        topic: String,
        bootstrap_servers: Option<String>,
        run: Summary,
    ) -> Self {
        Self {
            sent: verification.sent(),
            acknowledged: run.acknowledged,
            read_back: verification.read_back(),
            diverted: verification.diverted(),
            lost: verification.lost(),
            messages: verification.messages,
            duplicates: verification.duplicates,
            out_of_order: verification.out_of_order,
            altered: verification.altered,
            process_killed: mischief.killed(),
            broker_failed: mischief.broker_failed(),
            oversized_diverted: verification.oversized_is_diverted(),
            topic,
            bootstrap_servers,
            run,
        }
    }

    fn is_clean(&self) -> bool {
        // What is acknowledged must be there; more may be, as when an acknowledgement got lost.
        self.lost == 0 && self.out_of_order == 0 && self.altered == 0 && self.acknowledged <= self.read_back
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "{} invocations in {:.1} s, {} of them with an error; {} records were sent again",
            self.run.invocations, self.run.seconds, self.run.errors, self.run.retried
        )?;
        if let Some(servers) = &self.bootstrap_servers {
            writeln!(f, "no broker failed: those at {servers} are not k2m's to stop")?;
        } else if !self.broker_failed {
            writeln!(f, "no broker failed: there were too few records for it")?;
        }
        if !self.process_killed {
            writeln!(f, "no process was killed: none was in the middle of an invocation")?;
        }
        writeln!(
            f,
            "read back: {} messages of {} records; {} came more than once, {} out of the order of their key, {} altered",
            self.messages, self.read_back, self.duplicates, self.out_of_order, self.altered
        )?;
        if self.oversized_diverted {
            writeln!(
                f,
                "the record of 2 MiB, too large for the topic, is in the failure destination"
            )?;
        }
        if self.bootstrap_servers.is_some() {
            writeln!(f, "the records are in topic {}, for you to count", self.topic)?;
        }
        writeln!(
            f,
            "sent {} acknowledged {} read_back {} diverted {} lost {}",
            self.sent, self.acknowledged, self.read_back, self.diverted, self.lost
        )
    }
}
