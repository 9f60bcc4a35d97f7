//! Doctor's checks of rules, subnets, names, regions, rights, secrets, certificates, Kafka's own rules, replicas and sizes, row by row.

use super::*;
use crate::facts::network::{Endpoint, Peering, PeeringSide};
use crate::facts::{Denier, Secret, Sighting};

type Row = (&'static str, Change, &'static str, &'static str);

const ROLE: &str = "arn:aws:iam::123456789012:role/k2m-orders-Role-1";
const SCRAM: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
const OF_TOPIC: &str = "arn:aws:kafka:eu-west-1:123456789012:topic/events/u-1/orders";

/// Takes the rules of one end away but for this one.
fn only_rule(facts: &mut Facts, group: usize, rule: Rule) {
    get(&mut the_network(facts).security_groups)[group].rules = vec![rule];
}

/// As the old article has it.
fn article(facts: &mut Facts) {
    let ports = Some((9092, 9093));
    let owner = Owner::Foreign;
    let rule = Rule {
        ports,
        owner,
        ..rule("sgr-article", false, "sg-function")
    };
    only_rule(facts, 0, rule);
    failing(facts);
}

/// The cluster's rule is its old one still, and the function has another group.
fn other_group(facts: &mut Facts, id: &str) {
    only_rule(facts, 0, rule("sgr-in", false, id));
    failing(facts);
}

/// The function, with its network, in another VPC of the region.
fn other_vpc(facts: &mut Facts, status: &str) {
    let side = |vpc: &str, cidr: &str| PeeringSide {
        vpc: vpc.to_owned(),
        region: REGION.to_owned(),
        account: "123456789012".to_owned(),
        cidrs: vec![cidr.to_owned()],
    };
    let network = the_network(facts);
    get(&mut network.vpcs).push(Vpc {
        id: "vpc-2".into(),
        cidrs: vec!["10.1.0.0/16".into()],
        ..Vpc::default()
    });
    get(&mut network.subnets).push(Subnet {
        id: "subnet-9".into(),
        vpc: "vpc-2".into(),
        zone: "eu-west-1a".into(),
        cidr: "10.1.0.0/24".into(),
        free_addresses: 200,
    });
    let local = get(&mut network.route_tables)[0].routes[0].clone();
    let table = RouteTable {
        id: "rtb-2".into(),
        vpc: "vpc-2".into(),
        routes: vec![Route {
            destination: "10.1.0.0/16".into(),
            ..local.clone()
        }],
        ..get(&mut network.route_tables)[0].clone()
    };
    get(&mut network.route_tables).push(table);
    let acl = NetworkAcl {
        id: "acl-2".into(),
        vpc: "vpc-2".into(),
        ..get(&mut network.network_acls)[0].clone()
    };
    get(&mut network.network_acls).push(acl);
    get(&mut network.security_groups)[1].vpc = "vpc-2".into();
    get(&mut network.peerings).push(Peering {
        id: "pcx-1".into(),
        status: status.into(),
        requester: side("vpc-1", "10.0.0.0/16"),
        accepter: side("vpc-2", "10.1.0.0/16"),
        owner: Owner::Foreign,
    });
    let function = get(&mut facts.one().function);
    function.vpc = Some("vpc-2".into());
    function.subnets = vec!["subnet-9".into()];
}

fn free(facts: &mut Facts, subnet: usize, addresses: u32) {
    get(&mut the_network(facts).subnets)[subnet].free_addresses = addresses;
}

fn spare_subnet(facts: &mut Facts, zone: &str) {
    let subnets = get(&mut the_network(facts).subnets);
    let spare = Subnet {
        id: "subnet-3".into(),
        zone: zone.into(),
        cidr: "10.0.2.0/24".into(),
        free_addresses: 100,
        ..subnets[0].clone()
    };
    subnets.push(spare);
}

fn attributes(facts: &mut Facts, support: bool, hostnames: bool) {
    let vpc = &mut get(&mut the_network(facts).vpcs)[0];
    (vpc.dns_support, vpc.dns_hostnames) = (Some(support), Some(hostnames));
}

/// The function was not asked.
fn unasked(facts: &mut Facts) {
    facts.one().probe = None;
}

/// The function says that names have no address.
fn lost_names(facts: &mut Facts) {
    says(
        facts,
        Step::Dns,
        "the name b-1.events has no address",
        "correct the name",
    );
}

fn serverless(facts: &mut Facts) {
    get(&mut facts.cluster).kind = "SERVERLESS".into();
    facts.brokers = Fact::Absent;
}

/// The rules for brokers are for this port, and all is deployed so.
fn on_port(facts: &mut Facts, port: u16) {
    for group in get(&mut the_network(facts).security_groups) {
        for rule in group.rules.iter_mut().filter(|rule| rule.ports == Some((9098, 9098))) {
            rule.ports = Some((port, port));
        }
    }
    redeployed(facts);
}

/// SCRAM, and nobody asked the function.
fn by_scram(facts: &mut Facts) {
    over_scram(facts);
    on_port(facts, 9096);
    unasked(facts);
}

fn default_route(facts: &mut Facts, target: &str) {
    let routes = &mut get(&mut the_network(facts).route_tables)[0].routes;
    routes.push(Route {
        destination: "0.0.0.0/0".into(),
        target: target.into(),
        ..routes[0].clone()
    });
}

fn out_on_443(facts: &mut Facts) {
    let rule = Rule {
        ports: Some((443, 443)),
        peer: RulePeer::Cidr("0.0.0.0/0".into()),
        ..rule("sgr-https", true, "")
    };
    get(&mut the_network(facts).security_groups)[1].rules.push(rule);
}

/// An interface endpoint for Secrets Manager, whose group lets in the function's where it does.
fn endpoint(facts: &mut Facts, lets_in: bool) {
    let rules = if lets_in {
        vec![Rule {
            ports: Some((443, 443)),
            ..rule("sgr-endpoint", false, "sg-function")
        }]
    } else {
        Vec::new()
    };
    let network = the_network(facts);
    get(&mut network.security_groups).push(group("sg-endpoint", rules));
    get(&mut network.endpoints).push(Endpoint {
        id: "vpce-1".into(),
        vpc: "vpc-1".into(),
        service: "com.amazonaws.eu-west-1.secretsmanager".into(),
        kind: "Interface".into(),
        state: "available".into(),
        subnets: vec!["subnet-1".into()],
        security_groups: vec!["sg-endpoint".into()],
        private_dns: true,
        owner: Owner::Foreign,
    });
}

fn right(action: &str, resource: &str, denied_by: Option<Denier>) -> crate::facts::Right {
    crate::facts::Right {
        action: action.to_owned(),
        resource: resource.to_owned(),
        denied_by,
        untold: Vec::new(),
    }
}

/// What was asked of the role, with one right denied.
pub(super) fn rights(facts: &mut Facts, denied: &str, by: Denier) {
    let all = [
        ("kafka-cluster:Connect", CLUSTER),
        ("kafka-cluster:WriteDataIdempotently", CLUSTER),
        ("kafka-cluster:DescribeTopic", OF_TOPIC),
        ("kafka-cluster:WriteData", OF_TOPIC),
        ("kinesis:GetRecords", STREAM),
        ("ec2:CreateNetworkInterface", "*"),
        ("sns:Publish", GIVEN),
        (
            "logs:PutLogEvents",
            "arn:aws:logs:eu-west-1:123456789012:log-group:k2m-orders-OrdersLogGroup-1:*",
        ),
    ];
    let all = all.map(|(action, resource)| right(action, resource, (action == denied).then_some(by)));
    facts.one().rights = Some(found(all.to_vec()));
    get(&mut facts.one().function).role = Some(ROLE.to_owned());
}

/// The simulator was told nothing of this key, which the denial may hang on.
fn untold_of(facts: &mut Facts, key: &str) {
    let rights = get(facts.one().rights.as_mut().unwrap());
    for right in rights.iter_mut().filter(|right| right.denied_by.is_some()) {
        right.untold = vec![key.to_owned()];
    }
}

/// The stack's template with the role, whose policy has this statement.
fn role_s_template(facts: &mut Facts, statement: &serde_json::Value) {
    let stack = get(&mut facts.stack);
    stack.resources.insert("OrdersRole".into(), "k2m-orders-Role-1".into());
    let mut template: serde_json::Value = serde_json::from_str(stack.template.as_ref().unwrap()).unwrap();
    template["Resources"]["OrdersLogGroup"] = json!({"Type": "AWS::Logs::LogGroup"});
    template["Resources"]["OrdersRole"] = json!({"Type": "AWS::IAM::Role", "Properties": {"Policies": [
        {"PolicyName": "pipeline", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
            statement,
            {"Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": [{"Fn::GetAtt": ["OrdersLogGroup", "Arn"]}]},
            {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [{"Ref": "OrdersFailureTopic"}]},
        ]}},
    ]}});
    stack.template = Some(template.to_string());
}

