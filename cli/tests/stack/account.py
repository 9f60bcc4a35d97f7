"""One account of AWS as a test needs it: what a pipeline stands on, records into its stream, and what is there afterwards. Prints JSON.

The first argument says what to do; the functions below are named so. `--region=NAME` may stand before it.
"""

import hashlib
import io
import json
import os
import shlex
import sys
import time
import traceback
import zipfile
from contextlib import contextmanager

import boto3
from botocore.exceptions import WaiterError


clients = {}


def client(service):
    """Of the region and the account that are meant now."""
    whose = (service, os.environ["AWS_DEFAULT_REGION"], os.environ["AWS_ACCESS_KEY_ID"])
    if whose not in clients:
        clients[whose] = boto3.client(service)
    return clients[whose]

def seed(*streams):
    """A VPC with three zones, a plaintext cluster with a rule of somebody else's, and streams of two shards."""
    return seeded({"Unauthenticated": {"Enabled": True}}, "PLAINTEXT", streams)


def seed_without_topic_api(*streams):
    """The same with a Kafka of whose topics MSK neither tells nor makes any."""
    return seeded({"Unauthenticated": {"Enabled": True}}, "PLAINTEXT", streams, kafka_version="2.8.1")


def seed_over_scram(*streams):
    """The same with a cluster that takes users with passwords alone."""
    return seeded({"Sasl": {"Scram": {"Enabled": True}}}, "TLS", streams)


def seed_over_tls(*streams):
    """The same over TLS, where nobody has to say who they are."""
    return seeded({"Unauthenticated": {"Enabled": True}}, "TLS", streams)


def seed_over_mutual_tls(*streams):
    """The same with a cluster that takes certificates alone."""
    authority = "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/11111111-2222-3333-4444-555555555555"
    return seeded({"Tls": {"Enabled": True, "CertificateAuthorityArnList": [authority]}}, "TLS", streams)


def seed_over_iam(*streams):
    """The same with a cluster that takes IAM's word alone."""
    return seeded({"Sasl": {"Iam": {"Enabled": True}}}, "TLS", streams)


def seed_across(*streams):
    """The same with the streams in another region, and a VPC there."""
    seeded_here = seed()
    with region("us-east-1"):
        vpc = vpc_for_functions()
        return {**seeded_here, "vpc": vpc, "streams": made_streams(streams)}


def seed_over_scram_across(*streams):
    """Both: users with passwords alone, and streams in another region."""
    seeded_here = seed_over_scram()
    with region("us-east-1"):
        vpc = vpc_for_functions()
        return {**seeded_here, "vpc": vpc, "streams": made_streams(streams)}


def seed_beside(*streams):
    """The same with a second VPC beside the cluster's."""
    seeded_here = seed(*streams)
    return {**seeded_here, "vpc": vpc_for_functions()}


def seed_apart(*streams):
    """The same over SCRAM, with private connectivity for it, and a second VPC that has the very addresses of the cluster's."""
    connectivity = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Scram": {"Enabled": True}}}}}
    seeded_here = seeded({"Sasl": {"Scram": {"Enabled": True}}}, "TLS", streams, connectivity)
    ec2 = client("ec2")
    vpc = made_vpc("10.0.0.0/16")
    for number, zone in enumerate("abc"):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")
    return {**seeded_here, "vpc": vpc}


def seed_public(*streams):
    """The same over SCRAM, with an internet gateway that the brokers' answers take."""
    connectivity = {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}
    seeded_here = seeded({"Sasl": {"Scram": {"Enabled": True}}}, "TLS", streams, connectivity)
    ec2 = client("ec2")
    vpc = brokers_vpc(seeded_here["cluster"])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    for table in main_tables(vpc):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return seeded_here


def seed_over_iam(*streams):
    """The same with a cluster that takes IAM alone."""
    return seeded({"Sasl": {"Iam": {"Enabled": True}}}, "TLS", streams)


def seed_express(*streams):
    """The same with Express brokers."""
    return seeded({"Unauthenticated": {"Enabled": True}}, "PLAINTEXT", streams, instance_type="express.m7g.large")


