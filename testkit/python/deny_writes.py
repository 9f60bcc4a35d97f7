"""Denies everybody all writing to a cluster with an authorizer, also writing idempotently, and leaves them everything else."""

import sys

from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType


def rule(kind, name, operation, permission):
    return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:*", "*", operation, permission)


def main():
    rules = [
        rule(ResourceType.TOPIC, "*", AclOperation.WRITE, AclPermissionType.DENY),
        rule(ResourceType.TOPIC, "*", AclOperation.ALL, AclPermissionType.ALLOW),
        rule(ResourceType.BROKER, "kafka-cluster", AclOperation.IDEMPOTENT_WRITE, AclPermissionType.DENY),
        rule(ResourceType.BROKER, "kafka-cluster", AclOperation.ALL, AclPermissionType.ALLOW),
    ]
    client = AdminClient({"bootstrap.servers": sys.argv[1]})
    for made in client.create_acls(rules, request_timeout=20).values():
        made.result()


if __name__ == "__main__":
    main()
