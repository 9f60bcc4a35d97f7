"""Gives a user a SCRAM-SHA-512 password, and waits until each broker takes it.

Arguments: the plaintext listeners, the SCRAM listeners, the authority's PEM file, the user, a file with the password.
"""

import sys

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

# The least that Kafka takes: quick.
ITERATIONS = 4096


def main():
    plaintext, scram, authority, user, file = sys.argv[1:]
    with open(file, encoding="utf-8") as opened:
        password = opened.read()
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    client = AdminClient({"bootstrap.servers": plaintext})
    wanted = UserScramCredentialUpsertion(user, how, password.encode())
    for changed in client.alter_user_scram_credentials([wanted], request_timeout=20).values():
        changed.result()
    for server in scram.split(","):
        settings = {
            "bootstrap.servers": server,
            "security.protocol": "sasl_ssl",
            "ssl.ca.location": authority,
            # Certificates made for a test may be for another host.
            "ssl.endpoint.identification.algorithm": "none",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "reconnect.backoff.max.ms": 100,
            "log_level": 0,
        }
        AdminClient(settings).list_topics(timeout=20)


if __name__ == "__main__":
    main()
