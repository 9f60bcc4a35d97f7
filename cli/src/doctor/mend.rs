//! What `k2m doctor --fix` does, as plain data. Each is shown as the command that does the same by hand, which is also the step of a check's fix, so
//! that what is said and what is done can't differ. Pure: others carry it out.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde_json::json;

use super::report::in_one_line;
use super::whole::NOT_HERE;
use crate::arn::Arn;
use crate::facts::network::RulePeer;
use crate::plan::secret::associate;
use crate::shell::Command;

/// Something that mends what a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// `k2m deploy`.
    Deploy(Deployment),
    /// Takes back what was changed of a function outside its stack.
    RestoreFunction(FunctionChange),
    /// Takes back what was changed of an event source mapping outside its stack.
    RestoreMapping(MappingChange),
    /// Gives a stack's own security group back rules that its template has.
    RestoreGroup(GroupChange),
    /// Makes again what was deleted of stacks, through the stacks.
    Remake(Remaking),
    /// Lets the cluster know the user of a secret.
    AssociateSecret {
        /// The cluster.
        cluster: Arn,
        /// The secret's ARN.
        secret: String,
    },
}

/// A deployment: its options, each a flag with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// What was said with flags before, and has to be said again.
    pub said: Vec<(String, String)>,
    /// What mends.
    pub more: Vec<(String, String)>,
    /// Whether it mends only where it adds something to the stacks, which nobody knows before it is planned.
    pub adds: bool,
    /// Whether the file of settings alone says which streams: those that doctor was told choose among them, and are not said again.
    pub by_file: bool,
}

/// What a function is to have; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionChange {
    /// The region that it is in.
    pub region: String,
    /// Its name.
    pub function: String,
    /// Seconds an invocation may take.
    pub timeout: Option<u32>,
    /// Memory in MB.
    pub memory: Option<u32>,
    /// All of its variables that are k2m's: Lambda replaces all variables whole.
    pub variables: Option<BTreeMap<String, String>>,
    /// Names of the other variables that it has, which stay; empty where none are replaced.
    pub kept: Vec<String>,
    /// All of its subnets, and all of its security groups: Lambda replaces both whole.
    pub network: Option<(Vec<String>, Vec<String>)>,
    /// What differs, for people.
    pub told: Vec<String>,
}

/// What an event source mapping is to have; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingChange {
    /// The region that it is in.
    pub region: String,
    /// Its UUID.
    pub uuid: String,
    /// Whether it reads.
    pub enabled: Option<bool>,
    /// Most records of an invocation.
    pub batch_size: Option<u32>,
    /// Whether it understands partial failures.
    pub partial_failures: Option<bool>,
    /// ARN that is told of what is given up.
    pub destination: Option<String>,
    /// Numbers by their names in CloudFormation, such as `MaximumRetryAttempts`.
    pub numbers: BTreeMap<&'static str, i32>,
    /// Whether it halves a batch that fails.
    pub bisect: Option<bool>,
    /// Whether it is to have no filters.
    pub no_filters: bool,
    /// What differs, for people.
    pub told: Vec<String>,
}

/// Rules that a security group lacks of those that its stack's template gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The region that it is in.
    pub region: String,
    /// Its id.
    pub group: String,
    /// The rules, all for what leaves.
    pub rules: Vec<OutwardRule>,
}

/// A rule for what leaves over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutwardRule {
    /// First and last port.
    pub ports: (u16, u16),
    /// The other side.
    pub peer: RulePeer,
    /// Its description, where the template has one.
    pub description: Option<String>,
}

/// What is to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaking {
    /// The stack of the pipelines.
    pub stack: String,
    /// The region of that stack.
    pub region: String,
    /// What is gone, of that stack and of the network stacks that it needs; never empty.
    pub lost: Vec<Lost>,
    /// What is to be known before it is agreed to.
    pub caution: Option<&'static str>,
}

/// A resource that its stack has, and AWS has no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The region of its stack.
    pub region: String,
    /// Its stack.
    pub stack: String,
    /// Its logical id.
    pub logical_id: String,
    /// Such as `AWS::EC2::Route`.
    pub kind: String,
    /// Its physical id.
    pub id: String,
}

