//! The machine over a scripted AWS: what is called in which order, what is told, and what is left behind.

mod kept;
mod looks;
mod signals;
mod statuses;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k2m_handler::probe::creation::{Became, CreateTopics, Outcome, Report, Wanted};
use k2m_handler::probe::report::{Failure, Millis, Step as ProbeStep};
use tokio::sync::watch;

use super::*;
use crate::deploy::bundle::Architecture;
use crate::deploy::options::GivenBucket;
use crate::deploy::port::{Action, EventPage, Resource, Version};
use crate::deploy::port::{Change, ChangeSet, Context, MadeChangeSet};
use crate::deploy::topics::{Functions, Reply, Topics};
use crate::plan::creation::Asked;

const STACK: &str = "k2m-orders";
const ID: &str = "arn:aws:cloudformation:eu-west-1:123456789012:stack/k2m-orders/1";

/// What a look at the stack finds while an operation runs.
#[derive(Debug, Clone)]
enum Beat {
    /// The status, and what happened until then.
    Is(&'static str, Vec<StackEvent>),
    /// The stack is gone.
    Gone(Vec<StackEvent>),
    /// The call fails.
    Fails(FaultKind),
}

/// AWS, the clock and the user in one: keeps the state, follows its script, writes down what is called.
#[derive(Debug)]
struct Fake {
    log: Mutex<Vec<String>>,
    stack: Mutex<Option<Stack>>,
    change_sets: Mutex<Vec<String>>,
    /// What a change set becomes.
    becomes: ChangeSet,
    /// How often it is pending before.
    pending: Mutex<u32>,
    beats: Mutex<VecDeque<Beat>>,
    on_execute: Vec<Beat>,
    on_delete: Vec<Beat>,
    /// What a rollback that is asked for comes to, or a cancelled update.
    on_rollback: Vec<Beat>,
    /// What the stack has.
    resources: Vec<Resource>,
    /// Oldest first.
    events: Mutex<Vec<StackEvent>>,
    buckets: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    objects: Mutex<BTreeSet<(String, String)>>,
    answer: Option<bool>,
    /// Signals that come when these calls begin, once each.
    stop_at: Mutex<Vec<&'static str>>,
    stops: watch::Sender<u32>,
    /// Calls that fail, once each.
    faults: Mutex<Vec<(&'static str, Fault)>>,
    millis: AtomicU64,
    /// How long was waited, each time.
    slept: Mutex<Vec<Duration>>,
    random: AtomicU64,
    board: Board,
    /// Whether the deployment waits for its end.
    waits: bool,
    /// The deployed template.
    template: &'static str,
    options: Options,
    /// Mappings that no change set may take away.
    kept: BTreeMap<String, String>,
    /// The last change set that was asked for.
    asked: Mutex<Option<NewChangeSet>>,
}

/// The tags of a stack of k2m.
fn mark() -> BTreeMap<String, String> {
    BTreeMap::from([("k2m:stack".to_owned(), STACK.to_owned())])
}

fn fault(kind: FaultKind, message: &str) -> Fault {
    Fault {
        kind,
        message: message.to_owned(),
    }
}

fn stack(status: &str, ours: bool) -> Stack {
    Stack {
        id: ID.to_owned(),
        status: Status::parse(status),
        reason: None,
        made_by_k2m: ours,
        tags: if ours { mark() } else { BTreeMap::new() },
        protected: false,
        parameters: BTreeMap::new(),
        outputs: BTreeMap::from([("Function".to_owned(), "orders-function".to_owned())]),
    }
}

fn event(logical_id: &str, kind: &str, status: &str, reason: &str) -> StackEvent {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    StackEvent {
        id: format!("event-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        logical_id: logical_id.to_owned(),
        physical_id: if logical_id == STACK { ID } else { "physical" }.to_owned(),
        resource_type: kind.to_owned(),
        status: status.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
    }
}

fn resource(logical_id: &str, kind: &str, status: &str, reason: &str) -> Resource {
    Resource {
        logical_id: logical_id.to_owned(),
        resource_type: kind.to_owned(),
        status: status.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
    }
}

fn of_stack(status: &str) -> StackEvent {
    event(STACK, "AWS::CloudFormation::Stack", status, "")
}

fn function(status: &str, reason: &str) -> StackEvent {
    event("Function", "AWS::Lambda::Function", status, reason)
}

fn changes() -> Vec<Change> {
    let change = |action, logical_id: &str, kind: &str| Change {
        action,
        logical_id: logical_id.to_owned(),
        resource_type: kind.to_owned(),
        properties: Vec::new(),
        context: Context::default(),
    };
    vec![
        change(Action::Add, "OrdersErrors", "AWS::CloudWatch::Alarm"),
        change(Action::Modify, "Function", "AWS::Lambda::Function"),
        change(Action::Add, "OrdersThrottles", "AWS::CloudWatch::Alarm"),
        change(Action::Replace, "Mapping", "AWS::Lambda::EventSourceMapping"),
        change(Action::Remove, "Queue", "AWS::SQS::Queue"),
    ]
}

/// The beats of an operation that goes well.
fn well(verb: &str) -> Vec<Beat> {
    let (begun, done) = (format!("{verb}_IN_PROGRESS"), format!("{verb}_COMPLETE"));
    vec![
        Beat::Is(known(&begun), vec![of_stack(&begun), function(&begun, "")]),
        Beat::Is(known(&done), vec![function(&done, ""), of_stack(&done)]),
    ]
}

fn known(word: &str) -> &'static str {
    let status = Status::ALL.iter().find(|status| status.word() == word);
    status.map_or_else(|| panic!("{word}"), Status::word)
}

impl Default for Fake {
    fn default() -> Self {
        let mut on_delete = well("DELETE");
        on_delete.pop();
        on_delete.push(Beat::Gone(vec![
            function("DELETE_COMPLETE", ""),
            of_stack("DELETE_COMPLETE"),
        ]));
        Self {
            log: Mutex::default(),
            stack: Mutex::default(),
            change_sets: Mutex::default(),
            becomes: ChangeSet::Ready(changes()),
            pending: Mutex::new(1),
            beats: Mutex::default(),
            on_execute: well("CREATE"),
            on_delete,
            on_rollback: vec![
                Beat::Is(
                    "UPDATE_ROLLBACK_IN_PROGRESS",
                    vec![of_stack("UPDATE_ROLLBACK_IN_PROGRESS")],
                ),
                Beat::Is("UPDATE_ROLLBACK_COMPLETE", vec![of_stack("UPDATE_ROLLBACK_COMPLETE")]),
            ],
            resources: ["AWS::Lambda::Function", "AWS::MSK::Topic"]
                .map(|kind| resource(kind.rsplit(':').next().unwrap_or_default(), kind, "CREATE_COMPLETE", ""))
                .into(),
            events: Mutex::default(),
            buckets: Mutex::default(),
            objects: Mutex::default(),
            answer: Some(true),
            stop_at: Mutex::default(),
            stops: watch::Sender::new(0),
            faults: Mutex::default(),
            millis: AtomicU64::new(0),
            slept: Mutex::default(),
            random: AtomicU64::new(1),
            options: Options::default(),
            kept: BTreeMap::new(),
            asked: Mutex::default(),
            board: Board::default(),
            waits: true,
            template: "Resources: {}",
        }
    }
}

impl Fake {
    /// A stack that k2m deployed before, from `old.zip`.
    fn deployed(status: &str) -> Self {
        let mut stack = stack(status, true);
        let bucket = "k2m-123456789012-eu-west-1-0badcafe";
        stack.parameters = BTreeMap::from([
            (ARTIFACT_BUCKET.to_owned(), bucket.to_owned()),
            (ARTIFACT_KEY.to_owned(), "k2m-orders/old.zip".to_owned()),
        ]);
        let tags = BTreeMap::from([("k2m:artifacts".to_owned(), "true".to_owned())]);
        let objects = ["k2m-orders/old.zip", "k2m-orders/older.zip", "k2m-orders-eu/x.zip"];
        Self {
            stack: Mutex::new(Some(stack)),
            buckets: Mutex::new(BTreeMap::from([(bucket.to_owned(), tags)])),
            objects: Mutex::new(objects.map(|key| (bucket.to_owned(), key.to_owned())).into()),
            events: Mutex::new(vec![of_stack("CREATE_IN_PROGRESS"), of_stack("CREATE_COMPLETE")]),
            on_execute: well("UPDATE"),
            ..Self::default()
        }
    }

