//! Why a deployment failed: the root cause among many events, and what to do about the causes that are known. Pure.

use std::fmt;

use super::names::Names;
use super::port::{Resource, StackEvent};
use crate::shell::Command;

/// What CloudFormation says of a resource that did not fail itself.
const CASCADE: [&str; 5] = [
    "Resource creation cancelled",
    "Resource update cancelled",
    "Resource deletion cancelled",
    "The following resource(s) failed",
    "No longer updating",
];

/// Whether a resource with this reason did not fail itself.
pub fn is_cascade(reason: &str) -> bool {
    CASCADE.iter().any(|cascade| reason.starts_with(cascade))
}

/// The event that the others follow from: the first that failed by itself. `events` are in order.
pub fn root_cause(events: &[StackEvent]) -> Option<&StackEvent> {
    let failed = |event: &&StackEvent| event.status.ends_with("_FAILED");
    let by_itself = |event: &&StackEvent| {
        let reason = event.reason.as_deref().unwrap_or_default();
        !is_cascade(reason) && event.resource_type != "AWS::CloudFormation::Stack"
    };
    events
        .iter()
        .filter(failed)
        .find(by_itself)
        .or_else(|| events.iter().find(failed))
}

/// What keeps a stack in a state that failed, and what to do about it: two lines for each resource that failed by itself.
pub fn held(resources: &[Resource], names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    for resource in resources.iter().filter(|resource| resource.status.ends_with("_FAILED")) {
        let reason = resource.reason.as_deref().unwrap_or("CloudFormation gives no reason");
        if is_cascade(reason) {
            continue;
        }
        let Resource {
            logical_id,
            resource_type,
            ..
        } = resource;
        let name = names.in_full(logical_id, resource_type);
        lines.push(format!("  held by the {name}: {reason}"));
        lines.extend(known(resource_type, reason).map(|known| format!("    {known}")));
    }
    lines
}

/// What is known of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it means.
    pub means: String,
    /// What to do: a command where there is one.
    pub next: String,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.means, self.next)
    }
}

