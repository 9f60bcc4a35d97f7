//! Every way of authentication that needs more than the function's role, through the real `bootstrap` against real brokers: records arrive, a
//! secret that changes costs no batch, what is refused says why, and nothing secret is ever logged.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use k2m_testkit::{
    AwsEmulator, ClientCertificate, ClientIdentity, KafkaCluster, ServerCertificate, readback, wait_until,
};
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::driver::{Run, bootstrap, lines};
use crate::one::{BATCH, One, Variables, answer};

const TIME_OUT: Duration = Duration::from_secs(20);
const FIRST: &str = "hunter2-the-first";
const SECOND: &str = "hunter3-the-second";
/// What opens a private key that is encrypted.
const OPENER: &str = "hunter4-the-opener";

/// Puts a secret into Secrets Manager, or changes it, and answers its ARN.
const PUT_SECRET: &str = r"
import json, sys
import boto3
name, text = sys.argv[1:]
client = boto3.client('secretsmanager')
try:
    arn = client.create_secret(Name=name, SecretString=text)['ARN']
except client.exceptions.ResourceExistsException:
    arn = client.put_secret_value(SecretId=name, SecretString=text)['ARN']
print(json.dumps(arn))
";

fn put_secret(aws: &AwsEmulator, name: &str, text: &str) -> String {
    let arn = aws.python(PUT_SECRET, &[name, text]).expect("the secret is kept");
    arn.as_str().expect("an ARN").to_owned()
}

/// What the function needs to ask the emulator.
fn of_emulator(aws: &AwsEmulator) -> Variables {
    let wanted = [
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
    ];
    let all = aws.environment().into_iter();
    all.filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| (name, value.into_string().expect("UTF-8")))
        .collect()
}

fn user(password: &str) -> Value {
    json!({"username": "alice", "password": password})
}

fn identity(certificate: &ClientCertificate) -> Value {
    json!({"certificate": certificate.chain, "privateKey": certificate.private_key})
}

/// A folder with a secret in it.
struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn with(secret: &Value) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = Self {
            path: folder.path().join("secret.json"),
            _folder: folder,
        };
        file.put(secret);
        file
    }

    fn put(&self, secret: &Value) {
        std::fs::write(&self.path, secret.to_string()).expect("it can be written");
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn ca(kafka: &KafkaCluster) -> String {
    kafka.ca_file().expect("an authority").display().to_string()
}

fn variables(servers: String, way: &str, more: Vec<(&'static str, String)>) -> Variables {
    let mut all = vec![
        ("K2M_BOOTSTRAP_SERVERS", servers),
        ("K2M_AUTHENTICATION", way.to_owned()),
        ("K2M_LOG", "debug".to_owned()),
    ];
    all.extend(more);
    all
}

fn scram() -> KafkaCluster {
    let kafka = KafkaCluster::builder()
        .scram(&[("alice", FIRST)])
        .start()
        .expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    kafka
}

/// Waits until the function has said this: what it says arrives a little after its answer.
fn says(one: &One, words: &str) {
    let waited = wait_until("the function says why", Duration::from_secs(5), || {
        Ok(one.said().contains(words))
    });
    waited.unwrap_or_else(|_| panic!("{words}: {}", one.said()));
}

fn keeps_to_itself(said: &str, secrets: &[&str]) {
    assert!(said.contains("\"level\":\"DEBUG\""), "it says all that it can");
    for secret in secrets {
        // A key of several lines would be logged with its line ends escaped.
        for line in secret.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!said.contains(line), "the log holds a secret");
        }
    }
}

fn arrived(kafka: &KafkaCluster, batches: u32) {
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    let sent = u64::from(batches * BATCH);
    assert_eq!((found.distinct, found.keys_out_of_order), (sent, 0), "{found:?}");
}

#[test]
fn a_user_whose_password_secrets_manager_keeps_is_let_in_and_goes_on_through_a_rotation() {
    let kafka = scram();
    let aws = AwsEmulator::start().expect("an account");
    let arn = put_secret(&aws, "AmazonMSK_orders", &user(FIRST).to_string());
    let authority = std::fs::read_to_string(kafka.ca_file().expect("an authority")).expect("PEM");
    let ca = put_secret(&aws, "orders-ca", &json!({"certificate": authority}).to_string());
    let mut more = of_emulator(&aws);
    more.extend([
        ("K2M_SECRET_ARN", arn),
        ("K2M_CA_SECRET_ARN", ca),
        // Each invocation begins with new connections: open ones outlive a change of the password.
        ("K2M_IDLE_LIMIT_MS", "1".to_owned()),
    ]);
    let servers = kafka.scram_bootstrap_servers().expect("a listener");
    let mut one = One::new(&variables(servers, "scram", more), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());

    kafka.set_scram_password("alice", SECOND).expect("it is changed");
    put_secret(&aws, "AmazonMSK_orders", &user(SECOND).to_string());
    assert_eq!(one.invoke(BATCH), answer(None), "{}", one.said());
    says(&one, "it was read again");
    let summaries = || {
        one.said()
            .lines()
            .filter(|line| line.contains("\"invocation\""))
            .count()
    };
    let both = wait_until("both invocations are summed up", Duration::from_secs(5), || {
        Ok(summaries() == 2)
    });
    both.expect("they are");
    for summary in one.said().lines().filter(|line| line.contains("\"invocation\"")) {
        let summary: Value = serde_json::from_str(summary).expect("JSON");
        println!("{} ms", summary["milliseconds"]);
    }
    assert_eq!(one.pids().len(), 1, "one process did it all");
    keeps_to_itself(&one.said(), &[FIRST, SECOND, "nothing-to-hide"]);
    one.close();
    arrived(&kafka, 2);
}

