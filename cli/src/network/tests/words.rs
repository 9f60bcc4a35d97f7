//! What is said of refusals in short, and which of them are told as one.

use ipnet::Ipv4Net;

use super::super::refusal::{Denial, Flow, Link, PortRange, Refusal};

fn nets(blocks: &[&str]) -> Vec<Ipv4Net> {
    blocks.iter().map(|block| block.parse().unwrap()).collect()
}

fn flow(block: &str, first: u16, last: u16) -> Flow {
    Flow {
        cidrs: nets(&[block]),
        ports: PortRange { first, last },
    }
}

fn no_route(table: &str, blocked: &[&str]) -> Refusal {
    Refusal::NoRoute {
        table: table.to_owned(),
        blocked: nets(blocked),
        partly: false,
        link: Link::Unsaid,
    }
}

fn blackhole(destination: &str, blocked: &[&str]) -> Refusal {
    Refusal::Blackhole {
        table: "rtb-1".to_owned(),
        destination: destination.to_owned(),
        target: "tgw-1".to_owned(),
        blocked: nets(blocked),
        link: Link::Gateway { id: "tgw-2".to_owned() },
    }
}

fn no_rule(partly: bool) -> Refusal {
    Refusal::NoRule {
        groups: vec!["sg-1".to_owned()],
        egress: false,
        blocked: vec![
            flow("10.0.0.0/24", 9098, 9098),
            flow("10.0.1.0/24", 9092, 9094),
            flow("10.0.2.0/24", 9098, 9098),
        ],
        partly,
        unhonoured: Vec::new(),
        by_block: false,
    }
}

fn denied(entry: u32, partly: bool) -> Refusal {
    Refusal::AclDenies {
        acl: "acl-1".to_owned(),
        egress: true,
        answers: false,
        denials: vec![Denial {
            entry,
            blocked: vec![flow("10.0.0.0/24", 9098, 9098)],
        }],
        partly,
    }
}

#[test]
fn in_short_it_is_said_what_refuses_and_not_whom() {
    for (refusal, words) in [
        (no_rule(false), "no ingress rule of sg-1 allows tcp 9092-9094, 9098"),
        (no_rule(true), "ingress rules of sg-1 allow tcp 9092-9094, 9098 in part"),
        (denied(90, false), "outbound entry 90 of acl-1 denies tcp 9098"),
        (denied(32767, false), "no outbound entry of acl-1 allows tcp 9098"),
        (denied(32767, true), "outbound entries of acl-1 allow tcp 9098 in part"),
        (no_route("rtb-1", &["10.0.0.1/32"]), "rtb-1 has no route to 10.0.0.1/32"),
        (
            no_route("rtb-1", &["10.0.0.1/32", "10.0.0.2/32"]),
            "rtb-1 has no route to 10.0.0.1/32 and 1 more",
        ),
        (
            blackhole("10.0.0.0/8", &["10.0.0.1/32"]),
            "the route 10.0.0.0/8 of rtb-1 is a blackhole",
        ),
    ] {
        assert_eq!(refusal.in_short(), words);
    }
}

#[test]
fn one_route_is_one_refusal() {
    let one = blackhole("10.0.0.0/8", &["10.0.0.1/32", "10.0.0.2/32"]);
    let both = one.with(&blackhole("10.0.0.0/8", &["10.0.0.2/32", "10.0.0.3/32"]));
    let both = both.unwrap();
    assert_eq!(
        both,
        blackhole("10.0.0.0/8", &["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"])
    );
    let more = both
        .with(&blackhole("10.0.0.0/8", &["10.0.0.4/32", "10.0.0.5/32"]))
        .unwrap();
    assert_eq!(
        more.to_string(),
        "the route 10.0.0.0/8 of rtb-1 is a blackhole for 10.0.0.1/32, 10.0.0.2/32, 10.0.0.3/32 and 2 more: tgw-1 is gone; \
         replace or delete the route"
    );
    for other in [
        blackhole("10.0.0.0/9", &["10.0.0.3/32"]),
        no_route("rtb-1", &["10.0.0.3/32"]),
        no_rule(false),
    ] {
        assert_eq!(one.with(&other), None, "{other}");
        assert_eq!(other.with(&one), None, "{other}");
    }
    // Rules and entries have what they stop in parts of their own.
    assert_eq!(no_rule(false).with(&no_rule(false)), None);
    let gap = no_route("rtb-1", &["10.0.0.1/32"]);
    assert_eq!(gap.with(&no_route("rtb-2", &["10.0.0.2/32"])), None);
    assert!(gap.with(&no_route("rtb-1", &["10.0.0.2/32"])).is_some());
}

#[test]
fn the_next_step_says_what_to_do() {
    for (refusal, step) in [
        (
            no_route("rtb-1", &["10.0.0.1/32"]),
            "add a route to 10.0.0.1/32 to rtb-1, along what leads there",
        ),
        (
            blackhole("10.0.0.0/8", &["10.0.0.1/32"]),
            "the route 10.0.0.0/8 of rtb-1 is a blackhole: lead them to tgw-2",
        ),
        (
            no_rule(false),
            "no ingress rule of sg-1 allows tcp 9092-9094, 9098: add one",
        ),
    ] {
        assert_eq!(refusal.next_step(), step);
    }
}
