//! Templates of every style, as settings and notes.

use std::collections::BTreeMap;

use super::*;

const CLUSTER: &str = "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3";
const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    pairs.collect()
}

fn given(flags: &[(&'static str, &str)], parameters: &[(&str, &str)]) -> Given {
    Given {
        flags: flags.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
        parameters: pairs(parameters),
        region: Some("eu-west-1".to_owned()),
        ..Given::default()
    }
}

fn of(template: &str, given: Given, files: &[(&str, &str)]) -> Result<Imported, ImportError> {
    Project::read("template.yaml", template.as_bytes(), given)?.import(&pairs(files))
}

/// A template of SAM with one function, whose event has these properties, one a line, and that has these itself.
fn sam(event: &[&str], function: &[&str]) -> String {
    let indented = |lines: &[&str], spaces: usize| -> String {
        let margin = " ".repeat(spaces);
        lines.iter().flat_map(|line| [margin.as_str(), line, "\n"]).collect()
    };
    format!(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: app.main\n{}      \
         Events:\n        E:\n          Type: Kinesis\n          Properties:\n            Stream: {STREAM}\n{}",
        indented(function, 6),
        indented(event, 12)
    )
}

/// What becomes of one setting, in words.
fn fate(imported: &Imported, setting: &str) -> String {
    if let Some(carried) = imported.settings.iter().find(|carried| carried.setting == setting) {
        return format!("{} ({})", carried.value, carried.from);
    }
    if let Some(unknown) = imported.unknown.iter().find(|unknown| unknown.setting == setting) {
        return format!("? {}; {}", unknown.why, unknown.give);
    }
    if let Some(changed) = imported.changed.iter().find(|changed| changed.what == setting) {
        return format!("{} -> {}", changed.before, changed.after);
    }
    if let Some(left) = imported.not_carried.iter().find(|left| left.what == setting) {
        return format!("left: {}", left.why);
    }
    "nothing".to_owned()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_property_has_its_fate() {
    type Row = (
        &'static [&'static str],
        &'static [&'static str],
        &'static str,
        &'static str,
    );
    const ROWS: &[Row] = &[
        (
            &[],
            &[],
            "stream",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/orders (template.yaml:11)",
        ),
        (&["BatchSize: 7"], &[], "batch_size", "7 (template.yaml:12)"),
        (&[], &[], "batch_size", "100, Lambda's default -> 1000"),
        (
            &["BatchSize: !Ref AWS::NoValue"],
            &[],
            "batch_size",
            "100, Lambda's default -> 1000",
        ),
        (
            &["BatchSize: !ImportValue size"],
            &[],
            "batch_size",
            "? `size` is another stack's output (Fn::ImportValue); give --batch-size, or --parameter 'size=VALUE'",
        ),
        (
            &["MaximumBatchingWindowInSeconds: 10"],
            &[],
            "batching_window",
            "10 (template.yaml:12)",
        ),
        (
            &["ParallelizationFactor: 8"],
            &[],
            "parallelization_factor",
            "8 (template.yaml:12)",
        ),
        (&["MaximumRetryAttempts: 0"], &[], "retries", "0 (template.yaml:12)"),
        (&["MaximumRetryAttempts: -1"], &[], "retries", "-1 (template.yaml:12)"),
        (&[], &[], "retries", "-1, without end, Lambda's default -> 100"),
        (
            &["MaximumRecordAgeInSeconds: 604800"],
            &[],
            "maximum_record_age",
            "604800 (template.yaml:12)",
        ),
        (
            &[],
            &[],
            "maximum_record_age",
            "-1, without end, Lambda's default -> 7 days, or the stream's retention where that is shorter",
        ),
        (
            &["BisectBatchOnFunctionError: false"],
            &[],
            "bisect",
            "false (template.yaml:12)",
        ),
        (
            &["BisectBatchOnFunctionError: Yes"],
            &[],
            "bisect",
            "true (template.yaml:12)",
        ),
        (&["Enabled: false"], &[], "enabled", "false (template.yaml:12)"),
        (
            &["StartingPosition: TRIM_HORIZON"],
            &[],
            "starting_position",
            "TRIM_HORIZON (template.yaml:12)",
        ),
        (
            &["StartingPosition: LATEST"],
            &[],
            "starting_position",
            "LATEST -> TRIM_HORIZON",
        ),
        (
            &[
                "StartingPosition: AT_TIMESTAMP",
                "StartingPositionTimestamp: 1767225600.5",
            ],
            &[],
            "starting_timestamp",
            "2026-01-01T00:00:00Z (template.yaml:13)",
        ),
        (
            &["StartingPosition: AT_TIMESTAMP"],
            &[],
            "starting_timestamp",
            "? AT_TIMESTAMP goes with a time, and StartingPositionTimestamp is no number of seconds that is known; give --starting-position and --starting-timestamp",
        ),
        (
            &["DestinationConfig: {OnFailure: {Type: SQS, Destination: 'arn:aws:sqs:eu-west-1:123456789012:up'}}"],
            &[],
            "failure_destination",
            "arn:aws:sqs:eu-west-1:123456789012:up (template.yaml:12)",
        ),
        (
            &[],
            &[],
            "failure_destination",
            "none -> an SNS topic of the stack's own with an SQS queue",
        ),
        (&[], &[], "partial_failures", "none -> true"),
        (
            &["FunctionResponseTypes: [ReportBatchItemFailures]"],
            &[],
            "partial_failures",
            "nothing",
        ),
        (
            &["TumblingWindowInSeconds: 0"],
            &[],
            "TumblingWindowInSeconds",
            "nothing",
        ),
        (
            &["TumblingWindowInSeconds: 30"],
            &[],
            "TumblingWindowInSeconds",
            "left: a tumbling window makes Lambda hold state between invocations; k2m keeps none",
        ),
        (
            &["FilterCriteria: {Filters: [{Pattern: x}]}"],
            &[],
            "FilterCriteria",
            "left: k2m has no filters: records that were left out will be in the topic too; filter where they are consumed",
        ),
        (
            &["KmsKeyArn: x"],
            &[],
            "KmsKeyArn",
            "left: k2m has no setting for KmsKeyArn",
        ),
        (&[], &["Timeout: 5"], "timeout", "5 s -> 60 s"),
        (&[], &[], "timeout", "3 s, Lambda's default -> 60 s"),
        (&[], &["Timeout: 30"], "timeout", "30 (template.yaml:7)"),
        (&[], &["MemorySize: 512"], "memory", "512 (template.yaml:7)"),
        (&[], &[], "memory", "128, Lambda's default -> 256"),
        (
            &[],
            &["VpcConfig: {SubnetIds: [subnet-1, subnet-2, subnet-1]}"],
            "subnets",
            "subnet-1,subnet-2 (template.yaml:7)",
        ),
        (
            &[],
            &["VpcConfig: {SecurityGroupIds: [sg-1]}"],
            "security_group",
            "sg-1 -> one of the stack's own",
        ),
        (
            &[],
            &[],
            "network",
            "in no VPC -> in the brokers' VPC, or one that leads there",
        ),
        (
            &[],
            &["Tags: {team: shop, cost: 42}"],
            "tags",
            "{\"cost\":\"42\",\"team\":\"shop\"} (template.yaml:7)",
        ),
        (
            &[],
            &["Tags: {'aws:x': y}"],
            "the tag aws:x",
            "left: the tag `aws:x` is AWS's own to set: choose another key",
        ),
        (
            &[],
            &["Tags: {team: !ImportValue team}"],
            "tags",
            "? `team` is another stack's output (Fn::ImportValue); give --tags, or --parameter 'team=VALUE'",
        ),
        (
            &[],
            &["PermissionsBoundary: arn:aws:iam::123456789012:policy/most"],
            "permissions_boundary",
            "arn:aws:iam::123456789012:policy/most (template.yaml:7)",
        ),
        (
            &[],
            &["Architectures: [arm64]"],
            "architecture",
            "arm64 (template.yaml:7)",
        ),
        (&[], &[], "architecture", "nothing"),
        (
            &[],
            &["Environment: {Variables: {TOPIC: shop, LEVEL: 1}}"],
            "topic",
            "shop (the variable TOPIC in template.yaml)",
        ),
        (
            &[],
            &["Environment: {Variables: {TOPIC: shop, LEVEL: 1}}"],
            "the variables LEVEL",
            "left: they were for the old code; k2m's handler has its own",
        ),
        (
            &[],
            &[],
            "topic",
            "? neither a variable of the function nor a constant in config.py or its code names it, and k2m takes the stream's name; give --topic where that is not right",
        ),
    ];
    for (event, function, setting, wanted) in ROWS {
        let imported = of(&sam(event, function), given(&[("cluster", CLUSTER)], &[]), &[]).unwrap();
        assert_eq!(fate(&imported, setting), *wanted, "{event:?} {function:?}");
    }
}

#[test]
fn a_flag_counts_more_than_the_template() {
    let template = sam(
        &["BatchSize: 7", "MaximumRetryAttempts: -1"],
        &["Timeout: 5", "VpcConfig: {SecurityGroupIds: [sg-1]}"],
    );
    let flags = [
        ("cluster", CLUSTER),
        ("batch_size", "9"),
        ("retries", "-1"),
        ("timeout", "5"),
        ("topic", "shop"),
        ("security_group", "sg-1"),
    ];
    let imported = of(&template, given(&flags, &[]), &[]).unwrap();
    for (setting, wanted) in [
        ("batch_size", "9 (--batch-size)"),
        ("retries", "-1 (--retries)"),
        ("timeout", "5 (--timeout)"),
        ("topic", "shop (--topic)"),
        ("security_group", "sg-1 (--security-group)"),
    ] {
        assert_eq!(fate(&imported, setting), wanted);
    }
    assert_eq!(imported.exit(), Exit::Fine);
}

#[test]
fn what_is_written_to_is_found_or_asked_for() {
    const MSK: &str = "b-1.shop.a1.c2.kafka.eu-west-1.amazonaws.com";
    let sends = "p = KafkaProducer(bootstrap_servers=SERVER)\np.send('x', b'')\n";
    for (variables, code, setting, wanted) in [
        (format!("CLUSTER: {CLUSTER}"), "", "cluster", format!("{CLUSTER} (the variable CLUSTER in template.yaml)")),
        (
            format!("BROKERS: '{MSK}:9092'"),
            "",
            "cluster",
            format!(
                "?? the variable BROKERS in template.yaml names brokers of MSK ({MSK}), and k2m goes by their cluster's ARN; give --cluster ARN, as this prints it: aws \
                 kafka list-clusters-v2 --region eu-west-1 --cluster-name-filter shop --query 'ClusterInfoList[].ClusterArn' --output text"
            ),
        ),
        ("BROKERS: 'k1:9092,k2:9092'".to_owned(), sends, "bootstrap_servers", "k1:9092,k2:9092 (the variable BROKERS in template.yaml)".to_owned()),
        ("BROKERS: 'k1:9092,k2:9092'".to_owned(), sends, "authentication", "plaintext (app.py)".to_owned()),
        ("BROKERS: 'k1:9092,k2:9092'".to_owned(), sends, "public_access", "true (the function is in no VPC)".to_owned()),
        (
            "BROKERS: 'k1:9092,k2:9092'".to_owned(),
            "",
            "authentication",
            "?? the code does not say how it speaks to the brokers, and nothing of AWS tells it of a Kafka that is not MSK; give --authentication plaintext, tls, scram or \
             mutual-tls"
                .to_owned(),
        ),
        (
            "BROKERS: 'k1:9094'".to_owned(),
            "Producer(security_protocol='SSL')",
            "authentication",
            "tls (app.py)".to_owned(),
        ),
        (
            "{BROKERS: 'k1:9094', MECHANISM: SCRAM-SHA-512}".to_owned(),
            "",
            "secret",
            "?? the brokers want one, and no variable of the function names it; give --secret ARN, a secret in Secrets Manager".to_owned(),
        ),
        (
            "{BROKERS: 'a:9092', KAFKA: 'b:9092'}".to_owned(),
            "",
            "cluster",
            "?? BROKERS and KAFKA say different things; give --cluster ARN, or --bootstrap-servers HOST:PORT of a Kafka that is not MSK".to_owned(),
        ),
        (
            "DB: 'db:5432'".to_owned(),
            "",
            "cluster",
            "?? neither a variable of the function nor a constant in config.py or its code says where it writes to; give --cluster ARN, or --bootstrap-servers HOST:PORT of a \
             Kafka that is not MSK"
                .to_owned(),
        ),
    ] {
        let braces = variables.trim_start_matches('{').trim_end_matches('}').to_owned();
        let line = format!("Environment: {{Variables: {{{braces}}}}}");
        let template = sam(&[], &[&line]);
        let found = match of(&template, given(&[("topic", "t")], &[]), &[("app.py", code)]) {
            Ok(imported) => fate(&imported, setting),
            Err(ImportError::Unknown { missing }) => {
                let unknown = missing.iter().find(|unknown| unknown.setting == setting).unwrap();
                format!("?? {}; {}", unknown.why, unknown.give)
            }
            Err(other) => other.to_string(),
        };
        assert_eq!(found, wanted, "{variables}");
    }
    // A flag names the cluster: whatever its brokers are called, their ports are MSK's.
    for (port, wanted) in [
        (9092, "plaintext (port 9092)"),
        (9098, "iam (port 9098)"),
        (9194, "tls (port 9194)"),
        (9196, "scram (port 9196)"),
        (20098, "iam (port 20098)"),
        (9999, "nothing"),
    ] {
        let variables = format!("Environment: {{Variables: {{BROKERS: 'kafka.internal:{port}'}}}}");
        let imported = of(
            &sam(&[], &[&variables]),
            given(&[("cluster", CLUSTER), ("topic", "t")], &[]),
            &[],
        )
        .unwrap();
        assert_eq!(fate(&imported, "authentication"), wanted, "{port}");
    }
}

#[test]
fn a_flush_that_is_missing_is_seen() {
    let with = |code: &str| {
        let imported = of(&sam(&[], &[]), given(&[("cluster", CLUSTER)], &[]), &[("app.py", code)]).unwrap();
        fate(&imported, "delivery")
    };
    let sends = "p = KafkaProducer()\np.send('t', b'')\n";
    assert!(with(sends).starts_with("app.py sends without a flush -> "));
    assert!(with("p = Producer({})\np.produce('t')\n# p.flush()\n").starts_with("app.py sends"));
    for code in [
        &format!("{sends}p.flush()"),
        &format!("{sends}p.close()"),
        "p.send('t').get(10)",
        "sqs.send(1)",
        "",
    ] {
        assert_eq!(with(code), "nothing", "{code}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_cannot_be_imported_is_said_with_its_exit_code() {
    let event = |line: &'static str| sam(&[line], &[]);
    let two = "Resources:\n  A: {Type: AWS::Serverless::Function, Properties: {Events: {E: {Type: Kinesis, Properties: {Stream: 'arn:aws:kinesis:eu-west-1:123456789012:stream/a'}}}, \
               Environment: {Variables: {BROKERS: 'a:9092'}}}}\n  B: {Type: AWS::Serverless::Function, Properties: {Events: {E: {Type: Kinesis, Properties: {Stream: \
               'arn:aws:kinesis:eu-west-1:123456789012:stream/b'}}}, Environment: {Variables: {BROKERS: 'b:9092'}}}}\n";
    let queue = "Resources:\n  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: 'arn:aws:sqs:eu-west-1:123456789012:q'}}\n  N: {Type: \
                 AWS::CloudFormation::Stack}\n";
    for (template, change, exit, wanted) in [
        (
            "A: 1",
            None,
            Exit::BadInput,
            "template.yaml: this is no template of SAM or CloudFormation: it has no `Resources`",
        ),
        ("Resources: {}", None, Exit::BadInput, "it has no `Resources`"),
        (
            queue,
            None,
            Exit::Failed,
            "no function in it reads a Kinesis data stream",
        ),
        (
            queue,
            None,
            Exit::Failed,
            "; N: a nested stack is not followed: import its own template",
        ),
        (
            &event("BatchSize: 20000"),
            None,
            Exit::BadInput,
            "template.yaml:12: `20000` can't be batch_size: give a whole number from 1 to 10000",
        ),
        (
            &event("Enabled: maybe"),
            None,
            Exit::BadInput,
            "template.yaml:12: `maybe` can't be enabled: give true or false",
        ),
        (
            &event("StartingPosition: FIRST"),
            None,
            Exit::BadInput,
            "`FIRST` can't be starting_position",
        ),
        (
            &sam(&[], &["Timeout: 901"]),
            None,
            Exit::BadInput,
            "template.yaml:7: `901` can't be timeout",
        ),
        (
            &event("DestinationConfig: {OnFailure: {Destination: 'kafka://t'}}"),
            None,
            Exit::BadInput,
            "`kafka://t` can't be failure_destination: Lambda sends what failed to a Kafka topic only",
        ),
        (
            &sam(&[], &[]).replace(STREAM, "!ImportValue orders"),
            None,
            Exit::CouldNotTell,
            "template.yaml:11: stream: `orders` is another stack's output (Fn::ImportValue); give --stream, or --parameter 'orders=VALUE'",
        ),
        (
            &sam(&[], &[]).replace(STREAM, "arn:aws:kinesis:x"),
            None,
            Exit::BadInput,
            "template.yaml:11: `arn:aws:kinesis:x` can't be stream",
        ),
        (
            &sam(&[], &[]),
            Some("mapping"),
            Exit::Usage,
            "there is no mapping `X` of Kinesis in template.yaml: give --mapping one of F.E",
        ),
        (
            &sam(&[], &[]),
            Some("parameter"),
            Exit::Usage,
            "--parameter X: nothing that is imported from template.yaml asks for it; the template has no parameters",
        ),
        (two, None, Exit::Failed, "A.E and B.E write to different brokers"),
        (
            two,
            Some("topic"),
            Exit::Usage,
            "--topic is of one pipeline, and 2 are imported",
        ),
    ] {
        let mut given = given(&[], &[]);
        if !two.starts_with(template) {
            given.flags.insert("cluster", CLUSTER.to_owned());
        }
        match change {
            Some("mapping") => given.mappings.push("X".to_owned()),
            Some("topic") => drop(given.flags.insert("topic", "t".to_owned())),
            Some("parameter") => drop(given.parameters.insert("X".to_owned(), "y".to_owned())),
            _ => {}
        }
        let error = of(template, given, &[]).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(error.exit(), exit, "{error}");
    }
}

/// Any value, of these words.
fn value(random: &mut fastrand::Rng, words: &[&str], depth: u32) -> serde_json::Value {
    let word = |random: &mut fastrand::Rng| words[random.usize(0..words.len())].to_owned();
    match random.u32(0..if depth > 5 { 1 } else { 4 }) {
        0 => word(random).into(),
        1 => (0..random.usize(0..4))
            .map(|_| value(random, words, depth + 1))
            .collect(),
        _ => {
            let entries = (0..random.usize(0..5)).map(|_| (word(random), value(random, words, depth + 1)));
            serde_json::Value::Object(entries.collect())
        }
    }
}

#[test]
fn no_template_makes_it_panic() {
    let words = [
        "Ref",
        "Fn::Sub",
        "Fn::If",
        "Fn::Join",
        "Fn::GetAtt",
        "Fn::Select",
        "Fn::Split",
        "Fn::FindInMap",
        "Resources",
        "F",
        "Type",
        "Properties",
        "Events",
        "Kinesis",
        "Stream",
        "AWS::Serverless::Function",
        "AWS::Lambda::EventSourceMapping",
        "EventSourceArn",
        "FunctionName",
        "DestinationConfig",
        "OnFailure",
        "Destination",
        "VpcConfig",
        "SubnetIds",
        "Environment",
        "Variables",
        "${F.Arn}",
        "AWS::Region",
        "Conditions",
        "Condition",
        "Parameters",
        "Default",
        "",
        "-1",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..3_000 {
        let event = value(&mut random, &words, 0);
        let function = value(&mut random, &words, 0);
        let mapping = value(&mut random, &words, 0);
        let template = serde_json::json!({
            "Conditions": value(&mut random, &words, 2), "Parameters": value(&mut random, &words, 2),
            "Resources": {
                "F": {"Type": "AWS::Serverless::Function", "Properties": {
                    "Events": {"E": {"Type": "Kinesis", "Properties": event}}, "VpcConfig": function, "Environment": value(&mut random, &words, 1),
                }},
                "M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
            },
        });
        // It comes to an end, with settings or a reason.
        let _ = of(&template.to_string(), given(&[("cluster", CLUSTER)], &[]), &[]);
    }
}

#[test]
fn what_a_stack_has_once_is_carried_where_its_functions_agree() {
    const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/most";
    let function = |id: &str, more: &str| {
        format!(
            "  {id}:\n    Type: AWS::Lambda::Function\n    Properties:\n      Role: !GetAtt Role.Arn\n{more}  {id}Reads:\n    Type: AWS::Lambda::EventSourceMapping\n    \
             Properties: {{FunctionName: !Ref {id}, EventSourceArn: '{STREAM}-{id}', StartingPosition: LATEST}}\n"
        )
    };
    let role =
        format!("Resources:\n  Role: {{Type: AWS::IAM::Role, Properties: {{PermissionsBoundary: '{BOUNDARY}'}}}}\n");
    let listed = "      Tags: [{Key: team, Value: shop}, !If [No, {Key: a, Value: b}, !Ref AWS::NoValue]]\n";
    let no = "Conditions: {No: !Equals [a, b]}\n";
    let imported = |first: &str, second: &str| {
        let template = format!("{no}{role}{}{}", function("A", first), function("B", second));
        of(&template, given(&[("cluster", CLUSTER)], &[]), &[]).unwrap()
    };
    let alike = imported(&format!("{listed}      Architectures: [arm64]\n"), listed);
    assert_eq!(fate(&alike, "tags"), "{\"team\":\"shop\"} (template.yaml:8)");
    assert_eq!(
        fate(&alike, "permissions_boundary"),
        format!("{BOUNDARY} (template.yaml:3)")
    );
    assert_eq!(fate(&alike, "architecture"), "arm64 (template.yaml:9)");

    let unlike = imported("      Architectures: [arm64]\n", "      Architectures: [x86_64]\n");
    assert_eq!(fate(&unlike, "architecture"), "nothing");
    assert_eq!(
        fate(&unlike, "Architectures"),
        "left: its functions say different things, and a stack has one architecture for all: --architecture says it"
    );
}

/// As large as a template can be, with functions that all refer to each other: each part of it is read a few times, not once for each function.
#[test]
fn a_template_as_large_as_can_be_comes_to_an_end() {
    const FUNCTIONS: usize = 240;
    let mut resources = serde_json::Map::new();
    for number in 0..FUNCTIONS {
        let variables = (0..150).map(|other| {
            let asked = serde_json::json!({"Ref": format!("F{}", (number + other) % FUNCTIONS)});
            (format!("V{other}"), asked)
        });
        let function = serde_json::json!({"Type": "AWS::Serverless::Function", "Properties": {
            "Environment": {"Variables": variables.collect::<serde_json::Map<_, _>>()},
            "Events": {"E": {"Type": "Kinesis", "Properties": {"Stream": format!("{STREAM}-{number}")}}},
        }});
        resources.insert(format!("F{number}"), function);
    }
    let template = serde_json::json!({"Resources": resources}).to_string();
    assert!((600_000..1_000_000).contains(&template.len()), "{}", template.len());
    let imported = of(&template, given(&[("cluster", CLUSTER)], &[]), &[]).unwrap();
    assert_eq!(imported.pipelines.len(), FUNCTIONS);
    let referring = |left: &&Left| left.why.starts_with("it refers to the function");
    // Said once for a resource, whichever function it refers to.
    assert_eq!(imported.not_carried.iter().filter(referring).count(), FUNCTIONS);
}

#[test]
fn what_refers_to_the_function_is_named() {
    let template = sam(&[], &[]).replace("Resources:\n", "Resources:\n  Alarm: {Type: AWS::CloudWatch::Alarm, Properties: {D: !Ref F}}\n  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub '/aws/lambda/${F}'}}\n  Other: {Type: AWS::SNS::Topic}\n")
        + "Outputs:\n  Arn: {Value: !GetAtt F.Arn}\n  Role: {Value: !GetAtt FRole.Arn}\n  Topic: {Value: !Ref Other}\n";
    let imported = of(&template, given(&[("cluster", CLUSTER)], &[]), &[]).unwrap();
    let refers = |left: &&Left| left.why.starts_with("it refers to the function");
    let named: Vec<&str> = imported
        .not_carried
        .iter()
        .filter(refers)
        .map(|left| left.what.as_str())
        .collect();
    assert_eq!(
        named,
        [
            "the resource Alarm (AWS::CloudWatch::Alarm)",
            "the output Arn",
            "the output Role"
        ]
    );
}

#[test]
fn what_a_macro_makes_is_said_not_to_be_known() {
    let macros = |transform: &str| {
        let template = sam(&[], &[]).replace("Transform: AWS::Serverless-2016-10-31", transform);
        let imported = of(&template, given(&[("cluster", CLUSTER)], &[]), &[]).unwrap();
        let macros = imported
            .not_carried
            .into_iter()
            .filter(|left| left.why.contains("--template-stage Processed"));
        macros
            .map(|left| format!("{} {}", left.what, left.place))
            .collect::<Vec<_>>()
    };
    for (transform, wanted) in [
        ("Transform: AWS::Serverless-2016-10-31", &[][..]),
        ("Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]", &[]),
        ("Transform: Own", &["the macro Own template.yaml:1"]),
        (
            "Transform: [{Name: AWS::Include, Parameters: {Location: 's3://x'}}, AWS::Serverless-2016-10-31]",
            &["the macro AWS::Include template.yaml:1"],
        ),
    ] {
        assert_eq!(macros(transform), wanted, "{transform}");
    }
    let within = sam(&[], &[]).replace(
        "Resources:\n",
        "Resources:\n  Fn::Transform: {Name: AWS::Include, Parameters: {Location: 's3://x'}}\n",
    );
    let imported = of(&within, given(&[("cluster", CLUSTER)], &[]), &[]).unwrap();
    assert!(
        imported.not_carried.iter().any(|left| left.what == "Fn::Transform"),
        "{imported:#?}"
    );
}

#[test]
fn how_to_take_over_follows_from_the_settings() {
    let steps = |event: &[&str], flags: &[(&'static str, &str)]| {
        let flags = [&[("cluster", CLUSTER)][..], flags].concat();
        let imported = of(&sam(event, &[]), given(&flags, &[]), &[]).unwrap();
        let steps = imported.take_over.iter();
        let steps = steps.map(|step| format!("{}\n{}\n", step.what, step.commands.join("\n")));
        steps.collect::<String>()
    };
    let plain = steps(&[], &[]);
    let time = steps(
        &[
            "StartingPosition: AT_TIMESTAMP",
            "StartingPositionTimestamp: 1767225600",
        ],
        &[],
    );
    let young = steps(&["MaximumRecordAgeInSeconds: 600"], &[]);
    let old = steps(&["MaximumRecordAgeInSeconds: 604800"], &[]);
    let off = steps(&["Enabled: false"], &[]);
    let profile = steps(&[], &[("profile", "shop")]);
    for (words, with, without) in [
        ("Put `starting_position: AT_TIMESTAMP`", &plain, &time),
        ("The settings begin at a time already", &time, &plain),
        ("with 600 s, what waited longer would be given up", &young, &plain),
        ("with 600 s, what waited longer would be given up", &young, &old),
        ("`enabled: false` is what the template says", &off, &plain),
        ("--no-enabled --region eu-west-1 --profile shop\n", &profile, &plain),
        ("--no-enabled --region eu-west-1\n", &plain, &profile),
    ] {
        assert!(with.contains(words), "{words}: {with}");
        assert!(!without.contains(words), "{words}: {without}");
    }
}
