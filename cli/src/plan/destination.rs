//! Where what is given up goes: an SNS topic, an SQS queue or an S3 bucket that was named, else the stack's own; and what a given one has to allow, which
//! isn't looked at.

use super::Destination;
use super::error::PlanError;
use super::notes::{Notes, why};
use super::seen::{One, Seen};

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
    let account = &seen.settings.home.account;
    let why = format!("{}; {}", why(setting, ""), allowed(&chosen, account));
    notes.decide("failure destination", arn, why);
    Ok((chosen, None))
}

/// What its own policy and its key have to allow. The function's role has its rights, which do within an account unless the policy denies; a customer's key decides
/// for itself.
fn allowed(destination: &Destination, account: &str) -> String {
    let (with, key) = match destination {
        Destination::Own => return String::new(),
        Destination::Sns(_) => ("sns:Publish", "kms:GenerateDataKey and kms:Decrypt"),
        Destination::Sqs(_) => ("sqs:SendMessage", "kms:GenerateDataKey and kms:Decrypt"),
        Destination::S3(_) => ("s3:PutObject, and s3:ListBucket", "kms:GenerateDataKey"),
    };
    format!(
        "not looked at: its own policy must not deny {with} to account {account}'s roles, and where a customer's KMS key encrypts it, the key's policy has to allow the \
         function's role {key}: {{\"Effect\": \"Allow\", \"Principal\": {{\"AWS\": \"<the function's role>\"}}, \"Action\": [{}], \"Resource\": \"*\"}}",
        key.split(" and ")
            .map(|action| format!("\"{action}\""))
            .collect::<Vec<_>>()
            .join(", ")
    )
}
