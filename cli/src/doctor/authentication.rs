//! A: how the function proves itself, against what the cluster takes and where.

use serde_json::{Value, json};

use super::case::{OPEN, UNKNOWN_WAY};
use super::foreign::{no_servers, speak_to};
use super::{Case, Outcome, Server, given, planned, probe};
use crate::facts::{Cluster, Foreign};
use crate::plan::private::{is_port, plain};
use crate::settings::{ServerName, Servers};
use crate::shell::Command;

/// Each way of authentication with the lists of bootstrap brokers that speak it.
const LISTS: [(&str, &[&str]); 5] = [
    ("plaintext", &["", "Ipv6"]),
    ("tls", &["Tls", "PublicTls", "VpcConnectivityTls", "TlsIpv6"]),
    (
        "iam",
        &["SaslIam", "PublicSaslIam", "VpcConnectivitySaslIam", "SaslIamIpv6"],
    ),
    (
        "scram",
        &[
            "SaslScram",
            "PublicSaslScram",
            "VpcConnectivitySaslScram",
            "SaslScramIpv6",
        ],
    ),
    ("mutual_tls", &["Tls", "PublicTls", "VpcConnectivityTls", "TlsIpv6"]),
];

/// Whether the cluster takes the function's way at all.
pub(super) fn switched_on(case: &Case<'_>) -> Outcome {
    if case.planned.is_none() {
        given!(case.function());
    }
    let cluster = given!(case.cluster());
    let way = case.authentication();
    let ways = cluster.authentication;
    // A cluster that was never told any way takes all comers.
    let open = ways.unauthenticated || !(ways.iam || ways.scram || ways.mutual_tls);
    let encryption = cluster.client_encryption.as_deref();
    let offer = offer(cluster, open);
    if let Some(outcome) = planned::authentication(case, &offer) {
        return outcome;
    }
    if let Some(foreign) = case.foreign().filter(|_| way == UNKNOWN_WAY) {
        return no_way(case, foreign);
    }
    let taken = match way {
        "iam" => ways.iam,
        // Whether it shows a certificate its port doesn't say.
        "tls" if case.foreign().is_some() && ways.mutual_tls => true,
        "tls" => open && encryption != Some("PLAINTEXT"),
        "plaintext" => open && matches!(encryption, Some("PLAINTEXT" | "TLS_PLAINTEXT")),
        "scram" => ways.scram,
        "mutual_tls" => ways.mutual_tls,
        other => {
            return Outcome::fail(
                format!("K2M_AUTHENTICATION is {other}, which the handler doesn't know"),
                case.deploy(&[]),
            );
        }
    };
    if taken {
        Outcome::pass(format!("{way}: {offer}"))
    } else {
        // What the function could do instead, the best first.
        let others = [
            (ways.iam, "iam"),
            (open && encryption != Some("PLAINTEXT"), "tls"),
            (
                open && matches!(encryption, Some("PLAINTEXT" | "TLS_PLAINTEXT")),
                "plaintext",
            ),
        ];
        let other = others.into_iter().find_map(|(on, name)| on.then_some(name));
        if let Some(foreign) = case.foreign() {
            let other = other.unwrap_or(if ways.scram { "scram" } else { "mutual_tls" });
            let servers: Vec<Server<'_>> = lists(cluster, |name| name == other).collect();
            return Outcome::Fail {
                evidence: vec![format!(
                    "the function speaks {way}, by the port of {}, and {offer}",
                    case.told_by()
                )],
                fix: speak_to(foreign, &servers, other),
            };
        }
        Outcome::fail(
            format!("the function uses {way}, and {offer}"),
            other.map_or_else(
                || match (ways.scram, ways.mutual_tls) {
                    (true, _) => with_secret(case, "scram").into(),
                    (false, true) => with_secret(case, "mutual_tls").into(),
                    (false, false) => with_iam(case),
                },
                |other| case.setting("authentication", other).into(),
            ),
        )
    }
}

/// To switch IAM on in the cluster, and deploy with it.
fn with_iam(case: &Case<'_>) -> Vec<String> {
    let info = json!({"Sasl": {"Iam": {"Enabled": true}}});
    let mut steps = vec!["switch IAM on in the cluster:".to_owned()];
    steps.extend(update(case, "update-security", ("--client-authentication", &info)));
    steps.push("then deploy again, once the cluster is ACTIVE:".to_owned());
    steps.push(case.deploy(&[("--authentication", "iam")]));
    steps
}

