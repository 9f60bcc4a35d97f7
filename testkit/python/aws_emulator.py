"""An AWS to test against: MiniStack, unmodified, with what a stack of k2m needs and MiniStack lacks, added from outside.

Seven additions: a filter, a route and transit gateways of EC2 and what makes two rules of a group the same, the owner that a caller of S3 expects, resource types of
CloudFormation, a role's boundary and the values in its change sets, the newer half of MSK's API with topics and cluster policies, a simulator of IAM's decisions that knows wildcards, conditions, boundaries and
organizations, CloudWatch's filter patterns and its most metrics at once, and a Kinesis event source mapping that fails, splits and gives up as Lambda documents
it. Configured by MiniStack's own variables (GATEWAY_PORT, BIND_HOST, MINISTACK_MSK_BOOTSTRAP ...): where
MINISTACK_MSK_BOOTSTRAP names a real broker, topics are made and deleted there too.
K2M_RETRY_SECONDS is the pause before a failed batch is tried again (default 0.3), K2M_CHANGE_SECONDS what Lambda takes for a change of a function (default 0.5).
"""

import base64
import collections
import hashlib
import ipaddress
import itertools
import json
import os
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import unquote
from xml.sax.saxutils import escape

import ministack.services.cloudformation.changesets as changesets
import ministack.services.cloudformation.handlers as cloudformation_handlers
import ministack.services.cloudformation.provisioners as provisioners
import ministack.services.cloudwatch as cloudwatch
import ministack.services.cloudwatch_logs as cloudwatch_logs
import ministack.services.ec2 as ec2
import ministack.services.iam as iam
import ministack.services.kinesis as kinesis
import ministack.services.lambda_svc as lambda_svc
import ministack.services.msk as msk
import ministack.services.organizations as organizations
import ministack.services.s3 as s3
import cbor2
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
import ministack.core.iam_evaluator as iam_evaluator
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import AccountRegionScopedDict, _request_account_id, _request_region, get_account_id, get_region, request_scope

RETRY_SECONDS = float(os.environ.get("K2M_RETRY_SECONDS", "0.3"))
lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = float(os.environ.get("K2M_CHANGE_SECONDS", "0.5"))
# Functions get the environment of this process, and k2m's refuses variables that it doesn't know.
for variable in [name for name in os.environ if name.startswith("K2M_")]:
    del os.environ[variable]

# --- EC2: the filter group-id of DescribeSecurityGroups, transit gateways, and rules that differ in nothing but their descriptions ------------------------


def describe_security_groups(parameters):
    wanted = ec2._parse_filters(parameters).get("group-id")
    if wanted is None:
        return ministack_describe_security_groups(parameters)
    # A filter that nothing fits gives an empty list; an id that is asked for by itself and isn't there is an error.
    known = [group for group in wanted if group in ec2._security_groups]
    ids = {f"GroupId.{number}": [group] for number, group in enumerate(known, 1)}
    if not known:
        return ec2._xml(200, "DescribeSecurityGroupsResponse", "<securityGroupInfo></securityGroupInfo>")
    return ministack_describe_security_groups({**parameters, **ids})


ministack_describe_security_groups = ec2._ACTION_MAP["DescribeSecurityGroups"]
ec2._ACTION_MAP["DescribeSecurityGroups"] = describe_security_groups


TRANSIT_GATEWAY_ATTACHMENTS = AccountRegionScopedDict()


def create_transit_gateway(_parameters):
    gateway = "tgw-" + uuid.uuid4().hex[:17]
    inner = f"<transitGateway><transitGatewayId>{gateway}</transitGatewayId><state>available</state></transitGateway>"
    return ec2._xml(200, "CreateTransitGatewayResponse", inner)


def create_transit_gateway_vpc_attachment(parameters):
    attachment = {
        "transitGatewayAttachmentId": "tgw-attach-" + uuid.uuid4().hex[:17],
        "transitGatewayId": ec2._p(parameters, "TransitGatewayId"),
        "vpcId": ec2._p(parameters, "VpcId"),
        "subnetIds": ec2._parse_member_list(parameters, "SubnetIds"),
    }
    TRANSIT_GATEWAY_ATTACHMENTS[attachment["transitGatewayAttachmentId"]] = attachment
    inner = transit_gateway_attachment_xml(attachment, "transitGatewayVpcAttachment")
    return ec2._xml(200, "CreateTransitGatewayVpcAttachmentResponse", inner)


def transit_gateway_attachment_xml(attachment, tag="item"):
    subnets = "".join(f"<item>{subnet}</item>" for subnet in attachment["subnetIds"])
    ids = "".join(f"<{key}>{value}</{key}>" for key, value in attachment.items() if key != "subnetIds")
    return f"<{tag}>{ids}<subnetIds>{subnets}</subnetIds><state>available</state></{tag}>"


def describe_transit_gateway_vpc_attachments(parameters):
    vpcs = ec2._parse_filters(parameters).get("vpc-id")
    found = [each for each in TRANSIT_GATEWAY_ATTACHMENTS.values() if vpcs is None or each["vpcId"] in vpcs]
    items = "".join(transit_gateway_attachment_xml(each) for each in found)
    inner = f"<transitGatewayVpcAttachments>{items}</transitGatewayVpcAttachments>"
    return ec2._xml(200, "DescribeTransitGatewayVpcAttachmentsResponse", inner)


ec2._ACTION_MAP["CreateTransitGateway"] = create_transit_gateway
ec2._ACTION_MAP["CreateTransitGatewayVpcAttachment"] = create_transit_gateway_vpc_attachment
ec2._ACTION_MAP["DescribeTransitGatewayVpcAttachments"] = describe_transit_gateway_vpc_attachments


def create_route(parameters):
    """MiniStack knows no route to a prefix list."""
    prefix_list = ec2._p(parameters, "DestinationPrefixListId")
    answer = ministack_create_route(parameters)
    table = ec2._route_tables.get(ec2._p(parameters, "RouteTableId"))
    if prefix_list and table:
        table["Routes"][-1].pop("DestinationCidrBlock")
        table["Routes"][-1]["DestinationPrefixListId"] = prefix_list
    return answer


ministack_create_route = ec2._ACTION_MAP["CreateRoute"]
ec2._ACTION_MAP["CreateRoute"] = create_route


def strip_descriptions(rule):
    """What two rules are compared by. MiniStack's own leaves the descriptions of groups and prefix lists in."""
    plain = {key: value for key, value in rule.items() if key not in ("SecurityGroupRuleId", "Description")}
    for peers in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"):
        plain[peers] = [{key: value for key, value in peer.items() if key != "Description"} for peer in rule.get(peers, [])]
    return plain


ec2._strip_descriptions = strip_descriptions

# --- S3: a bucket of another account than the caller expects ---------------------------------------------------------------------------


async def handle_s3(method, path, headers, *rest, **named):
    expected = headers.get("x-amz-expected-bucket-owner")
    if expected:
        owner = s3._bucket_owner_account(s3._parse_bucket_key(path, headers)[0])
        if owner not in (None, expected):
            return s3._error("AccessDenied", "Access Denied", 403)
    return await ministack_handle_s3(method, path, headers, *rest, **named)


ministack_handle_s3 = s3.handle_request
s3.handle_request = handle_s3

# --- Kinesis: a stream of another account, as far as its policy allows -----------------------------------------------------------------


async def handle_kinesis(method, path, headers, body, *rest):
    """MiniStack looks in the caller's own account alone."""
    is_cbor = "cbor" in headers.get("content-type", "")
    data = (cbor2.loads(body) if is_cbor else json.loads(body)) if body else {}
    arn = data.get("ConsumerARN") or data.get("StreamARN") or ""
    caller = get_account_id()
    owner, region = kinesis._kinesis_arn_scope(arn)
    if owner == caller:
        return await ministack_handle_kinesis(method, path, headers, body, *rest)
    action = "kinesis:" + headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    user = f"arn:aws:iam::{caller}:root"
    found = kinesis.stream_policy_for_arn(arn)
    asked = EvalContext(
        principal_arn=user, principal_type="Root", principal_account=caller, action=action, resource_arn=arn, region=region
    )
    if found and found[0] and evaluate_resource_policy(found[0], asked).decision == "Allow":
        with request_scope(owner, region):
            return await ministack_handle_kinesis(method, path, headers, body, *rest)
    words = f"User: {user} is not authorized to perform: {action} on resource: {arn} because no resource-based policy allows the {action} action"
    status, answer, text = kinesis.error_response_json("AccessDeniedException", words, 400)
    if is_cbor:
        answer["Content-Type"] = "application/x-amz-cbor-1.1"
        text = cbor2.dumps(json.loads(text))
    return status, answer, text


