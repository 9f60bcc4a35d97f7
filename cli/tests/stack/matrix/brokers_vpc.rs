//! The function beside the brokers, over plaintext; all that Kafka itself refuses is refused by a broker of this account's own.

use k2m_testkit::{Denied, KafkaCluster};

use super::bench::{Bench, Place, emulator};
use crate::driver::Account;

#[test]
fn the_brokers_vpc() {
    let kafka = KafkaCluster::builder().authorizer().start().unwrap();
    let account = Account::on_emulator(emulator(&kafka, &[]), "seed", &["orders"]);
    let place = Place::in_one_region("same VPC", "k2m-orders");
    let mut bench = Bench::new(&account, place, &account.ends("orders"), &[], &["--retries", "8"]);
    bench.hand(&["deliver", "orders"]);
    network(&mut bench);
    function(&mut bench);
    source(&mut bench);
    topic(&mut bench, &kafka);
    brokers(&mut bench, &kafka);
    destination(&mut bench);
    pairs(&mut bench);
    bench.last("the event source mapping is deleted", &["mapping_gone"], &["K2M-E02"]);
    bench.end_broken();
}

/// Filters that no record of these tests matches, and what CloudWatch counts then.
const NONE: &str = r#"{"FilterCriteria": {"Filters": [{"Pattern": "{\"data\": {\"kind\": [\"none\"]}}"}]}}"#;
const READ: [&str; 6] = counted("PolledEventCount");
const LEFT_OUT: [&str; 6] = counted("FilteredOutEventCount");

const fn counted(metric: &str) -> [&str; 6] {
    [
        "measured",
        "AWS/Lambda",
        metric,
        "EventSourceMappingUUID=MAPPING",
        "300",
        "300",
    ]
}

const KILLED: [&str; 2] = [
    "logged",
    "RequestId: 0 Error: Runtime exited with error: signal: killed",
];

