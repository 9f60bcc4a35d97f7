//! The servers to begin with of a Kafka that is not MSK, and where their names lead.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Fact;
use crate::addresses::no_brokers;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// A name, or an IPv4 address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its IPv4 addresses, as the machine that looked resolves its name: the VPC may do otherwise. Absent where the name has none.
    pub addresses: Fact<Vec<String>>,
}

impl Server {
    /// `host:port`.
    pub fn text(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Its addresses, as far as they are known and such ones.
    pub fn known(&self) -> Vec<Ipv4Addr> {
        let addresses = self.addresses.found().into_iter().flatten();
        addresses.filter_map(|address| address.parse().ok()).collect()
    }
}

/// Where brokers are: an address or a block, and a port.
pub type Place = (Ipv4Net, u16);

/// More have no room in a security group, whatever its quota: AWS's most rules of a network interface.
pub const MOST_PLACES: usize = 1000;

/// Why it can't be said where the brokers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlace<'a> {
    /// No address of these servers is known.
    Unknown(Vec<&'a Server>),
    /// Where the server's name leads to, no function finds a broker.
    NoBroker {
        /// The server.
        server: &'a Server,
        /// Its address, as the machine that looked resolves its name.
        address: Ipv4Addr,
        /// Why not.
        reason: String,
    },
    /// They are at so many places, which is more than there can be rules for.
    TooMany(usize),
}

/// Where the brokers are that functions speak to: in these blocks, where they are given, else at the servers' own addresses.
pub fn places<'a>(servers: &'a [Server], blocks: Option<&[Ipv4Net]>) -> Result<BTreeSet<Place>, NoPlace<'a>> {
    let places: BTreeSet<Place> = if let Some(blocks) = blocks {
        let ports: BTreeSet<u16> = servers.iter().map(|server| server.port).collect();
        let each = blocks.iter().flat_map(|block| ports.iter().map(|port| (*block, *port)));
        each.collect()
    } else {
        own(servers)?
    };
    // Each place is judged beside the rules for all, so that very many would take very long.
    if places.len() > MOST_PLACES {
        return Err(NoPlace::TooMany(places.len()));
    }
    Ok(places)
}

/// The servers' own addresses.
fn own(servers: &[Server]) -> Result<BTreeSet<Place>, NoPlace<'_>> {
    let unknown: Vec<&Server> = servers.iter().filter(|server| server.known().is_empty()).collect();
    if !unknown.is_empty() {
        return Err(NoPlace::Unknown(unknown));
    }
    let mut places = BTreeSet::new();
    for server in servers {
        for address in server.known() {
            let net = Ipv4Net::from(address);
            if let Some(reason) = no_brokers(net) {
                return Err(NoPlace::NoBroker {
                    server,
                    address,
                    reason,
                });
            }
            places.insert((net, server.port));
        }
    }
    Ok(places)
}
