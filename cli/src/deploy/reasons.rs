//! Why a deployment failed: the root cause among many events, and what to do about the causes that are known. Pure.

use super::port::{Resource, StackEvent};

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
pub fn held(resources: &[Resource]) -> Vec<String> {
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
        lines.push(format!("  held by {logical_id} ({resource_type}): {reason}"));
        lines.extend(next_step(resource_type, reason).map(|next| format!("    {next}")));
    }
    lines
}

/// A cause that is known: the resource's type begins so, the words contain one of these, and this is what to do.
type Known = (&'static str, &'static [&'static str], &'static str);

/// From the particular to the general: the first that fits is taken.
const KNOWN: &[Known] = &[
    (
        "AWS::Lambda::EventSourceMapping",
        &[
            "cannot access stream",
            "Cannot access stream",
            "is not authorized to perform kinesis",
            "ListShards",
        ],
        "the function's role can't read the stream: rights in IAM take some seconds to spread, so run the same command again; a KMS key of the stream \
         must allow the role too",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        &["does not have permissions to call"],
        "the function's role can't write to the failure destination yet: rights in IAM take some seconds to spread, so run the same command again",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        &["Stream not found", "ResourceNotFoundException", "does not exist"],
        "the stream is gone or in another region: check it with `k2m inspect`",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        &["already exists", "AlreadyExists"],
        "a mapping of this stream to this function is there already: look at it with `aws lambda list-event-source-mappings`",
    ),
    (
        "AWS::Lambda::Function",
        &[
            "NoSuchKey",
            "NoSuchBucket",
            "S3 Error Code",
            "Error occurred while GetObject",
            "code missing",
        ],
        "the function's code is not in the artifact bucket any more: run the same command again, which uploads it",
    ),
    (
        "AWS::Lambda::Function",
        &[
            "does not have permissions to call CreateNetworkInterface",
            "CreateNetworkInterface on EC2",
        ],
        "the function's role can't make network interfaces yet: rights in IAM take some seconds to spread, so run the same command again",
    ),
    (
        "",
        &[
            "security group rule already exists",
            "InvalidPermission.Duplicate",
            "the specified rule",
        ],
        "the cluster's group has such a rule already, made by another hand: take it away with `aws ec2 revoke-security-group-ingress`, then run the same \
         command again",
    ),
    (
        "",
        &["RulesPerSecurityGroupLimitExceeded", "maximum number of rules"],
        "the group has as many rules as the account allows: take some away, or have `Inbound or outbound rules per security group` raised",
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
        "Lambda takes up to 40 minutes to give back the network interfaces of a function: run the same command again after that; a rule that another hand \
         added to the cluster's group for the function's group keeps it too: take it away with `aws ec2 revoke-security-group-ingress`",
    ),
    (
        "",
        &["Unrecognized resource types: [AWS::MSK::Topic]"],
        "CloudFormation can't make topics in this region: create the topic with a Kafka client (`k2m plan --create-topic false` prints the command), and deploy \
         again",
    ),
    (
        "AWS::MSK::Topic",
        &["already exists", "AlreadyExists"],
        "the topic has been made meanwhile by another hand: run the same command again, which uses it as it is",
    ),
    (
        "AWS::MSK::Topic",
        &["not supported", "unsupported", "UnsupportedOperation"],
        "this cluster's topics can't be made through AWS: create the topic with a Kafka client, and deploy again",
    ),
    (
        "",
        &["KMSAccessDenied", "kms:", "KMS key"],
        "the KMS key does not allow it: allow the role in the key's policy",
    ),
    (
        "",
        &["Rate exceeded", "Throttling", "TooManyRequests"],
        "AWS had too many calls from this account at once: run the same command again",
    ),
    (
        "",
        &[
            "LimitExceeded",
            "limit exceeded",
            "Quota",
            "quota",
            "UnreservedConcurrentExecution",
        ],
        "a limit of the account is reached: have it raised in Service Quotas, or take away what is not needed",
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
        "the credentials lack the right that is named: have it allowed, and run the same command again",
    ),
    (
        "",
        &["already exists", "AlreadyExists"],
        "something of this name is there already: take it away, or choose another stack with --stack",
    ),
    (
        "",
        &["not found", "NotFound", "does not exist", "NoSuch"],
        "something that the stack needs is gone: look with `k2m inspect`, and deploy again",
    ),
];

/// What to do about this failure, where that is known.
pub fn next_step(resource_type: &str, reason: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(kind, words, _)| resource_type.starts_with(kind) && words.iter().any(|word| reason.contains(word)))
        .map(|(_, _, next)| *next)
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
    fn known_reasons_have_a_next_step() {
        let mapping = "AWS::Lambda::EventSourceMapping";
        for (kind, reason, step) in [
            (
                mapping,
                "Resource handler returned message: \"Cannot access stream arn:aws:kinesis:x. Please ensure the role can perform the GetRecords, …",
                "the function's role can't read",
            ),
            (
                mapping,
                "The provided execution role does not have permissions to call Publish on SNS",
                "the function's role can't write",
            ),
            (mapping, "Stream not found: arn:aws:kinesis:x", "the stream is gone"),
            (
                "AWS::Lambda::Function",
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
                "the function's code",
            ),
            (
                "AWS::Lambda::Function",
                "The provided execution role does not have permissions to call CreateNetworkInterface on EC2",
                "the function's role can't make network interfaces",
            ),
            (
                "AWS::EC2::SecurityGroup",
                "resource sg-1 has a dependent object (Service: Ec2, Status Code: 400)",
                "Lambda takes up to 40 minutes",
            ),
            (
                "AWS::IAM::Role",
                "API: iam:CreateRole User: arn:aws:iam::1:user/u is not authorized to perform: iam:CreateRole",
                "the credentials lack",
            ),
            (
                "AWS::SQS::Queue",
                "orders already exists in stack arn:x",
                "something of this name",
            ),
            (
                "AWS::EC2::SecurityGroupIngress",
                "the specified rule \"peer: sg-1, TCP, from port: 9098\" already exists",
                "the cluster's group has such a rule",
            ),
            (
                "AWS::Logs::LogGroup",
                "Resource limit exceeded. LimitExceededException",
                "a limit of the account",
            ),
        ] {
            let next = next_step(kind, reason);
            assert!(next.is_some_and(|next| next.starts_with(step)), "{reason}: {next:?}");
        }
        assert_eq!(next_step("AWS::IAM::Role", "Internal Failure"), None);
    }
}
