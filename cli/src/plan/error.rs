//! Why there is no plan: what stands in the way, by its name, and the next step.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use thiserror::Error;

use super::limits::TooMuch;
use super::model::{PlannedConnection, PlannedNetwork};
use super::shared::Needs;
use crate::exit::Exit;
use crate::facts::Unreadable;
use crate::network::Proof;
use crate::settings::Source;

/// Most lines of one error: it must fit on a screen.
const LINES: usize = 6;

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The facts are of another pipeline than the settings.
    #[error(
        "the facts are of the {what} {facts}, but the settings name {settings}: give the facts of this pipeline, as `k2m inspect -o json` prints them"
    )]
    OtherFacts {
        /// `stream`, `cluster` and so on.
        what: &'static str,
        /// What the facts are of.
        facts: String,
        /// What the settings name.
        settings: String,
    },
    /// The cluster is in another account than the credentials are of.
    #[error(
        "the cluster {cluster} is in account {owner}, and the credentials are of account {account}: the stack has to be in the cluster's account, so deploy with credentials of \
         {owner} (--profile); a function in another account would take a VPC connection that a policy of the cluster allows, and a role that it trusts, which k2m does not make yet"
    )]
    ClusterOfOther {
        /// Its ARN.
        cluster: String,
        /// Its account.
        owner: String,
        /// That of the credentials.
        account: String,
    },
    /// What is needed could not be read.
    #[error("{}", blind(.0))]
    Blind(Vec<(String, Unreadable)>),
    /// The same, and a stream among it is of another account, whose owner has a part in that.
    #[error("{}{}", blind(unread), list(owners))]
    Unshared {
        /// By name in the facts, what could not be read.
        unread: Vec<(String, Unreadable)>,
        /// What owners have to do.
        owners: Vec<String>,
    },
    /// A stream of another account whose policy is seen not to let the stack's account read it.
    #[error("{what} is of account {owner}, and account {account} may not read it: {lacks}; {command}")]
    NotShared {
        /// `the stream …` or `the consumer …`.
        what: String,
        /// Whose it is.
        owner: String,
        /// The stack's account.
        account: String,
        /// What its policy lacks.
        lacks: String,
        /// What its owner has to do.
        command: String,
    },
    /// A stream of another account that is encrypted with a key which serves that account alone.
    #[error(
        "the stream {stream} of account {owner} is encrypted with {key}, a key that AWS manages for account {owner} alone, so that account {account} can't read it: its owner has to \
         encrypt it with a key of their own whose policy allows account {account} kms:Decrypt: `{command}`"
    )]
    OwnersKey {
        /// Its name.
        stream: String,
        /// The key's alias.
        key: String,
        /// Whose they are.
        owner: String,
        /// The stack's account.
        account: String,
        /// What its owner has to do.
        command: String,
    },
    /// AWS answered, but what is needed is not in its answer.
    #[error("the facts say nothing of {what}; look again, with `k2m inspect -o json` and the same settings")]
    Missing {
        /// What is needed.
        what: String,
    },
    /// What was named isn't there.
    #[error(
        "{what} does not exist in {region}, account {account}: check the ARN {arn}; `{lister}` shows what is there"
    )]
    Absent {
        /// `the stream …`, `the cluster …` and so on.
        what: String,
        /// Its region.
        region: String,
        /// Its account.
        account: String,
        /// The ARN that was named.
        arn: String,
        /// The command that shows the right one.
        lister: &'static str,
    },
    /// It is there, but in no state to be used.
    #[error("{what} is {state}: {next}")]
    State {
        /// `the stream …` or `the cluster …`.
        what: String,
        /// AWS's word.
        state: String,
        /// What to do.
        next: &'static str,
    },
    /// A topology or a way of authentication that k2m doesn't know yet.
    #[error("{what}: not supported yet; {next}")]
    NotYet {
        /// What it is.
        what: String,
        /// What to do in the meantime.
        next: &'static str,
    },
    /// A stack of this name belongs to somebody else.
    #[error(
        "the stack {name} was not made by k2m (it lacks the tag `k2m:stack`), so it is left alone: choose another name with --stack"
    )]
    ForeignStack {
        /// Its name.
        name: String,
    },
    /// A stack of this name has the pipeline of another stream.
    #[error(
        "the stack {name} moves another stream, {stream}, and an update would take that pipeline away, with its position: choose another name with --stack, so that both work, and destroy the \
         old one when it is drained, with an iterator age of 0 s in `k2m status`: `k2m destroy --stack {name} --region {region}`; to have both in this stack, name the old stream in the settings \
         too, and leave it out later, with --remove"
    )]
    OtherStream {
        /// Its name.
        name: String,
        /// Its stream's ARN.
        stream: String,
        /// Its region.
        region: String,
    },
    /// A pipeline of the stack that the settings have too, but that a flag leaves out.
    #[error(
        "the stack {name} has the pipeline of {stream}, which k2m.yaml has too and --stream leaves out, and an update would take it away: leave --stream (or \
         K2M_STREAM) out, or take the pipeline out of k2m.yaml"
    )]
    LeftOut {
        /// The stack's name.
        name: String,
        /// The stream's ARN.
        stream: String,
    },
    /// The chosen way of authentication is not the cluster's.
    #[error("authentication `{chosen}` ({by}) does not fit the cluster: {reason}; choose {possible}")]
    Authentication {
        /// What was chosen.
        chosen: &'static str,
        /// Who chose it.
        by: Source,
        /// Why it doesn't fit.
        reason: &'static str,
        /// What fits.
        possible: String,
    },
    /// Nobody says how a Kafka that is not MSK is spoken to.
    #[error(
        "how the brokers of a Kafka that is not MSK are spoken to, nothing of AWS tells: choose {possible} with --authentication (or K2M_AUTHENTICATION, or `authentication` in \
         k2m.yaml)"
    )]
    ChooseAuthentication {
        /// What is possible.
        possible: String,
    },
    /// Nobody says where the brokers of a Kafka that is not MSK are.
    #[error(
        "rules and proofs are of addresses, and this machine finds none of the brokers':{}\nname the blocks that all brokers are in, as the function's VPC resolves them, with \
         --broker-cidrs (or K2M_BROKER_CIDRS, or `broker_cidrs` in k2m.yaml)",
        list(servers)
    )]
    NoAddress {
        /// Servers of which no address is known, each with the reason.
        servers: Vec<String>,
    },
    /// A server is where no broker is said to be.
    #[error(
        "{server} is in none of broker_cidrs ({by}), so that nothing would be let out to it: name its block too, or leave that server out"
    )]
    OutsideBlocks {
        /// The server.
        server: String,
        /// Who names the blocks.
        by: Source,
    },
    /// Where a server's name leads to, no function finds a broker.
    #[error(
        "this machine resolves {server} to {address}, where no function finds a broker: {reason}; give the address that it listens at in its network, or, where the function's \
         VPC resolves it otherwise, the blocks that all brokers are in, with --broker-cidrs (or K2M_BROKER_CIDRS, or `broker_cidrs` in k2m.yaml)"
    )]
    NoBroker {
        /// The server.
        server: String,
        /// Its address.
        address: Ipv4Addr,
        /// Why not.
        reason: String,
    },
    /// The brokers are at more places than a group can have rules for.
    #[error(
        "the brokers are at {count} places (an address or a block, and a port), and AWS takes at most {most} rules for a function's network interface: name fewer servers, or \
         wider blocks, with --broker-cidrs (or K2M_BROKER_CIDRS, or `broker_cidrs` in k2m.yaml)"
    )]
    TooManyPlaces {
        /// How many.
        count: usize,
        /// How many there can be.
        most: usize,
    },
    /// Several VPCs could be the function's.
    #[error(
        "the function has to be in a VPC in {region}, where the stream is, and of those not one alone is known to lead to the brokers: name it with --vpc (or `vpc` in \
         k2m.yaml):{}",
        list(&which(leading, unsure))
    )]
    WhichVpc {
        /// The function's region.
        region: String,
        /// Those that lead to the brokers, each with its name and blocks.
        leading: Vec<String>,
        /// Of which it can't be told, with the subnet that is nearest and what nobody knows of it.
        unsure: Vec<(String, String, Obstacle)>,
    },
    /// No VPC of the region leads to the brokers.
    #[error(
        "the function has to be in a VPC in {region}, where the stream is, and none of those {} to the brokers:{}\nmend one, or name it with --vpc (or `vpc` in k2m.yaml) \
         to see all that is in its way",
        if doubtful(vpcs) { "is known to lead" } else { "leads" },
        list(&none_leads(vpcs))
    )]
    NoVpcLeads {
        /// The function's region.
        region: String,
        /// The VPCs, each with its name and blocks, the subnet that is nearest, and what is in its way.
        vpcs: Vec<(String, String, Obstacle)>,
    },
    /// A way of authentication without its secret.
    #[error(
        "authentication {ways} needs a secret: give the ARN of the one with {holds} in Secrets Manager, with --secret (or K2M_SECRET, or `secret` in k2m.yaml){known}"
    )]
    NoSecret {
        /// The ways that are possible.
        ways: String,
        /// What it holds.
        holds: &'static str,
        /// What is known of such secrets.
        known: String,
    },
    /// A secret that can't be used.
    #[error("the secret {arn} ({by}) can't be used: {reason}")]
    Secret {
        /// Its ARN.
        arn: String,
        /// Who chose it.
        by: Source,
        /// Why not, and what to do.
        reason: String,
    },
    /// Nothing leads from the functions to their secrets.
    #[error("the function must reach Secrets Manager in {region}, and nothing leads there from {subnets}: {next}")]
    NoWayToSecrets {
        /// The secrets' region.
        region: String,
        /// The subnets, each with the reason.
        subnets: String,
        /// What to do.
        next: String,
    },
    /// An endpoint that is there keeps the functions from their secrets.
    #[error(
        "the interface endpoint {endpoint} takes all that {vpc} sends to {service}, and the function does not get through it: {reason}; a second endpoint with private DNS \
         can't be beside it"
    )]
    SecretsEndpoint {
        /// Its id.
        endpoint: String,
        /// The VPC.
        vpc: String,
        /// The service.
        service: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The bootstrap brokers can't be used.
    #[error("the cluster's bootstrap brokers `{servers}` can't be used: {reason}; look again")]
    Brokers {
        /// As AWS gives them.
        servers: String,
        /// What is wrong.
        reason: String,
    },
    /// No subnet can be the function's, or not one that was chosen.
    #[error("{}", subnets(ports, chosen.as_ref(), vpc, obstacles, reasons))]
    Subnets {
        /// The brokers' ports, each once.
        ports: Box<[u16]>,
        /// Who chose the subnets; absent where the plan looked for them.
        chosen: Option<Source>,
        /// The function's VPC.
        vpc: Box<str>,
        /// By subnet, what is in the way.
        obstacles: Vec<(String, Obstacle)>,
        /// Why there is no other way between the VPCs.
        reasons: Vec<String>,
        /// The best that was tried, which the picture is of.
        attempt: Option<Box<Attempt>>,
    },
    /// Nothing joins the function's VPC and the brokers', and k2m can't.
    #[error("no way leads from {} in {region} to the brokers' {cluster_vpc}:{}", vpcs.join(", "), list(reasons))]
    NoWay {
        /// VPCs that the function could be in.
        vpcs: Vec<String>,
        /// The brokers' VPC.
        cluster_vpc: String,
        /// The function's region.
        region: String,
        /// Why not, each with the next step.
        reasons: Vec<String>,
    },
    /// The cluster can't be reached over the internet.
    #[error(
        "public_access is true ({by}), but the cluster can't be reached over the internet: {reason}; leave it out, so that functions are in a VPC"
    )]
    NotPublic {
        /// Who chose it.
        by: Source,
        /// Why not.
        reason: String,
    },
    /// The cluster can't be reached by multi-VPC private connectivity.
    #[error(
        "the cluster can't be reached by its multi-VPC private connectivity{}: {reason}",
        by.as_ref().map(|by| format!(" (private_connectivity, {by})")).unwrap_or_default()
    )]
    NotPrivate {
        /// Who chose it, where somebody did.
        by: Option<Source>,
        /// Why not, and what to do.
        reason: String,
    },
    /// The internet doesn't get to a broker, or its answers don't get back.
    #[error("the brokers in {subnet} are not proven to be reached from the internet: {reason}")]
    NotReachedPublicly {
        /// Their subnet.
        subnet: String,
        /// The reachability engine's words.
        reason: String,
        /// Whether it isn't known.
        unknown: bool,
    },
    /// The function would be where the names of a serverless cluster mean nothing.
    #[error(
        "a serverless cluster's names resolve in its own VPCs alone ({} in {region}), and the function would be in {there}: name one of these with --vpc and a stream of \
         {region}, or a provisioned cluster; elsewhere it would take a peering connection or a transit gateway and a private hosted zone that k2m does not make",
        own.join(", ")
    )]
    ServerlessElsewhere {
        /// The VPC that was named, or the function's region.
        there: String,
        /// The cluster's VPCs.
        own: Vec<String>,
        /// The cluster's region.
        region: String,
    },
    /// Several VPCs could be joined to the brokers', and none is.
    #[error(
        "the function has to be in a VPC in {region}, where the stream is, and none of those leads to the brokers' {cluster_vpc} yet: name the one to join to it with \
         --vpc (or `vpc` in k2m.yaml):{}",
        list(vpcs)
    )]
    ChooseVpc {
        /// The function's region.
        region: String,
        /// The brokers' VPC.
        cluster_vpc: String,
        /// The VPCs, each with its name and blocks.
        vpcs: Vec<String>,
    },
    /// The VPC that was named isn't there.
    #[error(
        "the VPC {vpc} ({by}) has no subnet in {region}, where the function has to be: name another; `aws ec2 describe-vpcs --region {region}` shows what is there"
    )]
    NoVpc {
        /// Its id.
        vpc: String,
        /// Who named it.
        by: Source,
        /// The function's region.
        region: String,
    },
    /// The security group that was named isn't there.
    #[error(
        "the security group {group} ({by}) {}: name one of {}, or leave it out, so that the stack makes one",
        vpc.as_ref().map_or_else(|| "is not there".to_owned(), |vpc| format!("is of {vpc}")),
        vpcs.join(" or ")
    )]
    NoGroup {
        /// Its id.
        group: String,
        /// Who named it.
        by: Source,
        /// The VPC that it is of, where it is there.
        vpc: Option<String>,
        /// The VPCs that the function may be in.
        vpcs: Vec<String>,
    },
    /// Another stack of k2m has the rule that the named group needs.
    #[error(
        "{cluster_group} lets {group} ({by}) in by a rule of the stack {stack}, which goes with that stack, and AWS takes no second one: leave security_group out, name another, or \
         give {cluster_group} a rule of your own and deploy {stack} again"
    )]
    RuleOfOther {
        /// The named group.
        group: String,
        /// Who named it.
        by: Source,
        /// The cluster's group.
        cluster_group: String,
        /// The stack that has the rule.
        stack: String,
    },
    /// The subnets that were named are of several VPCs.
    #[error("the subnets ({by}) are in {}: a function is in one VPC, so name subnets of one", vpcs.join(" and "))]
    SubnetsOfVpcs {
        /// The VPCs.
        vpcs: Vec<String>,
        /// Who named the subnets.
        by: Source,
    },
    /// What a network stack made isn't there any more.
    #[error(
        "{what} that the network stack {stack} made is gone, deleted outside that stack, and CloudFormation does not make it again: delete the stack with \
         `aws cloudformation delete-stack --stack-name {stack} --region {region}`, then run `k2m deploy` for each stack that needs it ({}): until then what the network stack has is \
         missing to all of them",
        users.join(", ")
    )]
    GoneFromStack {
        /// What it was, and where.
        what: String,
        /// The network stack.
        stack: String,
        /// Its region.
        region: String,
        /// Who needs it, as `region/stack`.
        users: Vec<String>,
    },
    /// Another stack leads the same addresses elsewhere.
    #[error(
        "{table} would need a route to {destination}, and has one in the network stack {stack}, which {user} needs, that leads elsewhere: use another VPC (--vpc) or \
         subnets with another route table (--subnets)"
    )]
    RouteOfOther {
        /// The route table.
        table: String,
        /// The block.
        destination: String,
        /// The network stack.
        stack: String,
        /// Who needs it.
        user: String,
    },
    /// More subnets than Lambda takes.
    #[error("{count} subnets are chosen ({by}), but Lambda takes at most 16: leave {} out", count - 16)]
    TooManySubnets {
        /// How many.
        count: usize,
        /// Who chose them.
        by: Source,
    },
    /// The topic isn't there, and must not be made.
    #[error("the topic {topic} does not exist, and create_topic is false ({by}): set it to true, or run\n  {command}")]
    NoTopic {
        /// Its name.
        topic: String,
        /// Who said so.
        by: Source,
        /// The command that makes it.
        command: String,
    },
    /// The topic isn't there, and CloudFormation can't make it.
    #[error(
        "the topic {topic} does not exist, and CloudFormation can't create it: {reason}; to create it without, run\n  {command}"
    )]
    CannotMakeTopic {
        /// Its name.
        topic: String,
        /// Why not.
        reason: String,
        /// The command that makes it.
        command: String,
    },
    /// What was chosen for a topic can't be.
    #[error("{setting} {value} ({by}) can't be for the topic {topic}: {reason}")]
    TopicSetting {
        /// Its name.
        topic: String,
        /// `topic_partitions` or `topic_replication_factor`.
        setting: &'static str,
        /// What was chosen.
        value: u32,
        /// Who chose it.
        by: Source,
        /// Why not, and what to do.
        reason: String,
    },
    /// The starting time is none.
    #[error("the starting time `{value}` ({by}) is not RFC 3339, such as 2026-01-31T08:00:00Z: {reason}")]
    Time {
        /// What was chosen.
        value: String,
        /// Who chose it.
        by: Source,
        /// What is wrong with it.
        reason: String,
    },
    /// The failure destination is neither a topic nor a queue nor a bucket.
    #[error(
        "the failure destination `{value}` ({by}) is no ARN of an SNS topic, an SQS queue or an S3 bucket: name one, or leave it out for one of the stack's own"
    )]
    Destination {
        /// What was chosen.
        value: String,
        /// Who chose it.
        by: Source,
    },
    /// The failure destination's own policy keeps the role out.
    #[error(
        "{what} ({by}) would not take what is given up, which would be lost: its policy denies it to the function's role: {how}; change that policy, name another failure \
         destination, or leave it out for one of the stack's own"
    )]
    DestinationDenies {
        /// `the SQS queue …` and so on.
        what: String,
        /// Who chose it.
        by: Source,
        /// The statement.
        how: String,
    },
    /// The handler's variables don't fit.
    #[error(
        "the function's variables would have {bytes} bytes as JSON, but Lambda takes at most 4096: {largest} alone has {largest_bytes}; {next}"
    )]
    Variables {
        /// Bytes of all names and values, as the JSON that Lambda measures.
        bytes: usize,
        /// The largest of them: the setting with who gives it, or the variable.
        largest: String,
        /// Its bytes of that.
        largest_bytes: usize,
        /// What to do.
        next: &'static str,
    },
    /// The rights of the function's role don't fit.
    #[error(
        "the policy of the function's role would have {characters} characters, but IAM takes at most 10240 for a role: {}",
        rights(*topics, map.as_ref())
    )]
    Policy {
        /// Characters of the policy, without white space.
        characters: usize,
        /// Topics of the map, each of which has an ARN in it.
        topics: usize,
        /// Who gives the map.
        map: Option<Source>,
    },
    /// Order was asked for, and something that was chosen gives it up.
    #[error(
        "strict_order is true ({by}), but the order of a partition key would be given up:{}",
        list(reasons)
    )]
    Disorder {
        /// Who asked for it.
        by: Source,
        /// What gives it up, each with the next step.
        reasons: Vec<String>,
    },
    /// More than CloudFormation takes of one stack.
    #[error("{}", too_large(*what, *count, *most, *pipelines, *fitting, *own_destinations))]
    TooLarge {
        /// What of.
        what: TooMuch,
        /// How much.
        count: usize,
        /// What it takes.
        most: usize,
        /// How many pipelines the stack would have.
        pipelines: usize,
        /// How many of them fit.
        fitting: usize,
        /// How many have a failure destination of their own.
        own_destinations: usize,
    },
    /// What was rendered can't be compared with what is deployed.
    #[error("the rendered template is no YAML: {0}; that is a mistake in k2m, please report it with the facts")]
    Template(String),
}