ministack_handle_kinesis = kinesis.handle_request
kinesis.handle_request = handle_kinesis

# --- CloudFormation: rules of security groups, peering, a function's VPC and missing code, all of a mapping ---------------------------------------------


def security_group_rule(direction):
    """The handler of AWS::EC2::SecurityGroupIngress or Egress; `direction` is the group's list that the rule goes to."""

    def create(_logical_id, properties, _stack):
        group = ec2._security_groups.get(properties["GroupId"])
        if group is None:
            raise ValueError(f"The security group '{properties['GroupId']}' does not exist")
        permission = provisioners._ec2_sg_permissions([properties])[0]
        rules = group.setdefault(direction, [])
        if any(ec2._rules_match(permission, rule) for rule in rules):
            raise ValueError("the specified rule already exists (Service: Ec2, Status Code: 400, HandlerErrorCode: AlreadyExists)")
        rule_id = "sgr-" + uuid.uuid4().hex[:17]
        permission["SecurityGroupRuleId"] = rule_id
        rules.append(permission)
        return rule_id, {"Id": rule_id}

    def delete(rule_id, properties):
        group = ec2._security_groups.get(properties.get("GroupId"))
        if group:
            group[direction][:] = [rule for rule in group.get(direction, []) if rule.get("SecurityGroupRuleId") != rule_id]

    def update(rule_id, old, new, stack, logical_id=None):
        delete(rule_id, old)
        return create(logical_id or rule_id, new, stack)

    return {"create": create, "delete": delete, "update": update, "update_with_logical_id": True}


def create_peering(_logical_id, properties, _stack):
    """AWS::EC2::VPCPeeringConnection: within one region and account CloudFormation accepts it. Across regions it waits here, the worse of what AWS may do."""
    account, region = get_account_id(), get_region()
    owner = properties.get("PeerOwnerId") or account
    peer_region = properties.get("PeerRegion") or region
    if owner == account and ec2._vpcs.get_scoped(owner, peer_region, properties["PeerVpcId"]) is None:
        raise ValueError(f"The vpc ID '{properties['PeerVpcId']}' does not exist")
    peering = "pcx-" + uuid.uuid4().hex[:17]
    ec2._put_vpc_peering_record(
        {
            "VpcPeeringConnectionId": peering,
            "RequesterVpcInfo": {"VpcId": properties["VpcId"], "OwnerId": account, "Region": region},
            "AccepterVpcInfo": {"VpcId": properties["PeerVpcId"], "OwnerId": owner, "Region": peer_region},
            "Status": {"Code": "active" if (owner, peer_region) == (account, region) else "pending-acceptance", "Message": ""},
            "ExpirationTime": ec2._now_ts(),
            "Tags": [],
        }
    )
    provisioners._ec2_apply_tags(peering, properties)
    return peering, {"Id": peering}


def delete_peering(peering, _properties):
    if peering in ec2._vpc_peering:
        ec2._set_vpc_peering_status(ec2._vpc_peering[peering], "deleted", "Deleted")


def create_endpoint(_logical_id, properties, _stack):
    """AWS::EC2::VPCEndpoint. The service's name can lead to one endpoint of a VPC only."""
    vpc, service = properties["VpcId"], properties["ServiceName"]
    private = properties.get("PrivateDnsEnabled") in (True, "true")
    known = [each for each in ec2._vpc_endpoints.values() if (each["VpcId"], each["ServiceName"]) == (vpc, service)]
    if private and any(each.get("PrivateDnsEnabled") for each in known):
        raise ValueError(f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service} in the VPC {vpc}")
    endpoint = "vpce-" + uuid.uuid4().hex[:17]
    ec2._vpc_endpoints[endpoint] = {
        "VpcEndpointId": endpoint,
        "VpcEndpointType": properties.get("VpcEndpointType", "Gateway"),
        "VpcId": vpc,
        "ServiceName": service,
        "State": "available",
        "RouteTableIds": [],
        "OwnerId": get_account_id(),
    }
    update_endpoint(endpoint, {}, properties, None)
    provisioners._ec2_apply_tags(endpoint, properties)
    return endpoint, {"Id": endpoint}


def update_endpoint(endpoint, _old, new, _stack):
    ec2._vpc_endpoints[endpoint].update(
        SubnetIds=list(new.get("SubnetIds", [])),
        Groups=list(new.get("SecurityGroupIds", [])),
        PrivateDnsEnabled=new.get("PrivateDnsEnabled") in (True, "true"),
    )
    return endpoint, {"Id": endpoint}


def delete_endpoint(endpoint, _properties):
    ec2._vpc_endpoints.pop(endpoint, None)


def endpoint_xml(endpoint, tag="item"):
    """MiniStack leaves groups and names out."""
    groups = "".join(f"<item><groupId>{group}</groupId></item>" for group in endpoint.get("Groups", []))
    private = "true" if endpoint.get("PrivateDnsEnabled") else "false"
    more = f"<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled></{tag}>"
    return ministack_endpoint_xml(endpoint, tag).rstrip().removesuffix(f"</{tag}>") + more


ministack_endpoint_xml = ec2._vpce_fields_xml
ec2._vpce_fields_xml = endpoint_xml


def create_function(logical_id, properties, stack):
    """AWS::Lambda::Function, with the error for code that isn't there and with the VPC that it was given."""
    code = properties.get("Code", {})
    if code.get("S3Bucket"):
        version = code.get("S3ObjectVersion")
        if lambda_svc._fetch_code_from_s3(code["S3Bucket"], code["S3Key"], version_id=version) is None:
            raise ValueError(
                "Resource handler returned message: \"Error occurred while GetObject. S3 Error Code: NoSuchKey. "
                "S3 Error Message: The specified key does not exist. (Service: Lambda, Status Code: 400)\""
            )
    name, attributes = ministack_create_function(logical_id, properties, stack)
    keep_vpc(name, properties)
    return name, attributes


def update_function(name, old, new, *rest, **named):
    name, attributes = ministack_update_function(name, old, new, *rest, **named)
    keep_vpc(name, new)
    return name, attributes


def keep_vpc(name, properties):
    """What MiniStack drops of AWS::Lambda::Function."""
    vpc = properties.get("VpcConfig") or {}
    subnets = list(vpc.get("SubnetIds", []))
    lambda_svc._functions[name]["config"]["VpcConfig"] = {
        "SubnetIds": subnets,
        "SecurityGroupIds": list(vpc.get("SecurityGroupIds", [])),
        "VpcId": ((ec2._subnets.get(subnets[0]) if subnets else None) or {}).get("VpcId", ""),
    }


def keep_mapping(identifier, properties):
    """What MiniStack drops of AWS::Lambda::EventSourceMapping."""
    mapping = lambda_svc._esms[identifier]
    for name in ("MetricsConfig", "StartingPositionTimestamp"):
        if properties.get(name) is not None:
            mapping[name] = properties[name]
    mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"


IMMUTABLE = ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp")


def refuse_second(properties):
    """MiniStack takes a second mapping of a stream to a function; AWS refuses it, and with it CloudFormation a new one before the old one is gone."""
    source, name = properties.get("EventSourceArn", ""), str(properties.get("FunctionName", "")).rsplit(":", 1)[-1]
    for identifier, mapping in list(lambda_svc._esms.items()):
        if ":kinesis:" in source and mapping["EventSourceArn"] == source and mapping["FunctionName"] == name:
            words = f'The event source arn (" {source} ") and function (" {name} ") provided mapping already exists.'
            raise ValueError(f"ResourceConflictException: {words} Please update or delete the existing mapping with UUID {identifier}")


