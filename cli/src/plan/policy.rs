//! Whether a resource's own policy keeps the function's role from it. Pure. Within an account the role's rights do, unless the policy denies; from another
//! account the policy has to allow, too. Where that hangs on what can't be known here, it is said to.

use serde_json::Value;

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The account of the function's role.
    pub(crate) account: &'a str,
    /// The role's name, where it is there already: a new one's is made up by `CloudFormation`.
    pub(crate) role: Option<&'a str>,
}

/// What the request is: an action, and the ARN of what it is on.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) action: &'static str,
    pub(crate) resource: String,
}

/// What a policy says of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It denies none of them.
    Passes,
    /// It may: how it says so.
    Perhaps(String),
    /// It denies one: how it says so.
    Denies(String),
}

/// Whether something is so, as far as it can be told. In the order of certainty that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sure {
    No,
    Perhaps,
    Yes,
}

impl From<bool> for Sure {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Looks for statements that deny one of the requests.
pub(crate) fn judge(policy: &str, caller: Caller<'_>, requests: &[Request]) -> Verdict {
    let statements = match serde_json::from_str::<Value>(policy) {
        Ok(Value::Object(mut policy)) => policy.remove("Statement").unwrap_or_default(),
        _ => return Verdict::Perhaps("it is no JSON document that k2m can read".to_owned()),
    };
    let mut perhaps = None;
    for statement in list(&statements) {
        if statement["Effect"] != "Deny" {
            continue;
        }
        for request in requests {
            match applies(statement, caller, request) {
                Sure::No => {}
                Sure::Perhaps => {
                    perhaps.get_or_insert_with(|| described(statement, request));
                }
                Sure::Yes => return Verdict::Denies(described(statement, request)),
            }
        }
    }
    perhaps.map_or(Verdict::Passes, Verdict::Perhaps)
}

/// What a policy gives to a caller of another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// All of it.
    Given,
    /// These actions only under conditions that can't be judged here.
    Perhaps(Vec<&'static str>),
    /// Not these actions.
    Lacks(Vec<&'static str>),
}

/// Looks for statements that allow all requests. A policy that can't be read allows nothing.
pub(crate) fn access(policy: &str, caller: Caller<'_>, requests: &[Request]) -> Access {
    let policy = serde_json::from_str::<Value>(policy).unwrap_or_default();
    let surest = |effect: &str, request: &Request| {
        let statements = list(&policy["Statement"]).filter(|statement| statement["Effect"] == effect);
        let each = statements.map(|statement| applies(statement, caller, request));
        each.max().unwrap_or(Sure::No)
    };
    let (mut lacks, mut perhaps) = (Vec::new(), Vec::new());
    for request in requests {
        match (surest("Allow", request), surest("Deny", request)) {
            (Sure::Yes, Sure::No) => {}
            (Sure::No, _) | (_, Sure::Yes) => lacks.push(request.action),
            (Sure::Yes | Sure::Perhaps, _) => perhaps.push(request.action),
        }
    }
    match (lacks.is_empty(), perhaps.is_empty()) {
        (false, _) => Access::Lacks(lacks),
        (true, false) => Access::Perhaps(perhaps),
        (true, true) => Access::Given,
    }
}

/// How a statement is spoken of: by its id where it has one, with its conditions.
fn described(statement: &Value, request: &Request) -> String {
    let sid = statement["Sid"].as_str().filter(|sid| !sid.is_empty());
    let which = sid.map_or_else(|| "a statement".to_owned(), |sid| format!("the statement {sid}"));
    let condition = match &statement["Condition"] {
        Value::Null => String::new(),
        condition => format!(" where {condition}"),
    };
    format!("{which} denies {}{condition}", request.action)
}

/// Whether a statement is of this request: of the caller, the action, the resource, and under its conditions.
fn applies(statement: &Value, caller: Caller<'_>, request: &Request) -> Sure {
    let about = |yes: &str, no: &str, is: &dyn Fn(&str) -> bool| {
        let any = |all: &Value| list(all).filter_map(Value::as_str).any(is);
        match (&statement[yes], &statement[no]) {
            (Value::Null, Value::Null) => Sure::Yes,
            (Value::Null, others) => Sure::from(!any(others)),
            (some, _) => Sure::from(any(some)),
        }
    };
    let action = |pattern: &str| like(&pattern.to_ascii_lowercase(), &request.action.to_ascii_lowercase());
    let resource = |pattern: &str| like(pattern, &request.resource);
    [
        about("Action", "NotAction", &action),
        about("Resource", "NotResource", &resource),
        principal(statement, caller),
        conditions(&statement["Condition"], caller),
    ]
    .into_iter()
    .min()
    .unwrap_or(Sure::Perhaps)
}

/// Whether the caller is one of those that the statement is of.
fn principal(statement: &Value, caller: Caller<'_>) -> Sure {
    let named = |principals: &Value| match principals {
        Value::String(everybody) => everybody == "*",
        principals => list(&principals["AWS"])
            .filter_map(Value::as_str)
            .any(|principal| is_caller(principal, caller)),
    };
    match (&statement["Principal"], &statement["NotPrincipal"]) {
        (Value::Null, Value::Null) => Sure::Perhaps,
        // Whoever is left out of a denial has to be named together with its account, and the role of a new stack has no name yet.
        (Value::Null, others) if named(others) => Sure::Perhaps,
        (Value::Null, _) => Sure::Yes,
        (some, _) => Sure::from(named(some)),
    }
}

/// Everybody, the account, or the role itself.
fn is_caller(principal: &str, caller: Caller<'_>) -> bool {
    if principal == "*" || principal == caller.account {
        return true;
    }
    let parts: Vec<&str> = principal.splitn(6, ':').collect();
    let &["arn", _, _, _, account, resource] = parts.as_slice() else {
        return false;
    };
    // A role's name comes after its path; a session's after the role's.
    let role = match resource.split_once('/') {
        Some(("role", path)) => path.rsplit('/').next(),
        Some(("assumed-role", session)) => session.split('/').next(),
        _ => None,
    };
    account == caller.account && (resource == "root" || (role.is_some() && role == caller.role))
}

/// Whether all conditions hold. Lambda comes over TLS, and with the role of this account; of all else nothing is known.
fn conditions(conditions: &Value, caller: Caller<'_>) -> Sure {
    let Value::Object(operators) = conditions else {
        return Sure::Yes;
    };
    let each = operators.iter().flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| holds(operator, key, values, caller))
    });
    each.min().unwrap_or(Sure::Yes)
}

