//! TLS: without a certificate of the function's own and with one, and brokers whose certificates are of no use.

use k2m_testkit::{ClientCertificate, ClientIdentity, KafkaCluster, ServerCertificate};
use serde_json::{Value, json};

use super::bench::{Bench, Place, SHARED, authority, emulator, other_authority};
use crate::driver::Account;
use crate::secrets::put_secret;

fn identity(certificate: &ClientCertificate) -> Value {
    json!({"certificate": certificate.chain, "privateKey": certificate.private_key})
}

#[test]
fn tls_alone() {
    let servers = SHARED.tls_bootstrap_servers().unwrap();
    let tls = [("MINISTACK_MSK_BOOTSTRAP_TLS", servers.as_str())];
    let account = Account::on_emulator(emulator(&SHARED, &tls), "seed_over_tls", &["tls"]);
    let ca = authority(&account, &SHARED);
    let place = Place::in_one_region("TLS", "k2m-tls");
    let mut bench = Bench::new(&account, place, &account.ends("tls"), &["--ca-secret", &ca], &[]);
    bench.fault(
        "the way is switched off in the cluster",
        &[&["way_switched_off", "plaintext"]],
        &["K2M-A01"],
    );
    bench.fault(
        "the port is that of another way",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"]],
        &["K2M-A02"],
    );
    let other = other_authority();
    bench.fault(
        "the brokers' certificate is of an authority that is not trusted",
        &[&["secret_says", &ca, &other]],
        &["K2M-P01"],
    );
    bench.fault(
        "the authority's secret holds no certificate",
        &[&["secret_says", &ca, "{}"]],
        &["K2M-P02"],
    );
    bench.fault(
        "no authority is trusted but those of the machine",
        &[&["variable", "K2M_CA_SECRET_ARN"]],
        &["K2M-P01"],
    );
    bench.fault(
        "the egress rule of the function's group is deleted, and the authority is not trusted",
        &[&["rules_gone", "function", "egress"], &["secret_says", &ca, &other]],
        &["K2M-N02"],
    );
    bench.end();
}

#[test]
fn certificates_of_both() {
    let servers = SHARED.mutual_tls_bootstrap_servers().unwrap();
    let tls = [("MINISTACK_MSK_BOOTSTRAP_TLS", servers.as_str())];
    let account = Account::on_emulator(emulator(&SHARED, &tls), "seed_over_mutual_tls", &["mutual"]);
    let ca = authority(&account, &SHARED);
    let certificate = |whose| identity(&SHARED.client_certificate(whose).unwrap());
    let secret = put_secret(&account, "mutual", &certificate(ClientIdentity::Trusted));
    let place = Place::in_one_region("mutual TLS", "k2m-mutual");
    let given = ["--ca-secret", &ca, "--secret", &secret];
    let mut bench = Bench::new(&account, place, &account.ends("mutual"), &given, &[]);
    for (fault, whose) in [
        ("the function's certificate has expired", ClientIdentity::Expired),
        (
            "an authority that the brokers don't know has signed the function's certificate",
            ClientIdentity::UnknownAuthority,
        ),
    ] {
        let text = certificate(whose).to_string();
        bench.fault(fault, &[&["secret_says", &secret, &text]], &["K2M-P01"]);
    }
    bench.fault(
        "the secret holds a password in place of a certificate",
        &[&[
            "secret_says",
            &secret,
            r#"{"username": "alice", "password": "hunter2-the-first"}"#,
        ]],
        &["K2M-P02"],
    );
    bench.fault("the secret is deleted", &[&["secret_gone", &secret]], &["K2M-A05"]);
    bench.fault(
        "the role may not read the secret",
        &[&["right_gone", "secretsmanager:GetSecretValue"]],
        &["K2M-A04"],
    );
    bench.fault(
        "the secret is deleted, and the topic",
        &[&["secret_gone", &secret], &["topic_gone", "mutual"]],
        &["K2M-A05", "K2M-T01"],
    );
    bench.end();
}

#[test]
fn an_expired_certificate_of_the_brokers() {
    brokers_show(
        ServerCertificate::Expired,
        "TLS, expired",
        "the brokers' certificate has expired",
        &["K2M-A06"],
    );
}

#[test]
fn a_certificate_for_another_host() {
    brokers_show(
        ServerCertificate::WrongHost,
        "TLS, another host",
        "the brokers' certificate is for another host",
        &["K2M-P01"],
    );
}

fn brokers_show(certificate: ServerCertificate, topology: &'static str, fault: &str, expected: &[&'static str]) {
    let kafka = KafkaCluster::builder().tls(true).server_certificate(certificate);
    let kafka = kafka.start().unwrap();
    let servers = kafka.tls_bootstrap_servers().unwrap();
    let tls = [("MINISTACK_MSK_BOOTSTRAP_TLS", servers.as_str())];
    let account = Account::on_emulator(emulator(&kafka, &tls), "seed_over_tls", &["tls"]);
    let ca = authority(&account, &kafka);
    let place = Place::in_one_region(topology, "k2m-tls");
    let bench = Bench::unseen(&account, place, &account.ends("tls"), &["--ca-secret", &ca], &[]);
    bench.at_once(fault, expected);
}