impl Mend {
    /// What it does, in a line for people.
    pub fn deed(&self) -> String {
        let mut deed = self.words();
        in_one_line(&mut deed);
        deed
    }

    fn words(&self) -> String {
        match self {
            Self::Deploy(deployment) if deployment.more.is_empty() => "deploy the stack".to_owned(),
            Self::Deploy(deployment) => {
                let more = deployment.more.iter().map(|(name, value)| format!("{name} {value}"));
                format!("deploy the stack with {}", more.collect::<Vec<_>>().join(" "))
            }
            Self::RestoreFunction(change) => {
                let kept = match change.kept.as_slice() {
                    [] => String::new(),
                    kept => format!("; what is not k2m's is kept: {}", kept.join(", ")),
                };
                format!(
                    "give the function {} what its stack's template says: {}{kept}",
                    change.function,
                    change.told.join("; ")
                )
            }
            Self::RestoreMapping(change) => format!(
                "give the event source mapping {} what its stack's template says: {}",
                change.uuid,
                change.told.join("; ")
            ),
            Self::RestoreGroup(change) => {
                let rules = change.rules.iter().map(ToString::to_string);
                format!(
                    "give the security group {} back what its stack's template lets out: {}",
                    change.group,
                    rules.collect::<Vec<_>>().join("; ")
                )
            }
            Self::Remake(remaking) => {
                let lost = remaking.lost.iter().map(ToString::to_string);
                let caution = remaking.caution.map(|words| format!("; {words}")).unwrap_or_default();
                format!(
                    "make again, through the stack that it is of: {}{caution}",
                    lost.collect::<Vec<_>>().join("; ")
                )
            }
            Self::AssociateSecret { cluster, secret } => {
                format!("associate the secret {secret} with the cluster {}", cluster.name())
            }
        }
    }

    /// What has to be written down for it to last, where the next deployment would else take it back.
    pub fn lasting(&self) -> Option<String> {
        let Self::Deploy(deployment) = self else { return None };
        // A topic that is there stays.
        let settings = deployment.more.iter().filter(|(name, _)| name != "--create-topic");
        let lines = settings.map(|(name, value)| {
            let name = name.trim_start_matches('-').replace('-', "_");
            format!("`{name}: {value}`")
        });
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| {
            format!(
                "to make it last: {} in k2m.yaml; a deployment that does not say so takes it back",
                lines.join(" and ")
            )
        })
    }

    /// This one and another in one, where they do the same kind of thing to the same thing.
    fn joined(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Deploy(one), Self::Deploy(other)) => {
                let mut joined = one.clone();
                let new = other.more.iter().filter(|option| !one.more.contains(option));
                joined.more.extend(new.cloned());
                let replaced = |name: &String| joined.more.iter().any(|(more, _)| more == name);
                joined.said.retain(|(name, _)| !replaced(name));
                joined.adds = one.adds && other.adds;
                Some(Self::Deploy(joined))
            }
            (Self::RestoreFunction(one), Self::RestoreFunction(other)) if one.function == other.function => {
                Some(Self::RestoreFunction(FunctionChange {
                    timeout: one.timeout.or(other.timeout),
                    memory: one.memory.or(other.memory),
                    variables: one.variables.clone().or_else(|| other.variables.clone()),
                    kept: each_once(&one.kept, &other.kept),
                    network: one.network.as_ref().map_or_else(
                        || other.network.clone(),
                        |one| Some(other.network.clone().unwrap_or_else(|| one.clone())),
                    ),
                    told: each_once(&one.told, &other.told),
                    ..one.clone()
                }))
            }
            (Self::RestoreMapping(one), Self::RestoreMapping(other)) if one.uuid == other.uuid => {
                Some(Self::RestoreMapping(MappingChange {
                    enabled: one.enabled.or(other.enabled),
                    batch_size: one.batch_size.or(other.batch_size),
                    partial_failures: one.partial_failures.or(other.partial_failures),
                    destination: one.destination.clone().or_else(|| other.destination.clone()),
                    numbers: one
                        .numbers
                        .iter()
                        .chain(&other.numbers)
                        .map(|(name, number)| (*name, *number))
                        .collect(),
                    bisect: one.bisect.or(other.bisect),
                    no_filters: one.no_filters || other.no_filters,
                    told: each_once(&one.told, &other.told),
                    ..one.clone()
                }))
            }
            (Self::RestoreGroup(one), Self::RestoreGroup(other)) if one.group == other.group => {
                let mut joined = one.clone();
                let new = other.rules.iter().filter(|rule| !one.rules.contains(rule));
                joined.rules.extend(new.cloned());
                Some(Self::RestoreGroup(joined))
            }
            (Self::Remake(one), Self::Remake(other)) => {
                let mut joined = one.clone();
                let new = other.lost.iter().filter(|lost| !one.lost.contains(lost));
                joined.lost.extend(new.cloned());
                joined.caution = one.caution.or(other.caution);
                Some(Self::Remake(joined))
            }
            (one, other) if one == other => Some(one.clone()),
            _ => None,
        }
    }
}

