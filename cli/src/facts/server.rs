//! The servers to begin with of a Kafka that is not MSK, and where their names lead.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::Fact;

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

/// Where the brokers are that functions speak to: in these blocks, where they are given, else at the servers' own addresses. An error with the
/// servers of which no address is known.
pub fn places<'a>(servers: &'a [Server], blocks: Option<&[Ipv4Net]>) -> Result<BTreeSet<Place>, Vec<&'a Server>> {
    if let Some(blocks) = blocks {
        let ports: BTreeSet<u16> = servers.iter().map(|server| server.port).collect();
        let each = blocks.iter().flat_map(|block| ports.iter().map(|port| (*block, *port)));
        return Ok(each.collect());
    }
    let unknown: Vec<&Server> = servers.iter().filter(|server| server.known().is_empty()).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let each = servers.iter().flat_map(|server| {
        let addresses = server.known().into_iter();
        addresses.map(|address| (Ipv4Net::from(address), server.port))
    });
    Ok(each.collect())
}
