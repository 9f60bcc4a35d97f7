"""Ways to break a deployed pipeline, each with the way back. `do NAME WORDS…` breaks, `undo` takes all back that was broken; account.py follows, which serves them."""

import base64
import json
import os
import time
import urllib.request
from contextlib import ExitStack, contextmanager

it = {}  # what `begin` was told: which pipeline is broken, and where it is
broken = ExitStack()


def begin(stack, home, there, cluster, functions_vpc):
    """The stack and its region, the brokers' region, the cluster (none where the Kafka is not MSK), and the VPC of the function (none where it is the brokers')."""
    it.update(stack=stack, home=home, there=there, cluster=cluster)
    it["brokers"] = brokers_of(cluster) if cluster else ""
    it["vpc"] = functions_vpc or it["brokers"]
    return {}


def do(name, *words):
    broken.enter_context(globals()[name](*words))
    return {}


def undo():
    broken.pop_all().close()
    forget()
    return {}


def forget():
    """As if so much time had passed that nobody looks at what was logged and counted meanwhile."""
    logs, group = near("logs"), physical("LogGroup")
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        logs.delete_log_stream(logGroupName=group, logStreamName=stream["logStreamName"])
    scope = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/20260101/{it['home']}/kafka/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    url = f"{os.environ['AWS_ENDPOINT_URL']}/v1/metrics"
    urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="DELETE")).close()


def near(service):
    """Where the function is."""
    with region(it["home"]):
        return client(service)


def far(service):
    """Where the brokers are."""
    with region(it["there"]):
        return client(service)


def side(which):
    """EC2 and the VPC of the function's side, or of the brokers'."""
    return (near("ec2"), it["vpc"]) if which == "function" else (far("ec2"), it["brokers"])


def described():
    return far("kafka").describe_cluster_v2(ClusterArn=it["cluster"])["ClusterInfo"]


def brokers_of(_cluster):
    info = described()
    if "Serverless" in info:
        subnets = info["Serverless"]["VpcConfigs"][0]["SubnetIds"]
    else:
        subnets = info["Provisioned"]["BrokerNodeGroupInfo"]["ClientSubnets"]
    return far("ec2").describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["VpcId"]


def cluster_group():
    info = described()
    if "Serverless" in info:
        return info["Serverless"]["VpcConfigs"][0]["SecurityGroupIds"][0]
    return info["Provisioned"]["BrokerNodeGroupInfo"]["SecurityGroups"][0]


def physical(end):
    """Physical id of the stack's resource whose logical id ends so."""
    resources = near("cloudformation").describe_stack_resources(StackName=it["stack"])["StackResources"]
    return next(each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"].endswith(end))


# --- The function ---------------------------------------------------------------------------------------------------------------------------------------


def function():
    return near("lambda").get_function_configuration(FunctionName=physical("Function"))


def configure(**changes):
    name = physical("Function")
    near("lambda").update_function_configuration(FunctionName=name, **changes)
    settle()


def settle():
    """Waits until Lambda is done with a change, which doctor would warn of."""
    deadline = time.monotonic() + 20
    while function()["LastUpdateStatus"] == "InProgress" or function()["State"] == "Pending":
        assert time.monotonic() < deadline, function()
        time.sleep(0.02)


@contextmanager
def configured(**changes):
    before = function()
    configure(**changes)
    yield
    kept = {name: before[name] for name in ("Timeout", "MemorySize", "Environment")}
    vpc = before["VpcConfig"]
    configure(**kept, VpcConfig={"SubnetIds": vpc["SubnetIds"], "SecurityGroupIds": vpc["SecurityGroupIds"]})


def time_out(seconds):
    return configured(Timeout=int(seconds))


def memory(megabytes):
    return configured(MemorySize=int(megabytes))


def variable(name, value=None):
    """Gives the function's variable another value, or takes it away."""
    variables = dict(function()["Environment"]["Variables"])
    variables.pop(name, None)
    return configured(Environment={"Variables": {**variables, **({name: value} if value is not None else {})}})


def out_of_the_vpc():
    return configured(VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})


@contextmanager
def in_another_group():
    """The function has a group that nobody lets anything out of or in from."""
    ec2, vpc = side("function")
    group = ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
    revoke(ec2, group, True, False)
    with configured(VpcConfig={"SubnetIds": function()["VpcConfig"]["SubnetIds"], "SecurityGroupIds": [group]}):
        yield
    ec2.delete_security_group(GroupId=group)


