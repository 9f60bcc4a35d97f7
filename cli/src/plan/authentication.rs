//! How the brokers are spoken to, and so on which port: the best way that the cluster has and the handler can do, or the user's choice.

use super::PlannedCluster;
use super::error::PlanError;
use super::function::BOOTSTRAP_SERVERS;
use super::notes::{Notes, why};
use super::outside;
use super::secret;
use super::seen::Seen;
use crate::facts::Cluster;
use crate::settings::{Authentication, Kafka};

/// Chooses the way, and with it the brokers' addresses and their port.
pub(super) fn choose(seen: &Seen, notes: &mut Notes) -> Result<PlannedCluster, PlanError> {
    let settings = seen.settings;
    let (cluster, region) = match (&settings.kafka, seen.cluster) {
        (Kafka::Cluster(arn), Some(cluster)) => (cluster, &arn.value.region),
        (Kafka::Cluster(arn), None) => {
            return Err(PlanError::Missing {
                what: format!("the cluster {}", arn.value.name()),
            });
        }
        (Kafka::BootstrapServers(servers), _) => return outside::speak(servers, seen, notes),
    };
    let public = settings.public_access.value;
    let possible: Vec<Authentication> = Authentication::ALL
        .into_iter()
        .filter(|way| obstacle(cluster, *way, public).is_none())
        .collect();
    let (authentication, reason) = match (&settings.authentication, possible.first()) {
        (Some(setting), _) => match obstacle(cluster, setting.value, public) {
            None => (setting.value, why(setting, "")),
            Some(reason) => {
                return Err(PlanError::Authentication {
                    chosen: setting.value.name(),
                    by: setting.source.clone(),
                    reason,
                    possible: names(&possible),
                });
            }
        },
        (None, Some(best)) => {
            let best = if best.needs_secret() {
                secret::way(seen, &possible)?
            } else {
                *best
            };
            (best, because(best).to_owned())
        }
        (None, None) if public => {
            return Err(PlanError::NotPublic {
                by: settings.public_access.source.clone(),
                reason: "it names no public bootstrap brokers (public access is switched off, or being switched on)"
                    .to_owned(),
            });
        }
        (None, None) => {
            return Err(PlanError::Missing {
                what: "the cluster's bootstrap brokers inside its VPC".to_owned(),
            });
        }
    };
    let given = cluster.bootstrap_brokers.get(&key(authentication, public));
    let given = given.map(String::as_str).unwrap_or_default();
    let port = common_port(given)?;
    let servers = deployed_servers(seen, given).unwrap_or(given).to_owned();
    notes.decide("authentication", authentication.name(), reason);
    notes.decide(
        "port",
        port.to_string(),
        format!("that of the cluster's bootstrap brokers for {}", authentication.name()),
    );
    let secrets = secret::choose(seen, authentication, notes)?;
    if authentication == Authentication::Plaintext {
        notes.warn(
            "plaintext: records cross the network unencrypted, and whoever reaches the port may write; switch on IAM where that matters",
        );
    }
    Ok(PlannedCluster {
        arn: Some(cluster.arn.clone()),
        region: region.clone(),
        authentication,
        bootstrap_servers: servers,
        broker_cidrs: Vec::new(),
        port,
        secrets,
    })
}

/// The brokers that the deployed function was told, as long as they are as good as those that are given now. Of more than three brokers AWS names
/// three, others each time, and without this each deployment would change the function.
fn deployed_servers<'s>(seen: &'s Seen, given: &str) -> Option<&'s str> {
    let deployed = seen.deployed_variable(BOOTSTRAP_SERVERS)?;
    let (_, port) = given.split(',').next()?.rsplit_once(':')?;
    let of_cluster = |host: &str| {
        let mut endpoints = seen.brokers.iter().flat_map(|broker| &broker.endpoints);
        // For the internet a broker has another name, which AWS's list of nodes lacks.
        let private = host.replacen("-public.", ".", 1);
        endpoints.any(|endpoint| endpoint.split(':').next() == Some(private.as_str()))
    };
    let good = |server: &str| {
        let parts = server.rsplit_once(':');
        given.split(',').any(|one| one == server)
            || parts.is_some_and(|(host, its_port)| its_port == port && of_cluster(host))
    };
    let as_many = deployed.split(',').count() >= given.split(',').count();
    (as_many && deployed.split(',').all(good)).then_some(deployed)
}

