//! What is the user's own: a queue or a topic for what is given up, a dead-letter topic, topics that the data chooses.

use super::bench::{Bench, Place, SHARED, emulator};
use crate::driver::Account;

#[test]
fn destinations_and_dead_letters() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed", &["given"]);
    let queue = account.ask(&["make_queue", "failed"]);
    let queue = queue["arn"].as_str().unwrap();
    let place = Place::in_one_region("same VPC, a queue given", "k2m-given");
    let given = ["--failure-destination", queue, "--on-poison", "divert"];
    let mut bench = Bench::new(&account, place, &account.ends("given"), &given, &[]);
    bench.fault("the queue is deleted", &[&["queue_gone", queue]], &["K2M-D01"]);
    bench.fault("the queue's policy denies", &[&["queue_denies", queue]], &["K2M-D01"]);
    bench.fault(
        "the dead-letter topic is deleted",
        &[&["topic_gone", "given-dead-letter"]],
        &["K2M-T03"],
    );
    bench.fault(
        "the function diverts nothing",
        &[&["variable", "K2M_ON_POISON", "block"]],
        &["K2M-T02"],
    );
    bench.fault(
        "the dead-letter topic takes no more than the topic",
        &[&[
            "topic_set",
            "given-dead-letter",
            "max.message.bytes",
            "1048588",
            "11534336",
        ]],
        &["K2M-T03"],
    );
    bench.fault(
        "the queue is deleted, and the dead-letter topic",
        &[&["queue_gone", queue], &["topic_gone", "given-dead-letter"]],
        &["K2M-T03", "K2M-D01"],
    );
    bench.fault(
        "the queue's policy denies, and the ingress rule is deleted",
        &[&["queue_denies", queue], &["rules_gone", "brokers", "ingress"]],
        &["K2M-N02", "K2M-D01"],
    );
    bench.end();
}

#[test]
fn a_topic_that_nobody_hears() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed", &["heard"]);
    let topic = account.ask(&["make_topic", "failed"]);
    let topic = topic.as_str().unwrap();
    account.ask(&["subscribe_queue", topic, "kept"]);
    let place = Place::in_one_region("same VPC, an SNS topic given", "k2m-heard");
    let given = ["--failure-destination", topic];
    let mut bench = Bench::new(&account, place, &account.ends("heard"), &given, &[]);
    bench.fault(
        "nobody is subscribed to it",
        &[&["nobody_subscribed", topic]],
        &["K2M-D01"],
    );
    bench.last("the stack is deleted", &["stack_gone"], &["K2M-L01"]);
    bench.end_broken();
}