def seed_serverless(*streams):
    """The same with a serverless cluster, which takes IAM alone."""
    subnets, group = brokers_network()
    cluster = client("kafka").create_cluster_v2(
        ClusterName="events",
        Serverless={
            "VpcConfigs": [{"SubnetIds": subnets, "SecurityGroupIds": [group]}],
            "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
        },
    )["ClusterArn"]
    return {"cluster": cluster, "group": group, "streams": made_streams(streams)}


def seed_outside(*streams):
    """No cluster, and a VPC from which a virtual private gateway leads to where Kafka is."""
    ec2 = client("ec2")
    vpc = vpc_for_functions()
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    for table in main_tables(vpc):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.60.0.0/16", GatewayId=gateway)
    return {"cluster": "", "group": "", "vpc": vpc, "streams": made_streams(streams)}


def unroute():
    """Takes the route to the virtual private gateway away."""
    ec2 = client("ec2")
    for table in ec2.describe_route_tables()["RouteTables"]:
        for route in table["Routes"]:
            if route.get("GatewayId", "").startswith("vgw-"):
                ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock=route["DestinationCidrBlock"])
    return {}


@contextmanager
def region(name):
    """Another region for what is asked meanwhile."""
    before = os.environ["AWS_DEFAULT_REGION"]
    os.environ.update(AWS_REGION=name, AWS_DEFAULT_REGION=name)
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        os.environ.update(AWS_REGION=before, AWS_DEFAULT_REGION=before)
        boto3.DEFAULT_SESSION = None


@contextmanager
def owner():
    """Another account for what is asked meanwhile."""
    before = os.environ["AWS_ACCESS_KEY_ID"]
    os.environ["AWS_ACCESS_KEY_ID"] = "999999999999"
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        os.environ["AWS_ACCESS_KEY_ID"] = before
        boto3.DEFAULT_SESSION = None


def lent(stream):
    """A stream of another account's. Answers its ARN."""
    with owner():
        return made_streams([stream])[stream]


def by_owner(*command):
    """What the owner of a stream does who runs `aws kinesis put-resource-policy` as it is told to."""
    assert command[:3] == ("aws", "kinesis", "put-resource-policy"), command
    options = dict(zip(command[3::2], command[4::2]))
    with owner():
        client("kinesis").put_resource_policy(ResourceARN=options["--resource-arn"], Policy=options["--policy"])
    return {}


def put_lent(stream, first, count):
    with owner():
        return put(stream, first, count)


def made_vpc(block):
    """A VPC whose endpoints have names in it, as the console makes one."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    return vpc


def vpc_for_functions():
    """A VPC that no broker is in, with two zones."""
    ec2 = client("ec2")
    vpc = made_vpc("10.30.0.0/16")
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    for number, zone in enumerate(zones[:2]):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.30.{number}.0/24", AvailabilityZone=zone)
    return vpc


def peer(vpc, cluster):
    """Joins the VPC to the brokers', with a route back for all of it. Answers the connection's id."""
    ec2 = client("ec2")
    brokers = brokers_vpc(cluster)
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=brokers)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    for table in main_tables(brokers):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.30.0.0/16", VpcPeeringConnectionId=peering)
    return {"peering": peering}


def transit(vpc, cluster):
    """Joins the VPC to the brokers' by a transit gateway, with routes both ways. Answers the gateway's id."""
    ec2 = client("ec2")
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    for near, far in ((vpc, "10.0.0.0/16"), (brokers_vpc(cluster), "10.30.0.0/16")):
        filters = [{"Name": "vpc-id", "Values": [near]}]
        subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=filters)["Subnets"]]
        ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=near, SubnetIds=subnets)
        for table in main_tables(near):
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=far, TransitGatewayId=gateway)
    return {"gateway": gateway}


def brokers_vpc(cluster):
    info = client("kafka").describe_cluster_v2(ClusterArn=cluster)["ClusterInfo"]["Provisioned"]["BrokerNodeGroupInfo"]
    return client("ec2").describe_subnets(SubnetIds=info["ClientSubnets"][:1])["Subnets"][0]["VpcId"]


def main_tables(vpc):
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    return [table["RouteTableId"] for table in client("ec2").describe_route_tables(Filters=filters)["RouteTables"]]


def networks():
    """All that a deployment could change in the region's networks; what is deleted and only shown for a while is left out."""
    ec2 = client("ec2")
    peerings = ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
    groups = [each for each in ec2.describe_security_groups()["SecurityGroups"] if each["GroupName"] == "brokers"]
    rules = [rule for group in groups for key in ("IpPermissions", "IpPermissionsEgress") for rule in group[key]]
    return {
        "peerings": [each["VpcPeeringConnectionId"] for each in peerings if each["Status"]["Code"] != "deleted"],
        "routes": [[table["RouteTableId"], table["Routes"]] for table in ec2.describe_route_tables()["RouteTables"]],
        "acls": ec2.describe_network_acls()["NetworkAcls"],
        "rules": rules,
    }


