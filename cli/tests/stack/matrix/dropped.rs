//! Packets that nobody answers: a network of the test's own, in which they are dropped on the way to the brokers.

use std::process::{Command, Stdio};

use k2m_testkit::KafkaCluster;

use super::bench::{Bench, Place, USERS, emulator};
use super::scram::secrets;
use crate::driver::Account;

const INSIDE: &str = "matrix::dropped::inside_a_network_of_its_own";

/// Brings up the loopback interface of a network that has nothing else, and becomes what is asked for.
const ENTER: &str = r#"ip link set lo up && exec "$@""#;

#[test]
fn packets_that_nobody_answers() {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    // With a namespace of processes, too: what the test starts goes with it.
    command.args([
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        ENTER,
        "sh",
    ]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", INSIDE, "--ignored", "--nocapture"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
}

#[test]
#[ignore = "runs in a network of its own, which the test above makes"]
fn inside_a_network_of_its_own() {
    let kafka = KafkaCluster::builder().scram(&USERS[..1]).start().unwrap();
    let account = Account::on_emulator(emulator(&kafka, &[]), "seed_over_scram", &["dropped"]);
    let (ca, _) = secrets(&account, &kafka, "dropped", USERS[0]);
    let place = Place::in_one_region("SCRAM, packets dropped", "k2m-dropped");
    let mut bench = Bench::new(&account, place, &account.ends("dropped"), &["--ca-secret", &ca], &[]);
    let servers = kafka.scram_bootstrap_servers().unwrap();
    let (_, port) = servers.rsplit_once(':').unwrap();
    let wall = |rules: &str| {
        let done = Command::new("nft").arg(rules).status().unwrap();
        assert!(done.success(), "nft {rules}");
    };
    let drops =
        format!("table inet wall {{ chain in {{ type filter hook input priority 0; tcp dport {port} drop; }}; }}");
    bench.broken(
        "something on the way drops the packets to the brokers, and AWS knows of nothing",
        &["K2M-P01"],
        || wall(&format!("add {drops}")),
        || wall("delete table inet wall"),
    );
    bench.end();
}
