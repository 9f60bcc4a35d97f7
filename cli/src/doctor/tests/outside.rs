//! Doctor of a Kafka that is not MSK: what MSK would say is skipped, what is left is judged, and the function's own word stands in for the rest.

use std::fmt::Write as _;

use super::*;
use crate::facts::Server;
use crate::settings::Servers;

const SERVERS: &str = "10.9.0.5:9092,10.9.0.6:9092";

/// Deployed, and delivering, into a data centre behind a virtual private gateway.
pub(super) fn outside() -> (Settings, Facts) {
    let (mut settings, mut facts) = (settings(), facts());
    let servers = Servers::parse(SERVERS).unwrap();
    facts.servers = servers
        .iter()
        .map(|server| Server {
            host: server.host.clone(),
            port: server.port,
            addresses: found(vec![server.host.clone()]),
        })
        .collect();
    settings.kafka = Kafka::BootstrapServers(Setting {
        value: servers,
        source: Source::Flag("--bootstrap-servers".to_owned()),
    });
    (facts.cluster, facts.brokers, facts.configuration) = (Fact::Absent, Fact::Absent, Fact::Absent);
    facts.topics.clear();
    for table in get(&mut the_network(&mut facts).route_tables) {
        table.routes.push(Route {
            destination: "10.9.0.0/16".to_owned(),
            target: "vgw-1".to_owned(),
            active: true,
            propagated: true,
            owner: Owner::Foreign,
        });
    }
    let out = Rule {
        ports: Some((9092, 9092)),
        peer: RulePeer::Cidr("10.9.0.0/24".to_owned()),
        ..rule("sgr-out", true, "")
    };
    *get(&mut the_network(&mut facts).security_groups) = vec![group("sg-function", vec![out])];
    get(&mut facts.stack).resources.retain(|_, id| !id.starts_with("sgr-"));
    variable(&mut facts, "K2M_BOOTSTRAP_SERVERS", SERVERS);
    variable(&mut facts, "K2M_AUTHENTICATION", "plaintext");
    redeployed(&mut facts);
    (settings, facts)
}

const ROWS: &[(&str, Change)] = &[
    ("as it should be", |_, _| {}),
    ("the function is not asked", |_, f| f.one().probe = None),
    ("the function does not get through", |_, f| {
        says(f, Step::Tcp, "10.9.0.6:9092 does not answer within 3 s", "let it in");
    }),
    ("no rule lets out", |_, f| {
        for group in get(&mut the_network(f).security_groups) {
            group.rules.clear();
        }
    }),
    ("no route leads there", |_, f| {
        for table in get(&mut the_network(f).route_tables) {
            table.routes.retain(|route| route.target == "local");
        }
    }),
    ("the function is told other servers", |_, f| {
        variable(f, "K2M_BOOTSTRAP_SERVERS", "10.9.0.7:9092");
        redeployed(f);
    }),
    ("the function is told none", |_, f| {
        variable(f, "K2M_BOOTSTRAP_SERVERS", "");
        redeployed(f);
    }),
    ("a name that nobody knows here", |_, f| {
        f.servers[0].addresses = denied("none");
    }),
    ("a name that leads this machine to itself", |_, f| {
        f.servers[1].addresses = found(vec!["127.0.0.1".to_owned()]);
    }),
    ("more addresses than there can be rules for", |_, f| {
        let many = (0..1001_u16).map(|number| format!("10.9.{}.{}", number / 256, number % 256));
        f.servers[1].addresses = found(many.collect());
    }),
    ("a name without an address, and blocks", |s, f| {
        f.servers[0].addresses = Fact::Absent;
        s.broker_cidrs = Some(default(vec!["10.9.0.0/24".parse().unwrap()]));
    }),
    ("blocks that the rules don't let out to", |s, _| {
        s.broker_cidrs = Some(Setting {
            value: vec!["10.9.0.0/23".parse().unwrap()],
            source: Source::Flag("--broker-cidrs".to_owned()),
        });
    }),
    ("brokers in the function's own VPC", |_, f| {
        for (server, address) in f.servers.iter_mut().zip(["10.0.0.77", "10.0.1.77"]) {
            server.addresses = found(vec![address.to_owned()]);
        }
        for group in get(&mut the_network(f).security_groups) {
            group.rules[0].peer = RulePeer::Cidr("10.0.0.0/16".to_owned());
        }
    }),
    ("the same, and the function is not asked", |_, f| {
        f.one().probe = None;
        for server in &mut f.servers {
            server.addresses = found(vec!["10.0.1.77".to_owned()]);
        }
        for group in get(&mut the_network(f).security_groups) {
            group.rules[0].peer = RulePeer::Cidr("10.0.0.0/16".to_owned());
        }
    }),
    ("the function is in no VPC", |_, f| {
        get(&mut f.one().function).subnets.clear();
        redeployed(f);
    }),
    ("the function is in no VPC, and is to be", |s, f| {
        s.public_access = default(true);
        get(&mut f.one().function).subnets.clear();
        redeployed(f);
    }),
    (
        "the function is in no VPC, as its stack says, and is told other servers",
        |s, f| {
            s.public_access = Setting {
                value: true,
                source: Source::Flag("--public-access".to_owned()),
            };
            get(&mut f.one().function).subnets.clear();
            variable(f, "K2M_BOOTSTRAP_SERVERS", "10.9.0.7:9092");
            redeployed(f);
        },
    ),
    ("the facts have no network", |_, f| f.networks.clear()),
];

#[test]
fn what_msk_would_say_is_skipped_and_the_rest_is_judged() {
    let mut text = String::new();
    for (name, change) in ROWS {
        let (mut settings, mut facts) = outside();
        change(&mut settings, &mut facts);
        let report = examine(&settings, &facts);
        writeln!(text, "## {name}: {:?}", report.health).unwrap();
        let shown = [
            "K2M-N01", "K2M-A01", "K2M-A02", "K2M-N02", "K2M-T01", "K2M-T02", "K2M-T03",
        ];
        for check in report.checks.iter().filter(|check| shown.contains(&check.code)) {
            let all_is_well =
                *name != ROWS[0].0 && matches!(check.outcome, Outcome::Skip { .. }) && check.code != "K2M-N02";
            if !all_is_well {
                writeln!(text, "{} {:?}", check.code, check.outcome).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}
