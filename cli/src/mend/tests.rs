//! Mending over a scripted AWS: what is called in which order, what is waited for, and what ends it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::arn::{Arn, Kind};
use crate::deploy::artifacts::Place;
use crate::deploy::board::Board;
use crate::deploy::options::Options;
use crate::deploy::port::{
    self, Action, Artifacts, Change, ChangeSet, Context, EventPage, MadeChangeSet, NewChangeSet, Resource, Stacks,
    Template, Version,
};
use crate::deploy::state::Status;
use crate::doctor::mend::{Deployment, GroupChange, OutwardRule};
use crate::facts::network::RulePeer;
use crate::facts::{Fact, Stack, Unreadable};

const TEMPLATE: &str = "Resources: {Rule: {Type: 'AWS::EC2::SecurityGroupIngress', Properties: {}}, Other: {Type: 'AWS::SQS::Queue', DependsOn: Rule}}";

/// AWS, the clock and the person in one.
#[derive(Debug, Default)]
struct Fake {
    log: Mutex<Vec<String>>,
    /// What the next calls come to; fine where nothing is scripted.
    faults: Mutex<VecDeque<Fault>>,
    /// States that are seen one after the other; the last stays.
    states: Mutex<VecDeque<&'static str>>,
    template: Mutex<Option<Fact<Stack>>>,
    status: Mutex<Option<&'static str>>,
    millis: AtomicU64,
    signals: AtomicU64,
}