fn cluster_policy(facts: &mut Facts, statement: &str) {
    get(&mut facts.cluster).policy = Some(policy(statement));
}

/// The function's secret, as MSK takes it.
fn secret(facts: &mut Facts, change: fn(&mut Secret)) {
    over_scram(facts);
    redeployed(facts);
    let mut secret = Secret {
        arn: SCRAM.to_owned(),
        name: "AmazonMSK_orders".to_owned(),
        kms_key: Some("arn:aws:kms:eu-west-1:123456789012:key/k-1".to_owned()),
        rotates: false,
        changed: Some("2026-01-01T00:00:00Z".to_owned()),
        deleted: None,
    };
    change(&mut secret);
    facts.one().secret = Some(found(secret));
}

/// The same, not associated with the cluster.
fn lone_secret(facts: &mut Facts, change: fn(&mut Secret)) {
    secret(facts, change);
    get(&mut facts.cluster).scram_secrets = Some(found(Vec::new()));
}

fn report(facts: &mut Facts) -> &mut k2m_handler::probe::report::Report {
    let Some(Fact::Found {
        value: Probe::Answered(report),
    }) = &mut facts.one().probe
    else {
        panic!("it answers")
    };
    report
}

fn ends(facts: &mut Facts, date: &str) {
    report(facts).brokers[1]
        .tls
        .as_mut()
        .unwrap()
        .certificate
        .as_mut()
        .unwrap()
        .expires = date.to_owned();
}

/// A broker let the function in and refused this.
fn unruly(facts: &mut Facts, authentication: &str, step: Step, detail: &str) {
    says(facts, step, "the function may not", "allow it");
    let topic = (step != Step::IdempotentWrite).then(|| "orders".to_owned());
    let failure = &mut report(facts).failures[0];
    (failure.topic, failure.detail) = (topic, detail.to_owned());
    variable(facts, "K2M_AUTHENTICATION", authentication);
    let cluster = get(&mut facts.cluster);
    (cluster.authentication.scram, cluster.authentication.mutual_tls) = (true, true);
    cluster
        .bootstrap_brokers
        .insert("SaslScram".into(), "b-1.events:9096".into());
    let port = match authentication {
        "plaintext" => 9092,
        "scram" => 9096,
        "iam" => 9098,
        _ => 9094,
    };
    variable(facts, "K2M_BOOTSTRAP_SERVERS", &format!("b-1.events:{port}"));
    on_port(facts, port);
}

fn makes_topics(settings: &mut Settings, facts: &mut Facts) {
    no_topic(settings, facts);
    facts.configuration = found(map(&[
        ("auto.create.topics.enable", "true"),
        ("num.partitions", "1"),
        ("default.replication.factor", "2"),
    ]));
}

fn shape_of(facts: &mut Facts, replicas: u32, needed: Option<&str>) {
    let topic = get(facts.topic_named(TOPIC));
    topic.replication_factor = replicas;
    topic
        .settings
        .extend(needed.map(|needed| ("min.insync.replicas".to_owned(), needed.to_owned())));
}

fn in_log(facts: &mut Facts, words: &str) {
    facts.one().log = Some(found(vec![Sighting {
        signature: words.to_owned(),
        count: 3,
        last: "2026-01-02T03:00:00Z".to_owned(),
    }]));
}

fn large_records(facts: &mut Facts) {
    get(&mut facts.one().stream).max_record_kib = Some(10_240);
}