/// A reason that is known: the resource's type begins so, the words contain one of these, this is what they mean, and this is what to do. `{action}` is the IAM
/// action that the words name, `{uuid}` a UUID, `{secret}` what AWS can decode.
type Row = (&'static str, &'static [&'static str], &'static str, &'static str);

const AGAIN: &str = "run the same command again";
const SPREADS: &str = "run the same command again: a right of IAM takes some seconds to be known everywhere";

const MAPPING: &str = "AWS::Lambda::EventSourceMapping";
const FUNCTION: &str = "AWS::Lambda::Function";

/// From the particular to the general: the first that fits is taken.
const KNOWN: &[Row] = &[
    (
        MAPPING,
        &["already exists", "AlreadyExists"],
        "a mapping of this stream to this function is there already",
        "look at it with `aws lambda get-event-source-mapping --uuid {uuid}`, delete it with `aws lambda delete-event-source-mapping --uuid {uuid}`, and run the same command again",
    ),
    (
        MAPPING,
        &["KMSAccessDenied", "kms:Decrypt", "KMS key"],
        "the stream is encrypted with a key that the function's role may not use",
        "allow kms:Decrypt to the role in the key's policy, then run the same command again",
    ),
    (
        MAPPING,
        &["Stream not found", "ResourceNotFoundException", "does not exist"],
        "the stream is gone, or in another region",
        "look with `k2m inspect`",
    ),
    (
        MAPPING,
        &[
            "cannot access stream",
            "Cannot access stream",
            "is not authorized to perform kinesis",
            "ListShards",
        ],
        "Lambda can't read the stream with the function's role",
        SPREADS,
    ),
    (
        MAPPING,
        &["does not have permissions to call"],
        "the function's role lacks {action}, for the stream or for the failure destination",
        SPREADS,
    ),
    (
        FUNCTION,
        &[
            "NoSuchKey",
            "NoSuchBucket",
            "S3 Error Code",
            "Error occurred while GetObject",
            "code missing",
        ],
        "the function's code is not in the artifact bucket any more",
        "run the same command again, which uploads it",
    ),
    (
        FUNCTION,
        &["CodeStorageExceeded"],
        "the functions of this region have as much code as the account may store (75 GB at first)",
        "delete versions that nobody needs, or have `Function and layer storage` raised in Service Quotas",
    ),
    (
        FUNCTION,
        &["UnreservedConcurrentExecution"],
        "the account has too little concurrency left to reserve some for the function",
        "have `Concurrent executions` raised in Service Quotas, or take the reservation away from another function",
    ),
    (
        FUNCTION,
        &["cannot be assumed by Lambda"],
        "the function's role is too new",
        SPREADS,
    ),
    (
        FUNCTION,
        &["CreateNetworkInterface on EC2", "does not have permissions to call"],
        "the function's role lacks {action}, without which Lambda makes no network interfaces",
        SPREADS,
    ),
    (
        FUNCTION,
        &["4KB limit", "Environment variables"],
        "the function's environment variables are more than Lambda takes (4 KB)",
        "give it fewer settings: a shorter `topic_map` or fewer headers",
    ),
    (
        "",
        &[
            "no available IP addresses",
            "SubnetIPAddressLimitReached",
            "InsufficientFreeAddresses",
            "insufficient free addresses",
            "not enough free",
        ],
        "a subnet has no address left for a network interface",
        "free some, or choose other subnets with `--subnets`",
    ),
    (
        "",
        &[
            "ENILimitReached",
            "limit for Network Interfaces",
            "NetworkInterfaceLimitExceeded",
            "Hyperplane ENI",
        ],
        "the VPC or the account has as many network interfaces as it may",
        "have `Network interfaces per Region` (VPC) or `Elastic network interfaces per VPC` (Lambda) raised in Service Quotas",
    ),
    (
        "",
        &[
            "InvalidSubnetID",
            "InvalidGroup.NotFound",
            "InvalidSecurityGroupID",
            "The subnet ID",
            "The security group '",
        ],
        "a subnet or a security group that the plan knew is gone",
        "run the same command again, which looks anew",
    ),
    (
        "",
        &[
            "security group rule already exists",
            "InvalidPermission.Duplicate",
            "the specified rule",
        ],
        "the cluster's group has such a rule already, made by another hand",
        "take it away with `aws ec2 revoke-security-group-ingress`, then run the same command again",
    ),
    (
        "",
        &["RulesPerSecurityGroupLimitExceeded", "maximum number of rules"],
        "the group has as many rules as the account allows",
        "take some away, or have `Inbound or outbound rules per security group` raised in Service Quotas",
    ),
    (
        "",
        &["RouteAlreadyExists", "The route identified by"],
        "the route table leads these addresses elsewhere already",
        "look with `k2m plan`, which says where, and take that route away or use it",
    ),
    (
        "",
        &["conflicting DNS domain"],
        "the VPC has an interface endpoint for this service already, or another with the same names",
        "run the same command again, which uses the one that is there",
    ),
    (
        "",
        &[
            "currently in use",
            "has a dependent object",
            "DependencyViolation",
            "network interface",
            "NetworkInterface",
        ],
        "Lambda takes up to 40 minutes to give back the network interfaces of a function, and a rule that another hand added to the cluster's group keeps the function's group",
        "run the same command again after that; such a rule goes with `aws ec2 revoke-security-group-ingress`",
    ),
    (
        "",
        &["Unrecognized resource types: [AWS::MSK::Topic]"],
        "CloudFormation can't make topics in this region",
        "create the topic with a Kafka client (`k2m plan --create-topic false` prints the command), and deploy again",
    ),
    (
        "AWS::MSK::Topic",
        &["already exists", "AlreadyExists"],
        "the topic has been made meanwhile by another hand",
        "run the same command again, which uses it as it is",
    ),
    (
        "AWS::MSK::Topic",
        &["not supported", "unsupported", "UnsupportedOperation"],
        "this cluster's topics can't be made through AWS",
        "create the topic with a Kafka client, and deploy again",
    ),
    (
        "AWS::SQS::Queue",
        &["60 seconds after deleting", "QueueDeletedRecently"],
        "a queue of this name was deleted less than a minute ago",
        "run the same command again in a minute",
    ),
    (
        "",
        &[
            "Secrets Manager can't find the specified secret",
            "secretsmanager",
            "the specified secret",
        ],
        "the secret is gone, or the role may not read it",
        "look with `aws secretsmanager describe-secret` at the secret that the settings name, then run the same command again",
    ),
    (
        "",
        &["KMSAccessDenied", "kms:", "KMS key"],
        "the KMS key does not allow it",
        "allow {action} in the key's policy, then run the same command again",
    ),
    (
        "",
        &["Rate exceeded", "Throttling", "TooManyRequests", "SlowDown"],
        "AWS had too many calls from this account at once",
        AGAIN,
    ),
    (
        "",
        &["Encoded authorization failure message"],
        "the credentials lack a right, which AWS names only to who may ask",
        "`aws sts decode-authorization-message --encoded-message {secret}` says which; have it allowed, and run the same command again",
    ),
    (
        "",
        &["service control policy", "resource control policy"],
        "a policy of the organization denies {action}: no right of the account helps",
        "have the owner of the organization allow it, and run the same command again",
    ),
    (
        "",
        &["permissions boundary"],
        "a permissions boundary does not allow {action}",
        "have it allowed there, or use credentials without it, and run the same command again",
    ),
    (
        "",
        &["with an explicit deny"],
        "a policy denies {action}: to allow it elsewhere does not help",
        "have that statement taken away, and run the same command again",
    ),
    (
        "",
        &[
            "not authorized to perform",
            "AccessDenied",
            "Access Denied",
            "UnauthorizedOperation",
            "not authorized",
        ],
        "the credentials lack {action}",
        "have it allowed, and run the same command again",
    ),
    (
        "",
        &["The following hook(s) failed", "hook failed"],
        "a rule of the account (a hook of CloudFormation) refuses the resource",
        "ask the account's owner what it demands; `k2m render` prints the template",
    ),
    (
        "",
        &[
            "LimitExceeded",
            "limit exceeded",
            "Cannot exceed quota",
            "Quota",
            "quota",
            "maximum number of",
        ],
        "a limit of the account is reached",
        "have it raised in Service Quotas, or take away what is not needed, and run the same command again",
    ),
    (
        "",
        &["already exists", "AlreadyExists"],
        "something of this name is there already",
        "take it away, or choose another stack with --stack",
    ),
    (
        "",
        &["not found", "NotFound", "does not exist", "NoSuch"],
        "something that the stack needs is gone",
        "look with `k2m inspect`, and deploy again",
    ),
    (
        "",
        &[
            "timed out",
            "did not stabilize",
            "NotStabilized",
            "Exceeded attempts to wait",
        ],
        "AWS took longer than CloudFormation waits",
        AGAIN,
    ),
    (
        "",
        &[
            "Internal Failure",
            "InternalFailure",
            "InternalError",
            "ServiceUnavailable",
            "Service Unavailable",
        ],
        "something is wrong on AWS's side",
        "run the same command again, and if it stays so look at https://health.aws.amazon.com",
    ),
];

/// What is known of this failure, and what to do about it.
pub fn known(resource_type: &str, reason: &str) -> Option<Known> {
    let fits =
        |(kind, words, ..): &&Row| resource_type.starts_with(kind) && words.iter().any(|word| reason.contains(word));
    let (_, _, means, next) = KNOWN.iter().find(fits)?;
    let fill = |text: &str| {
        let right = || action(reason).unwrap_or_else(|| "the right that is named".to_owned());
        let mut text = text.to_owned();
        for (place, value) in [
            ("{action}", &right as &dyn Fn() -> String),
            ("{uuid}", &|| uuid(reason).unwrap_or("UUID").to_owned()),
            ("{secret}", &|| encoded(reason)),
        ] {
            if text.contains(place) {
                text = text.replace(place, &value());
            }
        }
        text
    };
    Some(Known {
        means: fill(means),
        next: fill(next),
    })
}

/// The IAM action that the words name.
fn action(reason: &str) -> Option<String> {
    // `… is not authorized to perform: iam:CreateRole on resource …`
    let named = |word: &&str| {
        let (service, name) = word.split_once(':')?;
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (plain(service)
            && plain(name)
            && service.starts_with(|c: char| c.is_ascii_lowercase())
            && name.starts_with(|c: char| c.is_ascii_uppercase()))
        .then(|| format!("{service}:{name}"))
    };
    let words = || reason.split(|c: char| c.is_whitespace() || "\"'(),;.`".contains(c));
    if let Some(action) = words().find_map(|word| named(&word)) {
        return Some(action);
    }
    // `… does not have permissions to call CreateNetworkInterface on EC2`
    let (_, rest) = reason.split_once("permissions to call ")?;
    let mut words = rest.split(|c: char| c.is_whitespace() || ".,;()".contains(c));
    let (call, on, service) = (words.next()?, words.next()?, words.next()?);
    let letters = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    (on == "on" && letters(call) && letters(service)).then(|| format!("{}:{call}", service.to_ascii_lowercase()))
}

/// The UUID that the words name.
fn uuid(reason: &str) -> Option<&str> {
    let mut words = reason.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
    words.find(|word| {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12]
    })
}

/// What AWS can decode, as a word for a shell.
fn encoded(reason: &str) -> String {
    let rest = reason.split_once("failure message: ").map_or("", |(_, rest)| rest);
    let word = rest.split(|c: char| c.is_whitespace() || "\"')".contains(c)).next();
    let command = Command::new("").word(word.filter(|word| !word.is_empty()).unwrap_or("MESSAGE"));
    command.to_string().trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, resource_type: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent {
            id: logical_id.to_owned(),
            logical_id: logical_id.to_owned(),
            physical_id: String::new(),
            resource_type: resource_type.to_owned(),
            status: status.to_owned(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        }
    }

    #[test]
    fn the_root_cause_is_the_first_that_failed_by_itself() {
        let stack = "AWS::CloudFormation::Stack";
        let events = [
            event("Group", "AWS::EC2::SecurityGroup", "CREATE_COMPLETE", ""),
            event(
                "Alarm",
                "AWS::CloudWatch::Alarm",
                "CREATE_FAILED",
                "Resource creation cancelled",
            ),
            event(
                "Function",
                "AWS::Lambda::Function",
                "CREATE_FAILED",
                "S3 Error Code: NoSuchKey",
            ),
            event("Role", "AWS::IAM::Role", "CREATE_FAILED", "Resource creation cancelled"),
            event(
                "k2m-orders",
                stack,
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Function]",
            ),
            event("Queue", "AWS::SQS::Queue", "DELETE_FAILED", "AccessDenied"),
        ];
        assert_eq!(
            root_cause(&events).map(|event| event.logical_id.as_str()),
            Some("Function")
        );
        assert_eq!(
            root_cause(&events[..2]).map(|event| event.logical_id.as_str()),
            Some("Alarm")
        );
        assert_eq!(root_cause(&events[..1]), None);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_is_known_of_reasons_as_aws_words_them() {
        let uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let exists = format!(
            "An event source mapping with Kinesis arn (\" arn:x \") and function (\" f \") already exists. Please update or delete the existing mapping with UUID {uuid}"
        );
        let delete = format!("aws lambda delete-event-source-mapping --uuid {uuid}`");
        // Type, AWS's words, what is said of them, what is said to do.
        let table: Vec<(&str, &str, &str, &str)> = vec![
            (MAPPING, &exists, "a mapping of this stream", &delete),
            (
                MAPPING,
                "Resource handler returned message: \"Cannot access stream arn:aws:kinesis:x. Please ensure the role can perform the GetRecords, …",
                "Lambda can't read the stream",
                "takes some seconds",
            ),
            (
                MAPPING,
                "Invalid request: KMSAccessDeniedException: User is not authorized to perform: kms:Decrypt",
                "encrypted with a key",
                "kms:Decrypt",
            ),
            (
                MAPPING,
                "The function execution role does not have permissions to call Publish on SNS",
                "lacks sns:Publish",
                "some seconds",
            ),
            (
                MAPPING,
                "Stream not found: arn:aws:kinesis:x",
                "the stream is gone",
                "k2m inspect",
            ),
            (
                FUNCTION,
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
                "the function's code",
                "uploads it",
            ),
            (
                FUNCTION,
                "The provided execution role does not have permissions to call CreateNetworkInterface on EC2 (Service: Lambda)",
                "lacks ec2:CreateNetworkInterface",
                "some seconds",
            ),
            (
                FUNCTION,
                "The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400)",
                "too new",
                "some seconds",
            ),
            (
                FUNCTION,
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
                "too little concurrency",
                "`Concurrent executions`",
            ),
            (
                FUNCTION,
                "Lambda was unable to configure access to your environment variables because the KMS key is disabled. KMSAccessDeniedException",
                "the KMS key",
                "key's policy",
            ),
            (
                FUNCTION,
                "Lambda was unable to configure your environment variables because the Environment variables you have provided exceeded the 4KB limit.",
                "4 KB",
                "topic_map",
            ),
            (
                FUNCTION,
                "Code storage limit exceeded. CodeStorageExceededException",
                "as much code",
                "Service Quotas",
            ),
            (
                FUNCTION,
                "Lambda could not set up VPC access because one or more configured subnets have no available IP addresses",
                "no address left",
                "--subnets",
            ),
            (
                FUNCTION,
                "ENILimitReachedException: the limit for Network Interfaces has been reached",
                "network interfaces as it may",
                "Service Quotas",
            ),
            (
                FUNCTION,
                "The subnet ID 'subnet-1' does not exist (Service: Lambda)",
                "that the plan knew is gone",
                "looks anew",
            ),
            (
                "AWS::EC2::SecurityGroup",
                "resource sg-1 has a dependent object (Service: Ec2, Status Code: 400)",
                "up to 40 minutes",
                "after that",
            ),
            (
                "AWS::EC2::SecurityGroup",
                "API: ec2:CreateSecurityGroup You are not authorized to perform this operation. Encoded authorization failure message: AbC-1_d; rm",
                "names only to who may ask",
                "--encoded-message 'AbC-1_d;'`",
            ),
            (
                "AWS::EC2::SecurityGroupIngress",
                "the specified rule \"peer: sg-1, TCP, from port: 9098\" already exists",
                "the cluster's group has such a rule",
                "revoke-security-group-ingress",
            ),
            (
                "AWS::EC2::SecurityGroupIngress",
                "RulesPerSecurityGroupLimitExceeded: The maximum number of rules per security group has been reached.",
                "as many rules",
                "Inbound or outbound",
            ),
            (
                "AWS::EC2::Route",
                "The route identified by 10.0.0.0/16 already exists.",
                "elsewhere already",
                "k2m plan",
            ),
            (
                "AWS::EC2::VPCEndpoint",
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for secretsmanager.eu-west-1.amazonaws.com in the VPC",
                "an interface endpoint",
                "run the same command",
            ),
            (
                "AWS::MSK::Topic",
                "Topic 'orders' already exists",
                "made meanwhile",
                "as it is",
            ),
            (
                "AWS::MSK::Topic",
                "UnsupportedOperationException: not supported for this cluster",
                "can't be made through AWS",
                "Kafka client",
            ),
            (
                "",
                "Template format error: Unrecognized resource types: [AWS::MSK::Topic]",
                "can't make topics in this region",
                "--create-topic false",
            ),
            (
                "AWS::SQS::Queue",
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
                "less than a minute ago",
                "in a minute",
            ),
            (
                "AWS::MSK::BatchScramSecret",
                "Secrets Manager can't find the specified secret. (Service: SecretsManager)",
                "the secret is gone",
                "describe-secret",
            ),
            (
                "AWS::IAM::Role",
                "User: arn:aws:iam::1:user/u is not authorized to perform: iam:CreateRole on resource: r because no identity-based policy allows it",
                "lack iam:CreateRole",
                "have it allowed",
            ),
            (
                "AWS::IAM::Role",
                "User: u is not authorized to perform: iam:CreateRole with an explicit deny in a service control policy",
                "organization denies iam:CreateRole",
                "the owner of the organization",
            ),
            (
                "AWS::IAM::Role",
                "User: u is not authorized to perform: iam:CreateRole because no permissions boundary allows the iam:CreateRole action",
                "boundary does not allow iam:CreateRole",
                "have it allowed there",
            ),
            (
                "AWS::IAM::Role",
                "User: u is not authorized to perform: iam:CreateRole with an explicit deny in an identity-based policy",
                "denies iam:CreateRole",
                "taken away",
            ),
            (
                "AWS::IAM::Role",
                "Cannot exceed quota for RolesPerAccount: 1000 (Service: Iam)",
                "a limit of the account",
                "Service Quotas",
            ),
            (
                "AWS::Logs::LogGroup",
                "Resource limit exceeded. LimitExceededException",
                "a limit of the account",
                "Service Quotas",
            ),
            (
                "AWS::SNS::Topic",
                "AccessDenied",
                "the credentials lack the right that is named",
                "have it allowed",
            ),
            (
                "AWS::SQS::Queue",
                "orders already exists in stack arn:x",
                "something of this name",
                "--stack",
            ),
            (
                "AWS::CloudWatch::Alarm",
                "Rate exceeded (Service: AmazonCloudWatch)",
                "too many calls",
                "again",
            ),
            (
                "AWS::Lambda::Function",
                "The following hook(s) failed: [AWS::ControlTower::Hook]",
                "a rule of the account",
                "k2m render",
            ),
            (
                "AWS::EC2::VPCEndpoint",
                "Resource timed out waiting for completion",
                "longer than CloudFormation waits",
                "again",
            ),
            (
                "AWS::IAM::Role",
                "Internal Failure",
                "on AWS's side",
                "health.aws.amazon.com",
            ),
            ("AWS::SQS::Queue", "no such queue: NotFound", "is gone", "k2m inspect"),
        ];
        let mut used = std::collections::BTreeSet::new();
        for (kind, reason, means, next) in table {
            let Some(known) = known(kind, reason) else {
                panic!("nothing is known of: {reason}");
            };
            assert!(known.means.contains(means), "{reason}: {known}");
            assert!(known.next.contains(next), "{reason}: {known}");
            assert!(!known.to_string().contains('{'), "{known}");
            let row = |(of, words, ..): &Row| kind.starts_with(of) && words.iter().any(|word| reason.contains(word));
            used.insert(KNOWN.iter().position(row).unwrap());
        }
        assert_eq!(used.len(), KNOWN.len(), "each row is tried: {used:?}");
        assert_eq!(known("AWS::IAM::Role", "it is as it is"), None);
    }

    #[test]
    fn what_holds_a_stack_is_what_failed_by_itself() {
        let resource = |id: &str, status: &str, reason: &str| Resource {
            logical_id: id.to_owned(),
            resource_type: "AWS::SQS::Queue".to_owned(),
            status: status.to_owned(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        };
        let lines = held(
            &[
                resource("One", "DELETE_COMPLETE", "AccessDenied"),
                resource("Two", "DELETE_FAILED", "Resource deletion cancelled"),
                resource("Three", "DELETE_FAILED", ""),
                resource(
                    "Four",
                    "DELETE_FAILED",
                    "User is not authorized to perform: sqs:DeleteQueue",
                ),
            ],
            &Names::default(),
        );
        assert_eq!(
            lines,
            [
                "  held by the failure queue Three: CloudFormation gives no reason",
                "  held by the failure queue Four: User is not authorized to perform: sqs:DeleteQueue",
                "    the credentials lack sqs:DeleteQueue: have it allowed, and run the same command again",
            ]
        );
    }
}
