//! One row a case: what differs from the example, and what a user reads: the error with its exit code, or what the plan says differently.

use std::fmt::Write as _;

use super::*;
use crate::facts::deployed::pipeline_id;
use crate::facts::given::Subscriptions;
use crate::facts::network::{AclEntry, NetworkAcl, Route};
use crate::facts::{Broker, Consumer, GivenDestination};
use crate::settings::Authentication;

const DEAD_LETTERS: &str = "orders-dead-letter";

type Row = (&'static str, fn(&mut Settings, &mut Facts));

const ENDS: &[Row] = &[
    ("facts of another stream", |s, _| {
        s.one().stream = chosen(Arn::parse(Kind::Stream, &STREAM.replace("orders", "clicks")).unwrap());
    }),
    ("facts of another cluster", |_, f| {
        cluster(f).arn = CLUSTER.replace("events", "old");
    }),
    ("facts of another account", |_, f| {
        *found(&mut f.account) = "999999999999".to_owned();
    }),
    ("facts of another topic", |s, _| {
        s.one().topic = chosen("clicks".to_owned());
    }),
    ("facts of another stack", |_, f| {
        f.stack = stack("CREATE_COMPLETE", &[], None);
        found(&mut f.stack).name = "k2m-clicks".to_owned();
    }),
    ("a stack that moves another stream", |_, f| {
        f.stack = stack("UPDATE_COMPLETE", &[], None);
        let outputs = &mut found(&mut f.stack).outputs;
        outputs.insert("Clicks1234abcdStream".to_owned(), STREAM.replace("orders", "clicks"));
    }),
    ("a stack that moves this stream too", |_, f| {
        f.stack = stack("UPDATE_COMPLETE", &[], None);
        let outputs = &mut found(&mut f.stack).outputs;
        outputs.insert("Clicks1234abcdStream".to_owned(), STREAM.replace("orders", "clicks"));
        outputs.insert(format!("{}Stream", id()), STREAM.to_owned());
    }),
    ("cluster in another region", |s, f| {
        let arn = CLUSTER.replace("eu-west-1", "eu-central-1");
        s.kafka = Kafka::Cluster(chosen(Arn::parse(Kind::Cluster, &arn).unwrap()));
        cluster(f).arn = arn;
    }),
    ("no stream", |_, f| f.one().stream = Fact::Absent),
    ("no cluster", |_, f| {
        f.cluster = Fact::Absent;
        f.networks.clear();
    }),
    ("no cluster, and a stream nobody may look at", |_, f| {
        f.cluster = Fact::Absent;
        f.one().stream = denied("kinesis:DescribeStreamSummary");
    }),
    ("stream being created", |_, f| stream(f).status = "CREATING".to_owned()),
    ("stream being deleted", |_, f| stream(f).status = "DELETING".to_owned()),
    ("stream being resharded", |_, f| {
        stream(f).status = "UPDATING".to_owned();
    }),
    ("serverless cluster", |_, f| cluster(f).kind = "SERVERLESS".to_owned()),
    ("cluster being created", |_, f| cluster(f).state = "CREATING".to_owned()),
    ("cluster failed", |_, f| cluster(f).state = "FAILED".to_owned()),
    ("cluster in a state that AWS may invent", |_, f| {
        cluster(f).state = "SLEEPING".to_owned();
    }),
    ("cluster healing", |_, f| cluster(f).state = "HEALING".to_owned()),
    ("nothing may be looked at", |_, f| {
        f.one().stream = denied("kinesis:DescribeStreamSummary");
        f.cluster = denied("kafka:DescribeClusterV2");
        f.brokers = denied("kafka:ListNodes");
        let network = network(f);
        network.subnets = denied("ec2:DescribeSubnets");
        network.route_tables = denied("ec2:DescribeRouteTables");
        network.network_acls = denied("ec2:DescribeNetworkAcls");
        network.security_groups = denied("ec2:DescribeSecurityGroupRules");
    }),
    ("throttled", |_, f| {
        f.brokers = Fact::Unreadable(Unreadable {
            missing_action: None,
            message: "TooManyRequestsException: slow down".to_owned(),
        });
    }),
    ("account, vpcs, configuration and mapping unread: not needed", |_, f| {
        f.account = denied("sts:GetCallerIdentity");
        network(f).vpcs = denied("ec2:DescribeVpcs");
        f.configuration = denied("kafka:DescribeConfigurationRevision");
        f.one().mapping = denied("lambda:GetEventSourceMapping");
    }),
    ("stack of another tool", |_, f| {
        f.stack = stack("CREATE_COMPLETE", &[("Bucket", "b")], None);
        found(&mut f.stack).made_by_k2m = false;
    }),
    ("stack never begun, without tags", |_, f| {
        f.stack = stack("REVIEW_IN_PROGRESS", &[], None);
        found(&mut f.stack).made_by_k2m = false;
    }),
    ("failed first creation", |_, f| {
        f.stack = stack("ROLLBACK_COMPLETE", &[], None);
    }),
    ("stack at work", |_, f| f.stack = stack("UPDATE_IN_PROGRESS", &[], None)),
    ("no brokers listed", |_, f| f.brokers = Fact::Absent),
    ("a broker without a subnet", |_, f| {
        found(&mut f.brokers)[1].subnet.clear();
    }),
    ("no network of the region", |_, f| f.networks.clear()),
];

pub(super) const USER: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
pub(super) const OTHER_USER: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_clicks-Ef34Gh";
const CERTIFICATE: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-client-Ij56Kl";

fn secret(arn: &str) -> Setting<crate::arn::SecretArn> {
    chosen(crate::arn::SecretArn::parse(arn).unwrap())
}

pub(super) fn secrets(arns: &[&str]) -> Fact<Vec<String>> {
    Fact::Found {
        value: arns.iter().map(|arn| (*arn).to_owned()).collect(),
    }
}

/// No network ACL keeps anything out: those of the example let the brokers' ports through and no more. No VPC has an endpoint.
pub(super) fn open_acls(facts: &mut Facts) {
    for network in facts.networks.values_mut() {
        network.endpoints = Fact::Found { value: Vec::new() };
        for acl in found(&mut network.network_acls) {
            acl.entries = [false, true]
                .map(|egress| AclEntry {
                    number: 1,
                    egress,
                    allow: true,
                    protocol: "-1".to_owned(),
                    cidr: "0.0.0.0/0".to_owned(),
                    ports: None,
                })
                .to_vec();
        }
    }
}

/// Nothing leads out of the VPC by a NAT gateway.
fn no_nat(facts: &mut Facts) {
    for table in tables(facts) {
        table.routes.retain(|route| !route.target.starts_with("nat-"));
    }
}

pub(super) fn scram_only(facts: &mut Facts, secrets: Option<Fact<Vec<String>>>) {
    open_acls(facts);
    no_nat(facts);
    let cluster = cluster(facts);
    let on = &mut cluster.authentication;
    (on.iam, on.unauthenticated, on.scram) = (false, false, true);
    let brokers = "b-1:9096,b-2:9096".to_owned();
    cluster.bootstrap_brokers.insert("SaslScram".to_owned(), brokers);
    cluster.scram_secrets = secrets;
}

/// The stack's function is the user of the first secret.
fn deployed_user(facts: &mut Facts) {
    deployed_variables(facts, &[("K2M_AUTHENTICATION", "scram"), ("K2M_SECRET_ARN", USER)]);
}

fn mutual_tls_only(facts: &mut Facts) {
    open_acls(facts);
    no_nat(facts);
    let on = &mut cluster(facts).authentication;
    (on.iam, on.unauthenticated, on.mutual_tls) = (false, false, true);
}

/// Routes out by NAT from everywhere.
pub(super) fn by_nat(facts: &mut Facts) {
    by_nat_of(facts, |_| true);
}

/// Routes out by NAT from what these route tables are for.
fn by_nat_of(facts: &mut Facts, of: fn(&crate::facts::network::RouteTable) -> bool) {
    for table in tables(facts).iter_mut().filter(|table| of(table)) {
        table.routes.retain(|route| route.destination != "0.0.0.0/0");
        table.routes.push(crate::facts::network::Route {
            destination: "0.0.0.0/0".to_owned(),
            target: "nat-0a1b".to_owned(),
            active: true,
            propagated: false,
            owner: Owner::Foreign,
        });
    }
}

/// Somebody's endpoint for Secrets Manager, with a group that lets this in.
pub(super) fn endpoint(facts: &mut Facts, state: &str, lets_in: &str) {
    let group: crate::facts::network::SecurityGroup = serde_json::from_value(serde_json::json!({
        "id": "sg-0d0d0d0d0d0d0d0d0",
        "vpc": "vpc-0a1b2c3d4e5f60718",
        "name": "endpoints",
        "owner": "foreign",
        "rules": [{"id": "sgr-1", "egress": false, "protocol": "tcp", "ports": [443, 443], "peer": {"cidr": lets_in}, "owner": "foreign"}],
    }))
    .unwrap();
    let network = network(facts);
    let vpc = found(&mut network.vpcs)[0].id.clone();
    found(&mut network.security_groups).push(crate::facts::network::SecurityGroup {
        vpc: vpc.clone(),
        ..group
    });
    network.endpoints = Fact::Found {
        value: vec![crate::facts::network::Endpoint {
            id: "vpce-0a1b2c3d".to_owned(),
            vpc,
            service: "com.amazonaws.eu-west-1.secretsmanager".to_owned(),
            kind: "Interface".to_owned(),
            state: state.to_owned(),
            subnets: vec![PRIVATE_A.to_owned()],
            security_groups: vec!["sg-0d0d0d0d0d0d0d0d0".to_owned()],
            private_dns: true,
            owner: Owner::Foreign,
        }],
    };
}

const SECRETS_WAY: &[Row] = &[
    ("nothing leads there", |_, _| {}),
    ("nothing leads there, and an endpoint is wanted", |s, _| {
        s.secrets_endpoint = Some(chosen(true));
    }),
    ("nothing leads there, and no endpoint is wanted", |s, _| {
        s.secrets_endpoint = Some(chosen(false));
    }),
    ("NAT", |_, f| by_nat(f)),
    ("NAT, and an endpoint is wanted", |s, f| {
        by_nat(f);
        s.secrets_endpoint = Some(chosen(true));
    }),
    ("NAT in subnets beside those of the brokers", |_, f| {
        by_nat_of(f, |table| table.id == "rtb-02e3f4a5b6c7d8e02");
    }),
    (
        "NAT in subnets beside those of the brokers, and an endpoint is wanted",
        |s, f| {
            by_nat_of(f, |table| table.id == "rtb-02e3f4a5b6c7d8e02");
            s.secrets_endpoint = Some(chosen(true));
        },
    ),
    ("NAT in too few subnets beside those of the brokers", |_, f| {
        by_nat_of(f, |table| table.id == "rtb-02e3f4a5b6c7d8e02");
        let leading = tables(f).iter_mut().find(|table| table.id == "rtb-02e3f4a5b6c7d8e02");
        leading.unwrap().subnets.truncate(1);
    }),
    ("a transit gateway that may lead out", |_, f| {
        by_nat(f);
        for route in tables(f).iter_mut().flat_map(|table| &mut table.routes) {
            if route.target == "nat-0a1b" {
                route.target = "tgw-0a1b".to_owned();
            }
        }
    }),
    ("an endpoint that is there", |_, f| {
        endpoint(f, "available", "10.0.0.0/8");
    }),
    ("an endpoint that is there, beside NAT", |_, f| {
        by_nat(f);
        endpoint(f, "available", "10.0.0.0/8");
    }),
    ("an endpoint that lets others in", |_, f| {
        endpoint(f, "available", "10.99.0.0/16");
    }),
    ("an endpoint that lets others in, beside NAT", |_, f| {
        by_nat(f);
        endpoint(f, "available", "10.99.0.0/16");
    }),
    ("an endpoint that is not ready", |_, f| {
        endpoint(f, "pendingAcceptance", "10.0.0.0/8");
    }),
    ("an endpoint whose group could not be read", |_, f| {
        endpoint(f, "available", "10.0.0.0/8");
        found(&mut network(f).security_groups).pop();
    }),
    ("an endpoint without private DNS", |_, f| {
        endpoint(f, "available", "10.0.0.0/8");
        found(&mut network(f).endpoints)[0].private_dns = false;
    }),
    ("endpoints could not be read", |_, f| {
        network(f).endpoints = denied("ec2:DescribeVpcEndpoints");
    }),
    ("network ACLs that keep an endpoint out", |_, f| {
        let acls = found(&mut network(f).network_acls).iter_mut();
        for entry in acls.flat_map(|acl| &mut acl.entries).filter(|entry| entry.egress) {
            entry.protocol = "6".to_owned();
            entry.ports = Some((1024, 65535));
        }
    }),
    ("a secret of another region, by NAT", |s, f| {
        by_nat(f);
        s.ca_secret = Some(secret(&CERTIFICATE.replace("eu-west-1", "eu-central-1")));
    }),
    ("a secret of another region, without NAT", |s, _| {
        s.ca_secret = Some(secret(&CERTIFICATE.replace("eu-west-1", "eu-central-1")));
    }),
];

const AUTHENTICATION: &[Row] = &[
    ("TLS chosen", |s, _| {
        s.authentication = Some(chosen(Authentication::Tls));
    }),
    ("plaintext chosen, TLS only", |s, _| {
        s.authentication = Some(chosen(Authentication::Plaintext));
    }),
    ("AWS names other brokers than those that are deployed", |_, f| {
        servers(f, &named(&[2, 4, 5], 9098));
        deployed_variables(f, &[("K2M_BOOTSTRAP_SERVERS", &named(&[1, 2, 3], 9098))]);
    }),
    ("a deployed broker is gone", |_, f| {
        servers(f, &named(&[1, 2, 3], 9098));
        deployed_variables(f, &[("K2M_BOOTSTRAP_SERVERS", &named(&[1, 2, 7], 9098))]);
    }),
    ("the deployed function speaks to another port", |_, f| {
        deployed_variables(f, &[("K2M_BOOTSTRAP_SERVERS", &named(&[1, 2, 3], 9094))]);
    }),
    ("more brokers are named than when it was deployed", |_, f| {
        deployed_variables(f, &[("K2M_BOOTSTRAP_SERVERS", &named(&[1, 2], 9098))]);
    }),
    ("no IAM", |_, f| cluster(f).authentication.iam = false),
    ("no IAM, plaintext too", |_, f| {
        let cluster = cluster(f);
        cluster.authentication.iam = false;
        cluster.client_encryption = Some("PLAINTEXT".to_owned());
        cluster.bootstrap_brokers = BTreeMap::from([(String::new(), "b-1:9092,b-2:9092".to_owned())]);
        open_ports(f);
    }),
    ("nothing switched on is unauthenticated access", |_, f| {
        cluster(f).authentication = crate::facts::cluster::Authentication::default();
    }),
    ("SCRAM only, and nobody said which secrets there are", |_, f| {
        scram_only(f, None);
    }),
    ("SCRAM only, no secret is associated", |_, f| {
        scram_only(f, Some(Fact::Found { value: vec![] }));
    }),
    ("SCRAM only, one secret is associated", |_, f| {
        scram_only(f, Some(secrets(&[USER])));
    }),
    ("SCRAM only, two secrets are associated", |_, f| {
        scram_only(f, Some(secrets(&[USER, OTHER_USER])));
    }),
    ("SCRAM only, the secrets can't be listed", |_, f| {
        scram_only(f, Some(denied("kafka:ListScramSecrets")));
    }),
    ("SCRAM only, a secret is given that is not associated", |s, f| {
        s.secret = Some(secret(USER));
        scram_only(f, Some(secrets(&[OTHER_USER])));
    }),
    ("SCRAM, a secret that MSK does not take for its name", |s, f| {
        s.secret = Some(secret(CERTIFICATE));
        scram_only(f, None);
    }),
    ("SCRAM, a secret of another region", |s, f| {
        s.secret = Some(secret(&USER.replace("eu-west-1", "eu-central-1")));
        scram_only(f, None);
    }),
    (
        "SCRAM only, two secrets are associated, one of them deployed",
        |_, f| {
            scram_only(f, Some(secrets(&[OTHER_USER, USER])));
            deployed_user(f);
        },
    ),
    ("SCRAM only, the deployed secret is not associated any more", |_, f| {
        scram_only(f, Some(secrets(&[OTHER_USER])));
        deployed_user(f);
    }),
    ("SCRAM only, the secrets can't be listed, one is deployed", |_, f| {
        scram_only(f, Some(denied("kafka:ListScramSecrets")));
        deployed_user(f);
    }),
    ("mutual TLS with a secret for SCRAM", |s, f| {
        s.authentication = Some(chosen(Authentication::MutualTls));
        s.secret = Some(secret(USER));
        mutual_tls_only(f);
    }),
    ("a secret of another account", |s, f| {
        s.secret = Some(secret(&CERTIFICATE.replace("123456789012", "999999999999")));
        mutual_tls_only(f);
    }),
    ("SCRAM chosen, beside IAM", |s, f| {
        by_nat(f);
        s.authentication = Some(chosen(Authentication::Scram));
        s.secret = Some(secret(USER));
        let cluster = cluster(f);
        cluster.authentication.scram = true;
        let brokers = "b-1:9096,b-2:9096".to_owned();
        cluster.bootstrap_brokers.insert("SaslScram".to_owned(), brokers);
        cluster.scram_secrets = Some(secrets(&[USER]));
    }),
    ("SCRAM chosen, but switched off", |s, _| {
        s.authentication = Some(chosen(Authentication::Scram));
        s.secret = Some(secret(USER));
    }),
    ("mutual TLS only, without a secret", |_, f| {
        mutual_tls_only(f);
    }),
    ("mutual TLS only", |s, f| {
        s.secret = Some(secret(CERTIFICATE));
        mutual_tls_only(f);
    }),
    (
        "mutual TLS, a secret of another account, and subnets that lead nowhere",
        |s, f| {
            s.secret = Some(secret(&CERTIFICATE.replace("123456789012", "210987654321")));
            mutual_tls_only(f);
            for table in tables(f) {
                table.routes.retain(|route| route.destination != "0.0.0.0/0");
            }
        },
    ),
    ("mutual TLS, a secret of another partition", |s, f| {
        s.secret = Some(secret(
            &CERTIFICATE
                .replace("arn:aws:", "arn:aws-cn:")
                .replace("eu-west-1", "cn-north-1"),
        ));
        mutual_tls_only(f);
    }),
    ("mutual TLS, a secret of another region", |s, f| {
        s.secret = Some(secret(&CERTIFICATE.replace("eu-west-1", "eu-central-1")));
        mutual_tls_only(f);
    }),
    ("SCRAM and mutual TLS, with the secret of a user", |s, f| {
        s.secret = Some(secret(USER));
        scram_only(f, None);
        cluster(f).authentication.mutual_tls = true;
    }),
    ("SCRAM and mutual TLS, with the secret of a certificate", |s, f| {
        s.secret = Some(secret(CERTIFICATE));
        scram_only(f, None);
        cluster(f).authentication.mutual_tls = true;
    }),
    ("SCRAM and mutual TLS, without a secret", |_, f| {
        scram_only(f, Some(secrets(&[USER, OTHER_USER])));
        cluster(f).authentication.mutual_tls = true;
    }),
    ("a secret, but IAM is the best", |s, _| s.secret = Some(secret(USER))),
    ("an authority of its own", |s, f| {
        s.authentication = Some(chosen(Authentication::Tls));
        s.ca_secret = Some(secret(CERTIFICATE));
        open_acls(f);
        for route in tables(f).iter_mut().flat_map(|table| &mut table.routes) {
            if route.target.starts_with("nat-") {
                route.target = "igw-0a1b".to_owned();
            }
        }
    }),
    ("an authority for plaintext", |s, f| {
        s.authentication = Some(chosen(Authentication::Plaintext));
        s.ca_secret = Some(secret(CERTIFICATE));
        let cluster = cluster(f);
        cluster.client_encryption = Some("PLAINTEXT".to_owned());
        cluster.bootstrap_brokers = BTreeMap::from([(String::new(), "b-1:9092,b-2:9092".to_owned())]);
        open_ports(f);
    }),
    ("SCRAM and mutual TLS, TLS chosen", |s, f| {
        s.authentication = Some(chosen(Authentication::Tls));
        let on = &mut cluster(f).authentication;
        (on.iam, on.unauthenticated, on.scram, on.mutual_tls) = (false, false, true, true);
    }),
    ("no IAM, IAM chosen", |s, f| {
        s.authentication = Some(chosen(Authentication::Iam));
        cluster(f).authentication.iam = false;
    }),
    ("public addresses only", |_, f| {
        let brokers = &mut cluster(f).bootstrap_brokers;
        *brokers = BTreeMap::from([("PublicSaslIam".to_owned(), "b-1:9198".to_owned())]);
    }),
    ("two ports", |_, f| servers(f, "b-1:9098,b-2:9198")),
    ("no port", |_, f| servers(f, "b-1:9098,b-2")),
    ("port 0", |_, f| servers(f, "b-1:0")),
    ("all broker ports", |s, _| s.all_broker_ports = chosen(true)),
    ("all broker ports, another port", |s, f| {
        s.all_broker_ports = chosen(true);
        servers(f, "127.0.0.1:19098");
    }),
    ("more brokers than variables hold", |_, f| {
        let many: Vec<String> = (0..200).map(|n| format!("b-{n}.events.example.com:9098")).collect();
        servers(f, &many.join(","));
    }),
];

const PLACE: &[Row] = &[
    ("a broker whose address nobody says", |_, f| {
        found(&mut f.brokers)[1].address.clear();
    }),
    ("a broker's subnet isn't listed", |_, f| {
        found(&mut network(f).subnets).retain(|subnet| subnet.id != BROKERS_B);
    }),
    ("the cluster's groups aren't listed", |_, f| {
        found(&mut network(f).security_groups).clear();
    }),
    ("brokers' own subnet has addresses again", |_, f| {
        subnet(f, BROKERS_C).free_addresses = 2;
    }),
    ("no subnet has addresses", |_, f| {
        for subnet in found(&mut network(f).subnets) {
            subnet.free_addresses = 0;
        }
    }),
    ("a zone has one address", |_, f| subnet(f, PRIVATE_C).free_addresses = 0),
    ("a zone has no address", |_, f| {
        subnet(f, BROKERS_C).free_addresses = 0;
        subnet(f, PRIVATE_C).free_addresses = 0;
    }),
    ("one zone", |_, f| {
        found(&mut network(f).subnets).retain(|subnet| subnet.zone == "eu-west-1a");
        found(&mut f.brokers).truncate(1);
    }),
    ("brokers in one zone, subnets in others", |_, f| {
        found(&mut f.brokers).truncate(1);
    }),
    ("the brokers' network ACL lets nobody in", |_, f| {
        for entry in brokers_acl(f) {
            entry.allow = entry.egress && entry.allow;
        }
    }),
    ("the brokers' network ACL drops answers", |_, f| {
        for entry in brokers_acl(f).iter_mut().filter(|entry| entry.egress) {
            entry.ports = Some((1024, 9999));
        }
    }),
    ("the private subnets' VPC route is a blackhole", |_, f| {
        for route in &mut tables(f)[1].routes {
            route.active = false;
        }
        subnet(f, BROKERS_A).free_addresses = 0;
    }),
    ("a route leads to a transit gateway", |_, f| {
        for table in tables(f) {
            table.routes.push(Route {
                destination: "10.20.0.0/18".to_owned(),
                target: "tgw-1".to_owned(),
                active: true,
                propagated: false,
                owner: Owner::Foreign,
            });
        }
    }),
    ("own subnets", |s, _| {
        s.subnets = Some(own(&[PRIVATE_C, PRIVATE_A, PRIVATE_A]));
    }),
    ("own subnets, one zone", |s, _| s.subnets = Some(own(&[PRIVATE_A]))),
    ("own subnets that can't be", |s, f| {
        s.subnets = Some(own(&[PRIVATE_A, PUBLIC_B, PRIVATE_C, "subnet-elsewhere"]));
        subnet(f, PRIVATE_C).free_addresses = 0;
    }),
    ("too many own subnets", |s, _| {
        s.subnets = Some(chosen((0..17).map(|n| format!("subnet-{n}")).collect()));
    }),
    ("an own rule left over, as if it were the way", |_, f| {
        // The proof must stand on the planned rules; this one is replaced by them.
        let group = &mut found(&mut network(f).security_groups)[0];
        group.rules[2].owner = Owner::ThisStack;
    }),
    ("a full group", |_, f| {
        let rules = &mut found(&mut network(f).security_groups)[0].rules;
        for n in 0..60 {
            let mut rule = rules[1].clone();
            rule.id = format!("sgr-{n}");
            rules.push(rule);
        }
    }),
    ("the function is in other subnets that do", |_, f| {
        f.stack = stack("CREATE_COMPLETE", &[], None);
        f.one().function = function(&[PRIVATE_A, PRIVATE_C]);
        subnet(f, PRIVATE_A).free_addresses = 0;
    }),
    ("the function is in a subnet that does no longer", |_, f| {
        f.stack = stack("CREATE_COMPLETE", &[], None);
        f.one().function = function(&[PRIVATE_A, PUBLIC_B]);
    }),
];

const TOPIC: &[Row] = &[
    ("missing, nobody said anything", |_, f| {
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, wanted", |s, f| {
        s.one().create_topic = Some(chosen(true));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, not wanted", |s, f| {
        s.one().create_topic = Some(chosen(false));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, with a shape", |s, f| {
        s.one().topic_partitions = Some(chosen(12));
        s.one().topic_replication_factor = Some(chosen(2));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, more replicas than brokers", |s, f| {
        s.one().topic_replication_factor = Some(chosen(4));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, Kafka 3.5", |_, f| {
        cluster(f).kafka_version = Some("3.5.1".to_owned());
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, Kafka 3.5, not wanted", |s, f| {
        cluster(f).kafka_version = Some("3.5.1".to_owned());
        s.one().create_topic = Some(chosen(false));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("nobody can look, Kafka 2.8, nobody said anything", |_, f| {
        old_kafka(f);
    }),
    ("nobody can look, Kafka 2.8, wanted", |s, f| {
        old_kafka(f);
        s.one().create_topic = Some(chosen(true));
    }),
    ("nobody can look, Kafka 2.8, not wanted", |s, f| {
        old_kafka(f);
        s.one().create_topic = Some(chosen(false));
    }),
    ("nobody can look, Kafka 2.8, wanted while a broker reboots", |s, f| {
        old_kafka(f);
        cluster(f).state = "REBOOTING_BROKER".to_owned();
        s.one().create_topic = Some(chosen(true));
    }),
    ("nobody can look, Kafka 2.8, more replicas than brokers", |s, f| {
        old_kafka(f);
        s.one().create_topic = Some(chosen(true));
        s.one().topic_replication_factor = Some(chosen(4));
    }),
    ("poison is diverted, nobody can look, Kafka 2.8, wanted", |s, f| {
        divert(s, f, None);
        old_kafka(f);
        s.one().create_topic = Some(chosen(true));
    }),
    ("made by the function", |_, f| made_by_function(f)),
    ("made by the function, of another size now wanted", |s, f| {
        made_by_function(f);
        s.one().topic_partitions = Some(chosen(12));
        s.one().topic_replication_factor = Some(chosen(3));
    }),
    ("made by the function, and fewer partitions wanted", |s, f| {
        made_by_function(f);
        s.one().topic_partitions = Some(chosen(3));
    }),
    ("made by the function in another cluster", |s, f| {
        made_by_function(f);
        let stack = found(&mut f.stack);
        stack.template = stack
            .template
            .as_ref()
            .map(|text| text.replace(":cluster/", ":cluster/former-"));
        s.one().create_topic = Some(chosen(true));
    }),
    ("made by the function, gone, on a Kafka that tells so", |s, f| {
        made_by_function(f);
        cluster(f).kafka_version = Some("3.8.x".to_owned());
        s.one().create_topic = Some(chosen(true));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, Kafka 3.10 with KRaft", |_, f| {
        cluster(f).kafka_version = Some("3.10.x.kraft".to_owned());
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("missing, cluster rebooting", |_, f| {
        cluster(f).state = "REBOOTING_BROKER".to_owned();
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("there, of another shape", |s, _| {
        s.one().topic_partitions = Some(chosen(12));
    }),
    ("poison is diverted to a topic that is there", |s, f| {
        divert(s, f, Some("11534336"));
    }),
    ("poison is diverted, missing, nobody said anything", |s, f| {
        divert(s, f, None);
    }),
    ("poison is diverted, missing, wanted, under a name", |s, f| {
        divert(s, f, None);
        s.one().create_topic = Some(chosen(true));
        s.one().dead_letter_topic = Some(chosen("poison".to_owned()));
        *f.topic_named("poison") = Fact::Absent;
    }),
    ("poison is diverted, missing, not wanted", |s, f| {
        divert(s, f, None);
        s.one().create_topic = Some(chosen(false));
    }),
    ("poison is diverted, both missing, with a shape", |s, f| {
        divert(s, f, None);
        s.one().topic_partitions = Some(chosen(12));
        s.one().topic_replication_factor = Some(chosen(2));
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("poison is diverted, missing, Kafka 3.5", |s, f| {
        divert(s, f, None);
        cluster(f).kafka_version = Some("3.5.1".to_owned());
    }),
    ("poison is diverted to a topic with no more room", |s, f| {
        divert(s, f, Some("1048588"));
    }),
    ("poison is diverted to a topic with no more room, over TLS", |s, f| {
        divert(s, f, Some("1000000"));
        s.authentication = Some(chosen(Authentication::Tls));
    }),
    (
        "poison is diverted to a topic with room for every record, as the topic has",
        |s, f| {
            divert(s, f, Some("12000000"));
            let settings = &mut found(f.topic_named(ORDERS)).settings;
            settings.insert("max.message.bytes".to_owned(), "12000000".to_owned());
        },
    ),
    ("poison is diverted, nobody may look", |s, f| {
        divert(s, f, None);
        *f.topic_named(DEAD_LETTERS) = denied("kafka-cluster:DescribeTopic");
    }),
    ("poison is diverted, nobody asked for the topic", |s, f| {
        divert(s, f, None);
        f.topics.remove(DEAD_LETTERS);
    }),
    ("poison is diverted, facts of another dead-letter topic", |s, f| {
        divert(s, f, Some("11534336"));
        s.one().dead_letter_topic = Some(chosen("poison".to_owned()));
        let other = f.topics.remove(DEAD_LETTERS).unwrap();
        f.topics.insert("poison".to_owned(), other);
    }),
    ("poison is diverted, of the stack", |s, f| {
        divert(s, f, Some("11534336"));
        own_dead_letter_topic(f);
    }),
    ("poison is diverted, of the stack, but gone", |s, f| {
        divert(s, f, None);
        own_dead_letter_topic(f);
    }),
    ("poison is diverted, the topic takes less than the stream", |s, f| {
        divert(s, f, Some("11534336"));
        stream(f).max_record_kib = Some(10 * 1024);
    }),
    ("nobody may look", |_, f| {
        *f.topic_named(ORDERS) = denied("kafka-cluster:DescribeTopic");
    }),
    ("nobody may look, brokers make topics", |s, f| {
        s.authentication = Some(chosen(Authentication::Tls));
        *f.topic_named(ORDERS) = denied("kafka-cluster:DescribeTopic");
        let properties = found(&mut f.configuration);
        properties.insert("auto.create.topics.enable".to_owned(), "true".to_owned());
    }),
    ("of the stack", |s, f| {
        s.one().create_topic = Some(chosen(false));
        own_topic(f);
    }),
    ("of the stack, unreadable", |_, f| {
        own_topic(f);
        *f.topic_named(ORDERS) = denied("kafka-cluster:DescribeTopic");
    }),
    ("of the stack, raised by hand", |_, f| {
        own_topic(f);
        found(f.topic_named(ORDERS)).partitions = 20;
    }),
    ("of the stack, to be raised", |s, f| {
        s.one().topic_partitions = Some(chosen(9));
        own_topic(f);
    }),
    ("of the stack, to be lowered", |s, f| {
        s.one().topic_partitions = Some(chosen(3));
        own_topic(f);
    }),
    ("of the stack, other replicas", |s, f| {
        s.one().topic_replication_factor = Some(chosen(2));
        own_topic(f);
    }),
    ("of the stack, but gone", |_, f| {
        own_topic(f);
        *f.topic_named(ORDERS) = Fact::Absent;
    }),
    ("of the stack, under another name", |s, f| {
        own_topic(f);
        s.one().topic = chosen("orders-2".to_owned());
        *f.topic_named("orders-2") = Fact::Absent;
    }),
    ("left behind by a failed first creation", |_, f| {
        own_topic(f);
        found(&mut f.stack).status = "ROLLBACK_COMPLETE".to_owned();
    }),
    ("keeps less than the stream", |_, f| retention(f, "86400000")),
    ("keeps less than the stream, from the end on", |s, f| {
        s.one().starting_position = chosen(StartingPosition::Latest);
        retention(f, "86400000");
    }),
    ("keeps everything", |_, f| retention(f, "-1")),
    ("takes less than the stream", |_, f| {
        stream(f).max_record_kib = Some(10 * 1024);
        let settings = &mut found(f.topic_named(ORDERS)).settings;
        settings.insert("max.message.bytes".to_owned(), "2097164".to_owned());
    }),
];

const PAYLOAD: &[Row] = &[
    ("more lanes, and aggregates", |s, _| {
        s.one().parallelization_factor = chosen(4);
    }),
    ("more lanes, and nothing taken apart", |s, _| {
        s.one().parallelization_factor = chosen(4);
        choose(s, &[("decode", "none")]);
    }),
    ("another key", |s, _| choose(s, &[("key", "/customer/id")])),
    ("strict order, and nothing in its way", |s, _| {
        choose(s, &[("strict_order", "true")]);
    }),
    ("strict order, and more lanes without aggregates", |s, _| {
        s.one().parallelization_factor = chosen(4);
        choose(s, &[("strict_order", "true"), ("decode", "lines")]);
    }),
    ("strict order, more lanes and no key", |s, _| {
        s.one().parallelization_factor = chosen(4);
        choose(s, &[("strict_order", "true"), ("key", "none")]);
    }),
    ("strict order, and the explicit hash key", |s, _| {
        choose(s, &[("strict_order", "true"), ("key", "explicit_hash_key")]);
    }),
    ("no key in a compacted topic", |s, f| {
        choose(s, &[("key", "none")]);
        compacted(f);
    }),
    ("log events in a compacted topic", |s, f| {
        choose(s, &[("decode", "cloudwatch_logs"), ("timestamp", "event")]);
        compacted(f);
    }),
    ("a pointed key in a compacted topic", |s, f| {
        choose(s, &[("decode", "lines"), ("key", "/id")]);
        compacted(f);
    }),
    ("zstd", |s, _| choose(s, &[("compression", "zstd")])),
    ("zstd, Kafka 2.0", |s, f| {
        choose(s, &[("compression", "zstd")]);
        cluster(f).kafka_version = Some("2.0.1".to_owned());
    }),
    ("no headers, JSON", |s, _| {
        choose(s, &[("headers", "false"), ("value", "json")]);
    }),
    ("mapped topics, there and of the topic itself", |s, f| {
        mapped(s, f, Some("1048588"));
    }),
    ("mapped topics, one missing, nobody said anything", |s, f| {
        mapped(s, f, None);
    }),
    ("mapped topics, one missing, not wanted", |s, f| {
        mapped(s, f, None);
        s.one().create_topic = Some(chosen(false));
    }),
    ("mapped topics, one missing, Kafka 3.5", |s, f| {
        mapped(s, f, None);
        cluster(f).kafka_version = Some("3.5.1".to_owned());
    }),
    ("mapped topics, one that takes less", |s, f| {
        mapped(s, f, Some("500000"));
    }),
    ("mapped topics, nobody may look", |s, f| {
        mapped(s, f, None);
        f.topics
            .insert("orders-new".to_owned(), denied("kafka-cluster:DescribeTopic"));
    }),
    ("mapped topics, nobody asked for them", |s, f| {
        mapped(s, f, None);
        f.topics.retain(|name, _| name == ORDERS);
    }),
    ("mapped topics, facts of another", |s, f| {
        mapped(s, f, Some("1048588"));
        found(f.topics.get_mut("orders-new").unwrap()).name = "clicks".to_owned();
    }),
    ("a map too large", |s, f| {
        let entries: Vec<String> = (0..200).map(|n| format!("\"a-long-type-{n}\": \"orders\"")).collect();
        choose(
            s,
            &[
                ("topic_pointer", "/type"),
                ("topic_map", &format!("{{{}}}", entries.join(","))),
            ],
        );
        f.topics.retain(|name, _| name == ORDERS);
    }),
    ("a pointer too large", |s, _| {
        choose(s, &[("key", &format!("/{}", "long/".repeat(760)))]);
    }),
    ("a map whose quotes are too many", |s, f| map_of(s, f, 155, 1)),
    ("a map of too many topics", |s, f| map_of(s, f, 81, 81)),
];

/// A map of so many texts to so many topics, all of which are there.
fn map_of(settings: &mut Settings, facts: &mut Facts, texts: usize, topics: usize) {
    let entries: Vec<String> = (0..texts)
        .map(|n| format!("\"{n:07}\": \"orders-{:03}\"", n % topics))
        .collect();
    let map = format!("{{{}}}", entries.join(","));
    choose(settings, &[("topic_pointer", "/type"), ("topic_map", &map)]);
    let there = found(facts.topic_named(ORDERS)).clone();
    let topics = (0..topics).map(|n| format!("orders-{n:03}"));
    facts.topics.extend(topics.map(|name| {
        let value = Topic {
            name: name.clone(),
            ..there.clone()
        };
        (name, Fact::Found { value })
    }));
}

const FUNCTION: &[Row] = &[
    ("records that no event holds", |_, f| {
        stream(f).max_record_kib = Some(10_240);
    }),
    ("the largest record that an event holds", |_, f| {
        stream(f).max_record_kib = Some(4_607);
    }),
    ("more records than an event holds", |s, _| {
        s.one().batch_size = chosen(9000);
    }),
    ("every replica has to take a record", |_, f| {
        let Fact::Found { value } = f.topic_named(ORDERS) else {
            panic!("no topic")
        };
        let replicas = value.replication_factor.to_string();
        value.settings.insert("min.insync.replicas".to_owned(), replicas);
    }),
    ("more replicas have to take a record than there are", |_, f| {
        let Fact::Found { value } = f.topic_named(ORDERS) else {
            panic!("no topic")
        };
        value.replication_factor = 1;
        found(&mut f.configuration).insert("min.insync.replicas".to_owned(), "2".to_owned());
    }),
    ("given up before a second try", |s, _| {
        s.one().maximum_record_age = Some(chosen(90));
        s.one().timeout = chosen(60);
    }),
    ("a queue for what is given up, and an e-mail", |s, f| {
        given(s, f, QUEUE);
        s.one().failure_email = Some(chosen("on-call@example.com".to_owned()));
    }),
    ("an e-mail", |s, _| {
        s.one().failure_email = Some(chosen("on-call@example.com".to_owned()));
    }),
    ("at a time", |s, _| {
        s.one().starting_position = chosen(StartingPosition::AtTimestamp("2026-01-31T08:00:00+01:00".to_owned()));
    }),
    ("at no time", |s, _| {
        s.one().starting_position = chosen(StartingPosition::AtTimestamp("yesterday".to_owned()));
    }),
    ("moved after the deployment", |s, f| {
        s.one().starting_position = chosen(StartingPosition::Latest);
        let template = format!(
            "Resources: {{{}Mapping: {{Properties: {{StartingPosition: TRIM_HORIZON}}}}}}",
            id()
        );
        f.stack = stack("CREATE_COMPLETE", &[], Some(&template));
    }),
    ("begun elsewhere, and nobody says where", |s, f| {
        s.one().starting_position = default(StartingPosition::TrimHorizon);
        let template = format!(
            "Resources: {{{}Mapping: {{Properties: {{StartingPosition: AT_TIMESTAMP, StartingPositionTimestamp: 1769842800}}}}}}",
            id()
        );
        f.stack = stack("CREATE_COMPLETE", &[], Some(&template));
    }),
    ("a topic that can't be seen any more", |_, f| {
        deployed_limit(f, "orders");
        *f.topic_named(ORDERS) = denied("kafka-cluster:DescribeTopic");
    }),
    ("another topic that can't be seen", |_, f| {
        deployed_limit(f, "clicks");
        *f.topic_named(ORDERS) = denied("kafka-cluster:DescribeTopic");
    }),
    ("a mapped topic that can't be seen any more", |s, f| {
        mapped(s, f, Some("1048588"));
        deployed_limit(f, "orders");
        f.topics
            .insert("orders-new".to_owned(), denied("kafka-cluster:DescribeTopic"));
    }),
    ("a day of retention", |_, f| stream(f).retention_hours = 24),
    ("a year of retention", |_, f| stream(f).retention_hours = 8760),
    ("an age beyond the retention", |s, f| {
        s.one().maximum_record_age = Some(chosen(172_800));
        stream(f).retention_hours = 24;
    }),
    ("blocks for ever", |s, _| {
        s.one().maximum_record_age = Some(chosen(-1));
        s.one().retries = chosen(-1);
    }),
    ("not enabled", |s, _| s.one().enabled = chosen(false)),
    ("many shards", |s, f| {
        s.one().parallelization_factor = chosen(10);
        stream(f).open_shards = 40;
    }),
    ("too many shards", |s, f| {
        s.one().parallelization_factor = chosen(10);
        stream(f).open_shards = 400;
    }),
    ("little memory, little time", |s, _| {
        s.one().memory = chosen(128);
        s.one().timeout = chosen(5);
    }),
    ("large batches", |s, _| s.one().batch_size = chosen(10_000)),
    ("no destination", |s, _| {
        s.one().failure_destination = Some(chosen("kafka://dead-letters".to_owned()));
    }),
    ("alarms that tell", |s, _| {
        s.one().alarm_topic = Some(chosen("arn:aws:sns:eu-west-1:123456789012:operations".to_owned()));
    }),
];

const CONSUMER: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/k2m:1700000000";
const GIVEN_TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:failed";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";
const BUCKET: &str = "arn:aws:s3:::given-up";
const DENIES_ALL: &str =
    r#"{"Statement": [{"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}"#;
const TLS_ONLY: &str = r#"{"Statement": {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}}"#;
const OURS_ONLY: &str = r#"{"Statement": {"Sid": "OursOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "arn:aws:s3:::given-up/*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}}}"#;

/// A destination that is there, as it is by default.
fn given<'a>(settings: &mut Settings, facts: &'a mut Facts, arn: &str) -> &'a mut GivenDestination {
    settings.one().failure_destination = Some(chosen(arn.to_owned()));
    let destination = GivenDestination {
        arn: arn.to_owned(),
        kms_key: Fact::Absent,
        policy: Fact::Absent,
        subscriptions: arn.contains(":sns:").then_some(Subscriptions {
            confirmed: 1,
            pending: 0,
        }),
        region: arn.contains(":s3:").then(|| REGION.to_owned()),
    };
    let fact = Fact::Found { value: destination };
    found(facts.destinations.entry(arn.to_owned()).or_insert(fact))
}

fn text(text: &str) -> Fact<String> {
    Fact::Found { value: text.to_owned() }
}

/// A consumer in this state.
fn consumer(settings: &mut Settings, facts: &mut Facts, status: &str) {
    settings.one().consumer = Some(chosen(CONSUMER.to_owned()));
    facts.one().consumer = Some(Fact::Found {
        value: Consumer {
            arn: CONSUMER.to_owned(),
            status: status.to_owned(),
        },
    });
}

const GIVEN: &[Row] = &[
    ("a consumer", |s, f| consumer(s, f, "ACTIVE")),
    ("a consumer that is being made", |s, f| consumer(s, f, "CREATING")),
    ("a consumer that goes", |s, f| consumer(s, f, "DELETING")),
    ("no such consumer", |s, f| {
        consumer(s, f, "ACTIVE");
        f.one().consumer = Some(Fact::Absent);
    }),
    ("a consumer that may not be looked at", |s, f| {
        consumer(s, f, "ACTIVE");
        f.one().consumer = Some(denied("kinesis:DescribeStreamConsumer"));
    }),
    ("a consumer that nobody looked at", |s, _| {
        s.one().consumer = Some(chosen(CONSUMER.to_owned()));
    }),
    ("facts of another consumer", |s, f| {
        consumer(s, f, "ACTIVE");
        s.one().consumer = Some(chosen(CONSUMER.replace("k2m:", "other:")));
    }),
    ("a queue", |s, f| {
        given(s, f, QUEUE);
    }),
    ("a queue with a customer's key", |s, f| {
        given(s, f, QUEUE).kms_key = text("1234abcd-12ab-34cd-56ef-1234567890ab");
    }),
    ("a queue with AWS's own key", |s, f| {
        given(s, f, QUEUE).kms_key = text("alias/aws/sqs");
    }),
    ("a queue with a key of another account", |s, f| {
        given(s, f, QUEUE).kms_key =
            text("arn:aws:kms:eu-west-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    }),
    ("a queue that takes nothing", |s, f| {
        given(s, f, QUEUE).policy = text(DENIES_ALL);
    }),
    ("a queue whose policy is nonsense", |s, f| {
        given(s, f, QUEUE).policy = text("deny all");
    }),
    ("no such queue", |s, f| {
        given(s, f, QUEUE);
        f.destinations.insert(QUEUE.to_owned(), Fact::Absent);
    }),
    ("a queue that may not be looked at", |s, f| {
        given(s, f, QUEUE);
        f.destinations
            .insert(QUEUE.to_owned(), denied("sqs:GetQueueAttributes"));
    }),
    ("a queue that nobody looked at", |s, _| {
        s.one().failure_destination = Some(chosen(QUEUE.to_owned()));
    }),
    ("a topic", |s, f| {
        given(s, f, GIVEN_TOPIC).kms_key = text("alias/failures");
    }),
    ("a topic that tells nobody", |s, f| {
        given(s, f, GIVEN_TOPIC).subscriptions = Some(Subscriptions {
            confirmed: 0,
            pending: 0,
        });
    }),
    ("a topic that tells nobody yet", |s, f| {
        given(s, f, GIVEN_TOPIC).subscriptions = Some(Subscriptions {
            confirmed: 0,
            pending: 2,
        });
    }),
    ("no such topic", |s, f| {
        given(s, f, GIVEN_TOPIC);
        f.destinations.insert(GIVEN_TOPIC.to_owned(), Fact::Absent);
    }),
    ("a bucket", |s, f| given(s, f, BUCKET).policy = text(TLS_ONLY)),
    ("a bucket of another region", |s, f| {
        given(s, f, BUCKET).region = Some("eu-central-1".to_owned());
    }),
    ("a bucket that may take nothing", |s, f| {
        given(s, f, BUCKET).policy = text(OURS_ONLY);
    }),
    ("a bucket whose key and policy may not be looked at", |s, f| {
        let bucket = given(s, f, BUCKET);
        bucket.kms_key = denied("s3:GetEncryptionConfiguration");
        bucket.policy = denied("s3:GetBucketPolicy");
    }),
    ("no such bucket", |s, f| {
        given(s, f, BUCKET);
        f.destinations.insert(BUCKET.to_owned(), Fact::Absent);
    }),
    ("a bucket that throttles", |s, f| {
        given(s, f, BUCKET);
        let why = Unreadable {
            missing_action: None,
            message: "SlowDown: reduce your request rate".to_owned(),
        };
        f.destinations.insert(BUCKET.to_owned(), Fact::Unreadable(why));
    }),
];

#[test]
fn given_things() {
    insta::assert_snapshot!(table(GIVEN));
}

const OWNER: &str = "999999999999";
const LENT: &str = "arn:aws:kinesis:eu-west-1:999999999999:stream/orders";
const LENT_CONSUMER: &str = "arn:aws:kinesis:eu-west-1:999999999999:stream/orders/consumer/k2m:1700000000";

/// The stream is of another account.
fn lent(settings: &mut Settings, facts: &mut Facts) {
    settings.one().stream = chosen(Arn::parse(Kind::Stream, LENT).unwrap());
    let mut seen = facts.pipelines.remove(STREAM).unwrap();
    found(&mut seen.stream).arn = LENT.to_owned();
    found(&mut seen.stream).kms_key = None;
    facts.pipelines.insert(LENT.to_owned(), seen);
    let unseen = Fact::Unreadable(Unreadable {
        missing_action: None,
        message: "UnrecognizedClientException: No account found for the given parameters".to_owned(),
    });
    facts.stream_policies.insert(LENT.to_owned(), unseen);
}

/// A policy that allows these actions on a thing to the stack's account.
fn allows(facts: &mut Facts, arn: &str, actions: &[&str], condition: Option<serde_json::Value>) {
    let mut statement = serde_json::json!({
        "Sid": "Others", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": actions, "Resource": arn,
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [statement]});
    facts.stream_policies.insert(arn.to_owned(), text(&policy.to_string()));
}

const READS: &[&str] = &["kinesis:Describe*", "kinesis:Get*", "kinesis:ListShards"];

const SHARED: &[Row] = &[
    ("its policy can't be seen", |s, f| lent(s, f)),
    ("its policy lets us", |s, f| {
        lent(s, f);
        allows(f, LENT, READS, None);
    }),
    ("its policy lets us look", |s, f| {
        lent(s, f);
        allows(f, LENT, &["kinesis:DescribeStreamSummary"], None);
    }),
    ("its policy may let us", |s, f| {
        lent(s, f);
        allows(
            f,
            LENT,
            READS,
            Some(serde_json::json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
        );
    }),
    ("it has no policy", |s, f| {
        lent(s, f);
        f.stream_policies.insert(LENT.to_owned(), Fact::Absent);
    }),
    ("facts without its policy", |s, f| {
        lent(s, f);
        f.stream_policies.clear();
    }),
    ("by a consumer that is not shared", |s, f| {
        lent(s, f);
        allows(f, LENT, READS, None);
        s.one().consumer = Some(chosen(LENT_CONSUMER.to_owned()));
        f.stream_policies.insert(LENT_CONSUMER.to_owned(), Fact::Absent);
    }),
    ("it may not be looked at", |s, f| {
        lent(s, f);
        s.one().consumer = Some(chosen(LENT_CONSUMER.to_owned()));
        f.one().stream = denied("kinesis:DescribeStreamSummary");
    }),
    ("AWS's own key", |s, f| {
        lent(s, f);
        found(&mut f.one().stream).kms_key = Some("alias/aws/kinesis".to_owned());
    }),
    ("a customer's key", |s, f| {
        lent(s, f);
        allows(f, LENT, READS, None);
        found(&mut f.one().stream).kms_key = Some("1234abcd-12ab-34cd-56ef-1234567890ab".to_owned());
    }),
];

#[test]
fn streams_of_another_account() {
    insta::assert_snapshot!(table(SHARED));
}

/// The role is the stack account's, and names what is the owner's.
#[test]
fn a_stream_of_another_account_is_named_in_the_role() {
    let (mut settings, mut facts) = (settings(), facts());
    lent(&mut settings, &mut facts);
    found(&mut facts.one().stream).kms_key = Some("1234abcd".to_owned());
    let plan = plan(&settings, &facts).unwrap();
    let of = |sid: &str| {
        let mut statements = plan.pipelines[0].statements.iter();
        statements
            .find(|statement| statement.sid == sid)
            .unwrap()
            .resource
            .clone()
    };
    assert_eq!(of("ReadStream"), [LENT]);
    assert_eq!(
        of("DecryptStream"),
        [format!("arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd")]
    );
    assert_eq!(plan.account, "123456789012");
}

/// The rights that come with a customer's key, in every form in which AWS names one.
#[test]
fn a_key_of_a_destination_brings_its_right() {
    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let mut shown = String::new();
    for arn in [GIVEN_TOPIC, QUEUE, BUCKET] {
        for key in [
            ID,
            "alias/failures",
            "alias/aws/sns",
            "arn:aws:kms:eu-central-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            let (mut settings, mut facts) = (settings(), facts());
            given(&mut settings, &mut facts, arn).kms_key = text(key);
            let plan = plan(&settings, &facts).unwrap();
            let statements = &plan.pipelines[0].statements;
            let of_destination = statements.iter().filter(|statement| {
                ["SendFailures", "FindBucket", "EncryptFailures"].contains(&statement.sid.as_str())
            });
            writeln!(shown, "== {arn} {key}").unwrap();
            for statement in of_destination {
                writeln!(shown, "{}", serde_json::to_string(statement).unwrap()).unwrap();
            }
        }
    }
    insta::assert_snapshot!(shown);
}

/// A role that the stack has is known by its name.
#[test]
fn a_policy_that_denies_the_deployed_role_is_noticed() {
    let (mut settings, mut facts) = (settings(), facts());
    let policy = r#"{"Statement": {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/k2m-orders-Role-1"}, "Action": "*", "Resource": "*"}}"#;
    given(&mut settings, &mut facts, QUEUE).policy = text(policy);
    assert!(plan(&settings, &facts).is_ok());
    let role = format!("{}Role", id());
    facts.stack = stack("CREATE_COMPLETE", &[(&role, "k2m-orders-Role-1")], None);
    let error = plan(&settings, &facts).unwrap_err();
    assert!(matches!(error, PlanError::DestinationDenies { .. }), "{error}");
}

fn servers(facts: &mut Facts, servers: &str) {
    let brokers = &mut cluster(facts).bootstrap_brokers;
    brokers.insert("SaslIam".to_owned(), servers.to_owned());
}

fn open_ports(facts: &mut Facts) {
    let entries = brokers_acl(facts);
    entries.retain(|entry| entry.number != 90);
}

fn brokers_acl(facts: &mut Facts) -> &mut Vec<AclEntry> {
    let acls: &mut Vec<NetworkAcl> = found(&mut network(facts).network_acls);
    &mut acls[1].entries
}

fn own(ids: &[&str]) -> Setting<Vec<String>> {
    chosen(ids.iter().map(|id| (*id).to_owned()).collect())
}

/// The stack's function was told that this topic takes 5 MB.
fn deployed_limit(facts: &mut Facts, topic: &str) {
    deployed_variables(facts, &[("K2M_TOPIC", topic), ("K2M_MAX_MESSAGE_BYTES", "5000000")]);
}

/// The stack's function has these variables.
fn deployed_variables(facts: &mut Facts, variables: &[(&str, &str)]) {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let function = serde_json::json!({"Properties": {"Environment": {"Variables": variables}}});
    let template = serde_json::json!({"Resources": {format!("{}Function", id()): function}});
    facts.stack = stack("CREATE_COMPLETE", &[], Some(&template.to_string()));
}

/// Brokers of the example, by their numbers.
fn named(numbers: &[u32], port: u16) -> String {
    let names = numbers
        .iter()
        .map(|n| format!("b-{n}.events.a1b2c3.c3.kafka.eu-west-1.amazonaws.com:{port}"));
    names.collect::<Vec<_>>().join(",")
}

fn id() -> String {
    pipeline_id(&settings().one().stream.value)
}

/// The stack has made the topic with 6 partitions.
/// Diverts poison to the default topic: one with this `max.message.bytes`, or none.
fn divert(settings: &mut Settings, facts: &mut Facts, max_message_bytes: Option<&str>) {
    settings.one().on_poison = chosen(OnPoison::Divert);
    settings.one().dead_letter_topic = Some(default("orders-dead-letter".to_owned()));
    *facts.topic_named(DEAD_LETTERS) = max_message_bytes.map_or(Fact::Absent, |bytes| Fact::Found {
        value: Topic {
            name: "orders-dead-letter".to_owned(),
            partitions: 1,
            replication_factor: 3,
            settings: BTreeMap::from([("max.message.bytes".to_owned(), bytes.to_owned())]),
        },
    });
}

/// The stack has the dead-letter topic.
fn own_dead_letter_topic(facts: &mut Facts) {
    let logical = format!("{}DeadLetterTopic", id());
    let template = format!(
        "Resources: {{{logical}: {{Type: \"AWS::MSK::Topic\", Properties: {{TopicName: orders-dead-letter, PartitionCount: 1, ReplicationFactor: 3, \
         Configs: as-deployed}}}}}}"
    );
    facts.stack = stack("CREATE_COMPLETE", &[(logical.as_str(), "topic")], Some(&template));
}

fn own_topic(facts: &mut Facts) {
    let logical = format!("{}Topic", id());
    let arn = CLUSTER.replace(":cluster/", ":topic/") + "/orders";
    let template = format!(
        "Resources: {{{logical}: {{Type: \"AWS::MSK::Topic\", Properties: {{TopicName: orders, PartitionCount: 6, ReplicationFactor: 3}}}}}}"
    );
    facts.stack = stack("CREATE_COMPLETE", &[(&logical, &arn)], Some(&template));
}

/// Chooses of the payload.
fn choose(settings: &mut Settings, choices: &[(&str, &str)]) {
    let ends = format!("stream: {STREAM}\ncluster: {CLUSTER}");
    let text = choices
        .iter()
        .fold(ends, |text, (name, choice)| text + &format!("\n{name}: '{choice}'"));
    let file = crate::settings::File::parse("k2m.yaml", text.as_bytes()).unwrap();
    let resolved = crate::settings::resolve(crate::settings::Sources {
        flags: &crate::args::SettingsArgs::default(),
        environment: &BTreeMap::new(),
        file: Some(&file),
    });
    settings.one().payload = resolved.unwrap().0.one().payload.clone();
}

/// Two topics beside that of the stream: the one is as the topic, the other has this `max.message.bytes` or is missing.
pub(super) fn mapped(settings: &mut Settings, facts: &mut Facts, max_message_bytes: Option<&str>) {
    let map = r#"{"created": "orders-new", "cancelled": "orders-gone", "kept": "orders", "refunded": "orders-gone"}"#;
    choose(settings, &[("topic_pointer", "/type"), ("topic_map", map)]);
    let topic = |name: &str, bytes: &str| Fact::Found {
        value: Topic {
            name: name.to_owned(),
            settings: BTreeMap::from([("max.message.bytes".to_owned(), bytes.to_owned())]),
            ..found(self::facts().topic_named(ORDERS)).clone()
        },
    };
    let new = max_message_bytes.map_or(Fact::Absent, |bytes| topic("orders-new", bytes));
    facts.topics.extend([
        ("orders-new".to_owned(), new),
        ("orders-gone".to_owned(), topic("orders-gone", "1048588")),
    ]);
}

/// A stack whose function made the topic, of a cluster of which MSK tells no topics.
fn made_by_function(facts: &mut Facts) {
    old_kafka(facts);
    let remembered =
        serde_json::json!({"cluster": CLUSTER, "made": {ORDERS: {"partitions": 6, "replicationFactor": 2}}});
    let mapping = serde_json::json!({"Metadata": {"k2m": remembered}, "Properties": {}});
    let id = crate::facts::deployed::pipeline_id(&Arn::parse(Kind::Stream, STREAM).unwrap());
    let template = serde_json::json!({"Resources": {format!("{id}Mapping"): mapping}});
    facts.stack = stack("CREATE_COMPLETE", &[], Some(&template.to_string()));
}

fn compacted(facts: &mut Facts) {
    let settings = &mut found(facts.topic_named(ORDERS)).settings;
    settings.insert("cleanup.policy".to_owned(), "compact,delete".to_owned());
}

fn retention(facts: &mut Facts, milliseconds: &str) {
    let settings = &mut found(facts.topic_named(ORDERS)).settings;
    settings.insert("retention.ms".to_owned(), milliseconds.to_owned());
}

/// What a row shows: the error, else what is not as in the example.
fn shown(settings: &Settings, facts: &Facts, healthy: &Plan) -> String {
    let plan = match plan(settings, facts) {
        Ok(plan) => plan,
        Err(error) => return format!("exit {}: {error}\n", error.exit().code()),
    };
    let mut text = String::new();
    for decision in plan
        .decisions
        .iter()
        .filter(|decision| !healthy.decisions.contains(decision))
    {
        writeln!(text, "{}: {}\n    {}", decision.about, decision.choice, decision.why).unwrap();
    }
    for warning in plan
        .warnings
        .iter()
        .filter(|warning| !healthy.warnings.contains(warning))
    {
        writeln!(text, "warning: {warning}").unwrap();
    }
    let (one, other) = (&plan.pipelines[0], &healthy.pipelines[0]);
    if one.dead_letter_topic != other.dead_letter_topic {
        writeln!(text, "{:?}", one.dead_letter_topic).unwrap();
    }
    for topic in &one.mapped_topics {
        writeln!(text, "{topic:?}").unwrap();
    }
    if one.new_topic != other.new_topic {
        writeln!(text, "{:?}", one.new_topic).unwrap();
    }
    if one.mapping != other.mapping {
        writeln!(text, "{:?}", one.mapping).unwrap();
    }
    if plan.network != healthy.network {
        writeln!(text, "{:?}", plan.network).unwrap();
    }
    for (name, value) in &one.function.variables {
        if other.function.variables.get(name) != Some(value) {
            writeln!(text, "{name}={value}").unwrap();
        }
    }
    if text.is_empty() {
        "as in the example\n".to_owned()
    } else {
        text
    }
}

fn table(rows: &[Row]) -> String {
    let healthy = plan(&settings(), &facts()).unwrap();
    let mut text = String::new();
    for (name, spoil) in rows {
        let (mut settings, mut facts) = (settings(), facts());
        spoil(&mut settings, &mut facts);
        writeln!(text, "== {name}\n{}", shown(&settings, &facts, &healthy)).unwrap();
    }
    text
}

#[test]
fn ends() {
    insta::assert_snapshot!(table(ENDS));
}

#[test]
fn authentication() {
    insta::assert_snapshot!(table(AUTHENTICATION));
}

/// Each row begins with a cluster that takes users alone, and one of its own.
#[test]
fn way_to_the_secrets() {
    let mut text = String::new();
    for (name, spoil) in SECRETS_WAY {
        let (mut settings, mut facts) = (settings(), facts());
        scram_only(&mut facts, Some(secrets(&[USER])));
        let mut nothing = facts.clone();
        by_nat(&mut nothing);
        let healthy = plan(&settings, &nothing).unwrap();
        spoil(&mut settings, &mut facts);
        writeln!(text, "## {name}\n{}", shown(&settings, &facts, &healthy)).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn place() {
    insta::assert_snapshot!(table(PLACE));
}

#[test]
fn topic() {
    insta::assert_snapshot!(table(TOPIC));
}

#[test]
fn function_and_mapping() {
    insta::assert_snapshot!(table(FUNCTION));
}

#[test]
fn payload() {
    insta::assert_snapshot!(table(PAYLOAD));
}

#[test]
fn mapped_topics_bring_their_rights() {
    let (mut settings, mut facts) = (settings(), facts());
    mapped(&mut settings, &mut facts, None);
    let plan = plan(&settings, &facts).unwrap();
    let statements = &plan.pipelines[0].statements;
    let right = statements
        .iter()
        .find(|statement| statement.sid == "WriteMappedTopics")
        .unwrap();
    assert_eq!(right.action, ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]);
    let topic = |name: &str| serde_json::json!(CLUSTER.replace(":cluster/", ":topic/") + "/" + name);
    assert_eq!(right.resource, [topic("orders-gone"), topic("orders-new")]);
}

#[test]
fn the_whole_plan_of_the_example() {
    let mut plan = plan(&settings(), &facts()).unwrap();
    // Each hop of one proof is enough to read.
    assert_eq!(plan.proofs.len(), 9, "three subnets, three brokers");
    plan.proofs.truncate(1);
    insta::assert_json_snapshot!(plan);
}

#[test]
fn each_proof_is_of_a_chosen_subnet_to_a_broker_and_reachable() {
    let (facts, settings) = (facts(), settings());
    let plan = plan(&settings, &facts).unwrap();
    let brokers: &Vec<Broker> = facts.brokers.found().unwrap();
    for subnet in &plan.network.as_ref().unwrap().subnets {
        for broker in brokers {
            let proof = plan
                .proofs
                .iter()
                .find(|proof| proof.source_subnet == *subnet && proof.destination_address == broker.address);
            let proof = proof.unwrap_or_else(|| panic!("{subnet} to {}", broker.address));
            assert_eq!(proof.verdict, crate::network::Verdict::Reachable);
        }
    }
}

#[test]
fn keys_in_every_form() {
    let account = "arn:aws:kms:eu-west-1:123456789012:";
    let other = "arn:aws:kms:eu-west-1:210987654321:";
    for (key, resource, alias) in [
        ("alias/aws/kinesis", None, None),
        ("arn:aws:kms:eu-west-1:123456789012:alias/aws/kinesis", None, None),
        ("1234abcd-12ab", Some(format!("{account}key/1234abcd-12ab")), None),
        ("mrk-1234", Some(format!("{account}key/mrk-1234")), None),
        (
            "arn:aws:kms:eu-west-1:210987654321:key/k",
            Some(format!("{other}key/k")),
            None,
        ),
        ("alias/orders", Some(format!("{account}key/*")), Some("alias/orders")),
        (
            "arn:aws:kms:eu-west-1:210987654321:alias/orders",
            Some(format!("{other}key/*")),
            Some("alias/orders"),
        ),
    ] {
        let mut facts = facts();
        stream(&mut facts).kms_key = Some(key.to_owned());
        let plan = plan(&settings(), &facts).unwrap();
        let statements = &plan.pipelines[0].statements;
        let decrypt = statements.iter().find(|statement| statement.sid == "DecryptStream");
        let resources = decrypt.map(|statement| statement.resource[0].as_str().unwrap().to_owned());
        assert_eq!(resources, resource, "{key}");
        let condition = decrypt.and_then(|statement| statement.condition.as_ref());
        let found = condition.map(|condition| condition["ForAnyValue:StringEquals"]["kms:ResourceAliases"].clone());
        assert_eq!(found, alias.map(serde_json::Value::from), "{key}");
    }
}

#[test]
fn only_iam_needs_rights_on_the_cluster() {
    let mut settings = settings();
    settings.authentication = Some(chosen(Authentication::Tls));
    let plan = plan(&settings, &facts()).unwrap();
    let pipeline = &plan.pipelines[0];
    let kafka = |statement: &&Statement| statement.action.iter().any(|action| action.starts_with("kafka"));
    assert_eq!(pipeline.statements.iter().find(kafka), None);
    let names: Vec<&str> = pipeline.function.variables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "K2M_AUTHENTICATION",
            "K2M_BOOTSTRAP_SERVERS",
            "K2M_TIMEOUT_MS",
            "K2M_TOPIC"
        ]
    );
}

#[test]
fn secrets_bring_their_rights_and_their_variables() {
    let (mut settings, mut facts) = (settings(), facts());
    settings.secret = Some(secret(USER));
    settings.ca_secret = Some(secret(CERTIFICATE));
    scram_only(&mut facts, None);
    let plan = plan(&settings, &facts).unwrap();
    let pipeline = &plan.pipelines[0];
    let variables = &pipeline.function.variables;
    assert_eq!(variables["K2M_AUTHENTICATION"], "scram");
    assert_eq!(variables["K2M_SECRET_ARN"], USER);
    assert_eq!(variables["K2M_CA_SECRET_ARN"], CERTIFICATE);
    let about = |word: &str| {
        let found = pipeline
            .statements
            .iter()
            .filter(|statement| statement.sid.contains(word));
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!(about("Cluster"), [], "no rights on the cluster");
    insta::assert_json_snapshot!(about("Secret"));
}

#[test]
fn the_configs_of_a_dead_letter_topic_are_json_in_base64() {
    use base64::Engine as _;
    let text = super::super::topic::configs_of(11_534_336);
    let json = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    assert_eq!(String::from_utf8(json).unwrap(), "{\"max.message.bytes\":\"11534336\"}");
}

#[test]
fn a_dead_letter_topic_brings_its_right_and_its_variables() {
    let (mut settings, mut facts) = (settings(), facts());
    divert(&mut settings, &mut facts, None);
    let plan = plan(&settings, &facts).unwrap();
    let pipeline = &plan.pipelines[0];
    let right = pipeline
        .statements
        .iter()
        .find(|statement| statement.sid == "WriteDeadLetterTopic")
        .unwrap();
    assert_eq!(right.action, ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]);
    let topic = CLUSTER.replace(":cluster/", ":topic/") + "/orders-dead-letter";
    assert_eq!(right.resource, [serde_json::json!(topic)]);
    let variables = &pipeline.function.variables;
    assert_eq!(variables["K2M_ON_POISON"], "divert");
    assert_eq!(variables["K2M_DEAD_LETTER_TOPIC"], "orders-dead-letter");
    assert_eq!(variables["K2M_TIMEOUT_MS"], "60000");
    let alarm = pipeline.alarms.iter().find(|alarm| alarm.id == "DeadLettered").unwrap();
    assert_eq!((alarm.namespace, alarm.threshold), ("k2m", 0));
}

#[test]
fn logical_ids_are_letters_and_digits_and_tell_streams_apart() {
    let stream = |name: &str, region: &str| {
        let arn = format!("arn:aws:kinesis:{region}:123456789012:stream/{name}");
        Arn::parse(Kind::Stream, &arn).unwrap()
    };
    let mut ids: Vec<String> = ["orders", "Orders", "or-ders", "order_s", "order.s", "7", "---", "_a"]
        .iter()
        .map(|name| pipeline_id(&stream(name, REGION)))
        .collect();
    ids.push(pipeline_id(&stream("orders", "us-east-1")));
    ids.push(pipeline_id(&stream(&"x".repeat(128), REGION)));
    for id in &ids {
        assert!(id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
        assert!(id.len() <= 64 + 8, "{id}");
    }
    insta::assert_snapshot!(ids.join("\n"));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}
