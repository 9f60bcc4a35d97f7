//! Rights in place of passwords: a cluster that takes IAM alone, and a serverless one.

use super::bench::{Bench, Place, SHARED, authority, emulator};
use crate::driver::Account;

#[test]
fn rights() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_over_iam", &["iam"]);
    let ca = authority(&account, &SHARED);
    let place = Place::in_one_region("IAM", "k2m-iam");
    let mut bench = Bench::new(&account, place, &account.ends("iam"), &["--ca-secret", &ca], &[]);
    bench.fault(
        "ingress is for ports 9092 and 9093, as an old article has it",
        &[&["rules_instead", "brokers", "ingress", "9092", "9093"]],
        &["K2M-N02", "K2M-N03"],
    );
    bench.fault(
        "the way is switched off in the cluster",
        &[&["way_switched_off", "iam"]],
        &["K2M-A01"],
    );
    bench.fault(
        "the port is that of another way",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9092"]],
        &["K2M-A02"],
    );
    bench.fault("the topic is deleted", &[&["topic_gone", "iam"]], &["K2M-T01"]);
    for action in ["Connect", "DescribeTopic", "WriteData", "WriteDataIdempotently"] {
        let action = format!("kafka-cluster:{action}");
        bench.fault(
            &format!("the role has no `{action}`"),
            &[&["right_gone", &action]],
            &["K2M-A03"],
        );
    }
    for action in ["kinesis:GetRecords", "ec2:CreateNetworkInterface", "sns:Publish"] {
        bench.fault(
            &format!("the role has no `{action}`"),
            &[&["right_gone", action]],
            &["K2M-A04"],
        );
    }
    bench.fault(
        "a permissions boundary leaves out what is Kafka's",
        &[&["bounded"]],
        &["K2M-A03"],
    );
    bench.fault(
        "the function signs for another region",
        &[&["variable", "K2M_CLUSTER_REGION", "us-east-1"]],
        &["K2M-N08"],
    );
    bench.fault(
        "the role has no `kafka-cluster:WriteData`, and the mapping is disabled",
        &[
            &["right_gone", "kafka-cluster:WriteData"],
            &["mapping_set", r#"{"Enabled": false}"#],
        ],
        &["K2M-E02", "K2M-A03"],
    );
    bench.fault(
        "the role has no `kinesis:GetRecords`, and the mapping is disabled",
        &[
            &["right_gone", "kinesis:GetRecords"],
            &["mapping_set", r#"{"Enabled": false}"#],
        ],
        &["K2M-A04", "K2M-E02"],
    );
    bench.fault(
        "the role has neither `kinesis:GetRecords` nor `kafka-cluster:WriteData`",
        &[
            &["right_gone", "kinesis:GetRecords"],
            &["right_gone", "kafka-cluster:WriteData"],
        ],
        &["K2M-A04", "K2M-A03"],
    );
    bench.fault(
        "the topic is deleted, and auto.create.topics.enable is true: the role may not create it",
        &[
            &["topic_gone", "iam"],
            &["configured_brokers", "auto.create.topics.enable=true"],
        ],
        &["K2M-T01"],
    );
    bench.end();
}

#[test]
fn serverless() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_serverless", &["serverless"]);
    let ca = authority(&account, &SHARED);
    let place = Place::in_one_region("serverless", "k2m-serverless");
    let topic = ["--create-topic", "true", "--topic-replication-factor", "1"];
    let mut bench = Bench::new(
        &account,
        place,
        &account.ends("serverless"),
        &["--ca-secret", &ca],
        &topic,
    );
    bench.fault("the function is in no VPC", &[&["out_of_the_vpc"]], &["K2M-N02"]);
    bench.fault("a time-out of 5 s", &[&["time_out", "5"]], &["K2M-L03"]);
    bench.broken(
        "the topic is deleted, which MSK does not tell",
        &["K2M-T01"],
        || SHARED.delete_topic("serverless").unwrap(),
        || SHARED.create_topic("serverless", 2, 1, &[]).unwrap(),
    );
    bench.fault(
        "the port is that of another way",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9092"]],
        &["K2M-A02"],
    );
    bench.end();
}