@contextmanager
def in_a_subnet_without_a_way():
    """The function is in a subnet whose route table leads nowhere."""
    ec2, vpc = side("function")
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"].split(".")
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    subnets, joined = [], []
    for number, zone in enumerate(sorted({each["AvailabilityZone"] for each in found})[:2]):
        cidr = f"{block[0]}.{block[1]}.{77 + number}.0/24"
        subnets.append(ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"])
        joined.append(ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[-1])["AssociationId"])
    with configured(VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": function()["VpcConfig"]["SecurityGroupIds"]}):
        yield
    for each in joined:
        ec2.disassociate_route_table(AssociationId=each)
    ec2.delete_route_table(RouteTableId=table)
    for each in subnets:
        ec2.delete_subnet(SubnetId=each)


@contextmanager
def in_one_zone():
    """The function has one of its subnets alone."""
    before = function()["VpcConfig"]
    with configured(VpcConfig={"SubnetIds": before["SubnetIds"][:1], "SecurityGroupIds": before["SecurityGroupIds"]}):
        yield


def small_subnets():
    """Two subnets of eleven addresses each, in two zones of the VPC."""
    ec2, vpc = side("function")
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"].split(".")
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    zones = sorted({each["AvailabilityZone"] for each in found})[:2]
    blocks = [f"{block[0]}.{block[1]}.88.{16 * number}/28" for number in range(2)]
    asked = [{"CidrBlock": each, "AvailabilityZone": zone} for each, zone in zip(blocks, zones)]
    return [ec2.create_subnet(VpcId=vpc, **each)["Subnet"]["SubnetId"] for each in asked]


@contextmanager
def no_address_is_free():
    """The function is in two small subnets, and the network interfaces of others have taken one of them whole."""
    ec2, _ = side("function")
    subnets = small_subnets()
    taken = [ec2.create_network_interface(SubnetId=subnets[0])["NetworkInterface"]["NetworkInterfaceId"] for _ in range(11)]
    with configured(VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": function()["VpcConfig"]["SecurityGroupIds"]}):
        yield
    for each in taken:
        ec2.delete_network_interface(NetworkInterfaceId=each)
    for each in subnets:
        ec2.delete_subnet(SubnetId=each)


@contextmanager
def function_gone():
    name = physical("Function")
    whole = near("lambda").get_function(FunctionName=name)
    concurrency = whole.get("Concurrency")
    before = whole["Configuration"]
    code = physical("Function")
    with urllib.request.urlopen(whole["Code"]["Location"]) as opened:
        package = opened.read()
    near("lambda").delete_function(FunctionName=name)
    yield
    names = ("Runtime", "Role", "Handler", "Timeout", "MemorySize", "Environment", "Architectures", "LoggingConfig")
    vpc = {key: before["VpcConfig"][key] for key in ("SubnetIds", "SecurityGroupIds")}
    near("lambda").create_function(
        FunctionName=code, Code={"ZipFile": package}, VpcConfig=vpc, **{key: before[key] for key in names if key in before}
    )
    assert concurrency is None, concurrency
    settle()


@contextmanager
def reserved(count):
    name = physical("Function")
    near("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(count))
    yield
    near("lambda").delete_function_concurrency(FunctionName=name)


@contextmanager
def for_another_processor():
    """The binary is what it was, and Lambda is told to run it on the other processor."""
    name = physical("Function")
    before = near("lambda").get_function(FunctionName=name)
    with urllib.request.urlopen(before["Code"]["Location"]) as opened:
        package = opened.read()
    had = before["Configuration"].get("Architectures", ["x86_64"])
    other = ["x86_64" if had == ["arm64"] else "arm64"]
    near("lambda").update_function_code(FunctionName=name, ZipFile=package, Architectures=other)
    settle()
    yield
    near("lambda").update_function_code(FunctionName=name, ZipFile=package, Architectures=had)
    settle()


# --- The network ----------------------------------------------------------------------------------------------------------------------------------------


def function_group():
    return function()["VpcConfig"]["SecurityGroupIds"][0]


def group_of(which):
    return function_group() if which == "function" else cluster_group()


def change_rules(ec2, group, egress, action, rules):
    change = getattr(ec2, f"{action}_security_group_{'egress' if egress else 'ingress'}")
    if rules:
        change(GroupId=group, IpPermissions=rules)


def revoke(ec2, group, egress, own):
    """Takes rules of a group away, those of k2m alone where `own` says so. Answers what gives them back."""
    listed = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    listed = [rule for rule in listed if rule["IsEgress"] == egress and (not own or rule.get("Description", "").startswith("k2m "))]
    assert listed, (group, egress)
    key = "IpPermissionsEgress" if egress else "IpPermissions"
    before = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][key]
    change = ec2.revoke_security_group_egress if egress else ec2.revoke_security_group_ingress
    change(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"] for rule in listed])
    left = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][key]
    return [each for each in before if each not in left]


@contextmanager
def rules_gone(which, direction):
    """Takes k2m's rules of a group away: of `function` or `brokers`, `egress` or `ingress`."""
    (ec2, _), group, egress = side(which), group_of(which), direction == "egress"
    rules = revoke(ec2, group, egress, True)
    yield
    change_rules(ec2, group, egress, "authorize", rules)


@contextmanager
def rules_again(which, direction):
    """Another hand took k2m's rules of a group away, and made the same again: with other ids, and nobody's description."""
    (ec2, _), group, egress = side(which), group_of(which), direction == "egress"
    rules = revoke(ec2, group, egress, True)
    bare = lambda peers: [{key: value for key, value in each.items() if key != "Description"} for each in peers]
    peers = ("UserIdGroupPairs", "IpRanges")
    others = [{**rule, **{name: bare(rule[name]) for name in peers if name in rule}} for rule in rules]
    change_rules(ec2, group, egress, "authorize", others)
    yield
    revoke_like(ec2, group, egress, others)
    change_rules(ec2, group, egress, "authorize", rules)


def revoke_like(ec2, group, egress, rules):
    """Takes rules of these ports away, which nobody described."""
    listed = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    ports = {(rule["FromPort"], rule["ToPort"]) for rule in rules}
    made = [rule for rule in listed if not rule.get("Description") and (rule.get("FromPort"), rule.get("ToPort")) in ports]
    assert made, (group, rules)
    change = ec2.revoke_security_group_egress if egress else ec2.revoke_security_group_ingress
    change(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"] for rule in made])


@contextmanager
def rules_instead(which, direction, first, last):
    """The rules are for other ports."""
    with rules_gone(which, direction):
        (ec2, _), group, egress = side(which), group_of(which), direction == "egress"
        everybody = [{"IpProtocol": "tcp", "FromPort": int(first), "ToPort": int(last), "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        change_rules(ec2, group, egress, "authorize", everybody)
        yield
        revoke_like(ec2, group, egress, everybody)


@contextmanager
def let_in_from(gone):
    """The brokers' group lets in from another group in place of the function's, which is deleted where `gone` says so."""
    with rules_gone("brokers", "ingress"):
        ec2, vpc = side("brokers")
        other = ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
        rules = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65534, "UserIdGroupPairs": [{"GroupId": other}]}]
        change_rules(ec2, cluster_group(), False, "authorize", rules)
        if gone:
            ec2.delete_security_group(GroupId=other)
        yield
        revoke_like(ec2, cluster_group(), False, rules)
        if not gone:
            ec2.delete_security_group(GroupId=other)


def let_in_from_another_group():
    return let_in_from(gone=False)


def let_in_from_a_group_that_is_gone():
    """EC2 lets nobody delete a group that a rule of the same VPC names; one of a VPC that is joined goes, and the rule is stale."""
    return let_in_from(gone=True)


@contextmanager
def acl_denies(which, direction, first, last):
    """The network ACL of a side's subnets denies TCP ports, `in` or `out`."""
    ec2, vpc = side(which)
    acl = next(each["NetworkAclId"] for each in ec2.describe_network_acls()["NetworkAcls"] if each["VpcId"] == vpc)
    entry = {"NetworkAclId": acl, "RuleNumber": 50, "Egress": direction == "out"}
    ports = {"From": int(first), "To": int(last)}
    ec2.create_network_acl_entry(**entry, Protocol="6", RuleAction="deny", CidrBlock="0.0.0.0/0", PortRange=ports)
    yield
    ec2.delete_network_acl_entry(**entry)


TARGETS = ("VpcPeeringConnectionId", "TransitGatewayId", "GatewayId")


def ways(which):
    """Table, destination and target of each route that leads out of a side's VPC."""
    ec2, vpc = side(which)
    found = []
    for table in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]:
        for route in table["Routes"]:
            target = {key: route[key] for key in TARGETS if route.get(key, "local") != "local"}
            if target:
                found.append(({"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": route["DestinationCidrBlock"]}, target))
    assert found, which
    return ec2, vpc, found


@contextmanager
def routes_gone(which):
    ec2, _, found = ways(which)
    for route, _ in found:
        ec2.delete_route(**route)
    yield
    for route, target in found:
        ec2.create_route(**route, **target)


@contextmanager
def routes_to(which, target):
    ec2, _, found = ways(which)
    for route, _ in found:
        ec2.replace_route(**route, **target)
    yield
    for route, before in found:
        ec2.replace_route(**route, **before)


@contextmanager
def routes_to_the_internet(which):
    """Routes lead to an internet gateway, which knows no private address."""
    ec2, vpc, _ = ways(which)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with routes_to(which, {"GatewayId": gateway}):
        yield
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


@contextmanager
def routes_to_nothing(which):
    """Routes lead to a gateway that is gone: blackholes."""
    ec2, vpc, _ = ways(which)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with routes_to(which, {"GatewayId": gateway}):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
        yield


def peering_of():
    _, _, found = ways("function")
    return next(target["VpcPeeringConnectionId"] for _, target in found if "VpcPeeringConnectionId" in target)


def new_peering():
    asked = {"VpcId": it["vpc"], "PeerVpcId": it["brokers"], "PeerRegion": it["there"]}
    return near("ec2").create_vpc_peering_connection(**asked)["VpcPeeringConnection"]["VpcPeeringConnectionId"]


@contextmanager
def peering_not_accepted():
    """Routes of both sides lead to a peering connection that waits for its acceptance."""
    peering = new_peering()
    target = {"VpcPeeringConnectionId": peering}
    with routes_to("function", target), routes_to("brokers", target):
        yield
    near("ec2").delete_vpc_peering_connection(VpcPeeringConnectionId=peering)


@contextmanager
def peering_gone():
    """The connection can't come back: another takes its place."""
    near("ec2").delete_vpc_peering_connection(VpcPeeringConnectionId=peering_of())
    yield
    peering = new_peering()
    far("ec2").accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    for which in ("function", "brokers"):
        ec2, _, found = ways(which)
        for route, target in found:
            if "VpcPeeringConnectionId" in target:
                ec2.replace_route(**route, VpcPeeringConnectionId=peering)


@contextmanager
def attachment_gone(which):
    ec2, vpc = side(which)
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    found = ec2.describe_transit_gateway_vpc_attachments(Filters=filters)["TransitGatewayVpcAttachments"][0]
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=found["TransitGatewayAttachmentId"])
    yield
    ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=found["TransitGatewayId"], VpcId=vpc, SubnetIds=found["SubnetIds"])