/// A way that was tried, and does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The network as it would be, with the subnets that are nearest to what is asked.
    pub network: PlannedNetwork,
    /// What would be made in the function's VPC.
    pub function: Needs,
    /// What would be made in the brokers' VPC.
    pub brokers: Needs,
    /// The VPC connection that it would come in by, where it would.
    pub connection: Option<PlannedConnection>,
    /// Each of these subnets to each broker.
    pub proofs: Vec<Proof>,
}

/// Why a subnet can't be the function's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It is not one of the function's VPC.
    Elsewhere {
        /// That VPC's id.
        vpc: String,
    },
    /// It has no free address.
    Full,
    /// A route that is there leads elsewhere, and is never overwritten.
    Route {
        /// The route table.
        table: String,
        /// The route's block.
        destination: String,
        /// Where it leads.
        target: String,
        /// Whether that is gone.
        gone: bool,
    },
    /// A broker can't be reached from it. The reachability engine's words.
    Refused(String),
    /// Whether the brokers can be reached from it can't be told. The reachability engine's words.
    Unknown(String),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Elsewhere { vpc } => write!(f, "it is not in {vpc}, the function's VPC; name subnets of that one"),
            Self::Full => f.write_str(
                "no address is free, and a function's network interface needs one; free some, or take another subnet",
            ),
            Self::Route {
                table,
                destination,
                target,
                gone,
            } => {
                let gone = if *gone { ", which is gone" } else { "" };
                write!(
                    f,
                    "{table} has a route to {destination} already, which leads to {target}{gone}, and k2m overwrites none: take it away, or use a subnet with another \
                     route table"
                )
            }
            Self::Refused(reason) | Self::Unknown(reason) => f.write_str(reason),
        }
    }
}

