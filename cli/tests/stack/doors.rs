//! Other doors of a cluster than its brokers' own: multi-VPC private connectivity, for a VPC that has the very addresses of theirs; the internet; brokers that are
//! Express; and a serverless cluster, whose brokers nobody sees.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use k2m_testkit::KafkaCluster;
use serde_json::{Value, json};

use crate::driver::Account;
use crate::networks::{changed_in_place, unchanged};
use crate::secrets::put_secret;
use crate::story::remains;

const USER: &str = "alice";
const PASSWORD: &str = "hunter2-the-only";

/// What stands for the network interfaces of a VPC connection: one of its ports, which leads to a broker.
pub(crate) struct Door {
    pub(crate) port: u16,
    closed: Arc<AtomicBool>,
}

impl Door {
    pub(crate) fn to(broker: SocketAddr) -> Self {
        let mut ports = 14001..=14100;
        let listener = ports.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
        let listener = listener.expect("a free port of private connectivity");
        let port = listener.local_addr().unwrap().port();
        let closed = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&closed);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = TcpStream::connect(broker) else { continue };
                pass(&near, &far);
                pass(&far, &near);
            }
        });
        Self { port, closed }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees it.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Passes on what comes, until there is no more.
fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[test]
fn overlapping_addresses_are_no_obstacle() {
    let kafka = KafkaCluster::builder().scram(&[(USER, PASSWORD)]).start().unwrap();
    let servers = kafka.scram_bootstrap_servers().unwrap();
    let (host, port) = servers.rsplit_once(':').unwrap();
    let door = Door::to(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap())));
    let private = format!("{host}:{}", door.port);
    let (account, ca) = with_user(kafka, |kafka| Account::apart(kafka, &private, &["orders", "clicks"]));
    let before = account.ask(&["networks"]);
    let vpc = account.vpc.clone().unwrap();
    let there = ["--vpc", vpc.as_str(), "--ca-secret", ca.as_str()];

    // It costs, so it is asked for; nobody is there to ask.
    let unasked = account.json(&account.on("deploy", "orders", &there), 2);
    assert!(unasked["error"].as_str().unwrap().contains("--yes"), "{unasked:#}");
    let deploy = [&["--yes"][..], &there].concat();
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    let facts = account.json(&account.on("inspect", "orders", &there), 0);
    let connections = &facts["cluster"]["value"]["vpcConnections"]["value"];
    assert_eq!(connections[0]["vpc"], json!(vpc), "{connections:#}");
    assert_eq!(connections[0]["subnets"].as_array().unwrap().len(), 3);
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    unchanged(&account, "orders", &there);
    // The function is where it is, and comes in as it does, named or not.
    unchanged(&account, "orders", &["--ca-secret", &ca]);
    let doctor = account.run(&account.on("doctor", "orders", &["--ca-secret", &ca]), 0);
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("the VPC connection in subnet-"), "{doctor}");
    changed_in_place(&account, "orders", &deploy, 1);

    // A second stack shares the connection, and survives the first one's end.
    let second = account.json(&account.on("deploy", "clicks", &deploy), 0);
    assert_eq!(second["networkStacks"][0]["status"], "updated", "{second:#}");
    let shared = account.json(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(shared["networkStacks"][0]["status"], "updated", "{shared:#}");
    account.ask(&["put", "clicks", "0", "100"]);
    account.arrived("clicks", 100);
    unchanged(&account, "clicks", &there);
    account.run(&account.on("destroy", "clicks", &["--yes"]), 0);
    assert_eq!(remains(&account), Value::Object(serde_json::Map::new()));
    assert_eq!(account.ask(&["networks"]), before);
}

/// A cluster that takes one user with a password, and what the function shows and trusts.
fn with_user(kafka: KafkaCluster, start: impl FnOnce(KafkaCluster) -> Account) -> (Account, String) {
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    let account = start(kafka);
    let ca = put_secret(&account, "ca", &json!({"certificate": authority}));
    let user = json!({"username": USER, "password": PASSWORD});
    let secret = put_secret(&account, "AmazonMSK_orders", &user);
    account.ask(&["associate", &account.cluster, &secret]);
    (account, ca)
}

#[test]
fn over_the_internet_and_back() {
    let kafka = KafkaCluster::builder().scram(&[(USER, PASSWORD)]).start().unwrap();
    let (account, ca) = with_user(kafka, |kafka| Account::public(kafka, &["orders"]));
    let before = account.ask(&["networks"]);
    let public = ["--public-access", "true", "--ca-secret", ca.as_str()];
    let deploy = [&["--yes"][..], &public].concat();
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    unchanged(&account, "orders", &public);
    account.run(&account.on("doctor", "orders", &public), 0);
    changed_in_place(&account, "orders", &deploy, 1);
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), Value::Object(serde_json::Map::new()));
    assert_eq!(account.ask(&["networks"]), before);
}

#[test]
fn express_brokers_and_back() {
    let account = Account::express(&["orders"]);
    let before = account.ask(&["networks"]);
    let deployed = account.json(&account.on("deploy", "orders", &["--yes"]), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    unchanged(&account, "orders", &[]);
    changed_in_place(&account, "orders", &["--yes"], 0);
    // Other numbers of replicas Express brokers don't take.
    let refused = account.json(&account.on("plan", "orders", &["--topic-replication-factor", "2"]), 1);
    assert!(refused["error"].as_str().unwrap().contains("replica"), "{refused:#}");
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), Value::Object(serde_json::Map::new()));
    assert_eq!(account.ask(&["networks"]), before);
}

#[test]
fn a_serverless_cluster_and_back() {
    let kafka = KafkaCluster::builder().iam("eu-west-1").start().unwrap();
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    let account = Account::serverless(kafka, &["orders"]);
    let ca = put_secret(&account, "ca", &json!({"certificate": authority}));
    let before = account.ask(&["networks"]);
    let facts = account.json(&account.on("inspect", "orders", &[]), 0);
    assert_eq!(
        facts["cluster"]["value"]["kind"], "SERVERLESS",
        "{:#}",
        facts["cluster"]
    );
    // MSK makes no topic there, so the function does; a single broker has no room for more replicas.
    let topic = ["--create-topic", "true", "--topic-replication-factor", "1"];
    let there = [&["--ca-secret", ca.as_str()], &topic[..]].concat();
    let deploy = [&["--yes"][..], &there].concat();
    let deployed = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    account.ask(&["put", "orders", "0", "500"]);
    account.arrived("orders", 500);
    unchanged(&account, "orders", &there);
    account.run(&account.on("doctor", "orders", &there), 0);
    let again = account.json(&account.on("deploy", "orders", &deploy), 0);
    assert_eq!(again["status"], "unchanged", "{again:#}");
    let changed = account.json(
        &account.on("deploy", "orders", &[&deploy[..], &["--timeout", "90"]].concat()),
        0,
    );
    assert_eq!(changed["status"], "updated", "{changed:#}");
    account.run(&account.on("destroy", "orders", &["--yes"]), 0);
    assert_eq!(remains(&account), Value::Object(serde_json::Map::new()));
    assert_eq!(account.ask(&["networks"]), before);
}
