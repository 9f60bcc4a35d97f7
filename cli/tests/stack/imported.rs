//! A project with the shape of the sample, and templates of other styles, are imported and deployed: their records are in real Kafka.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::driver::Account;

/// Ids of the account's subnets.
fn subnets(account: &Account) -> Vec<String> {
    let subnets = account.ask(&["subnets"]);
    let ids = subnets.as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// A template of another style, in a folder of the account's, with these of its texts replaced by what the account has.
fn place(account: &Account, style: &str, replaced: &[(&str, &str)]) {
    let from: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "import", style].iter().collect();
    copied(&from, &account.file(style), replaced);
}

fn copied(from: &Path, to: &Path, replaced: &[(&str, &str)]) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target, replaced);
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = replaced.iter().fold(text, |text, (old, new)| text.replace(old, new));
        fs::write(target, text).unwrap();
    }
}

/// A project as the sample's: its template names the stream, the topic for what fails, subnets and a group by their ids.
fn write(account: &Account, failures: &str, group: &str) {
    let subnets = subnets(account);
    let stream = account.stream("orders");
    let template = format!(
        "Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: 5
    MemorySize: 128
Resources:
  KinesisToKafka:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: kinesis_to_msk/
      Handler: app.lambda_handler
      Runtime: python3.9
      Policies: [AWSLambdaExecute, AmazonKinesisReadOnlyAccess, AWSLambdaVPCAccessExecutionRole]
      VpcConfig:
        SecurityGroupIds: [{group}]
        SubnetIds: [{}]
      Events:
        Stream:
          Type: Kinesis
          Properties:
            Stream: {stream}
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            MaximumBatchingWindowInSeconds: 1
            ParallelizationFactor: 8
            MaximumRetryAttempts: 100
            BisectBatchOnFunctionError: true
            MaximumRecordAgeInSeconds: 604800
            DestinationConfig:
              OnFailure: {{Type: SNS, Destination: '{failures}'}}
            TumblingWindowInSeconds: 0
            FunctionResponseTypes: [ReportBatchItemFailures]
",
        subnets.join(", ")
    );
    let folder = account.file("project");
    fs::create_dir_all(folder.join("kinesis_to_msk")).unwrap();
    fs::write(folder.join("template.yaml"), template).unwrap();
    let server = |id: u32| format!("b-{id}.events.ministack.local:9092");
    let config = format!(
        "SERVER = '{},' \\\n  '{},' \\\n  '{} '\nTOPIC = 'shop-orders'\n",
        server(1),
        server(2),
        server(3)
    );
    fs::write(folder.join("kinesis_to_msk/config.py"), config).unwrap();
    let code = "from kafka import KafkaProducer\n\n\ndef lambda_handler(event, context):\n    producer = KafkaProducer(bootstrap_servers=SERVER)\n    producer.send(TOPIC, b'')\n";
    fs::write(folder.join("kinesis_to_msk/app.py"), code).unwrap();
}

/// A security group of the user's own. Answers its id.
fn group(account: &Account) -> String {
    let subnet = subnets(account).swap_remove(0);
    let described = account.call("ec2", "describe_subnets", &json!({"SubnetIds": [subnet]}));
    let vpc = described["Subnets"][0]["VpcId"].clone();
    let made = json!({"GroupName": "lambda", "Description": "lambda", "VpcId": vpc});
    let made = account.call("ec2", "create_security_group", &made);
    made["GroupId"].as_str().unwrap().to_owned()
}

/// Imports a style into a file of settings of its own and deploys it; nothing is to do afterwards.
fn deployed(account: &Account, style: &str, exit: i32, more: &[&str]) -> Value {
    let file = format!("{style}.yaml");
    let import = [&["import", style, "--config", &file, "--create-topic"], more].concat();
    let imported = account.json(&import, exit);
    // The handler is this machine's, whatever the template says of its function.
    let here = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    };
    let deploy = ["deploy", "--config", &file, "--yes", "--architecture", here];
    let deployed = account.json(&deploy, 0);
    assert_eq!(deployed["status"], "created", "{style}: {deployed:#}");
    let plan = account.json(&["plan", "--config", &file, "--architecture", here], 0);
    assert_eq!(plan["change"]["status"], "none", "{style}: {:#}", plan["change"]);
    imported
}

#[test]
fn a_project_like_the_sample_is_imported_and_takes_over() {
    let account = Account::new(&["orders"]);
    let failures = account.ask(&["make_topic", "failures"]);
    let failures = failures.as_str().unwrap();
    account.ask(&["subscribe_queue", failures, "failures"]);
    let group = group(&account);
    write(&account, failures, &group);

    // What the old function has delivered: not once more.
    account.ask(&["put", "orders", "0", "100"]);
    let mut now = 0;
    k2m_testkit::wait_until("the clock is past what was put", crate::driver::PATIENCE, || {
        let before = if now == 0 {
            account.ask(&["now"]).as_i64().unwrap()
        } else {
            now
        };
        now = before;
        // Positions are of whole seconds.
        Ok(account.ask(&["now"]).as_i64().unwrap() / 1000 > before / 1000 + 1)
    })
    .unwrap();
    let seconds = account.ask(&["now"]).as_i64().unwrap() / 1000;
    let time = jiff::Timestamp::from_second(seconds).unwrap().to_string();
    account.ask(&["put", "orders", "100", "200"]);

    let imported = account.json(
        &[
            "import",
            "project",
            "--cluster",
            &account.cluster,
            "--create-topic",
            "--starting-position",
            "AT_TIMESTAMP",
            "--starting-timestamp",
            &time,
        ],
        0,
    );
    let settings = imported["settings"].as_array().unwrap();
    let value = |name: &str| {
        settings
            .iter()
            .find(|each| each["setting"] == name)
            .map(|each| each["value"].as_str().unwrap())
    };
    for (setting, wanted) in [
        ("stream", account.stream("orders")),
        ("topic", "shop-orders"),
        ("authentication", "plaintext"),
        ("batch_size", "10"),
        ("parallelization_factor", "8"),
        ("failure_destination", failures),
        ("memory", "128"),
    ] {
        assert_eq!(value(setting), Some(wanted), "{setting}: {imported:#}");
    }
    assert_eq!(value("timeout"), None, "{imported:#}");
    assert_eq!(value("security_group"), None, "{imported:#}");

    let deployed = account.json(&["deploy", "--yes"], 0);
    assert_eq!(deployed["status"], "created", "{deployed:#}");
    let arrived = account.arrived("shop-orders", 200);
    assert_eq!(arrived, (100..300).collect::<Vec<u64>>());
    // The commands of the steps find the mapping that is there.
    let mapping = account.ask(&["mapping", "k2m-orders"]);
    assert_eq!(mapping["state"], "Enabled", "{mapping:#}");
    account.json(&["plan"], 0);
}

