"""Denies everybody some operations on a cluster with an authorizer, and leaves them everything else.

Arguments: the cluster's address, then KIND:NAME:OPERATION, such as topic:orders:WRITE or broker:kafka-cluster:IDEMPOTENT_WRITE. Without any all rules go.
"""

import sys

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)


def rule(kind, name, operation, permission):
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:*", "*", operation, permission)


def main():
    servers, *denied = sys.argv[1:]
    rules = []
    for text in denied:
        kind, name, operation = text.split(":")
        kind = ResourceType[kind.upper()]
        rules.append(rule(kind, name, AclOperation[operation], AclPermissionType.DENY))
        # What has a rule is denied to all but those whom a rule allows it.
        rules.append(rule(kind, name, AclOperation.ALL, AclPermissionType.ALLOW))
    rules = list(dict.fromkeys(rules))
    client = AdminClient({"bootstrap.servers": servers})
    if not denied:
        everything = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
        )
        client.delete_acls([everything], request_timeout=20)[everything].result()
        return
    for made in client.create_acls(rules, request_timeout=20).values():
        made.result()


if __name__ == "__main__":
    main()
