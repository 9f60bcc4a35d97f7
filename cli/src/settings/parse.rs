//! How the text of a setting becomes its value. Pure. An error reads well after "invalid value `…` for …: ", and says what to give instead.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use jiff::Timestamp;

use super::{Architecture, Authentication, OnPoison};
use crate::arn::{Arn, Kind, SecretArn};
use crate::plan::shared::NETWORK_STACK_PREFIX;
use crate::shown::shown;

/// Days that `CloudWatch` Logs can keep logs.
pub(super) const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

/// Where the mapping begins, without the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    TrimHorizon,
    Latest,
    AtTimestamp,
}

/// The ARN of an SNS topic or an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) text: String,
    pub(super) partition: String,
    pub(super) region: String,
    pub(super) account: String,
}

/// Kafka's own rule for topic names.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 {
        Err(format!(
            "a topic's name has 1 to 249 characters, this has {}",
            text.chars().count()
        ))
    } else if text == "." || text == ".." {
        Err(format!("Kafka forbids the name `{text}`"))
    } else if let Some(odd) = text.chars().find(|&c| !known(c)) {
        Err(format!(
            "a topic's name has letters, digits, `.`, `_` and `-` only, not `{}`",
            odd.escape_debug()
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// `CloudFormation`'s own rule for stack names.
pub(super) fn stack(text: &str) -> Result<String, String> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 128
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if text.starts_with(NETWORK_STACK_PREFIX) {
        Err(format!(
            "names that begin with {NETWORK_STACK_PREFIX} are those of network stacks, which other stacks make and take away as they need them; choose another"
        ))
    } else if fits {
        Ok(text.to_owned())
    } else {
        Err("a stack's name has 1 to 128 letters, digits and `-`, a letter first".to_owned())
    }
}

/// Streams of one account and region, each once: a stack is in one place, and has one pipeline a stream.
pub(super) fn streams(text: &str) -> Result<Vec<Arn>, String> {
    let mut streams: Vec<Arn> = Vec::new();
    for text in text.split(',').map(str::trim) {
        let stream = Arn::parse(Kind::Stream, text).map_err(|error| error.to_string())?;
        if streams.contains(&stream) {
            return Err(format!("{stream} is there twice: a stream has one pipeline"));
        }
        streams.push(stream);
    }
    Ok(streams)
}

pub(super) fn cluster(text: &str) -> Result<Arn, String> {
    Arn::parse(Kind::Cluster, text).map_err(|error| error.to_string())
}

/// A number of this range; `what` says of what, and whose limit it is.
pub(super) fn number<T>(text: &str, range: RangeInclusive<T>, what: &str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "give a whole number from {} to {}: {what}",
            range.start(),
            range.end()
        )),
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

pub(super) fn authentication(text: &str) -> Result<Authentication, String> {
    let like = text.replace('-', "_");
    Authentication::ALL
        .into_iter()
        .find(|way| way.name() == like)
        .ok_or_else(|| "give iam, tls, plaintext, scram or mutual_tls".to_owned())
}

pub(super) fn secret(text: &str) -> Result<SecretArn, String> {
    SecretArn::parse(text).map_err(|error| error.to_string())
}

pub(super) fn on_poison(text: &str) -> Result<OnPoison, String> {
    [OnPoison::Block, OnPoison::Divert]
        .into_iter()
        .find(|known| known.name() == text)
        .ok_or_else(|| "give block or divert".to_owned())
}

/// An id of EC2's, such as `vpc-0123456789abcdef0`.
fn id(text: &str, prefix: &str, what: &str) -> Result<String, String> {
    let fits = text
        .strip_prefix(prefix)
        .is_some_and(|rest| (1..=32).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_alphanumeric()));
    if fits {
        return Ok(text.to_owned());
    }
    Err(format!(
        "this is not the id of {what}; give one such as {prefix}0123456789abcdef0"
    ))
}

pub(super) fn vpc(text: &str) -> Result<String, String> {
    id(text, "vpc-", "a VPC")
}

pub(super) fn peering(text: &str) -> Result<String, String> {
    id(text, "pcx-", "a VPC peering connection")
}