def stand(cluster, vpc, stack, *streams):
    """A stack as k2m deploys one for these streams, as far as k2m looks at it: functions in the VPC and their mappings; its network stack; the topics. The
    first two mappings invoke functions of somebody else's. Where a secret is there, all of them have it. What is given up goes to a topic that a queue hears,
    in which a message waits. Answers how many functions there are."""
    ec2, cloudformation = client("ec2"), client("cloudformation")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]]
    bucket = f"code-{stack}"
    here = os.environ["AWS_DEFAULT_REGION"]
    place = {} if here == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": here}}
    client("s3").create_bucket(Bucket=bucket, **place)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as opened:
        opened.writestr("bootstrap", "")
    client("s3").put_object(Bucket=bucket, Key="code", Body=code.getvalue())
    role = client("iam").create_role(RoleName=stack, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    function = {
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": role,
        "Code": {"S3Bucket": bucket, "S3Key": "code"},
        "VpcConfig": {"SubnetIds": subnets, "SecurityGroupIds": [{"Fn::GetAtt": ["FunctionSecurityGroup", "GroupId"]}]},
    }
    with region("eu-west-1"):
        secrets = client("secretsmanager").list_secrets()["SecretList"]
    variables = {"Variables": {"K2M_SECRET_ARN": secrets[0]["ARN"]}} if secrets else {"Variables": {}}
    function["Environment"] = variables
    failed = make_topic(f"failed-{stack}")
    subscribe_queue(failed, f"failed-{stack}")
    client("sns").publish(TopicArn=failed, Message="somebody's")
    group = {"GroupDescription": "functions", "VpcId": vpc}
    resources = {"FunctionSecurityGroup": {"Type": "AWS::EC2::SecurityGroup", "Properties": group}}
    outputs = {}
    for number, stream in enumerate(streams):
        name = stream.rsplit("/", 1)[1]
        digest = hashlib.sha256(stream.encode()).hexdigest()[:8]
        pipeline = "".join(word[:1].upper() + word[1:] for word in name.split("-")) + digest
        outputs[f"{pipeline}Stream"] = {"Value": stream}
        resources[f"{pipeline}Function"] = {"Type": "AWS::Lambda::Function", "Properties": function}
        invoked = {"Ref": f"{pipeline}Function"}
        if number < 2:
            invoked = f"{stack}-stranger-{number}"
            client("lambda").create_function(
                FunctionName=invoked,
                Runtime="provided.al2023",
                Handler="bootstrap",
                Role=role,
                Code={"ZipFile": code.getvalue()},
                Environment=variables,
            )
        mapping = {
            "EventSourceArn": stream,
            "FunctionName": invoked,
            "StartingPosition": "TRIM_HORIZON",
            "Enabled": False,
            "DestinationConfig": {"OnFailure": {"Destination": failed}},
        }
        resources[f"{pipeline}Mapping"] = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}
    user = {"user": "here/other", "needs": {}}
    handle = {"User": {"Type": "AWS::CloudFormation::WaitConditionHandle", "Metadata": {"k2m": user}}}
    wanted = {stack: {"Resources": resources, "Outputs": outputs}}
    network = f"k2m-network-{vpc}"
    known = [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]
    if network not in known:
        wanted[network] = {"Resources": handle}
    for name, template in wanted.items():
        tags = [{"Key": "k2m:stack", "Value": name}]
        client("s3").put_object(Bucket=bucket, Key=name, Body=json.dumps(template).encode())
        cloudformation.create_stack(StackName=name, TemplateURL=f"{os.environ['AWS_ENDPOINT_URL']}/{bucket}/{name}", Tags=tags)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return {"functions": len(client("lambda").list_functions()["Functions"])}


