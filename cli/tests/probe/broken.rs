//! Something is broken: each way of authentication with each thing that can be wrong, and the sentence that says so.

use std::path::PathBuf;
use std::time::Duration;

use k2m_handler::probe::report::{Right, Step};
use k2m_testkit::{ClientIdentity, Denied, KafkaCluster, KafkaVersion, ServerCertificate, wait_until};
use tempfile::TempDir;

use crate::driver::{Ask, PASSWORD, REGION, USER, identity, user};
use crate::healthy::WAYS;
use crate::table::Table;

/// How long a rule may take until the broker goes by it.
const SOON: Duration = Duration::from_secs(30);

fn cluster(version: KafkaVersion, certificate: ServerCertificate) -> KafkaCluster {
    let kafka = KafkaCluster::builder()
        .version(version)
        .tls(true)
        .mutual_tls(true)
        .scram(&[(USER, PASSWORD)])
        .iam(REGION)
        .server_certificate(certificate)
        .authorizer()
        .start()
        .expect("a broker");
    for topic in ["orders", "unseen", "readonly"] {
        kafka.create_topic(topic, 3, 1, &[]).expect("a topic");
    }
    kafka
}

/// The addresses of the broker's listeners, as they are shown in the table.
fn show(table: &mut Table, kafka: &KafkaCluster) {
    for (servers, port) in [
        (Ok(kafka.bootstrap_servers()), 9092),
        (kafka.tls_bootstrap_servers(), 9094),
        (kafka.mutual_tls_bootstrap_servers(), 9095),
        (kafka.scram_bootstrap_servers(), 9096),
        (kafka.iam_bootstrap_servers(), 9098),
    ] {
        table.show(servers.expect("a listener"), &format!("b-1:{port}"));
    }
}

/// The file of an authority that has signed nothing here.
fn other_authority(kafka: &KafkaCluster, folder: &TempDir) -> PathBuf {
    let unknown = kafka.client_certificate(ClientIdentity::UnknownAuthority);
    let chain = unknown.expect("a certificate").chain;
    let (_, authority) = chain
        .trim_end()
        .rsplit_once("-----BEGIN CERTIFICATE-----")
        .expect("the authority comes last");
    let path = folder.path().join("other.pem");
    std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----{authority}\n")).expect("a file");
    path
}

#[test]
fn credentials_and_ports() {
    let kafka = cluster(KafkaVersion::V4, ServerCertificate::Valid);
    let folder = TempDir::new().expect("a folder");
    let other = other_authority(&kafka, &folder);
    let other = other.to_str().expect("UTF-8");
    let mut table = Table::new("credentials and ports");
    show(&mut table, &kafka);
    let listener = |way: &'static str| match way {
        "plaintext" => kafka.bootstrap_servers(),
        "tls" => kafka.tls_bootstrap_servers().expect("a listener"),
        "mutual_tls" => kafka.mutual_tls_bootstrap_servers().expect("a listener"),
        "scram" => kafka.scram_bootstrap_servers().expect("a listener"),
        _ => kafka.iam_bootstrap_servers().expect("a listener"),
    };
    for (way, port) in [
        ("plaintext", "tls"),
        ("plaintext", "scram"),
        ("tls", "plaintext"),
        ("tls", "mutual_tls"),
        ("tls", "scram"),
        ("tls", "iam"),
        ("mutual_tls", "plaintext"),
        ("mutual_tls", "scram"),
        ("scram", "plaintext"),
        ("scram", "tls"),
        ("scram", "iam"),
        ("iam", "plaintext"),
        ("iam", "tls"),
        ("iam", "scram"),
    ] {
        let seen = Ask::well(way, &kafka).at(listener(port)).ask();
        table.row(&format!("`{way}`, the port of `{port}`"), &seen);
    }
    for way in &WAYS[1..] {
        let seen = Ask::well(way, &kafka).with_ca(other).ask();
        assert_eq!(seen.failure().step, Step::Tls);
        let shown = seen.report.brokers[0]
            .tls
            .as_ref()
            .and_then(|tls| tls.certificate.as_ref());
        assert_eq!(
            shown.map(|it| it.subject.as_str()),
            Some("CN=localhost"),
            "also where it isn't trusted"
        );
        table.row(&format!("`{way}`, another authority in `--ca-file`"), &seen);
    }
    for (case, identity_of) in [
        (
            "a certificate of an unknown authority",
            ClientIdentity::UnknownAuthority,
        ),
        ("a certificate that has expired", ClientIdentity::Expired),
    ] {
        let shown = identity(&kafka.client_certificate(identity_of).expect("a certificate"));
        let seen = Ask::well("mutual_tls", &kafka).secret(shown).ask();
        table.row(&format!("`mutual_tls`, {case}"), &seen);
    }
    let seen = Ask::well("scram", &kafka).secret(user("hunter3")).ask();
    table.row("`scram`, a wrong password", &seen);
    let nobody = serde_json::json!({"username": "nobody", "password": PASSWORD});
    table.row(
        "`scram`, an unknown user",
        &Ask::well("scram", &kafka).secret(nobody).ask(),
    );
    let seen = Ask::well("iam", &kafka).without_keys().ask();
    table.row("`iam`, no credentials", &seen);
    let seen = Ask::well("iam", &kafka).region("eu-west-1").ask();
    table.row(
        "`iam`, refused (no right to connect, or a token for another region)",
        &seen,
    );
    let missing = ["--handler-env", "K2M_SECRET_FILE=/no/such/secret.json"];
    let seen = Ask::well("scram", &kafka).with(&missing).ask();
    assert!(
        seen.report.brokers[0].tls.as_ref().is_some_and(|tls| tls.ok),
        "the way is tried all the same"
    );
    table.row("`scram`, a secret that is not there", &seen);
    let seen = Ask::well("mutual_tls", &kafka).with(&missing).ask();
    assert_eq!(seen.failure().step, Step::Secret);
    assert_eq!(seen.report.failures.len(), 1, "nothing else: {:#?}", seen.report);
    table.check();
}