impl PlanError {
    /// Says what was tried, where the error is that it does not do.
    pub(super) fn tried(mut self, tried: impl FnOnce() -> Attempt) -> Self {
        if let Self::Subnets { attempt, .. } = &mut self {
            *attempt = Some(Box::new(tried()));
        }
        self
    }

    /// Says what else would do, where the error lists such ways.
    pub(super) fn nor(mut self, other: &str) -> Self {
        if let Self::Subnets { reasons, .. } | Self::NoWay { reasons, .. } = &mut self {
            reasons.push(other.to_owned());
        }
        self
    }

    /// Whether it is certain that no way leads to the brokers, from none of the subnets.
    pub(super) fn is_lost(&self) -> bool {
        let refused =
            |(_, obstacle): &(String, Obstacle)| matches!(obstacle, Obstacle::Refused(_) | Obstacle::Route { .. });
        match self {
            Self::NoWay { .. } => true,
            Self::Subnets { obstacles, .. } => obstacles.iter().all(refused),
            _ => false,
        }
    }

    /// The exit code that it ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::OtherFacts { .. }
            | Self::LeftOut { .. }
            | Self::TooManySubnets { .. }
            | Self::NoVpc { .. }
            | Self::NoGroup { .. }
            | Self::SubnetsOfVpcs { .. }
            | Self::ChooseVpc { .. }
            | Self::WhichVpc { .. }
            | Self::ChooseAuthentication { .. }
            | Self::NoAddress { .. }
            | Self::OutsideBlocks { .. }
            | Self::NoBroker { .. }
            | Self::TooManyPlaces { .. }
            | Self::Time { .. }
            | Self::Destination { .. }
            | Self::Disorder { .. } => Exit::Usage,
            Self::Blind(_)
            | Self::Unshared { .. }
            | Self::Missing { .. }
            | Self::NotReachedPublicly { unknown: true, .. } => Exit::CouldNotTell,
            Self::NoVpcLeads { vpcs, .. } => {
                if doubtful(vpcs) {
                    Exit::CouldNotTell
                } else {
                    Exit::Failed
                }
            }
            Self::Subnets { chosen, obstacles, .. } => {
                let unknown = |(_, obstacle): &(String, Obstacle)| matches!(obstacle, Obstacle::Unknown(_));
                // Of chosen subnets each must do; of those that the plan looks through, one that may do is enough to be unsure.
                let unsure = match chosen {
                    Some(_) => obstacles.iter().all(unknown),
                    None => obstacles.iter().any(unknown),
                };
                if unsure { Exit::CouldNotTell } else { Exit::Failed }
            }
            Self::Absent { .. }
            | Self::State { .. }
            | Self::NotYet { .. }
            | Self::NoWay { .. }
            | Self::NotPublic { .. }
            | Self::NotPrivate { .. }
            | Self::ClusterOfOther { .. }
            | Self::NotReachedPublicly { .. }
            | Self::ServerlessElsewhere { .. }
            | Self::RouteOfOther { .. }
            | Self::GoneFromStack { .. }
            | Self::RuleOfOther { .. }
            | Self::ForeignStack { .. }
            | Self::OtherStream { .. }
            | Self::Authentication { .. }
            | Self::Brokers { .. }
            | Self::NoSecret { .. }
            | Self::Secret { .. }
            | Self::NoWayToSecrets { .. }
            | Self::DestinationDenies { .. }
            | Self::NotShared { .. }
            | Self::OwnersKey { .. }
            | Self::SecretsEndpoint { .. }
            | Self::NoTopic { .. }
            | Self::CannotMakeTopic { .. }
            | Self::TopicSetting { .. }
            | Self::Variables { .. }
            | Self::Policy { .. }
            | Self::TooLarge { .. }
            | Self::Template(_) => Exit::Failed,
        }
    }
}