def create_mapping(logical_id, properties, stack):
    refuse_second(properties)
    identifier, attributes = ministack_create_mapping(logical_id, properties, stack)
    keep_mapping(identifier, properties)
    return identifier, attributes


def update_mapping(identifier, old, new, stack):
    if any(old.get(name) != new.get(name) for name in IMMUTABLE):
        refuse_second(new)
    identifier, attributes = ministack_update_mapping(identifier, old, new, stack)
    keep_mapping(identifier, new)
    return identifier, attributes


def list_change_sets(parameters):
    """MiniStack takes the stack's name alone; AWS takes its id too."""
    stack = cloudformation_handlers._resolve_stack(parameters.get("StackName", [""])[0])
    return ministack_list_change_sets({**parameters, "StackName": [stack["StackName"]]} if stack else parameters)


def leaves(before, after, path):
    """Paths to the values that differ, with both; what has come or gone is one value, as CloudFormation tells it."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from leaves(before.get(key), after.get(key), f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            yield from leaves(*(side[number] if number < len(side) else None for side in (before, after)), f"{path}/{number}")
    else:
        yield path, before, after


def diff_resources(old, new, *more):
    """MiniStack names the properties that change; AWS tells their values too, where it is asked to."""
    changes = ministack_diff_resources(old, new, *more)
    for change in (change["ResourceChange"] for change in changes):
        sides = [template.get("Resources", {}).get(change["LogicalResourceId"]) for template in (old, new)]
        change["Sides"] = [{"Properties": side.get("Properties") or {}} if side else None for side in sides]
    return changes


def value_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def targets(change):
    """The targets of a change as XML, each with its path and values: one for each leaf below a property that changes, and the property itself where it only follows."""
    before, after = ((side or {}).get("Properties", {}) for side in change["Sides"])
    for detail in change.get("Details", []):
        target = detail["Target"]
        name = target.get("Name")
        recreation = f"<RequiresRecreation>{target.get('RequiresRecreation', 'Never')}</RequiresRecreation>"
        base = f"<Attribute>{target['Attribute']}</Attribute>" + (f"<Name>{escape(name)}</Name>" if name else "") + recreation
        found = list(leaves(before.get(name), after.get(name), f"/Properties/{name}")) if name else []
        for path, was, now in found:
            kind = "Add" if was is None else "Remove" if now is None else "Modify"
            values = "".join(
                f"<{tag}>{escape(value_of(value))}</{tag}>" for tag, value in (("BeforeValue", was), ("AfterValue", now)) if value is not None
            )
            yield f"{base}<Path>{escape(path)}</Path>{values}<AttributeChangeType>{kind}</AttributeChangeType>"
        if not found:
            yield base


def describe_change_set(parameters):
    status, headers, body = ministack_describe_change_set(parameters)
    if parameters.get("IncludePropertyValues", ["false"])[0] != "true" or status != 200:
        return status, headers, body
    _, change_set = changesets._find_change_set(parameters["ChangeSetName"][0], parameters.get("StackName", [""])[0])
    text = body.decode()
    for change in (change["ResourceChange"] for change in change_set.get("Changes", [])):
        contexts = "".join(
            f"<{tag}>{escape(json.dumps(side))}</{tag}>" for tag, side in zip(("BeforeContext", "AfterContext"), change.get("Sides", [])) if side
        )
        details = "".join(f"<member><Target>{target}</Target></member>" for target in targets(change)) if "Sides" in change else ""
        begin = text.index(f"<LogicalResourceId>{escape(change['LogicalResourceId'])}</LogicalResourceId>")
        first, last = text.index("<Details>", begin), text.index("</Details>", begin)
        text = text[:first] + "<Details>" + details + text[last:]
        text = text[:begin] + contexts + text[begin:]
    return status, headers, text.encode()


def create_role(logical_id, properties, stack):
    """MiniStack's CloudFormation leaves the boundary of a role out."""
    role, attributes = ministack_create_role(logical_id, properties, stack)
    iam._roles[role]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
    return role, attributes


def update_role(role, old, new, stack, logical_id=None):
    role, attributes = ministack_update_role(role, old, new, stack, logical_id)
    iam._roles[role]["PermissionsBoundary"] = new.get("PermissionsBoundary")
    return role, attributes


ministack_diff_resources = changesets._diff_resources
changesets._diff_resources = diff_resources
ministack_describe_change_set = cloudformation_handlers._ACTION_HANDLERS["DescribeChangeSet"]
cloudformation_handlers._ACTION_HANDLERS["DescribeChangeSet"] = describe_change_set
handlers = provisioners._RESOURCE_HANDLERS
# MiniStack takes each change of a mapping for one that may replace it.
provisioners._REPLACING_PROPERTIES["AWS::Lambda::EventSourceMapping"] = IMMUTABLE
ministack_list_change_sets = cloudformation_handlers._ACTION_HANDLERS["ListChangeSets"]
cloudformation_handlers._ACTION_HANDLERS["ListChangeSets"] = list_change_sets
ministack_create_function = handlers["AWS::Lambda::Function"]["create"]
ministack_update_function = handlers["AWS::Lambda::Function"]["update"]
handlers["AWS::Lambda::Function"].update(create=create_function, update=update_function)
ministack_create_mapping = handlers["AWS::Lambda::EventSourceMapping"]["create"]
ministack_update_mapping = handlers["AWS::Lambda::EventSourceMapping"]["update"]
handlers["AWS::Lambda::EventSourceMapping"].update(create=create_mapping, update=update_mapping)
ministack_create_role = handlers["AWS::IAM::Role"]["create"]
ministack_update_role = handlers["AWS::IAM::Role"]["update"]
handlers["AWS::IAM::Role"].update(create=create_role, update=update_role)
handlers["AWS::EC2::SecurityGroupIngress"] = security_group_rule("IpPermissions")
handlers["AWS::EC2::SecurityGroupEgress"] = security_group_rule("IpPermissionsEgress")
handlers["AWS::EC2::VPCEndpoint"] = {"create": create_endpoint, "update": update_endpoint, "delete": delete_endpoint}
handlers["AWS::EC2::VPCPeeringConnection"] = {
    "create": create_peering,
    "delete": delete_peering,
    "update": lambda peering, _old, _new, _stack: (peering, {"Id": peering}),
}

# --- MSK: the v2 API, serverless clusters, topics, brokers in their subnets -----------------------------------------------------------

serverless_clusters = {}  # cluster ARN -> what was asked for
topics = {}  # cluster ARN -> topic name -> the request that made it

COMMON = ("ClusterArn", "ClusterName", "CreationTime", "CurrentVersion", "State", "Tags")
PROVISIONED = (
    "BrokerNodeGroupInfo",
    "ClientAuthentication",
    "CurrentBrokerSoftwareInfo",
    "EncryptionInfo",
    "EnhancedMonitoring",
    "LoggingInfo",
    "NumberOfBrokerNodes",
    "OpenMonitoring",
    "ZookeeperConnectString",
    "ZookeeperConnectStringTls",
)


def cluster_v2(info):
    common = {key: info[key] for key in COMMON}
    serverless = serverless_clusters.get(info["ClusterArn"])
    if serverless:
        return {**common, "ClusterType": "SERVERLESS", "Serverless": serverless}
    return {**common, "ClusterType": "PROVISIONED", "Provisioned": {key: info[key] for key in PROVISIONED}}


def create_cluster_v2(request):
    serverless = request.get("serverless")
    provisioned = request.get("provisioned") or {"brokerNodeGroupInfo": {}, "numberOfBrokerNodes": 0}
    asked = {**provisioned, "clusterName": request.get("clusterName"), "tags": request.get("tags", {})}
    response = msk._create_cluster(json.dumps(asked))
    if response[0] != 200:
        return response
    made = json.loads(response[2])
    if serverless:
        serverless_clusters[made["clusterArn"]] = serverless
    return msk._json({**made, "clusterType": "SERVERLESS" if serverless else "PROVISIONED"})