pub(super) fn security_group(text: &str) -> Result<String, String> {
    id(text, "sg-", "a security group")
}

pub(super) fn subnets(text: &str) -> Result<Vec<String>, String> {
    let mut ids: Vec<String> = Vec::new();
    for id in text.split(',').map(str::trim) {
        let fits = id
            .strip_prefix("subnet-")
            .is_some_and(|rest| (1..=32).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_alphanumeric()));
        if !fits {
            return Err(format!(
                "`{}` is not the id of a subnet; give ids such as subnet-0123456789abcdef0",
                id.escape_debug()
            ));
        }
        if ids.iter().any(|other| other == id) {
            return Err(format!("{id} is there twice: name each subnet once"));
        }
        ids.push(id.to_owned());
    }
    match ids.len() {
        0..=16 => Ok(ids),
        many => Err(format!(
            "give at most 16 subnets, not {many}: a Lambda function can't be in more"
        )),
    }
}

pub(super) fn starting_position(text: &str) -> Result<Position, String> {
    match text {
        "TRIM_HORIZON" => Ok(Position::TrimHorizon),
        "LATEST" => Ok(Position::Latest),
        "AT_TIMESTAMP" => Ok(Position::AtTimestamp),
        _ => Err(
            "give TRIM_HORIZON (the oldest record), LATEST (what comes from now on) or AT_TIMESTAMP (with \
             starting_timestamp)"
                .to_owned(),
        ),
    }
}

/// A time, in UTC and the same form always.
pub(super) fn timestamp(text: &str) -> Result<String, String> {
    match text.parse::<Timestamp>() {
        Ok(time) if time >= Timestamp::UNIX_EPOCH => Ok(time.to_string()),
        Ok(_) => Err("it is before 1970: no record is that old".to_owned()),
        Err(_) => Err("give a time with its zone as RFC 3339 has it, such as 2026-01-02T03:04:05Z".to_owned()),
    }
}

pub(super) fn maximum_record_age(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(age @ (-1 | 60..=604_800)) => Ok(age),
        _ => Err(
            "give -1 (any age), or a whole number from 60 to 604800: Lambda's limits of a record's age in seconds"
                .to_owned(),
        ),
    }
}

/// Only 0: what else there is would need what k2m doesn't have.
pub(super) fn tumbling_window(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Ok(0),
        Ok(_) => Err(
            "give 0, or leave it out: a tumbling window makes Lambda hold state between invocations; k2m keeps none"
                .to_owned(),
        ),
        Err(_) => Err("give 0: k2m has no tumbling windows".to_owned()),
    }
}

/// A registered consumer: its stream's ARN, its name, and when it was made. Whose stream it is, is checked beside the stream.
pub(super) fn consumer(text: &str) -> Result<String, String> {
    let parts = text.split_once("/consumer/").and_then(|(stream, rest)| {
        let (name, made) = rest.split_once(':')?;
        Some((stream, name, made))
    });
    let fits = parts.is_some_and(|(stream, name, made)| {
        let word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        Arn::parse(Kind::Stream, stream).is_ok()
            && (1..=128).contains(&name.len())
            && name.chars().all(word)
            && !made.is_empty()
            && made.bytes().all(|byte| byte.is_ascii_digit())
    });
    if fits {
        Ok(text.to_owned())
    } else {
        Err(
            "give the ARN of a stream's consumer, as `aws kinesis register-stream-consumer` answers it: \
             arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:NUMBER"
                .to_owned(),
        )
    }
}

/// One address. Whether anybody reads it, its confirmation shows.
pub(super) fn email(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_graphic() && !"@,;<>()[]\"\\:".contains(c))
    };
    let fits = text
        .split_once('@')
        .is_some_and(|(name, domain)| plain(name) && plain(domain) && domain.contains('.') && text.len() <= 254);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("give one e-mail address, such as on-call@example.com".to_owned())
    }
}

/// Only true: what else there is would lose records.
pub(super) fn partial_failures(text: &str) -> Result<bool, String> {
    if boolean(text)? {
        return Ok(true);
    }
    Err(
        "give true, or leave it out: without it a partial failure would count as success, and records would be lost"
            .to_owned(),
    )
}

