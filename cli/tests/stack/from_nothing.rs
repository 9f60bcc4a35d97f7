//! From an account with a stream, a cluster and a VPC to records in Kafka, with nothing but `k2m init` and `k2m deploy` in an empty folder; a change; and back.

use std::fs;

use k2m_testkit::ReadbackRequest;
use serde_json::{Value, json};

use crate::driver::{Account, seen};
use crate::story::remains;

/// What a log may have of each command.
const LINES: usize = 60;
/// The same of what is shown before anything is written: the picture, each decision and why, and the proof.
const SHOWN: usize = 90;

/// Runs the command in the user's folder, which must end well, and say no more than a log should have of it.
fn briefly(account: &Account, arguments: &[&str], most: usize) -> String {
    let output = account.run(arguments, 0);
    let log = seen(&output);
    let ends = output.stdout.iter().chain(&output.stderr);
    let lines = ends.filter(|byte| **byte == b'\n').count();
    assert!(lines < most, "{arguments:?}: {lines} lines:\n{log}");
    log
}

/// Names of the files in the user's folder.
fn files(account: &Account) -> Vec<String> {
    let folder = account.file("k2m.yaml");
    let entries = fs::read_dir(folder.parent().unwrap()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Each of the first records is in the topic, in order by its key, and none is there twice.
fn counted(account: &Account, records: u64) {
    let wanted: Vec<u64> = (0..records).collect();
    let numbers = account.arrived("orders", wanted.len());
    assert_eq!(numbers, wanted);
    let servers = account.kafka.as_ref().unwrap().bootstrap_servers();
    let all = ReadbackRequest::new(servers, "orders").read().unwrap();
    assert_eq!((all.messages, all.duplicates), (records, 0), "{all:?}");
}

/// The memory of the stack's function, and the id and the batch size of its mapping.
pub(crate) fn as_it_is(account: &Account) -> (Value, Value, Value) {
    let of = |operation: &str, list: &str| {
        let all = account.call("lambda", operation, &json!({}));
        assert_eq!(all[list].as_array().unwrap().len(), 1, "{all:#}");
        all[list][0].clone()
    };
    let function = of("list_functions", "Functions");
    let mapping = of("list_event_source_mappings", "EventSourceMappings");
    (
        function["MemorySize"].clone(),
        mapping["UUID"].clone(),
        mapping["BatchSize"].clone(),
    )
}

#[test]
fn two_commands_lead_from_nothing_to_records_in_kafka() {
    let account = Account::new(&["orders"]);
    let group = account.ask(&["rules", &account.group]);
    assert_eq!(files(&account), [] as [&str; 0]);
    assert_eq!(remains(&account), json!({}));
    // Nobody waits with records until somebody reads them.
    account.ask(&["put", "orders", "0", "2000"]);

    briefly(&account, &["init", "--yes"], SHOWN);
    assert_eq!(files(&account), ["k2m.yaml"]);
    assert_eq!(remains(&account), json!({}), "it only looks");
    let log = briefly(&account, &["deploy", "--yes"], LINES);
    assert!(log.contains("event source mapping"), "{log}");
    counted(&account, 2000);
    account.ask(&["put", "orders", "2000", "3000"]);
    counted(&account, 5000);
    let (memory, mapping, batch_size) = as_it_is(&account);
    assert_eq!((memory, batch_size), (json!(256), json!(1000)));

    // A change is one more line in the file, and one command.
    let path = account.file("k2m.yaml");
    let written = fs::read_to_string(&path).unwrap();
    let changed = format!("{written}memory: 512\nbatch_size: 500\n");
    fs::write(&path, &changed).unwrap();
    let log = briefly(&account, &["deploy", "--yes"], LINES);
    for said in ["MemorySize", "BatchSize"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(as_it_is(&account), (json!(512), mapping, json!(500)));
    // What was read is not read again, and what comes goes on.
    account.ask(&["put", "orders", "5000", "2500"]);
    counted(&account, 7500);
    let log = briefly(&account, &["deploy", "--yes"], LINES);
    assert!(log.contains("has no changes"), "{log}");

    briefly(&account, &["destroy", "--yes"], LINES);
    assert_eq!(remains(&account), json!({}));
    assert_eq!(account.ask(&["rules", &account.group]), group);
    // The user's own is as it was: the file, the stream, the cluster, and the topic with its records.
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    let facts = account.json(&["inspect"], 0);
    let stream = &facts["pipelines"][account.stream("orders")]["stream"];
    let states = [&stream["value"]["status"], &facts["cluster"]["value"]["state"]];
    assert_eq!(states, ["ACTIVE", "ACTIVE"], "{facts:#}");
    assert_eq!(facts["topics"]["orders"]["status"], "found", "{:#}", facts["topics"]);
    counted(&account, 7500);
}