/// Each of these in its order, those in one that do the same kind of thing to the same thing.
pub(super) fn gathered(mends: impl Iterator<Item = Mend>) -> Vec<Mend> {
    mends.fold(Vec::new(), |mut gathered: Vec<Mend>, mend| {
        let known = gathered
            .iter_mut()
            .find_map(|known| known.joined(&mend).map(|joined| (known, joined)));
        match known {
            Some((known, joined)) => *known = joined,
            None => gathered.push(mend),
        }
        gathered
    })
}

fn each_once(one: &[String], other: &[String]) -> Vec<String> {
    let new = other.iter().filter(|line| !one.contains(line));
    one.iter().chain(new).cloned().collect()
}

/// The command that does the same.
impl Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deploy(deployment) => deployment.fmt(f),
            Self::RestoreFunction(change) => change.command().fmt(f),
            Self::RestoreMapping(change) => change.command().fmt(f),
            Self::RestoreGroup(change) => change.command().fmt(f),
            Self::Remake(Remaking { stack, region, .. }) => Command::new("k2m doctor")
                .option("--stack", stack)
                .option("--region", region)
                .flag("--fix")
                .fmt(f),
            Self::AssociateSecret { cluster, secret } => associate(cluster, secret).fmt(f),
        }
    }
}

impl Deployment {
    /// All options in their order.
    pub fn options(&self) -> impl Iterator<Item = &(String, String)> {
        self.said.iter().chain(&self.more)
    }
}

impl Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = Command::new("k2m deploy");
        self.options()
            .fold(command, |command, (name, value)| command.option(name, value))
            .fmt(f)
    }
}

impl FunctionChange {
    /// What whoever runs the command by hand has to look to, where it would delete what is not k2m's.
    pub(super) fn by_hand(&self) -> Option<String> {
        let kept = self.kept.join(", ");
        (!kept.is_empty()).then(|| {
            let show = Command::new("aws lambda get-function-configuration")
                .option("--function-name", &self.function)
                .option("--query", "Environment.Variables")
                .option("--region", &self.region);
            format!(
                "to keep {kept}, which the next command deletes unless it has them among its variables (`{show}` shows them), add them to it, or have \
                 `k2m doctor --fix` do it, which keeps them:"
            )
        })
    }

    /// Whether it changes anything.
    pub(super) fn is_any(&self) -> bool {
        self.timeout.is_some() || self.memory.is_some() || self.variables.is_some() || self.network.is_some()
    }

    fn command(&self) -> Command {
        let mut command =
            Command::new("aws lambda update-function-configuration").option("--function-name", &self.function);
        if let Some(seconds) = self.timeout {
            command = command.option("--timeout", &seconds.to_string());
        }
        if let Some(memory) = self.memory {
            command = command.option("--memory-size", &memory.to_string());
        }
        if let Some((subnets, groups)) = &self.network {
            let both = json!({"SubnetIds": subnets, "SecurityGroupIds": groups});
            command = command.option("--vpc-config", &both.to_string());
        }
        if let Some(variables) = &self.variables {
            command = command.option("--environment", &json!({"Variables": variables}).to_string());
        }
        command.option("--region", &self.region)
    }
}

