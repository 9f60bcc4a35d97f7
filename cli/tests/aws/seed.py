"""Fills an empty account with what a pipeline stands on, and prints ARNs and names for the ids that AWS made up, as JSON."""

import json

import boto3

ec2, kafka, kinesis, cloudformation = (boto3.client(name) for name in ("ec2", "kafka", "kinesis", "cloudformation"))
names = {}


def name(identifier, as_what):
    names[identifier] = as_what
    return identifier


vpc = name(ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"], "VPC")
elsewhere = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
ec2.create_subnet(VpcId=elsewhere, CidrBlock="10.9.0.0/24")
subnets = [
    name(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]["SubnetId"],
        f"SUBNET-{zone}",
    )
    for number, zone in enumerate("abc")
]
in_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
name(ec2.describe_route_tables(Filters=in_vpc)["RouteTables"][0]["RouteTableId"], "MAIN-TABLE")
name(ec2.describe_network_acls(Filters=in_vpc)["NetworkAcls"][0]["NetworkAclId"], "DEFAULT-ACL")
gateway = name(ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"], "GATEWAY")
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
table = name(ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"], "TABLE")
ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])

brokers = name(ec2.create_security_group(GroupName="brokers", Description="brokers", VpcId=vpc)["GroupId"], "BROKERS")
tcp = {"IpProtocol": "tcp", "FromPort": 9098, "ToPort": 9098}
ec2.authorize_security_group_ingress(
    GroupId=brokers,
    IpPermissions=[
        {**tcp, "IpRanges": [{"CidrIp": "10.0.1.0/24", "Description": "clients"}]},
        {**tcp, "IpRanges": [{"CidrIp": "10.0.2.0/24", "Description": "k2m k2m-clicks"}]},
    ],
)

stream_arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
kinesis.create_stream(StreamName="orders", ShardCount=2)
kinesis.get_waiter("stream_exists").wait(StreamName="orders", WaiterConfig={"Delay": 1})

configuration = kafka.create_configuration(
    Name="ours", ServerProperties=b"auto.create.topics.enable=true\nnum.partitions=3\n", KafkaVersions=["3.6.0"]
)
cluster = kafka.create_cluster_v2(
    ClusterName="events",
    Provisioned={
        "BrokerNodeGroupInfo": {"ClientSubnets": subnets, "SecurityGroups": [brokers], "InstanceType": "kafka.m5.large"},
        "NumberOfBrokerNodes": 3,
        "KafkaVersion": "3.6.0",
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
        "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "TLS"}},
        "ConfigurationInfo": {"Arn": configuration["Arn"], "Revision": 1},
    },
)["ClusterArn"]
# `max.message.bytes=2000000`, as MSK takes it.
kafka.create_topic(
    ClusterArn=cluster, TopicName="orders", PartitionCount=6, ReplicationFactor=3, Configs="bWF4Lm1lc3NhZ2UuYnl0ZXM9MjAwMDAwMA=="
)

template = {
    "Resources": {
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "function", "GroupName": "function", "VpcId": vpc},
        },
        "Ingress": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": brokers,
                "IpProtocol": "tcp",
                "FromPort": 9098,
                "ToPort": 9098,
                "SourceSecurityGroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "orders",
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": "arn:aws:iam::123456789012:role/orders",
                "Code": {"ZipFile": "def handler(event, context):\n    return {}\n"},
                "Timeout": 60,
                "MemorySize": 256,
                "Environment": {"Variables": {"K2M_TOPIC": "orders"}},
                "VpcConfig": {"SubnetIds": subnets, "SecurityGroupIds": [{"Fn::GetAtt": ["Group", "GroupId"]}]},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": stream_arn,
                "FunctionName": {"Ref": "Function"},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 1000,
                "Enabled": False,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
    },
    "Outputs": {"Function": {"Value": {"Ref": "Function"}}},
}
cloudformation.create_stack(
    StackName="k2m-orders", TemplateBody=json.dumps(template), Tags=[{"Key": "k2m:stack", "Value": "k2m-orders"}]
)
cloudformation.get_waiter("stack_create_complete").wait(StackName="k2m-orders", WaiterConfig={"Delay": 1})
# Somebody added a variable of their own by hand.
functions = boto3.client("lambda")
functions.update_function_configuration(
    FunctionName="orders", Environment={"Variables": {"K2M_TOPIC": "orders", "PASSWORD": "not to be shown"}}
)
functions.get_waiter("function_updated_v2").wait(FunctionName="orders", WaiterConfig={"Delay": 1})
resources = cloudformation.describe_stack_resources(StackName="k2m-orders")["StackResources"]
for resource in resources:
    if resource["LogicalResourceId"] != "Function":
        name(resource["PhysicalResourceId"], resource["LogicalResourceId"].upper())

print(json.dumps({"stream": stream_arn, "cluster": cluster, "names": names}))