    fn say(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }

    /// Whether the script has a signal come now.
    fn signal(&self, name: &'static str) -> bool {
        let mut stop_at = self.stop_at.lock().unwrap();
        let Some(at) = stop_at.iter().position(|stop| *stop == name) else {
            return false;
        };
        stop_at.remove(at);
        self.stops.send_modify(|count| *count += 1);
        true
    }

    /// Writes a call down; a signal comes, or it fails, where the script says so.
    async fn call(&self, name: &'static str, what: &str) -> Result<(), Fault> {
        // Looks are too many to write down each.
        if !matches!(name, "DescribeStacks" | "DescribeStackEvents" | "DescribeChangeSet") {
            self.say(format!("> {name} {what}").trim_end().to_owned());
        }
        self.signal(name);
        // As a real call, it does not answer at once.
        tokio::task::yield_now().await;
        let mut faults = self.faults.lock().unwrap();
        match faults.iter().position(|(of, _)| *of == name) {
            Some(at) => Err(faults.remove(at).1),
            None => Ok(()),
        }
    }

    fn machine<'a>(&'a self, place: &'a Place) -> Machine<'a> {
        Machine {
            stacks: self,
            artifacts: self,
            world: self,
            user: self,
            place,
            options: &self.options,
            board: &self.board,
        }
    }