fn holds(operator: &str, key: &str, values: &Value, caller: Caller<'_>) -> Sure {
    let operator = operator.to_ascii_lowercase();
    let operator = operator.strip_suffix("ifexists").unwrap_or(&operator);
    let key = key.to_ascii_lowercase();
    let mut values = list(values).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match (operator, key.as_str()) {
        ("bool", "aws:securetransport") => Sure::from(values.any(|value| value == "true")),
        // TLS 1.2 is the least that AWS's services speak among one another.
        ("numericlessthan", "s3:tlsversion") => {
            let old = |value: String| value.parse::<f64>().is_ok_and(|version| version <= 1.2);
            if values.all(old) { Sure::No } else { Sure::Perhaps }
        }
        ("stringequals" | "stringlike", "aws:principalaccount") => {
            Sure::from(values.any(|value| like(&value, caller.account)))
        }
        ("stringnotequals" | "stringnotlike", "aws:principalaccount") => {
            Sure::from(!values.any(|value| like(&value, caller.account)))
        }
        _ => Sure::Perhaps,
    }
}

/// What IAM takes alone as well as in a list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let (one, many) = match value {
        Value::Array(many) => (None, many.as_slice()),
        Value::Null => (None, &[][..]),
        one => (Some(one), &[][..]),
    };
    one.into_iter().chain(many)
}

