"""Delivers Kinesis events as the sample that k2m replaces does: a new producer for each invocation.

Reads events from standard input, each after its length in bytes (32 bits, big-endian), and answers each with the seconds it took
(a double, big-endian). The first line of standard output says what runs here. Ends with its input.
"""

import base64
import json
import platform
import struct
import sys
import time

import kafka

SERVERS, TOPIC = sys.argv[1].split(","), sys.argv[2]


def lambda_handler(event, _context):
    producer = kafka.KafkaProducer(
        bootstrap_servers=SERVERS, value_serializer=lambda value: json.dumps(value).encode("utf-8")
    )
    futures = []
    for record in event["Records"]:
        payload = base64.b64decode(record["kinesis"]["data"])
        futures.append(producer.send(TOPIC, json.loads(payload)))
    # The sample has neither: without the first it loses records, and the second happens to it when the producer is collected.
    producer.flush()
    producer.close()
    return futures


def invocations(stream):
    while head := stream.read(4):
        (length,) = struct.unpack(">I", head)
        yield stream.read(length)


def main():
    out = sys.stdout.buffer
    out.write(f"kafka-python {kafka.__version__} on Python {platform.python_version()}\n".encode())
    out.flush()
    for text in invocations(sys.stdin.buffer):
        start = time.perf_counter()
        futures = lambda_handler(json.loads(text), None)
        seconds = time.perf_counter() - start
        failed = sum(not future.succeeded() for future in futures)
        if failed:
            sys.exit(f"{failed} of {len(futures)} records were not acknowledged")
        out.write(struct.pack(">d", seconds))
        out.flush()


main()
