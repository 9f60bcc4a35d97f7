"""A small pipeline as k2m deploys it, in an empty account, and what can go wrong with it. Argument: what to do; the answer is one JSON document.

The function only pretends to deliver: it fails for records that say so.
"""

import json
import sys
import time

import boto3

PORT = 9098
STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
CODE = """
import base64
def handler(event, context):
    for record in event["Records"]:
        if base64.b64decode(record["kinesis"]["data"]) == b"bad":
            raise RuntimeError("as told")
    return {"batchItemFailures": []}
"""
names = ("ec2", "kafka", "kinesis", "cloudformation", "lambda")
ec2, kafka, kinesis, cloudformation, functions = (boto3.client(name) for name in names)


def deploy():
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="brokers", Description="brokers", VpcId=vpc)["GroupId"]
    iam = boto3.client("iam")
    iam.create_role(RoleName="orders", AssumeRolePolicyDocument="{}")
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="orders", PolicyName="all", PolicyDocument=json.dumps(rights))
    kinesis.create_stream(StreamName="orders", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1})
    cluster = kafka.create_cluster_v2(
        ClusterName="events",
        Provisioned={
            "BrokerNodeGroupInfo": {"ClientSubnets": subnets, "SecurityGroups": [group], "InstanceType": "kafka.m5.large"},
            "NumberOfBrokerNodes": 2,
            "KafkaVersion": "3.6.0",
            "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
            "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS"}},
        },
    )["ClusterArn"]
    cloudformation.create_stack(
        StackName="k2m-orders",
        TemplateBody=json.dumps(template(vpc, subnets, group, cluster)),
        Tags=[{"Key": "k2m:stack", "Value": "k2m-orders"}],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="k2m-orders", WaiterConfig={"Delay": 1})
    return cluster


def template(vpc, subnets, group, cluster):
    own_group = {"Fn::GetAtt": ["Group", "GroupId"]}
    tcp = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "Description": "k2m k2m-orders"}
    resources = {
        "Topic": (
            "AWS::MSK::Topic",
            {"ClusterArn": cluster, "TopicName": "orders", "PartitionCount": 3, "ReplicationFactor": 2},
        ),
        "Group": ("AWS::EC2::SecurityGroup", {"GroupDescription": "function", "VpcId": vpc}),
        "Egress": ("AWS::EC2::SecurityGroupEgress", {"GroupId": own_group, "DestinationSecurityGroupId": group, **tcp}),
        "Ingress": ("AWS::EC2::SecurityGroupIngress", {"GroupId": group, "SourceSecurityGroupId": own_group, **tcp}),
        "Failures": ("AWS::SNS::Topic", {}),
        "Function": (
            "AWS::Lambda::Function",
            {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": "arn:aws:iam::123456789012:role/orders",
                "Code": {"ZipFile": CODE},
                "Timeout": 60,
                "MemorySize": 256,
                "Environment": {"Variables": variables(cluster, "BootstrapBrokerStringSaslIam")},
                "VpcConfig": {"SubnetIds": subnets, "SecurityGroupIds": [own_group]},
            },
        ),
        "Mapping": (
            "AWS::Lambda::EventSourceMapping",
            {
                "EventSourceArn": STREAM,
                "FunctionName": {"Ref": "Function"},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 1000,
                "MaximumRetryAttempts": 0,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "DestinationConfig": {"OnFailure": {"Destination": {"Ref": "Failures"}}},
            },
        ),
    }
    return {
        "Parameters": {"Artifact": {"Type": "String", "Default": "none"}},
        "Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()},
    }


def variables(cluster, brokers):
    return {
        "K2M_TOPIC": "orders",
        "K2M_AUTHENTICATION": "iam",
        "K2M_BOOTSTRAP_SERVERS": kafka.get_bootstrap_brokers(ClusterArn=cluster)[brokers],
    }


def physical(logical):
    return cloudformation.describe_stack_resource(StackName="k2m-orders", LogicalResourceId=logical)["StackResourceDetail"][
        "PhysicalResourceId"
    ]


def cluster_arn():
    return kafka.list_clusters_v2()["ClusterInfoList"][0]["ClusterArn"]


def configure(**changes):
    function = physical("Function")
    functions.update_function_configuration(FunctionName=function, **changes)
    functions.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})


def speak(brokers):
    configure(Environment={"Variables": variables(cluster_arn(), brokers)})


def remove_ingress():
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["brokers"]}])["SecurityGroups"][0]["GroupId"]
    peers = [{"GroupId": physical("Group")}]
    permission = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": peers}
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[permission])


def deliver(data, result):
    """Puts a record and waits until the mapping says so of it."""
    kinesis.put_record(StreamName="orders", Data=data, PartitionKey="key")
    deadline = time.monotonic() + 30
    while (seen := functions.get_event_source_mapping(UUID=physical("Mapping"))["LastProcessingResult"]) != result:
        if time.monotonic() > deadline:
            sys.exit(f"the mapping still says {seen}")
        time.sleep(0.05)


ACTIONS = {
    "deploy": deploy,
    "deliver": lambda: deliver(b"good", "OK"),
    "fail": lambda: deliver(b"bad", "PROBLEM: Function call failed"),
    "remove the ingress": remove_ingress,
    "delete the topic": lambda: kafka.delete_topic(ClusterArn=cluster_arn(), TopicName="orders"),
    "speak to the plaintext port": lambda: speak("BootstrapBrokerString"),
    "time out after 5 s": lambda: configure(Timeout=5),
}
answer = None
for action in sys.argv[1:]:
    answer = ACTIONS[action]()
print(json.dumps(answer))
