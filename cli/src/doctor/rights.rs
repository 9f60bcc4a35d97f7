//! A: what the function's role may do in Kafka over IAM, and of all else; and who denies what isn't allowed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Case, NOT_MSK, Outcome, given};
use crate::facts::{Denier, Fact, Foreign, Right, Unreadable};
use crate::plan::policy::{Access, Caller, Request, Verdict, access, judge};
use crate::plan::rights::in_kafka;
use crate::shell::Command;

/// Rights in Kafka begin so.
const IN_KAFKA: &str = "kafka-cluster:";

/// What a right is needed for, by what its name begins with.
const NEEDED_FOR: &[(&str, &str)] = &[
    ("kinesis:", "Lambda reads the stream with the role's rights"),
    (
        "ec2:",
        "Lambda makes the function's network interfaces with the role's rights",
    ),
    (
        "secretsmanager:",
        "the function reads its secret, and without it proves to no broker who it is",
    ),
    (
        "kms:Decrypt",
        "what is encrypted with this key can't be opened: the stream, the secret, or the failure destination",
    ),
    (
        "kms:",
        "what is given up can't be encrypted for the failure destination",
    ),
    ("sns:", GIVEN_UP),
    ("sqs:", GIVEN_UP),
    ("s3:", GIVEN_UP),
    ("logs:", "what the function says is kept nowhere"),
];
/// Rights that a delivered batch proves, by what their names begin with.
const PROVEN: [&str; 4] = [IN_KAFKA, "kinesis:", "ec2:", "secretsmanager:"];
/// What AWS's policies for Kinesis name and Lambda does without.
const OPTIONAL: &str = "kinesis:ListStreams";
const GIVEN_UP: &str = "Lambda tells of what is given up with the role's rights: it is gone without a word";

/// Whether the role may do in Kafka what the function does there.
pub(super) fn in_cluster(case: &Case<'_>) -> Outcome {
    given!(case.function());
    if case.settings.cluster().is_none() {
        return Outcome::skip(NOT_MSK);
    }
    let way = case.authentication();
    if way != "iam" {
        return Outcome::skip(format!(
            "the function proves who it is by {way}: IAM decides of nothing in Kafka then, see K2M-A07"
        ));
    }
    let in_kafka = |right: &Right| right.action.starts_with(IN_KAFKA);
    let rights = match rights(case) {
        Ok(rights) => rights,
        Err(Outcome::Fail { .. }) => return Outcome::skip("the function's role is gone, see K2M-A04"),
        Err(outcome) => return outcome,
    };
    let denied = denials(case, rights, in_kafka);
    let shared = shared(case);
    if !denied.is_empty() {
        let mut outcome = refused(case, &denied);
        if let (
            Outcome::Warn { evidence, fix } | Outcome::Fail { evidence, fix },
            Some(Outcome::Fail {
                evidence: more,
                fix: steps,
            }),
        ) = (&mut outcome, shared)
        {
            evidence.extend(more);
            fix.extend(steps);
        }
        return outcome;
    }
    if let Some(outcome) = shared.or_else(|| unsure(case, rights, in_kafka)) {
        return outcome;
    }
    let may = of_kind(case, |action| action.starts_with(IN_KAFKA));
    if may.is_empty() {
        return Outcome::skip("what the role may do in Kafka was not asked");
    }
    Outcome::pass(format!("the role may {}", may.join(", ")))
}

/// Whether the role may do all else that the pipeline needs.
pub(super) fn outside_kafka(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let outside = |right: &Right| !right.action.starts_with(IN_KAFKA);
    let rights = given!(rights(case));
    let denied = denials(case, rights, outside);
    if denied.is_empty() {
        if let Some(outcome) = unsure(case, rights, outside) {
            return outcome;
        }
        let may = of_kind(case, |action| !action.starts_with(IN_KAFKA));
        return if may.is_empty() {
            Outcome::skip("what the role may do outside Kafka was not asked")
        } else {
            Outcome::pass(format!("the role may {}", may.join(", ")))
        };
    }
    match refused(case, &denied) {
        // Records are delivered all the same.
        Outcome::Fail { evidence, fix } if denied.iter().all(|right| right.action.starts_with("logs:")) => {
            Outcome::Warn { evidence, fix }
        }
        outcome => outcome,
    }
}