@contextmanager
def no_dns(which):
    ec2, vpc = side(which)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    yield
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})


@contextmanager
def internet_gateway_gone():
    """The brokers' VPC has no way to the internet any more: the routes to it are blackholes."""
    ec2, vpc = side("brokers")
    _, _, found = ways("brokers")
    gateway = next(target["GatewayId"] for _, target in found if target.get("GatewayId", "").startswith("igw-"))
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    yield
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def endpoint():
    endpoints = near("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return next(each for each in endpoints if each["ServiceName"].endswith(".secretsmanager"))


@contextmanager
def endpoint_gone():
    before = endpoint()
    near("ec2").delete_vpc_endpoints(VpcEndpointIds=[before["VpcEndpointId"]])
    yield
    near("ec2").create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=before["VpcId"],
        ServiceName=before["ServiceName"],
        SubnetIds=before["SubnetIds"],
        SecurityGroupIds=[group["GroupId"] for group in before["Groups"]],
        PrivateDnsEnabled=True,
    )


@contextmanager
def endpoint_shut():
    """The endpoint's group lets nobody in."""
    ec2, group = near("ec2"), endpoint()["Groups"][0]["GroupId"]
    rules = revoke(ec2, group, False, False)
    yield
    change_rules(ec2, group, False, "authorize", rules)