impl Fake {
    fn call(&self, what: String) -> Result<(), Fault> {
        self.log.lock().unwrap().push(what);
        self.faults.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    fn state(&self) -> String {
        let mut states = self.states.lock().unwrap();
        let state = states.front().copied().unwrap_or("Successful");
        if states.len() > 1 {
            states.pop_front();
        }
        state.to_owned()
    }

    async fn mend(&self, mend: &Mend) -> Result<(), DeployError> {
        let place = Place {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            partition: "aws".to_owned(),
        };
        let user = Agreed(self);
        let options = Options::default();
        let board = Board::default();
        let machine = Machine {
            stacks: self,
            artifacts: self,
            world: self,
            user: &user,
            place: &place,
            options: &options,
            board: &board,
        };
        let machines = BTreeMap::from([("eu-west-1".to_owned(), machine)]);
        let mender = Mender {
            settle: self,
            stacks: self,
            machines: &machines,
            world: self,
            user: &user,
        };
        mender.mend(mend).await
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Settle for Fake {
    fn change_function<'a>(&'a self, change: &'a FunctionChange) -> Doing<'a, ()> {
        Box::pin(async { self.call(format!("change {}", change.function)) })
    }

    fn function_update<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, (String, Option<String>)> {
        Box::pin(async {
            let state = self.state();
            let why = (state == "Failed").then(|| "no free address".to_owned());
            Ok((state, why))
        })
    }

    fn change_mapping<'a>(&'a self, change: &'a MappingChange) -> Doing<'a, ()> {
        Box::pin(async { self.call(format!("change {}", change.uuid)) })
    }

    fn mapping_state<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, String> {
        Box::pin(async { Ok(self.state()) })
    }

    fn let_out<'a>(&'a self, change: &'a GroupChange) -> Doing<'a, ()> {
        Box::pin(async { self.call(format!("let {} out", change.group)) })
    }

    fn associate<'a>(&'a self, cluster: &'a Arn, secret: &'a str) -> Doing<'a, ()> {
        Box::pin(async move { self.call(format!("associate {secret} with {}", cluster.name())) })
    }
}

impl NetworkStacks for Fake {
    fn network_stack<'a>(&'a self, _: &'a str, name: &'a str) -> Doing<'a, Fact<Stack>> {
        Box::pin(async move {
            let scripted = self.template.lock().unwrap().clone();
            Ok(scripted.unwrap_or_else(|| Fact::Found {
                value: Stack {
                    name: name.to_owned(),
                    status: "UPDATE_COMPLETE".to_owned(),
                    made_by_k2m: true,
                    resources: BTreeMap::new(),
                    outputs: BTreeMap::new(),
                    tags: BTreeMap::new(),
                    protected: false,
                    parameters: BTreeMap::from([("ArtifactKey".to_owned(), "orders.zip".to_owned())]),
                    template: Some(TEMPLATE.to_owned()),
                    template_unreadable: None,
                },
            }))
        })
    }

    fn network_stack_names<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Stacks for Fake {
    fn stack<'a>(&'a self, stack: &'a str) -> Doing<'a, Option<port::Stack>> {
        Box::pin(async move {
            Ok(Some(port::Stack {
                id: stack.to_owned(),
                status: Status::parse(self.status.lock().unwrap().unwrap_or("UPDATE_COMPLETE")),
                reason: None,
                made_by_k2m: true,
                tags: BTreeMap::from([("k2m:stack".to_owned(), stack.to_owned())]),
                protected: false,
                parameters: BTreeMap::new(),
                outputs: BTreeMap::new(),
            }))
        })
    }

    fn resources<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<Resource>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn template<'a>(&'a self, _: &'a str) -> Doing<'a, String> {
        Box::pin(async { Ok(String::new()) })
    }

    fn events<'a>(&'a self, _: &'a str, _: Option<String>) -> Doing<'a, EventPage> {
        Box::pin(async { Ok(EventPage::default()) })
    }

    fn change_sets<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn create_change_set<'a>(&'a self, change_set: &'a NewChangeSet) -> Doing<'a, MadeChangeSet> {
        Box::pin(async {
            let (Template::Body(template) | Template::Url(template)) = &change_set.template;
            let with = if template.contains("SecurityGroupIngress") {
                "with"
            } else {
                "without"
            };
            let key = &change_set.parameters["ArtifactKey"];
            self.call(format!("{} of {key} {with} the rule", change_set.stack))?;
            Ok(MadeChangeSet {
                id: "id".to_owned(),
                stack: change_set.stack.clone(),
            })
        })
    }

    fn change_set<'a>(&'a self, _: &'a str) -> Doing<'a, ChangeSet> {
        // What would be lost is asked for, also where all is agreed to.
        let mapping = Change {
            action: Action::Remove,
            logical_id: "Mapping".to_owned(),
            resource_type: "AWS::Lambda::EventSourceMapping".to_owned(),
            properties: Vec::new(),
            context: Context::default(),
        };
        Box::pin(async { Ok(ChangeSet::Ready(vec![mapping])) })
    }

    fn delete_change_set<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async { self.call("take the change set away".to_owned()) })
    }

    fn execute<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async { self.call("execute".to_owned()) })
    }

    fn protect<'a>(&'a self, _: &'a str, _: bool) -> Doing<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn delete_stack<'a>(&'a self, _: &'a str, _: &'a str, _: Option<&'a str>) -> Doing<'a, ()> {
        Box::pin(async { self.call("delete the stack".to_owned()) })
    }

    fn cancel_update<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        unreachable!("nothing is cancelled here")
    }

    fn continue_rollback<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        unreachable!("nothing is rolled back here")
    }

    fn roll_back<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        unreachable!("nothing is rolled back here")
    }
}

/// A small template needs no bucket.
impl Artifacts for Fake {
    fn buckets<'a>(&'a self, _: &'a str) -> Doing<'a, Vec<String>> {
        Box::pin(async { panic!("no bucket") })
    }

    fn exists<'a>(&'a self, _: &'a str) -> Doing<'a, bool> {
        Box::pin(async { panic!("no bucket") })
    }

    fn tags<'a>(&'a self, _: &'a str) -> Doing<'a, BTreeMap<String, String>> {
        Box::pin(async { panic!("no bucket") })
    }