    /// As the command goes: settle, make room, deploy.
    async fn deploy(&self) -> Result<Deployed, DeployError> {
        let bundle = Bundle {
            zip: vec![0; 3000],
            sha256: "new".to_owned(),
            architecture: Architecture::X86_64,
        };
        let place = place();
        let machine = self.machine(&place);
        let settled = machine.settle(STACK, Goal::Deploy).await?;
        let replaces = settled.step == Step::Replace;
        if let Some(stack) = settled.stack.as_ref().filter(|_| replaces) {
            machine.make_room(STACK, stack).await?;
        }
        let job = Job {
            stack: STACK,
            template: "Resources: {}",
            bundle: Some(&bundle),
            parameters: BTreeMap::new(),
            agreed: false,
            conditions: vec!["creates the topic orders with 3 partitions".to_owned()],
            replaces,
            waits: self.waits,
            kept: self.kept.clone(),
        };
        machine.deploy(&job).await
    }

    async fn destroy(&self) -> Result<Destroyed, DeployError> {
        let place = place();
        let machine = self.machine(&place);
        let settled = machine.settle(STACK, Goal::Destroy).await?;
        machine.destroy(STACK, settled, Vec::new()).await
    }

    /// Everything that happened, and what is left.
    fn story(&self, result: Result<String, DeployError>) -> String {
        let mut text = self.log.lock().unwrap().join("\n") + "\n";
        match result {
            Ok(result) => write!(text, "= fine\n{result}"),
            Err(error) => writeln!(text, "= exit {}\n{error}", error.exit().code()),
        }
        .unwrap();
        let stack = self.stack.lock().unwrap();
        let status = stack
            .as_ref()
            .map_or("no stack", |stack| stack.status.word())
            .to_owned();
        let sets = self.change_sets.lock().unwrap().len();
        let objects = self.objects.lock().unwrap().len();
        writeln!(text, "= left: {status}, {sets} change sets, {objects} artifacts").unwrap();
        text
    }
}

fn place() -> Place {
    Place {
        account: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
    }
}

impl Stacks for Fake {
    fn stack<'a>(&'a self, _: &'a str) -> Doing<'a, Option<Stack>> {
        Box::pin(async move {
            self.call("DescribeStacks", "").await?;
            let beat = self.beats.lock().unwrap().pop_front();
            let mut stack = self.stack.lock().unwrap();
            match beat {
                Some(Beat::Is(status, events)) => {
                    if let Some(stack) = stack.as_mut() {
                        stack.status = Status::parse(status);
                    }
                    self.events.lock().unwrap().extend(events);
                }
                Some(Beat::Gone(events)) => {
                    *stack = None;
                    self.events.lock().unwrap().extend(events);
                }
                Some(Beat::Fails(kind)) => return Err(fault(kind, "Throttling: Rate exceeded")),
                None => {}
            }
            Ok(stack.clone())
        })
    }

    fn resources<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<Resource>> {
        Box::pin(async move {
            self.call("ListStackResources", "").await?;
            Ok(self.resources.clone())
        })
    }

    fn template<'a>(&'a self, _: &'a str) -> Doing<'a, String> {
        Box::pin(async move {
            self.call("GetTemplate", "").await?;
            Ok(self.template.to_owned())
        })
    }

    /// One event a page, newest first.
    fn events<'a>(&'a self, _: &'a str, page: Option<String>) -> Doing<'a, EventPage> {
        Box::pin(async move {
            self.call("DescribeStackEvents", "").await?;
            let events = self.events.lock().unwrap();
            let at: usize = page.map_or(0, |page| page.parse().unwrap());
            Ok(EventPage {
                events: events.iter().rev().skip(at).take(1).cloned().collect(),
                next: (at + 1 < events.len()).then(|| (at + 1).to_string()),
            })
        })
    }

    fn change_sets<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            self.call("ListChangeSets", "").await?;
            Ok(self.change_sets.lock().unwrap().clone())
        })
    }

    fn create_change_set<'a>(&'a self, new: &'a NewChangeSet) -> Doing<'a, MadeChangeSet> {
        Box::pin(async move {
            let template = match &new.template {
                Template::Body(_) => "body",
                Template::Url(url) => url,
            };
            let verb = if new.create { "CREATE" } else { "UPDATE" };
            self.call(
                "CreateChangeSet",
                &format!("{verb} {} {template}", new.parameters[ARTIFACT_KEY]),
            )
            .await?;
            self.change_sets.lock().unwrap().push(new.name.clone());
            *self.asked.lock().unwrap() = Some(new.clone());
            let mut there = self.stack.lock().unwrap();
            let gone = |stack: &Stack| stack.status == Status::DeleteComplete;
            if there.as_ref().is_none_or(gone) {
                *there = Some(stack("REVIEW_IN_PROGRESS", true));
            }
            Ok(MadeChangeSet {
                id: new.name.clone(),
                stack: ID.to_owned(),
            })
        })
    }

    fn change_set<'a>(&'a self, _: &'a str) -> Doing<'a, ChangeSet> {
        Box::pin(async move {
            self.call("DescribeChangeSet", "").await?;
            let mut pending = self.pending.lock().unwrap();
            if *pending > 0 {
                *pending -= 1;
                return Ok(ChangeSet::Pending);
            }
            Ok(self.becomes.clone())
        })
    }

    fn delete_change_set<'a>(&'a self, _: &'a str, name: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("DeleteChangeSet", "").await?;
            self.change_sets.lock().unwrap().retain(|there| there != name);
            Ok(())
        })
    }

    fn execute<'a>(&'a self, id: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("ExecuteChangeSet", "").await?;
            self.change_sets.lock().unwrap().retain(|there| there != id);
            *self.beats.lock().unwrap() = self.on_execute.clone().into();
            Ok(())
        })
    }

    fn protect<'a>(&'a self, _: &'a str, protected: bool) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("UpdateTerminationProtection", &protected.to_string()).await?;
            if let Some(stack) = self.stack.lock().unwrap().as_mut() {
                stack.protected = protected;
            }
            Ok(())
        })
    }

    fn delete_stack<'a>(&'a self, _: &'a str, _: &'a str, role: Option<&'a str>) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("DeleteStack", role.unwrap_or_default()).await?;
            let review = |stack: &Stack| stack.status == Status::ReviewInProgress;
            let mut stack = self.stack.lock().unwrap();
            if stack.as_ref().is_some_and(review) && self.events.lock().unwrap().is_empty() {
                *stack = None;
            } else {
                *self.beats.lock().unwrap() = self.on_delete.clone().into();
            }
            Ok(())
        })
    }

    fn cancel_update<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(self.rolls_back("CancelUpdateStack"))
    }

    fn continue_rollback<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(self.rolls_back("ContinueUpdateRollback"))
    }

    fn roll_back<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(self.rolls_back("RollbackStack"))
    }
}

