//! Asks this machine where names lead. The only room that resolves names; AWS is asked elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;

use crate::facts::{Fact, Server, Unreadable};
use crate::settings::{ServerName, Servers};

/// Longest wait for all names together: a resolver that is silent is given up by then, most ask twice in that time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where each of these servers is, as far as this machine says.
pub(crate) async fn resolve(servers: &Servers) -> Vec<Server> {
    join_all(servers.iter().map(resolved)).await
}

async fn resolved(server: &ServerName) -> Server {
    Server {
        addresses: if let Some(address) = server.address() {
            Fact::Found {
                value: vec![address.to_string()],
            }
        } else {
            let asked = tokio::net::lookup_host((server.host.as_str(), server.port));
            answered(&server.host, PATIENCE, asked).await
        },
        host: server.host.clone(),
        port: server.port,
    }
}

/// What came of asking for a host's addresses.
async fn answered<A>(host: &str, patience: Duration, asked: impl Future<Output = io::Result<A>>) -> Fact<Vec<String>>
where
    A: Iterator<Item = SocketAddr>,
{
    let unreadable = |message: String| {
        Fact::Unreadable(Unreadable {
            missing_action: None,
            message,
        })
    };
    match tokio::time::timeout(patience, asked).await {
        Err(_) => unreadable(format!("{host} was not resolved within {} s", patience.as_secs())),
        Ok(Err(error)) => unreadable(format!("{host} can't be resolved: {error}")),
        Ok(Ok(found)) => {
            let found = found.filter_map(|address| match address.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            });
            let found: BTreeSet<Ipv4Addr> = found.collect();
            if found.is_empty() {
                return Fact::Absent;
            }
            Fact::Found {
                value: found.iter().map(ToString::to_string).collect(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_taken_as_they_are_and_names_are_asked_for() {
        let servers = Servers::parse("10.1.2.3:9092,localhost:9093,no-such-name.invalid:9094").unwrap();
        let seen = resolve(&servers).await;
        let found = |address: &str| Fact::Found {
            value: vec![address.to_owned()],
        };
        assert_eq!(seen[0].addresses, found("10.1.2.3"));
        assert_eq!((seen[1].addresses.clone(), seen[1].port), (found("127.0.0.1"), 9093));
        // Whether nothing answers at all or somebody says that there is none: it says of what, and no more is known.
        let why = seen[2].addresses.unreadable().unwrap();
        assert!(why.message.contains("no-such-name.invalid"), "{why:?}");
    }

    #[tokio::test]
    async fn a_resolver_that_is_silent_is_given_up() {
        let silent = std::future::pending::<io::Result<std::vec::IntoIter<SocketAddr>>>();
        let seen = answered("kafka", Duration::ZERO, silent).await;
        assert_eq!(seen.unreadable().unwrap().message, "kafka was not resolved within 0 s");
    }

    #[tokio::test]
    async fn of_all_addresses_those_of_ipv4_count_each_once_and_in_order() {
        let answer = |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses
                .iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), 9092))
                .collect();
            std::future::ready(Ok(addresses.into_iter()))
        };
        let several = answered(
            "kafka",
            PATIENCE,
            answer(&["10.1.2.10", "2001:db8::1", "10.1.2.3", "10.1.2.10"]),
        )
        .await;
        assert_eq!(
            several.found().unwrap().as_slice(),
            ["10.1.2.3".to_owned(), "10.1.2.10".to_owned()]
        );
        assert!(answered("kafka", PATIENCE, answer(&["2001:db8::1"])).await.is_absent());
    }
}
