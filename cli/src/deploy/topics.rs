//! Topics that functions make, between the two steps of a deployment: asked for, asked for again while what stands in the way may pass, and told of. What comes
//! after an answer is a pure function of it and of the time ([`next`]).

use std::time::Duration;

use k2m_handler::probe::creation::{Became, CreateTopics, Outcome, Report};
use k2m_handler::probe::report::Step;
use thiserror::Error;

use super::DeployError;
use super::machine::{Job, Machine};
use super::outcome::{Deployed, Happened, TopicOutcome};
use super::port::{Doing, Fault, FaultKind, User, World};
use crate::plan::creation::Asked;
use crate::template::TemplateError;

/// How long what may pass is waited for: a right that was given just now, a function that is not ready yet, a broker that restarts.
const LIMIT: Duration = Duration::from_mins(2);
/// How long to wait before a function is asked again.
const WAIT: Duration = Duration::from_secs(3);

/// What Lambda says of a function that can't be invoked yet.
pub(super) const NOT_READY: [&str; 3] = [
    "ResourceConflictException",
    "ResourceNotReadyException",
    "currently in the following state: Pending",
];
/// Kafka's words for a right that is missing: one that IAM was given just now counts some time later.
const NOT_ALLOWED: [&str; 2] = ["TopicAuthorizationFailed", "ClusterAuthorizationFailed"];
/// Kafka's words for what passes by itself.
const PASSES: [&str; 5] = [
    "BrokerNotAvailable",
    "CoordinatorNotAvailable",
    "NotController",
    "RequestTimedOut",
    "ThrottlingQuotaExceeded",
];

/// Functions of stacks.
pub trait Functions: Sync {
    /// Asks the function of this logical id for topics.
    fn create_topics<'a>(&'a self, stack: &'a str, logical_id: &'a str, wanted: &'a CreateTopics) -> Doing<'a, Reply>;
}

/// What a function answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// What became of the topics.
    Answered(Report),
    /// It failed: Lambda's words, or its own.
    Failed {
        /// Such as `K2m.Configuration`.
        kind: String,
        /// Why.
        message: String,
    },
}

/// Why the topics are not there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{reason}\n  {next}\n  the event source mapping is kept from reading until the topic is there, so nothing is lost; run the same command to go on from here"
)]
pub struct NotMade {
    /// What the function or Lambda said.
    pub reason: String,
    /// What to do.
    pub next: String,
}

/// What comes after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// All are there.
    Done(Vec<Became>),
    /// Ask again a little later; why, in the function's words.
    Again(String),
    /// It comes to nothing.
    GiveUp(NotMade),
}

/// What comes after this answer, so long after the first question.
pub fn next(answer: Result<Reply, Fault>, waited: Duration) -> Next {
    let late = waited >= LIMIT;
    let (not_made, passes) = match answer {
        Ok(Reply::Answered(report)) if report.ok => return Next::Done(report.topics),
        Ok(Reply::Answered(report)) => {
            let failed = report.topics.iter().filter(|topic| topic.failure.is_some());
            let passes = failed.clone().all(may_pass);
            (of_topics(failed), passes)
        }
        Ok(Reply::Failed { kind, message }) => (
            NotMade {
                reason: format!("the function was to create topics, and failed: {kind}: {message}"),
                next: "mend what it names; its log says more".to_owned(),
            },
            false,
        ),
        Err(fault) => {
            let not_ready = NOT_READY.iter().any(|words| fault.message.contains(words));
            let passes = fault.passes() || not_ready;
            let next = match &fault.kind {
                FaultKind::Denied(action) => format!("allow {action} to these credentials"),
                FaultKind::Credentials => "sign in again (`aws sso login`), or get new credentials".to_owned(),
                _ => "look at the function in the console of Lambda".to_owned(),
            };
            let reason = format!("the function could not be asked for its topics: {}", fault.message);
            (NotMade { reason, next }, passes)
        }
    };
    if passes && !late {
        Next::Again(not_made.reason)
    } else {
        Next::GiveUp(not_made)
    }
}

/// Whether asking again may end otherwise.
fn may_pass(topic: &Became) -> bool {
    match (topic.outcome, topic.code.as_deref()) {
        (Outcome::Refused, Some(code)) => NOT_ALLOWED.contains(&code) || PASSES.contains(&code),
        (Outcome::Refused, None) => false,
        // A secret that can't be read, or a name that nobody knows, says the same in a minute.
        (Outcome::NotReached, _) => {
            let step = topic.failure.as_ref().map(|failure| failure.step);
            !matches!(step, Some(Step::Secret | Step::Dns | Step::Tls))
        }
        (Outcome::Created | Outcome::Exists, _) => true,
    }
}

