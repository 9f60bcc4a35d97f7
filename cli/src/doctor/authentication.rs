//! A: how the function proves itself, against what the cluster takes and where.

use super::{Case, Outcome, Server, given};
use crate::facts::{Cluster, Fact};
use crate::plan::private::{is_port, plain};
use crate::plan::secret::associate;
use crate::settings::{ServerName, Servers};

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
    given!(case.function());
    let cluster = given!(case.cluster());
    let way = case.authentication();
    let ways = cluster.authentication;
    // A cluster that was never told any way takes all comers.
    let open = ways.unauthenticated || !(ways.iam || ways.scram || ways.mutual_tls);
    let encryption = cluster.client_encryption.as_deref();
    let taken = match way {
        "iam" => ways.iam,
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
    let has = [
        (ways.iam, "IAM"),
        (ways.scram, "SCRAM"),
        (ways.mutual_tls, "mutual TLS"),
        (open, "unauthenticated access"),
    ];
    let has: Vec<&str> = has.into_iter().filter_map(|(on, name)| on.then_some(name)).collect();
    let offer = format!(
        "the cluster takes {}{}",
        has.join(", "),
        encryption
            .map(|encryption| format!("; encryption in transit {encryption}"))
            .unwrap_or_default()
    );
    let secret = case.variable("K2M_SECRET_ARN").filter(|_| way == "scram");
    let associated = cluster.scram_secrets.as_ref().and_then(Fact::found);
    let unknown = secret.filter(|secret| associated.is_some_and(|all| !all.iter().any(|one| one == secret)));
    if let (Some(secret), Some(arn)) = (unknown.filter(|_| taken), case.settings.cluster()) {
        Outcome::fail(
            format!(
                "the function's secret {secret} is not associated with the cluster: its brokers don't know the user"
            ),
            associate(&arn.value, secret).to_string(),
        )
    } else if taken {
        let mut evidence = vec![format!("{way}: {offer}")];
        if let (Some(secret), None) = (secret, associated) {
            let why = cluster.scram_secrets.as_ref().and_then(Fact::unreadable);
            let why = why.map_or("the facts do not list them", |why| why.message.as_str());
            evidence.push(format!(
                "whether {secret} is one of the cluster's secrets could not be compared: {why}"
            ));
        }
        Outcome::Pass { evidence }
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
        Outcome::fail(
            format!("the function uses {way}, and {offer}"),
            other.map_or_else(
                || match (ways.scram, ways.mutual_tls) {
                    (true, _) => with_secret(case, "scram"),
                    (false, true) => with_secret(case, "mutual_tls"),
                    (false, false) => [
                        "switch IAM on in the cluster (`aws kafka update-security`), then deploy again:".to_owned(),
                        case.deploy(&[("--authentication", "iam")]),
                    ],
                },
                |other| case.setting("authentication", other),
            ),
        )
    }
}

/// To deploy with a way that needs a secret.
fn with_secret(case: &Case<'_>, way: &str) -> [String; 2] {
    [
        "deploy with a way that the cluster takes, and the secret for it (docs/settings.md says what is in it):"
            .to_owned(),
        case.deploy(&[("--authentication", way), ("--secret", "ARN")]),
    ]
}

/// Whether the brokers that the function is told of are the cluster's, and speak its way on their port.
pub(super) fn brokers(case: &Case<'_>) -> Outcome {
    given!(case.function());
    let servers = case.servers();
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
    let right: Vec<Server<'_>> = lists(cluster, |name| name == way).collect();
    let told = case.variable("K2M_BOOTSTRAP_SERVERS").unwrap_or_default();
    let redeploy = || {
        let right = servers_text(&right);
        let brokers = if right.is_empty() {
            String::new()
        } else {
            format!(": {right}")
        };
        [
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
        return Outcome::pass(format!("{told}: the cluster's brokers for {way}"));
    }
    if wrong.iter().all(|server| !known(case, cluster, server)) {
        return if wrong.len() == servers.len() {
            Outcome::fail(
                format!("K2M_BOOTSTRAP_SERVERS is {told}: none of these is a broker of the cluster"),
                redeploy(),
            )
        } else {
            let wrong: Vec<&str> = wrong.iter().map(|server| server.text).collect();
            Outcome::warn(
                format!(
                    "K2M_BOOTSTRAP_SERVERS is stale: {} is no broker of the cluster any more",
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
        fix: redeploy().into(),
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
    Outcome::warn(
        format!("K2M_BOOTSTRAP_SERVERS is {told}, the settings say {wanted}"),
        [
            case.deploy(&[]),
            "that speaks to the servers of the settings; --bootstrap-servers judges the function's".to_owned(),
        ],
    )
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

/// Whether a host is one of the cluster's, on whatever port. `GetBootstrapBrokers` names three of them at most; `ListNodes` all.
fn known(case: &Case<'_>, cluster: &Cluster, server: &Server<'_>) -> bool {
    let endpoints = case.facts.brokers.found().into_iter().flatten();
    let mut endpoints = endpoints.flat_map(|broker| &broker.endpoints);
    let host = plain(server.host);
    lists(cluster, |_| true).any(|one| one.host == server.host)
        || endpoints.any(|endpoint| endpoint.split(':').next() == Some(host.as_str()))
}
