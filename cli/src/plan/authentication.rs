//! How the brokers are spoken to, and so on which port: the best way that the cluster has and the handler can do, or the user's choice.

use super::PlannedCluster;
use super::access::Access;
use super::error::PlanError;
use super::function::BOOTSTRAP_SERVERS;
use super::notes::{Notes, why};
use super::private::{self, PORTS, is_port, plain};
use super::secret;
use super::seen::Seen;
use crate::facts::Cluster;
use crate::facts::cluster::PrivateConnectivity;
use crate::settings::Authentication;

/// Chooses the way, and with it the brokers' addresses and their port.
pub(super) fn choose(seen: &Seen, access: Access, notes: &mut Notes) -> Result<PlannedCluster, PlanError> {
    let settings = seen.settings;
    let cluster = seen.msk()?;
    let possible = possible(cluster, access);
    let (authentication, reason) = match (&settings.authentication, possible.first()) {
        (Some(setting), _) => match obstacle(cluster, setting.value, access) {
            None => (setting.value, why(setting, "")),
            Some(reason) => {
                return Err(PlanError::Authentication {
                    chosen: setting.value.name(),
                    by: setting.source.clone(),
                    reason,
                    possible: names(&possible, access),
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
        (None, None) if access == Access::Public => {
            return Err(PlanError::NotPublic {
                by: settings.public_access.source.clone(),
                reason: "it names no public bootstrap brokers (public access is switched off, or being switched on)"
                    .to_owned(),
            });
        }
        (None, None) if access == Access::Private => {
            return Err(PlanError::NotPrivate {
                by: settings
                    .private_connectivity
                    .as_ref()
                    .map(|setting| setting.source.clone()),
                reason: format!(
                    "it names no bootstrap brokers for it: it is switched on for {}, which the cluster does not take, or is only being switched on; look again, or switch it on for \
                     another way with `aws kafka update-connectivity`",
                    private::ways(cluster).join(", ")
                ),
            });
        }
        (None, None) => {
            return Err(PlanError::Missing {
                what: "the cluster's bootstrap brokers inside its VPC".to_owned(),
            });
        }
    };
    let given = cluster.bootstrap_brokers.get(&key(authentication, access));
    let given = given.map(String::as_str).unwrap_or_default();
    let port = lowest_port(given, access)?;
    let servers = deployed_servers(seen, given, access).unwrap_or(given).to_owned();
    notes.decide("authentication", authentication.name(), reason);
    notes.decide(
        "port",
        match access {
            Access::Private => format!("{}-{}", PORTS.0, PORTS.1),
            Access::Inside | Access::Public => port.to_string(),
        },
        match access {
            Access::Private => "by private connectivity each broker has one of its own".to_owned(),
            Access::Inside | Access::Public => {
                format!("that of the cluster's bootstrap brokers for {}", authentication.name())
            }
        },
    );
    let secrets = secret::choose(seen, authentication, notes)?;
    if authentication == Authentication::Plaintext {
        notes.warn(
            "plaintext: records cross the network unencrypted, and whoever reaches the port may write; switch on IAM where that matters",
        );
    }
    Ok(PlannedCluster {
        arn: Some(cluster.arn.clone()),
        region: settings.brokers_region().to_owned(),
        authentication,
        bootstrap_servers: servers,
        broker_cidrs: Vec::new(),
        port,
        secrets,
    })
}

/// The ways that the cluster can be spoken to inside its network, the best first.
pub(crate) fn inside(cluster: &Cluster) -> Vec<Authentication> {
    possible(cluster, Access::Inside)
}

fn possible(cluster: &Cluster, access: Access) -> Vec<Authentication> {
    let ways = Authentication::ALL.into_iter();
    ways.filter(|way| obstacle(cluster, *way, access).is_none()).collect()
}

/// The brokers that the deployed function was told, as long as they are as good as those that are given now. Of more than three brokers AWS names
/// three, others each time, and without this each deployment would change the function.
fn deployed_servers<'s>(seen: &'s Seen, given: &str, access: Access) -> Option<&'s str> {
    let deployed = seen.deployed_variable(BOOTSTRAP_SERVERS)?;
    let (_, port) = given.split(',').next()?.rsplit_once(':')?;
    let of_cluster = |host: &str| {
        let mut endpoints = seen.brokers.iter().flat_map(|broker| &broker.endpoints);
        // For the internet a broker has another name, which AWS's list of nodes lacks, and by private connectivity one with the way of authentication in it.
        let known = match access {
            Access::Private => plain(host),
            Access::Inside | Access::Public => host.replacen("-public.", ".", 1),
        };
        endpoints.any(|endpoint| endpoint.split(':').next() == Some(known.as_str()))
    };
    let fits = |its_port: &str| match access {
        Access::Private => its_port.parse().is_ok_and(is_port),
        Access::Inside | Access::Public => its_port == port,
    };
    let good = |server: &str| {
        let parts = server.rsplit_once(':');
        given.split(',').any(|one| one == server)
            || parts.is_some_and(|(host, its_port)| fits(its_port) && of_cluster(host))
    };
    let as_many = deployed.split(',').count() >= given.split(',').count();
    (as_many && deployed.split(',').all(good)).then_some(deployed)
}

/// AWS's name of the bootstrap brokers for this way and this door.
fn key(way: Authentication, access: Access) -> String {
    let name = match way {
        Authentication::Iam => "SaslIam",
        Authentication::Tls | Authentication::MutualTls => "Tls",
        Authentication::Plaintext => "",
        Authentication::Scram => "SaslScram",
    };
    format!("{}{name}", access.prefix())
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
fn obstacle(cluster: &Cluster, way: Authentication, access: Access) -> Option<&'static str> {
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
    // AWS opens nothing to the internet, or to another VPC, that isn't encrypted.
    let open = match access {
        Access::Public => (way == Authentication::Plaintext).then_some("public access is with TLS only"),
        Access::Private => closed(cluster.private_connectivity, way),
        Access::Inside => None,
    };
    let brokers = cluster.bootstrap_brokers.get(&key(way, access));
    let unnamed = brokers.is_none_or(String::is_empty);
    let nobody = match access {
        Access::Public => "it names no public bootstrap brokers for that",
        Access::Private => "it names no bootstrap brokers of private connectivity for that",
        Access::Inside => "it names no bootstrap brokers for that",
    };
    let unnamed = unnamed.then_some(nobody);
    refused.or(open).or(unnamed)
}

/// What of private connectivity is switched off for this way.
fn closed(on: PrivateConnectivity, way: Authentication) -> Option<&'static str> {
    match way {
        Authentication::Iam => (!on.iam).then_some("private connectivity is switched off for SASL/IAM"),
        Authentication::Scram => (!on.scram).then_some("private connectivity is switched off for SASL/SCRAM"),
        Authentication::Tls => Some("private connectivity is not for clients that show nothing"),
        Authentication::MutualTls => (!on.tls).then_some("private connectivity is switched off for TLS"),
        Authentication::Plaintext => Some("private connectivity is with TLS only"),
    }
}

fn names(ways: &[Authentication], access: Access) -> String {
    if ways.is_empty() && access == Access::Private {
        return "private_connectivity: false, or switch it on for that with `aws kafka update-connectivity`".to_owned();
    }
    if ways.is_empty() {
        return "another cluster, or switch on IAM access control for this one".to_owned();
    }
    let names: Vec<String> = ways.iter().map(|way| format!("`{}`", way.name())).collect();
    names.join(" or ")
}

/// The port of all `host:port`; the lowest of them by private connectivity, where each broker has its own.
fn lowest_port(servers: &str, access: Access) -> Result<u16, PlanError> {
    let wrong = |reason: String| PlanError::Brokers {
        servers: servers.to_owned(),
        reason,
    };
    let mut lowest: Option<u16> = None;
    for server in servers.split(',') {
        let port = server
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse().ok())
            .filter(|port: &u16| *port > 0)
            .ok_or_else(|| wrong(format!("`{server}` is not host:port")))?;
        match (access, lowest) {
            (Access::Private, _) if !is_port(port) => {
                return Err(wrong(format!("{port} is no port of private connectivity")));
            }
            (Access::Inside | Access::Public, Some(other)) if other != port => {
                return Err(wrong(format!(
                    "it has the ports {other} and {port}, and a rule is for one"
                )));
            }
            _ => lowest = Some(lowest.map_or(port, |other| other.min(port))),
        }
    }
    lowest.ok_or_else(|| wrong("there are none".to_owned()))
}