def list_clusters_v2(query):
    name, kind = ((query.get(key) or [""])[0] for key in ("clusterNameFilter", "clusterTypeFilter"))
    found = [cluster_v2(info) for info in msk._clusters.values() if info["ClusterName"].startswith(name)]
    return msk._json({"ClusterInfoList": [info for info in found if not kind or info["ClusterType"] == kind]})


def list_nodes(arn):
    """Brokers in turn in the cluster's subnets, each with an address there."""
    response = ministack_list_nodes(arn)
    if response[0] != 200:
        return response
    nodes = json.loads(response[2])
    subnets = (msk._clusters[arn].get("BrokerNodeGroupInfo") or {}).get("clientSubnets") or []
    for number, node in enumerate(nodes["nodeInfoList"]):
        # Each has a name of its own.
        node["brokerNodeInfo"]["endpoints"] = [re.sub(r"^b-1\.", f"b-{number + 1}.", each) for each in node["brokerNodeInfo"]["endpoints"]]
        node["nodeARN"] = f"{arn.replace(':cluster/', ':broker/', 1)}/{number + 1}"
        if subnets:
            subnet = subnets[number % len(subnets)]
            node["brokerNodeInfo"]["clientSubnet"] = subnet
            block = (ec2._subnets.get(subnet) or {}).get("CidrBlock")
            if block:
                node["brokerNodeInfo"]["clientVpcIpAddress"] = str(ipaddress.ip_network(block)[10 + number // len(subnets)])
    return response[0], response[1], json.dumps(nodes).encode()


def kafka_admin():
    """The real broker behind every cluster, where there is one."""
    brokers = os.environ.get("MINISTACK_MSK_BOOTSTRAP")
    return AdminClient({"bootstrap.servers": brokers, "socket.timeout.ms": 10_000}) if brokers else None


def known_to_brokers(admin, name):
    topic = admin.list_topics(topic=name, timeout=10).topics[name]
    return topic.error is None and all(partition.leader >= 0 for partition in topic.partitions.values())


def create_topic(arn, request):
    """Makes a topic from a request of CreateTopic. Raises ValueError where there is one of this name, or the broker refuses it."""
    name = request["topicName"]
    known = topics.setdefault(arn, {})
    if name in known:
        raise ValueError(f"Topic {name} already exists")
    admin = kafka_admin()
    if admin is not None:
        # The API takes a JSON object; its documentation shows properties.
        text = base64.b64decode(request.get("configs") or "").decode()
        if text.startswith("{"):
            settings = json.loads(text)
        else:
            settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        try:
            # A test's cluster may have fewer brokers than the one that it stands for.
            replicas = min(request["replicationFactor"], len(admin.list_topics(timeout=10).brokers))
            new = NewTopic(name, request["partitionCount"], replicas, config=settings)
            admin.create_topics([new])[name].result(timeout=20)
        except Exception as error:
            raise ValueError(f"Topic {name} can't be created: {error}") from error
        # The controller answers before every broker knows of it.
        deadline = time.monotonic() + 20
        while not known_to_brokers(admin, name) and time.monotonic() < deadline:
            time.sleep(0.05)
    known[name] = request
    return f"{arn.replace(':cluster/', ':topic/', 1)}/{name}"


def delete_topic(arn, name):
    if topics.get(arn, {}).pop(name, None) is None:
        return
    admin = kafka_admin()
    if admin is not None:
        admin.delete_topics([name])[name].result(timeout=20)


def create_topic_resource(_logical_id, properties, _stack):
    """AWS::MSK::Topic."""
    arn = properties["ClusterArn"]
    if msk._validate_existing_cluster_arn(arn):
        raise ValueError(f"The cluster {arn} does not exist")
    request = {
        "topicName": properties["TopicName"],
        "partitionCount": int(properties["PartitionCount"]),
        "replicationFactor": int(properties["ReplicationFactor"]),
        "configs": properties.get("Configs", ""),
    }
    try:
        topic = create_topic(arn, request)
    except ValueError as error:
        code = "AlreadyExists" if "exists" in str(error) else "InvalidRequest"
        raise ValueError(f'Resource handler returned message: "{error}" (HandlerErrorCode: {code})') from error
    return topic, {"TopicArn": topic}


def update_topic_resource(topic, old, new, stack):
    """All but the partitions and the settings are create-only; the broker behind is not told of those."""
    if any(old[name] != new[name] for name in ("ClusterArn", "TopicName", "ReplicationFactor")):
        return create_topic_resource("", new, stack)
    known = topics[new["ClusterArn"]][new["TopicName"]]
    known.update(partitionCount=int(new["PartitionCount"]), configs=new.get("Configs", ""))
    return topic, {"TopicArn": topic}


handlers["AWS::MSK::Topic"] = {
    "create": create_topic_resource,
    "update": update_topic_resource,
    "delete": lambda _topic, properties: delete_topic(properties["ClusterArn"], properties["TopicName"]),
}


def create_connection(_logical_id, properties, _stack):
    """AWS::MSK::VpcConnection: of each way of authentication that the cluster has private connectivity for, with a subnet in each of its zones."""
    cluster, vpc, way = properties["TargetClusterArn"], properties["VpcId"], properties["Authentication"]
    if msk._validate_existing_cluster_arn(cluster):
        raise ValueError(f"The cluster {cluster} does not exist")
    nodes = msk._clusters[cluster].get("BrokerNodeGroupInfo") or {}
    ways = ((nodes.get("connectivityInfo") or {}).get("vpcConnectivity") or {}).get("clientAuthentication") or {}
    sasl = ways.get("sasl") or {}
    switch = {"SASL_IAM": sasl.get("iam"), "SASL_SCRAM": sasl.get("scram"), "TLS": ways.get("tls")}[way]
    if not (switch or {}).get("enabled"):
        raise ValueError(f"The cluster has no VPC connectivity for {way}")
    zones = [sorted(ec2._subnets[each]["AvailabilityZone"] for each in ids) for ids in (nodes["clientSubnets"], properties["ClientSubnets"])]
    if zones[0] != zones[1] or any(ec2._subnets[each]["VpcId"] != vpc for each in properties["ClientSubnets"]):
        raise ValueError(f"The client subnets must be of {vpc}, one in each zone of the cluster")
    known = [each for each in vpc_connections.values() if (each["targetClusterArn"], each["vpcId"], each["authentication"]) == (cluster, vpc, way)]
    if known:
        raise ValueError(f"There is a VPC connection of {vpc} for {way} already")
    name = cluster.split(":cluster/", 1)[1]
    arn = f"arn:aws:kafka:{get_region()}:{get_account_id()}:vpc-connection/{get_account_id()}/{name}/{uuid.uuid4()}"
    vpc_connections[arn] = {
        "vpcConnectionArn": arn,
        "targetClusterArn": cluster,
        "authentication": way,
        "vpcId": vpc,
        "state": "AVAILABLE",
        "subnets": list(properties["ClientSubnets"]),
        "securityGroups": list(properties["SecurityGroups"]),
        "tags": dict(properties.get("Tags") or {}),
    }
    return arn, {"Arn": arn}


vpc_connections = {}  # ARN -> what DescribeVpcConnection answers
handlers["AWS::MSK::VpcConnection"] = {
    "create": create_connection,
    "delete": lambda arn, _properties: vpc_connections.pop(arn, None),
}


def bootstrap_brokers(arn, response):
    """MiniStack knows neither private connectivity nor public access."""
    doors = ((msk._clusters.get(arn) or {}).get("BrokerNodeGroupInfo") or {}).get("connectivityInfo") or {}
    is_open = {
        "VpcConnectivitySaslScram": "vpcConnectivity" in doors,
        "PublicSaslScram": (doors.get("publicAccess") or {}).get("type") == "SERVICE_PROVIDED_EIPS",
    }
    variables = {"VpcConnectivitySaslScram": "VPC_CONNECTIVITY_SASL_SCRAM", "PublicSaslScram": "PUBLIC_SASL_SCRAM"}
    given = {name: os.environ.get(f"MINISTACK_MSK_BOOTSTRAP_{variable}") for name, variable in variables.items() if is_open[name]}
    named = {f"bootstrapBrokerString{name}": servers for name, servers in given.items() if servers}
    if response[0] != 200 or not named:
        return response
    return msk._json({**json.loads(response[2]), **named})


def without_topics(arn):
    """Why the cluster has no API for topics: it is serverless, or its Kafka is older than 3.6."""
    if arn in serverless_clusters:
        return "This operation cannot be performed on serverless clusters."
    version = msk._clusters[arn]["CurrentBrokerSoftwareInfo"]["KafkaVersion"]
    if tuple(int(part) for part in version.split(".")[:2]) < (3, 6):
        return f"This operation is not supported for clusters with Apache Kafka {version}."
    return None


def handle_topics(arn, name, method, body):
    missing = msk._validate_existing_cluster_arn(arn)
    if missing:
        return missing
    lacking = without_topics(arn)
    if lacking:
        return msk._bad_request(lacking)
    known = topics.setdefault(arn, {})
    topic_arn = arn.replace(":cluster/", ":topic/", 1)
    if method == "POST":
        request = json.loads(body)
        try:
            made = create_topic(arn, request)
        except ValueError as error:
            return msk._conflict(str(error))
        return msk._json({"topicArn": made, "topicName": request["topicName"], "status": "CREATING"})
    if name is None:
        return msk._json(
            {
                "topics": [
                    {
                        "topicName": each,
                        "topicArn": f"{topic_arn}/{each}",
                        "partitionCount": topic["partitionCount"],
                        "replicationFactor": topic["replicationFactor"],
                        "outOfSyncReplicaCount": 0,
                    }
                    for each, topic in known.items()
                ]
            }
        )
    topic = known.get(name)
    if topic is None:
        return msk._not_found("The topic does not exist.")
    if method == "DELETE":
        delete_topic(arn, name)
        return msk._json({"topicArn": f"{topic_arn}/{name}", "topicName": name, "status": "DELETING"})
    return msk._json(
        {
            "topicArn": f"{topic_arn}/{name}",
            "topicName": name,
            "partitionCount": topic["partitionCount"],
            "replicationFactor": topic["replicationFactor"],
            "configs": topic.get("configs", ""),
            "status": "ACTIVE",
        }
    )


cluster_policies = {}  # cluster ARN -> its version, its text


def handle_policy(arn, method, body):
    """The policy of a cluster, which other accounts and MSK's own service need."""
    missing = msk._validate_existing_cluster_arn(arn)
    if missing:
        return missing
    if method == "PUT":
        request = json.loads(body)
        try:
            json.loads(request["policy"])
        except ValueError:
            return msk._bad_request("The policy is not valid JSON.")
        version = f"K{uuid.uuid4().hex[:13].upper()}"
        cluster_policies[arn] = (version, request["policy"])
        return msk._json({"currentVersion": version})
    if arn not in cluster_policies:
        return msk._not_found("The cluster policy does not exist.")
    if method == "DELETE":
        del cluster_policies[arn]
        return msk._json({})
    version, text = cluster_policies[arn]
    return msk._json({"currentVersion": version, "policy": text})


async def handle_msk(method, path, headers, body, query):
    if path == "/api/v2/clusters":
        return create_cluster_v2(json.loads(body)) if method == "POST" else list_clusters_v2(query)
    one = re.match(r"^/api/v2/clusters/(.+)$", path)
    if one and method == "GET":
        arn = unquote(one.group(1))
        missing = msk._validate_existing_cluster_arn(arn)
        return missing or msk._json({"ClusterInfo": cluster_v2(msk._clusters[arn])})
    topic = re.match(r"^/v1/clusters/(.+?)/topics(?:/([^/]+))?$", path)
    if topic:
        name = topic.group(2)
        return handle_topics(unquote(topic.group(1)), name and unquote(name), method, body)
    if path == "/v1/vpc-connections" and method == "GET":
        shown = ("vpcConnectionArn", "targetClusterArn", "authentication", "vpcId", "state")
        return msk._json({"vpcConnections": [{key: each[key] for key in shown} for each in vpc_connections.values()]})
    connection = re.match(r"^/v1/vpc-connection/(.+)$", path)
    if connection and method == "GET":
        known = vpc_connections.get(unquote(connection.group(1)))
        return msk._json(known) if known else msk._not_found("The VPC connection does not exist.")
    policy = re.match(r"^/v1/clusters/(.+?)/policy$", path)
    if policy:
        return handle_policy(unquote(policy.group(1)), method, body)
    response = await ministack_handle_msk(method, path, headers, body, query)
    door = re.match(r"^/v1/clusters/(.+)/bootstrap-brokers$", path)
    return bootstrap_brokers(unquote(door.group(1)), response) if door else response


ministack_list_nodes = msk._list_nodes
ministack_handle_msk = msk.handle_request
msk._list_nodes = list_nodes
msk.handle_request = handle_msk

# --- IAM: what a role may do, by its own policies, its boundary and those of its organization ------------------------------------------

# What each action is on, as the Service Authorization Reference has it. Other actions are on what their service has.
RESOURCE_TYPES = {
    "kafka-cluster:connect": "cluster",
    "kafka-cluster:writedataidempotently": "cluster",
    "kafka-cluster:createtopic": "topic",
    "kafka-cluster:describetopic": "topic",
    "kafka-cluster:writedata": "topic",
    "kinesis:describestreamconsumer": "consumer",
    "kinesis:subscribetoshard": "consumer",
    "logs:createlogstream": "log-group",
    "logs:putlogevents": "log-stream",
    "s3:listbucket": "bucket",
    "s3:putobject": "object",
}


class SimulationContext(iam_evaluator.EvalContext):
    """A simulation knows of its context what it is told, and who the principal is; a request's own knows more."""


def condition_value(key, context):
    if not isinstance(context, SimulationContext):
        return ministack_condition_value(key, context)
    own = {"aws:principalarn": context.principal_arn, "aws:principalaccount": context.principal_account}
    return own.get(key.lower(), context.service_context.get(key.lower()))


ministack_condition_value = iam_evaluator._resolve_condition_key
iam_evaluator._resolve_condition_key = condition_value


def list_of(parameters, name):
    """A list of a request in the query protocol."""
    values = []
    while f"{name}.member.{len(values) + 1}" in parameters:
        values.append(iam._p(parameters, f"{name}.member.{len(values) + 1}"))
    return values


def context_of(parameters):
    """The values of a simulation's context keys."""
    entries, number = {}, 1
    while f"ContextEntries.member.{number}.ContextKeyName" in parameters:
        entry = f"ContextEntries.member.{number}"
        values = list_of(parameters, f"{entry}.ContextKeyValues")
        several = iam._p(parameters, f"{entry}.ContextKeyType").endswith("List")
        entries[iam._p(parameters, f"{entry}.ContextKeyName").lower()] = values if several else values[0]
        number += 1
    return entries


def control_policies():
    """The service control policies of the account and of each level above it. None where the account is in no organization. Of a management account AWS
    applies none; here there is no other account to be judged by them."""
    target = get_account_id()
    if "self" not in organizations._orgs or not organizations._policy_type_enabled("SERVICE_CONTROL_POLICY"):
        return None
    levels = []
    while target:
        attached = [each for each in organizations._policies.values() if target in (organizations._attachments.get(each["Id"]) or [])]
        controls = [each for each in attached if each["Type"] == "SERVICE_CONTROL_POLICY"]
        levels.append([iam_evaluator.parse_policy_document(each["_Content"]) for each in controls])
        known = organizations._ous.get(target) or organizations._accounts.get(target)
        target = known and known.get("_ParentId")
    return levels


def detail_xml(name, field, value):
    return f"<{name}><{field}>{'true' if value else 'false'}</{field}></{name}>"


def simulate_principal_policy(parameters):
    """Each action on each resource, as AWS's simulator answers: one result an action, in it one for each resource that is named."""
    principal = iam._p(parameters, "PolicySourceArn")
    actions = list_of(parameters, "ActionNames")
    named = [each for each in list_of(parameters, "ResourceArns") if each != "*"]
    if ":role/" not in principal or not actions:
        return iam._error(400, "InvalidInput", "Only actions of roles are simulated here.", ns="iam")
    role = principal.rsplit("/", 1)[-1]
    if iam._roles.get(role) is None:
        return iam._error(404, "NoSuchEntity", f"The role with name {role} cannot be found.", ns="iam")
    kinds = {}
    for action in actions:
        kinds.setdefault(RESOURCE_TYPES.get(action.lower(), action.split(":")[0]), []).append(action)
    if named and len(kinds) > 1:
        lists = " and ".join(f"[{','.join(each)}]" for each in kinds.values())
        return iam._error(400, "InvalidInput", f"Invalid Input Actions: {lists} require different authorization information.", ns="iam")
    policies = iam_evaluator._gather_role_policies(role, get_account_id())
    boundary = iam_evaluator._permissions_boundary(iam._roles, role, get_account_id())
    controls = control_policies()
    entries = context_of(parameters)
    statements = [statement for layer in (policies, *boundary) for document in layer for statement in document]
    wanted = {key for statement in statements for block in statement.conditions.values() for key in block}
    missing = sorted(key for key in wanted if key.lower() not in {*entries, "aws:principalarn", "aws:principalaccount"})
    missing = "".join(f"<member>{escape(key)}</member>" for key in missing)
    missing = f"<MissingContextValues>{missing}</MissingContextValues>"

    def judge(action, resource):
        """The decision, and whether the boundary and the organization allow it."""
        context = SimulationContext(
            principal_arn=principal,
            principal_type="AssumedRole",
            principal_account=get_account_id(),
            action=action,
            resource_arn=resource,
            region="",
            service_context=entries,
        )
        word = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}
        decision = word[iam_evaluator.evaluate(context, policies, *boundary, *(controls or [])).decision]
        allow = [all(iam_evaluator.evaluate(context, layer).decision == "Allow" for layer in limits) for limits in (boundary, controls or [])]
        return decision, *allow

    results = ""
    for action in actions:
        judged = {resource: judge(action, resource) for resource in named or ["*"]}
        decisions = [decision for decision, _, _ in judged.values()]
        worst = next(each for each in ("explicitDeny", "implicitDeny", "allowed") if each in decisions)
        parts = f"<EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>{worst}</EvalDecision>{missing}"
        if boundary:
            within = all(within for _, within, _ in judged.values())
            parts += detail_xml("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary", within)
        if controls is not None:
            parts += detail_xml("OrganizationsDecisionDetail", "AllowedByOrganizations", all(organization for *_, organization in judged.values()))
        if named:
            specific = ""
            for resource, (decision, within, _) in judged.items():
                detail = detail_xml("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary", within) if boundary else ""
                names = f"<EvalResourceName>{escape(resource)}</EvalResourceName><EvalResourceDecision>{decision}</EvalResourceDecision>"
                specific += f"<member>{names}{missing}{detail}</member>"
            parts += f"<ResourceSpecificResults>{specific}</ResourceSpecificResults>"
        results += f"<member>{parts}</member>"
    inner = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    whole = f"<SimulatePrincipalPolicyResult>{inner}</SimulatePrincipalPolicyResult>"
    return iam._xml(200, "SimulatePrincipalPolicyResponse", whole, ns="iam")


iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_principal_policy

# --- CloudWatch: metrics by hundreds, and a log by words -------------------------------------------------------------------------------


def get_metric_data(parameters, data, is_cbor, is_json=False):
    """MiniStack answers however many queries there are, and always the oldest point first."""
    queries = data.get("MetricDataQueries") or []
    if len(queries) > 500:
        words = "The collection MetricDataQueries must not have a size greater than 500."
        return cloudwatch._error("ValidationError", words, 400, use_json=is_json, use_cbor=is_cbor)
    answer = ministack_get_metric_data(parameters, data, is_cbor, is_json)
    if not is_cbor or answer[0] != 200 or data.get("ScanBy") == "TimestampAscending":
        return answer
    found = cbor2.loads(answer[2])
    for result in found["MetricDataResults"]:
        for values in ("Timestamps", "Values"):
            result[values].reverse()
    return cloudwatch._cbor_ok(found)


ministack_get_metric_data = cloudwatch._get_metric_data
cloudwatch._get_metric_data = get_metric_data

# A term of a filter pattern: optional with ?, unwanted with -, in quotation marks unless it is letters, digits and underscores.
TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\w+)|%([^%]+)%)(?=\s|$)')
PAGE = 10_000
event_numbers = itertools.count()


