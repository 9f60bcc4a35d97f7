//! N: the way from the function to Secrets Manager, which it needs besides Kafka, judged as plan judges it.

use std::collections::BTreeSet;

use k2m_handler::probe::report::Step;

use super::network::{distinct, joined, mend};
use super::rights::told as told_of;
use super::{Case, Outcome, given};
use crate::arn::SecretArn;
use crate::facts::network::{Endpoint, Rule, RulePeer};
use crate::facts::{Fact, Function, Network, Probe};
use crate::network::Proof;
use crate::plan::endpoint::{Ground, Way, unnamed, way};
use crate::shell::Command;

/// Secrets Manager's port.
const PORT: u16 = 443;

/// The function's secrets, as it is told them.
fn told(case: &Case<'_>) -> Vec<SecretArn> {
    let names = ["K2M_SECRET_ARN", "K2M_CA_SECRET_ARN"];
    let texts = names.into_iter().filter_map(|name| case.variable(name));
    texts.filter_map(|text| SecretArn::parse(text).ok()).collect()
}

/// Whether the function itself could read what it is told of, where it was asked.
fn probed(case: &Case<'_>) -> bool {
    let answer = case.seen.probe.as_ref().and_then(Fact::found);
    matches!(answer, Some(Probe::Answered(report)) if !report.failures.iter().any(|failure| failure.step == Step::Secret))
}

/// What is to be reached, from where.
struct Needs<'a> {
    function: &'a Function,
    facts: &'a Network,
    vpc: &'a str,
    /// The function's region.
    region: &'a str,
    /// ARNs of the secrets, for people.
    secrets: String,
    /// Where it is, for people.
    manager: String,
    /// Whether all secrets are in the function's region.
    only_here: bool,
}

/// Whether Secrets Manager is reached from the function's subnets.
pub(super) fn reached(case: &Case<'_>) -> Outcome {
    let function = given!(case.function());
    let secrets = told(case);
    if secrets.is_empty() {
        return Outcome::skip("the function reads no secret: besides Kafka it needs nothing that a network leads to");
    }
    let regions: BTreeSet<&str> = secrets.iter().map(|secret| secret.region.as_str()).collect();
    if probed(case) {
        return Outcome::pass("the function itself reads its secrets");
    }
    if function.subnets.is_empty() {
        return Outcome::pass("the function is in no VPC: AWS's services are reached from there");
    }
    let region = case.settings.home.region.as_str();
    let (Some(facts), Some(vpc)) = (case.facts.networks.get(region), function.vpc.as_deref()) else {
        return Outcome::Unknown {
            why: format!("the facts have no network of {region}, or not the function's VPC; inspect again"),
            missing_action: None,
        };
    };
    let ground = Ground {
        vpc,
        subnets: &function.subnets,
        groups: Some(&function.security_groups),
        facts,
    };
    let needs = Needs {
        function,
        facts,
        vpc,
        region,
        secrets: joined(&secrets),
        manager: format!("Secrets Manager in {}", joined(&regions)),
        only_here: regions.iter().all(|one| *one == region),
    };
    match way(&ground, region, &regions) {
        Way::Nat => needs.by_nat(),
        Way::Endpoint(endpoint) => needs.by_endpoint(endpoint),
        Way::Unknown(why) => Outcome::Unknown {
            why: format!("whether the function reaches {}: {}", needs.manager, why.message),
            missing_action: why.missing_action,
        },
        Way::Blocked(endpoint, reason, proofs) => needs.blocked(case, endpoint, &reason, &proofs),
        Way::Nowhere(subnets) => needs.nowhere(case, &subnets),
    }
}