impl Fake {
    async fn rolls_back(&self, call: &'static str) -> Result<(), Fault> {
        self.call(call, "").await?;
        *self.beats.lock().unwrap() = self.on_rollback.clone().into();
        Ok(())
    }
}

impl Artifacts for Fake {
    fn buckets<'a>(&'a self, prefix: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            self.call("ListBuckets", prefix).await?;
            let buckets = self.buckets.lock().unwrap();
            Ok(buckets
                .keys()
                .filter(|name| name.starts_with(prefix))
                .cloned()
                .collect())
        })
    }

    fn exists<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            self.call("HeadBucket", bucket).await?;
            Ok(self.buckets.lock().unwrap().contains_key(bucket))
        })
    }

    fn tags<'a>(&'a self, bucket: &'a str) -> Doing<'a, BTreeMap<String, String>> {
        Box::pin(async move {
            self.call("GetBucketTagging", "").await?;
            Ok(self.buckets.lock().unwrap()[bucket].clone())
        })
    }

    fn create<'a>(&'a self, bucket: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("CreateBucket", bucket).await?;
            self.buckets.lock().unwrap().insert(bucket.to_owned(), BTreeMap::new());
            Ok(())
        })
    }

    fn secure<'a>(&'a self, bucket: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async move { self.call("secure", bucket).await })
    }

    fn tag<'a>(&'a self, bucket: &'a str, tags: &'a BTreeMap<String, String>) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("PutBucketTagging", "").await?;
            self.buckets.lock().unwrap().insert(bucket.to_owned(), tags.clone());
            Ok(())
        })
    }

    fn has<'a>(&'a self, bucket: &'a str, key: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            self.call("HeadObject", key).await?;
            Ok(self
                .objects
                .lock()
                .unwrap()
                .contains(&(bucket.to_owned(), key.to_owned())))
        })
    }

    fn put<'a>(&'a self, bucket: &'a str, key: &'a str, _: &'a [u8]) -> Doing<'a, ()> {
        Box::pin(async move {
            self.call("PutObject", key).await?;
            self.objects.lock().unwrap().insert((bucket.to_owned(), key.to_owned()));
            Ok(())
        })
    }

    fn versions<'a>(&'a self, _: &'a str, prefix: &'a str) -> Doing<'a, Vec<Version>> {
        Box::pin(async move {
            self.call("ListObjectVersions", prefix).await?;
            let objects = self.objects.lock().unwrap();
            let keys = objects.iter().map(|(_, key)| key).filter(|key| key.starts_with(prefix));
            Ok(keys
                .map(|key| Version {
                    key: key.clone(),
                    id: "1".to_owned(),
                })
                .collect())
        })
    }

    fn remove<'a>(&'a self, _: &'a str, versions: &'a [Version]) -> Doing<'a, ()> {
        Box::pin(async move {
            let keys: Vec<&str> = versions.iter().map(|version| version.key.as_str()).collect();
            self.call("DeleteObjects", &keys.join(" ")).await?;
            self.objects
                .lock()
                .unwrap()
                .retain(|(_, key)| !keys.contains(&key.as_str()));
            Ok(())
        })
    }

    fn delete<'a>(&'a self, bucket: &'a str) -> Doing<'a, bool> {
        Box::pin(async move {
            self.call("DeleteBucket", bucket).await?;
            let empty = self.objects.lock().unwrap().is_empty();
            if empty {
                self.buckets.lock().unwrap().remove(bucket);
            }
            Ok(empty)
        })
    }

    fn url(&self, bucket: &str, key: &str) -> String {
        format!("https://{bucket}/{key}")
    }
}