fn too_large(
    what: TooMuch,
    count: usize,
    most: usize,
    pipelines: usize,
    fitting: usize,
    own_destinations: usize,
) -> String {
    let split = match fitting {
        0 | 1 => "give each its own stack".to_owned(),
        fitting => format!("put at most {fitting} of them into one stack"),
    };
    let more = if own_destinations > 0 && what == TooMuch::Resources {
        "; a failure_destination that is given takes four resources less of each, so that more fit"
    } else {
        ""
    };
    format!(
        "the stack of {pipelines} pipelines would have {count} {what}, and CloudFormation takes at most {most}: {split}, and the others into another, with a k2m.yaml and a \
         name (--stack) of its own{more}"
    )
}

/// What takes most of the policy's room.
fn rights(topics: usize, map: Option<&Source>) -> String {
    let by = map.map(|by| format!(" ({by})")).unwrap_or_default();
    format!(
        "topic_map{by} leads to {topics} topics, and each has an ARN of its own in it; lead to fewer topics (what is not in the map goes to the topic), or split \
         the records over several streams, with a pipeline for each"
    )
}

fn list(reasons: &[String]) -> String {
    reasons
        .iter()
        .fold(String::new(), |text, reason| text + "\n  " + reason)
}

/// Whether one of the VPCs may lead to the brokers for all that is known.
pub(crate) fn doubtful(vpcs: &[(String, String, Obstacle)]) -> bool {
    vpcs.iter()
        .any(|(.., obstacle)| matches!(obstacle, Obstacle::Unknown(_)))
}

