//! Users with passwords, over TLS: what the brokers refuse they really refuse.

use k2m_testkit::KafkaCluster;
use serde_json::json;

use super::bench::{Bench, Place, SHARED, USERS, emulator, other_authority, user};
use crate::driver::Account;
use crate::secrets::put_secret;

#[test]
fn users_with_passwords() {
    let account = Account::on_emulator(emulator(&SHARED, &[]), "seed_over_scram", &["scram"]);
    let (ca, secret) = with_user(&account, "scram", USERS[0]);
    let place = Place::in_one_region("SCRAM", "k2m-scram");
    let mut bench = Bench::new(&account, place, &account.ends("scram"), &["--ca-secret", &ca], &[]);
    bench.fault(
        "ingress is for ports 9092 and 9093, as an old article has it",
        &[&["rules_instead", "brokers", "ingress", "9092", "9093"]],
        &["K2M-N02", "K2M-N03"],
    );
    bench.fault(
        "the port is that of another way",
        &[&["variable", "K2M_BOOTSTRAP_SERVERS", "127.0.0.1:9098"]],
        &["K2M-A02"],
    );
    bench.fault(
        "the way is switched off in the cluster",
        &[&["way_switched_off", "scram"]],
        &["K2M-A01"],
    );
    bench.fault(
        "the secret is no longer associated with the cluster",
        &[&["secret_disassociated", &secret]],
        &["K2M-A05"],
    );
    let wrong = user((USERS[0].0, "hunter2-mistyped")).to_string();
    bench.fault(
        "the password is another",
        &[&["secret_says", &secret, &wrong]],
        &["K2M-P02"],
    );
    let nobody = user(("nobody", USERS[0].1)).to_string();
    bench.fault(
        "the user is unknown",
        &[&["secret_says", &secret, &nobody]],
        &["K2M-P02"],
    );
    bench.fault(
        "the secret is no JSON",
        &[&["secret_says", &secret, "alice"]],
        &["K2M-P02"],
    );
    bench.fault("the secret is deleted", &[&["secret_gone", &secret]], &["K2M-A05"]);
    bench.unasked(
        "the endpoint of Secrets Manager is deleted (the function is not asked)",
        &[&["endpoint_gone"]],
        &["K2M-N07"],
    );
    bench.unasked(
        "the endpoint of Secrets Manager lets nobody in (the function is not asked)",
        &[&["endpoint_shut"]],
        &["K2M-N07"],
    );
    bench.fault(
        "the role may not read the secret",
        &[&["right_gone", "secretsmanager:GetSecretValue"]],
        &["K2M-A04"],
    );
    let other = other_authority();
    bench.fault(
        "the brokers' certificate is of an authority that is not trusted",
        &[&["secret_says", &ca, &other]],
        &["K2M-P01"],
    );
    bench.fault(
        "the authority's secret is deleted",
        &[&["secret_gone", &ca]],
        &["K2M-P02"],
    );
    bench.fault(
        "the password is another, and the topic is deleted",
        &[&["secret_says", &secret, &wrong], &["topic_gone", "scram"]],
        &["K2M-T01", "K2M-P02"],
    );
    bench.fault(
        "the secret is deleted, and the way is switched off in the cluster",
        &[&["secret_gone", &secret], &["way_switched_off", "scram"]],
        &["K2M-A05", "K2M-A01"],
    );
    bench.fault(
        "the secret is not associated, and the ingress rule is deleted",
        &[
            &["secret_disassociated", &secret],
            &["rules_gone", "brokers", "ingress"],
        ],
        &["K2M-A05", "K2M-N02"],
    );
    bench.end();
}

/// The authority's secret, and the user's, which the cluster takes.
pub(super) fn with_user(account: &Account, name: &str, who: (&str, &str)) -> (String, String) {
    secrets(account, &SHARED, name, who)
}

/// The same of another Kafka.
pub(super) fn secrets(account: &Account, kafka: &KafkaCluster, name: &str, who: (&str, &str)) -> (String, String) {
    let authority = std::fs::read_to_string(kafka.ca_file().unwrap()).unwrap();
    let ca = put_secret(account, &format!("{name}-ca"), &json!({"certificate": authority}));
    let secret = put_secret(account, &format!("AmazonMSK_{name}"), &user(who));
    account.ask(&["associate", &account.cluster, &secret]);
    (ca, secret)
}