impl MappingChange {
    fn command(&self) -> Command {
        let mut command = Command::new("aws lambda update-event-source-mapping").option("--uuid", &self.uuid);
        if let Some(enabled) = self.enabled {
            command = command.flag(if enabled { "--enabled" } else { "--no-enabled" });
        }
        if let Some(size) = self.batch_size {
            command = command.option("--batch-size", &size.to_string());
        }
        if let Some(on) = self.partial_failures {
            let types: &[&str] = if on { &["ReportBatchItemFailures"] } else { &[] };
            command = command.option("--function-response-types", &json!(types).to_string());
        }
        if let Some(arn) = &self.destination {
            let destination = json!({"OnFailure": {"Destination": arn}});
            command = command.option("--destination-config", &destination.to_string());
        }
        for (name, number) in &self.numbers {
            command = command.option(&option(name), &number.to_string());
        }
        if let Some(on) = self.bisect {
            command = command.flag(if on {
                "--bisect-batch-on-function-error"
            } else {
                "--no-bisect-batch-on-function-error"
            });
        }
        if self.no_filters {
            command = command.option("--filter-criteria", "{}");
        }
        command.option("--region", &self.region)
    }
}

/// The option of AWS's command line for a property of CloudFormation.
fn option(name: &str) -> String {
    let mut option = "-".to_owned();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            option.push('-');
        }
        option.push(letter.to_ascii_lowercase());
    }
    option
}

impl GroupChange {
    fn command(&self) -> Command {
        let permissions = self.rules.iter().map(|rule| {
            let (list, name, id) = match &rule.peer {
                RulePeer::Cidr(cidr) => ("IpRanges", "CidrIp", cidr),
                RulePeer::Group(group) => ("UserIdGroupPairs", "GroupId", group),
                RulePeer::PrefixList(list) => ("PrefixListIds", "PrefixListId", list),
            };
            let mut peer = json!({name: id});
            if let Some(description) = &rule.description {
                peer["Description"] = json!(description);
            }
            json!({"IpProtocol": "tcp", "FromPort": rule.ports.0, "ToPort": rule.ports.1, list: [peer]})
        });
        let permissions: serde_json::Value = permissions.collect();
        Command::new("aws ec2 authorize-security-group-egress")
            .option("--group-id", &self.group)
            .option("--ip-permissions", &permissions.to_string())
            .option("--region", &self.region)
    }
}

impl Display for OutwardRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = match &self.peer {
            RulePeer::Cidr(to) | RulePeer::Group(to) | RulePeer::PrefixList(to) => to,
        };
        match self.ports {
            (first, last) if first == last => write!(f, "tcp {first} to {peer}"),
            (first, last) => write!(f, "tcp {first}-{last} to {peer}"),
        }
    }
}

impl Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stack, logical_id, id, ..
        } = self;
        write!(f, "{logical_id} ({id}) of {stack}")
    }
}

/// The steps of a fix that k2m can do itself: those before the first that it can't, in the words of which they were offered. With whether that is all.
pub(super) fn done_by_k2m(fix: &[String], offered: &[Mend]) -> (Vec<Mend>, bool) {
    let mut mends = Vec::new();
    for step in fix {
        if step.starts_with("or ") {
            break;
        }
        // What is made again has one command, whatever it is.
        let these: Vec<&Mend> = offered.iter().filter(|mend| mend.to_string() == *step).collect();
        if these.is_empty() && is_for_people(step) {
            return (mends, false);
        }
        for mend in these {
            if !mends.contains(mend) {
                mends.push(mend.clone());
            }
        }
    }
    let all = !mends.is_empty();
    (mends, all)
}

/// Whether a step is a command that was not offered, or says what has to be done before the next: words such as `to go on:` only introduce it.
fn is_for_people(step: &str) -> bool {
    let command = ["aws ", "k2m ", "kafka-"]
        .iter()
        .any(|program| step.starts_with(program));
    command || step.starts_with(NOT_HERE) || (step.ends_with(':') && !step.starts_with("to "))
}