def filter_pattern(pattern):
    """What a filter pattern for unstructured events matches. Raises ValueError where it is none, or one for JSON or columns."""
    if len(pattern) > 1024:
        raise ValueError("Value at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to 1024")
    wanted, optional, unwanted = [], [], []
    rest = pattern.strip()
    while rest:
        term = TERM.match(rest)
        if term is None:
            raise ValueError("Invalid character(s) in term '" + rest[:40] + "'")
        sign, quoted, word, expression = term.groups()
        if expression:
            found = re.compile(expression).search
        else:
            text = word if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found = lambda message, text=text: text in message
        {"": wanted, "?": optional, "-": unwanted}[sign].append(found)
        rest = rest[term.end() :].strip()
    # Beside terms that have to be there, those that may be there decide nothing.
    if wanted or unwanted or not optional:
        return lambda message: all(each(message) for each in wanted) and not any(each(message) for each in unwanted)
    return lambda message: any(each(message) for each in optional)


def filter_log_events(data):
    """MiniStack takes a term for a part of any case, knows no optional terms, no other order than that of time, and no second page."""
    group = cloudwatch_logs._resolve_log_group_name(data)
    if group not in cloudwatch_logs._log_groups:
        return cloudwatch_logs.error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)
    try:
        matches = filter_pattern(data.get("filterPattern") or "")
        start, forward = data["nextToken"].split("/") if data.get("nextToken") else ("0", str(data.get("startFromHead", True)))
    except ValueError as error:
        return cloudwatch_logs.error_response_json("InvalidParameterException", str(error), 400)
    since, until = data.get("startTime", 0), data.get("endTime", float("inf"))
    streams = cloudwatch_logs._log_groups[group]["streams"]
    chosen = data.get("logStreamNames") or list(streams)
    for name in chosen:
        for event in streams.get(name, {}).get("events", []):
            # It keeps its id, whatever is asked for.
            event.setdefault("eventId", f"{event['timestamp']:020}{next(event_numbers):036}")
    events = [
        {**event, "logStreamName": name}
        for name in chosen
        for event in streams.get(name, {}).get("events", [])
        if since <= event["timestamp"] <= until and matches(event.get("message", ""))
    ]
    events.sort(key=lambda event: event["timestamp"], reverse=forward == "False")
    end = int(start) + min(data.get("limit", PAGE), PAGE)
    more = {"nextToken": f"{end}/{forward}"} if end < len(events) else {}
    return cloudwatch_logs.json_response({"events": events[int(start) : end], "searchedLogStreams": [], **more})