# --- The cluster ----------------------------------------------------------------------------------------------------------------------------------------


def secure(**authentication):
    far("kafka").update_security(ClusterArn=it["cluster"], CurrentVersion="1", ClientAuthentication=authentication)


@contextmanager
def way_switched_off(way):
    """The cluster no longer takes the function's way, but another."""
    off = {"plaintext": {"Unauthenticated": {"Enabled": False}}}.get(way)
    on = {"Sasl": {"Iam": {"Enabled": True}, "Scram": {"Enabled": False}}}
    if way == "iam":
        on = {"Sasl": {"Iam": {"Enabled": False}, "Scram": {"Enabled": True}}}
    before = described()["Provisioned"]["ClientAuthentication"]
    secure(**{**(off or {}), **on})
    yield
    clean = {"Sasl": {"Iam": {"Enabled": False}, "Scram": {"Enabled": False}}, "Unauthenticated": {"Enabled": False}}
    secure(**{**clean, **before})


def connect(**connectivity):
    far("kafka").update_connectivity(ClusterArn=it["cluster"], CurrentVersion="1", ConnectivityInfo=connectivity)


@contextmanager
def no_public_access():
    connect(PublicAccess={"Type": "DISABLED"})
    yield
    connect(PublicAccess={"Type": "SERVICE_PROVIDED_EIPS"})