/// AWS's name of the bootstrap brokers for this way, inside the VPC or for the internet.
fn key(way: Authentication, public: bool) -> String {
    let name = match way {
        Authentication::Iam => "SaslIam",
        Authentication::Tls | Authentication::MutualTls => "Tls",
        Authentication::Plaintext => "",
        Authentication::Scram => "SaslScram",
    };
    format!("{}{name}", if public { "Public" } else { "" })
}

const fn because(way: Authentication) -> &'static str {
    match way {
        Authentication::Iam => "the cluster has SASL/IAM: the function's role says who it is, and no secret is kept",
        Authentication::Tls => "the cluster has no SASL/IAM, but TLS without a client's certificate",
        Authentication::Plaintext => "the cluster has neither SASL/IAM nor TLS without a client's certificate",
        Authentication::Scram => "the cluster takes clients only by a secret: a user with a password",
        Authentication::MutualTls => "the cluster takes clients only by a secret: a certificate",
    }
}

/// What keeps the cluster from being spoken to in this way.
fn obstacle(cluster: &Cluster, way: Authentication, public: bool) -> Option<&'static str> {
    let on = cluster.authentication;
    // A cluster on which nothing is switched on takes everybody.
    let anybody = on.unauthenticated || !(on.iam || on.scram || on.mutual_tls);
    let encryption = cluster.client_encryption.as_deref();
    let refused = match way {
        Authentication::Iam => (!on.iam).then_some("SASL/IAM is switched off"),
        Authentication::Tls | Authentication::Plaintext if !anybody => Some("unauthenticated access is switched off"),
        Authentication::Tls => (encryption == Some("PLAINTEXT")).then_some("clients are spoken to without TLS only"),
        Authentication::Plaintext => (encryption == Some("TLS")).then_some("clients are spoken to with TLS only"),
        Authentication::Scram => (!on.scram).then_some("SASL/SCRAM is switched off"),
        Authentication::MutualTls => (!on.mutual_tls).then_some("mutual TLS is switched off"),
    };
    // AWS opens nothing to the internet that isn't encrypted.
    let open = (public && way == Authentication::Plaintext).then_some("public access is with TLS only");
    let brokers = cluster.bootstrap_brokers.get(&key(way, public));
    let unnamed = brokers.is_none_or(String::is_empty);
    let nobody = if public {
        "it names no public bootstrap brokers for that"
    } else {
        "it names no bootstrap brokers for that"
    };
    let unnamed = unnamed.then_some(nobody);
    refused.or(open).or(unnamed)
}

fn names(ways: &[Authentication]) -> String {
    if ways.is_empty() {
        return "another cluster, or switch on IAM access control for this one".to_owned();
    }
    let names: Vec<String> = ways.iter().map(|way| format!("`{}`", way.name())).collect();
    names.join(" or ")
}

/// The port of all `host:port`.
fn common_port(servers: &str) -> Result<u16, PlanError> {
    let wrong = |reason: String| PlanError::Brokers {
        servers: servers.to_owned(),
        reason,
    };
    let mut common = None;
    for server in servers.split(',') {
        let port = server
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse().ok())
            .filter(|port: &u16| *port > 0)
            .ok_or_else(|| wrong(format!("`{server}` is not host:port")))?;
        if let Some(other) = common.replace(port).filter(|other| *other != port) {
            return Err(wrong(format!(
                "it has the ports {other} and {port}, and a rule is for one"
            )));
        }
    }
    common.ok_or_else(|| wrong("there are none".to_owned()))
}