/// The command of AWS's that changes the cluster, and the one that tells what it has to name.
pub(super) fn update(case: &Case<'_>, action: &str, (option, value): (&str, &Value)) -> [String; 3] {
    let cluster = case.facts.cluster.found().map_or(OPEN, |cluster| cluster.arn.as_str());
    let region = case.settings.brokers_region();
    let command = |action: &str| Command::new(&format!("aws kafka {action}")).option("--cluster-arn", cluster);
    [
        command("describe-cluster-v2")
            .option("--query", "ClusterInfo.CurrentVersion")
            .option("--output", "text")
            .option("--region", region)
            .to_string(),
        "with what that says in place of VERSION:".to_owned(),
        command(action)
            .option("--current-version", "VERSION")
            .option(option, &value.to_string())
            .option("--region", region)
            .to_string(),
    ]
}

/// What the cluster takes, for people.
fn offer(cluster: &Cluster, open: bool) -> String {
    let ways = cluster.authentication;
    let has = [
        (ways.iam, "IAM"),
        (ways.scram, "SCRAM"),
        (ways.mutual_tls, "mutual TLS"),
        (open, "unauthenticated access"),
    ];
    let has: Vec<&str> = has.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    let encryption = cluster.client_encryption.as_deref();
    let encryption = encryption.map(|encryption| format!("; encryption in transit {encryption}"));
    format!("the cluster takes {}{}", has.join(", "), encryption.unwrap_or_default())
}

/// That nobody knows how a function speaks to the brokers that k2m did not deploy.
fn no_way(case: &Case<'_>, foreign: &Foreign) -> Outcome {
    let servers = case.servers();
    if servers.is_empty() {
        return no_servers(foreign);
    }
    Outcome::Unknown {
        why: format!(
            "how the function speaks to {} ({}) is not known: none of the cluster's lists has all of them, and their ports are not those of one way",
            servers_text(&servers),
            case.told_by()
        ),
        missing_action: None,
    }
}

/// The way by which a server of the cluster's lists is spoken to; of TLS that without a certificate.
pub(super) fn way_of(cluster: &Cluster, server: &Server<'_>) -> Option<&'static str> {
    let has = |way: &str| lists(cluster, |name| name == way).any(|one| one == *server);
    LISTS.iter().map(|(way, _)| *way).find(|way| has(way))
}

/// To deploy with a way that needs a secret.
fn with_secret(case: &Case<'_>, way: &str) -> [String; 2] {
    [
        "deploy with a way that the cluster takes, and the secret for it (docs/settings.md says what is in it):"
            .to_owned(),
        case.deploy(&[("--authentication", way), ("--secret", OPEN)]),
    ]
}

/// Whether the brokers that the function is told of are the cluster's, and speak its way on their port.
pub(super) fn brokers(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let servers = case.servers();
    if let Some(foreign) = case.foreign().filter(|_| servers.is_empty()) {
        return no_servers(foreign);
    }
    if servers.is_empty() {
        return Outcome::fail(
            "K2M_BOOTSTRAP_SERVERS is not set, or names no host:port: the handler stops at its start",
            case.deploy(&[]),
        );
    }
    if let Some(wanted) = case.settings.servers() {
        return same_servers(case, &servers, &wanted.value);
    }
    let cluster = given!(case.cluster());
    let way = case.authentication();
    let told_by = case.told_by();
    // By its port nobody can tell how it speaks to a server that isn't the cluster's.
    let way = match (way, case.foreign()) {
        (UNKNOWN_WAY, Some(foreign)) if servers.iter().any(|server| known(case, cluster, server)) => {
            return no_way(case, foreign);
        }
        (UNKNOWN_WAY, Some(_)) => best_way(cluster),
        (way, _) => way,
    };
    let right: Vec<Server<'_>> = lists(cluster, |name| name == way).collect();
    let told = servers_text(&servers);
    let redeploy = || -> Vec<String> {
        if let Some(foreign) = case.foreign() {
            return speak_to(foreign, &right, way);
        }
        let right = servers_text(&right);
        let brokers = if right.is_empty() {
            String::new()
        } else {
            format!(": {right}")
        };
        vec![
            case.deploy(&[]),
            format!("it gives the function the cluster's brokers for {way}{brokers}"),
        ]
    };
    // The list names three brokers at most: the others of the cluster listen on the same port, or by private connectivity on one of its ports.
    let alike = |one: u16, other: u16| one == other || (is_port(one) && is_port(other));
    let fits = |server: &Server<'_>| {
        right.contains(server) || (known(case, cluster, server) && right.iter().any(|one| alike(one.port, server.port)))
    };
    let wrong: Vec<&Server<'_>> = servers.iter().filter(|server| !fits(server)).collect();
    if wrong.is_empty() {
        // Certificates have names.
        let by_address = servers.iter().filter(|server| is_address(case, server));
        let by_address: Vec<Server<'_>> = by_address.filter(|_| way != "plaintext").copied().collect();
        if !by_address.is_empty() {
            let evidence = format!(
                "{told_by} has {}: addresses of the cluster's brokers, whose certificates are for their names, so that who checks them does not connect by {way}",
                servers_text(&by_address)
            );
            return if probe::stopped_short(case) {
                Outcome::fail(format!("{evidence}; and the function does not get through"), redeploy())
            } else {
                Outcome::warn(evidence, redeploy())
            };
        }
        return Outcome::pass(format!("{told}: the cluster's brokers for {way}"));
    }
    if wrong.iter().all(|server| !known(case, cluster, server)) {
        return if wrong.len() == servers.len() {
            Outcome::fail(
                format!("{told_by} is {told}: none of these is a broker of the cluster"),
                redeploy(),
            )
        } else {
            let wrong: Vec<&str> = wrong.iter().map(|server| server.text).collect();
            Outcome::warn(
                format!(
                    "{told_by} is stale: {} is no broker of the cluster any more",
                    wrong.join(", ")
                ),
                redeploy(),
            )
        };
    }
    let evidence = wrong.iter().map(|server| {
        let speaks = LISTS
            .iter()
            .find(|(other, _)| lists(cluster, |name| name == *other).any(|one| one == **server));
        match speaks {
            Some((other, _)) => format!(
                "the function uses {way}, but {} is the cluster's port for {other}",
                server.text
            ),
            None => format!(
                "the function uses {way}, but {} is no port of the cluster for it",
                server.text
            ),
        }
    });
    Outcome::Fail {
        evidence: evidence.collect(),
        fix: redeploy(),
    }
}

