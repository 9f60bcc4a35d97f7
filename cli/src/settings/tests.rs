//! What wins, what is refused and with which words, and that the documentation has the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clap::Parser as _;

mod environments;
mod schema;

use super::*;
use crate::args::{Cli, Command, SettingsArgs};
use crate::exit::Exit;

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1";

fn flags(arguments: &[&str]) -> SettingsArgs {
    let cli = Cli::try_parse_from(["k2m", "plan"].iter().chain(arguments)).unwrap();
    match cli.command {
        Command::Plan(args) => args.plan.settings,
        other => panic!("{other:?}"),
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn file(text: &str) -> File {
    File::parse("k2m.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn resolved(
    arguments: &[&str],
    variables: &[(&str, &str)],
    yaml: Option<&str>,
) -> Result<(Settings, Access), SettingsError> {
    let (flags, environment, file) = (flags(arguments), environment(variables), yaml.map(file));
    resolve(Sources {
        flags: &flags,
        environment: &environment,
        file: file.as_ref(),
    })
}

/// With a stream and a cluster, and these flags.
fn with(arguments: &[&str]) -> Result<(Settings, Access), SettingsError> {
    resolved(
        &[&["--stream", STREAM, "--cluster", CLUSTER], arguments].concat(),
        &[],
        None,
    )
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let yaml = format!("stream: {STREAM}\ncluster: {CLUSTER}\nbatch_size: 3\n");
    let variable = [("K2M_BATCH_SIZE", "2")];
    let in_file = Source::File(Box::new(crate::settings::FileLine {
        path: "k2m.yaml".to_owned(),
        line: 3,
        environment: None,
    }));
    let line_less = yaml.replace("batch_size: 3\n", "");
    for (arguments, variables, yaml, value, source) in [
        (
            &["--batch-size", "1"][..],
            &variable[..],
            &yaml,
            1,
            Source::Flag("--batch-size".to_owned()),
        ),
        (
            &[],
            &variable,
            &yaml,
            2,
            Source::Environment("K2M_BATCH_SIZE".to_owned()),
        ),
        // An empty variable is none.
        (&[], &[("K2M_BATCH_SIZE", "")], &yaml, 3, in_file.clone()),
        (&[], &[], &yaml, 3, in_file),
        (&[], &[], &line_less, 1000, Source::Default),
        // What is overridden is not looked at.
        (
            &["--batch-size", "1"],
            &[("K2M_BATCH_SIZE", "x")],
            &yaml,
            1,
            Source::Flag("--batch-size".to_owned()),
        ),
    ] {
        let (settings, _) = resolved(arguments, variables, Some(yaml)).unwrap();
        assert_eq!(
            settings.pipelines[0].batch_size,
            Setting { value, source },
            "{arguments:?} {variables:?}"
        );
    }
}

#[test]
fn a_stack_is_in_the_cluster_s_account_and_the_stream_s_region() {
    let stream = "arn:aws:kinesis:us-east-1:999999999999:stream/orders";
    let topic = "arn:aws:sns:us-east-1:123456789012:failed";
    let arguments = ["--stream", stream, "--cluster", CLUSTER, "--failure-destination", topic];
    let (settings, _) = resolved(&arguments, &[], None).unwrap();
    let home = settings.home;
    assert_eq!(
        (home.region.as_str(), home.account.as_str()),
        ("us-east-1", "123456789012")
    );
    // The owner's topic is not the stack's.
    let theirs = topic.replace("123456789012", "999999999999");
    let arguments = [
        "--stream",
        stream,
        "--cluster",
        CLUSTER,
        "--failure-destination",
        &theirs,
    ];
    let error = resolved(&arguments, &[], None).unwrap_err().to_string();
    assert!(
        error.contains("the stack is in us-east-1 of account 123456789012"),
        "{error}"
    );
    // Of the stream alone the cluster's account isn't known.
    for (cluster, account) in [(Some(CLUSTER), "123456789012"), (None, "999999999999")] {
        let mut flags = SettingsArgs {
            stream: vec![stream.to_owned()],
            ..SettingsArgs::default()
        };
        flags.cluster = cluster.map(str::to_owned);
        let sources = Sources {
            flags: &flags,
            environment: &Environment::new(),
            file: None,
        };
        assert_eq!(resolve_stack(sources).unwrap().account.as_deref(), Some(account));
    }
}

#[test]
fn a_secret_goes_with_the_way_that_is_chosen_beside_it() {
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd";
    for (arguments, variables, way_of_file, kept) in [
        (&["--authentication", "scram"][..], &[][..], "scram", true),
        (&["--authentication", "mutual-tls"], &[], "scram", false),
        (&["--authentication", "iam"], &[], "scram", false),
        (&["--authentication", "mutual-tls"], &[], "mutual_tls", true),
        // Nobody said what it is for.
        (&["--authentication", "scram"], &[], "", true),
        (&[], &[("K2M_AUTHENTICATION", "mutual_tls")], "scram", false),
        (
            &["--authentication", "scram"],
            &[("K2M_AUTHENTICATION", "mutual_tls")],
            "scram",
            true,
        ),
    ] {
        let way = match way_of_file {
            "" => String::new(),
            way => format!("authentication: {way}\n"),
        };
        let text = format!("stream: {STREAM}\ncluster: {CLUSTER}\n{way}secret: {arn}\n");
        let settings = resolved(arguments, variables, Some(&text)).unwrap().0;
        assert_eq!(
            settings.secret.is_some(),
            kept,
            "{arguments:?} {variables:?} {way_of_file}"
        );
    }
}

#[test]
fn defaults() {
    insta::assert_json_snapshot!(with(&[]).unwrap().0);
}

/// One value of each setting that is not its default, as a user could write it.
const ALL: &str = "\
stream: arn:aws:kinesis:eu-west-1:123456789012:stream/orders
cluster: arn:aws:kafka:eu-west-1:123456789012:cluster/events/u-1
topic: 2024.10
stack: my-stack
profile: 'ops'
region: eu-west-1
authentication: scram
secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd
ca_secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-ca-Ab12Cd
create_topic: true
topic_partitions: 12
topic_replication_factor: 2
on_poison: divert
dead_letter_topic: poison.of-2024.10
consumer: arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/k2m:1700000000
starting_position: AT_TIMESTAMP
starting_timestamp: 2026-01-02T04:04:05+01:00
batch_size: 500
batching_window: 0
parallelization_factor: 2
retries: -1
maximum_record_age: 60
bisect: false
partial_failures: true
tumbling_window: 0
enabled: false
failure_destination: arn:aws:sqs:eu-west-1:123456789012:failed
failure_email: on-call@example.com
alarm_topic: arn:aws:sns:eu-west-1:123456789012:alarms
memory: 512
timeout: 120
log_retention: 7
subnets: [subnet-1, \"subnet-2\"]
vpc: vpc-1
peering: pcx-1
security_group: sg-1
public_access: true
private_connectivity: false
secrets_endpoint: true
all_broker_ports: true
tags: {team: payments, cost-center: 42}
termination_protection: true
permissions_boundary: arn:aws:iam::123456789012:policy/bounds/most
cloudformation_role: arn:aws:iam::123456789012:role/deployer
artifact_bucket: our-artifacts
architecture: arm64
decode: [gzip, kpl, lines]
key: /customer/id
topic_pointer: /type
topic_map: {created: orders-created, \"null\": 2024.11, 7: \"007\"}
value: json
timestamp: /at
headers: false
compression: zstd
strict_order: true
";

/// The same for a Kafka that is not MSK.
fn all_outside() -> String {
    let (before, rest) = ALL.split_once("cluster: ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    format!(
        "{before}bootstrap_servers: [kafka-1.example.com:9092, '10.1.2.3:9093']\nbroker_cidrs: [10.1.2.0/24, 10.1.0.0/24]\n{after}"
    )
}

#[test]
fn file_flags_and_environment_say_the_same() {
    let outside = all_outside();
    let both = [("all-of-a-cluster", ALL), ("all-of-servers", outside.as_str())];
    let said: BTreeSet<&str> = both
        .iter()
        .flat_map(|(_, text)| file(text).entries.into_keys())
        .collect();
    assert_eq!(said.len(), TABLE.len(), "a setting is missing in the examples");
    for (name, text) in both {
        the_same_from_everywhere(name, text);
    }
}

fn the_same_from_everywhere(name: &str, all: &str) {
    let from_file = file(all);
    let rows = || TABLE.iter().filter(|row| from_file.entries.contains_key(row.name));
    let text = |name: &str| from_file.entries[name].text.clone();
    let arguments: Vec<String> = rows().flat_map(|row| [row.flag(), text(row.name)]).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let variables: Vec<(String, String)> = rows().map(|row| (row.variable(), text(row.name))).collect();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let sources = [
        resolved(&[], &[], Some(all)).unwrap(),
        resolved(&arguments, &[], None).unwrap(),
        resolved(&[], &variables, None).unwrap(),
    ];
    let values = |(settings, access): &(Settings, Access)| {
        let mut settings = serde_json::to_value(settings).unwrap();
        let pipeline = settings["pipelines"][0].take();
        for (name, setting) in pipeline.as_object().unwrap() {
            settings[name] = setting.clone();
        }
        settings.as_object_mut().unwrap().remove("pipelines");
        for setting in settings
            .as_object_mut()
            .unwrap()
            .values_mut()
            .filter(|one| !one.is_null())
        {
            setting.as_object_mut().unwrap().remove("source");
        }
        (settings, access.clone())
    };
    let [yaml, flag, variable] = sources.each_ref().map(values);
    assert_eq!(yaml, flag);
    assert_eq!(yaml, variable);
    insta::assert_json_snapshot!(name, yaml.0);
    assert_eq!(
        yaml.1,
        Access {
            profile: Some("ops".to_owned()),
            region: Some("eu-west-1".to_owned())
        }
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_is_refused_with_the_reason() {
    let (long, longest) = ("x".repeat(300), "x".repeat(249));
    let many_servers: Vec<String> = (1..=51).map(|number| format!("kafka-{number}:9092")).collect();
    let many_servers = many_servers.join(",");
    let many_blocks: Vec<String> = (1..=21).map(|number| format!("10.{number}.0.0/24")).collect();
    let many_blocks = many_blocks.join(",");
    let long_tag = format!("team={}", "x".repeat(257));
    let many_tags: Vec<String> = (1..=50).map(|number| format!("t{number}=x")).collect();
    let many_tags = many_tags.join(",");
    let cases: &[&[&str]] = &[
        &["--stream", "orders"],
        &["--cluster", STREAM],
        &["--bootstrap-servers", ""],
        &["--tags", "team"],
        &["--tags", "team=a,team=b"],
        &["--tags", "{\"team\": 3}"],
        &["--tags", "k2m:stack=x"],
        &["--tags", "AWS:x=y"],
        &["--tags", "=x"],
        &["--tags", "team=a;b"],
        &["--tags", &long_tag],
        &["--tags", &many_tags],
        &["--termination-protection", "on"],
        &["--permissions-boundary", "most"],
        &["--permissions-boundary", "arn:aws:iam::123456789012:role/most"],
        &["--permissions-boundary", "arn:aws:iam::999999999999:policy/most"],
        &["--cloudformation-role", "arn:aws:iam::aws:role/deployer"],
        &["--cloudformation-role", "arn:aws:iam::999999999999:role/deployer"],
        &["--cloudformation-role", "arn:aws-cn:iam::123456789012:role/deployer"],
        &["--artifact-bucket", "arn:aws:s3:::ours"],
        &["--artifact-bucket", "Ours"],
        &["--artifact-bucket", "a..b"],
        &["--architecture", "amd64"],
        &["--bootstrap-servers", "kafka"],
        &["--bootstrap-servers", "kafka:9092,"],
        &["--bootstrap-servers", ":9092"],
        &["--bootstrap-servers", "kafka:"],
        &["--bootstrap-servers", "kafka:0"],
        &["--bootstrap-servers", "kafka:65536"],
        &["--bootstrap-servers", "kafka:+9092"],
        &["--bootstrap-servers", "kafka:9092/orders"],
        &["--bootstrap-servers", "SASL_SSL://kafka:9092"],
        &["--bootstrap-servers", "[2001:db8::1]:9092"],
        &["--bootstrap-servers", "2001:db8::1:9092"],
        &["--bootstrap-servers", "10.0.0.300:9092"],
        &["--bootstrap-servers", "10.0.0:9092"],
        &["--bootstrap-servers", "0.0.0.0:9092"],
        &["--bootstrap-servers", "224.0.0.1:9092"],
        &["--bootstrap-servers", "127.0.0.1:9092"],
        &["--bootstrap-servers", "169.254.1.2:9092"],
        &["--bootstrap-servers", "240.0.0.1:9092"],
        &["--bootstrap-servers", "kafka-.example.com:9092"],
        &["--bootstrap-servers", "kafka..com:9092"],
        &["--bootstrap-servers", "ka fka:9092"],
        &["--bootstrap-servers", "café\u{1b}[31m:9092"],
        &["--bootstrap-servers", "kafka:9092,KAFKA:9092"],
        &["--bootstrap-servers", &many_servers],
        &["--bootstrap-servers", "kafka:9092", "--cluster", CLUSTER],
        &["--broker-cidrs", "10.1.2.0/24"],
        &["--broker-cidrs", "10.1.2.3", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "10.1.2.3/24", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "0.0.0.0/0", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "10.1.2.0/33", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "127.0.0.0/24", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "128.0.0.0/1", "--bootstrap-servers", "kafka:9092"],
        &["--broker-cidrs", "2001:db8::/32", "--bootstrap-servers", "kafka:9092"],
        &[
            "--broker-cidrs",
            "10.1.2.0/24,10.1.2.0/24",
            "--bootstrap-servers",
            "kafka:9092",
        ],
        &[
            "--broker-cidrs",
            "10.1.2.0/24,10.1.0.0/16",
            "--bootstrap-servers",
            "kafka:9092",
        ],
        &["--broker-cidrs", &many_blocks, "--bootstrap-servers", "kafka:9092"],
        &["--topic", ""],
        &["--topic", ".."],
        &["--topic", "a b"],
        &["--topic", "a\n\u{1b}[31mb"],
        &["--topic", &long],
        &["--stack", "1x"],
        &["--stack", "k2m_orders"],
        &["--profile", ""],
        &["--region", "europe"],
        &["--region", "us-east-1"],
        &["--authentication", "IAM"],
        &["--authentication", "mtls"],
        &["--secret", "AmazonMSK_orders"],
        &[
            "--ca-secret",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders",
        ],
        &[
            "--authentication",
            "tls",
            "--secret",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_orders-Ab12Cd",
        ],
        &["--create-topic", "yes"],
        &["--topic-partitions", "0"],
        &["--topic-replication-factor", "3.0"],
        &["--on-poison", "skip"],
        &["--dead-letter-topic", "poison"],
        &["--on-poison", "divert", "--dead-letter-topic", "a b"],
        &["--on-poison", "divert", "--dead-letter-topic", "orders"],
        &["--on-poison", "divert", "--topic", &longest],
        &["--starting-position", "latest"],
        &["--starting-position", "AT_TIMESTAMP"],
        &["--starting-timestamp", "2026-01-02T03:04:05Z"],
        &[
            "--starting-position",
            "AT_TIMESTAMP",
            "--starting-timestamp",
            "2026-01-02",
        ],
        &[
            "--starting-position",
            "AT_TIMESTAMP",
            "--starting-timestamp",
            "1969-12-31T23:59:59Z",
        ],
        &["--batch-size", "0"],
        &["--batch-size", "10001"],
        &["--batch-size", "1e3"],
        &["--batching-window", "301"],
        &["--parallelization-factor", "11"],
        &["--retries", "-2"],
        &["--maximum-record-age", "59"],
        &["--bisect", "1"],
        &["--partial-failures", "false"],
        &["--tumbling-window", "30"],
        &["--tumbling-window", "-1"],
        &["--enabled", "TRUE"],
        &["--failure-destination", "kafka://failed"],
        &[
            "--failure-destination",
            "arn:aws:lambda:eu-west-1:123456789012:function:f",
        ],
        &[
            "--failure-destination",
            "arn:aws:sqs:eu-west-1:123456789012:failed.fifo",
        ],
        &["--failure-destination", "arn:aws:sqs:us-east-1:123456789012:failed"],
        &["--failure-destination", "arn:aws:sns:eu-west-1:999999999999:failed"],
        &["--failure-destination", "failed"],
        &["--alarm-topic", "arn:aws:sqs:eu-west-1:123456789012:queue"],
        &["--alarm-topic", "arn:aws:sns:eu-west-1:123456789012:alarms.fifo"],
        &["--alarm-topic", "arn:aws:sns:us-east-1:123456789012:alarms"],
        &["--memory", "127"],
        &["--timeout", "901"],
        &["--log-retention", "31"],
        &["--subnets", ""],
        &["--subnets", "subnet-1,sg-2"],
        &["--subnets", "subnet-1,subnet-1"],
        &["--vpc", "10.0.0.0/16"],
        &["--vpc", "vpc-"],
        &["--peering", "vpc-1"],
        &["--consumer", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"],
        &[
            "--consumer",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/k2m:1700000000",
        ],
        &["--failure-email", "on-call"],
        &["--failure-email", "a@example.com,b@example.com"],
        &["--failure-destination", "arn:aws:s3:::Bucket"],
        &["--failure-destination", "arn:aws:s3:::bucket/folder"],
        &["--secrets-endpoint", "yes"],
        &["--private-connectivity", "yes"],
        &["--public-access", "yes"],
        &["--security-group", "subnet-1"],
        &["--all-broker-ports", "9092"],
        &["--decode", "unzip"],
        &["--decode", "lines,cloudwatch_logs"],
        &["--key", "customer"],
        &["--key", "/a~2"],
        &["--key", "/a\u{0}b"],
        &["--key", "/{{resolve:ssm:name}}"],
        &["--timestamp", "/{{resolve:ssm:name}}"],
        &[
            "--topic-pointer",
            "/type",
            "--topic-map",
            r#"{"{{resolve:ssm:name}}": "orders"}"#,
        ],
        &["--topic-pointer", "/type", "--topic-map", r#"{"a": "b", "a": "c"}"#],
        &["--topic-pointer", "$.type"],
        &["--topic-pointer", "/type"],
        &["--topic-map", "created=orders-created"],
        &["--topic-map", "{}"],
        &["--topic-map", r#"{"created": "orders created"}"#],
        &["--topic-map", r#"{"created": "orders-created"}"#],
        &[
            "--topic-pointer",
            "/type",
            "--topic-map",
            r#"{"a": "b", "gone": "orders-dead-letter"}"#,
            "--on-poison",
            "divert",
        ],
        &["--value", "avro"],
        &["--timestamp", "now"],
        &["--timestamp", "event"],
        &["--headers", "no"],
        &["--compression", "brotli"],
        &["--strict-order", "yes"],
    ];
    let mut table = String::new();
    let mut refused = BTreeSet::new();
    for case in cases {
        // Given twice, a flag would be refused for that.
        let mut arguments = case.to_vec();
        for (flag, value) in [("--stream", STREAM), ("--cluster", CLUSTER)] {
            let other = flag == "--cluster" && case.contains(&"--bootstrap-servers");
            if !case.contains(&flag) && !other {
                arguments.extend([flag, value]);
            }
        }
        let error = resolved(&arguments, &[], None).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        refused.extend(
            case.iter()
                .filter(|word| word.starts_with("--"))
                .map(|flag| (*flag).to_owned()),
        );
        writeln!(table, "{error}").unwrap();
    }
    let all: BTreeSet<String> = TABLE.iter().map(Row::flag).collect();
    assert_eq!(refused, all, "each setting has a value that can't be");
    insta::assert_snapshot!(table);
}

#[test]
fn an_error_names_where_the_value_comes_from() {
    let yaml = |line: &str| format!("stream: {STREAM}\ncluster: {CLUSTER}\n{line}\n");
    let none = environment(&[]);
    let error = |arguments: &[&str], variables: &[(&str, &str)], line: &str| {
        resolved(arguments, variables, Some(&yaml(line)))
            .unwrap_err()
            .to_string()
    };
    let mut texts = vec![
        error(&["--memory", "1"], &[], ""),
        error(&[], &[("K2M_MEMORY", "1")], ""),
        error(&[], &[], "memory:   1"),
        error(&[], &[], "region: us-east-1"),
        error(&[], &[("K2M_REGION", "us-east-1")], ""),
        error(&[], &[], "starting_position: AT_TIMESTAMP"),
        error(&[], &[], "starting_timestamp: 2026-01-02T03:04:05Z"),
        error(&[], &[], "failure_destination: arn:aws:sqs:us-east-1:123456789012:q"),
    ];
    for (arguments, stack) in [(&[][..], false), (&["--stream", STREAM], false), (&[], true)] {
        let flags = flags(arguments);
        let sources = Sources {
            flags: &flags,
            environment: &none,
            file: None,
        };
        texts.push(if stack {
            resolve_stack(sources).unwrap_err().to_string()
        } else {
            resolve(sources).unwrap_err().to_string()
        });
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_time_that_has_not_come_is_no_beginning() {
    let yaml = format!(
        "stream: {STREAM}\ncluster: {CLUSTER}\nstarting_position: AT_TIMESTAMP\nstarting_timestamp: 2026-01-02T03:04:05Z\n"
    );
    let (settings, _) = resolved(&[], &[], Some(&yaml)).unwrap();
    let at = |now: &str| settings.check_times(now.parse().unwrap());
    assert!(at("2026-01-02T03:04:05Z").is_ok());
    let error = at("2026-01-02T03:04:04Z").unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(
        error.to_string(),
        "the starting timestamp 2026-01-02T03:04:05Z of the stream orders is in the future, and no event source mapping begins there: give a time that has come, or \
         --starting-position LATEST for what is put from now on"
    );
}

#[test]
fn a_stronger_starting_position_takes_the_time_of_a_weaker_one_away() {
    let yaml = format!(
        "stream: {STREAM}\ncluster: {CLUSTER}\nstarting_position: AT_TIMESTAMP\nstarting_timestamp: 2026-01-02T03:04:05Z\n"
    );
    let position = |arguments: &[&str]| {
        resolved(arguments, &[], Some(&yaml)).map(|(settings, _)| settings.pipelines[0].starting_position.value.clone())
    };
    assert_eq!(
        position(&["--starting-position", "LATEST"]).unwrap(),
        StartingPosition::Latest
    );
    let time = |text: &str| StartingPosition::AtTimestamp(text.to_owned());
    assert_eq!(position(&[]).unwrap(), time("2026-01-02T03:04:05Z"));
    assert_eq!(
        position(&["--starting-timestamp", "2027-01-02T03:04:05Z"]).unwrap(),
        time("2027-01-02T03:04:05Z")
    );
    assert!(
        position(&[
            "--starting-position",
            "LATEST",
            "--starting-timestamp",
            "2027-01-02T03:04:05Z"
        ])
        .is_err()
    );
}

#[test]
fn a_file_without_settings_says_nothing() {
    for text in ["", "null", "# batch_size: 5\n", "# nothing\n\n---\n"] {
        let (flags, environment, file) = (flags(&["--stack", "s"]), environment(&[]), file(text));
        let stack = resolve_stack(Sources {
            flags: &flags,
            environment: &environment,
            file: Some(&file),
        });
        assert_eq!(stack.unwrap().name.value, "s", "{text:?}");
    }
}

#[test]
fn a_stack_is_found_with_little() {
    let chinese = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b";
    for (arguments, yaml, name, region) in [
        (&["--stack", "s"][..], "", "s", None),
        (&["--stack", "s", "--region", "eu-west-1"], "", "s", Some("eu-west-1")),
        (&["--stream", STREAM], "", "k2m-orders", Some("eu-west-1")),
        (&["--stream", chinese], "stack: mine", "mine", Some("cn-north-1")),
        (&[], ALL, "my-stack", Some("eu-west-1")),
        // Of the other settings nothing is asked.
        (&["--stack", "s"], "batch_size: 0", "s", None),
    ] {
        let (flags, environment) = (flags(arguments), environment(&[]));
        let file = (!yaml.is_empty()).then(|| file(yaml));
        let stack = resolve_stack(Sources {
            flags: &flags,
            environment: &environment,
            file: file.as_ref(),
        })
        .unwrap();
        assert_eq!(
            (stack.name.value.as_str(), stack.region.as_deref()),
            (name, region),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_stronger_of_a_cluster_and_servers_counts_and_of_equals_none() {
    const SERVERS: &str = "kafka:9092";
    let cluster = format!("cluster: {CLUSTER}");
    let servers = format!("bootstrap_servers: {SERVERS}\nbroker_cidrs: 10.1.2.0/24");
    let both = format!("{cluster}\n{servers}");
    let mut text = String::new();
    for (arguments, variables, yaml) in [
        (&[][..], &[][..], cluster.as_str()),
        (&[], &[], &servers),
        (&["--bootstrap-servers", "other:9093"], &[], &cluster),
        (&["--cluster", CLUSTER], &[], &servers),
        (&[], &[("K2M_BOOTSTRAP_SERVERS", "other:9093")], &cluster),
        (
            &["--cluster", CLUSTER],
            &[("K2M_BOOTSTRAP_SERVERS", "other:9093")],
            &both,
        ),
        // What is overridden is not looked at.
        (&["--cluster", CLUSTER], &[("K2M_BOOTSTRAP_SERVERS", "x")], &servers),
        (&[], &[], &both),
        (&["--cluster", CLUSTER, "--bootstrap-servers", SERVERS], &[], ""),
        (&[], &[("K2M_CLUSTER", CLUSTER), ("K2M_BOOTSTRAP_SERVERS", SERVERS)], ""),
        (&["--broker-cidrs", "10.1.2.0/24"], &[], &cluster),
        (&["--cluster", CLUSTER, "--broker-cidrs", "10.1.2.0/24"], &[], &servers),
        (&[], &[], ""),
    ] {
        let yaml = format!("stream: {STREAM}\n{yaml}\n");
        let words = match resolved(arguments, variables, Some(&yaml)) {
            Ok((settings, _)) => {
                let blocks = settings.broker_cidrs.map(|blocks| format!(" in {:?}", blocks.value));
                let kafka = match &settings.kafka {
                    Kafka::Cluster(cluster) => format!("{} ({})", cluster.value, cluster.source),
                    Kafka::BootstrapServers(servers) => format!("{} ({})", servers.value, servers.source),
                };
                format!("{kafka}{}", blocks.unwrap_or_default())
            }
            Err(error) => format!("exit {}: {error}", error.exit().code()),
        };
        writeln!(text, "{words}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_stack_says_which_servers_it_was_made_for() {
    let outputs = [
        ("BootstrapServers", "kafka-1:9092,kafka-2:9092"),
        ("BrokerCidrs", "10.1.2.0/24,10.1.3.0/24"),
        ("Orders1Stream", STREAM),
    ];
    let mut stack = StackOutputs {
        stack: "mine".to_owned(),
        outputs: environment(&outputs),
    };
    let of_stack = |arguments: &[&str], stack: &StackOutputs| {
        let (flags, environment) = (flags(arguments), environment(&[]));
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file: None,
        };
        resolve_deployed(sources, stack).unwrap().0
    };
    let of = |arguments: &[&str]| of_stack(arguments, &stack);
    let found = of(&[]);
    assert!(!found.public_access.value);
    assert_eq!(found.servers().unwrap().value.to_string(), "kafka-1:9092,kafka-2:9092");
    assert_eq!(found.broker_cidrs.unwrap().value.len(), 2);
    // What is said counts, whichever of the two it is.
    assert_eq!(
        of(&["--bootstrap-servers", "kafka-3:9092"])
            .servers()
            .unwrap()
            .value
            .to_string(),
        "kafka-3:9092"
    );
    let moved = of(&["--cluster", CLUSTER]);
    assert_eq!(moved.cluster().unwrap().value.as_str(), CLUSTER);
    assert_eq!(moved.broker_cidrs, None);
    // Functions that are in no VPC are meant to be: nobody has to say it again, and who says otherwise is heard.
    stack.outputs.insert("PublicAccess".to_owned(), "true".to_owned());
    assert!(of_stack(&[], &stack).public_access.value);
    assert!(!of_stack(&["--public-access", "false"], &stack).public_access.value);
    assert!(!of_stack(&["--cluster", CLUSTER], &stack).public_access.value);
}

#[test]
fn a_stack_says_what_nothing_else_does() {
    let outputs = [
        ("Cluster", CLUSTER),
        ("Orders1Function", "f"),
        ("Orders1Stream", STREAM),
        ("Orders1Topic", "sales"),
    ];
    let stack = StackOutputs {
        stack: "mine".to_owned(),
        outputs: environment(&outputs),
    };
    let of = |arguments: &[&str], yaml: &str, stack: &StackOutputs| {
        let (flags, environment) = (flags(arguments), environment(&[]));
        let file = (!yaml.is_empty()).then(|| file(yaml));
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file: file.as_ref(),
        };
        let (settings, _) = resolve_deployed(sources, stack)?;
        let ends = [
            settings.pipelines[0].stream.value.as_str(),
            settings.cluster().unwrap().value.as_str(),
        ];
        Ok(
            [&ends[..], &[&settings.pipelines[0].topic.value, &settings.stack.value]]
                .concat()
                .join(" "),
        )
    };
    let all = format!("{STREAM} {CLUSTER} sales mine");
    assert_eq!(of(&[], "", &stack).unwrap(), all);
    assert_eq!(
        of(&["--stack", "mine", "--region", "eu-west-1"], "", &stack).unwrap(),
        all
    );
    let other = STREAM.replace("orders", "clicks");
    assert_eq!(
        of(&["--stream", &other], "topic: t", &stack).unwrap(),
        format!("{other} {CLUSTER} t mine")
    );
    // A stack that says too little, and one that says what no stack of k2m does.
    let little = StackOutputs {
        outputs: BTreeMap::new(),
        ..stack.clone()
    };
    let error: SettingsError = of(&[], "", &little).unwrap_err();
    assert!(matches!(error, SettingsError::Missing { .. }), "{error}");
    let odd = StackOutputs {
        outputs: environment(&[("Cluster", "x"), ("Stream", STREAM)]),
        ..stack
    };
    let error = of(&[], "", &odd).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid value `x` for --cluster"),
        "{error}"
    );
}

const CLICKS: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";

/// A file that lists two pipelines.
fn two() -> String {
    format!(
        "cluster: {CLUSTER}\nstack: two\nbatch_size: 500\npipelines:\n  - stream: {STREAM}\n    topic: sales\n  - stream: {CLICKS}\n    batch_size: 50\n    on_poison: \
         divert\n    topic_pointer: /type\n    topic_map: {{a: b}}\n    decode: [gzip, kpl]\n"
    )
}

#[test]
fn a_list_of_pipelines_says_what_differs() {
    let shown = |arguments: &[&str], variables: &[(&str, &str)], yaml: &str| {
        let (settings, _) = resolved(arguments, variables, Some(yaml)).unwrap();
        let pipelines = settings.pipelines.iter().map(|pipeline| {
            let PipelineSettings {
                stream,
                topic,
                batch_size,
                dead_letter_topic,
                ..
            } = pipeline;
            let dead_letters = dead_letter_topic.as_ref().map_or("-", |topic| topic.value.as_str());
            format!(
                "{} ({}) to {} ({}), {} ({}), {dead_letters}",
                stream.value.name(),
                stream.source,
                topic.value,
                topic.source,
                batch_size.value,
                batch_size.source
            )
        });
        let left_out = settings
            .left_out
            .iter()
            .map(|stream| format!("without {}", stream.name()));
        pipelines.chain(left_out).collect::<Vec<_>>().join("\n")
    };
    let other = STREAM.replace("orders", "other");
    let two = two();
    let flags = format!("{STREAM},{CLICKS}");
    let mut text = String::new();
    for (name, arguments, variables, yaml) in [
        ("as it is", &[][..], &[][..], two.as_str()),
        ("a flag is for all", &["--batch-size", "7"], &[], &two),
        ("a variable is for all", &[], &[("K2M_BATCH_SIZE", "7")], &two),
        ("a stream of the list", &["--stream", CLICKS], &[], &two),
        ("a stream that is not in it", &["--stream", &other], &[], &two),
        (
            "by flags",
            &[
                "--stream",
                STREAM,
                "--stream",
                CLICKS,
                "--stack",
                "s",
                "--cluster",
                CLUSTER,
            ],
            &[],
            "",
        ),
        (
            "by a variable",
            &["--stack", "s", "--cluster", CLUSTER],
            &[("K2M_STREAM", &flags)],
            "",
        ),
    ] {
        writeln!(text, "== {name}\n{}", shown(arguments, variables, yaml)).unwrap();
    }
    let list = format!("cluster: {CLUSTER}\nstack: s\nstream:\n  - {STREAM}\n  - {CLICKS}\n");
    writeln!(text, "== a list of streams\n{}", shown(&[], &[], &list)).unwrap();
    writeln!(
        text,
        "== one of a list of streams\n{}",
        shown(&["--stream", STREAM], &[], &list)
    )
    .unwrap();
    let one = format!("cluster: {CLUSTER}\ntopic: t\npipelines: [{{stream: {STREAM}}}]\n");
    writeln!(text, "== a list of one\n{}", shown(&[], &[], &one)).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn pipelines_that_do_not_fit_together_are_refused_with_the_reason() {
    let elsewhere = CLICKS.replace("eu-west-1", "us-east-1");
    let others = CLICKS.replace("123456789012", "999999999999");
    let nameless = two().replace("stack: two\n", "");
    let with_topic = |topic: &str| {
        two()
            .replace("stack: two\n", &format!("stack: two\ntopic: {topic}\n"))
            .replace("    topic: sales\n", "")
    };
    let cases: &[(&[&str], &str)] = &[
        (&["--stream", STREAM, "--stream", CLICKS], ""),
        (&["--stream", STREAM, "--stream", STREAM], ""),
        (&["--stream", STREAM, "--stream", &elsewhere, "--stack", "s"], ""),
        (&["--stream", STREAM, "--stream", &others, "--stack", "s"], ""),
        (
            &["--stream", STREAM, "--stream", CLICKS, "--stack", "s", "--topic", "t"],
            "",
        ),
        (&["--topic", "t"], &two()),
        (&["--region", "us-east-1"], &two()),
        (&[], &nameless),
        (&[], &with_topic("t")),
        (&[], &two().replace(CLICKS, STREAM)),
        (&[], &two().replace(CLICKS, &elsewhere)),
        (&[], &two().replace(CLICKS, "clicks")),
        (&[], &two().replace("batch_size: 50\n", "batch_size: 0\n")),
        (
            &[],
            &two().replace("    on_poison: divert\n", "    dead_letter_topic: d\n"),
        ),
        (
            &[],
            &two().replace(
                "    on_poison: divert\n",
                "    alarm_topic: arn:aws:sns:us-east-1:123456789012:alarms\n",
            ),
        ),
    ];
    let mut table = String::new();
    for (arguments, yaml) in cases {
        let arguments = if yaml.is_empty() {
            [&["--cluster", CLUSTER], *arguments].concat()
        } else {
            arguments.to_vec()
        };
        let error = resolved(&arguments, &[], Some(yaml)).expect_err(yaml);
        assert_eq!(error.exit(), Exit::Usage);
        writeln!(table, "{error}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn two_pipelines_may_write_to_one_topic_when_each_says_so() {
    let yaml = two().replace("    batch_size: 50\n", "    topic: sales\n");
    let (settings, _) = resolved(&[], &[], Some(&yaml)).unwrap();
    assert!(
        settings
            .pipelines
            .iter()
            .all(|pipeline| pipeline.topic.value == "sales")
    );
}

/// However an item is written, it is read with its places; what is alone in its lines is read by itself.
#[test]
fn a_pipeline_is_read_as_it_is_written() {
    let block = "cluster: c\npipelines:\n- stream: a\n  topic: x # one\n\n# between\n-\n  topic: y\n  stream: b\n- {stream: c,\n   topic: 'z'}\nmemory: 256\n";
    let flow =
        "{cluster: c, pipelines: [{stream: a, topic: x}, {topic: y, stream: b}, {stream: c, topic: 'z'}], memory: 256}";
    for (text, places) in [
        (block, [(4, 10), (8, 10), (11, 11)]),
        (flow, [(1, 45), (1, 57), (1, 91)]),
    ] {
        let file = file(text);
        let topics = file.pipelines.iter().map(|pipeline| &pipeline.entries["topic"]);
        let seen: Vec<_> = topics
            .map(|entry| (entry.text.as_str(), (entry.line, entry.column)))
            .collect();
        assert_eq!(seen, [("x", places[0]), ("y", places[1]), ("z", places[2])], "{text}");
        assert_eq!(file.entries["memory"].text, "256");
    }
}

#[test]
fn a_stack_says_all_its_pipelines() {
    let outputs = [
        ("Cluster", CLUSTER),
        ("Clicks1Stream", CLICKS),
        ("Clicks1Topic", "clicks"),
        ("Clicks1DeadLetterTopic", "poison"),
        ("Orders1Stream", STREAM),
        ("Orders1Topic", "sales"),
    ];
    let stack = StackOutputs {
        stack: "mine".to_owned(),
        outputs: environment(&outputs),
    };
    let (flags, environment) = (flags(&["--stack", "mine"]), environment(&[]));
    let sources = Sources {
        flags: &flags,
        environment: &environment,
        file: None,
    };
    let (settings, _) = resolve_deployed(sources, &stack).unwrap();
    let each = settings.pipelines.iter().map(|pipeline| {
        let dead_letters = pipeline.dead_letter_topic.as_ref().map(|topic| topic.value.as_str());
        (
            pipeline.stream.value.name(),
            pipeline.topic.value.as_str(),
            dead_letters,
        )
    });
    assert_eq!(
        each.collect::<Vec<_>>(),
        [("clicks", "clicks", Some("poison")), ("orders", "sales", None)]
    );
    assert_eq!(settings.stack.value, "mine");
}

#[test]
fn poison_is_blocked_or_diverted_to_another_topic() {
    let in_file = |text: &str| format!("stream: {STREAM}\ncluster: {CLUSTER}\n{text}");
    let divert = "on_poison: divert\ndead_letter_topic: poison\n";
    for (arguments, yaml, to) in [
        (&[][..], "", None),
        (&["--on-poison", "divert"], "", Some("orders-dead-letter")),
        (
            &["--on-poison", "divert", "--topic", "sales"],
            "",
            Some("sales-dead-letter"),
        ),
        (&[], divert, Some("poison")),
        (&["--dead-letter-topic", "other"], divert, Some("other")),
        // A stronger block takes the weaker name away.
        (&["--on-poison", "block"], divert, None),
        (
            &["--on-poison", "divert"],
            "dead_letter_topic: poison\n",
            Some("poison"),
        ),
    ] {
        let (settings, _) = resolved(arguments, &[], Some(&in_file(yaml))).unwrap();
        let topic = settings.pipelines[0].dead_letter_topic.clone().map(|topic| topic.value);
        assert_eq!(topic.as_deref(), to, "{arguments:?} {yaml}");
        assert_eq!(settings.pipelines[0].on_poison.value == OnPoison::Divert, to.is_some());
    }
    let error = resolved(&[], &[], Some(&in_file("dead_letter_topic: poison\n"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "k2m.yaml:3: dead_letter_topic is given, but on_poison is block, so that nothing goes there: give --on-poison divert with it, or leave it out"
    );
}

#[test]
fn the_dead_letter_topic_of_a_deployed_pipeline_is_its_stack_s() {
    let outputs = [
        ("Cluster", CLUSTER),
        ("OrdersStream", STREAM),
        ("OrdersTopic", "sales"),
        ("OrdersDeadLetterTopic", "poison"),
    ];
    let stack = StackOutputs {
        stack: "mine".to_owned(),
        outputs: environment(&outputs),
    };
    for (arguments, to) in [
        (&[][..], Some("poison")),
        (&["--on-poison", "divert"], Some("poison")),
        (&["--dead-letter-topic", "other"], Some("other")),
        (&["--on-poison", "block"], None),
    ] {
        let (flags, environment) = (flags(arguments), environment(&[]));
        let sources = Sources {
            flags: &flags,
            environment: &environment,
            file: None,
        };
        let (settings, _) = resolve_deployed(sources, &stack).unwrap();
        let topic = settings.pipelines[0].dead_letter_topic.clone().map(|topic| topic.value);
        assert_eq!(topic.as_deref(), to, "{arguments:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_no_file_of_settings_is_told_with_its_place() {
    let (long, deep) = ("# too long\n".repeat(100_000), "[".repeat(20_000));
    let many = (0..300).fold("topic_map:\n".to_owned(), |text, n| text + &format!("  k{n}: t\n"));
    let cases: &[(&str, &[u8])] = &[
        ("a text", b"stream\n"),
        ("a list", b"- stream: x\n"),
        ("unknown key", b"topic: orders\nbatch-size: 10\n"),
        ("unknown key, further off", b"{topic: orders,\n  'paralelization': 2}\n"),
        ("unknown key, like nothing", b"\"x\\ny\": 1\n"),
        ("merge key", b"<<: {topic: a}\n"),
        ("key that is a list", b"topic: a\n? [a, b]\n: c\n"),
        ("duplicate key", b"topic: a\nmemory: 256\n\n\"topic\": b\n"),
        ("list for a text", b"topic:\n  - a\n"),
        ("mapping for a number", b"batch_size: {most: 10}\n"),
        ("mapping in a list", b"subnets:\n  - subnet-1\n  - id: subnet-2\n"),
        ("no value", b"topic: a\nstack:\n"),
        ("null value", b"topic: null\n"),
        ("indented", b"topic: a\n  memory: 1\n"),
        ("tab", b"subnets:\n\t- subnet-1\n"),
        ("colon", b"topic: a: b\n"),
        ("open quote", b"topic: \"a\nmemory: 1\n"),
        ("open bracket", b"subnets: [subnet-1\nmemory: 1\n"),
        ("reserved character", b"topic: @a\n"),
        ("two documents", b"topic: a\n---\ntopic: b\n"),
        ("anchor", b"topic: &name orders\nstack: *name\n"),
        ("anchor on all", b"&all\ntopic: orders\n"),
        ("anchor on a key", b"&k topic: orders\n"),
        ("unknown alias", b"topic: a\nstack: *name\n"),
        ("alias", b"subnets: [&s subnet-1]\nstack: *s\n"),
        ("tag", b"topic: !env TOPIC\n"),
        ("map that is a list", b"topic_map:\n  - created\n"),
        ("map with a list", b"topic_map:\n  created: [a, b]\n"),
        ("map with nothing", b"topic_map:\n  created: a\n  gone:\n"),
        (
            "map with a key twice",
            b"topic_map:\n  created: a\n  gone: b\n  'created': c\n",
        ),
        ("map with a key that is a list", b"topic_map:\n  ? [a]\n  : b\n"),
        ("map with an anchor", b"topic_map:\n  created: a\n  gone: &x b\n"),
        ("map with a tag", b"topic_map: {created: a, !t gone: b}\n"),
        ("map with too much", many.as_bytes()),
        ("pipelines that are none", b"pipelines: 3\n"),
        ("pipelines without a value", b"pipelines:\ntopic: a\n"),
        ("pipelines without one", b"pipelines: []\n"),
        ("pipelines that are a mapping", b"pipelines:\n  stream: a\n"),
        (
            "pipelines twice",
            b"pipelines: [{stream: a}]\npipelines: [{stream: b}]\n",
        ),
        ("pipelines beside a stream", b"stream: a\npipelines:\n  - stream: b\n"),
        ("a pipeline that is a text", b"pipelines:\n  - stream: a\n  - b\n"),
        (
            "a pipeline without a stream",
            b"pipelines:\n  - stream: a\n  - topic: b\n",
        ),
        (
            "a pipeline with a cluster",
            b"pipelines:\n  - stream: a\n    cluster: c\n",
        ),
        (
            "a pipeline with pipelines",
            b"pipelines:\n  - stream: a\n    pipelines: []\n",
        ),
        (
            "a pipeline with an unknown key",
            b"pipelines:\n  - stream: a\n  - stream: b\n    topics: c\n",
        ),
        (
            "a pipeline with a key twice",
            b"pipelines:\n  - stream: a\n    topic: b\n    topic: c\n",
        ),
        (
            "a pipeline with an anchor",
            b"pipelines:\n  - &one\n    stream: a\n  - *one\n",
        ),
        ("a pipeline without a value", b"pipelines:\n  - stream: a\n    topic:\n"),
        ("a pipeline with a list", b"pipelines:\n  - stream: a\n    topic: [b]\n"),
        ("almost pipelines", b"pipeline:\n  - stream: a\n"),
        ("environments that are a list", b"environments:\n  - prod\n"),
        ("environments without a value", b"environments:\ntopic: a\n"),
        ("environments without one", b"environments: {}\n"),
        ("environments twice", b"environments: {a: }\nenvironments: {b: }\n"),
        ("an environment that is a text", b"environments:\n  prod: orders\n"),
        ("an environment of no name", b"environments:\n  my prod:\n    topic: a\n"),
        ("an environment with a key that is a list", b"environments:\n  ? [a]\n  : topic\n"),
        (
            "an environment twice",
            b"environments:\n  prod:\n    topic: a\n  'prod':\n    topic: b\n",
        ),
        (
            "an environment with an unknown key",
            b"environments:\n  dev:\n    topic: a\n  prod:\n    batchsize: 3\n",
        ),
        (
            "an environment with a key twice",
            b"environments:\n  prod:\n    topic: a\n    memory: 256\n    topic: b\n",
        ),
        ("an environment with a list", b"environments:\n  prod:\n    topic: [a]\n"),
        (
            "an environment in an environment",
            b"environments:\n  prod:\n    environments:\n      dev:\n",
        ),
        (
            "an environment with a stream and pipelines",
            b"environments:\n  prod:\n    stream: a\n    pipelines:\n      - stream: b\n",
        ),
        (
            "an environment with a bad pipeline",
            b"environments:\n  dev:\n  prod:\n    pipelines:\n      - stream: a\n      - stream: b\n        topics: c\n",
        ),
        ("an environment with an anchor", b"environments:\n  prod: &p\n    topic: a\n"),
        ("a pipeline with environments", b"pipelines:\n  - stream: a\n    environments: {}\n"),
        ("a pipeline with tags", b"pipelines:\n  - stream: a\n    tags: {a: b}\n"),
        ("tags with a list", b"tags:\n  team: payments\n  owner: [a, b]\n"),
        ("almost environments", b"enviroments:\n  prod:\n"),
        ("not UTF-8", b"topic: a\nstack: na\xc3\xafve\nprofile: \xe9t\xe9\n"),
        ("UTF-16", b"\xff\xfet\0o\0p\0i\0c\0"),
        ("NUL", b"topic: a\0b\n"),
        ("too long", long.as_bytes()),
        ("deep", deep.as_bytes()),
    ];
    let mut table = String::new();
    for (name, bytes) in cases {
        let error = File::parse("k2m.yaml", bytes).expect_err(name);
        writeln!(table, "{name}\n    {error}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_is_yaml_is_read() {
    let topic = |text: &str| file(text).entries["topic"].clone();
    for (text, value, line, column) in [
        ("topic: orders", "orders", 1, 8),
        ("\u{feff}topic: orders\r\nmemory: 256\r\n", "orders", 1, 8),
        ("# é\n---\n'topic': \"or\\u0064ers\"\n...\n", "orders", 3, 10),
        ("{memory: 256, topic: 'null'}", "null", 1, 22),
        ("topic: 007", "007", 1, 8),
        ("topic: 1.10", "1.10", 1, 8),
        ("topic: true", "true", 1, 8),
        ("topic: |-\n  orders\n", "orders", 1, 8),
        ("'memory': 1\n\"topic\": |2- # |\r\n\r\n  orders", "\norders", 2, 10),
        ("topic: >\n  orders", "orders", 1, 8),
        ("topic:\n  orders # here\n", "orders", 2, 3),
        ("topic: '!a'", "!a", 1, 8),
        ("topic: \"&a\"", "&a", 1, 8),
    ] {
        let expected = Entry {
            text: value.to_owned(),
            line,
            column,
        };
        assert_eq!(topic(text), expected, "{text}");
    }
    let map = |text: &str| file(text).entries["topic_map"].text.clone();
    for (text, json) in [
        (
            "topic_map:\n  created: orders-created\n  _session.start: s\n",
            r#"{"_session.start":"s","created":"orders-created"}"#,
        ),
        (
            "topic_map: {1: a, true: b, 'no \"': c}",
            r#"{"1":"a","no \"":"c","true":"b"}"#,
        ),
        // As a flag has it: refused later, where it is none.
        ("topic_map: '{\"a\": \"b\"}'", r#"{"a": "b"}"#),
    ] {
        assert_eq!(map(text), json, "{text}");
    }
    let subnets = |text: &str| file(text).entries["subnets"].text.clone();
    assert_eq!(subnets("subnets:\n- subnet-1\n- subnet-2\n"), "subnet-1,subnet-2");
    assert_eq!(subnets("subnets: subnet-1, subnet-2"), "subnet-1, subnet-2");
}

/// The readers go over a file once, however much is in it: as full a file as there can be comes back at once.
#[test]
fn a_file_that_is_full_to_the_brim_is_read() {
    let empty = (0..6000).fold("environments:\n".to_owned(), |text, n| text + &format!("  e{n}:\n"));
    let read = file(&empty);
    assert_eq!(read.environments.len(), 6000);
    assert_eq!(read.environments[5999].name, "e5999");
    // On one line, where no part of it can be read by itself.
    let pipelines: Vec<String> = (0..900)
        .map(|n| format!("{{stream: s{n}, topic: t{n}, memory: 256, batch_size: 1000}}"))
        .collect();
    let flow = format!("environments: {{prod: {{pipelines: [{}]}}}}\n", pipelines.join(", "));
    let read = file(&flow);
    let listed = &read.environments[0].pipelines;
    let last = listed.last().unwrap().entries["batch_size"].clone();
    assert_eq!((listed.len(), last.text.as_str(), last.line), (900, "1000", 1));
    assert_eq!(last.column, flow.rfind("1000").unwrap() + 1);
    for text in [&empty, &flow] {
        assert!(
            text.len() > SIZE_LIMIT - (16 << 10) && text.len() <= SIZE_LIMIT,
            "{}",
            text.len()
        );
    }
}

/// Settings as `serde_yaml` reads them by itself.
#[derive(Debug, Default, serde::Deserialize)]
struct Texts {
    topic: Option<String>,
    stack: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Subnets {
    subnets: Vec<String>,
}

#[test]
fn both_readers_of_yaml_say_the_same() {
    let pieces = "topic: ·stack: ·subnets: ·\ntopic: ·\nstack:·subnets:·topic·:·: ·\n·\n  ·\n- ·\n  - ·[·]·{·}·, ·\"·'·a·b c·007·null·~·#· # x·|·>-·\\n·é·? ·\r\n·%·@";
    let pieces: Vec<&str> = pieces.split('·').collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut read = 0_u32;
    for _ in 0..300_000 {
        let count = random.usize(0..14);
        let text: String = (0..count).map(|_| pieces[random.usize(0..pieces.len())]).collect();
        let file = match File::parse("k2m.yaml", text.as_bytes()) {
            Ok(file) => file,
            Err(error) => {
                assert!(!error.to_string().contains("not clear"), "{error} in {text:?}");
                continue;
            }
        };
        let texts: Texts = serde_yaml::from_str(&text).unwrap_or_default();
        let list: Option<Subnets> = serde_yaml::from_str(&text).ok();
        let said = |name: &str| file.entries.get(name).map(|entry| entry.text.clone());
        if let Some(list) = list {
            assert_eq!(said("subnets"), Some(list.subnets.join(",")), "{text:?}");
            read += 1;
        } else {
            assert_eq!([said("topic"), said("stack")], [texts.topic, texts.stack], "{text:?}");
            read += u32::from(!file.entries.is_empty());
        }
    }
    assert!(read > 500, "{read}");
}

#[test]
fn documentation_has_the_same_table() {
    let documented = include_str!("../../../docs/settings.md");
    let rows: Vec<String> = TABLE
        .iter()
        .map(|row| {
            let default = match row.default {
                Preset::Is(text) => format!("`{text}`"),
                Preset::Follows(text) => text.to_owned(),
                Preset::Required => "none: to be given".to_owned(),
            };
            format!("| `{}` | {} | {default} | {} |", row.name, row.values, row.why)
        })
        .collect();
    let lines: Vec<&str> = documented.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(lines, rows);
}

#[test]
fn documentation_says_what_is_of_the_whole_stack() {
    let documented = include_str!("../../../docs/settings.md");
    let names = TABLE
        .iter()
        .filter(|row| row.of_stack())
        .map(|row| format!("`{}`", row.name));
    let names: Vec<String> = names.collect();
    let said = documented
        .lines()
        .find(|line| line.starts_with("- Of the whole stack"))
        .unwrap();
    assert_eq!(names.len(), table::OF_STACK.len(), "each is a setting");
    assert!(names.iter().all(|name| said.contains(name)), "{said}");
    assert_eq!(said.matches('`').count(), 2 * names.len(), "{said}");
}

#[test]
fn help_tells_the_same_defaults() {
    use clap::CommandFactory as _;
    let cli = Cli::command();
    let plan = cli.find_subcommand("plan").unwrap();
    for row in TABLE {
        let flag = plan.get_arguments().find(|flag| flag.get_id() == row.name).unwrap();
        let help = flag.get_help().unwrap().to_string();
        if let Preset::Is(default) = row.default
            // These two can be nothing else.
            && !matches!(row.name, "partial_failures" | "tumbling_window")
        {
            assert!(help.ends_with(&format!("[default: {default}]")), "{}: {help}", row.name);
        }
    }
}

#[test]
fn a_boolean_flag_alone_means_true() {
    let (settings, _) = with(&["--create-topic", "--all-broker-ports", "--bisect", "false"]).unwrap();
    assert_eq!(
        settings.pipelines[0].create_topic.as_ref().map(|setting| setting.value),
        Some(true)
    );
    assert_eq!(
        (settings.all_broker_ports.value, settings.pipelines[0].bisect.value),
        (true, false)
    );
}

#[test]
fn only_what_is_not_the_default_is_told_to_the_handler() {
    assert_eq!(with(&[]).unwrap().0.pipelines[0].payload, Payload::default());
    let told = |arguments: &[&str]| with(arguments).unwrap().0.pipelines[0].payload.variables();
    assert!(told(&[]).is_empty());
    let defaults = [
        ["--decode", " kpl"],
        ["--key", "partition_key"],
        ["--value", "bytes"],
        ["--timestamp", "arrival"],
        ["--headers", "true"],
        ["--compression", "none"],
        ["--strict-order", "true"],
    ];
    assert!(told(defaults.as_flattened()).is_empty());
    let all = [
        ["--decode", "cloudwatch_logs, gzip,kpl"],
        ["--key", "none"],
        ["--topic-pointer", "/type"],
        ["--topic-map", r#"{ "b": "two", "a": "one" }"#],
        ["--value", "json"],
        ["--timestamp", "event"],
        ["--headers", "false"],
        ["--compression", "lz4"],
    ];
    let variables = told(all.as_flattened());
    let text: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        text,
        [
            "K2M_DECODE=kpl,cloudwatch_logs",
            "K2M_KEY=none",
            "K2M_TOPIC_POINTER=/type",
            r#"K2M_TOPIC_MAP={"a":"one","b":"two"}"#,
            "K2M_VALUE=json",
            "K2M_TIMESTAMP=event",
            "K2M_HEADERS=false",
            "K2M_COMPRESSION=lz4",
        ]
    );
    // What is told is what the handler takes.
    let brokers = [("K2M_BOOTSTRAP_SERVERS", "b:9092"), ("K2M_TOPIC", "orders")];
    let brokers = brokers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = k2m_handler::config::Config::from_env(brokers.into_iter().chain(variables)).unwrap();
    assert_eq!(config.payload.topic.unwrap().topics["b"], "two");
}

#[test]
fn topics_of_the_map_are_named_once_and_without_the_topic() {
    let map = r#"{"a": "z", "b": "orders", "c": "y", "d": "z"}"#;
    let (settings, _) = with(&["--topic-pointer", "/type", "--topic-map", map]).unwrap();
    assert_eq!(settings.pipelines[0].mapped_topics(), ["y", "z"]);
    assert_eq!(settings.pipelines[0].payload.texts_of("z"), ["a", "d"]);
}

#[test]
fn a_run_on_this_machine_needs_no_aws() {
    let local = |arguments: &[&str], yaml: &str| {
        let (flags, environment, file) = (flags(arguments), environment(&[]), file(yaml));
        resolve_local(Sources {
            flags: &flags,
            environment: &environment,
            file: Some(&file),
        })
    };
    let of_stream = local(&[], &format!("stream: {STREAM}\nkey: none\n")).unwrap();
    assert_eq!(of_stream.topic.value, "orders");
    assert_eq!(of_stream.payload.key.value.text, "none");
    let flag = local(&["--topic", "t", "--key", "/id"], "topic: x\nkey: none\n").unwrap();
    assert_eq!(
        (flag.topic.value.as_str(), flag.payload.key.value.text.as_str()),
        ("t", "/id")
    );
    let error = local(&[], "key: none\n").unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(
        error.to_string(),
        "no topic: give --topic NAME, or --config FILE with `topic` or `stream` in it"
    );
    // Of several pipelines one is chosen, with what is its own.
    for (arguments, topic, batch_size) in [
        (&["--stream", STREAM][..], "sales", 500),
        (&["--stream", CLICKS], "clicks", 50),
        (&["--topic", "clicks"], "clicks", 50),
        (&["--topic", "other", "--stream", CLICKS], "other", 50),
    ] {
        let chosen = local(arguments, &two()).unwrap();
        assert_eq!(
            (chosen.topic.value.as_str(), chosen.batch_size.value),
            (topic, batch_size)
        );
    }
    for arguments in [
        &[][..],
        &["--topic", "other"],
        &["--stream", &STREAM.replace("orders", "other")],
    ] {
        let error = local(arguments, &two()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "k2m.yaml lists 2 pipelines, and a run is of one: choose it with --stream ARN or --topic NAME; there are\n  sales of {STREAM}\n  clicks of {CLICKS}"
            )
        );
    }
}