@contextmanager
def connection_gone():
    kafka = far("kafka")
    arn = kafka.list_vpc_connections()["VpcConnections"][0]["VpcConnectionArn"]
    before = kafka.describe_vpc_connection(Arn=arn)
    kafka.delete_vpc_connection(Arn=arn)
    yield
    kafka.create_vpc_connection(
        TargetClusterArn=before["TargetClusterArn"],
        Authentication=before["Authentication"],
        VpcId=before["VpcId"],
        ClientSubnets=before["Subnets"],
        SecurityGroups=before["SecurityGroups"],
    )


@contextmanager
def connection_shut():
    """The connection's group lets nobody in."""
    kafka = far("kafka")
    arn = kafka.list_vpc_connections()["VpcConnections"][0]["VpcConnectionArn"]
    ec2, group = near("ec2"), kafka.describe_vpc_connection(Arn=arn)["SecurityGroups"][0]
    rules = revoke(ec2, group, False, False)
    yield
    change_rules(ec2, group, False, "authorize", rules)


@contextmanager
def configured_brokers(properties):
    """The cluster has a configuration of its own; MSK's default comes back by one that says the same."""
    kafka = far("kafka")

    def use(name, text):
        made = kafka.create_configuration(Name=name, ServerProperties=text.encode())
        info = {"Arn": made["Arn"], "Revision": 1}
        kafka.update_cluster_configuration(ClusterArn=it["cluster"], CurrentVersion="1", ConfigurationInfo=info)

    use(f"broken-{time.monotonic_ns()}", properties)
    yield
    use(f"mended-{time.monotonic_ns()}", "auto.create.topics.enable=false")


@contextmanager
def topic_gone(name):
    kafka = far("kafka")
    before = kafka.describe_topic(ClusterArn=it["cluster"], TopicName=name)
    kafka.delete_topic(ClusterArn=it["cluster"], TopicName=name)
    yield
    kafka.create_topic(
        ClusterArn=it["cluster"],
        TopicName=name,
        PartitionCount=before["PartitionCount"],
        ReplicationFactor=before["ReplicationFactor"],
        **({"Configs": before["Configs"]} if before.get("Configs") else {}),
    )


@contextmanager
def topic_set(name, key, value, back):
    """A setting of the topic, in MSK's eyes and in the brokers'."""
    kafka = far("kafka")
    before = kafka.describe_topic(ClusterArn=it["cluster"], TopicName=name).get("Configs", "")

    def use(configs):
        kafka.update_topic(ClusterArn=it["cluster"], TopicName=name, Configs=configs)

    use(base64.b64encode(json.dumps({key: value}).encode()).decode())
    yield
    use(before or base64.b64encode(json.dumps({key: back}).encode()).decode())


# --- Secrets and rights ---------------------------------------------------------------------------------------------------------------------------------


@contextmanager
def secret_says(arn, text):
    manager = far("secretsmanager")
    before = manager.get_secret_value(SecretId=arn)["SecretString"]
    manager.put_secret_value(SecretId=arn, SecretString=text)
    yield
    manager.put_secret_value(SecretId=arn, SecretString=before)


