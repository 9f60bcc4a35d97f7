//! What IPv4 addresses are for, by the registries of the internet (RFC 6890): which of them the internet knows, and at which no function finds a broker. Pure.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Blocks at which no function finds a broker, whoever names them, and what they are.
const NO_BROKERS: [(Ipv4Addr, u8, &str); 5] = [
    (Ipv4Addr::UNSPECIFIED, 8, "stands for no host"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "leads each machine to itself"),
    (
        Ipv4Addr::new(169, 254, 0, 0),
        16,
        "is of a single link, which no packet leaves",
    ),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "is for multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "is nobody's, or a broadcast"),
];

/// Blocks that networks use inside, and that the internet leads nowhere; the last is that of carriers.
const INSIDE: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

fn overlaps(one: Ipv4Net, two: Ipv4Net) -> bool {
    one.contains(&two) || two.contains(&one)
}

/// Why no function finds a broker in some of the block; nothing where it may.
pub(crate) fn no_brokers(net: Ipv4Net) -> Option<String> {
    NO_BROKERS.iter().find_map(|(address, prefix, what)| {
        let block = Ipv4Net::new_assert(*address, *prefix);
        overlaps(block, net).then(|| format!("{block} {what}"))
    })
}

/// Whether the internet knows all addresses of the block.
pub(crate) fn is_public(net: Ipv4Net) -> bool {
    let inside = |(address, prefix): &(Ipv4Addr, u8)| overlaps(Ipv4Net::new_assert(*address, *prefix), net);
    no_brokers(net).is_none() && !INSIDE.iter().any(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_is_what_it_is_to_its_ends() {
        for (text, brokers, public) in [
            ("0.0.0.0/0", false, false),
            ("0.255.255.255/32", false, false),
            ("1.0.0.0/32", true, true),
            ("9.255.255.255/32", true, true),
            ("10.0.0.0/32", true, false),
            ("10.255.255.255/32", true, false),
            ("10.0.0.0/7", true, false),
            ("11.0.0.0/32", true, true),
            ("100.63.255.255/32", true, true),
            ("100.64.0.0/32", true, false),
            ("100.127.255.255/32", true, false),
            ("100.128.0.0/32", true, true),
            ("126.255.255.255/32", true, true),
            ("127.0.0.0/32", false, false),
            ("127.255.255.255/32", false, false),
            ("126.0.0.0/7", false, false),
            ("128.0.0.0/32", true, true),
            ("169.253.255.255/32", true, true),
            ("169.254.0.0/32", false, false),
            ("169.254.255.255/32", false, false),
            ("169.255.0.0/32", true, true),
            ("172.15.255.255/32", true, true),
            ("172.16.0.0/32", true, false),
            ("172.31.255.255/32", true, false),
            ("172.32.0.0/32", true, true),
            ("192.168.0.0/32", true, false),
            ("192.169.0.0/32", true, true),
            ("223.255.255.255/32", true, true),
            ("224.0.0.0/32", false, false),
            ("240.0.0.0/32", false, false),
            ("255.255.255.255/32", false, false),
        ] {
            let net = text.parse().unwrap();
            assert_eq!((no_brokers(net).is_none(), is_public(net)), (brokers, public), "{text}");
        }
    }
}
