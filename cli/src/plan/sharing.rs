//! A stream of another account than the cluster's, where the stack is: what its owner has to allow before the function reads it, and whether that is seen.

use serde_json::{Value, json};

use super::error::PlanError;
use super::notes::Notes;
use super::policy::{Access, Caller, Request, access};
use super::rights::is_managed;
use super::seen::{One, Seen};
use crate::arn::Arn;
use crate::facts::{Fact, Unreadable};
use crate::settings::{PipelineSettings, Settings};
use crate::shell::Command;

/// What Lambda does on a stream with the role's rights; what of it is retried is read as by polling, also with a consumer.
const ON_STREAM: &[&str] = &[
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
];
/// And on a consumer.
const ON_CONSUMER: &[&str] = &["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];

/// Whether a stream is of another account than the stack.
pub(super) fn is_foreign(stream: &Arn, settings: &Settings) -> bool {
    stream.account != settings.home.account
}

/// Checks what of the owner's part is seen, and says what isn't.
pub(super) fn check(one: &One, seen: &Seen, notes: &mut Notes) -> Result<(), PlanError> {
    let (settings, stream) = (seen.settings, &one.settings.stream.value);
    if !is_foreign(stream, settings) {
        return Ok(());
    }
    let (owner, account) = (&stream.account, &settings.home.account);
    let name = stream.name();
    match &one.stream.kms_key {
        Some(key) if is_managed(key) => {
            return Err(PlanError::OwnersKey {
                stream: name.to_owned(),
                key: key.clone(),
                owner: owner.clone(),
                account: account.clone(),
                command: Command::new("aws kinesis start-stream-encryption")
                    .option("--stream-arn", stream.as_str())
                    .flag("--encryption-type KMS")
                    .option("--key-id", "KEY_ARN")
                    .to_string(),
            });
        }
        Some(key) => notes.warn(format!(
            "the stream {name} of account {owner} is encrypted with {key}: the role's own right does not do in another account, so that the key's policy has to allow it too: {}",
            json!({
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:{}:iam::{account}:root", stream.partition)},
                "Action": "kms:Decrypt",
                "Resource": "*",
            })
        )),
        None => {}
    }
    let mut shared = true;
    for part in Part::all(one.settings) {
        shared &= part.check(one, seen, notes)?;
    }
    let why = if shared {
        format!("the cluster's; the stream is of account {owner}, and its policy lets this one read it")
    } else {
        format!("the cluster's; the stream is of account {owner}, whose owner has to let this one read it")
    };
    notes.decide("account", account.as_str(), why);
    Ok(())
}

/// What the owner of streams that could not be seen has to do, where they are of another account: nothing else shows them.
pub(super) fn ask_owners<'a>(unseen: impl Iterator<Item = &'a PipelineSettings>, settings: &Settings) -> Vec<String> {
    let foreign = unseen.filter(|pipeline| is_foreign(&pipeline.stream.value, settings));
    let parts = foreign.flat_map(Part::all);
    let asked = parts.map(|part| {
        format!(
            "{} is of account {}, and is seen from account {} once its owner lets it: {}",
            part.name,
            part.owner,
            settings.home.account,
            part.command(None, &settings.home.account)
        )
    });
    asked.collect()
}

/// A thing of the owner's with a policy of its own.
struct Part<'a> {
    name: String,
    arn: &'a str,
    owner: &'a str,
    actions: &'static [&'static str],
}

impl<'a> Part<'a> {
    /// The stream, and the consumer where there is one.
    fn all(settings: &'a PipelineSettings) -> Vec<Self> {
        let stream = &settings.stream.value;
        let part = |name, arn, actions| Self {
            name,
            arn,
            owner: &stream.account,
            actions,
        };
        let own = part(format!("the stream {}", stream.name()), stream.as_str(), ON_STREAM);
        let consumer = settings.consumer.as_ref().map(|consumer| {
            let name = format!("the consumer of the stream {}", stream.name());
            part(name, consumer.value.as_str(), ON_CONSUMER)
        });
        std::iter::once(own).chain(consumer).collect()
    }

    /// Whether its policy is seen to let the role in. One that is seen not to is an error: Lambda would refuse the mapping.
    fn check(&self, one: &One, seen: &Seen, notes: &mut Notes) -> Result<bool, PlanError> {
        let account = &seen.settings.home.account;
        let refused = |policy: &str, lacks: String| PlanError::NotShared {
            what: self.name.clone(),
            owner: self.owner.to_owned(),
            account: account.clone(),
            lacks,
            command: self.command(Some(policy), account),
        };
        let unseen = |notes: &mut Notes, policy: Option<&str>, why: String| {
            notes.warn(format!(
                "{} is of account {}, and whether its policy lets account {account} read it {why}: unless it does, {}",
                self.name,
                self.owner,
                self.command(policy, account)
            ));
        };
        match seen.stream_policies.get(self.arn) {
            None => unseen(notes, None, "is not among the facts".to_owned()),
            Some(Fact::Unreadable(Unreadable { message, .. })) => {
                unseen(notes, None, format!("could not be seen from here ({message})"));
            }
            Some(Fact::Absent) => return Err(refused("{}", "it has no policy".to_owned())),
            Some(Fact::Found { value: policy }) => {
                let caller = Caller {
                    account,
                    role: seen.role(one),
                };
                let requests = self.actions.iter().map(|&action| Request {
                    action,
                    resource: self.arn.to_owned(),
                });
                match access(policy, caller, &requests.collect::<Vec<_>>()) {
                    Access::Given => return Ok(true),
                    Access::Lacks(actions) => {
                        let lacks = format!("its policy does not allow {}", actions.join(", "));
                        return Err(refused(policy, lacks));
                    }
                    Access::Perhaps(actions) => {
                        let why = format!(
                            "depends, for {}, on conditions that k2m can't judge",
                            actions.join(", ")
                        );
                        unseen(notes, Some(policy), why);
                    }
                }
            }
        }
        Ok(false)
    }

    /// What its owner runs: a policy takes the place of the one that is there, so that what is known of that is kept.
    fn command(&self, policy: Option<&str>, account: &str) -> String {
        let known = policy.and_then(|policy| serde_json::from_str::<Value>(policy).ok());
        let kept = match known.as_ref().map(|policy| &policy["Statement"]) {
            Some(Value::Array(statements)) => statements.clone(),
            Some(one @ Value::Object(_)) => vec![one.clone()],
            _ => Vec::new(),
        };
        let own = json!({
            "Sid": format!("K2mOf{account}"),
            "Effect": "Allow",
            "Principal": {"AWS": account},
            "Action": self.actions,
            "Resource": self.arn,
        });
        let statements: Vec<Value> = kept
            .into_iter()
            .filter(|one| one["Sid"] != own["Sid"])
            .chain([own.clone()])
            .collect();
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let command = Command::new("aws kinesis put-resource-policy")
            .option("--resource-arn", self.arn)
            .option("--policy", &policy);
        let kept = if known.is_some() {
            ""
        } else {
            " (in place of a policy that is there: add the statements of that)"
        };
        format!("run with credentials of account {}{kept}: `{command}`", self.owner)
    }
}