/// What was asked of the role, else how a check says why nothing was.
fn rights<'a>(case: &Case<'a>) -> Result<&'a [Right], Outcome> {
    match &case.seen.rights {
        None => Err(Outcome::skip(
            "what the function's role may do was not asked; inspect again",
        )),
        Some(Fact::Found { value }) => Ok(value),
        Some(Fact::Unreadable(why)) => Err(Outcome::unreadable(why)),
        Some(Fact::Absent) => {
            let name = role(case).map(|name| format!(", {name},")).unwrap_or_default();
            let gone = format!("the function's role{name} is gone");
            Err(match case.foreign() {
                Some(foreign) => Outcome::fail(gone, role_again(case, foreign)),
                None => case.anew(gone, None),
            })
        }
    }
}

/// Rights that are denied, whatever the conditions are that can't be known from outside.
fn denials<'r>(case: &Case<'_>, rights: &'r [Right], wanted: impl Fn(&Right) -> bool) -> Vec<&'r Right> {
    let optional = |right: &Right| case.foreign().is_some() && works(case) && right.action == OPTIONAL;
    let denied = |right: &&Right| right.denied_by.is_some() && wanted(right) && !hangs(right) && !optional(right);
    rights.iter().filter(denied).collect()
}

/// Whether a condition of which the simulator was told nothing may be why a right is denied: one of all requests, or one of this service's.
fn hangs(right: &Right) -> bool {
    let service = right.action.split(':').next().unwrap_or_default();
    let of = |key: &String| {
        let prefix = key.split(':').next().unwrap_or_default();
        prefix.eq_ignore_ascii_case("aws") || prefix.eq_ignore_ascii_case(service)
    };
    right.denied_by.is_some() && right.untold.iter().any(of)
}

/// Whether the function does what it is for: a batch that is delivered was read, and written with what the role may.
fn works(case: &Case<'_>) -> bool {
    let function = case.seen.function.found();
    case.delivers() && function.is_some_and(|function| function.state == "Active")
}

/// Rights of which nobody can tell from outside, less what a delivered batch proves.
fn unsure(case: &Case<'_>, rights: &[Right], wanted: impl Fn(&Right) -> bool) -> Option<Outcome> {
    let proven = |right: &Right| works(case) && PROVEN.iter().any(|begins| right.action.starts_with(begins));
    let unsure = rights
        .iter()
        .filter(|right| wanted(right) && hangs(right) && !proven(right));
    let said: Vec<String> = unsure
        .map(|right| {
            let keys = right.untold.join(", ");
            format!(
                "whether the function's role may {} on {} hangs on conditions that can't be known from outside ({keys})",
                right.action, right.resource
            )
        })
        .collect();
    (!said.is_empty()).then(|| Outcome::Unknown {
        why: said.join("; "),
        missing_action: None,
    })
}

/// Actions that were asked for, each once.
fn of_kind<'a>(case: &Case<'a>, wanted: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let rights = case.seen.rights.as_ref().and_then(Fact::found).into_iter().flatten();
    let actions = rights
        .map(|right| right.action.as_str())
        .filter(|action| wanted(action));
    actions.fold(Vec::new(), |mut once, action| {
        if !once.contains(&action) {
            once.push(action);
        }
        once
    })
}

/// The role's name.
pub(super) fn role<'a>(case: &Case<'a>) -> Option<&'a str> {
    let arn = case.seen.function.found().and_then(|function| function.role.as_deref());
    let name = arn.and_then(|arn| arn.rsplit('/').next());
    name.or_else(|| case.resource("Role").map(String::as_str))
}

