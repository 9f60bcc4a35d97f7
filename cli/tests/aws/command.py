"""Runs a command of AWS's command line as k2m prints it, without that program. The argument is the command; it prints what AWS answers, as JSON.

A shell's rules make words of it, AWS's own model says which parameter each option is: what is not in the model fails.
"""

import json
import shlex
import sys

import boto3
from botocore import xform_name

aws, service, operation, *words = shlex.split(sys.argv[1])
assert aws == "aws", aws
client = boto3.client(service)
model = client.meta.service_model
name = next(each for each in model.operation_names if xform_name(each, "-") == operation)
members = {f"--{xform_name(member, '-')}": (member, shape) for member, shape in model.operation_model(name).input_shape.members.items()}
parameters = {}
while words:
    word, *words = words
    option, joint, value = word.partition("=")
    positive = option.replace("--no-", "--", 1)
    if positive in members and members[positive][1].type_name == "boolean":
        parameters[members[positive][0]] = option == positive
        continue
    if not joint:
        value, *words = words
    if option == "--region":
        assert value == client.meta.region_name, value
        continue
    member, shape = members[option]
    parse = {"string": str, "integer": int, "long": int}.get(shape.type_name, json.loads)
    parameters[member] = parse(value)
print(json.dumps(getattr(client, xform_name(name))(**parameters), default=str))
if operation == "update-function-configuration":
    client.get_waiter("function_updated_v2").wait(FunctionName=parameters["FunctionName"], WaiterConfig={"Delay": 1})