#[test]
fn certificates() {
    let mut table = Table::new("certificates");
    for (certificate, case) in [
        (ServerCertificate::Expired, "the broker's certificate has expired"),
        (
            ServerCertificate::WrongHost,
            "the broker's certificate is another host's",
        ),
    ] {
        let kafka = cluster(KafkaVersion::V4, certificate);
        show(&mut table, &kafka);
        for way in &WAYS[1..] {
            let seen = Ask::well(way, &kafka).ask();
            assert_eq!(seen.failure().step, Step::Tls);
            table.row(&format!("`{way}`, {case}"), &seen);
        }
    }
    table.check();
}

#[test]
fn rights() {
    for version in KafkaVersion::ALL {
        let kafka = cluster(version, ServerCertificate::Valid);
        let mut table = Table::new("rights");
        show(&mut table, &kafka);
        // Before any rule about a topic: whom one allows to write to it, Kafka lets write idempotently.
        kafka.deny(&[Denied::IdempotentWrite]).expect("a rule");
        wait_until("the rule counts", SOON, || {
            Ok(!Ask::well("plaintext", &kafka).ask().report.ok)
        })
        .expect("writing idempotently is denied");
        for way in WAYS {
            let seen = Ask::well(way, &kafka).ask();
            assert_eq!(seen.failure().step, Step::IdempotentWrite);
            table.row(&format!("`{way}`, no right to write idempotently"), &seen);
        }
        let denied = [
            Denied::Describe("unseen"),
            Denied::Write("readonly"),
            Denied::Create("fresh"),
            Denied::DescribeConfigs("orders"),
        ];
        kafka.deny(&denied).expect("rules");
        // The last of them counts last.
        wait_until("the rules count", SOON, || {
            let seen = Ask::well("plaintext", &kafka).ask();
            let configs = &seen.healthy().topics[0].rights.describe_configs;
            Ok(matches!(configs, Right::Denied { .. }))
        })
        .expect("a right that delivery needs not is no failure");
        for way in WAYS {
            let seen = Ask::well(way, &kafka).topic("unseen").ask();
            assert_eq!(seen.failure().step, Step::Topic);
            table.row(&format!("`{way}`, no right to describe the topic"), &seen);
            let seen = Ask::well(way, &kafka).topic("readonly").ask();
            assert_eq!(seen.failure().step, Step::Write);
            assert_eq!(seen.report.failures.len(), 1, "nothing else: {:#?}", seen.report);
            table.row(&format!("`{way}`, no right to write to the topic"), &seen);
        }
        let seen = Ask::well("iam", &kafka).topic("missing").ask();
        table.row("the topic is not there", &seen);
        let asked = Ask::well("iam", &kafka).topic("fresh").with(&["--create-topic", "3:1"]);
        table.row("no right to create the topic", &asked.ask());
        let asked = Ask::well("iam", &kafka).topic("wide").with(&["--create-topic", "3:3"]);
        table.row("three replicas on one broker", &asked.ask());
        table.check();
    }
}