/// What makes the role of a function again that k2m did not deploy.
fn role_again(case: &Case<'_>, foreign: &Foreign) -> Vec<String> {
    let arn = case.seen.function.found().and_then(|function| function.role.as_deref());
    let Some((arn, path)) = arn.and_then(|arn| Some((arn, arn.split_once(":role/")?.1))) else {
        return vec![format!("make it again {}", foreign.home())];
    };
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let (path, name) = path.rsplit_once('/').unwrap_or(("", path));
    let create = Command::new("aws iam create-role").option("--role-name", name);
    let create = if path.is_empty() {
        create
    } else {
        create.option("--path", &format!("/{path}/"))
    };
    vec![
        create
            .option("--assume-role-policy-document", &trust.to_string())
            .to_string(),
        format!("give it the policies that it had, which are kept {}", foreign.home()),
        "then have Lambda take it, which knows a role by more than its name:".to_owned(),
        Command::new("aws lambda update-function-configuration")
            .option("--function-name", foreign.name())
            .option("--role", arn)
            .option("--region", &case.settings.home.region)
            .to_string(),
    ]
}

/// Each right that is denied, who denies it, and what mends that.
fn refused(case: &Case<'_>, denied: &[&Right]) -> Outcome {
    let said = denied.iter().map(|right| {
        let why = NEEDED_FOR.iter().find(|(begins, _)| right.action.starts_with(begins));
        let why = why.map(|(_, why)| format!("; {why}")).unwrap_or_default();
        let who = right.denied_by.map_or("", denies);
        format!(
            "the function's role may not {} on {}: {who}{why}",
            right.action, right.resource
        )
    });
    let mut fix = Vec::new();
    for denier in [
        Denier::NoPolicy,
        Denier::Policy,
        Denier::PermissionsBoundary,
        Denier::ServiceControlPolicy,
    ] {
        let these: Vec<&Right> = denied
            .iter()
            .filter(|right| right.denied_by == Some(denier))
            .copied()
            .collect();
        if !these.is_empty() {
            fix.extend(mend(case, denier, &these));
        }
    }
    let mut evidence: Vec<String> = said.collect();
    // Its policies are another's work: an older list of rights does, and so does a policy of the thing itself, of which the simulator doesn't know.
    if case.foreign().is_some() && works(case) {
        evidence
            .push("the last batch was delivered all the same; a policy of the thing itself may allow it".to_owned());
        return Outcome::Warn { evidence, fix };
    }
    Outcome::Fail { evidence, fix }
}

const fn denies(denier: Denier) -> &'static str {
    match denier {
        Denier::NoPolicy => "no policy of the role allows it",
        Denier::Policy => "a policy of the role denies it, whatever another allows",
        Denier::PermissionsBoundary => "the role's permissions boundary does not allow it, whatever its policies do",
        Denier::ServiceControlPolicy => {
            "a service control policy of the organization does not allow it, whatever the account does"
        }
    }
}

/// What gives these rights back, where all are denied by the same.
fn mend(case: &Case<'_>, denier: Denier, lacking: &[&Right]) -> Vec<String> {
    let statement = statement(lacking);
    let name = role(case).unwrap_or("ROLE");
    match denier {
        Denier::NoPolicy => {
            if let Some(known) = case.drift.known()
                && let Some(steps) = known.role_given_back(case, name, lacking)
            {
                return steps;
            }
            if case.stack().is_ok() {
                return vec![
                    case.deploy(&[]),
                    format!("it gives the role what it lacks; by hand, a statement of a policy of {name}: {statement}"),
                ];
            }
            vec![format!("add to a policy of the role {name}: {statement}")]
        }
        Denier::Policy => {
            let arn = case.seen.function.found().and_then(|function| function.role.as_deref());
            // IAM answers only what is of one service and on one kind of thing.
            let mut asked: Vec<(&str, &str, Vec<&str>)> = Vec::new();
            for right in lacking {
                let (action, resource) = (right.action.as_str(), right.resource.as_str());
                let service = match action.split_once(':') {
                    Some(("logs", _)) | None => action,
                    Some((service, _)) => service,
                };
                match asked.iter_mut().find(|(of, on, _)| (*of, *on) == (service, resource)) {
                    Some((.., actions)) => actions.push(action),
                    None => asked.push((service, resource, vec![action])),
                }
            }
            let commands = asked.into_iter().map(|(_, resource, actions)| {
                let command = Command::new("aws iam simulate-principal-policy")
                    .option("--policy-source-arn", arn.unwrap_or(name));
                let command = once(actions.into_iter())
                    .into_iter()
                    .fold(command.flag("--action-names"), Command::word);
                command
                    .option("--resource-arns", resource)
                    .option("--query", "EvaluationResults[].[EvalActionName,MatchedStatements]")
                    .to_string()
            });
            let words = "take the statement away that denies it, or narrow it; which policy has it:".to_owned();
            std::iter::once(words).chain(commands).collect()
        }
        Denier::PermissionsBoundary => vec![
            format!("add to the policy that is the boundary of {name}: {statement}"),
            "which policy that is:".to_owned(),
            Command::new("aws iam get-role")
                .option("--role-name", name)
                .option("--query", "Role.PermissionsBoundary")
                .to_string(),
        ],
        Denier::ServiceControlPolicy => vec![format!(
            "nothing in this account mends it: have who manages the organization allow it in its service control policies: {statement}"
        )],
    }
}