cloudwatch_logs._filter_log_events = filter_log_events

# Whether what happens is counted as AWS counts it: figures of Kinesis and of Lambda, and those that a function writes into its log.
COUNTS = os.environ.get("MINISTACK_COUNTS") == "1"


def counted(namespace, name, dimension, of, value):
    if COUNTS:
        cloudwatch._store_datum(namespace, name, {dimension: of}, time.time(), "None", value, None, None, None)


def put_records(data):
    """MiniStack counts none."""
    answer = ministack_put_records(data)
    if answer[0] == 200:
        name = data.get("StreamName") or data["StreamARN"].rsplit("/", 1)[1]
        counted("AWS/Kinesis", "IncomingRecords", "StreamName", name, len(data.get("Records", [])))
    return answer


def append_log_events(stream, events):
    """MiniStack makes no metrics of lines in CloudWatch's embedded format."""
    ministack_append_log_events(stream, events)
    for event in events if COUNTS else []:
        if '"CloudWatchMetrics"' not in event["message"]:
            continue
        line = json.loads(event["message"])
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    value = line[metric["Name"]]
                    cloudwatch._store_datum(directive["Namespace"], metric["Name"], dimensions, time.time(), "None", value, None, None, None)


ministack_put_records = kinesis._put_records
kinesis._put_records = put_records
ministack_append_log_events = cloudwatch_logs._append_log_events
cloudwatch_logs._append_log_events = append_log_events