def make_topics(cluster, *names):
    for name in names:
        client("kafka").create_topic(ClusterArn=cluster, TopicName=name, PartitionCount=2, ReplicationFactor=3)
    return {}


def name_lists(cluster):
    """Has the brokers' main table lead to two prefix lists."""
    ec2 = client("ec2")
    vpc = brokers_vpc(cluster)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    for name in ("one", "other"):
        made = ec2.create_managed_prefix_list(
            PrefixListName=name, MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
        )
        for table in main_tables(vpc):
            ec2.create_route(
                RouteTableId=table, DestinationPrefixListId=made["PrefixList"]["PrefixListId"], GatewayId=gateway
            )
    return {"vpc": vpc}


def put_secret(name, file):
    """A secret with what the file holds, or another text for it. Answers its ARN."""
    manager = client("secretsmanager")
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    try:
        # MSK takes users from secrets with a key of the account's own alone.
        key = client("kms").create_key()["KeyMetadata"]["KeyId"]
        return manager.create_secret(Name=name, SecretString=text, KmsKeyId=key)["ARN"]
    except manager.exceptions.ResourceExistsException:
        return manager.put_secret_value(SecretId=name, SecretString=text)["ARN"]


def associate(cluster, secret):
    """Lets the cluster take its user from the secret."""
    return client("kafka").batch_associate_scram_secret(ClusterArn=cluster, SecretArnList=[secret])


def seeded(authentication, encryption, streams, connectivity=None, kafka_version="3.8.x", instance_type="kafka.m5.large"):
    subnets, group = brokers_network()
    cluster = client("kafka").create_cluster_v2(
        ClusterName="events",
        Provisioned={
            "BrokerNodeGroupInfo": {
                "ClientSubnets": subnets,
                "SecurityGroups": [group],
                "InstanceType": instance_type,
                **({"ConnectivityInfo": connectivity} if connectivity else {}),
            },
            "NumberOfBrokerNodes": 3,
            "KafkaVersion": kafka_version,
            "ClientAuthentication": authentication,
            "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": encryption}},
        },
    )["ClusterArn"]
    return {"cluster": cluster, "group": group, "streams": made_streams(streams)}


def brokers_network():
    """A VPC with a subnet in each of three zones, and a group with a rule of somebody else's. Answers the subnets' ids and the group's."""
    ec2 = client("ec2")
    vpc = made_vpc("10.0.0.0/16")
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]["SubnetId"]
        for number, zone in enumerate("abc")
    ]
    group = ec2.create_security_group(GroupName="brokers", Description="brokers", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 9098,
                "ToPort": 9098,
                "IpRanges": [{"CidrIp": "10.9.1.0/24", "Description": "other clients"}],
            }
        ],
    )
    return subnets, group


def made_streams(streams):
    """Makes the streams. Answers their ARNs."""
    kinesis = client("kinesis")
    arns = {}
    for stream in streams:
        kinesis.create_stream(StreamName=stream, ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        arns[stream] = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    return arns


def put(stream, first, count):
    """Records numbered from `first`, of 97 keys."""
    kinesis = client("kinesis")
    numbers = range(int(first), int(first) + int(count))
    for start in range(0, len(numbers), 500):
        records = [{"PartitionKey": f"key-{n % 97}", "Data": json.dumps({"n": n}).encode()} for n in numbers[start : start + 500]]
        answer = kinesis.put_records(StreamName=stream, Records=records)
        assert answer["FailedRecordCount"] == 0, answer
    return {"put": len(numbers)}


def poison(stream):
    """A record as large as Kinesis takes it, which with its headers is more than a topic takes unless it is told otherwise."""
    answer = client("kinesis").put_record(StreamName=stream, PartitionKey="poison", Data=b"x" * (1024 * 1024 - 6))
    return {"sequenceNumber": answer["SequenceNumber"], "shardId": answer["ShardId"]}


def failures(stack):
    """The messages in the stack's queue; they stay there."""
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    queues = [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::SQS::Queue"]
    messages = []
    for queue in queues:
        answer = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        for message in answer.get("Messages", []):
            body = json.loads(message["Body"])
            messages.append(json.loads(body["Message"]) if "Message" in body else body)
    return messages


def mapping(stack):
    """The state of the stack's only event source mapping."""
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    kind = "AWS::Lambda::EventSourceMapping"
    [uuid] = [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == kind]
    return {"state": client("lambda").get_event_source_mapping(UUID=uuid)["State"]}


def make_queue(name):
    """A queue of the user's own."""
    url = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return {"url": url, "arn": arn}


def set_queue_policy(url, policy):
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return {}


def messages(url):
    """The messages in a queue; they stay there."""
    answer = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def make_topic(name):
    """A topic of the user's own. Answers its ARN."""
    return client("sns").create_topic(Name=name)["TopicArn"]


def subscribe_queue(topic, name):
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=make_queue(name)["arn"])
    return {}


def make_bucket(name, key):
    """A bucket of the user's own that a customer's key encrypts."""
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]})
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    return {}