fn once<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    values.fold(Vec::new(), |mut once, value| {
        if !once.contains(&value) {
            once.push(value);
        }
        once
    })
}

/// What allows these: one statement, or a list where they are for different things.
fn statement(denied: &[&Right]) -> Value {
    let mut by_resource: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for right in denied {
        by_resource.entry(&right.resource).or_default().push(&right.action);
    }
    let statements = by_resource
        .into_iter()
        .map(|(resource, actions)| json!({"Effect": "Allow", "Action": actions, "Resource": resource}));
    let mut statements: Vec<Value> = statements.collect();
    match statements.len() {
        1 => statements.remove(0),
        _ => Value::Array(statements),
    }
}

/// What speaks against the role in the cluster's own policy, where that was looked at.
fn shared(case: &Case<'_>) -> Option<Outcome> {
    let arn = &case.settings.cluster()?.value;
    let seen = case.facts.cluster.found()?.policy.as_ref()?;
    let role_arn = case.seen.function.found().and_then(|function| function.role.as_deref());
    let account = role_arn
        .and_then(|arn| arn.split(':').nth(4))
        .unwrap_or(&case.settings.home.account);
    let caller = Caller {
        account,
        role: role(case),
    };
    let topic = case.variable("K2M_TOPIC").unwrap_or(&case.pipeline.topic.value);
    let requests = in_kafka(arn, &[topic]);
    let show = Command::new("aws kafka get-cluster-policy")
        .option("--cluster-arn", arn.as_str())
        .option("--region", &arn.region)
        .to_string();
    let foreign = account != arn.account;
    let policy = match seen {
        Fact::Unreadable(why) => return Some(Outcome::unreadable(why)),
        Fact::Absent if foreign => return Some(unshared(&show, account, &requests, "the cluster has no policy")),
        Fact::Absent => return None,
        Fact::Found { value } => value,
    };
    match judge(policy, caller, &requests) {
        Verdict::Denies(how) => {
            return Some(Outcome::fail(
                format!("the cluster's own policy denies it to the function's role: {how}"),
                ["take that statement away, or narrow it:".to_owned(), show],
            ));
        }
        Verdict::Perhaps(how) => {
            return Some(Outcome::warn(
                format!("the cluster's own policy may deny it to the function's role: {how}"),
                ["see that it doesn't hold for the role:".to_owned(), show],
            ));
        }
        Verdict::Passes => {}
    }
    if !foreign {
        return None;
    }
    match access(policy, caller, &requests) {
        Access::Given => None,
        Access::Lacks(actions) => {
            let lacks = format!("the cluster's policy does not allow it {}", actions.join(", "));
            Some(unshared(&show, account, &requests, &lacks))
        }
        Access::Perhaps(actions) => Some(Outcome::warn(
            format!(
                "whether the cluster's policy allows account {account} {} hangs on conditions that can't be judged here",
                actions.join(", ")
            ),
            ["see that they hold for the role:".to_owned(), show],
        )),
    }
}