/// Each failure once: where no broker is reached all topics have the same.
fn of_topics<'a>(failed: impl Iterator<Item = &'a Became>) -> NotMade {
    let (mut reasons, mut steps): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for topic in failed {
        let Some(failure) = &topic.failure else { continue };
        // A broker's words are in the reason already.
        let said = topic.code.as_deref().unwrap_or(&failure.detail);
        let said = match said {
            "" => String::new(),
            said => format!(" ({said})"),
        };
        let name = &topic.name;
        let what = match topic.outcome {
            Outcome::Created => format!("the function created the topic {name}, and it can't be written to yet: "),
            Outcome::Exists => format!("the function finds the topic {name}, and it can't be written to: "),
            // The reason says all.
            Outcome::Refused => String::new(),
            Outcome::NotReached => format!("the function did not come so far as to create the topic {name}: "),
        };
        reasons.push(format!("{what}{}{said}", failure.reason));
        if !steps.contains(&failure.next) {
            steps.push(failure.next.clone());
        }
    }
    NotMade {
        reason: reasons.join("\n"),
        next: steps.join("\n  "),
    }
}

/// Who is asked, and who waits.
pub struct Topics<'a> {
    /// The functions.
    pub functions: &'a dyn Functions,
    /// Time.
    pub world: &'a dyn World,
    /// Who waits.
    pub user: &'a dyn User,
}

impl std::fmt::Debug for Topics<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

/// What the stack is to be when these topics are there.
pub type Then<'a> = dyn Fn(&[Became]) -> Result<String, TemplateError> + Sync + 'a;