#[test]
fn templates_of_other_styles_are_imported_and_deliver() {
    let account = Account::new(&["orders", "orders-legacy", "clicks"]);
    account.ask(&["make_queue", "given-up-prod"]);
    let group = group(&account);
    let subnets = subnets(&account);
    let of_stream: Vec<&str> = account.stream("orders").split(':').collect();
    let number = of_stream[4];
    let replaced = [
        (
            "arn:aws:kafka:eu-west-1:123456789012:cluster/events/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-3",
            account.cluster.as_str(),
        ),
        ("subnet-01a2b3c4d5e6f7a01", &subnets[0]),
        ("subnet-02b3c4d5e6f7a8b02", &subnets[1]),
        ("sg-0f000000000000001", &group),
        ("123456789012", number),
    ];
    for style in ["plain", "globals", "several", "leftovers"] {
        place(&account, style, &replaced);
    }
    account.ask(&["put", "orders", "0", "100"]);
    account.ask(&["put", "orders-legacy", "100", "100"]);

    let account_number = format!("AWS::AccountId={number}");
    let group_given = format!("Group={group}");
    // The cluster takes whoever comes, where the templates' own wants to know who.
    let plaintext = ["--authentication", "plaintext"];
    let plain = [
        "--region",
        "eu-west-1",
        "--parameter",
        &account_number,
        "--parameter",
        &group_given,
        "--stack",
        "k2m-plain",
    ];
    let plain = deployed(&account, "plain", 0, &[&plaintext[..], &plain].concat());
    assert!(
        plain["takeOver"][4]["what"]
            .as_str()
            .unwrap()
            .contains("GivenUp, Orders of the old stack"),
        "{plain:#}"
    );
    deployed(
        &account,
        "globals",
        0,
        &[&plaintext[..], &["--stack", "k2m-globals"]].concat(),
    );
    deployed(
        &account,
        "several",
        0,
        &[&plaintext[..], &["--cluster", &account.cluster]].concat(),
    );
    let orders = format!("shop-orders={}", account.stream("orders"));
    let leftovers = [
        "--cluster",
        &account.cluster,
        "--parameter",
        &orders,
        "--topic",
        "the-rest",
        "--stack",
        "k2m-leftovers",
    ];
    let leftovers = deployed(&account, "leftovers", 4, &[&plaintext[..], &leftovers].concat());
    assert_eq!(leftovers["unknown"].as_array().unwrap().len(), 4, "{leftovers:#}");

    let hundred: Vec<u64> = (0..100).collect();
    for topic in ["shop-orders-live", "page-views", "the-rest"] {
        assert_eq!(account.arrived(topic, 100), hundred, "{topic}");
    }
    // Two streams into one topic; and what the template has disabled is.
    assert_eq!(account.arrived("orders", 200), (0..200).collect::<Vec<u64>>());
    let clicks = account.call(
        "lambda",
        "list_event_source_mappings",
        &json!({"EventSourceArn": account.stream("clicks")}),
    );
    assert_eq!(clicks["EventSourceMappings"][0]["State"], "Disabled", "{clicks:#}");
}

#[test]
fn a_template_whose_kafka_is_not_msk_is_imported_and_delivers() {
    let account = Account::outside(&["clicks"]);
    let kafka = account.kafka.as_ref().unwrap();
    let servers = kafka.bootstrap_servers().replace("127.0.0.1", "localhost");
    let vpc = account.vpc.clone().unwrap();
    let filter = json!({"Filters": [{"Name": "vpc-id", "Values": [vpc]}]});
    let described = account.call("ec2", "describe_subnets", &filter);
    let subnets: Vec<&str> = described["Subnets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|subnet| subnet["SubnetId"].as_str().unwrap())
        .collect();
    place(
        &account,
        "json",
        &[
            (
                "kafka-1.dc.example.com:9093,kafka-2.dc.example.com:9093,kafka-3.dc.example.com:9093",
                &servers,
            ),
            ("subnet-0a11b22c33d44e501", subnets[0]),
            ("subnet-0b22c33d44e55f602", subnets[1]),
        ],
    );
    account.ask(&["put", "clicks", "0", "100"]);
    let of_stream: Vec<&str> = account.stream("clicks").split(':').collect();
    let number = format!("AWS::AccountId={}", of_stream[4]);
    let more = [
        "--region",
        "eu-west-1",
        "--parameter",
        &number,
        "--broker-cidrs",
        "10.60.4.0/24",
        "--topic-replication-factor",
        "1",
    ];
    deployed(&account, "json", 0, &more);
    assert_eq!(account.arrived("clicks", 100), (0..100).collect::<Vec<u64>>());
}