/// VPCs that lead to the brokers, and those that may.
pub(crate) fn which(leading: &[String], unsure: &[(String, String, Obstacle)]) -> Vec<String> {
    let leading = leading.iter().map(|vpc| format!("{vpc}: leads there"));
    leading.chain(none_leads(unsure)).collect()
}

/// VPCs that don't, with the reasons.
pub(crate) fn none_leads(vpcs: &[(String, String, Obstacle)]) -> Vec<String> {
    let each = vpcs.iter().take(LINES);
    let mut lines: Vec<String> = each
        .map(|(vpc, subnet, obstacle)| format!("{vpc}, {subnet}: {obstacle}"))
        .collect();
    let left = vpcs.len().saturating_sub(LINES);
    if left > 0 {
        lines.push(format!("and {left} more"));
    }
    lines
}

/// Ports for people: `port 9098`.
pub(crate) fn listed_ports(ports: &[u16]) -> String {
    let each: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("port{} {}", if each.len() == 1 { "" } else { "s" }, each.join(", "))
}

fn blind(facts: &[(String, Unreadable)]) -> String {
    let mut text = "what the plan needs to know could not be read:".to_owned();
    // Lists of one network often fail together, with the same words.
    let mut shown: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, why) in facts {
        match shown.iter_mut().find(|(message, _)| *message == why.message) {
            Some((_, names)) => names.push(name),
            None => shown.push((&why.message, vec![name])),
        }
    }
    for (message, names) in shown {
        // Writing to a string can't fail.
        let _ = write!(text, "\n  {}: {message}", names.join(", "));
    }
    let mut actions: Vec<&str> = facts
        .iter()
        .filter_map(|(_, why)| why.missing_action.as_deref())
        .collect();
    actions.sort_unstable();
    actions.dedup();
    if actions.is_empty() {
        text += "\nlook again";
    } else {
        let _ = write!(
            text,
            "\nallow {} to these credentials, then look again",
            actions.join(", ")
        );
    }
    text
}

