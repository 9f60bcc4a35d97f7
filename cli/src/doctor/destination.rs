//! D: where what is given up goes.

use serde_json::json;

use super::foreign::lasting;
use super::{Case, Outcome, given};
use crate::facts::{Fact, GivenDestination};
use crate::plan::destination::verdict;
use crate::plan::policy::{Caller, Verdict};
use crate::shell::Command;

/// Whether the mapping has a failure destination, and one that was given takes what is given up.
pub(super) fn present(case: &Case<'_>) -> Outcome {
    let mapping = given!(case.mapping());
    let Some(destination) = &mapping.destination else {
        let none = "the mapping has no failure destination: a batch that is given up is gone without a word";
        return match case.foreign() {
            Some(foreign) => Outcome::warn(
                none,
                [
                    "make a queue, allow the function's role sqs:SendMessage to it, and give its ARN in place of ARN:"
                        .to_owned(),
                    case.direct("failure_destination", "ARN").unwrap_or_default(),
                    lasting(foreign),
                ],
            ),
            None => Outcome::warn(none, case.deploy(&[])),
        };
    };
    match case.facts.destinations.get(destination) {
        None if case.foreign().is_some() => {
            Outcome::skip(format!("the facts say nothing of {destination}; inspect again"))
        }
        None => own(case, destination),
        Some(Fact::Found { value }) => takes(case, value),
        Some(Fact::Absent) => Outcome::fail(
            format!("{destination} is not there: a batch that is given up is gone without a word"),
            format!("make it again, or {}", name_another(case)),
        ),
        Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
    }
}

/// The stack's own topic and queue: where they are, and under which names.
struct Own<'a> {
    topic: &'a str,
    /// The topic's name.
    name: &'a str,
    region: &'a str,
    /// The queue's ARN.
    queue: String,
    /// Its name.
    queue_name: &'a str,
}

impl<'a> Own<'a> {
    fn of(case: &Case<'a>, topic: &'a str) -> Option<Self> {
        let queue_name = case.resource("FailureQueue")?.rsplit('/').next()?;
        let place: Vec<&str> = topic.split(':').collect();
        let &[_, partition, _, region, account, name] = place.as_slice() else {
            return None;
        };
        Some(Self {
            topic,
            name,
            region,
            queue: format!("arn:{partition}:sqs:{region}:{account}:{queue_name}"),
            queue_name,
        })
    }

    /// The command that has the topic tell the queue, as in the template.
    fn subscribe(&self) -> String {
        Command::new("aws sns subscribe")
            .option("--topic-arn", self.topic)
            .option("--protocol", "sqs")
            .option("--notification-endpoint", &self.queue)
            .option("--attributes", "RawMessageDelivery=true")
            .option("--region", self.region)
            .to_string()
    }

    fn topic_gone(&self) -> Outcome {
        Outcome::fail(
            format!(
                "the stack's own topic {} is not there: a batch that is given up is gone without a word",
                self.name
            ),
            [
                "CloudFormation takes it to be there, so k2m deploy does not make it again; under its name the mapping finds it:".to_owned(),
                Command::new("aws sns create-topic")
                    .option("--name", self.name)
                    .option("--attributes", "KmsMasterKeyId=alias/aws/sns")
                    .option("--region", self.region)
                    .to_string(),
                "and for it to tell the queue again, which went with it:".to_owned(),
                self.subscribe(),
            ],
        )
    }

