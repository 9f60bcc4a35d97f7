//! What the test kit claims about its AWS, where a real broker stands behind it.

use k2m_testkit::{AwsEmulator, KafkaCluster};
use serde_json::json;

/// A stack with the topic, and a queue behind an SNS topic; the cluster's ARN is its argument.
const STACK: &str = r#"
import json, sys, boto3
cloudformation, kafka = boto3.client("cloudformation"), boto3.client("kafka")
action = sys.argv[1]
if action == "cluster":
    vpc = boto3.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = boto3.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    nodes = {"ClientSubnets": [subnet], "InstanceType": "kafka.m5.large"}
    provisioned = {"BrokerNodeGroupInfo": nodes, "NumberOfBrokerNodes": 1, "KafkaVersion": "3.6.0"}
    cluster = kafka.create_cluster_v2(ClusterName="events", Provisioned=provisioned)["ClusterArn"]
    print(json.dumps([cluster, kafka.get_bootstrap_brokers(ClusterArn=cluster)["BootstrapBrokerString"]]))
elif action == "deploy":
    topic = {"ClusterArn": sys.argv[2], "TopicName": "orders", "PartitionCount": 3, "ReplicationFactor": 3}
    resources = {
        "Topic": {"Type": "AWS::MSK::Topic", "DeletionPolicy": "Retain", "Properties": topic},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
    }
    outputs = {"Queue": {"Value": {"Ref": "Queue"}}, "Topic": {"Value": {"Fn::GetAtt": ["Topic", "TopicArn"]}}}
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps({"Resources": resources, "Outputs": outputs}))
    try:
        cloudformation.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    except Exception:
        pass
    stack = cloudformation.describe_stacks(StackName="s")["Stacks"][0]
    events = cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    print(json.dumps([stack["StackStatus"], outputs, reasons]))
elif action == "delete":
    cloudformation.delete_stack(StackName="s")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    print(json.dumps(kafka.describe_topic(ClusterArn=sys.argv[2], TopicName="orders")["PartitionCount"]))
elif action == "send":
    for number in range(12):
        boto3.client("sqs").send_message(QueueUrl=sys.argv[2], MessageBody=f"message {number}")
    print("null")
elif action == "read":
    kinesis = boto3.client("kinesis")
    shard = kinesis.list_shards(StreamName="orders")["Shards"][0]["ShardId"]
    at = kinesis.get_shard_iterator(StreamName="orders", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    print(json.dumps([json.loads(record["Data"])["n"] for record in kinesis.get_records(ShardIterator=at, Limit=10_000)["Records"]]))
else:
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1})
    print("null")
"#;

#[test]
fn topics_of_stacks_are_on_the_broker_and_outlive_the_stack() {
    let kafka = KafkaCluster::builder().start().expect("the broker starts");
    let bootstrap = kafka.bootstrap_servers();
    let emulator = AwsEmulator::start_with(&[("MINISTACK_MSK_BOOTSTRAP", &bootstrap)]).expect("the emulator starts");
    let act = |arguments: &[&str]| emulator.python(STACK, arguments).expect("it is done");

    let cluster = act(&["cluster"]);
    assert_eq!(cluster[1], json!(bootstrap));
    let cluster = cluster[0].as_str().expect("an ARN").to_owned();
    let made = act(&["deploy", &cluster]);
    assert_eq!(made[0], json!("CREATE_COMPLETE"), "{made}");
    assert_eq!(kafka.end_offsets("orders").expect("it is on the broker"), [0, 0, 0]);
    let queue = made[1]["Queue"].as_str().expect("a URL");
    act(&["send", queue]);
    let mut taken = emulator.take_messages(queue).expect("messages");
    taken.sort_unstable();
    assert_eq!((taken.len(), taken[0].as_str()), (12, "message 0"));
    assert!(emulator.take_messages(queue).expect("none").is_empty());

    assert_eq!(act(&["delete", &cluster]), json!(3), "it stays");
    let again = act(&["deploy", &cluster]);
    assert_eq!(again[0], json!("ROLLBACK_COMPLETE"), "{again}");
    assert!(again[2].to_string().contains("AlreadyExists"), "{again}");
    assert_eq!(kafka.end_offsets("orders").expect("it is untouched"), [0, 0, 0]);

    act(&["stream"]);
    emulator.put_records("orders", 0..1_234).expect("records are put");
    let numbers: Vec<u64> = (0..1_234).collect();
    assert_eq!(act(&["read"]), json!(numbers));
}
