//! Other doors of a cluster: private connectivity, the internet; and Express brokers.

use std::net::{Ipv4Addr, SocketAddr};

use super::bench::{Bench, Place, SHARED, USERS, emulator};
use super::scram::with_user;
use crate::doors::Door;
use crate::driver::Account;

#[test]
fn private_connectivity() {
    let servers = SHARED.scram_bootstrap_servers().unwrap();
    let (_, port) = servers.rsplit_once(':').unwrap();
    let door = Door::to(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap())));
    // By a name, as MSK's doors are.
    let private = format!("localhost:{}", door.port);
    let private = [("MINISTACK_MSK_BOOTSTRAP_VPC_CONNECTIVITY_SASL_SCRAM", private.as_str())];
    let account = Account::on_emulator(emulator(&SHARED, &private), "seed_apart", &["private"]);
    let (ca, _) = with_user(&account, "private", USERS[1]);
    let vpc = account.vpc.clone().unwrap();
    let there = ["--vpc", vpc.as_str(), "--ca-secret", &ca];
    let place = Place::in_one_region("private connectivity", "k2m-private");
    let mut bench = Bench::new(&account, place, &account.ends("private"), &there, &[]);
    bench.fault(
        "the egress rule of the function's group is deleted",
        &[&["rules_gone", "function", "egress"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the VPC connection's group lets nobody in",
        &[&["connection_shut"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the network ACL denies what comes in to the VPC connection",
        &[&["acl_denies", "function", "in", "14001", "14100"]],
        &["K2M-N02"],
    );
    bench.unasked(
        "the VPC resolves no names (the function is not asked)",
        &[&["no_dns", "function"]],
        &["K2M-N06"],
    );
    bench.fault("the VPC connection is deleted", &[&["connection_gone"]], &["K2M-N02"]);
    bench.end();
}

#[test]
fn over_the_internet() {
    let servers = SHARED.scram_bootstrap_servers().unwrap();
    // Under another name than the private one.
    let servers = servers.replace("127.0.0.1", "localhost");
    let public = [("MINISTACK_MSK_BOOTSTRAP_PUBLIC_SASL_SCRAM", servers.as_str())];
    let account = Account::on_emulator(emulator(&SHARED, &public), "seed_public", &["public"]);
    let (ca, secret) = with_user(&account, "public", USERS[2]);
    let there = ["--public-access", "true", "--ca-secret", &ca];
    let place = Place::in_one_region("public access", "k2m-public");
    let mut bench = Bench::new(&account, place, &account.ends("public"), &there, &[]);
    bench.fault("public access is switched off", &[&["no_public_access"]], &["K2M-A02"]);
    bench.fault(
        "the secret is no longer associated with the cluster",
        &[&["secret_disassociated", &secret]],
        &["K2M-A05"],
    );
    bench.fault(
        "the topic is deleted, and a time-out of 5 s",
        &[&["topic_gone", "public"], &["time_out", "5"]],
        &["K2M-T01", "K2M-L03"],
    );
    bench.end();
}

#[test]
fn express() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_express", &["express"]);
    let place = Place::in_one_region("Express brokers", "k2m-express");
    let mut bench = Bench::new(&account, place, &account.ends("express"), &[], &[]);
    bench.fault(
        "the ingress rule of the brokers' group is deleted",
        &[&["rules_gone", "brokers", "ingress"]],
        &["K2M-N02"],
    );
    bench.fault("the topic is deleted", &[&["topic_gone", "express"]], &["K2M-T01"]);
    bench.fault(
        "the mapping is disabled",
        &[&["mapping_set", r#"{"Enabled": false}"#]],
        &["K2M-E02"],
    );
    bench.last("the cluster is deleted", &["cluster_gone"], &["K2M-N01"]);
    bench.end_broken();
}
