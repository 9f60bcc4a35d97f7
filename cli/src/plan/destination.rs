//! Where what is given up goes: an SNS topic, an SQS queue or an S3 bucket that was named, else the stack's own; and whether a given one is there and takes it.

use super::Destination;
use super::error::PlanError;
use super::notes::{Notes, why};
use super::policy::{self, Caller, Request, Verdict};
use super::rights::is_managed;
use super::seen::{One, Seen};
use crate::facts::{Fact, GivenDestination, Unreadable};
use crate::settings::Setting;

/// Decides the destination, and who is told by e-mail.
pub(super) fn choose(one: &One, seen: &Seen, notes: &mut Notes) -> Result<(Destination, Option<String>), PlanError> {
    let email = one.settings.failure_email.as_ref();
    let Some(setting) = &one.settings.failure_destination else {
        notes.decide(
            "failure destination",
            "an SNS topic with an encrypted queue, of the stack's own",
            "nobody named one; SNS stores nothing, so a queue keeps the messages for 14 days",
        );
        if let Some(email) = email {
            notes.decide("failure e-mail", email.value.as_str(), why(email, ""));
            notes.warn(format!(
                "{} ({}) is told of what is given up only after the link in AWS's first mail (\"AWS Notification - Subscription Confirmation\") is followed, within \
                 three days",
                email.value, email.source
            ));
        }
        return Ok((Destination::Own, email.map(|email| email.value.clone())));
    };
    let arn = setting.value.clone();
    let chosen = match arn.split(':').nth(2) {
        Some("sns") => Destination::Sns(arn.clone()),
        Some("sqs") => Destination::Sqs(arn.clone()),
        Some("s3") => Destination::S3(arn.clone()),
        _ => {
            return Err(PlanError::Destination {
                value: arn,
                by: setting.source.clone(),
            });
        }
    };
    if let Some(email) = email {
        notes.warn(format!(
            "failure_email ({}) has no effect: what is given up goes to {arn} ({}), which is not the stack's; subscribe the address there, or leave failure_destination \
             out",
            email.source, setting.source
        ));
    }
    let looked = Looked {
        one,
        seen,
        setting,
        kind: Kind::of(&arn),
    };
    let words = looked.judge(notes)?;
    notes.decide("failure destination", arn, format!("{}; {words}", why(setting, "")));
    Ok((chosen, None))
}

/// What a destination's own policy says of what Lambda does there with the role's rights.
pub(crate) fn verdict(arn: &str, policy: &str, caller: Caller<'_>) -> Verdict {
    let requests = Kind::of(arn).actions.iter().map(|&(action, within)| Request {
        action,
        resource: format!("{arn}{within}"),
    });
    policy::judge(policy, caller, &requests.collect::<Vec<_>>())
}

/// What is of one kind of destination alone.
struct Kind {
    /// What it is called.
    name: &'static str,
    /// The command that shows what is there.
    lister: &'static str,
    /// The action by which k2m looks at it.
    looks: &'static str,
    /// What the role does there; on what within it.
    actions: &'static [(&'static str, &'static str)],
    /// What the role does with its key.
    key_actions: &'static str,
}

impl Kind {
    /// As its ARN says.
    fn of(arn: &str) -> Self {
        match arn.split(':').nth(2) {
            Some("s3") => Self {
                name: "S3 bucket",
                lister: "aws s3api list-buckets",
                looks: "s3:ListBucket, s3:GetEncryptionConfiguration and s3:GetBucketPolicy",
                // The beginning of the names that Lambda gives.
                actions: &[("s3:PutObject", "/aws/lambda/"), ("s3:ListBucket", "")],
                key_actions: "kms:GenerateDataKey",
            },
            Some("sqs") => Self {
                name: "SQS queue",
                lister: "aws sqs list-queues",
                looks: "sqs:GetQueueUrl and sqs:GetQueueAttributes",
                actions: &[("sqs:SendMessage", "")],
                key_actions: "kms:GenerateDataKey and kms:Decrypt",
            },
            _ => Self {
                name: "SNS topic",
                lister: "aws sns list-topics",
                looks: "sns:GetTopicAttributes",
                actions: &[("sns:Publish", "")],
                key_actions: "kms:GenerateDataKey and kms:Decrypt",
            },
        }
    }
}

/// A destination that was named, and looked at.
struct Looked<'a> {
    one: &'a One<'a>,
    seen: &'a Seen<'a>,
    setting: &'a Setting<String>,
    kind: Kind,
}

