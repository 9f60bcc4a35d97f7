"""Reads a whole topic with a client that is not k2m's and prints one JSON object about what is in it.

A record of Kinesis is identified by the headers k2m-shard and k2m-sequence (with k2m-subsequence where there is one).
The order of a key is that of first appearance: a copy that a retry stored again later does not disturb it.
"""

import argparse
import base64
import contextlib
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

# Without a message for so long, the broker is taken to be gone.
STALLED_AFTER_S = 30
PAUSE_S = 0.02
# What is answered for a partition whose leader is not known yet.
PASSING = {
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bootstrap_servers")
    parser.add_argument("topic")
    parser.add_argument("--ca", metavar="FILE", help="speak TLS and trust this authority (PEM)")
    parser.add_argument("--values", metavar="FILE", help="write each message's value there, base64, one a line")
    return parser.parse_args()


def consumer(args):
    settings = {
        "bootstrap.servers": args.bootstrap_servers,
        "group.id": "k2m-readback",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 20,
        "queued.min.messages": 200_000,
    }
    if args.ca:
        settings |= {"security.protocol": "ssl", "ssl.ca.location": args.ca}
    return Consumer(settings)


def partitions_of(client, topic):
    """The topic's partitions, each with its first and its end offset. A broker that has just come back may not lead them yet."""
    give_up = time.monotonic() + STALLED_AFTER_S
    while True:
        try:
            found = client.list_topics(topic, timeout=20).topics[topic]
            if found.error is not None:
                raise KafkaException(found.error)
            return {
                number: client.get_watermark_offsets(TopicPartition(topic, number), timeout=20, cached=False)
                for number in sorted(found.partitions)
            }
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() >= give_up:
                raise
            time.sleep(PAUSE_S)


def messages(client, topic, offsets):
    """Every message below the end offsets, in order within each partition."""
    pending = {number for number, (first, end) in offsets.items() if first < end}
    client.assign([TopicPartition(topic, number, offsets[number][0]) for number in sorted(pending)])
    last_progress = time.monotonic()
    while pending:
        batch = client.consume(10_000, timeout=0.1)
        if batch:
            last_progress = time.monotonic()
        elif time.monotonic() - last_progress > STALLED_AFTER_S:
            raise SystemExit(f"no message for {STALLED_AFTER_S} s; partitions {sorted(pending)} are not read to their end")
        for message in batch:
            error = message.error()
            partition = message.partition()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                pending.discard(partition)
                continue
            end = offsets[partition][1]
            if message.offset() < end:
                yield message
            if message.offset() + 1 >= end:
                pending.discard(partition)


def identity(headers):
    """(shard, (sequence, subsequence)), or None where a header is missing or the sequence is no number."""
    found = dict(headers or ())
    sequence = found.get("k2m-sequence") or b""
    subsequence = found.get("k2m-subsequence", b"0") or b""
    if "k2m-stream" not in found or not found.get("k2m-shard") or not (sequence.isdigit() and subsequence.isdigit()):
        return None
    return found["k2m-shard"], (int(sequence), int(subsequence))


class Report:
    """Counts what comes by."""

    def __init__(self):
        self.messages = self.distinct = self.without_headers = self.value_bytes = 0
        self.seen = {}
        self.latest = {}
        self.partition_of = {}
        self.out_of_order = {}
        self.scattered = set()

    def add(self, key, partition, value, headers):
        self.messages += 1
        self.value_bytes += len(value or b"")
        if key is not None and self.partition_of.setdefault(key, partition) != partition:
            self.scattered.add(key)
        found = identity(headers)
        if found is None:
            self.without_headers += 1
            return
        shard, position = found
        seen = self.seen.setdefault(shard, set())
        if position in seen:
            return
        seen.add(position)
        self.distinct += 1
        if key is None:
            return
        lane = (key, shard)
        if position < self.latest.get(lane, position):
            self.out_of_order[key] = None
        else:
            self.latest[lane] = position

    def as_json(self):
        return {
            "messages": self.messages,
            "distinct": self.distinct,
            "duplicates": self.messages - self.without_headers - self.distinct,
            "shards": len(self.seen),
            "keys": len(self.partition_of),
            "keys_out_of_order": len(self.out_of_order),
            "out_of_order_examples": [key.decode("utf-8", "replace") for key in list(self.out_of_order)[:10]],
            "keys_in_several_partitions": len(self.scattered),
            "without_headers": self.without_headers,
            "value_bytes": self.value_bytes,
        }


def main():
    args = arguments()
    report = Report()
    client = consumer(args)
    with open(args.values, "wb") if args.values else contextlib.nullcontext() as values:
        try:
            offsets = partitions_of(client, args.topic)
            for message in messages(client, args.topic, offsets):
                value = message.value()
                report.add(message.key(), message.partition(), value, message.headers())
                if values:
                    values.write(base64.b64encode(value or b"") + b"\n")
        finally:
            client.close()
    json.dump(report.as_json(), sys.stdout)
    print()


if __name__ == "__main__":
    try:
        main()
    except KafkaException as error:
        sys.exit(f"can't read the topic: {error.args[0]}")