/// Whether the function is told the servers of the settings, of a Kafka that is not MSK.
fn same_servers(case: &Case<'_>, told: &[Server<'_>], wanted: &Servers) -> Outcome {
    let is = |server: &ServerName, told: &Server<'_>| server.port == told.port && server.host == told.host;
    let same = told.iter().all(|told| wanted.iter().any(|server| is(server, told)))
        && wanted.iter().all(|server| told.iter().any(|told| is(server, told)));
    let told = servers_text(told);
    if same {
        return Outcome::pass(format!(
            "{told}: the servers of the settings, over {}",
            case.authentication()
        ));
    }
    let differs = format!("{} is {told}, the settings say {wanted}", case.told_by());
    if case.foreign().is_some() {
        return Outcome::warn(
            differs,
            "to judge the servers of the function, give them with --bootstrap-servers",
        );
    }
    let fix = [
        case.deploy(&[]),
        "that speaks to the servers of the settings; --bootstrap-servers judges the function's".to_owned(),
    ];
    if probe::stopped_short(case) {
        Outcome::fail(format!("{differs}; and the function does not get through to them"), fix)
    } else {
        Outcome::warn(differs, fix)
    }
}

/// The cluster's bootstrap brokers of this way inside its VPC, as a client takes them.
pub(super) fn servers(cluster: &Cluster, way: &str) -> String {
    let private = LISTS
        .iter()
        .find(|(name, _)| *name == way)
        .and_then(|(_, names)| names.first());
    let servers = private.and_then(|name| cluster.bootstrap_brokers.get(*name));
    servers.cloned().unwrap_or_default()
}

fn servers_text(servers: &[Server<'_>]) -> String {
    let texts: Vec<&str> = servers.iter().map(|server| server.text).collect();
    texts.join(",")
}

/// The cluster's bootstrap brokers of the ways that `wanted` takes.
fn lists(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Server<'_>> {
    let names = LISTS
        .iter()
        .filter(move |(way, _)| wanted(way))
        .flat_map(|(_, names)| *names);
    names
        .filter_map(|name| cluster.bootstrap_brokers.get(*name))
        .flat_map(|list| list.split(','))
        .filter_map(|text| {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse().ok()?;
            Some(Server { text, host, port })
        })
}

/// The best way that the cluster has a list for.
fn best_way(cluster: &Cluster) -> &'static str {
    let mut ways = ["iam", "tls", "plaintext", "scram"].into_iter();
    ways.find(|way| lists(cluster, |name| name == *way).next().is_some())
        .unwrap_or("tls")
}

/// Whether it is one of the brokers by its address.
fn is_address(case: &Case<'_>, server: &Server<'_>) -> bool {
    let mut brokers = case.facts.brokers.found().into_iter().flatten();
    brokers.any(|broker| broker.address == server.host)
}

/// Whether a host is one of the cluster's, on whatever port. `GetBootstrapBrokers` names three of them at most; `ListNodes` all.
fn known(case: &Case<'_>, cluster: &Cluster, server: &Server<'_>) -> bool {
    let endpoints = case.facts.brokers.found().into_iter().flatten();
    let mut endpoints = endpoints.flat_map(|broker| &broker.endpoints);
    let host = plain(server.host);
    lists(cluster, |_| true).any(|one| one.host == server.host)
        || is_address(case, server)
        || endpoints.any(|endpoint| endpoint.split(':').next() == Some(host.as_str()))
}