impl World for Fake {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    /// Time passes at once.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.millis.fetch_add(millis, Ordering::Relaxed);
        self.slept.lock().unwrap().push(time);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::Relaxed)
    }
}

impl User for Fake {
    fn tell(&self, text: &str) {
        self.say(text.to_owned());
    }

    fn confirm<'a>(
        &'a self,
        question: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        Box::pin(async move {
            self.say(format!("? {question}"));
            if self.signal("confirm") {
                std::future::pending::<()>().await;
            }
            self.answer.ok_or(DeployError::NobodyToAsk)
        })
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut stops = self.stops.subscribe();
        Box::pin(async move {
            stops.wait_for(|count| *count >= times).await.unwrap();
        })
    }
}

async fn deploys(name: &str, fake: Fake) -> String {
    let result = fake.deploy().await.map(|deployed| deployed.to_string());
    format!("== {name}\n{}\n", fake.story(result))
}

/// Answers the questions for topics, one after the other.
struct Answers<'a>(&'a Fake, Mutex<VecDeque<Result<Reply, Fault>>>);

impl Functions for Answers<'_> {
    fn create_topics<'a>(&'a self, _: &'a str, logical_id: &'a str, _: &'a CreateTopics) -> Doing<'a, Reply> {
        Box::pin(async move {
            self.0.call("Invoke", logical_id).await?;
            self.1.lock().unwrap().pop_front().unwrap()
        })
    }
}

/// A deployment with a topic between its steps, of which the function says this.
async fn deploys_topics(name: &str, fake: Fake, outcome: Outcome) -> String {
    let failure = (outcome == Outcome::Refused).then(|| Failure {
        step: ProbeStep::CreateTopic,
        broker: None,
        topic: Some("orders".to_owned()),
        reason: "topic \"orders\" could not be created: too many replicas".to_owned(),
        next: "ask for fewer".to_owned(),
        detail: String::new(),
    });
    let report = Report {
        ok: failure.is_none(),
        version: "0.1.0".to_owned(),
        authentication: "iam".to_owned(),
        topics: vec![Became {
            name: "orders".to_owned(),
            outcome,
            partitions: Some(3),
            replication_factor: Some(2),
            differs: None,
            code: failure.is_some().then(|| "InvalidReplicationFactor".to_owned()),
            failure,
        }],
        milliseconds: Millis::default(),
    };
    let answers = Answers(&fake, Mutex::new(VecDeque::from([Ok(Reply::Answered(report))])));
    let place = place();
    let bundle = Bundle {
        zip: vec![0; 3000],
        sha256: "new".to_owned(),
        architecture: Architecture::X86_64,
    };
    let first = Job {
        stack: STACK,
        template: "Resources: {}",
        bundle: Some(&bundle),
        parameters: BTreeMap::new(),
        agreed: false,
        conditions: vec!["has the function create the topic orders".to_owned()],
        replaces: false,
        waits: true,
        kept: BTreeMap::new(),
    };
    let asked = [Asked {
        pipeline: "Orders".to_owned(),
        topics: CreateTopics {
            topics: vec![Wanted {
                name: "orders".to_owned(),
                partitions: 3,
                replication_factor: Some(2),
                configs: BTreeMap::new(),
            }],
        },
    }];
    let then = |became: &[Became]| {
        fake.say(format!("(the template of the time after {} topic)", became.len()));
        Ok("Resources: {Mapping: {}}".to_owned())
    };
    let topics = Topics {
        functions: &answers,
        world: &fake,
        user: &fake,
    };
    let result = topics.deploy(&fake.machine(&place), &first, &asked, &then).await;
    format!(
        "== {name}\n{}\n",
        fake.story(result.map(|deployed| deployed.to_string()))
    )
}

#[tokio::test]
async fn topics_are_made_between_two_steps() {
    let changed = || {
        let mut all = changes();
        all.truncate(2);
        ChangeSet::Ready(all)
    };
    let new = || Fake {
        becomes: changed(),
        ..Fake::deployed("CREATE_COMPLETE")
    };
    let resumed = || Fake {
        becomes: ChangeSet::Failed("The submitted information didn't contain changes.".to_owned()),
        ..Fake::deployed("UPDATE_COMPLETE")
    };
    let mut text = deploys_topics("a new topic", new(), Outcome::Created).await;
    text += &deploys_topics("one that was there", new(), Outcome::Exists).await;
    text += &deploys_topics("refused", new(), Outcome::Refused).await;
    let stop_at = |fake: Fake, call| Fake {
        stop_at: Mutex::new(vec![call]),
        ..fake
    };
    text += &deploys_topics(
        "a signal while it is asked for",
        stop_at(new(), "Invoke"),
        Outcome::Created,
    )
    .await;
    let answered = |answer| Fake { answer, ..resumed() };
    text += &deploys_topics("gone on with", answered(Some(true)), Outcome::Created).await;
    text += &deploys_topics(
        "gone on with, but not agreed to",
        answered(Some(false)),
        Outcome::Created,
    )
    .await;
    text += &deploys_topics("gone on with, and nobody to ask", answered(None), Outcome::Created).await;
    text += &deploys_topics(
        "a signal at the question",
        stop_at(resumed(), "confirm"),
        Outcome::Created,
    )
    .await;
    insta::assert_snapshot!(text);
}