fn network(bench: &mut Bench<'_>) {
    bench.fault(
        "the egress rule of the function's group is deleted",
        &[&["rules_gone", "function", "egress"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the ingress rule of the brokers' group is deleted",
        &[&["rules_gone", "brokers", "ingress"]],
        &["K2M-N02"],
    );
    bench.fault(
        "ingress is for ports 9096 to 9098 alone",
        &[&["rules_instead", "brokers", "ingress", "9096", "9098"]],
        &["K2M-N02"],
    );
    bench.fault(
        "ingress is from another client's group",
        &[&["let_in_from_another_group"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the function has another security group",
        &[&["in_another_group"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the network ACL denies what goes out to the brokers",
        &[&["acl_denies", "function", "out", "9092", "9092"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the network ACL denies what comes in to the brokers",
        &[&["acl_denies", "brokers", "in", "9092", "9092"]],
        &["K2M-N02"],
    );
    bench.fault(
        "the network ACL denies the answers in (1024 to 65535, less 9092)",
        &[&["acl_denies", "function", "in", "10000", "65535"]],
        &["K2M-N02"],
    );
    bench.fault("the function is in no VPC", &[&["out_of_the_vpc"]], &["K2M-N02"]);
}

fn function(bench: &mut Bench<'_>) {
    bench.fault("a time-out of 5 s", &[&["time_out", "5"]], &["K2M-L03"]);
    bench.fault("a time-out of 20 s", &[&["time_out", "20"]], &["K2M-L03"]);
    bench.fault("memory of 128 MB", &[&["memory", "128"]], &["K2M-L04"]);
    bench.fault("the function is deleted", &[&["function_gone"]], &["K2M-L02"]);
    bench.fault(
        "K2M_AUTHENTICATION is iam",
        &[&["variable", "K2M_AUTHENTICATION", "iam"]],
        &["K2M-A01"],
    );
    bench.fault(
        "K2M_AUTHENTICATION is a word that nobody knows",
        &[&["variable", "K2M_AUTHENTICATION", "kerberos"]],
        &["K2M-A01"],
    );
    bench.fault(
        "K2M_BOOTSTRAP_SERVERS is not set",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS"]],
        &["K2M-A02"],
    );
    bench.fault(
        "K2M_BOOTSTRAP_SERVERS names brokers of another cluster",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "b-1.elsewhere.example:9092"]],
        &["K2M-A02"],
    );
    bench.fault(
        "K2M_BOOTSTRAP_SERVERS has the port of another way",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"]],
        &["K2M-A02"],
    );
    bench.fault("K2M_TOPIC is not set", &[&["variable", "K2M_TOPIC"]], &["K2M-T02"]);
    bench.fault(
        "K2M_TOPIC names another topic",
        &[&["variable", "K2M_TOPIC", "k2m-testkit-other"]],
        &["K2M-T02"],
    );
    bench.fault("its reserved concurrency is 0", &[&["reserved", "0"]], &["K2M-L07"]);
    bench.fault(
        "it is for another processor than its binary",
        &[&["for_another_processor"]],
        &["K2M-L08"],
    );
    bench.fault("it is in one zone", &[&["in_one_zone"]], &["K2M-N05"]);
    bench.fault(
        "one of its subnets has no free address",
        &[&["no_address_is_free"]],
        &["K2M-N05"],
    );
    bench.fault(
        "it has more memory than was deployed, which does no harm",
        &[&["memory", "2048"]],
        &["K2M-L05"],
    );
    bench.fault("its log says that it was killed", &[&KILLED], &["K2M-L09"]);
    let figure = |metric, value| ["measured", "AWS/Lambda", metric, "FunctionName=FUNCTION", value, value];
    bench.fault("Lambda throttles it", &[&figure("Throttles", "500")], &["K2M-L07"]);
    bench.fault(
        "invocations take nearly all of its time",
        &[&figure("Duration", "59500"), &figure("Invocations", "10")],
        &["K2M-L06"],
    );
    bench.fault(
        "one of ten invocations ends with an error, and its log says that it was killed",
        &[&figure("Errors", "1"), &figure("Invocations", "10"), &KILLED],
        &["K2M-L11", "K2M-L09"],
    );
}

fn source(bench: &mut Bench<'_>) {
    let set = |changes| ["mapping_set", changes];
    bench.fault(
        "the mapping is disabled",
        &[&set(r#"{"Enabled": false}"#)],
        &["K2M-E02"],
    );
    bench.fault(
        "partial failures are off",
        &[&set(r#"{"FunctionResponseTypes": []}"#)],
        &["K2M-E03"],
    );
    bench.fault("a batch size of 1", &[&set(r#"{"BatchSize": 1}"#)], &["K2M-E04"]);
    bench.fault(
        "the filters match no record",
        &[&set(NONE), &READ, &LEFT_OUT],
        &["K2M-E08"],
    );
    bench.fault(
        "retries without end, and of any age",
        &[&set(r#"{"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1}"#)],
        &["K2M-E07"],
    );
    bench.fault("one retry", &[&set(r#"{"MaximumRetryAttempts": 1}"#)], &["K2M-E07"]);
    bench.fault(
        "a whole batch is given up for one record",
        &[&set(r#"{"BisectBatchOnFunctionError": false}"#)],
        &["K2M-E07"],
    );
    let ages = ["3600000", "10800000", "18000000", "25200000", "32400000", "39600000"];
    let age = [
        &["measured", "AWS/Lambda", "IteratorAge", "FunctionName=FUNCTION"],
        &ages[..],
    ]
    .concat();
    bench.fault("the iterator age grows", &[&age], &["K2M-E06"]);
    bench.fault(
        "reads of the stream are throttled",
        &[&[
            "measured",
            "AWS/Kinesis",
            "ReadProvisionedThroughputExceeded",
            "StreamName=orders",
            "400",
            "500",
        ]],
        &["K2M-E09"],
    );
    bench.fault("the stream is deleted", &[&["stream_gone", "orders"]], &["K2M-E01"]);
    bench.fault(
        "the stream is encrypted with a key that the role may not use",
        &[&["stream_encrypted", "orders"]],
        &["K2M-A04"],
    );
}

fn topic(bench: &mut Bench<'_>, kafka: &KafkaCluster) {
    bench.fault("the topic is deleted", &[&["topic_gone", "orders"]], &["K2M-T01"]);
    bench.fault(
        "the topic is deleted, and records wait for it",
        &[&["topic_gone", "orders"], &["undeliverable", "orders"]],
        &["K2M-T01"],
    );
    bench.fault(
        "the topic is deleted; the brokers' own auto.create.topics.enable is true",
        &[
            &["topic_gone", "orders"],
            &["configured_brokers", "auto.create.topics.enable=true"],
        ],
        &["K2M-T01", "K2M-T04"],
    );
    bench.fault(
        "min.insync.replicas is higher than the topic's replicas",
        &[&["topic_set", "orders", "min.insync.replicas", "4", "1"]],
        &["K2M-T05"],
    );
    bench.fault(
        "max.message.bytes is under the stream's largest record",
        &[&["topic_set", "orders", "max.message.bytes", "100000", "1048588"]],
        &["K2M-T06"],
    );
    for (right, denied) in [
        ("describe the topic", Denied::Describe("orders")),
        ("write to the topic", Denied::Write("orders")),
        ("write idempotently", Denied::IdempotentWrite),
    ] {
        bench.broken(
            &format!("an ACL of Kafka's denies it to {right}"),
            &["K2M-A07"],
            || kafka.deny(&[denied]).unwrap(),
            || kafka.allow_all().unwrap(),
        );
    }
}

fn brokers(bench: &mut Bench<'_>, kafka: &KafkaCluster) {
    bench.broken(
        "the broker hangs",
        &["K2M-P01"],
        || kafka.pause(1).unwrap(),
        || kafka.resume(1).unwrap(),
    );
    bench.broken(
        "the broker is down",
        &["K2M-P01"],
        || kafka.stop(1).unwrap(),
        || kafka.start_broker(1).unwrap(),
    );
}

fn destination(bench: &mut Bench<'_>) {
    bench.fault(
        "the mapping has no failure destination",
        &[&["mapping_set", r#"{"DestinationConfig": {"OnFailure": {}}}"#]],
        &["K2M-D01"],
    );
    bench.fault("the stack's own queue is deleted", &[&["own_queue_gone"]], &["K2M-D01"]);
    bench.fault(
        "the stack's own SNS topic is deleted",
        &[&["own_topic_gone"]],
        &["K2M-D01"],
    );
    bench.fault(
        "its subscription is deleted",
        &[&["own_subscription_gone"]],
        &["K2M-D01"],
    );
    bench.fault(
        "a record was given up for its size, and waits in the queue",
        &[&["given_up", "orders"], &["delivered", "orders"]],
        &["K2M-T06", "K2M-D02"],
    );
    bench.fault(
        "the same, and the batch after it is yet to come",
        &[&["given_up", "orders"]],
        &["K2M-T06", "K2M-D02"],
    );
}

fn pairs(bench: &mut Bench<'_>) {
    bench.fault(
        "the ingress rule is deleted, and the topic",
        &[&["rules_gone", "brokers", "ingress"], &["topic_gone", "orders"]],
        &["K2M-N02", "K2M-T01"],
    );
    bench.fault(
        "the ingress rule is deleted, and K2M_TIMEOUT_MS is no number",
        &[
            &["rules_gone", "brokers", "ingress"],
            &["variable", "K2M_TIMEOUT_MS", "abc"],
        ],
        &["K2M-N02", "K2M-P01"],
    );
    bench.fault(
        "the ingress rule is deleted, and K2M_TOPIC is no topic's name",
        &[
            &["rules_gone", "brokers", "ingress"],
            &["variable", "K2M_TOPIC", "no name"],
        ],
        &["K2M-N02", "K2M-T02"],
    );
    let said = bench.fault(
        "the ingress rule was made again by hand, and the egress rule is deleted",
        &[
            &["rules_again", "brokers", "ingress"],
            &["rules_gone", "function", "egress"],
        ],
        &["K2M-N02"],
    );
    let mut checks = said["checks"].as_array().unwrap().iter();
    let way = checks.find(|check| check["code"] == "K2M-N02").unwrap().to_string();
    assert!(!way.contains("Ingress") && !way.contains("k2m doctor"), "{way}");
    bench.fault(
        "the function has another security group, and the ingress rule is deleted",
        &[&["rules_gone", "brokers", "ingress"], &["in_another_group"]],
        &["K2M-N02"],
    );
    bench.fault(
        "a time-out of 5 s, and the topic is deleted",
        &[&["time_out", "5"], &["topic_gone", "orders"]],
        &["K2M-T01", "K2M-L03"],
    );
    bench.fault(
        "the mapping is disabled, and the egress rule is deleted",
        &[
            &["mapping_set", r#"{"Enabled": false}"#],
            &["rules_gone", "function", "egress"],
        ],
        &["K2M-E02", "K2M-N02"],
    );
    bench.fault(
        "partial failures are off, and the servers are another cluster's",
        &[
            &["mapping_set", r#"{"FunctionResponseTypes": []}"#],
            &["variable", "K2M_BOOTSTRAP_SERVERS", "b-1.elsewhere.example:9092"],
        ],
        &["K2M-E03", "K2M-A02"],
    );
    bench.fault(
        "the stream is deleted, and the function has a time-out of 5 s",
        &[&["stream_gone", "orders"], &["time_out", "5"]],
        &["K2M-E01", "K2M-L03"],
    );
    bench.fault(
        "the function is in no VPC, and the topic is deleted",
        &[&["out_of_the_vpc"], &["topic_gone", "orders"]],
        &["K2M-N02", "K2M-T01"],
    );
    bench.fault(
        "the iterator age grows, and the egress rule is deleted",
        &[
            &[
                "measured",
                "AWS/Lambda",
                "IteratorAge",
                "FunctionName=FUNCTION",
                "3600000",
                "10800000",
                "39600000",
            ],
            &["rules_gone", "function", "egress"],
        ],
        &["K2M-N02"],
    );
    bench.fault(
        "the filters match no record, and the topic is deleted",
        &[&["mapping_set", NONE], &READ, &LEFT_OUT, &["topic_gone", "orders"]],
        &["K2M-E08", "K2M-T01"],
    );
    bench.fault(
        "the mapping is disabled, and the topic is deleted",
        &[&["mapping_set", r#"{"Enabled": false}"#], &["topic_gone", "orders"]],
        &["K2M-E02", "K2M-T01"],
    );
}