pub(super) fn log_retention(text: &str) -> Result<u32, String> {
    let days = text.parse::<u32>().ok();
    days.filter(|days| RETENTIONS.contains(&i64::from(*days)))
        .ok_or_else(|| {
            let list: Vec<String> = RETENTIONS.iter().map(i64::to_string).collect();
            format!(
                "CloudWatch Logs keeps logs for one of these numbers of days: {}",
                list.join(", ")
            )
        })
}

pub(super) fn failure_destination(text: &str) -> Result<Target, String> {
    if text.starts_with("kafka://") {
        return Err(
            "Lambda sends what failed to a Kafka topic only where the source is Kafka too; give the ARN of an SNS topic, \
             an SQS queue or an S3 bucket"
                .to_owned(),
        );
    }
    match target(text) {
        Ok((service, target)) if service == "s3" => {
            let name = target.text.rsplit(':').next().unwrap_or_default();
            if name.contains('/') {
                return Err("Lambda takes a whole bucket, not a folder of one: arn:aws:s3:::BUCKET".to_owned());
            }
            let fits = (3..=63).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
            return if fits {
                Ok(target)
            } else {
                Err(
                    "a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`: arn:aws:s3:::BUCKET"
                        .to_owned(),
                )
            };
        }
        Ok((service, target)) if service == "sns" || service == "sqs" => Ok(target),
        _ => Err(
            "give the ARN of an SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME), an SQS queue \
             (arn:aws:sqs:REGION:ACCOUNT:NAME) or an S3 bucket (arn:aws:s3:::BUCKET)"
                .to_owned(),
        ),
    }
    .and_then(|target| not_fifo(target, "Lambda sends what failed"))
}

pub(super) fn alarm_topic(text: &str) -> Result<Target, String> {
    match target(text) {
        Ok((service, target)) if service == "sns" => Ok(target),
        _ => Err("give the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME".to_owned()),
    }
    .and_then(|target| not_fifo(target, "CloudWatch sends alarms"))
}

fn not_fifo(target: Target, who: &str) -> Result<Target, String> {
    // AWS takes no other spelling.
    if target.text.rsplit('.').next() == Some("fifo") {
        return Err(format!(
            "{who} to standard topics and queues only, not to FIFO ones (.fifo)"
        ));
    }
    Ok(target)
}

/// A service and the thing of it that an ARN names.
fn target(text: &str) -> Result<(String, Target), ()> {
    let parts: Vec<&str> = text.split(':').collect();
    let &["arn", partition, service, region, account, name] = parts.as_slice() else {
        return Err(());
    };
    let word = |text: &str, others: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    // A bucket's ARN has neither region nor account, and may name a folder.
    let fits = (partition == "aws" || partition.starts_with("aws-"))
        && word(partition, "-")
        && match service {
            "s3" => region.is_empty() && account.is_empty() && !name.is_empty(),
            _ => {
                is_region(region)
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && word(name, "-_.")
            }
        };
    if !fits {
        return Err(());
    }
    Ok((
        service.to_owned(),
        Target {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        },
    ))
}

/// The ARN of a policy or a role of IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IamArn {
    pub(super) text: String,
    pub(super) partition: String,
    /// Twelve digits; `aws` of a policy that AWS keeps.
    pub(super) account: String,
}

/// The ARN of a `kind` of IAM, whose name has at most so many characters.
fn iam(text: &str, kind: &str, most: usize) -> Option<IamArn> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else {
        return None;
    };
    let path = resource.strip_prefix(kind)?.strip_prefix('/')?;
    let name = path.rsplit('/').next().unwrap_or_default();
    let of_name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (partition == "aws" || partition.starts_with("aws-"))
        && partition
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && (digits || account == "aws" && kind == "policy")
        && path.chars().all(|c| c.is_ascii_graphic())
        && (1..=most).contains(&name.len())
        && name.chars().all(of_name);
    fits.then(|| IamArn {
        text: text.to_owned(),
        partition: partition.to_owned(),
        account: account.to_owned(),
    })
}