/// A role of another account needs the cluster's leave.
fn unshared(show: &str, account: &str, requests: &[Request], lacks: &str) -> Outcome {
    let mut by_resource: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for request in requests {
        by_resource.entry(&request.resource).or_default().push(request.action);
    }
    let statements = by_resource.into_iter().map(|(resource, actions)| {
        json!({"Effect": "Allow", "Principal": {"AWS": account}, "Action": actions, "Resource": resource})
    });
    let statements: Vec<Value> = statements.collect();
    Outcome::fail(
        format!("the function's role is of account {account}, another than the cluster's: {lacks}"),
        [
            format!("add to the cluster's policy: {}", Value::Array(statements)),
            "what it has:".to_owned(),
            show.to_owned(),
        ],
    )
}

/// Policies that AWS names in its words for a denial, and what to know of each that an allowance for the caller would not mend.
const DENIERS: &[(&str, &str)] = &[
    (
        "service control policy",
        "a service control policy of the organization is in the way: only who manages the organization can change that",
    ),
    (
        "resource control policy",
        "a resource control policy of the organization is in the way: only who manages the organization can change that",
    ),
    (
        "permissions boundary",
        "the caller's permissions boundary is in the way: it has to allow the action as well",
    ),
    (
        "session policy",
        "the policy of the caller's session is in the way: begin one whose policy allows the action",
    ),
    (
        "vpc endpoint policy",
        "the policy of the VPC endpoint that leads to AWS is in the way: it has to allow the action as well",
    ),
];

/// AWS's words for why something could not be read, and who is in the way where that is another than the caller's own policies.
pub(super) fn told(why: &Unreadable) -> String {
    let said = &why.message;
    match why.missing_action.as_ref().and_then(|_| denier(said)) {
        Some(denier) => format!("{said}: {denier}"),
        None => said.clone(),
    }
}

/// Who denies, as AWS's words for a denial have it.
fn denier(said: &str) -> Option<&'static str> {
    let said = said.to_ascii_lowercase();
    let by = |policy: &str| {
        let denies = ["explicit deny in a ", "explicit deny in an ", "because no "];
        denies.iter().any(|denies| said.contains(&format!("{denies}{policy}")))
    };
    let known = DENIERS.iter().find(|(policy, _)| by(policy)).map(|(_, told)| *told);
    known.or_else(|| {
        (by("identity-based policy") && said.contains("explicit deny"))
            .then_some("a policy of the caller denies it: what another allows does not help")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_denies_is_read_out_of_aws_s_words() {
        let said = |context: &str| {
            format!(
                "User: arn:aws:iam::123456789012:user/u is not authorized to perform: kafka:ListNodes on resource: arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1 {context}"
            )
        };
        for (context, words) in [
            (
                "with an explicit deny in a service control policy",
                Some("service control policy"),
            ),
            (
                "because no service control policy allows the kafka:ListNodes action",
                Some("service control policy"),
            ),
            (
                "with an explicit deny in a resource control policy",
                Some("resource control policy"),
            ),
            (
                "because no permissions boundary allows the kafka:ListNodes action",
                Some("permissions boundary"),
            ),
            (
                "with an explicit deny in a permissions boundary",
                Some("permissions boundary"),
            ),
            (
                "because no session policy allows the kafka:ListNodes action",
                Some("the caller's session"),
            ),
            (
                "because no VPC endpoint policy allows the kafka:ListNodes action",
                Some("VPC endpoint that leads to AWS"),
            ),
            (
                "with an explicit deny in an identity-based policy",
                Some("a policy of the caller denies it"),
            ),
            (
                "because no identity-based policy allows the kafka:ListNodes action",
                None,
            ),
            ("", None),
            // A name alone is no denier.
            ("arn:aws:iam::123456789012:role/permissions boundary", None),
        ] {
            let found = denier(&said(context));
            assert_eq!(found.is_some(), words.is_some(), "{context}: {found:?}");
            if let (Some(found), Some(words)) = (found, words) {
                assert!(found.contains(words), "{context}: {found}");
            }
        }
    }

    #[test]
    fn what_is_no_matter_of_rights_names_nobody() {
        let why = Unreadable {
            missing_action: None,
            message: "a file said: because no permissions boundary allows".to_owned(),
        };
        assert_eq!(told(&why), why.message);
    }
}