impl Looked<'_> {
    fn arn(&self) -> &str {
        &self.setting.value
    }

    /// What it is called, with its name.
    fn name(&self) -> String {
        let name = self.arn().rsplit(':').next().unwrap_or_default();
        format!("the {} {name}", self.kind.name)
    }

    /// What was seen of it in a few words, or why it can't be used.
    fn judge(&self, notes: &mut Notes) -> Result<String, PlanError> {
        match self.one.destination {
            None => {
                notes.warn(format!(
                    "the facts say nothing of {} ({}): whether it is there and takes what is given up is not known; look again, with `k2m inspect -o json` and the same settings",
                    self.name(),
                    self.setting.source
                ));
                Ok(self.unseen())
            }
            Some(Fact::Unreadable(why)) => {
                notes.warn(format!(
                    "whether {} ({}) is there and takes what is given up could not be seen: {}",
                    self.name(),
                    self.setting.source,
                    next(why, self.kind.looks)
                ));
                Ok(self.unseen())
            }
            Some(Fact::Absent) => Err(PlanError::Absent {
                what: self.name(),
                region: self.seen.settings.home.region.clone(),
                account: self.seen.settings.home.account.clone(),
                arn: self.arn().to_owned(),
                lister: self.kind.lister,
            }),
            Some(Fact::Found { value }) => {
                let words = [self.policy(value, notes)?, self.key(value, notes)];
                self.heard(value, notes);
                self.region(value, notes);
                Ok(words.join("; "))
            }
        }
    }

    /// Whether its policy lets the role in.
    fn policy(&self, found: &GivenDestination, notes: &mut Notes) -> Result<String, PlanError> {
        let text = match &found.policy {
            Fact::Absent => return Ok("it has no policy of its own".to_owned()),
            Fact::Unreadable(why) => {
                notes.warn(format!(
                    "whether the policy of {} lets the function's role in could not be seen: {}",
                    self.name(),
                    next(why, self.kind.looks)
                ));
                return Ok(self.must_not_deny());
            }
            Fact::Found { value } => value,
        };
        let caller = Caller {
            account: &self.seen.settings.home.account,
            role: self.seen.role(self.one),
        };
        match verdict(self.arn(), text, caller) {
            Verdict::Passes => Ok("its policy denies nothing of what is needed".to_owned()),
            Verdict::Perhaps(how) => {
                notes.warn(format!(
                    "the policy of {} may keep the function's role from it, and what is given up would be lost: {how}; k2m can't judge that: see that it doesn't hold \
                     for the role",
                    self.name()
                ));
                Ok(self.must_not_deny())
            }
            Verdict::Denies(how) => Err(PlanError::DestinationDenies {
                what: self.name(),
                by: self.setting.source.clone(),
                how,
            }),
        }
    }

    /// The key that encrypts it.
    fn key(&self, found: &GivenDestination, notes: &mut Notes) -> String {
        let actions = self.kind.key_actions;
        match &found.kms_key {
            Fact::Absent => "no KMS key encrypts it".to_owned(),
            Fact::Unreadable(why) => {
                notes.warn(format!(
                    "which KMS key encrypts {} could not be seen, so that the function's role gets no right to one, and with a customer's what is given up would be lost: {}",
                    self.name(),
                    next(why, self.kind.looks)
                ));
                String::from("its key is not known")
            }
            Fact::Found { value: key } if is_managed(key) => {
                format!("{key}, AWS's own key, encrypts it, which every role of the account may use there")
            }
            Fact::Found { value: key } => {
                let account = &self.seen.settings.home.account;
                let of = key.split(':').nth(4).filter(|of| of != account);
                if let Some(of) = of {
                    notes.warn(format!(
                        "{} is encrypted by {key}, a key of account {of}: the role's own right does not do there, and the key's policy has to allow {actions} to account {account}",
                        self.name()
                    ));
                }
                format!(
                    "the customer's key {key} encrypts it: the role gets {actions}, which the key's policy has to leave to IAM, as it does by default"
                )
            }
        }
    }

    /// Whether somebody hears what is published: SNS keeps nothing.
    fn heard(&self, found: &GivenDestination, notes: &mut Notes) {
        let Some(subscriptions) = found.subscriptions.filter(|all| all.confirmed == 0) else {
            return;
        };
        let pending = match subscriptions.pending {
            0 => "subscribe a queue".to_owned(),
            pending => format!(
                "{pending} wait for their owners to follow the link that AWS sent: have that done, or subscribe a queue"
            ),
        };
        notes.warn(format!(
            "{} ({}) has no confirmed subscription, and SNS keeps nothing: what is given up would be lost without a word; {pending}: `aws sns subscribe --topic-arn {} \
             --protocol sqs --notification-endpoint QUEUE_ARN`",
            self.name(),
            self.setting.source,
            self.arn()
        ));
    }

    /// Whether a bucket is where the function is.
    fn region(&self, found: &GivenDestination, notes: &mut Notes) {
        let home = &self.seen.settings.home.region;
        if let Some(region) = found.region.as_ref().filter(|region| *region != home) {
            notes.warn(format!(
                "{} ({}) is in {region}, the function in {home}: AWS doesn't say that Lambda writes to a bucket of another region, and what it couldn't write would be lost; name \
                 one in {home}",
                self.name(),
                self.setting.source
            ));
        }
    }

    fn must_not_deny(&self) -> String {
        let actions: Vec<&str> = self.kind.actions.iter().map(|(action, _)| *action).collect();
        format!(
            "its policy must not deny {} to account {}'s roles",
            actions.join(" and "),
            self.seen.settings.home.account
        )
    }

    /// What nobody could see, and so is the user's to see to.
    fn unseen(&self) -> String {
        format!(
            "not seen: {}, and a customer's KMS key that encrypts it has to allow the function's role {}, which it gets no right to",
            self.must_not_deny(),
            self.kind.key_actions
        )
    }
}

/// Why it could not be seen, and what to do.
fn next(why: &Unreadable, looks: &str) -> String {
    match &why.missing_action {
        Some(action) => format!(
            "{}; allow {action} to these credentials ({looks} show all of it), then look again",
            why.message
        ),
        None => format!("{}; look again", why.message),
    }
}
