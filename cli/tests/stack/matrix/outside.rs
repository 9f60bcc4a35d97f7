//! A Kafka that is not MSK, behind a virtual private gateway.

use super::bench::{Bench, Place, SHARED, emulator};
use crate::driver::Account;

#[test]
fn a_data_centre() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_outside", &["outside"]);
    let servers = SHARED.bootstrap_servers().replace("127.0.0.1", "localhost");
    let place = Place::in_one_region("not MSK, by VPN", "k2m-outside");
    let ends = [
        "--stream",
        account.stream("outside"),
        "--bootstrap-servers",
        &servers,
        "--broker-cidrs",
        "10.60.4.0/24",
    ];
    let way = [
        "--authentication",
        "plaintext",
        "--create-topic",
        "--topic-replication-factor",
        "1",
    ];
    let mut bench = Bench::new(&account, place, &ends, &[], &way);
    bench.fault(
        "the route to the gateway is deleted",
        &[&["routes_gone", "function"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the route leads to the internet",
        &[&["routes_to_the_internet", "function"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the route is a blackhole",
        &[&["routes_to_nothing", "function"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the egress rule of the function's group is deleted",
        &[&["rules_gone", "function", "egress"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the network ACL denies the answers in",
        &[&["acl_denies", "function", "in", "1024", "65535"]],
        &["K2M-N02"],
    );
    bench.fault("the function is in no VPC", &[&["out_of_the_vpc"]], &["K2M-N02"]);
    bench.broken(
        "the topic is deleted",
        &["K2M-P03"],
        || SHARED.delete_topic("outside").unwrap(),
        || SHARED.create_topic("outside", 2, 1, &[]).unwrap(),
    );
    bench.fault(
        "the function is told of other servers",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9"]],
        &["K2M-A02"],
    );
    bench.end();
}
