"""A deployment with the shape of the sample that many functions of this kind were copied from, as CloudFormation makes it out of a SAM template: the second
argument on say what to do."""

import io
import json
import os
import sys
import zipfile

import boto3

STACK = "kinesis-to-kafka"

APP = """\
import base64
import json

from kafka import KafkaProducer

from config import SERVER, TOPIC


def lambda_handler(event, context):
    producer = KafkaProducer(bootstrap_servers=SERVER, value_serializer=lambda value: json.dumps(value).encode())
    for each in event["Records"]:
        producer.send(TOPIC, json.loads(base64.b64decode(each["kinesis"]["data"])))
"""


def config(servers, topic):
    """Each server a text of its own on a line of its own, the last with a blank at its end."""
    *first, last = servers
    lines = [f'"{server},"' for server in first] + [f'"{last} "']
    return "SERVER = " + " \\\n    ".join(lines) + f'\nTOPIC = "{topic}"\n'


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, text in files.items():
            package.writestr(name, text)
    return buffer.getvalue()


def deploy(cluster, brokers, stream, topic):
    """The groups as the article has them, and the stack. Answers the function's name."""
    ec2, kafka, s3, cloudformation = (boto3.client(name) for name in ("ec2", "kafka", "s3", "cloudformation"))
    nodes = kafka.describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]["Provisioned"]["BrokerNodeGroupInfo"]
    subnets = nodes["ClientSubnets"]
    vpc = ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="lambda", Description="lambda", VpcId=vpc)["GroupId"]
    everything = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    if everything:
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    for authorize, of, peer in (
        (ec2.authorize_security_group_egress, group, brokers),
        (ec2.authorize_security_group_ingress, brokers, group),
    ):
        rule = {"IpProtocol": "tcp", "FromPort": 9092, "ToPort": 9093, "UserIdGroupPairs": [{"GroupId": peer}]}
        authorize(GroupId=of, IpPermissions=[rule])
    listed = kafka.list_nodes(ClusterArn=cluster)["NodeInfoList"]
    hosts = sorted(node["BrokerNodeInfo"]["Endpoints"][0].split(":")[0] for node in listed)
    bucket = "sam-artifacts"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]})
    code = {"app.py": APP, "config.py": config([f"{host}:9092" for host in hosts], topic)}
    s3.put_object(Bucket=bucket, Key="code", Body=zipped(code))
    s3.put_object(Bucket=bucket, Key="layer", Body=zipped({"python/kafka/__init__.py": ""}))
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    failures = sns.create_topic(Name="failures")["TopicArn"]
    queue = sqs.create_queue(QueueName="failures")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=failures, Protocol="sqs", Endpoint=queue)
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    managed = ("AWSLambdaExecute", "AmazonKinesisReadOnlyAccess", "service-role/AWSLambdaVPCAccessExecutionRole")
    interfaces = ("Create", "Describe", "Delete")
    network = [f"ec2:{verb}NetworkInterface{'s' if verb == 'Describe' else ''}" for verb in interfaces]
    network += ["ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
    reads = ["kinesis:Get*", "kinesis:List*", "kinesis:Describe*"]
    rights = [
        {"Effect": "Allow", "Action": ["logs:*", *network, *reads], "Resource": "*"},
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": failures},
    ]
    resources = {
        "KafkaLayer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {"LayerName": "kafka", "Content": {"S3Bucket": bucket, "S3Key": "layer"}},
        },
        "KinesisToKafkaRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusted]},
                "ManagedPolicyArns": [f"arn:aws:iam::aws:policy/{name}" for name in managed],
                # What these hold, of which the emulator has only the names, and what SAM adds for the destination.
                "Policies": [{"PolicyName": "rights", "PolicyDocument": {"Version": "2012-10-17", "Statement": rights}}],
            },
        },
        "KinesisToKafka": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.9",
                "Handler": "app.lambda_handler",
                "Architectures": ["x86_64"],
                "Timeout": 5,
                "MemorySize": 128,
                "Role": {"Fn::GetAtt": ["KinesisToKafkaRole", "Arn"]},
                "Layers": [{"Ref": "KafkaLayer"}],
                "Code": {"S3Bucket": bucket, "S3Key": "code"},
                "Environment": {"Variables": {"DB_PASSWORD": "not-for-anybody", "LEVEL": "INFO"}},
                "VpcConfig": {"SubnetIds": subnets, "SecurityGroupIds": [group]},
            },
        },
        "KinesisToKafkaStream": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": stream,
                "FunctionName": {"Ref": "KinesisToKafka"},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 10,
                "MaximumBatchingWindowInSeconds": 10,
                "Enabled": True,
                "ParallelizationFactor": 8,
                "MaximumRetryAttempts": 100,
                "BisectBatchOnFunctionError": True,
                "MaximumRecordAgeInSeconds": 604800,
                "DestinationConfig": {"OnFailure": {"Destination": failures}},
                "TumblingWindowInSeconds": 0,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
    }
    cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps({"Resources": resources}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    made = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}
    return {"function": ids["KinesisToKafka"], "mapping": ids["KinesisToKafkaStream"], "group": group}


def unmap(uuid):
    """Takes the mapping away."""
    boto3.client("lambda").delete_event_source_mapping(UUID=uuid)
    return {}


def recode(function, variables):
    """Other variables, and code that says nothing of where it writes to."""
    client = boto3.client("lambda")
    client.update_function_configuration(FunctionName=function, Environment={"Variables": json.loads(variables)})
    client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    client.update_function_code(FunctionName=function, ZipFile=zipped({"app.py": "import os\nTOPIC = os.environ['T']\n"}))
    client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    return {}


def shut(cluster):
    """Has the network ACL of the brokers' VPC let nothing out."""
    ec2, kafka = boto3.client("ec2"), boto3.client("kafka")
    nodes = kafka.describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]["Provisioned"]["BrokerNodeGroupInfo"]
    vpc = ec2.describe_subnets(SubnetIds=nodes["ClientSubnets"][:1])["Subnets"][0]["VpcId"]
    for acl in ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]:
        ec2.delete_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=100, Egress=True)
    return {}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments), default=str))
