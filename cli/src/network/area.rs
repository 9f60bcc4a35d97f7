//! Sets of (address of the other side, destination port): what a rule matches and what is still undecided. Working on ranges keeps a whole
//! subnet and all ephemeral ports exact without walking through them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv4Subnets};

use super::refusal::{Flow, PortRange};

/// All ports.
pub(super) const ALL_PORTS: (u16, u16) = (0, u16::MAX);

/// A rectangle of addresses and ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    addresses: (u32, u32),
    ports: (u16, u16),
}

impl Area {
    /// Every address of a block, on these ports. Ports in the wrong order match nothing.
    pub(super) fn block(net: Ipv4Net, ports: (u16, u16)) -> Self {
        Self {
            addresses: (u32::from(net.network()), u32::from(net.broadcast())),
            ports,
        }
    }

    /// Every address, on these ports.
    pub(super) fn everywhere(ports: (u16, u16)) -> Self {
        Self::block(Ipv4Net::default(), ports)
    }

    pub(super) fn ports(self) -> (u16, u16) {
        self.ports
    }

    /// The same addresses, on all ports.
    pub(super) fn on_all_ports(self) -> Self {
        Self {
            ports: ALL_PORTS,
            ..self
        }
    }

    fn intersection(&self, other: &Self) -> Option<Self> {
        let addresses = (
            self.addresses.0.max(other.addresses.0),
            self.addresses.1.min(other.addresses.1),
        );
        let ports = (self.ports.0.max(other.ports.0), self.ports.1.min(other.ports.1));
        (addresses.0 <= addresses.1 && ports.0 <= ports.1).then_some(Self { addresses, ports })
    }

    /// What is left of `self` when `hole`, a part of it, is cut out: at most four rectangles.
    fn around(self, hole: &Self) -> impl Iterator<Item = Self> {
        let below = (self.addresses.0 < hole.addresses.0).then(|| (self.addresses.0, hole.addresses.0 - 1));
        let above = (hole.addresses.1 < self.addresses.1).then(|| (hole.addresses.1 + 1, self.addresses.1));
        let lower = (self.ports.0 < hole.ports.0).then(|| (self.ports.0, hole.ports.0 - 1));
        let upper = (hole.ports.1 < self.ports.1).then(|| (hole.ports.1 + 1, self.ports.1));
        let beside = [below, above]
            .into_iter()
            .flatten()
            .map(move |addresses| Self { addresses, ..self });
        let addresses = hole.addresses;
        let within = [lower, upper]
            .into_iter()
            .flatten()
            .map(move |ports| Self { addresses, ports });
        beside.chain(within)
    }
}

/// A set of areas that don't overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Areas(Vec<Area>);

impl From<Area> for Areas {
    fn from(area: Area) -> Self {
        Self(vec![area])
    }
}

impl IntoIterator for Areas {
    type Item = Area;
    type IntoIter = std::vec::IntoIter<Area>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Areas {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out what lies in `part`, and returns it.
    pub(super) fn take(&mut self, part: &Area) -> Self {
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(self.0.len());
        for area in &self.0 {
            match area.intersection(part) {
                Some(common) => {
                    left.extend(area.around(&common));
                    taken.push(common);
                }
                None => left.push(*area),
            }
        }
        self.0 = left;
        Self(taken)
    }

    /// Takes out what lies in any of `parts`, which don't overlap, and returns it.
    pub(super) fn take_all(&mut self, parts: &Self) -> Self {
        let mut taken = Self::default();
        for part in &parts.0 {
            taken.extend(self.take(part));
        }
        taken
    }

    /// The same addresses, on these ports.
    pub(super) fn on_ports(&self, ports: (u16, u16)) -> Self {
        Self(self.0.iter().map(|area| Area { ports, ..*area }).collect())
    }

    /// Adds areas, none of which overlaps what is there.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether this is the whole of `area`, of which it is known to be a part.
    pub(super) fn is_whole(&self, area: &Area) -> bool {
        self.is_all_of(&Self::from(*area))
    }

    /// Whether this is all of `other`, of which it is known to be a part.
    pub(super) fn is_all_of(&self, other: &Self) -> bool {
        let mut rest = other.clone();
        rest.take_all(self);
        rest.is_empty()
    }

    /// The addresses, as the fewest CIDR blocks.
    pub(super) fn cidrs(&self) -> Vec<Ipv4Net> {
        let blocks: Vec<Ipv4Net> = self.0.iter().flat_map(|area| blocks(area.addresses)).collect();
        Ipv4Net::aggregate(&blocks)
    }

    /// In AWS's words: one flow for each range of ports, with the fewest CIDR blocks. The same set gives the same flows, however it was cut.
    pub(super) fn flows(&self) -> Vec<Flow> {
        // Between two neighbouring cuts the ports are the same for every address.
        let mut cuts = BTreeSet::new();
        for area in &self.0 {
            cuts.insert(u64::from(area.addresses.0));
            cuts.insert(u64::from(area.addresses.1) + 1);
        }
        let cuts: Vec<u64> = cuts.into_iter().collect();
        let mut by_ports: BTreeMap<(u16, u16), Vec<Ipv4Net>> = BTreeMap::new();
        for pair in cuts.windows(2) {
            let (Ok(first), Ok(last)) = (u32::try_from(pair[0]), u32::try_from(pair[1] - 1)) else {
                continue;
            };
            let here = self
                .0
                .iter()
                .filter(|area| area.addresses.0 <= first && last <= area.addresses.1);
            for ports in joined(here.map(|area| area.ports).collect()) {
                by_ports.entry(ports).or_default().extend(blocks((first, last)));
            }
        }
        by_ports
            .into_iter()
            .map(|((first, last), blocks)| Flow {
                cidrs: Ipv4Net::aggregate(&blocks),
                ports: PortRange { first, last },
            })
            .collect()
    }
}

fn blocks((first, last): (u32, u32)) -> Ipv4Subnets {
    Ipv4Subnets::new(Ipv4Addr::from(first), Ipv4Addr::from(last), 0)
}

/// Ranges in order, those that touch joined.
fn joined(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if u32::from(range.0) <= u32::from(last.1) + 1 => last.1 = last.1.max(range.1),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_space_has_no_edge_to_fall_off() {
        let everywhere = Area::everywhere(ALL_PORTS);
        let mut left = Areas::from(everywhere);
        assert!(left.is_whole(&everywhere));
        for (cidr, ports) in [
            ("0.0.0.0/32", (0, 0)),
            ("255.255.255.255/32", (65535, 65535)),
            ("0.0.0.0/1", (1, 65535)),
        ] {
            let block = Area::block(cidr.parse().unwrap(), ports);
            assert!(left.take(&block).is_whole(&block));
        }
        let flows: Vec<String> = left
            .flows()
            .iter()
            .map(|flow| format!("{} {:?}", flow.ports, flow.cidrs))
            .collect();
        assert_eq!(flows.len(), 3, "{flows:?}");
        assert!(flows[0].starts_with("0 [0.0.0.1/32, 0.0.0.2/31, "), "{flows:?}");
        assert_eq!(flows[1], "0-65534 [255.255.255.255/32]");
        assert!(flows[2].starts_with("0-65535 [128.0.0.0/2, 192.0.0.0/3, "), "{flows:?}");
    }
}