#[test]
fn a_password_that_changed_before_the_secret_did_fails_until_it_does() {
    let kafka = scram();
    let secret = File::with(&user(FIRST));
    let more = vec![
        ("K2M_SECRET_FILE", secret.name()),
        ("K2M_CA_FILE", ca(&kafka)),
        ("K2M_IDLE_LIMIT_MS", "1".to_owned()),
    ];
    let servers = kafka.scram_bootstrap_servers().expect("a listener");
    let mut one = One::new(&variables(servers, "scram", more), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    kafka.set_scram_password("alice", SECOND).expect("it is changed");
    assert_eq!(one.invoke(BATCH), answer(Some(BATCH)), "{}", one.said());
    says(&one, "the brokers refused the user or the password");
    secret.put(&user(SECOND));
    assert_eq!(one.invoke(BATCH), answer(None), "{}", one.said());
    keeps_to_itself(&one.said(), &[FIRST, SECOND]);
    one.close();
    arrived(&kafka, 2);
}

#[test]
fn a_broker_that_comes_back_with_another_password_costs_no_batch() {
    let kafka = scram();
    let secret = File::with(&user(FIRST));
    let more = vec![("K2M_SECRET_FILE", secret.name()), ("K2M_CA_FILE", ca(&kafka))];
    let servers = kafka.scram_bootstrap_servers().expect("a listener");
    let mut one = One::new(&variables(servers, "scram", more), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    kafka.set_scram_password("alice", SECOND).expect("it is changed");
    secret.put(&user(SECOND));
    // The producer that is there meets it in the middle of its work.
    kafka.restart(1).expect("the broker comes back");
    assert_eq!(one.invoke(BATCH), answer(None), "{}", one.said());
    assert_eq!(one.pids().len(), 1, "one process did it all");
    one.close();
    arrived(&kafka, 2);
}

#[test]
fn a_certificate_is_shown_and_a_new_one_once_the_first_is_refused() {
    let kafka = KafkaCluster::builder().mutual_tls(true).start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let expired = kafka
        .client_certificate(ClientIdentity::Expired)
        .expect("a certificate");
    let good = kafka
        .client_certificate(ClientIdentity::Trusted)
        .expect("a certificate");
    let secret = File::with(&identity(&expired));
    let more = vec![("K2M_SECRET_FILE", secret.name()), ("K2M_CA_FILE", ca(&kafka))];
    let servers = kafka.mutual_tls_bootstrap_servers().expect("a listener");
    let mut one = One::new(&variables(servers, "mutual_tls", more), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(Some(0)), "{}", one.said());
    let ended = "the brokers refused the function's certificate, which ended on Jan  1 00:00:00 2020 GMT";
    says(&one, ended);
    // Encrypted, as keys often are kept.
    let cipher = Cipher::aes_256_cbc();
    let key = PKey::private_key_from_pem(good.private_key.as_bytes()).expect("a key");
    let key = key.private_key_to_pem_pkcs8_passphrase(cipher, OPENER.as_bytes());
    let key = String::from_utf8(key.expect("an encrypted key")).expect("PEM is text");
    secret.put(&json!({"certificate": good.chain, "privateKey": key, "privateKeyPassword": OPENER}));
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    keeps_to_itself(&one.said(), &[&expired.private_key, &key, OPENER]);
    one.close();
    arrived(&kafka, 1);
}

#[test]
fn the_authorities_of_the_system_are_those_that_the_environment_names() {
    let kafka = KafkaCluster::builder().tls(true).start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let servers = kafka.tls_bootstrap_servers().expect("a listener");
    let more = vec![("SSL_CERT_FILE", ca(&kafka))];
    let mut one = One::new(&variables(servers, "tls", more), TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(None), "{}", one.said());
    one.close();
    arrived(&kafka, 1);
}

/// The real `bootstrap` where nothing is in /etc but this bundle of authorities, if any: a program to start in its place.
fn in_a_bare_system(folder: &TempDir, bundle: Option<(&str, &str)>) -> String {
    let program = folder.path().join("bootstrap");
    let copy = bundle.map_or_else(String::new, |(from, to)| {
        format!("&& mkdir -p $(dirname {to}) && cp {from} {to}")
    });
    let script = format!(
        "#!/bin/sh\nexec unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /etc {copy} && exec {}'\n",
        bootstrap().display()
    );
    std::fs::write(&program, script).expect("a file");
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("a program");
    program.to_str().expect("UTF-8").to_owned()
}

#[test]
fn authorities_are_found_where_amazon_linux_keeps_them_and_missed_where_nobody_does() {
    let kafka = KafkaCluster::builder().tls(true).start().expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let servers = kafka.tls_bootstrap_servers().expect("a listener");
    let run = |bundle: Option<&str>| {
        let folder = TempDir::new().expect("a folder");
        let authority = ca(&kafka);
        let handler = in_a_bare_system(&folder, bundle.map(|to| (authority.as_str(), to)));
        // The look at the brokers before the run is k2m's own: with the file, which the handler isn't told of.
        let mut run = Run::start(&[
            "--topic",
            "orders",
            "--bootstrap-servers",
            &servers,
            "--ca-file",
            &authority,
            "--handler-env",
            "K2M_CA_FILE=",
            "--retries",
            "0",
            "--handler",
            &handler,
        ]);
        run.feed(&lines(0, 10, 2, 20));
        run.end()
    };
    for bundle in [
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ] {
        let ended = run(Some(bundle));
        assert_eq!(ended.count("acknowledged"), 10, "{bundle}: {}", ended.told());
    }
    let ended = run(None);
    assert_eq!(ended.count("acknowledged"), 0, "{}", ended.told());
    let reason = ended.summary["last_failure"].as_str().unwrap_or_default();
    assert!(
        reason.starts_with("no certificate authorities were found in SSL_CERT_FILE"),
        "{}",
        ended.told()
    );
}

/// What a first invocation that fails says, and that it says it in time.
fn complaint(variables: &Variables) -> String {
    let mut one = One::new(variables, TIME_OUT, false);
    assert_eq!(one.invoke(0), answer(Some(0)), "{}", one.said());
    says(&one, "\"message\":\"invocation\"");
    let said = one.said();
    one.close();
    assert!(!said.contains("time ran out"), "{said}");
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut reasons = lines.filter(|line| line["message"] == "invocation");
    let told = reasons.next().unwrap_or_else(|| panic!("no summary: {said}"));
    told["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_the_brokers_refuse_says_why() {
    let kafka = KafkaCluster::builder()
        .tls(true)
        .mutual_tls(true)
        .scram(&[("alice", FIRST)])
        .start()
        .expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let wrong = File::with(&user(SECOND));
    let unknown = kafka
        .client_certificate(ClientIdentity::UnknownAuthority)
        .expect("a certificate");
    let unknown = File::with(&identity(&unknown));
    let shapeless = File::with(&json!({"user": "alice", "password": FIRST}));
    let trusted = || ("K2M_CA_FILE", ca(&kafka));
    let secret = |file: &File| ("K2M_SECRET_FILE", file.name());
    let (tls, mutual, scram) = (
        kafka.tls_bootstrap_servers().expect("a listener"),
        kafka.mutual_tls_bootstrap_servers().expect("a listener"),
        kafka.scram_bootstrap_servers().expect("a listener"),
    );
    for (servers, way, more, words) in [
        (
            &scram,
            "scram",
            vec![trusted(), secret(&wrong)],
            "refused the user or the password",
        ),
        (
            &scram,
            "scram",
            vec![trusted(), secret(&shapeless)],
            "its field username is missing",
        ),
        (&scram, "scram", vec![secret(&wrong)], "is not trusted"),
        (
            &mutual,
            "mutual_tls",
            vec![trusted(), secret(&unknown)],
            "refused the function's certificate, or want one",
        ),
        (
            &mutual,
            "tls",
            vec![trusted()],
            "refused the function's certificate, or want one",
        ),
        (&tls, "tls", vec![], "is not trusted"),
    ] {
        let said = complaint(&variables(servers.clone(), way, more));
        println!("{way}: {said}");
        assert!(said.contains(words), "{way}: {said}");
    }
}

#[test]
fn a_broker_s_certificate_that_should_not_be_trusted_says_why() {
    for (certificate, words) in [
        (ServerCertificate::Expired, "has ended"),
        (ServerCertificate::WrongHost, "is for another host"),
    ] {
        let kafka = KafkaCluster::builder()
            .tls(true)
            .server_certificate(certificate)
            .start()
            .expect("a broker");
        let servers = kafka.tls_bootstrap_servers().expect("a listener");
        let said = complaint(&variables(servers, "tls", vec![("K2M_CA_FILE", ca(&kafka))]));
        println!("{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn secrets_manager_that_does_not_give_the_secret_says_why() {
    let kafka = scram();
    let aws = AwsEmulator::start().expect("an account");
    let servers = kafka.scram_bootstrap_servers().expect("a listener");
    let missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_missing-Ab12Cd";
    let ask = |endpoint: Option<&str>| {
        let mut more = of_emulator(&aws);
        more.push(("K2M_SECRET_ARN", missing.to_owned()));
        more.push(("K2M_CA_FILE", ca(&kafka)));
        more.extend(endpoint.map(|url| ("AWS_ENDPOINT_URL_SECRETS_MANAGER", url.to_owned())));
        complaint(&variables(servers.clone(), "scram", more))
    };
    let none = ask(None);
    assert!(none.starts_with(&format!("there is no secret {missing}: ")), "{none}");
    let unreachable = ask(Some("http://127.0.0.1:1"));
    assert!(
        unreachable.starts_with("Secrets Manager can't be reached at 127.0.0.1:1 (")
            && unreachable.contains("com.amazonaws.eu-west-1.secretsmanager"),
        "{unreachable}"
    );
}

#[test]
fn run_delivers_through_mutual_tls_and_scram() {
    let kafka = KafkaCluster::builder()
        .mutual_tls(true)
        .scram(&[("alice", FIRST)])
        .start()
        .expect("a broker");
    kafka.create_topic("orders", 3, 1, &[]).expect("a topic");
    let good = kafka
        .client_certificate(ClientIdentity::Trusted)
        .expect("a certificate");
    let (certificate, password) = (File::with(&identity(&good)), File::with(&user(FIRST)));
    let aws = AwsEmulator::start().expect("an account");
    let arn = put_secret(&aws, "AmazonMSK_orders", &user(FIRST).to_string());
    let delivers = |servers: String, way: &str, option: &str, secret: &str| {
        let (handler, ca) = (bootstrap(), ca(&kafka));
        let arguments = [
            "--topic",
            "orders",
            "--bootstrap-servers",
            &servers,
            "--authentication",
            way,
            option,
            secret,
            "--ca-file",
            &ca,
            "--handler-env",
            "K2M_LOG=debug",
            "--handler",
            handler.to_str().expect("UTF-8"),
        ];
        let mut run = Run::start_with(&arguments, &of_emulator(&aws));
        run.feed(&lines(0, 500, 10, 50));
        let ended = run.end();
        assert_eq!(
            (ended.code, ended.count("acknowledged")),
            (Some(0), 500),
            "{}",
            ended.told()
        );
        keeps_to_itself(&ended.handler_log, &[FIRST, &good.private_key]);
    };
    let mutual = kafka.mutual_tls_bootstrap_servers().expect("a listener");
    delivers(mutual, "mutual-tls", "--secret-file", &certificate.name());
    let scram = kafka.scram_bootstrap_servers().expect("a listener");
    delivers(scram.clone(), "scram", "--secret-file", &password.name());
    delivers(scram, "scram", "--secret", &arn);
}

#[test]
fn k2m_run_signs_tokens_with_the_keys_of_the_environment() {
    const REGION: &str = "eu-central-1";
    let kafka = KafkaCluster::builder().iam(REGION).start().expect("a broker");
    kafka.create_topic("orders", 2, 1, &[]).expect("a topic");
    let servers = kafka.iam_bootstrap_servers().expect("there is IAM");
    let ca = kafka.ca_file().expect("an authority").to_str().expect("UTF-8");
    let keys: Variables = vec![
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "nothing-to-hide".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let run = |region: &[&str]| {
        let arguments = [
            "--topic",
            "orders",
            "--bootstrap-servers",
            &servers,
            "--authentication",
            "iam",
            "--ca-file",
            ca,
        ];
        let mut run = Run::start_with(&[&arguments[..], region].concat(), &keys);
        run.feed(&lines(0, 100, 7, 20));
        run.end()
    };
    let ended = run(&["--cluster-region", REGION]);
    assert_eq!(
        (ended.code, ended.count("acknowledged")),
        (Some(0), 100),
        "{}",
        ended.told()
    );
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    assert_eq!((found.distinct, found.duplicates), (100, 0));

    // The environment's region is not the cluster's: the brokers refuse the token, before anything is sent.
    let refused = run(&[]);
    assert_eq!(refused.code, Some(69), "{}", refused.told());
    for word in [
        "the broker refuses the token",
        "kafka-cluster:Connect",
        "--cluster-region",
    ] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    for word in ["password", "secret", "9096"] {
        assert!(!refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    let found = readback(&kafka.bootstrap_servers(), "orders").expect("the topic can be read");
    assert_eq!((found.distinct, found.duplicates), (100, 0), "nothing more was sent");
}
