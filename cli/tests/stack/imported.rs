//! A project with the shape of the sample is imported and deployed: its records are in real Kafka.

use std::fs;

use serde_json::{Value, json};

use crate::driver::Account;

/// A project as the sample's: its template names the stream, the topic for what fails, subnets and a group by their ids.
fn write(account: &Account, failures: &str, group: &str) {
    let subnets: Value = account.ask(&["subnets"]);
    let subnets: Vec<&str> = subnets
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
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

#[test]
fn a_project_like_the_sample_is_imported_and_takes_over() {
    let account = Account::new(&["orders"]);
    let failures = account.ask(&["make_topic", "failures"]);
    let failures = failures.as_str().unwrap();
    account.ask(&["subscribe_queue", failures, "failures"]);
    let subnet = account.ask(&["subnets"]);
    let described = account.call("ec2", "describe_subnets", &json!({"SubnetIds": [subnet[0]]}));
    let vpc = described["Subnets"][0]["VpcId"].clone();
    let made = json!({"GroupName": "lambda", "Description": "lambda", "VpcId": vpc});
    let made = account.call("ec2", "create_security_group", &made);
    let group = made["GroupId"].as_str().unwrap();
    write(&account, failures, group);

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