impl Topics<'_> {
    /// Deploys a stack in two steps: as the job says, in which nothing reads that would write to a missing topic; then, when the functions have made what
    /// they are asked for, as it is planned. Whatever stops it, the same deployment goes on from there.
    pub async fn deploy(
        &self,
        machine: &Machine<'_>,
        first: &Job<'_>,
        asked: &[Asked],
        then: &Then<'_>,
    ) -> Result<Deployed, DeployError> {
        let stack = first.stack;
        let mut deployed = machine.deploy(first).await?;
        // An earlier run had come so far, and nobody was asked anything yet.
        let resumed = deployed.status == Happened::Unchanged;
        if resumed && !first.agreed {
            for condition in &first.conditions {
                self.user.tell(&format!("  ! {condition}"));
            }
            let question = format!("Go on with {stack}?");
            let agreed = tokio::select! {
                biased;
                () = self.user.stopped(1) => return Err(DeployError::Stopped { stack: stack.to_owned() }),
                agreed = self.user.confirm(&question) => agreed?,
            };
            if !agreed {
                return Err(DeployError::Declined);
            }
        }
        let became = self.make(stack, asked).await?;
        self.user
            .tell("the topics are there: the stack becomes as planned, and its mappings may read");
        let template = then(&became).map_err(|error| DeployError::Template(error.to_string()))?;
        let second = Job {
            stack,
            template: &template,
            bundle: first.bundle,
            parameters: first.parameters.clone(),
            agreed: true,
            conditions: Vec::new(),
            replaces: false,
            waits: true,
        };
        let last = machine.deploy(&second).await?;
        if resumed {
            deployed.status = last.status;
        }
        for change in last.changes {
            // What was made first is told once.
            if deployed
                .changes
                .iter()
                .all(|known| known.logical_id != change.logical_id)
            {
                deployed.changes.push(change);
            }
        }
        deployed.outputs = last.outputs;
        deployed.warnings.extend(last.warnings);
        deployed.topics = became.iter().map(TopicOutcome::from).collect();
        Ok(deployed)
    }

    /// Has each function make what it is asked for; ends when all of it is there.
    pub async fn make(&self, stack: &str, asked: &[Asked]) -> Result<Vec<Became>, DeployError> {
        let mut made = Vec::new();
        for Asked { pipeline, topics } in asked {
            let names: Vec<&str> = topics.topics.iter().map(|topic| topic.name.as_str()).collect();
            let function = format!("{pipeline}Function");
            self.user
                .tell(&format!("asking the function {function} for: {}", names.join(", ")));
            tokio::select! {
                biased;
                () = self.user.stopped(1) => return Err(DeployError::Stopped { stack: stack.to_owned() }),
                became = self.patiently(stack, &function, topics) => made.extend(became?),
            }
        }
        Ok(made)
    }

    async fn patiently(&self, stack: &str, function: &str, topics: &CreateTopics) -> Result<Vec<Became>, DeployError> {
        let start = self.world.elapsed();
        let mut told = String::new();
        loop {
            let answer = self.functions.create_topics(stack, function, topics).await;
            match next(answer, self.world.elapsed().saturating_sub(start)) {
                Next::Done(became) => return Ok(became),
                Next::GiveUp(not_made) => return Err(not_made.into()),
                Next::Again(why) => {
                    if why != told {
                        self.user.tell(&format!("{why}\n  this may pass: asking again"));
                        told = why;
                    }
                    self.world.sleep(WAIT).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fmt::Write as _;
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use k2m_handler::probe::creation::Wanted;
    use k2m_handler::probe::report::{Failure, Millis};

    use super::*;

    fn became(outcome: Outcome, code: Option<&str>, step: Option<Step>) -> Became {
        Became {
            name: "orders".to_owned(),
            outcome,
            partitions: None,
            replication_factor: None,
            differs: None,
            code: code.map(str::to_owned),
            failure: step.map(|step| Failure {
                step,
                broker: None,
                topic: Some("orders".to_owned()),
                reason: format!("{} failed", step.words()),
                next: "mend it".to_owned(),
                detail: code.unwrap_or_default().to_owned(),
            }),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the port answers")]
    fn answered(topics: Vec<Became>) -> Result<Reply, Fault> {
        Ok(Reply::Answered(Report {
            ok: topics.iter().all(|topic| topic.failure.is_none()),
            version: "0.1.0".to_owned(),
            authentication: "iam".to_owned(),
            topics,
            milliseconds: Millis::default(),
        }))
    }

    fn fault(kind: FaultKind, message: &str) -> Result<Reply, Fault> {
        Err(Fault {
            kind,
            message: message.to_owned(),
        })
    }

    #[test]
    fn each_answer_ends_it_or_is_asked_for_again_while_there_is_time() {
        use Outcome::{Created, Exists, NotReached, Refused};
        let one = |outcome, code, step| answered(vec![became(outcome, code, step)]);
        let denied = FaultKind::Denied("lambda:InvokeFunction".to_owned());
        let failed = Reply::Failed {
            kind: "K2m.Configuration".to_owned(),
            message: "K2M_TOPIC is not set".to_owned(),
        };
        let table = [
            ("created", one(Created, None, None), "done"),
            ("there", one(Exists, None, None), "done"),
            (
                "no right yet",
                one(Refused, Some("TopicAuthorizationFailed"), Some(Step::CreateTopic)),
                "again",
            ),
            (
                "another controller",
                one(Refused, Some("NotController"), Some(Step::CreateTopic)),
                "again",
            ),
            (
                "replicas",
                one(Refused, Some("InvalidReplicationFactor"), Some(Step::CreateTopic)),
                "over",
            ),
            ("not its own", one(Refused, None, Some(Step::CreateTopic)), "over"),
            ("nobody listens", one(NotReached, None, Some(Step::Tcp)), "again"),
            ("not known yet", one(NotReached, None, Some(Step::Sasl)), "again"),
            ("no name", one(NotReached, None, Some(Step::Dns)), "over"),
            ("no secret", one(NotReached, None, Some(Step::Secret)), "over"),
            ("no leader yet", one(Created, None, Some(Step::Topic)), "again"),
            ("no leader", one(Exists, None, Some(Step::Topic)), "again"),
            (
                "one of two",
                answered(vec![
                    became(Created, None, None),
                    became(Refused, Some("InvalidReplicationFactor"), Some(Step::CreateTopic)),
                ]),
                "over",
            ),
            ("misled", Ok(failed), "over"),
            (
                "pending",
                fault(FaultKind::Refused, "ResourceConflictException: Pending"),
                "again",
            ),
            (
                "throttled",
                fault(FaultKind::Passing, "TooManyRequestsException"),
                "again",
            ),
            ("unreachable", fault(FaultKind::Unreachable, "no route"), "again"),
            ("not allowed", fault(denied, "AccessDenied"), "over"),
            ("gone", fault(FaultKind::Absent, "Function not found"), "over"),
            ("expired", fault(FaultKind::Credentials, "ExpiredToken"), "over"),
        ];
        let mut text = String::new();
        for (name, answer, expected) in table {
            let now = next(answer.clone(), Duration::ZERO);
            let word = match &now {
                Next::Done(_) => "done",
                Next::Again(_) => "again",
                Next::GiveUp(_) => "over",
            };
            assert_eq!(word, expected, "{name}: {now:?}");
            // Nothing is waited for without an end.
            let late = next(answer, LIMIT);
            assert!(!matches!(late, Next::Again(_)), "{name}: {late:?}");
            if let Next::GiveUp(not_made) = late {
                writeln!(text, "== {name}\n{not_made}").unwrap();
            }
        }
        insta::assert_snapshot!(text);
    }

    /// Functions, the clock and the user in one.
    struct Fake {
        replies: Mutex<VecDeque<Result<Reply, Fault>>>,
        log: Mutex<Vec<String>>,
        seconds: AtomicU64,
        /// A signal comes with the question of this number.
        stop_at: Option<usize>,
        stops: tokio::sync::watch::Sender<u32>,
    }

    impl Functions for Fake {
        fn create_topics<'a>(
            &'a self,
            stack: &'a str,
            logical_id: &'a str,
            wanted: &'a CreateTopics,
        ) -> Doing<'a, Reply> {
            Box::pin(async move {
                let names: Vec<&str> = wanted.topics.iter().map(|topic| topic.name.as_str()).collect();
                let questions = {
                    let mut log = self.log.lock().unwrap();
                    log.push(format!("> {stack} {logical_id} {}", names.join(",")));
                    log.iter().filter(|line| line.starts_with('>')).count()
                };
                if self.stop_at == Some(questions) {
                    self.stops.send_modify(|count| *count += 1);
                    tokio::task::yield_now().await;
                }
                self.replies.lock().unwrap().pop_front().unwrap()
            })
        }
    }

    impl World for Fake {
        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.seconds.load(Ordering::Relaxed))
        }

        fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.seconds.fetch_add(time.as_secs(), Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        }

        fn random(&self) -> u64 {
            0
        }
    }

    impl User for Fake {
        fn tell(&self, text: &str) {
            self.log.lock().unwrap().push(text.to_owned());
        }

        fn confirm<'a>(
            &'a self,
            question: &'a str,
        ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
            panic!("{question}: nothing is asked here")
        }

        fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            let mut stops = self.stops.subscribe();
            Box::pin(async move {
                stops.wait_for(|count| *count >= times).await.unwrap();
            })
        }
    }

    async fn story(replies: Vec<Result<Reply, Fault>>, stop_at: Option<usize>) -> String {
        let fake = Fake {
            replies: Mutex::new(replies.into()),
            log: Mutex::default(),
            seconds: AtomicU64::new(0),
            stop_at,
            stops: tokio::sync::watch::Sender::new(0),
        };
        let topics = Topics {
            functions: &fake,
            world: &fake,
            user: &fake,
        };
        let asked = ["Orders", "Clicks"].map(|pipeline| Asked {
            pipeline: pipeline.to_owned(),
            topics: CreateTopics {
                topics: vec![Wanted {
                    name: pipeline.to_lowercase(),
                    partitions: 1,
                    replication_factor: None,
                    configs: std::collections::BTreeMap::new(),
                }],
            },
        });
        let ended = match topics.make("k2m-shop", &asked).await {
            Ok(became) => format!("= fine: {}", became.len()),
            Err(error) => format!("= exit {}: {error}", error.exit().code()),
        };
        let log = fake.log.lock().unwrap().join("\n");
        format!(
            "{log}\n{ended}\nafter {} s, {} replies left\n",
            fake.seconds.load(Ordering::Relaxed),
            fake.replies.lock().unwrap().len()
        )
    }

    #[tokio::test]
    async fn functions_are_asked_one_after_the_other_and_again() {
        let made = || answered(vec![became(Outcome::Created, None, None)]);
        let denied = || {
            let code = Some("TopicAuthorizationFailed");
            answered(vec![became(Outcome::Refused, code, Some(Step::CreateTopic))])
        };
        let refused = || {
            let code = Some("InvalidReplicationFactor");
            answered(vec![became(Outcome::Refused, code, Some(Step::CreateTopic))])
        };
        let mut text = String::new();
        for (name, replies, stop_at) in [
            ("both", vec![made(), made()], None),
            ("the right comes later", vec![denied(), denied(), made(), made()], None),
            ("the second is refused", vec![made(), refused()], None),
            ("the right never comes", (0..60).map(|_| denied()).collect(), None),
            ("a signal meanwhile", vec![made(), made()], Some(2)),
        ] {
            writeln!(text, "== {name}\n{}", story(replies, stop_at).await).unwrap();
        }
        insta::assert_snapshot!(text);
    }
}