impl Needs<'_> {
    fn by_nat(&self) -> Outcome {
        let manager = &self.manager;
        let Some(groups) = closed(self.facts, self.function) else {
            return Outcome::pass(format!("{manager} is reached by NAT gateways"));
        };
        let group = self.function.security_groups.first().map_or("", String::as_str);
        Outcome::fail(
            format!(
                "no egress rule of {groups} lets out on port {PORT}, so that the function does not reach {manager}, though NAT gateways lead there"
            ),
            Command::new("aws ec2 authorize-security-group-egress")
                .option("--group-id", group)
                .option(
                    "--ip-permissions",
                    r#"[{"IpProtocol":"tcp","FromPort":443,"ToPort":443,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]"#,
                )
                .option("--region", self.region)
                .to_string(),
        )
    }

    fn by_endpoint(&self, endpoint: &Endpoint) -> Outcome {
        let Self { vpc, manager, .. } = self;
        let mut known = self.facts.vpcs.found().into_iter().flatten();
        let here = known.find(|one| one.id == *vpc);
        if let Some(why) = here.and_then(|here| here.dns_unreadable.as_ref()) {
            return Outcome::Unknown {
                why: format!(
                    "{} leads to {manager}, and whether its name is resolved in {vpc} could not be read: {}",
                    endpoint.id,
                    told_of(why)
                ),
                missing_action: why.missing_action.clone(),
            };
        }
        let Some(attribute) = nameless(self.facts, vpc) else {
            return Outcome::pass(format!(
                "{manager} is reached by {}, an interface endpoint of {vpc}",
                endpoint.id
            ));
        };
        Outcome::fail(
            format!(
                "{} leads to {manager}, and enableDns{attribute} of {vpc} is off: its name is not resolved to it",
                endpoint.id
            ),
            Command::new("aws ec2 modify-vpc-attribute")
                .option("--vpc-id", vpc)
                .option(
                    &format!("--enable-dns-{}", attribute.to_ascii_lowercase()),
                    r#"{"Value":true}"#,
                )
                .option("--region", self.region)
                .to_string(),
        )
    }

    fn blocked(&self, case: &Case<'_>, endpoint: &Endpoint, reason: &str, proofs: &[Proof]) -> Outcome {
        let refusals = distinct(proofs.iter().flat_map(Proof::refusals));
        let mut fix: Vec<String> = Vec::new();
        for (_, refusal) in &refusals {
            for step in mend(case, (self.function, &endpoint.security_groups), refusal, &refusals) {
                if !fix.contains(&step) {
                    fix.push(step);
                }
            }
        }
        if fix.is_empty() {
            fix.push(format!(
                "have {} become available, or delete it: k2m deploy then finds another way",
                endpoint.id
            ));
        }
        Outcome::Fail {
            evidence: vec![format!(
                "the name of {} leads to {}, the interface endpoint of {}: {reason}",
                self.manager, endpoint.id, self.vpc
            )],
            fix,
        }
    }

    fn nowhere(&self, case: &Case<'_>, subnets: &str) -> Outcome {
        let evidence = format!(
            "the function reads {}, and nothing leads to {} from {subnets}",
            self.secrets, self.manager
        );
        if !self.only_here {
            return Outcome::fail(
                evidence,
                "give them a route to a NAT gateway: an interface endpoint leads to the secrets of its own region alone",
            );
        }
        let nat = "or give them a route to a NAT gateway".to_owned();
        let Some(endpoint) = unnamed(self.facts, self.vpc, self.region) else {
            return Outcome::fail(evidence, [case.deploy(&[("--secrets-endpoint", "true")]), nat]);
        };
        let command = Command::new("aws ec2 modify-vpc-endpoint")
            .option("--vpc-endpoint-id", &endpoint.id)
            .flag("--private-dns-enabled")
            .option("--region", self.region);
        Outcome::fail(
            format!(
                "{evidence}: {} is there, and has no private DNS, so that no name leads to it",
                endpoint.id
            ),
            [command.to_string(), nat],
        )
    }
}

/// The function's groups, where none of their rules lets out to addresses on the port.
fn closed(facts: &Network, function: &Function) -> Option<String> {
    let groups = facts.security_groups.found()?;
    let own = groups
        .iter()
        .filter(|group| function.security_groups.contains(&group.id));
    let own: Vec<_> = own.collect();
    // What nobody saw may let out.
    if own.len() < function.security_groups.len() {
        return None;
    }
    let lets_out = |rule: &Rule| {
        let tcp = rule.protocol.eq_ignore_ascii_case("tcp") || rule.protocol == "6";
        let covers = rule.ports.is_none_or(|(first, last)| (first..=last).contains(&PORT));
        rule.egress && (rule.protocol == "-1" || (tcp && covers)) && !matches!(rule.peer, RulePeer::Group(_))
    };
    let any = own.iter().flat_map(|group| &group.rules).any(lets_out);
    (!any).then(|| joined(&function.security_groups))
}

/// What of names is switched off in a VPC, without which endpoints have none there.
fn nameless(facts: &Network, vpc: &str) -> Option<&'static str> {
    let vpc = facts.vpcs.found()?.iter().find(|one| one.id == vpc)?;
    match (vpc.dns_support, vpc.dns_hostnames) {
        (Some(false), _) => Some("Support"),
        (_, Some(false)) => Some("Hostnames"),
        _ => None,
    }
}