    fn queue_gone(&self) -> Outcome {
        // As in the template.
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {
                "Sid": "FromTheTopic", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": self.queue, "Condition": {"ArnEquals": {"aws:SourceArn": self.topic}},
            },
            {
                "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*",
                "Resource": self.queue, "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]});
        let attributes = json!({
            "MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true", "Policy": policy.to_string(),
        });
        Outcome::fail(
            format!(
                "the stack's own queue {} is not there: a batch that is given up is gone without a word",
                self.queue_name
            ),
            [
                "CloudFormation takes it to be there, so k2m deploy does not make it again; under its name the topic's subscription finds it:"
                    .to_owned(),
                Command::new("aws sqs create-queue")
                    .option("--queue-name", self.queue_name)
                    .option("--attributes", &attributes.to_string())
                    .option("--region", self.region)
                    .to_string(),
            ],
        )
    }

    /// The topic tells these queues, which the stack's own is not among.
    fn not_told(&self, others: &[String]) -> Outcome {
        let fix = [
            "CloudFormation takes its subscription to be there, so k2m deploy does not make it again:".to_owned(),
            self.subscribe(),
        ];
        let evidence = format!(
            "the stack's own queue {} is not subscribed to {}",
            self.queue_name, self.topic
        );
        if others.is_empty() {
            let gone = "SNS keeps nothing: a batch that is given up is gone without a word";
            Outcome::fail(format!("{evidence}, and {gone}"), fix)
        } else {
            Outcome::warn(
                format!("{evidence}: what is given up goes to {} alone", others.join(", ")),
                fix,
            )
        }
    }
}

/// Whether the stack's own topic is there, and the queue that it tells.
fn own(case: &Case<'_>, topic: &str) -> Outcome {
    let Some(own) = Own::of(case, topic) else {
        return Outcome::pass(topic);
    };
    let subscribed = case.seen.subscribed.as_ref();
    if let Some(Fact::Absent) = subscribed {
        return own.topic_gone();
    }
    if let Some(Fact::Absent) = &case.seen.waiting {
        return own.queue_gone();
    }
    match subscribed {
        Some(Fact::Found { value }) if !value.contains(&own.queue) => own.not_told(value),
        Some(Fact::Unreadable(why)) => Outcome::unreadable(why),
        Some(Fact::Found { .. } | Fact::Absent) | None => Outcome::pass(topic),
    }
}

/// Whether a given destination keeps what it is sent, as far as it says.
fn takes(case: &Case<'_>, found: &GivenDestination) -> Outcome {
    let arn = &found.arn;
    let caller = Caller {
        account: &case.settings.home.account,
        role: match case.foreign() {
            Some(_) => role_of(case),
            None => case.resource("Role").map(String::as_str),
        },
    };
    let verdict = found.policy.found().map(|policy| verdict(arn, policy, caller));
    match verdict {
        Some(Verdict::Denies(how)) => Outcome::fail(
            format!(
                "the policy of {arn} denies it to the function's role: {how}; a batch that is given up is gone without a word"
            ),
            format!("change that policy, or {}", name_another(case)),
        ),
        Some(Verdict::Perhaps(how)) => Outcome::warn(
            format!("the policy of {arn} may deny it to the function's role: {how}"),
            "see that it doesn't hold for the role",
        ),
        Some(Verdict::Passes) | None if found.subscriptions.is_some_and(|all| all.confirmed == 0) => Outcome::warn(
            format!(
                "{arn} has no confirmed subscription, and SNS keeps nothing: a batch that is given up is gone without a word"
            ),
            "subscribe a queue, and have subscriptions confirmed that wait for it",
        ),
        Some(Verdict::Passes) | None => Outcome::pass(arn),
    }
}

/// How the mapping is given another destination.
fn name_another(case: &Case<'_>) -> String {
    match case.foreign() {
        Some(foreign) => format!(
            "name another, in place of ARN: `{}`; {}",
            case.direct("failure_destination", "ARN").unwrap_or_default(),
            lasting(foreign)
        ),
        None => {
            "name another with --failure-destination (`failure_destination` in k2m.yaml), then `k2m deploy`".to_owned()
        }
    }
}

/// The name of the function's role, where its ARN is known.
fn role_of<'a>(case: &Case<'a>) -> Option<&'a str> {
    case.seen.function.found()?.role.as_deref()?.rsplit('/').next()
}