    fn create<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async { panic!("no bucket") })
    }

    fn secure<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async { panic!("no bucket") })
    }

    fn tag<'a>(&'a self, _: &'a str, _: &'a BTreeMap<String, String>) -> Doing<'a, ()> {
        Box::pin(async { panic!("no bucket") })
    }

    fn has<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, bool> {
        Box::pin(async { panic!("no bucket") })
    }

    fn put<'a>(&'a self, _: &'a str, _: &'a str, _: &'a [u8]) -> Doing<'a, ()> {
        Box::pin(async { panic!("no bucket") })
    }

    fn versions<'a>(&'a self, _: &'a str, _: &'a str) -> Doing<'a, Vec<Version>> {
        Box::pin(async { panic!("no bucket") })
    }

    fn remove<'a>(&'a self, _: &'a str, _: &'a [Version]) -> Doing<'a, ()> {
        Box::pin(async { panic!("no bucket") })
    }

    fn delete<'a>(&'a self, _: &'a str) -> Doing<'a, bool> {
        Box::pin(async { panic!("no bucket") })
    }

    fn url(&self, _: &str, key: &str) -> String {
        key.to_owned()
    }
}

impl World for Fake {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.millis.fetch_add(millis, Ordering::Relaxed);
        Box::pin(async {})
    }

    fn random(&self) -> u64 {
        7
    }
}

impl User for Fake {
    fn tell(&self, _: &str) {}

    fn confirm<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<bool, DeployError>> + Send + 'a>> {
        Box::pin(async { panic!("it was agreed to") })
    }

    fn stopped(&self, times: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let stopped = self.signals.load(Ordering::Relaxed) >= u64::from(times);
        Box::pin(async move {
            if !stopped {
                std::future::pending::<()>().await;
            }
        })
    }
}

fn fault(kind: FaultKind, message: &str) -> Fault {
    Fault {
        kind,
        message: message.to_owned(),
    }
}

fn function() -> Mend {
    Mend::RestoreFunction(FunctionChange {
        region: "eu-west-1".to_owned(),
        function: "orders".to_owned(),
        timeout: Some(60),
        ..FunctionChange::default()
    })
}

fn mapping(enabled: Option<bool>) -> Mend {
    Mend::RestoreMapping(MappingChange {
        region: "eu-west-1".to_owned(),
        uuid: "u-2".to_owned(),
        enabled,
        ..MappingChange::default()
    })
}

fn rule(logical_id: &str) -> Mend {
    Mend::Remake(Remaking {
        stack: "k2m-orders".to_owned(),
        region: "eu-west-1".to_owned(),
        lost: vec![Lost {
            region: "eu-west-1".to_owned(),
            stack: "k2m-orders".to_owned(),
            logical_id: logical_id.to_owned(),
            kind: "AWS::EC2::SecurityGroupIngress".to_owned(),
            id: "sgr-1".to_owned(),
        }],
        caution: None,
    })
}

#[tokio::test]
async fn a_change_is_waited_for_and_made_again_while_another_is_under_way() {
    let fake = Fake::default();
    fake.faults.lock().unwrap().extend([
        fault(
            FaultKind::Refused,
            "ResourceConflictException: an update is in progress",
        ),
        fault(FaultKind::Passing, "TooManyRequestsException"),
    ]);
    *fake.states.lock().unwrap() = ["InProgress", "InProgress", "Successful"].into();
    fake.mend(&function()).await.unwrap();
    assert_eq!(fake.log(), ["change orders"; 3]);
    assert_eq!(World::elapsed(&fake), WAIT * 4);

    for (enabled, states) in [
        (Some(true), vec!["Disabled", "Enabling", "Enabled"]),
        (Some(false), vec!["Enabled", "Disabling", "Disabled"]),
        (None, vec!["Updating", "Disabled"]),
    ] {
        let (fake, count) = (Fake::default(), u32::try_from(states.len()).unwrap());
        *fake.states.lock().unwrap() = states.into();
        fake.mend(&mapping(enabled)).await.unwrap();
        assert_eq!(World::elapsed(&fake), WAIT * (count - 1), "{enabled:?}");
    }
}