def register_consumer(stream, name):
    """A consumer of the stream, once it is ACTIVE. Answers its ARN."""
    return client("kinesis").register_stream_consumer(StreamARN=stream, ConsumerName=name)["Consumer"]["ConsumerARN"]


def rules(group):
    """All that AWS says of a security group."""
    return client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]


def subnets():
    """Ids of the cluster's subnets, in the order of their addresses."""
    found = [each for each in client("ec2").describe_subnets()["Subnets"] if each["CidrBlock"].startswith("10.0.")]
    return [each["SubnetId"] for each in sorted(found, key=lambda each: each["CidrBlock"])]


def remains():
    """Names of all that a stack could have left."""
    stacks = client("cloudformation").list_stacks()["StackSummaries"]
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    groups = client("ec2").describe_security_groups()["SecurityGroups"]
    return {
        "stacks": [each["StackName"] for each in stacks if each["StackStatus"] != "DELETE_COMPLETE"],
        "functions": [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]],
        "mappings": [each["UUID"] for each in mappings],
        "logs": [each["logGroupName"] for each in client("logs").describe_log_groups()["logGroups"]],
        "topics": [each["TopicArn"] for each in client("sns").list_topics()["Topics"]],
        "subscriptions": [each["SubscriptionArn"] for each in client("sns").list_subscriptions()["Subscriptions"]],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "roles": [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
        "alarms": [each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "endpoints": [each["ServiceName"] for each in client("ec2").describe_vpc_endpoints()["VpcEndpoints"]],
        "connections": [each["VpcConnectionArn"] for each in client("kafka").list_vpc_connections()["VpcConnections"]],
        "buckets": [each["Name"] for each in client("s3").list_buckets()["Buckets"]],
        "groups": [each["GroupName"] for each in groups if each["GroupName"] not in ("default", "brokers")],
    }


def stacks():
    """By name, each stack that is there: its status, and the names of change sets that nobody executed."""
    cloudformation = client("cloudformation")
    found = {}
    for stack in cloudformation.describe_stacks()["Stacks"]:
        change_sets = cloudformation.list_change_sets(StackName=stack["StackId"])["Summaries"]
        waiting = [each["ChangeSetName"] for each in change_sets if not each["ExecutionStatus"].startswith("EXECUTE_")]
        found[stack["StackName"]] = {"status": stack["StackStatus"], "changeSets": waiting}
    return found


def delete_stack(name):
    """The stack goes, without k2m."""
    client("cloudformation").delete_stack(StackName=name)
    client("cloudformation").get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return {}


def foreign_stack(name):
    """A stack of another tool's: it lacks the tag that k2m gives."""
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
    client("cloudformation").get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return {}


def broken_stack(name):
    """A stack of k2m's that never worked: ROLLBACK_COMPLETE."""
    rule = {"GroupId": "sg-00000000", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "10.0.0.0/8"}
    template = {"Resources": {"Rule": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": rule}}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Tags=[{"Key": "k2m:stack", "Value": name}]
    )
    try:
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    except WaiterError:
        # It waits for success, and gives up when the stack is rolled back.
        pass
    return {}


def lose_code():
    """Deletes what was uploaded for functions."""
    s3 = client("s3")
    lost = []
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        for key in (each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", []) if each["Key"].endswith(".zip")):
            s3.delete_object(Bucket=bucket, Key=key)
            lost.append(key)
    return {"lost": lost}


def logs():
    """The last lines of every function, for the report of a test that failed."""
    lines = []
    for group in client("logs").describe_log_groups()["logGroups"]:
        events = client("logs").filter_log_events(logGroupName=group["logGroupName"])["events"]
        lines += [event["message"][:600] for event in events[-20:]]
    return lines


def break_ingress(group, stack):
    """Takes away the rules that the stack gave to the group."""
    ec2 = client("ec2")
    all_rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    ours = [rule for rule in all_rules if stack in rule.get("Description", "") and not rule["IsEgress"]]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"] for rule in ours])
    return {"removed": len(ours)}


def function_of(stack):
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return next(each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::Lambda::Function")


def set_timeout(stack, seconds):
    client("lambda").update_function_configuration(FunctionName=function_of(stack), Timeout=int(seconds))
    return {}


def set_variable(stack, name, value):
    function = function_of(stack)
    variables = client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client("lambda").update_function_configuration(
        FunctionName=function, Environment={"Variables": {**variables, name: value}}
    )
    return {"before": variables.get(name)}


def set_function(stack, settings):
    """Changes the function by Lambda's own names."""
    client("lambda").update_function_configuration(FunctionName=function_of(stack), **json.loads(settings))
    return {}


def set_mapping(stack, settings):
    """Changes the event source mapping by Lambda's own names."""
    client("lambda").update_event_source_mapping(UUID=mapping_of(stack), **json.loads(settings))
    return {}


def break_egress(stack):
    """Takes away all that the stack's own group lets out."""
    ec2 = client("ec2")
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    group = next(each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::EC2::SecurityGroup")
    all_rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    ids = [rule["SecurityGroupRuleId"] for rule in all_rules if rule["IsEgress"]]
    ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=ids)
    return {"removed": len(ids)}


def break_routes():
    """Takes away each route over a peering connection."""
    ec2 = client("ec2")
    removed = 0
    for table in ec2.describe_route_tables()["RouteTables"]:
        for route in table["Routes"]:
            if route.get("VpcPeeringConnectionId"):
                ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock=route["DestinationCidrBlock"])
                removed += 1
    return {"removed": removed}


def deny(on):
    """Has every network ACL deny what comes in, or takes that back."""
    ec2 = client("ec2")
    for acl in ec2.describe_network_acls()["NetworkAcls"]:
        entry = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 7, "Egress": False}
        if on == "true":
            ec2.create_network_acl_entry(**entry, Protocol="-1", RuleAction="deny", CidrBlock="0.0.0.0/0")
        else:
            ec2.delete_network_acl_entry(**entry)
    return {}


def disassociate(cluster, secret):
    """Has the cluster forget the user of the secret."""
    return client("kafka").batch_disassociate_scram_secret(ClusterArn=cluster, SecretArnList=[secret])


def mapping_of(stack):
    resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    kind = "AWS::Lambda::EventSourceMapping"
    return next(each["PhysicalResourceId"] for each in resources if each["ResourceType"] == kind)


def set_enabled(stack, on):
    client("lambda").update_event_source_mapping(UUID=mapping_of(stack), Enabled=on == "true")
    return {}


def delete_mapping(stack):
    client("lambda").delete_event_source_mapping(UUID=mapping_of(stack))
    return {}


def now():
    """The emulator's time, in milliseconds since 1970."""
    return int(time.time() * 1000)


def log_stream(arguments):
    """A stream of a log group, unless it is there."""
    logs = client("logs")
    try:
        logs.create_log_stream(**json.loads(arguments))
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    return {}


def call(service, operation, arguments):
    """Any call of boto3's, with its arguments as JSON."""
    return getattr(client(service), operation)(**json.loads(arguments))


def words(command):
    """What a shell makes of a command."""
    return shlex.split(command)


def delete_topic(cluster, topic):
    client("kafka").delete_topic(ClusterArn=cluster, TopicName=topic)
    return {}


def serve():
    """Does what each line says, a list of words as on the command line, and answers with a line each."""
    for line in sys.stdin:
        try:
            name, *asked = json.loads(line)
            answer = {"answer": globals()[name](*asked)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    where, *asked = sys.argv[1:]
    if where == "serve":
        sys.exit(serve())
    if where.startswith("--region="):
        with region(where.removeprefix("--region=")):
            print(json.dumps(globals()[asked[0]](*asked[1:]), default=str))
    else:
        print(json.dumps(globals()[where](*asked), default=str))
