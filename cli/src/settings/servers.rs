//! The servers to begin with of a Kafka that is not MSK, and the blocks that its brokers' addresses are in. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Serialize, Serializer};

use crate::addresses::no_brokers;

/// More are no list to begin with, and each takes a rule.
const MOST_SERVERS: usize = 50;
/// More take more rules than AWS's default quota for a group.
const MOST_BLOCKS: usize = 20;

/// One server: a name or an IPv4 address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerName {
    /// A name, or an IPv4 address.
    pub host: String,
    /// From 1.
    pub port: u16,
}

impl ServerName {
    /// Its address, where it is given by that.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Servers to begin with, each once and in the user's order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(Vec<ServerName>);

impl Servers {
    /// Takes `HOST:PORT[,HOST:PORT…]` apart.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::each(text, server)
    }

    /// The same of what a function is told, which may be addresses where it finds no broker: that is for others to say.
    pub(crate) fn told(text: &str) -> Result<Self, String> {
        Self::each(text, named)
    }

    fn each(text: &str, server: fn(&str) -> Result<ServerName, String>) -> Result<Self, String> {
        let mut servers: Vec<ServerName> = Vec::new();
        for text in text.split(',').map(str::trim) {
            let server = server(text)?;
            let same = |other: &&ServerName| other.port == server.port && other.host.eq_ignore_ascii_case(&server.host);
            if let Some(other) = servers.iter().find(same) {
                return Err(format!("{other} is there twice: name each server once"));
            }
            servers.push(server);
        }
        if servers.len() > MOST_SERVERS {
            return Err(format!(
                "give at most {MOST_SERVERS} servers, not {}: a few are enough to learn of the others",
                servers.len()
            ));
        }
        Ok(Self(servers))
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &ServerName> {
        self.0.iter()
    }

    /// The ports, each once.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.iter().map(|server| server.port).collect()
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl Serialize for Servers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A server that a function may find.
fn server(text: &str) -> Result<ServerName, String> {
    let server = named(text)?;
    if let Ok(address) = server.host.parse::<Ipv4Addr>()
        && let Some(reason) = no_brokers(address.into())
    {
        return Err(format!(
            "no function finds a broker at {address}, of `{}`: {reason}; give the address that it listens at in its network",
            text.escape_debug()
        ));
    }
    Ok(server)
}

/// Any server.
fn named(text: &str) -> Result<ServerName, String> {
    let shown = text.escape_debug();
    if let Some((protocol, _)) = text.split_once("://") {
        return Err(format!(
            "`{shown}` begins with `{}://`: give HOST:PORT alone, and how it is spoken to with authentication",
            protocol.escape_debug()
        ));
    }
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| format!("`{shown}` has no port: give HOST:PORT, such as kafka.example.com:9092"))?;
    if host.contains(':') || host.starts_with('[') {
        return Err(format!(
            "`{shown}` is an IPv6 address: k2m proves ways and makes rules for IPv4 alone; give an IPv4 address, or a name that has one"
        ));
    }
    let port = port
        .parse()
        .ok()
        .filter(|number: &u16| *number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| {
            format!(
                "`{}`, of `{shown}`, is no port: give a number from 1 to 65535",
                port.escape_debug()
            )
        })?;
    let label = |label: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(known) && !label.starts_with('-') && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(format!(
            "`{}`, of `{shown}`, is neither a name nor an IPv4 address: give one such as kafka.example.com or 10.1.2.3",
            host.escape_debug()
        ));
    }
    // A name never ends with a number, so this is meant to be an address.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        host.parse::<Ipv4Addr>()
            .map_err(|_| format!("`{host}`, of `{shown}`, is no IPv4 address: give four numbers, such as 10.1.2.3"))?;
    }
    Ok(ServerName {
        host: host.to_owned(),
        port,
    })
}

/// Takes `CIDR[,CIDR…]` apart: IPv4 blocks, none in another.
pub(super) fn blocks(text: &str) -> Result<Vec<Ipv4Net>, String> {
    let mut blocks: Vec<Ipv4Net> = Vec::new();
    for text in text.split(',').map(str::trim) {
        let block = block(text)?;
        let overlaps = |other: &&Ipv4Net| other.contains(&block) || block.contains(*other);
        if let Some(other) = blocks.iter().find(overlaps) {
            return Err(if *other == block {
                format!("{block} is there twice: name each block once")
            } else {
                format!("{block} and {other} overlap: the wider one is enough")
            });
        }
        blocks.push(block);
    }
    if blocks.len() > MOST_BLOCKS {
        return Err(format!(
            "give at most {MOST_BLOCKS} blocks, not {}: each takes a rule; name wider ones",
            blocks.len()
        ));
    }
    blocks.sort();
    Ok(blocks)
}

fn block(text: &str) -> Result<Ipv4Net, String> {
    let shown = text.escape_debug();
    if text.contains(':') {
        return Err(format!(
            "`{shown}` is a block of IPv6: k2m proves ways and makes rules for IPv4 alone"
        ));
    }
    let block = text.parse::<Ipv4Net>().map_err(|_| {
        format!("`{shown}` is no IPv4 block: give one such as 10.1.2.0/24, or 10.1.2.3/32 for a single address")
    })?;
    if block.trunc() != block {
        return Err(format!(
            "{block} has bits behind its prefix: {} is the block that it is in",
            block.trunc()
        ));
    }
    if block.prefix_len() == 0 {
        return Err(format!(
            "{block} is everywhere, and no way can be proven to all of it: name the blocks that the brokers are in"
        ));
    }
    if let Some(reason) = no_brokers(block) {
        return Err(format!(
            "no function finds a broker in all of {block}: {reason}; name the blocks that the brokers are in"
        ));
    }
    Ok(block)
}