#[tokio::test]
async fn what_fails_is_told_with_its_reason_and_nothing_is_waited_for_without_end() {
    let failing = |states: &[&'static str]| {
        let fake = Fake::default();
        *fake.states.lock().unwrap() = states.iter().copied().collect();
        fake
    };
    let error = failing(&["InProgress", "Failed"]).mend(&function()).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to change the function: no free address");
    let error = failing(&["Updating"]).mend(&mapping(None)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("to change the event source mapping (Updating) took longer"),
        "{error}"
    );
    let denied = Fake::default();
    let action = "lambda:UpdateFunctionConfiguration";
    let refusal = fault(FaultKind::Denied(action.to_owned()), "AccessDenied");
    denied.faults.lock().unwrap().push_back(refusal);
    let error = denied.mend(&function()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("allow {action}")), "{error}");
    assert_eq!(denied.log(), ["change orders"]);
}

#[tokio::test]
async fn groups_and_secrets_are_called_for_once() {
    let fake = Fake::default();
    let group = Mend::RestoreGroup(GroupChange {
        region: "eu-west-1".to_owned(),
        group: "sg-function".to_owned(),
        rules: vec![OutwardRule {
            ports: (9098, 9098),
            peer: RulePeer::Group("sg-brokers".to_owned()),
            description: None,
        }],
    });
    fake.mend(&group).await.unwrap();
    let cluster = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
    let secret = Mend::AssociateSecret {
        cluster: Arn::parse(Kind::Cluster, cluster).unwrap(),
        secret: "AmazonMSK_orders".to_owned(),
    };
    fake.mend(&secret).await.unwrap();
    assert_eq!(
        fake.log(),
        ["let sg-function out", "associate AmazonMSK_orders with events"]
    );
    fake.mend(&Mend::Deploy(Deployment::default())).await.unwrap();
    assert_eq!(fake.log().len(), 2, "a deployment has its own way");
}

#[tokio::test]
async fn what_is_gone_is_taken_out_of_the_stack_and_put_back_also_when_a_signal_comes() {
    let story = [
        "k2m-orders of orders.zip without the rule",
        "execute",
        "k2m-orders of orders.zip with the rule",
        "execute",
    ];
    let fake = Fake::default();
    fake.mend(&rule("Rule")).await.unwrap();
    assert_eq!(fake.log(), story);
    // The first signal is for what comes after.
    let fake = Fake::default();
    fake.signals.store(1, Ordering::Relaxed);
    fake.mend(&rule("Rule")).await.unwrap();
    assert_eq!(fake.log(), story);
    // The second ends it.
    let fake = Fake::default();
    fake.signals.store(2, Ordering::Relaxed);
    let error = fake.mend(&rule("Rule")).await.unwrap_err();
    assert!(matches!(error, DeployError::Stopped { .. }), "{error}");
}

#[tokio::test]
async fn a_stack_that_is_not_what_was_seen_is_left_alone() {
    let unreadable = Fact::Unreadable(Unreadable {
        missing_action: Some("cloudformation:GetTemplate".to_owned()),
        message: "AccessDenied".to_owned(),
    });
    for (template, lost, words) in [
        (None, "Nobody", "has no Nobody: the stack was changed meanwhile"),
        (Some(Fact::Absent), "Rule", "is not of k2m"),
        (Some(unreadable), "Rule", "allow cloudformation:GetTemplate"),
    ] {
        let fake = Fake::default();
        *fake.template.lock().unwrap() = template;
        let error = fake.mend(&rule(lost)).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(fake.log().is_empty(), "{:?}", fake.log());
    }
    let busy = Fake::default();
    *busy.status.lock().unwrap() = Some("UPDATE_IN_PROGRESS");
    let error = busy.mend(&rule("Rule")).await.unwrap_err();
    assert!(matches!(error, DeployError::Busy { .. }), "{error}");
}