async fn destroys(name: &str, fake: Fake) -> String {
    let result = fake.destroy().await.map(|destroyed| destroyed.to_string());
    format!("== {name}\n{}\n", fake.story(result))
}

#[tokio::test]
async fn a_stack_comes_changes_and_stays() {
    let mut text = deploys("the first", Fake::default()).await;
    text += &deploys("an update", Fake::deployed("CREATE_COMPLETE")).await;
    for reason in [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ] {
        let unchanged = Fake {
            becomes: ChangeSet::Failed(reason.to_owned()),
            ..Fake::deployed("UPDATE_COMPLETE")
        };
        text += &deploys(reason, unchanged).await;
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn what_an_earlier_run_left_is_gone_on_from() {
    let mut text = deploys("a bucket half made", {
        let fake = Fake::default();
        let buckets = ["k2m-123456789012-eu-west-1-00000007", "k2m-123456789012-eu-west-1-mine"];
        *fake.buckets.lock().unwrap() = buckets.map(|name| (name.to_owned(), BTreeMap::new())).into();
        fake
    })
    .await;
    text += &deploys("a change set never executed, and no tag to be seen", {
        let fake = Fake::default();
        *fake.stack.lock().unwrap() = Some(stack("REVIEW_IN_PROGRESS", false));
        fake.change_sets.lock().unwrap().push("k2m-0123".to_owned());
        fake
    })
    .await;
    text += &deploys(
        "a first creation that failed",
        Fake {
            on_execute: well("CREATE"),
            ..Fake::deployed("ROLLBACK_COMPLETE")
        },
    )
    .await;
    text += &deploys("an operation under way", {
        let fake = Fake::deployed("UPDATE_IN_PROGRESS");
        let events = [of_stack("UPDATE_IN_PROGRESS"), function("UPDATE_IN_PROGRESS", "")];
        fake.events.lock().unwrap().extend(events);
        let mut beats = VecDeque::from([
            Beat::Is("UPDATE_IN_PROGRESS", vec![]),
            Beat::Is("UPDATE_IN_PROGRESS", vec![]),
        ]);
        beats.push_back(Beat::Is(
            "UPDATE_COMPLETE",
            vec![function("UPDATE_COMPLETE", ""), of_stack("UPDATE_COMPLETE")],
        ));
        *fake.beats.lock().unwrap() = beats;
        fake
    })
    .await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn failures_tell_the_cause_and_the_next_step() {
    let cascade = |verb: &str, rolled: &'static str, rolling: &'static str| {
        vec![
            Beat::Is(
                known(&format!("{verb}_IN_PROGRESS")),
                vec![of_stack(&format!("{verb}_IN_PROGRESS"))],
            ),
            Beat::Is(
                rolling,
                vec![
                    function(
                        &format!("{verb}_FAILED"),
                        "User: u is not authorized to perform: lambda:CreateFunction",
                    ),
                    event(
                        "Alarm",
                        "AWS::CloudWatch::Alarm",
                        &format!("{verb}_FAILED"),
                        "Resource creation cancelled",
                    ),
                    event(
                        STACK,
                        "AWS::CloudFormation::Stack",
                        rolling,
                        "The following resource(s) failed to create: [Function]",
                    ),
                ],
            ),
            Beat::Is(rolled, vec![function("DELETE_COMPLETE", ""), of_stack(rolled)]),
        ]
    };
    let mut text = String::new();
    for (name, fake) in [
        (
            "a creation, rolled back",
            Fake {
                on_execute: cascade("CREATE", "ROLLBACK_COMPLETE", "ROLLBACK_IN_PROGRESS"),
                ..Fake::default()
            },
        ),
        (
            "an update, rolled back",
            Fake {
                on_execute: cascade("UPDATE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_IN_PROGRESS"),
                ..Fake::deployed("CREATE_COMPLETE")
            },
        ),
        (
            "an update that can't be rolled back",
            Fake {
                on_execute: cascade("UPDATE", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS"),
                ..Fake::deployed("CREATE_COMPLETE")
            },
        ),
        (
            "a change set that fails",
            Fake {
                becomes: ChangeSet::Failed("Transform AWS::X failed with: no".to_owned()),
                ..Fake::default()
            },
        ),
        (
            "a change set that is refused at once",
            Fake {
                faults: Mutex::new(vec![(
                    "CreateChangeSet",
                    fault(
                        FaultKind::Refused,
                        "ValidationError: Template format error: unresolved resource",
                    ),
                )]),
                ..Fake::default()
            },
        ),
        (
            "no right to make a bucket",
            Fake {
                faults: Mutex::new(vec![(
                    "CreateBucket",
                    fault(
                        FaultKind::Denied("s3:CreateBucket".to_owned()),
                        "AccessDenied: Access Denied",
                    ),
                )]),
                ..Fake::default()
            },
        ),
        (
            "an execution that is refused, while the change set is still busy",
            Fake {
                faults: Mutex::new(vec![
                    (
                        "ExecuteChangeSet",
                        fault(FaultKind::Refused, "InsufficientCapabilities: no"),
                    ),
                    (
                        "DeleteChangeSet",
                        fault(FaultKind::Refused, "InvalidChangeSetStatus: busy"),
                    ),
                ]),
                ..Fake::default()
            },
        ),
        (
            "a template of another's stack",
            Fake {
                stack: Mutex::new(Some(stack("CREATE_COMPLETE", false))),
                ..Fake::default()
            },
        ),
        (
            "another's change set in review",
            Fake {
                stack: Mutex::new(Some(stack("REVIEW_IN_PROGRESS", false))),
                change_sets: Mutex::new(vec!["awscli-cloudformation-package-deploy-1".to_owned()]),
                ..Fake::default()
            },
        ),
        ("a rollback that failed", Fake::deployed("UPDATE_ROLLBACK_FAILED")),
        ("no rollback", Fake::deployed("UPDATE_FAILED")),
        ("an import", Fake::deployed("IMPORT_ROLLBACK_FAILED")),
        ("a status of the future", Fake::deployed("ENLIGHTENED")),
    ] {
        text += &deploys(name, fake).await;
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn throttling_and_silence_never_fail_a_good_deployment() {
    let mut beats = well("CREATE");
    let (denied, throttled) = (
        FaultKind::Denied("cloudformation:DescribeStackEvents".to_owned()),
        FaultKind::Passing,
    );
    for _ in 0..20 {
        beats.insert(1, Beat::Fails(throttled.clone()));
    }
    beats.insert(1, Beat::Fails(FaultKind::Unreachable));
    let fake = Fake {
        on_execute: beats.clone(),
        faults: Mutex::new(vec![
            (
                "DescribeChangeSet",
                fault(throttled.clone(), "Throttling: Rate exceeded"),
            ),
            ("DescribeStackEvents", fault(throttled, "Throttling: Rate exceeded")),
        ]),
        ..Fake::default()
    };
    assert_eq!(fake.deploy().await.unwrap().status, Happened::Created);
    // With the longest waits: not one call a second.
    assert!(fake.elapsed() > Duration::from_mins(7), "{:?}", fake.elapsed());

    // Without the right to see events the status alone has to do. The first look is that at the mark, the second the first in the loop.
    let blind = Fake {
        faults: Mutex::new(vec![("DescribeStackEvents", fault(denied, "AccessDenied: no"))]),
        ..Fake::default()
    };
    assert_eq!(blind.deploy().await.unwrap().status, Happened::Created);

    // Nothing answers for a quarter of an hour.
    let mut beats = well("CREATE");
    for _ in 0..60 {
        beats.insert(1, Beat::Fails(FaultKind::Unreachable));
    }
    let lost = Fake {
        on_execute: beats,
        ..Fake::default()
    };
    let error = lost.deploy().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("which CloudFormation goes on with by itself"),
        "{error}"
    );
}

#[tokio::test]
async fn no_or_a_signal_leaves_nothing_behind() {
    let declined = Fake {
        answer: Some(false),
        ..Fake::default()
    };
    let mut text = deploys("declined", declined).await;
    let nobody = Fake {
        answer: None,
        ..Fake::deployed("CREATE_COMPLETE")
    };
    text += &deploys("nobody to ask", nobody).await;
    for call in [
        "DescribeStacks",
        "CreateBucket",
        "PutObject",
        "CreateChangeSet",
        "DescribeChangeSet",
        "confirm",
        "ExecuteChangeSet",
    ] {
        let fake = Fake {
            stop_at: Mutex::new(vec![call]),
            ..Fake::default()
        };
        text += &deploys(&format!("Ctrl-C at {call}"), fake).await;
    }
    let impatient = Fake {
        stop_at: Mutex::new(vec!["CreateChangeSet", "DeleteChangeSet"]),
        pending: Mutex::new(100),
        ..Fake::default()
    };
    text += &deploys("Ctrl-C at CreateChangeSet and again", impatient).await;
    for call in ["ListStackResources", "confirm", "DeleteStack", "ListObjectVersions"] {
        let fake = Fake {
            stop_at: Mutex::new(vec![call]),
            ..Fake::deployed("UPDATE_COMPLETE")
        };
        text += &destroys(&format!("destroy, Ctrl-C at {call}"), fake).await;
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_stack_goes_with_what_was_uploaded_for_it() {
    let mut text = destroys("another stack has artifacts", Fake::deployed("UPDATE_COMPLETE")).await;
    text += &destroys("the last stack, in a failed state, with something kept", {
        let mut fake = Fake::deployed("UPDATE_ROLLBACK_FAILED");
        fake.objects
            .lock()
            .unwrap()
            .retain(|(_, key)| !key.starts_with("k2m-orders-eu"));
        if let Some(Beat::Gone(events)) = fake.on_delete.last_mut() {
            events.insert(0, event("Topic", "AWS::MSK::Topic", "DELETE_SKIPPED", ""));
        }
        fake
    })
    .await;
    text += &destroys("absent, with artifacts left over", {
        let fake = Fake::deployed("UPDATE_COMPLETE");
        *fake.stack.lock().unwrap() = None;
        fake
    })
    .await;
    text += &destroys("absent", Fake::default()).await;
    text += &destroys("a deletion under way", {
        let fake = Fake::deployed("DELETE_IN_PROGRESS");
        fake.events.lock().unwrap().push(of_stack("DELETE_IN_PROGRESS"));
        *fake.beats.lock().unwrap() = vec![Beat::Is("DELETE_IN_PROGRESS", vec![]), fake.on_delete[1].clone()].into();
        fake
    })
    .await;
    text += &destroys(
        "network interfaces",
        Fake {
            on_delete: vec![
                Beat::Is("DELETE_IN_PROGRESS", vec![of_stack("DELETE_IN_PROGRESS")]),
                Beat::Is(
                    "DELETE_FAILED",
                    vec![
                        event(
                            "Group",
                            "AWS::EC2::SecurityGroup",
                            "DELETE_FAILED",
                            "resource sg-1 has a dependent object",
                        ),
                        of_stack("DELETE_FAILED"),
                    ],
                ),
            ],
            ..Fake::deployed("UPDATE_COMPLETE")
        },
    )
    .await;
    text += &destroys(
        "another's",
        Fake {
            stack: Mutex::new(Some(stack("CREATE_COMPLETE", false))),
            ..Fake::default()
        },
    )
    .await;
    text += &destroys(
        "declined",
        Fake {
            answer: Some(false),
            ..Fake::deployed("CREATE_COMPLETE")
        },
    )
    .await;
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn a_large_template_goes_through_the_bucket() {
    let fake = Fake::default();
    let bundle = Bundle {
        zip: vec![0; 3],
        sha256: "new".to_owned(),
        architecture: Architecture::Arm64,
    };
    let (place, template) = (place(), "#".repeat(MOST_IN_REQUEST + 1));
    let job = Job {
        stack: STACK,
        template: &template,
        bundle: Some(&bundle),
        parameters: BTreeMap::new(),
        agreed: false,
        conditions: Vec::new(),
        replaces: false,
        waits: true,
        kept: BTreeMap::new(),
    };
    fake.machine(&place).deploy(&job).await.unwrap();
    let url = format!(
        "https://k2m-123456789012-eu-west-1-00000001/k2m-orders/{}.template",
        sha256(template.as_bytes())
    );
    let log = fake.log.lock().unwrap();
    assert!(log.iter().any(|line| line.contains(&url)), "{log:?}");
}

/// What is chosen beside a template.
fn chosen() -> Options {
    Options {
        tags: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
        protection: Some(true),
        role: Some("arn:aws:iam::123456789012:role/deployer".to_owned()),
        bucket: Some(GivenBucket {
            name: "ours".to_owned(),
            region: "eu-west-1".to_owned(),
        }),
    }
}

#[tokio::test]
async fn tags_a_role_a_bucket_and_protection_are_as_they_were_chosen() {
    let fake = Fake {
        options: chosen(),
        ..Fake::default()
    };
    // A bucket that is not there is none to put anything into, and nothing is begun.
    let error = fake.deploy().await.unwrap_err();
    assert!(matches!(error, DeployError::NoBucket { .. }), "{error}");
    assert!(fake.asked.lock().unwrap().is_none());
    let theirs = BTreeMap::from([("owner".to_owned(), "us".to_owned())]);
    fake.buckets.lock().unwrap().insert("ours".to_owned(), theirs.clone());
    fake.deploy().await.unwrap();
    let asked = fake.asked.lock().unwrap().clone().unwrap();
    assert_eq!(asked.role, fake.options.role);
    assert_eq!(asked.parameters[ARTIFACT_BUCKET], "ours");
    let mut tags = mark();
    tags.extend(fake.options.tags.clone());
    assert_eq!(asked.tags, tags);
    assert!(fake.stack.lock().unwrap().as_ref().unwrap().protected);
    // What is protected is not deleted, and nothing of it is lost.
    let error = fake.destroy().await.unwrap_err();
    assert!(matches!(error, DeployError::Protected { .. }), "{error}");
    assert!(!fake.log.lock().unwrap().iter().any(|line| line.contains("DeleteStack")));
    fake.stack.lock().unwrap().as_mut().unwrap().protected = false;
    fake.objects
        .lock()
        .unwrap()
        .insert(("ours".to_owned(), "k2m-orders/readme.txt".to_owned()));
    let destroyed = fake.destroy().await.unwrap();
    assert_eq!(destroyed.bucket_removed, None);
    let log = fake.log.lock().unwrap().join("\n");
    assert!(
        log.contains("DeleteStack arn:aws:iam::123456789012:role/deployer"),
        "{log}"
    );
    // Neither its settings nor what others put into it is touched.
    assert_eq!(fake.buckets.lock().unwrap()["ours"], theirs);
    assert!(
        fake.objects
            .lock()
            .unwrap()
            .contains(&("ours".to_owned(), "k2m-orders/readme.txt".to_owned()))
    );
}