/// The check, what is changed, what it says then, and words of it.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("K2M-N03", |_, _| {}, "pass", "no rule that iam needs is for another port than 9098"),
    ("K2M-N03", |_, f| article(f), "warn", "sgr-article of sg-brokers is for 9092-9093, and iam is spoken on 9098: 9093 is no port of MSK's"),
    ("K2M-N03", |_, f| article(f), "warn", "authorize-security-group-ingress --group-id sg-brokers --ip-permissions '[{\\\"FromPort\\\":9098"),
    ("K2M-N03", |_, f| article(f), "warn", "revoke-security-group-ingress --group-id sg-brokers --security-group-rule-ids sgr-article --region eu-west-1"),
    ("K2M-N03", |_, f| only_rule(f, 1, Rule { ports: Some((9093, 9093)), peer: RulePeer::Cidr("10.0.0.0/8".into()), ..rule("sgr-out", true, "") }), "warn", "sgr-out of sg-function is for 9093"),
    // Beside a rule that does, it harms nobody.
    ("K2M-N03", |_, f| get(&mut the_network(f).security_groups)[0].rules.push(Rule { ports: Some((9092, 9093)), ..rule("sgr-article", false, "sg-function") }), "pass", "another rule lets 9098 pass"),
    // Another client's, or another service's, or of what is MSK's.
    ("K2M-N03", |s, f| { no_ingress(s, f); only_rule(f, 0, Rule { ports: Some((9092, 9093)), ..rule("sgr-x", false, "sg-other") }); }, "pass", "no rule that iam needs"),
    ("K2M-N03", |s, f| { no_ingress(s, f); only_rule(f, 0, Rule { ports: Some((443, 443)), ..rule("sgr-x", false, "sg-function") }); }, "pass", "no rule that iam needs"),
    ("K2M-N03", |s, f| { no_ingress(s, f); only_rule(f, 0, Rule { ports: Some((9092, 9096)), ..rule("sgr-x", false, "sg-function") }); }, "pass", "no rule that iam needs"),
    ("K2M-N03", |s, f| { no_ingress(s, f); only_rule(f, 0, Rule { ports: Some((9094, 9094)), ..rule("sgr-x", false, "sg-function") }); }, "pass", "no rule that iam needs"),
    ("K2M-N03", |_, f| get(&mut f.one().function).subnets.clear(), "skip", "see K2M-N02"),
    ("K2M-N03", |_, f| the_network(f).security_groups = denied("ec2:DescribeSecurityGroups"), "unknown", "ec2:DescribeSecurityGroups"),
    ("K2M-N04", |_, _| {}, "pass", "sgr-in of sg-brokers names sg-function"),
    ("K2M-N04", |_, f| by_block(f), "pass", "no rule that 9098 needs names a group"),
    ("K2M-N04", |_, f| other_group(f, "sg-old"), "warn", "sgr-in of sg-brokers, for 9098, names sg-old, and the function's is sg-function"),
    ("K2M-N04", |_, f| other_group(f, "sg-old"), "warn", "authorize-security-group-ingress --group-id sg-brokers"),
    (
        "K2M-N04",
        |_, f| {
            get(&mut f.stack).resources.insert("OldSecurityGroup".into(), "sg-old".into());
            other_group(f, "sg-old");
            get(&mut the_network(f).security_groups)[0].rules[0].owner = Owner::Foreign;
        },
        "warn",
        "names sg-old, which was the stack's, and is gone",
    ),
    // Whose that is, nobody looked.
    ("K2M-N04", |_, f| { other_group(f, "sg-client"); get(&mut the_network(f).security_groups)[0].rules[0].owner = Owner::Foreign; }, "pass", "sgr-out of sg-function names sg-brokers"),
    ("K2M-N04", |_, f| { get(&mut the_network(f).security_groups)[0].rules.push(rule("sgr-old", false, "sg-old")); }, "pass", "another rule lets pass"),
    ("K2M-N04", |_, f| { the_network(f).stale_groups.insert("sg-client".into()); other_group(f, "sg-client"); }, "warn", "sgr-in of sg-brokers, for 9098, names sg-client, which is gone"),
    // That nothing carries the packets is no rule's fault.
    ("K2M-N04", |_, f| other_vpc(f, "pending-acceptance"), "pass", "sgr-in of sg-brokers names sg-function"),
    ("K2M-N04", |_, f| f.brokers = Fact::Absent, "skip", "shows no brokers"),
    ("K2M-N04", |_, f| the_network(f).security_groups = denied("ec2:DescribeSecurityGroups"), "unknown", "ec2:DescribeSecurityGroups"),
    ("K2M-N05", |_, _| {}, "pass", "subnet-1 (eu-west-1a): 200 free addresses"),
    ("K2M-N05", |_, f| free(f, 0, 2), "warn", "subnet-1 (eu-west-1a): 2 free addresses: Lambda needs one more while it replaces"),
    ("K2M-N05", |_, f| { free(f, 0, 0); spare_subnet(f, "eu-west-1a"); }, "warn", "--subnets subnet-3,subnet-2"),
    ("K2M-N05", |_, f| { free(f, 0, 0); get(&mut f.one().function).state = "Pending".into(); }, "fail", "0 free addresses, and the function is Pending: Lambda can't give it a network interface there"),
    (
        "K2M-N05",
        |_, f| {
            free(f, 0, 0);
            let function = get(&mut f.one().function);
            function.last_update = Some("Failed".into());
            function.last_update_reason = Some("not enough free addresses.".into());
        },
        "fail",
        "the function could not be updated (not enough free addresses)",
    ),
    ("K2M-N05", |_, f| get(&mut f.one().function).subnets = vec!["subnet-1".into()], "warn", "in eu-west-1a alone"),
    ("K2M-N05", |_, f| { get(&mut f.one().function).subnets = vec!["subnet-1".into()]; redeployed(f); }, "warn", "--subnets subnet-1,subnet-2"),
    ("K2M-N05", |_, f| { get(&mut f.one().function).subnets = vec!["subnet-1".into()]; get(&mut the_network(f).subnets).truncate(1); redeployed(f); }, "warn", "give vpc-1 a subnet in another zone"),
    ("K2M-N05", |_, f| get(&mut f.one().function).subnets.clear(), "skip", "in no VPC"),
    ("K2M-N05", |_, f| the_network(f).subnets = denied("ec2:DescribeSubnets"), "unknown", "ec2:DescribeSubnets"),
    ("K2M-N05", |_, f| get(&mut f.one().function).subnets = vec!["subnet-7".into()], "unknown", "say nothing of subnet-7"),
    ("K2M-N06", |_, _| {}, "pass", "the function itself resolves the brokers' names"),
    ("K2M-N06", |_, f| { unasked(f); attributes(f, true, true); }, "pass", "enableDnsSupport of vpc-1 is on"),
    ("K2M-N06", |_, f| { unasked(f); get(&mut the_network(f).vpcs)[0].dns_unreadable = denied::<()>("ec2:DescribeVpcAttribute").unreadable().cloned(); }, "unknown", "ec2:DescribeVpcAttribute"),
    ("K2M-N06", |_, f| { unasked(f); attributes(f, false, true); }, "pass", "and batches are delivered all the same"),
    ("K2M-N06", |_, f| { unasked(f); attributes(f, false, true); failing(f); }, "fail", "aws ec2 modify-vpc-attribute --vpc-id vpc-1 --enable-dns-support '{\\\"Value\\\":true}' --region eu-west-1"),
    ("K2M-N06", |_, f| { lost_names(f); attributes(f, false, true); }, "fail", "enableDnsSupport of vpc-1 is off"),
    ("K2M-N06", |_, f| attributes(f, false, true), "pass", "by DNS servers of the VPC's own DHCP options"),
    ("K2M-N06", |_, f| { privately(f); lost_names(f); attributes(f, true, false); redeployed(f); }, "fail", "--enable-dns-hostnames"),
    ("K2M-N06", |_, f| { lost_names(f); attributes(f, true, false); }, "pass", "enableDnsSupport of vpc-1 is on"),
    ("K2M-N06", |_, f| unasked(f), "skip", "whether vpc-1 resolves names was not asked"),
    ("K2M-N06", |_, f| { unasked(f); get(&mut f.one().function).subnets.clear(); }, "skip", "Lambda resolves names there"),
    ("K2M-N06", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "10.0.0.10:9098"), "pass", "addresses, no names"),
    ("K2M-N06", |_, f| { unasked(f); the_network(f).vpcs = denied("ec2:DescribeVpcs"); }, "unknown", "ec2:DescribeVpcs"),
    ("K2M-N06", |_, f| serverless(f), "pass", "resolves"),
    ("K2M-N06", |_, f| { other_vpc(f, "active"); serverless(f); }, "fail", "attached to, vpc-1, and the function is in vpc-2 of eu-west-1"),
    ("K2M-N06", |_, f| { other_vpc(f, "active"); serverless(f); }, "fail", "--vpc vpc-1"),
    ("K2M-N07", |_, _| {}, "skip", "reads no secret"),
    ("K2M-N07", |_, f| over_scram(f), "pass", "the function itself reads its secrets"),
    ("K2M-N07", |_, f| by_scram(f), "fail", "nothing leads to Secrets Manager in eu-west-1 from subnet-1 (no route to 0.0.0.0/0), subnet-2 (no route to 0.0.0.0/0)"),
    ("K2M-N07", |_, f| by_scram(f), "fail", "--secrets-endpoint true"),
    ("K2M-N07", |_, f| { by_scram(f); default_route(f, "igw-1"); }, "fail", "takes nothing from a function"),
    ("K2M-N07", |_, f| { by_scram(f); default_route(f, "nat-1"); }, "fail", "authorize-security-group-egress --group-id sg-function"),
    ("K2M-N07", |_, f| { by_scram(f); default_route(f, "nat-1"); out_on_443(f); }, "pass", "by NAT gateways"),
    ("K2M-N07", |_, f| { by_scram(f); default_route(f, "tgw-1"); out_on_443(f); }, "unknown", "leads to tgw-1"),
    ("K2M-N07", |_, f| { by_scram(f); endpoint(f, true); out_on_443(f); }, "pass", "reached by vpce-1"),
    ("K2M-N07", |_, f| { by_scram(f); endpoint(f, false); out_on_443(f); }, "fail", "authorize-security-group-ingress --group-id sg-endpoint"),
    ("K2M-N07", |_, f| { by_scram(f); endpoint(f, true); out_on_443(f); attributes(f, true, false); }, "fail", "enableDnsHostnames of vpc-1 is off"),
    ("K2M-N07", |_, f| { by_scram(f); endpoint(f, true); get(&mut the_network(f).endpoints)[0].private_dns = false; }, "fail", "modify-vpc-endpoint --vpc-endpoint-id vpce-1 --private-dns-enabled"),
    ("K2M-N07", |_, f| { by_scram(f); endpoint(f, true); get(&mut the_network(f).endpoints)[0].state = "pendingAcceptance".into(); }, "fail", "it is pendingAcceptance"),
    ("K2M-N07", |_, f| { by_scram(f); the_network(f).endpoints = denied("ec2:DescribeVpcEndpoints"); }, "unknown", "ec2:DescribeVpcEndpoints"),
    ("K2M-N07", |_, f| { by_scram(f); the_network(f).route_tables = denied("ec2:DescribeRouteTables"); }, "unknown", "ec2:DescribeRouteTables"),
    ("K2M-N07", |_, f| { by_scram(f); variable(f, "K2M_SECRET_ARN", &SCRAM.replace("eu-west-1", "eu-central-1")); }, "fail", "of its own region alone"),
    ("K2M-N07", |_, f| { by_scram(f); get(&mut f.one().function).subnets.clear(); }, "pass", "in no VPC"),
    ("K2M-N08", |_, _| {}, "pass", "stream and function are in eu-west-1"),
    ("K2M-N08", |_, f| get(&mut f.one().function).arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders".into(), "fail", "reads streams of its own region alone"),
    ("K2M-N08", |_, f| get(&mut f.one().function).arn = "arn:aws:lambda:eu-west-1:999999999999:function:orders".into(), "fail", "of account 999999999999"),
    ("K2M-N08", |_, f| f.account = found("999999999999".into()), "fail", "credentials of account 999999999999"),
    ("K2M-N08", |_, f| f.account = denied("sts:GetCallerIdentity"), "pass", "the cluster is in eu-west-1"),
    ("K2M-N08", |_, f| variable(f, "K2M_CLUSTER_REGION", "eu-central-1"), "fail", "signs its tokens for eu-central-1"),
    ("K2M-N08", |_, f| variable(f, "K2M_BOOTSTRAP_SERVERS", "b-1.events.x.c2.kafka.us-east-1.amazonaws.com:9098"), "fail", "brokers of another region than the cluster's, eu-west-1: b-1.events.x.c2.kafka.us-east-1.amazonaws.com:9098"),
    ("K2M-N08", not_deployed, "skip", "nothing is deployed"),
    ("K2M-A03", |_, f| rights(f, "", Denier::NoPolicy), "pass", "the role may kafka-cluster:Connect, kafka-cluster:WriteDataIdempotently, kafka-cluster:DescribeTopic, kafka-cluster:WriteData"),
    ("K2M-A03", |_, f| rights(f, "kafka-cluster:WriteData", Denier::NoPolicy), "fail", "may not kafka-cluster:WriteData on arn:aws:kafka:eu-west-1:123456789012:topic/events/u-1/orders: no policy of the role allows it"),
    ("K2M-A03", |_, f| rights(f, "kafka-cluster:WriteData", Denier::NoPolicy), "fail", "{\\\"Action\\\":[\\\"kafka-cluster:WriteData\\\"],\\\"Effect\\\":\\\"Allow\\\",\\\"Resource\\\":\\\"arn:aws:kafka:eu-west-1:123456789012:topic/events/u-1/orders\\\"}"),
    (
        "K2M-A03",
        |_, f| {
            rights(f, "kafka-cluster:WriteData", Denier::NoPolicy);
            role_s_template(f, &json!({"Effect": "Allow", "Action": ["kafka-cluster:WriteData"], "Resource": [OF_TOPIC]}));
        },
        "fail",
        "aws iam put-role-policy --role-name k2m-orders-Role-1 --policy-name pipeline --policy-document '{",
    ),
    (
        "K2M-A03",
        |_, f| {
            rights(f, "kafka-cluster:WriteData", Denier::NoPolicy);
            role_s_template(f, &json!({"Effect": "Allow", "Action": "kafka-cluster:*", "Resource": "*"}));
        },
        "fail",
        "\\\"Resource\\\":[\\\"arn:aws:logs:eu-west-1:123456789012:log-group:k2m-orders-OrdersLogGroup-1:*\\\"]",
    ),
    (
        // What an older template lacks a deployment gives.
        "K2M-A03",
        |_, f| {
            rights(f, "kafka-cluster:WriteDataIdempotently", Denier::NoPolicy);
            role_s_template(f, &json!({"Effect": "Allow", "Action": ["kafka-cluster:WriteData"], "Resource": [OF_TOPIC]}));
        },
        "fail",
        "it gives the role what it lacks",
    ),
    ("K2M-A03", |_, f| rights(f, "kafka-cluster:Connect", Denier::Policy), "fail", "simulate-principal-policy --policy-source-arn arn:aws:iam::123456789012:role/k2m-orders-Role-1 --action-names kafka-cluster:Connect --resource-arns arn:aws:kafka"),
    ("K2M-A03", |_, f| rights(f, "kafka-cluster:Connect", Denier::PermissionsBoundary), "fail", "permissions boundary does not allow it, whatever its policies do"),
    ("K2M-A03", |_, f| rights(f, "kafka-cluster:Connect", Denier::ServiceControlPolicy), "fail", "have who manages the organization allow it"),
    ("K2M-A03", |_, f| { rights(f, "", Denier::NoPolicy); cluster_policy(f, r#"{"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kafka-cluster:*", "Resource": "*"}"#); }, "fail", "the cluster's own policy denies it to the function's role: the statement No denies kafka-cluster:Connect"),
    ("K2M-A03", |_, f| { rights(f, "", Denier::NoPolicy); cluster_policy(f, r#"{"Effect": "Deny", "Principal": "*", "Action": "kafka-cluster:*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}"#); }, "warn", "may deny it"),
    ("K2M-A03", |_, f| { rights(f, "", Denier::NoPolicy); cluster_policy(f, r#"{"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "kafka-cluster:*"}"#); }, "pass", "the role may kafka-cluster:Connect"),
    (
        "K2M-A03",
        |_, f| {
            rights(f, "", Denier::NoPolicy);
            get(&mut f.one().function).role = Some(ROLE.replace("123456789012", "999999999999"));
            cluster_policy(f, r#"{"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "kafka-cluster:Connect"}"#);
        },
        "fail",
        "the cluster's policy does not allow it kafka-cluster:WriteDataIdempotently, kafka-cluster:DescribeTopic, kafka-cluster:WriteData",
    ),
    ("K2M-A03", |_, f| { rights(f, "", Denier::NoPolicy); get(&mut f.cluster).policy = Some(denied("kafka:GetClusterPolicy")); }, "unknown", "kafka:GetClusterPolicy"),
    ("K2M-A03", |_, f| f.one().rights = Some(denied("iam:SimulatePrincipalPolicy")), "unknown", "iam:SimulatePrincipalPolicy"),
    (
        "K2M-A03",
        |_, f| {
            f.one().rights = Some(Fact::Unreadable(Unreadable {
                missing_action: Some("iam:SimulatePrincipalPolicy".into()),
                message: "User: u is not authorized to perform: iam:SimulatePrincipalPolicy with an explicit deny in a service control policy".into(),
            }));
        },
        "unknown",
        "only who manages the organization can change that",
    ),
    ("K2M-A03", |_, f| { rights(f, "kafka-cluster:WriteData", Denier::NoPolicy); untold_of(f, "aws:SourceVpc"); failing(f); }, "unknown", "hangs on conditions that can't be known from outside (aws:SourceVpc)"),
    ("K2M-A03", |_, f| { rights(f, "kafka-cluster:WriteData", Denier::NoPolicy); untold_of(f, "aws:SourceVpc"); }, "pass", "the role may"),
    ("K2M-A03", |_, f| { rights(f, "kafka-cluster:WriteData", Denier::NoPolicy); untold_of(f, "ec2:ResourceTag/x"); }, "fail", "may not kafka-cluster:WriteData"),
    ("K2M-A03", |_, _| {}, "skip", "was not asked"),
    ("K2M-A03", |_, f| over_scram(f), "skip", "IAM decides of nothing in Kafka"),
    ("K2M-A04", |_, f| rights(f, "", Denier::NoPolicy), "pass", "the role may kinesis:GetRecords, ec2:CreateNetworkInterface, sns:Publish"),
    ("K2M-A04", |_, f| rights(f, "kinesis:GetRecords", Denier::NoPolicy), "fail", "may not kinesis:GetRecords on arn:aws:kinesis:eu-west-1:123456789012:stream/orders: no policy of the role allows it; Lambda reads the stream with the role's rights"),
    ("K2M-A04", |_, f| rights(f, "ec2:CreateNetworkInterface", Denier::PermissionsBoundary), "fail", "aws iam get-role --role-name k2m-orders-Role-1 --query Role.PermissionsBoundary"),
    ("K2M-A04", |_, f| rights(f, "sns:Publish", Denier::ServiceControlPolicy), "fail", "it is gone without a word"),
    ("K2M-A04", |_, f| rights(f, "logs:PutLogEvents", Denier::NoPolicy), "warn", "kept nowhere"),
    ("K2M-A04", |_, f| f.one().rights = Some(Fact::Absent), "fail", "the function's role is gone"),
    ("K2M-A04", |_, f| { rights(f, "sns:Publish", Denier::PermissionsBoundary); untold_of(f, "AWS:PrincipalOrgID"); }, "unknown", "whether the function's role may sns:Publish on"),
    ("K2M-A04", |_, f| { rights(f, "sns:Publish", Denier::NoPolicy); untold_of(f, "kms:ViaService"); }, "fail", "may not sns:Publish"),
    ("K2M-A04", |_, f| { rights(f, "kinesis:GetRecords", Denier::NoPolicy); untold_of(f, "kinesis:x"); }, "pass", "the role may"),
    ("K2M-A04", |_, f| { rights(f, "kinesis:GetRecords", Denier::NoPolicy); untold_of(f, "kinesis:x"); failing(f); }, "unknown", "(kinesis:x)"),
    ("K2M-A03", |_, f| f.one().rights = Some(Fact::Absent), "skip", "the function's role is gone, see K2M-A04"),
    // IAM refuses what is of several services, or on several kinds of things.
    ("K2M-A04", all_denied, "fail", "aws iam simulate-principal-policy --policy-source-arn arn:aws:iam::123456789012:role/k2m-orders-Role-1 --action-names kinesis:GetRecords --resource-arns arn:aws:kinesis:eu-west-1:123456789012:stream/orders --query"),
    ("K2M-A04", all_denied, "fail", "--action-names ec2:CreateNetworkInterface --resource-arns '*' --query"),
    ("K2M-A04", all_denied, "fail", "--action-names sns:Publish --resource-arns arn:"),
    ("K2M-A04", |_, _| {}, "skip", "inspect again"),
    ("K2M-A04", |_, f| f.one().rights = Some(denied("iam:SimulatePrincipalPolicy")), "unknown", "iam:SimulatePrincipalPolicy"),
    ("K2M-A05", |_, f| secret(f, |_| ()), "pass", "AmazonMSK_orders, encrypted with arn:aws:kms:eu-west-1:123456789012:key/k-1"),
    ("K2M-A05", |_, f| secret(f, |secret| secret.rotates = true), "pass", "it is rotated by itself: the function reads it anew"),
    ("K2M-A05", |_, f| secret(f, |secret| secret.deleted = Some("2026-01-01T00:00:00Z".into())), "fail", "aws secretsmanager restore-secret --secret-id arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd --region eu-west-1"),
    ("K2M-A05", |_, f| lone_secret(f, |secret| secret.name = "orders".into()), "fail", "whose names begin with AmazonMSK_"),
    ("K2M-A05", |_, f| lone_secret(f, |secret| secret.kms_key = None), "fail", "update-secret --secret-id"),
    ("K2M-A05", |_, f| lone_secret(f, |secret| secret.kms_key = Some("alias/aws/secretsmanager".into())), "fail", "a key of the customer's"),
    ("K2M-A05", |_, f| lone_secret(f, |secret| secret.arn = SCRAM.replace("eu-west-1", "eu-central-1")), "fail", "is in eu-central-1 and account 123456789012"),
    ("K2M-A05", |_, f| lone_secret(f, |_| ()), "fail", "is not associated with the cluster"),
    // What MSK took it took.
    ("K2M-A05", |_, f| secret(f, |secret| secret.kms_key = None), "pass", "the account's own key"),
    ("K2M-A05", |_, f| { over_scram(f); f.one().secret = Some(Fact::Absent); }, "fail", "there is no secret"),
    ("K2M-A05", |_, f| { over_scram(f); f.one().secret = Some(denied("secretsmanager:DescribeSecret")); }, "unknown", "secretsmanager:DescribeSecret"),
    ("K2M-A05", |_, f| over_scram(f), "skip", "was not looked at"),
    ("K2M-A05", |_, _| {}, "skip", "iam shows the brokers no secret"),
    ("K2M-A06", |_, _| {}, "pass", "valid until 2027-01-01T00:00:00Z"),
    ("K2M-A06", |_, f| ends(f, "2026-01-31T00:00:00Z"), "warn", "the certificate of b-2.events:9098 (CN=*.events) ends on 2026-01-31T00:00:00Z, in 28 days"),
    ("K2M-A06", |_, f| ends(f, "2026-02-02T00:00:00Z"), "pass", "valid until 2026-02-02T00:00:00Z"),
    ("K2M-A06", |_, f| ends(f, "2026-01-01T00:00:00Z"), "fail", "ended on 2026-01-01T00:00:00Z"),
    ("K2M-A06", |_, f| variable(f, "K2M_AUTHENTICATION", "plaintext"), "skip", "no certificates"),
    ("K2M-A06", |_, f| unasked(f), "skip", "see K2M-P01"),
    ("K2M-A06", |_, f| f.one().probe = Some(denied("lambda:InvokeFunction")), "skip", "may not be asked"),
    ("K2M-A06", |_, f| f.taken_at = "once".into(), "unknown", "which is no time"),
    ("K2M-A07", |_, f| { variable(f, "K2M_AUTHENTICATION", "tls"); }, "pass", "no broker refuses"),
    ("K2M-A07", |_, f| unruly(f, "scram", Step::Write, "TopicAuthorizationFailed"), "fail", "Kafka's own rules deny User:NAME Write on topic orders: the brokers told the function so; an ACL is about it"),
    ("K2M-A07", |_, f| unruly(f, "scram", Step::Write, "TopicAuthorizationFailed"), "fail", "kafka-acls.sh --bootstrap-server b-1.events:9096 --command-config client.properties --add --allow-principal User:NAME --operation Write --topic orders"),
    ("K2M-A07", |_, f| unruly(f, "mutual_tls", Step::Topic, "TopicAuthorizationFailed"), "fail", "--allow-principal User:SUBJECT --operation Describe --operation Write --topic orders"),
    ("K2M-A07", |_, f| unruly(f, "plaintext", Step::IdempotentWrite, "ClusterAuthorizationFailed"), "fail", "kafka-acls.sh --bootstrap-server b-1.events:9092,b-2.events:9092 --add --allow-principal User:ANONYMOUS --operation IdempotentWrite --cluster"),
    ("K2M-A07", |_, f| { unruly(f, "tls", Step::Write, "TopicAuthorizationFailed"); f.configuration = found(map(&[("allow.everyone.if.no.acl.found", "false")])); }, "fail", "allow.everyone.if.no.acl.found is false"),
    ("K2M-A07", |_, f| { unasked(f); variable(f, "K2M_AUTHENTICATION", "tls"); failing(f); in_log(f, "Topic authorization failed"); }, "fail", "its log says so"),
    ("K2M-A07", |_, f| { unasked(f); variable(f, "K2M_AUTHENTICATION", "tls"); failing(f); f.one().log = Some(denied("logs:FilterLogEvents")); }, "unknown", "logs:FilterLogEvents"),
    // What the log said is over.
    ("K2M-A07", |_, f| { unasked(f); variable(f, "K2M_AUTHENTICATION", "tls"); in_log(f, "Topic authorization failed"); }, "skip", "no broker is known to have refused"),
    ("K2M-A07", |_, f| unruly(f, "tls", Step::Topic, "UnknownTopicOrPartition"), "pass", "no broker refuses"),
    ("K2M-A07", |_, f| unruly(f, "iam", Step::Write, "TopicAuthorizationFailed"), "skip", "see K2M-A03"),
    ("K2M-T04", |_, _| {}, "pass", "auto.create.topics.enable is false, and no topic is known to be missing"),
    ("K2M-T04", no_topic, "pass", "what is missing stays so"),
    ("K2M-T04", |s, f| { makes_topics(s, f); sees(f, Some(true)); variable(f, "K2M_AUTHENTICATION", "tls"); }, "pass", "no topic is known to be missing"),
    ("K2M-T04", makes_topics, "pass", "the function's role may create no topic"),
    ("K2M-T04", |s, f| { makes_topics(s, f); variable(f, "K2M_AUTHENTICATION", "tls"); }, "warn", "with 1 partition(s) (num.partitions) and 2 (default.replication.factor); k2m would make 2 partitions, 2 replicas of each"),
    ("K2M-T04", |s, f| { no_topic(s, f); f.configuration = denied("kafka:DescribeConfigurationRevision"); }, "unknown", "kafka:DescribeConfigurationRevision"),
    ("K2M-T04", |_, f| f.configuration = denied("kafka:DescribeConfigurationRevision"), "skip", "nothing hangs on it"),
    ("K2M-T04", |_, f| serverless(f), "skip", "serverless"),
    ("K2M-T05", |_, _| {}, "pass", "orders: 2 replicas of each partition"),
    ("K2M-T05", |_, f| shape_of(f, 2, Some("1")), "pass", "1 of which have to take a record"),
    ("K2M-T05", |_, f| shape_of(f, 1, None), "warn", "orders has 1 replica of each partition"),
    ("K2M-T05", |_, f| shape_of(f, 3, None), "warn", "MSK shows 2 broker(s)"),
    ("K2M-T05", |_, f| shape_of(f, 2, Some("2")), "warn", "--entity-type topics --entity-name orders --add-config 'min.insync.replicas=1'"),
    ("K2M-T05", |_, f| shape_of(f, 2, Some("3")), "fail", "brokers refuse every record"),
    ("K2M-T05", |_, f| { f.configuration = found(map(&[("min.insync.replicas", "2")])); shape_of(f, 1, None); }, "fail", "min.insync.replicas (the cluster's) is 2"),
    ("K2M-T05", |_, f| { shape_of(f, 2, Some("1")); report(f).topics[0].partitions[0].in_sync = 0; }, "fail", "partition 0 of orders has 0 of 2 replicas in sync"),
    ("K2M-T05", |_, f| get(f.topic_named(TOPIC)).partitions = 1, "pass", "orders has 1 partition(s), and up to 2 batches come at the same time"),
    ("K2M-T05", |_, f| f.configuration = denied("kafka:DescribeConfigurationRevision"), "unknown", "kafka:DescribeConfigurationRevision"),
    ("K2M-T05", |_, f| { shape_of(f, 2, Some("1")); f.configuration = denied("kafka:DescribeConfigurationRevision"); }, "pass", "its own"),
    ("K2M-T05", no_topic, "skip", "see K2M-T01"),
    ("K2M-T05", |_, f| serverless(f), "skip", "serverless"),
    ("K2M-T06", |_, _| {}, "pass", "orders takes messages of up to 1048588 bytes (max.message.bytes), the stream records of up to 1048576"),
    ("K2M-T06", |_, _| {}, "pass", "a record with over 1048395 bytes of data and key is refused"),
    ("K2M-T06", |s, _| s.pipelines[0].payload.headers.value = false, "pass", "up to 74 bytes: a record with over 1048514 bytes"),
    ("K2M-T06", |_, f| large_records(f), "warn", "a larger record goes to the failure destination when its retries are used up"),
    ("K2M-T06", |_, f| large_records(f), "warn", "--entity-name orders --add-config 'max.message.bytes=11534336'"),
    ("K2M-T06", |s, f| { divert(s, f); large_records(f); }, "warn", "goes to the dead-letter topic orders-dead-letter"),
    ("K2M-T06", |_, f| { large_records(f); f.configuration = found(map(&[("message.max.bytes", "12000000")])); }, "pass", "12000000"),
    ("K2M-T06", |_, f| { large_records(f); in_log(f, "Message size too large"); failing(f); }, "fail", "brokers refused records for their size, 3 times (`Message size too large`, last 2026-01-02T03:00:00Z)"),
    ("K2M-T06", |_, f| { in_log(f, "Message size too large"); failing(f); }, "fail", "the stream records of up to 1048576"),
    ("K2M-T06", |_, f| in_log(f, "Message size too large"), "warn", "brokers refused records"),
    ("K2M-T06", |_, f| { get(f.topic_named(TOPIC)).settings = map(&[("max.message.bytes", "2097152")]); in_log(f, "Message size too large"); failing(f); }, "pass", "2097152"),
    ("K2M-T06", |_, f| { get(f.topic_named(TOPIC)).settings = map(&[("max.message.bytes", "2097152")]); variable(f, "K2M_MAX_MESSAGE_BYTES", "1000000"); }, "warn", "the function is told 1000000"),
    ("K2M-T06", |_, f| { untold(f, Some(true)); report(f).topics[0].max_message_bytes = Some(500_000); }, "warn", "500000 bytes"),
    ("K2M-T06", |_, f| untold(f, Some(true)), "skip", "nobody says how large"),
    ("K2M-T06", |_, f| f.one().stream = denied("kinesis:DescribeStreamSummary"), "skip", "see K2M-E01"),
    ("K2M-T06", |_, f| f.configuration = denied("kafka:DescribeConfigurationRevision"), "unknown", "kafka:DescribeConfigurationRevision"),
];

/// The checks of this file.
const CODES: [&str; 14] = [
    "K2M-N03", "K2M-N04", "K2M-N05", "K2M-N06", "K2M-N07", "K2M-N08", "K2M-A03", "K2M-A04", "K2M-A05", "K2M-A06",
    "K2M-A07", "K2M-T04", "K2M-T05", "K2M-T06",
];

/// A policy of the role denies all that it needs.
fn all_denied(_: &mut Settings, facts: &mut Facts) {
    rights(facts, "", Denier::NoPolicy);
    let Some(Fact::Found { value }) = &mut facts.one().rights else {
        panic!("they were asked")
    };
    for right in value {
        right.denied_by = Some(Denier::Policy);
    }
}

#[test]
fn each_way_of_judging_has_a_row() {
    let has = |code: &str, word: &str| ROWS.iter().any(|(row, _, wanted, _)| *row == code && *wanted == word);
    for code in CODES {
        for word in ["pass", "skip"] {
            assert!(has(code, word), "{code} has no row that says {word}");
        }
        assert!(has(code, "warn") || has(code, "fail"), "{code} finds nothing");
    }
}

#[test]
fn a_healthy_pipeline_has_nothing_to_be_looked_at() {
    let fully_seen: Change = |_, facts| {
        rights(facts, "", Denier::NoPolicy);
        attributes(facts, true, true);
        cluster_policy(
            facts,
            r#"{"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "kafka-cluster:*"}"#,
        );
        facts.one().log = Some(found(Vec::new()));
        facts.configuration = found(map(&[("min.insync.replicas", "1")]));
    };
    let by_secret: Change = |_, facts| {
        secret(facts, |_| ());
        out_on_443(facts);
        on_port(facts, 9096);
    };
    let rows: [Change; 3] = [|_, _| {}, fully_seen, by_secret];
    for change in rows {
        let report = changed(change);
        let found: Vec<_> = report
            .checks
            .iter()
            .filter(|check| !matches!(check.outcome, Outcome::Pass { .. } | Outcome::Skip { .. }))
            .collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn what_follows_is_folded_under_its_cause() {
    type Root = (&'static str, &'static [&'static str]);
    let rows: [(Change, &[Root]); 7] = [
        (|_, f| article(f), &[("K2M-N02", &["K2M-E05"])]),
        (
            |_, f| {
                rights(f, "kafka-cluster:WriteData", Denier::ServiceControlPolicy);
                says(f, Step::Write, "the function may not write", "allow it");
                failing(f);
            },
            &[("K2M-A03", &["K2M-P03", "K2M-E05"])],
        ),
        (
            |_, f| {
                unruly(f, "tls", Step::Write, "TopicAuthorizationFailed");
                failing(f);
            },
            &[("K2M-A07", &["K2M-P03", "K2M-E05"])],
        ),
        (
            |_, f| {
                ends(f, "2026-01-01T00:00:00Z");
                let certificate = report(f).brokers[1].tls.clone();
                says(f, Step::Tls, "the certificate has expired", "renew it");
                report(f).brokers[1].tls = certificate;
                failing(f);
            },
            &[("K2M-A06", &["K2M-P01", "K2M-E05"])],
        ),
        (
            |_, f| {
                free(f, 0, 0);
                get(&mut f.one().function).state = "Failed".into();
            },
            &[("K2M-N05", &["K2M-L02"])],
        ),
        (
            |_, f| {
                attributes(f, false, true);
                lost_names(f);
                failing(f);
            },
            &[("K2M-N06", &["K2M-P01", "K2M-E05"])],
        ),
        (
            |_, f| {
                by_scram(f);
                says(f, Step::Secret, "Secrets Manager can't be reached", "lead there");
                failing(f);
            },
            &[("K2M-N07", &["K2M-P02", "K2M-E05"])],
        ),
    ];
    for (number, (change, wanted)) in rows.into_iter().enumerate() {
        let report = changed(change);
        let causes: Vec<(&str, &[&str])> = report
            .causes
            .iter()
            .map(|cause| (cause.code, cause.explains.as_slice()))
            .collect();
        assert_eq!(causes, wanted, "row {number}\n{report}");
    }
}

/// What a folded check would have said is shown where it has a cause of its own.
#[test]
#[expect(clippy::too_many_lines, reason = "a row for each of them")]
fn what_has_a_cause_of_its_own_is_told_beside_another() {
    fn not_ready(f: &mut Facts, reason: &str) {
        let function = get(&mut f.one().function);
        function.last_update = Some("Failed".into());
        function.last_update_reason = Some(reason.into());
    }
    const KMS: &str = "The function's KMS key is disabled, so its environment variables can't be decrypted.";
    const NO_RIGHT: &str =
        "The provided execution role does not have permissions to call CreateNetworkInterface on EC2";
    let rows: [(Change, &[&str]); 13] = [
        (
            |_, f| {
                secret(f, |secret| secret.deleted = Some("2026-01-01T00:00:00Z".into()));
                get(&mut f.cluster).authentication.scram = false;
                get(&mut f.cluster).authentication.iam = true;
            },
            &["K2M-A05", "K2M-A01"],
        ),
        (
            |_, f| {
                rights(f, "kinesis:GetRecords", Denier::NoPolicy);
                get(&mut f.one().mapping).state = "Disabled".into();
            },
            &["K2M-A04", "K2M-E02"],
        ),
        (
            |_, f| {
                rights(f, "kinesis:GetRecords", Denier::NoPolicy);
                f.destinations.insert(GIVEN.to_owned(), Fact::Absent);
            },
            &["K2M-A04", "K2M-D01"],
        ),
        (
            |_, f| {
                rights(f, "kinesis:GetRecords", Denier::PermissionsBoundary);
                let Some(Fact::Found { value }) = &mut f.one().rights else {
                    panic!("they were asked")
                };
                let in_kafka = value
                    .iter_mut()
                    .find(|right| right.action.starts_with("kafka-cluster:"));
                in_kafka.unwrap().denied_by = Some(Denier::PermissionsBoundary);
            },
            &["K2M-A04", "K2M-A03"],
        ),
        // Without a role nothing else is said of what it may do.
        (|_, f| f.one().rights = Some(Fact::Absent), &["K2M-A04"]),
        (
            |_, f| {
                rights(f, "sns:Publish", Denier::NoPolicy);
                not_ready(f, KMS);
            },
            &["K2M-A04", "K2M-L02"],
        ),
        (
            |_, f| {
                rights(f, "ec2:CreateNetworkInterface", Denier::NoPolicy);
                not_ready(f, NO_RIGHT);
            },
            &["K2M-A04"],
        ),
        (
            |_, f| {
                rights(f, "ec2:CreateNetworkInterface", Denier::NoPolicy);
                not_ready(f, KMS);
            },
            &["K2M-A04", "K2M-L02"],
        ),
        // A full subnet is not why a key can't be used.
        (
            |_, f| {
                free(f, 0, 0);
                not_ready(f, KMS);
            },
            &["K2M-L02"],
        ),
        (
            |s, f| {
                wrong_port(s, f);
                get(&mut f.one().function).subnets.clear();
            },
            &["K2M-A02", "K2M-N02"],
        ),
        (wrong_port, &["K2M-A02"]),
        (
            |s, f| {
                five_seconds(s, f);
                f.one().probe = Some(found(Probe::Failed {
                    kind: "Sandbox.Timedout".into(),
                    message: "Task timed out after 5.00 seconds".into(),
                }));
            },
            &["K2M-L03"],
        ),
        (
            |s, f| {
                five_seconds(s, f);
                says(f, Step::Tcp, "the brokers don't answer", "mend the way");
            },
            &["K2M-L03", "K2M-P01"],
        ),
    ];
    for (number, (change, wanted)) in rows.into_iter().enumerate() {
        let report = changed(change);
        let causes: Vec<&str> = report.causes.iter().map(|cause| cause.code).collect();
        assert_eq!(causes, wanted, "row {number}\n{report}");
    }
}

#[test]
fn what_people_see() {
    let cases: [(&str, Change); 7] = [
        ("the rule of the old article", |_, f| article(f)),
        ("two rights, denied by two", |_, f| {
            rights(f, "kafka-cluster:WriteData", Denier::ServiceControlPolicy);
            let Some(Fact::Found { value }) = &mut f.one().rights else {
                panic!("they were asked")
            };
            value[0].denied_by = Some(Denier::NoPolicy);
            value[1].denied_by = Some(Denier::NoPolicy);
        }),
        ("an ACL is missing", |_, f| {
            unruly(f, "scram", Step::Write, "TopicAuthorizationFailed");
        }),
        ("a subnet is full", |_, f| {
            free(f, 0, 0);
            spare_subnet(f, "eu-west-1a");
            get(&mut f.one().function).state = "Pending".into();
        }),
        ("no way to the secret", |_, f| by_scram(f)),
        ("a topic with one replica, whose every record is refused", |_, f| {
            shape_of(f, 1, Some("2"));
        }),
        ("a record was too large", |_, f| {
            large_records(f);
            in_log(f, "Message size too large");
            failing(f);
        }),
    ];
    let text = cases.map(|(name, change)| {
        let text = changed(change).to_string();
        let (_, told) = text.split_once("\n\n").unwrap_or_default();
        format!("== {name}\n{told}")
    });
    insta::assert_snapshot!(text.join("\n"));
}
