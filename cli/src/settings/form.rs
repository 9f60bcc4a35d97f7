//! What the values of settings look like to a program: what a JSON Schema can say of them. Pure. Each says the same as the setting's own reader, as far
//! as a schema can; a test holds them together.

use super::table::NAMES_OF_NETWORK_STACKS;

/// What a value looks like; of a list each item of it, of a mapping each value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text that this regular expression takes as a whole.
    Text(&'static str),
    /// A text that the first regular expression takes as a whole, and of which the second takes no part.
    But(&'static str, &'static str),
    /// The same as [`Self::But`], where YAML may have it for a number.
    Name(&'static str, &'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of these.
    Booleans(&'static [bool]),
    /// A whole number in one of these ranges.
    Numbers(&'static [(i64, i64)]),
    /// One of these numbers.
    OneOf(&'static [i64]),
    /// A tag's value, with the regular expression that takes its key as a whole, and the one that takes no part of it.
    Tag(&'static str, &'static str, &'static str),
}

impl Form {
    /// The words that it can be, where they are few: of a list those that an item can be.
    pub(crate) fn words(self) -> Vec<&'static str> {
        match self {
            Self::Words(words) => words.to_vec(),
            Self::Booleans(values) => values.iter().map(|is| if *is { "true" } else { "false" }).collect(),
            _ => Vec::new(),
        }
    }

    /// An entry of a mapping of such, for an error's words.
    pub(super) const fn sample(self) -> &'static str {
        match self {
            Self::Tag(..) => "team: payments",
            _ => "created: orders-created",
        }
    }
}

/// Either of the two.
pub(super) const BOOLEAN: Form = Form::Booleans(&[true, false]);

/// The beginning of an ARN, up to what follows the account.
macro_rules! arn {
    ($service:literal, $resource:literal) => {
        concat!(
            "arn:aws(-[a-z0-9-]+)?:",
            $service,
            ":[a-z0-9]+(-[a-z0-9]+){2,}:[0-9]{12}:",
            $resource
        )
    };
}

/// A stream.
pub(super) const STREAM: Form = Form::Text(arn!("kinesis", "stream/[A-Za-z0-9_.-]{1,128}"));
/// A cluster of MSK.
pub(super) const CLUSTER: Form = Form::Text(arn!("kafka", "cluster/[A-Za-z0-9-]+/[A-Za-z0-9-]+"));
/// A stream's consumer.
pub(super) const CONSUMER: Form = Form::Text(arn!(
    "kinesis",
    "stream/[A-Za-z0-9_.-]{1,128}/consumer/[A-Za-z0-9_.-]{1,128}:[0-9]+"
));
/// A secret, with the six characters at its end.
pub(super) const SECRET: Form = Form::Text(arn!("secretsmanager", "secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}"));
/// Where what failed goes.
pub(super) const FAILURE_DESTINATION: Form = Form::But(
    concat!(
        arn!("(sns|sqs)", "[A-Za-z0-9_.-]+"),
        "|arn:aws(-[a-z0-9-]+)?:s3:::[a-z0-9.-]{3,63}"
    ),
    "^arn:[a-z0-9-]+:s[nq]s:.*\\.fifo$",
);
/// Where alarms go.
pub(super) const ALARM_TOPIC: Form = Form::But(arn!("sns", "[A-Za-z0-9_.-]+"), "\\.fifo$");
/// A server of Kafka.
pub(super) const SERVER: Form = Form::Text("[A-Za-z0-9_.-]{1,253}:[0-9]{1,5}");
/// A block of IPv4 addresses.
pub(super) const BLOCK: Form = Form::Text("([0-9]{1,3}\\.){3}[0-9]{1,3}/([1-9]|[12][0-9]|3[0-2])");
/// A topic.
pub(super) const TOPIC: Form = Form::Name("[A-Za-z0-9._-]{1,249}", "^\\.{1,2}$");
/// A stack.
pub(super) const STACK: Form = Form::But("[A-Za-z][A-Za-z0-9-]{0,127}", NAMES_OF_NETWORK_STACKS);
/// A profile.
pub(super) const PROFILE: Form = Form::Name("[^\\x00-\\x1f\\x7f-\\x9f]+", "^$");
/// A region.
pub(super) const REGION: Form = Form::Text("[a-z0-9]+(-[a-z0-9]+){2,}");
/// A time.
pub(super) const TIME: Form = Form::Text(
    "(19[7-9][0-9]|[2-9][0-9]{3})-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})",
);
/// An e-mail address.
pub(super) const EMAIL: Form = Form::Text("[!#-'*+\\--9=?A-Z^-~]+@[!#-'*+\\--9=?A-Z^-~]*\\.[!#-'*+\\--9=?A-Z^-~]*");
/// A subnet.
pub(super) const SUBNET: Form = Form::Text("subnet-[A-Za-z0-9]{1,32}");
/// A VPC.
pub(super) const VPC: Form = Form::Text("vpc-[A-Za-z0-9]{1,32}");
/// A peering connection.
pub(super) const PEERING: Form = Form::Text("pcx-[A-Za-z0-9]{1,32}");
/// A security group.
pub(super) const SECURITY_GROUP: Form = Form::Text("sg-[A-Za-z0-9]{1,32}");
/// What CloudFormation would replace.
const REFERENCE: &str = "\\{\\{resolve:";
/// A JSON pointer.
pub(super) const POINTER: Form = Form::But("(/([^/~\\x00-\\x1f\\x7f-\\x9f]|~[01])*)+", REFERENCE);
/// A message's key.
pub(super) const KEY: Form = Form::But(
    "partition_key|none|explicit_hash_key|(/([^/~\\x00-\\x1f\\x7f-\\x9f]|~[01])*)+",
    REFERENCE,
);
/// A message's timestamp.
pub(super) const MESSAGE_TIME: Form = Form::But("arrival|event|(/([^/~\\x00-\\x1f\\x7f-\\x9f]|~[01])*)+", REFERENCE);
/// A tag: no character that AWS doesn't take, and no prefix that is not the user's.
pub(super) const TAG: Form = Form::Tag(
    "[^\\x00-\\x1f!\"#$%&'()*,;<>?\\[\\\\\\]\\^`{|}~\\x7f-\\x9f]{0,256}",
    "[^\\x00-\\x1f!\"#$%&'()*,;<>?\\[\\\\\\]\\^`{|}~\\x7f-\\x9f]{1,128}",
    "^([Aa][Ww][Ss]|[Kk]2[Mm]):",
);
/// A policy of IAM.
pub(super) const POLICY: Form =
    Form::Text("arn:aws(-[a-z0-9-]+)?:iam::([0-9]{12}|aws):policy/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,128}");
/// A role of IAM.
pub(super) const ROLE: Form =
    Form::Text("arn:aws(-[a-z0-9-]+)?:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}");
/// A bucket of S3.
pub(super) const BUCKET: Form = Form::But("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "\\.\\.");
