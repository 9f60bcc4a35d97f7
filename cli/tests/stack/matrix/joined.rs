//! Two VPCs: peered, by a transit gateway, and in two regions.

use super::bench::{Bench, Place, SHARED, emulator};
use crate::driver::Account;

/// What can be broken wherever routes lead from one VPC to another.
fn routes(bench: &mut Bench<'_>) {
    for (which, side) in [("function", "function's"), ("brokers", "brokers'")] {
        bench.fault(
            &format!("the route of the {side} side is deleted"),
            &[&["routes_gone", which]],
            &["K2M-N02"],
        );
        bench.fault(
            &format!("the route of the {side} side leads to the internet"),
            &[&["routes_to_the_internet", which]],
            &["K2M-N02"],
        );
        bench.fault(
            &format!("the route of the {side} side is a blackhole"),
            &[&["routes_to_nothing", which]],
            &["K2M-N02"],
        );
    }
    bench.fault(
        "the function is in a subnet whose route table leads nowhere",
        &[&["in_a_subnet_without_a_way"]],
        &["K2M-N02"],
    );
}

fn walls(bench: &mut Bench<'_>) {
    for (fault, which, direction, ports) in [
        (
            "what goes out at the function's side",
            "function",
            "out",
            ["9092", "9092"],
        ),
        ("answers in at the function's side", "function", "in", ["1024", "65535"]),
        ("what comes in at the brokers' side", "brokers", "in", ["9092", "9092"]),
        ("answers out at the brokers' side", "brokers", "out", ["1024", "65535"]),
    ] {
        bench.fault(
            &format!("the network ACL denies {fault}"),
            &[&["acl_denies", which, direction, ports[0], ports[1]]],
            &["K2M-N02"],
        );
    }
}

#[test]
fn peered() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_beside", &["peered"]);
    let vpc = account.vpc.clone().unwrap();
    let place = Place::in_one_region("peered VPCs", "k2m-peered");
    let there = ["--vpc", vpc.as_str()];
    let mut bench = Bench::new(&account, place, &account.ends("peered"), &there, &[]);
    routes(&mut bench);
    walls(&mut bench);
    bench.fault(
        "ingress is from a group that was deleted",
        &[&["let_in_from_a_group_that_is_gone"]],
        &["K2M-N02", "K2M-N04"],
    );
    bench.fault(
        "the peering connection waits for its acceptance",
        &[&["peering_not_accepted"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the route is deleted, and the mapping is disabled",
        &[&["routes_gone", "function"], &["mapping_set", r#"{"Enabled": false}"#]],
        &["K2M-E02", "K2M-N02"],
    );
    bench.fault(
        "the route back is deleted, and the topic",
        &[&["routes_gone", "brokers"], &["topic_gone", "peered"]],
        &["K2M-N02", "K2M-T01"],
    );
    bench.fault(
        "the port is that of another way, and the route is deleted",
        &[
            &["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"],
            &["routes_gone", "function"],
        ],
        &["K2M-A02", "K2M-N02"],
    );
    bench.fault("the peering connection is deleted", &[&["peering_gone"]], &["K2M-N02"]);
    bench.end();
}

#[test]
fn by_a_transit_gateway() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_beside", &["transit"]);
    let vpc = account.vpc.clone().unwrap();
    account.ask(&["transit", &vpc, &account.cluster]);
    let place = Place::in_one_region("transit gateway", "k2m-transit");
    let there = ["--vpc", vpc.as_str()];
    let mut bench = Bench::new(&account, place, &account.ends("transit"), &there, &[]);
    routes(&mut bench);
    walls(&mut bench);
    for which in ["function", "brokers"] {
        bench.fault(
            &format!("the attachment of the {which}' VPC is deleted").replace("function'", "function's"),
            &[&["attachment_gone", which]],
            &["K2M-N02"],
        );
    }
    bench.fault(
        "the ingress rule of the brokers' group is deleted",
        &[&["rules_gone", "brokers", "ingress"]],
        &["K2M-N02"],
    );
    bench.end();
}

#[test]
fn across_regions() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_across", &["across"]);
    let vpc = account.vpc.clone().unwrap();
    let place = Place {
        home: "us-east-1",
        ..Place::in_one_region("another region", "k2m-across")
    };
    let there = ["--vpc", vpc.as_str()];
    let mut bench = Bench::new(&account, place, &account.ends("across"), &there, &[]);
    routes(&mut bench);
    walls(&mut bench);
    bench.fault(
        "the egress rule of the function's group is deleted",
        &[&["rules_gone", "function", "egress"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the brokers let in from a group that was deleted",
        &[&["let_in_from_a_group_that_is_gone"]],
        &["K2M-N02", "K2M-N04"],
    );
    bench.fault(
        "a time-out of 5 s, and the route is deleted",
        &[&["time_out", "5"], &["routes_gone", "function"]],
        &["K2M-N02", "K2M-L03"],
    );
    bench.fault("the peering connection is deleted", &[&["peering_gone"]], &["K2M-N02"]);
    bench.end();
}