# --- What is changed after it was made: blackholes, security, doors and settings of a cluster, a topic's settings, a VPC connection's end ----------------


def leads_somewhere(table, route):
    """Whether what a route names is still there: where it isn't AWS calls the route a blackhole."""
    peering, gateway, transit = (route.get(key) for key in ("VpcPeeringConnectionId", "GatewayId", "TransitGatewayId"))
    if peering:
        return (ec2._vpc_peering.get(peering) or {"Status": {"Code": "deleted"}})["Status"]["Code"] == "active"
    if transit:
        attachments = TRANSIT_GATEWAY_ATTACHMENTS.values()
        return any((each["transitGatewayId"], each["vpcId"]) == (transit, table["VpcId"]) for each in attachments)
    if gateway and gateway.startswith("igw-"):
        attachments = (ec2._internet_gateways.get(gateway) or {}).get("Attachments", [])
        return any(each["VpcId"] == table["VpcId"] for each in attachments)
    if route.get("NatGatewayId"):
        return (ec2._nat_gateways.get(route["NatGatewayId"]) or {}).get("State") == "available"
    return True


def describe_route_tables(parameters):
    for table in ec2._route_tables.values():
        for route in table["Routes"]:
            route["State"] = "active" if leads_somewhere(table, route) else "blackhole"
    return ministack_describe_route_tables(parameters)


def replace_route(parameters):
    """MiniStack keeps a peering connection or a transit gateway that a route led to, and takes no new one."""
    table = ec2._route_tables.get(ec2._p(parameters, "RouteTableId"))
    destination = ec2._p(parameters, "DestinationCidrBlock")
    answer = ministack_replace_route(parameters)
    for route in (table or {"Routes": []})["Routes"]:
        if route.get("DestinationCidrBlock") == destination:
            for key in ("VpcPeeringConnectionId", "TransitGatewayId"):
                route.pop(key, None)
                if ec2._p(parameters, key):
                    # Which MiniStack takes for none, and so for the VPC itself.
                    route.pop("GatewayId", None)
                    route[key] = ec2._p(parameters, key)
    return answer


def delete_transit_gateway_vpc_attachment(parameters):
    attachment = TRANSIT_GATEWAY_ATTACHMENTS.pop(ec2._p(parameters, "TransitGatewayAttachmentId"))
    inner = transit_gateway_attachment_xml(attachment, "transitGatewayVpcAttachment")
    return ec2._xml(200, "DeleteTransitGatewayVpcAttachmentResponse", inner)


def create_vpc_endpoint(parameters):
    """MiniStack leaves groups and names out."""
    answer = ministack_create_vpc_endpoint(parameters)
    made = re.search(r"<vpcEndpointId>(vpce-\w+)<", answer[2] if isinstance(answer[2], str) else answer[2].decode())
    if made:
        ec2._vpc_endpoints[made.group(1)].update(
            Groups=ec2._parse_member_list(parameters, "SecurityGroupId"),
            PrivateDnsEnabled=ec2._p(parameters, "PrivateDnsEnabled") == "true",
        )
    return answer


def describe_subnets(parameters):
    """MiniStack has as many free addresses in every subnet: all but the five that AWS keeps and those of network interfaces."""
    taken = collections.Counter(each["SubnetId"] for each in ec2._network_interfaces.values())
    for identifier, subnet in ec2._subnets.items():
        size = ipaddress.ip_network(subnet["CidrBlock"]).num_addresses
        subnet["AvailableIpAddressCount"] = max(size - 5 - taken[identifier], 0)
    return ministack_describe_subnets(parameters)


ministack_create_vpc_endpoint = ec2._ACTION_MAP["CreateVpcEndpoint"]
ministack_describe_subnets = ec2._ACTION_MAP["DescribeSubnets"]
ec2._ACTION_MAP["DescribeSubnets"] = describe_subnets
ec2._ACTION_MAP["CreateVpcEndpoint"] = create_vpc_endpoint
ministack_describe_route_tables = ec2._ACTION_MAP["DescribeRouteTables"]
ministack_replace_route = ec2._ACTION_MAP["ReplaceRoute"]
ec2._ACTION_MAP["DescribeRouteTables"] = describe_route_tables
ec2._ACTION_MAP["ReplaceRoute"] = replace_route
ec2._ACTION_MAP["DeleteTransitGatewayVpcAttachment"] = delete_transit_gateway_vpc_attachment


def update_cluster(arn, what, request):
    """UpdateSecurity, UpdateConnectivity and UpdateClusterConfiguration, at once; what is not named stays."""
    missing = msk._validate_existing_cluster_arn(arn)
    if missing:
        return missing
    info = msk._clusters[arn]
    if what == "security":
        info["ClientAuthentication"] = {**info["ClientAuthentication"], **request.get("clientAuthentication", {})}
        info["EncryptionInfo"] = {**info["EncryptionInfo"], **request.get("encryptionInfo", {})}
    elif what == "connectivity":
        nodes = info["BrokerNodeGroupInfo"]
        nodes["connectivityInfo"] = {**(nodes.get("connectivityInfo") or {}), **request["connectivityInfo"]}
    else:
        info["CurrentBrokerSoftwareInfo"].update(
            ConfigurationArn=request["configurationInfo"]["arn"], ConfigurationRevision=request["configurationInfo"]["revision"]
        )
    return msk._json({"clusterArn": arn, "clusterOperationArn": f"{arn}/{what}"})


def update_topic(arn, name, request):
    """A topic's settings, at the brokers too."""
    topic = topics.get(arn, {}).get(name)
    if topic is None:
        return msk._not_found("The topic does not exist.")
    topic.update({key: request[key] for key in ("configs", "partitionCount") if key in request})
    admin = kafka_admin()
    if admin is not None and "configs" in request:
        text = base64.b64decode(request["configs"]).decode()
        settings = json.loads(text) if text.startswith("{") else dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config=settings)
        admin.alter_configs([resource])[resource].result(timeout=20)
    return msk._json({"topicArn": f"{arn.replace(':cluster/', ':topic/', 1)}/{name}", "topicName": name, "status": "UPDATING"})


async def handle_changes(method, path, headers, body, query):
    if path == "/v1/metrics" and method == "DELETE":
        # No call of AWS's: as if so much time had passed that CloudWatch knows of no figure any more.
        cloudwatch._metrics.clear()
        return msk._json({})
    cluster = re.match(r"^/v1/clusters/(.+)/(security|connectivity|configuration)$", path)
    if cluster and method in ("PUT", "PATCH"):
        return update_cluster(unquote(cluster.group(1)), cluster.group(2), json.loads(body))
    topic = re.match(r"^/v1/clusters/(.+?)/topics/([^/]+)$", path)
    if topic and method == "PUT":
        return update_topic(unquote(topic.group(1)), unquote(topic.group(2)), json.loads(body))
    connection = re.match(r"^/v1/vpc-connection/(.+)$", path)
    if connection and method == "DELETE":
        gone = vpc_connections.pop(unquote(connection.group(1)), None)
        return msk._json({"vpcConnectionArn": gone["vpcConnectionArn"], "state": "DELETING"}) if gone else msk._not_found("There is none.")
    if path == "/v1/vpc-connection" and method == "POST":
        asked = {key[:1].upper() + key[1:]: value for key, value in json.loads(body).items()}
        arn, _ = create_connection("", asked, None)
        return msk._json({"vpcConnectionArn": arn, "state": "CREATING"})
    return await handle_msk(method, path, headers, body, query)