@contextmanager
def secret_gone(arn):
    manager = far("secretsmanager")
    manager.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    yield
    manager.restore_secret(SecretId=arn)


@contextmanager
def secret_disassociated(arn):
    kafka = far("kafka")
    kafka.batch_disassociate_scram_secret(ClusterArn=it["cluster"], SecretArnList=[arn])
    yield
    kafka.batch_associate_scram_secret(ClusterArn=it["cluster"], SecretArnList=[arn])


def role():
    return function()["Role"].rsplit("/", 1)[1]


def policies():
    """By name, the policies that stand in the role itself."""
    iam = near("iam")
    names = iam.list_role_policies(RoleName=role())["PolicyNames"]
    return {name: iam.get_role_policy(RoleName=role(), PolicyName=name)["PolicyDocument"] for name in names}


@contextmanager
def right_gone(action):
    """The role's own policies no longer allow an action."""
    before = policies()
    found = 0
    for name, policy in before.items():
        statements = []
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            left = [each for each in actions if each != action]
            found += len(actions) - len(left)
            if left:
                statements.append({**statement, "Action": left})
        near("iam").put_role_policy(RoleName=role(), PolicyName=name, PolicyDocument=json.dumps({**policy, "Statement": statements}))
    assert found, (action, before)
    yield
    for name, policy in before.items():
        near("iam").put_role_policy(RoleName=role(), PolicyName=name, PolicyDocument=json.dumps(policy))