fn subnets(
    ports: &[u16],
    chosen: Option<&Source>,
    vpc: &str,
    obstacles: &[(String, Obstacle)],
    reasons: &[String],
) -> String {
    let mut text = match chosen {
        Some(source) => format!("these subnets ({source}) can't be the function's:"),
        None if obstacles.is_empty() => {
            format!("no subnet of {vpc} is among the facts, so there is none for the function; look again")
        }
        None => format!(
            "no subnet of {vpc} can be the function's, which must be proven to reach every broker on {} and to be answered:",
            listed_ports(ports)
        ),
    };
    // The way itself comes first: without it no subnet leads anywhere.
    for reason in reasons {
        let _ = write!(text, "\n  {reason}");
    }
    // Subnets of one route table often have the same in their way.
    let mut shown: Vec<(String, Vec<&str>)> = Vec::new();
    for (subnet, obstacle) in obstacles {
        let words = obstacle.to_string();
        match shown.iter_mut().find(|(known, _)| *known == words) {
            Some((_, subnets)) => subnets.push(subnet),
            None => shown.push((words, vec![subnet])),
        }
    }
    for (words, subnets) in shown.iter().take(LINES) {
        let _ = write!(text, "\n  {}: {words}", subnets.join(", "));
    }
    let left: usize = shown.iter().skip(LINES).map(|(_, subnets)| subnets.len()).sum();
    if left > 0 {
        let _ = write!(text, "\n  and {left} more subnets");
    }
    text
}