/// Whether a text is like a pattern of IAM's: `*` is for any characters, `?` for one.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and how much of the text it takes in.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((starred, taken)) => {
                    star = Some((starred, taken + 1));
                    (at, from) = (starred + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "123456789012";
    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";

    fn verdict(statement: &Value, role: Option<&str>) -> Sure {
        let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let requests = [Request {
            action: "sqs:SendMessage",
            resource: QUEUE.to_owned(),
        }];
        let caller = Caller { account: ACCOUNT, role };
        match judge(&policy, caller, &requests) {
            Verdict::Passes => Sure::No,
            Verdict::Perhaps(_) => Sure::Perhaps,
            Verdict::Denies(_) => Sure::Yes,
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn what_denies_is_told_from_what_may_and_what_does_not() {
        use Sure::{No, Perhaps, Yes};
        let deny = |more: Value| {
            let mut statement = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"});
            let (all, more) = (statement.as_object_mut().unwrap(), more.as_object().unwrap());
            for (key, value) in more {
                all.insert(key.clone(), value.clone());
            }
            all.retain(|_, value| !value.is_null());
            statement
        };
        let when = |condition: Value| deny(json!({"Condition": condition}));
        let of = |principal: Value| deny(json!({"Principal": principal}));
        let table = [
            ("everybody", deny(json!({})), Yes),
            ("in a list", json!([{"Effect": "Allow"}, deny(json!({}))]), Yes),
            ("an allowance", deny(json!({"Effect": "Allow"})), No),
            (
                "the action itself, in small letters",
                deny(json!({"Action": ["sqs:sendmessage"]})),
                Yes,
            ),
            (
                "another action",
                deny(json!({"Action": ["sqs:ReceiveMessage", "sqs:Delete*"]})),
                No,
            ),
            (
                "all but another action",
                deny(json!({"Action": null, "NotAction": "sqs:ReceiveMessage"})),
                Yes,
            ),
            (
                "all but this action",
                deny(json!({"Action": null, "NotAction": "sqs:Send*"})),
                No,
            ),
            ("the queue", deny(json!({"Resource": QUEUE})), Yes),
            ("queues alike", deny(json!({"Resource": "arn:aws:sqs:*:*:fail??"})), Yes),
            ("another queue", deny(json!({"Resource": [format!("{QUEUE}-2")]})), No),
            (
                "all but the queue",
                deny(json!({"Resource": null, "NotResource": QUEUE})),
                No,
            ),
            ("no resource", deny(json!({"Resource": null})), Yes),
            ("the account", of(json!({"AWS": ACCOUNT})), Yes),
            ("its root", of(json!({"AWS": ["arn:aws:iam::123456789012:root"]})), Yes),
            ("everybody, as a list", of(json!({"AWS": "*"})), Yes),
            (
                "another account",
                of(json!({"AWS": "arn:aws:iam::999999999999:root"})),
                No,
            ),
            ("a service", of(json!({"Service": "sns.amazonaws.com"})), No),
            (
                "another role",
                of(json!({"AWS": "arn:aws:iam::123456789012:role/a/admin"})),
                No,
            ),
            (
                "the role",
                of(json!({"AWS": "arn:aws:iam::123456789012:role/a/orders"})),
                Yes,
            ),
            (
                "a session of the role",
                of(json!({"AWS": "arn:aws:sts::123456789012:assumed-role/orders/x"})),
                Yes,
            ),
            (
                "a role of its name elsewhere",
                of(json!({"AWS": "arn:aws:iam::999999999999:role/orders"})),
                No,
            ),
            (
                "a user",
                of(json!({"AWS": "arn:aws:iam::123456789012:user/orders"})),
                No,
            ),
            (
                "all but others",
                deny(json!({"Principal": null, "NotPrincipal": {"AWS": "999999999999"}})),
                Yes,
            ),
            (
                "all but the account",
                deny(json!({"Principal": null, "NotPrincipal": {"AWS": ACCOUNT}})),
                Perhaps,
            ),
            ("nobody says of whom", deny(json!({"Principal": null})), Perhaps),
            (
                "without TLS",
                when(json!({"Bool": {"aws:SecureTransport": "false"}})),
                No,
            ),
            (
                "without TLS, as a value",
                when(json!({"BoolIfExists": {"aws:securetransport": [false]}})),
                No,
            ),
            ("with TLS", when(json!({"Bool": {"aws:SecureTransport": "true"}})), Yes),
            (
                "with old TLS",
                when(json!({"NumericLessThan": {"s3:TlsVersion": "1.2"}})),
                No,
            ),
            (
                "without the newest TLS",
                when(json!({"NumericLessThan": {"s3:TlsVersion": 1.3}})),
                Perhaps,
            ),
            (
                "from other accounts",
                when(json!({"StringNotEquals": {"aws:PrincipalAccount": [ACCOUNT, "9"]}})),
                No,
            ),
            (
                "not from others",
                when(json!({"StringNotEquals": {"aws:PrincipalAccount": "999999999999"}})),
                Yes,
            ),
            (
                "from this account",
                when(json!({"StringLike": {"aws:PrincipalAccount": "1234*"}})),
                Yes,
            ),
            (
                "from outside an organization",
                when(json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})),
                Perhaps,
            ),
            (
                "from outside an organization, without TLS",
                when(
                    json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}, "Bool": {"aws:SecureTransport": "false"}}),
                ),
                No,
            ),
        ];
        for (name, statement, expected) in table {
            assert_eq!(verdict(&statement, Some("orders")), expected, "{name}");
        }
        let role = of(json!({"AWS": "arn:aws:iam::123456789012:role/orders"}));
        assert_eq!(
            verdict(&role, None),
            No,
            "a role that is not there yet has another name"
        );
        let caller = Caller {
            account: ACCOUNT,
            role: None,
        };
        assert_eq!(judge("{}", caller, &[]), Verdict::Passes);
        assert!(matches!(judge("no", caller, &[]), Verdict::Perhaps(_)));
    }

    #[test]
    fn another_account_needs_each_action_allowed() {
        let allow = |actions: &[&str], condition: Value| json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": actions, "Resource": QUEUE, "Condition": condition});
        let requests = ["kinesis:GetRecords", "kinesis:ListShards"].map(|action| Request {
            action,
            resource: QUEUE.to_owned(),
        });
        let org = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "kinesis:List*", "Resource": "*"});
        let other =
            json!({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "kinesis:*", "Resource": "*"});
        for (statements, expected) in [
            (
                json!([allow(&["kinesis:GetRecords", "kinesis:ListShards"], json!({}))]),
                Access::Given,
            ),
            (
                json!([
                    allow(&["kinesis:GetRecords"], json!({})),
                    allow(&["kinesis:ListShards"], json!({}))
                ]),
                Access::Given,
            ),
            (
                json!(allow(&["kinesis:GetRecords"], json!({}))),
                Access::Lacks(vec!["kinesis:ListShards"]),
            ),
            (
                json!([allow(&["kinesis:*"], org)]),
                Access::Perhaps(vec!["kinesis:GetRecords", "kinesis:ListShards"]),
            ),
            (
                json!([allow(&["kinesis:*"], json!({})), deny]),
                Access::Lacks(vec!["kinesis:ListShards"]),
            ),
            (
                json!([other]),
                Access::Lacks(vec!["kinesis:GetRecords", "kinesis:ListShards"]),
            ),
        ] {
            let policy = json!({"Statement": statements}).to_string();
            let caller = Caller {
                account: ACCOUNT,
                role: None,
            };
            assert_eq!(access(&policy, caller, &requests), expected, "{policy}");
        }
    }

    #[test]
    fn the_statement_is_named_with_its_conditions() {
        let policy = json!({"Statement": [{
            "Sid": "OnlyOurs", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}},
        }]});
        let requests = ["s3:PutObject", "s3:ListBucket"].map(|action| Request {
            action,
            resource: "arn:aws:s3:::given-up".to_owned(),
        });
        let caller = Caller {
            account: ACCOUNT,
            role: None,
        };
        assert_eq!(
            judge(&policy.to_string(), caller, &requests),
            Verdict::Perhaps(
                r#"the statement OnlyOurs denies s3:PutObject where {"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn patterns_are_iam_s() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("", "a", false),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("sqs:*", "sqs:SendMessage", true),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(like(pattern, text), is, "{pattern} {text}");
        }
    }
}