pub(super) fn policy(text: &str) -> Result<IamArn, String> {
    iam(text, "policy", 128)
        .ok_or_else(|| "give the ARN of a policy of IAM: arn:aws:iam::ACCOUNT:policy/NAME".to_owned())
}

pub(super) fn role(text: &str) -> Result<IamArn, String> {
    iam(text, "role", 64).ok_or_else(|| "give the ARN of a role of IAM: arn:aws:iam::ACCOUNT:role/NAME".to_owned())
}

/// S3's rule for names of buckets.
pub(super) fn bucket(text: &str) -> Result<String, String> {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let fits = (3..=63).contains(&text.len())
        && text.chars().all(known)
        && end(text.chars().next())
        && end(text.chars().next_back())
        && !text.contains("..");
    if fits {
        return Ok(text.to_owned());
    }
    Err("give a bucket's name, not its ARN: 3 to 63 lower-case letters, digits, `-` and `.`, a letter or a digit first and last".to_owned())
}

pub(super) fn architecture(text: &str) -> Result<Architecture, String> {
    Architecture::ALL
        .into_iter()
        .find(|known| known.name() == text)
        .ok_or_else(|| "give x86_64 or arm64, Lambda's words for a processor".to_owned())
}

/// Most tags: AWS's limit of 50, less k2m's own.
const MOST_TAGS: usize = 49;
/// AWS's limits for a tag's key and value, in characters.
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Tags: a JSON object, or `KEY=VALUE` with commas between them, neither of which a tag of AWS can have.
pub(super) fn tags(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut tags = BTreeMap::new();
    if text.trim_start().starts_with('{') {
        tags = serde_json::from_str(text).map_err(|_| {
            "give a JSON object of texts, such as {\"team\": \"payments\"}, or team=payments".to_owned()
        })?;
    } else {
        for pair in text.split(',') {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                format!(
                    "`{}` is not KEY=VALUE: give tags such as team=payments,cost-center=42",
                    shown(pair)
                )
            })?;
            if tags.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
                return Err(format!(
                    "the tag `{}` is there twice: name each once",
                    shown(key.trim())
                ));
            }
        }
    }
    for (key, value) in &tags {
        tag(key, value)?;
    }
    if tags.len() > MOST_TAGS {
        return Err(format!(
            "there are {} tags, and AWS takes 50 of a resource, of which one is k2m's own: give {MOST_TAGS} at most",
            tags.len()
        ));
    }
    Ok(tags)
}

fn tag(key: &str, value: &str) -> Result<(), String> {
    let shown = shown(key);
    let lower = key.to_lowercase();
    if let Some(owner) = [("aws:", "AWS's"), ("k2m:", "k2m's")]
        .into_iter()
        .find_map(|(prefix, owner)| lower.starts_with(prefix).then_some(owner))
    {
        return Err(format!("the tag `{shown}` is {owner} own to set: choose another key"));
    }
    if key.is_empty() {
        return Err(format!(
            "a tag has an empty key: AWS takes 1 to {LONGEST_KEY} characters"
        ));
    }
    for (what, text, range) in [("key", key, 1..=LONGEST_KEY), ("value", value, 0..=LONGEST_VALUE)] {
        let count = text.chars().count();
        if !range.contains(&count) {
            return Err(format!(
                "the {what} of the tag `{shown}` has {count} characters: AWS takes {} to {}",
                range.start(),
                range.end()
            ));
        }
        let odd = text
            .chars()
            .find(|&c| !(c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)));
        if let Some(odd) = odd {
            return Err(format!(
                "the {what} of the tag `{shown}` has `{}` in it: AWS takes letters, digits, spaces and _ . : / = + - @",
                odd.escape_debug()
            ));
        }
    }
    Ok(())
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() >= 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}

pub(super) fn region(text: &str) -> Result<String, String> {
    if is_region(text) {
        Ok(text.to_owned())
    } else {
        Err("give a region of AWS, such as eu-west-1".to_owned())
    }
}

pub(super) fn profile(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_control) {
        Err("give the name of a profile, as `aws configure list-profiles` shows it".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