msk.handle_request = handle_changes

# --- Lambda: the Kinesis event source mapping -----------------------------------------------------------------------------------------

PROBLEM = "PROBLEM: Function call failed"


@dataclass
class Batch:
    """Records that are delivered together, and how often that was tried."""

    records: list
    attempts: int = 0
    error: str | None = None


@dataclass
class Shard:
    """How far one mapping has come in one shard."""

    position: int
    batches: list = field(default_factory=list)
    not_before: float = 0.0
    waiting_since: float | None = None


shards = {}  # (mapping's UUID, shard id) -> Shard


def event_record(record, shard_id, mapping, role):
    data = record["Data"]
    if isinstance(data, bytes):
        data = base64.b64encode(data).decode()
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": data,
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": get_region(),
        "eventSourceARN": mapping["EventSourceArn"],
    }


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}Z"


def give_up(mapping, function, shard_id, batch, condition):
    """Tells the failure destination, a topic or a queue, where there is one."""
    destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    if not destination:
        return
    first, last = batch.records[0], batch.records[-1]
    message = json.dumps(
        {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": function["config"]["FunctionArn"],
                "condition": condition,
                "approximateInvokeCount": batch.attempts,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": batch.error},
            "version": "1.0",
            "timestamp": timestamp(time.time()),
            "KinesisBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": timestamp(first["ApproximateArrivalTimestamp"]),
                "approximateArrivalOfLastRecord": timestamp(last["ApproximateArrivalTimestamp"]),
                "batchSize": len(batch.records),
                "streamArn": mapping["EventSourceArn"],
            },
        }
    )
    if ":sns:" in destination:
        import ministack.services.sns as sns

        sns._fanout(destination, str(uuid.uuid4()), message, "", "", {})
    else:
        send_to_queue(destination, message)


def send_to_queue(arn, body):
    import ministack.services.sqs as sqs

    queue = sqs._queue_by_arn(arn)
    if queue is None:
        return
    now = time.time()
    queue["messages"].append(
        {
            "id": str(uuid.uuid4()),
            "body": body,
            "md5_body": hashlib.md5(body.encode()).hexdigest(),
            "md5_attrs": "",
            "receipt_handle": None,
            "sent_at": now,
            "visible_at": now,
            "receive_count": 0,
            "first_receive_at": None,
            "message_attributes": {},
            "sys": {"SenderId": get_account_id(), "SentTimestamp": str(int(now * 1000))},
            "group_id": None,
            "dedup_id": None,
            "dedup_cache_key": None,
            "seq": None,
        }
    )


def first_failure(mapping, batch, answer):
    """The index of the first record that must be sent again, or None. An identifier that is not of the batch fails all of it."""
    if "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
        return None
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not failures:
        return None
    numbers = [record["SequenceNumber"] for record in batch.records]
    named = [failure.get("itemIdentifier") for failure in failures]
    if not all(number in numbers for number in named):
        return 0
    return min(numbers.index(number) for number in named)


def invoke(mapping, function, shard_id, batch):
    """Sends a batch to the function. Answers whether it failed by an error, and else the first record that failed."""
    role = function["config"]["Role"]
    events = [event_record(record, shard_id, mapping, role) for record in batch.records]
    events = lambda_svc._apply_filter_criteria(events, mapping)
    if not events:
        return False, None
    began, name = time.time(), function["config"]["FunctionName"]
    result = lambda_svc._execute_function(function, {"Records": events})
    batch.attempts += 1
    counted("AWS/Lambda", "Invocations", "FunctionName", name, 1)
    counted("AWS/Lambda", "Errors", "FunctionName", name, 1 if result.get("error") else 0)
    counted("AWS/Lambda", "Duration", "FunctionName", name, (time.time() - began) * 1000)
    counted("AWS/Lambda", "IteratorAge", "FunctionName", name, max(began - batch.records[-1]["ApproximateArrivalTimestamp"], 0) * 1000)
    if result.get("error"):
        batch.error = "Unhandled"
        return True, 0
    batch.error = None
    answer = result.get("body")
    if isinstance(answer, (str, bytes)):
        try:
            answer = json.loads(answer)
        except ValueError:
            answer = None
    return False, first_failure(mapping, batch, answer)


def next_batch(mapping, shard, records):
    """Takes the next batch off the stream, when it is full or the window is over."""
    size = int(mapping.get("BatchSize", 100))
    window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    taken = records[shard.position : shard.position + size]
    now = time.time()
    shard.waiting_since = (shard.waiting_since or now) if taken else None
    if taken and (len(taken) == size or now - shard.waiting_since >= window):
        shard.waiting_since = None
        shard.position += len(taken)
        shard.batches = [Batch(taken)]


def beginning(mapping, records):
    """How many records of a shard come before the mapping's starting position."""
    where = mapping.get("StartingPosition")
    if where == "AT_TIMESTAMP":
        since = float(mapping["StartingPositionTimestamp"])
        return sum(record["ApproximateArrivalTimestamp"] < since for record in records)
    return 0 if where == "TRIM_HORIZON" else len(records)


def step(mapping, function, shard_id, records):
    """One delivery from one shard. Answers whether there may be more at once."""
    shard = shards.get((mapping["UUID"], shard_id))
    if shard is None:
        if mapping.get("StartingPosition") == "AT_TIMESTAMP" and "StartingPositionTimestamp" not in mapping:
            return False  # it is being created
        shard = shards[mapping["UUID"], shard_id] = Shard(beginning(mapping, records))
    if shard.position > len(records):
        shard.position = 0  # the stream was made anew
    now = time.time()
    if now < shard.not_before:
        return False
    if not shard.batches:
        next_batch(mapping, shard, records)
    if not shard.batches:
        return False
    batch = shard.batches[0]
    oldest = mapping.get("MaximumRecordAgeInSeconds") or -1
    if oldest > 0 and now - batch.records[0]["ApproximateArrivalTimestamp"] > oldest:
        give_up(mapping, function, shard_id, batch, "RecordAgeExceeded")
        shard.batches.pop(0)
        return True
    by_error, failed = invoke(mapping, function, shard_id, batch)
    if failed is None:
        mapping["LastProcessingResult"] = "OK"
        shard.batches.pop(0)
        return True
    mapping["LastProcessingResult"] = PROBLEM
    # What comes before the first failure is done.
    batch.records = batch.records[failed:]
    retries = mapping.get("MaximumRetryAttempts")
    if retries is not None and 0 <= retries < batch.attempts:
        give_up(mapping, function, shard_id, batch, "RetryAttemptsExhausted")
        shard.batches.pop(0)
        return True
    if by_error and mapping.get("BisectBatchOnFunctionError") and len(batch.records) > 1:
        # Splitting costs no retry.
        half, attempts = len(batch.records) // 2, batch.attempts - 1
        shard.batches[0:1] = [Batch(batch.records[:half], attempts), Batch(batch.records[half:], attempts)]
        return True
    shard.not_before = now + RETRY_SECONDS
    return False


def poll_kinesis():
    """One round over all mappings, in place of MiniStack's own."""
    busy = False
    for account, region, mapping in lambda_svc._iter_all_esms():
        account_token, region_token = _request_account_id.set(account), _request_region.set(region)
        try:
            source = mapping.get("EventSourceArn", "")
            if not mapping.get("Enabled", True) or ":kinesis:" not in source:
                continue
            function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
            owner, _ = kinesis._kinesis_arn_scope(source)
            stream = kinesis._streams.get_scoped(owner, region, source.rsplit("/", 1)[1])
            if function is None or not stream or stream["StreamStatus"] != "ACTIVE":
                continue
            for shard_id, shard in list(stream["shards"].items()):
                busy = step(mapping, function, shard_id, shard["records"]) or busy
        finally:
            _request_account_id.reset(account_token)
            _request_region.reset(region_token)
    return busy


lambda_svc._poll_kinesis = poll_kinesis

if __name__ == "__main__":
    from ministack.app import main

    main()