@contextmanager
def bounded():
    """A permissions boundary that allows all but what is Kafka's."""
    iam = near("iam")
    statement = [{"Effect": "Allow", "NotAction": "kafka-cluster:*", "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    arn = iam.create_policy(PolicyName=f"bound-{time.monotonic_ns()}", PolicyDocument=policy)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role(), PermissionsBoundary=arn)
    yield
    iam.delete_role_permissions_boundary(RoleName=role())
    iam.delete_policy(PolicyArn=arn)


# --- The stream and the mapping -------------------------------------------------------------------------------------------------------------------------


@contextmanager
def mapping_set(changes):
    """Parameters of the mapping, as JSON."""
    uuid, changes = physical("Mapping"), json.loads(changes)
    before = near("lambda").get_event_source_mapping(UUID=uuid)
    near("lambda").update_event_source_mapping(UUID=uuid, **changes)
    yield
    back = {key: before[key] for key in changes if key in before}
    if "Enabled" in changes:
        back["Enabled"] = True
    if "FilterCriteria" in changes:
        back["FilterCriteria"] = {"Filters": []}
    near("lambda").update_event_source_mapping(UUID=uuid, **back)


@contextmanager
def mapping_gone():
    """It can't come back with the same id: nothing may follow."""
    near("lambda").delete_event_source_mapping(UUID=physical("Mapping"))
    yield


@contextmanager
def stream_gone(name):
    kinesis = near("kinesis")
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    deadline = time.monotonic() + 20
    while name in kinesis.list_streams()["StreamNames"]:
        assert time.monotonic() < deadline, name
        time.sleep(0.02)
    yield
    with region(it["home"]):
        made_streams([name])


@contextmanager
def measured(namespace, metric, dimensions, *values):
    """Figures of CloudWatch, the last of them of now, one each five minutes."""
    named = [dict(zip(("Name", "Value"), each.split("=", 1))) for each in dimensions.split(",")]
    named = [{**each, "Value": physical("Function") if each["Value"] == "FUNCTION" else each["Value"]} for each in named]
    named = [{**each, "Value": physical("Mapping") if each["Value"] == "MAPPING" else each["Value"]} for each in named]
    now = int(time.time())
    data = [
        {"MetricName": metric, "Dimensions": named, "Timestamp": now - 300 * (len(values) - number), "Value": float(value)}
        for number, value in enumerate(values, 1)
    ]
    near("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    yield


@contextmanager
def logged(line):
    """The function's log says something, now."""
    logs, group = near("logs"), physical("LogGroup")
    logs.create_log_stream(logGroupName=group, logStreamName="logged")
    event = {"timestamp": int(time.time() * 1000), "message": line}
    logs.put_log_events(logGroupName=group, logStreamName="logged", logEvents=[event])
    yield


@contextmanager
def stream_encrypted(name):
    """The stream is encrypted with a key of the account's own."""
    key = near("kms").create_key()["KeyMetadata"]["Arn"]
    near("kinesis").start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    yield
    near("kinesis").stop_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)


@contextmanager
def cluster_gone():
    """For good: nothing may follow."""
    far("kafka").delete_cluster(ClusterArn=it["cluster"])
    yield


@contextmanager
def stack_gone():
    """For good: nothing may follow."""
    delete_stack(it["stack"])
    yield


# --- Where what is given up goes ------------------------------------------------------------------------------------------------------------------------


def queue_url(arn):
    return near("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]


@contextmanager
def queue_gone(arn):
    """Not for good: SQS gives a queue of the same name the same ARN."""
    near("sqs").delete_queue(QueueUrl=queue_url(arn))
    yield
    near("sqs").create_queue(QueueName=arn.rsplit(":", 1)[1])


@contextmanager
def queue_denies(arn):
    statement = [{"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    near("sqs").set_queue_attributes(QueueUrl=queue_url(arn), Attributes={"Policy": policy})
    yield
    near("sqs").set_queue_attributes(QueueUrl=queue_url(arn), Attributes={"Policy": ""})


@contextmanager
def nobody_subscribed(topic):
    """The topic has no subscription any more."""
    sns = near("sns")
    before = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert before, topic
    for each in before:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    yield
    for each in before:
        sns.subscribe(TopicArn=topic, Protocol=each["Protocol"], Endpoint=each["Endpoint"])


def own_queue():
    return {"arn": near("sqs").get_queue_attributes(QueueUrl=physical("FailureQueue"), AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]}


@contextmanager
def own_queue_gone():
    url = physical("FailureQueue")
    before = near("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    near("sqs").delete_queue(QueueUrl=url)
    yield
    kept = {key: before[key] for key in ("Policy", "MessageRetentionPeriod") if key in before}
    near("sqs").create_queue(QueueName=url.rsplit("/", 1)[1], Attributes=kept)


def subscribe_own_queue(topic):
    queue = near("sqs").get_queue_attributes(QueueUrl=physical("FailureQueue"), AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    near("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes={"RawMessageDelivery": "true"})


@contextmanager
def own_topic_gone():
    """With a topic its subscriptions go."""
    topic = physical("FailureTopic")
    near("sns").delete_topic(TopicArn=topic)
    yield
    made = near("sns").create_topic(Name=topic.rsplit(":", 1)[1], Attributes={"KmsMasterKeyId": "alias/aws/sns"})["TopicArn"]
    assert made == topic, made
    subscribe_own_queue(topic)


@contextmanager
def own_subscription_gone():
    topic = physical("FailureTopic")
    listed = near("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    gone = [each["SubscriptionArn"] for each in listed if each["Protocol"] == "sqs"]
    assert gone, listed
    for each in gone:
        near("sns").unsubscribe(SubscriptionArn=each)
    yield
    subscribe_own_queue(topic)


@contextmanager
def given_up(stream):
    """A record that no topic takes: tried until Lambda gives it up, and told to the failure destination. The next one is delivered."""
    with region(it["home"]):
        poison(stream)
    waited("a message in the queue", lambda: waiting() > 0)
    yield
    near("sqs").purge_queue(QueueUrl=physical("FailureQueue"))
    deliver(stream)


def waiting():
    names = ["ApproximateNumberOfMessages"]
    found = near("sqs").get_queue_attributes(QueueUrl=physical("FailureQueue"), AttributeNames=names)["Attributes"]
    return int(found[names[0]])


def waited(what, holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def last_result():
    return near("lambda").get_event_source_mapping(UUID=physical("Mapping"))["LastProcessingResult"]


def deliver(stream):
    """Records arrive, in each shard."""
    with region(it["home"]):
        put(stream, "0", "50")
    waited("the last batch is delivered", lambda: last_result() == "OK")
    return {}


@contextmanager
def delivered(stream):
    deliver(stream)
    yield


@contextmanager
def undeliverable(stream):
    """What was put since something else was broken fails, until that is mended."""
    with region(it["home"]):
        put(stream, "0", "50")
    waited("the last batch fails", lambda: last_result() not in ("OK", "No records processed"))
    yield
