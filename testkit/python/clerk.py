"""Reads topics whole, moves leaders and deletes topics for as long as somebody asks, with clients that are not k2m's.

One JSON object a line comes in, one goes out: {"ok": ...} or {"error": "..."}. A process that stays saves a test that asks a
hundred times the third of a second that starting Python costs.
"""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from kafka import KafkaAdminClient
from kafka.structs import TopicPartition as Partition

# Without a message for so long, the broker is taken to be gone.
STALLED_AFTER_S = 30
# A leader has moved, or a topic is gone, well before.
SETTLED_WITHIN_S = 30
PAUSE_S = 0.02
# What a broker answers that has just become a leader, or is one no more.
PASSING = {
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
# The election of Kafka's that makes the first replica the leader.
PREFERRED = 0


def read(bootstrap, topic):
    """Every message up to the end offsets of now, in order within each partition."""
    client = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "k2m-clerk",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 20,
    })
    try:
        found = client.list_topics(topic, timeout=20).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        ends = {}
        for number in sorted(found.partitions):
            first, end = settled(lambda: client.get_watermark_offsets(TopicPartition(topic, number), timeout=20, cached=False))
            if first < end:
                ends[number] = (first, end)
        client.assign([TopicPartition(topic, number, first) for number, (first, _) in ends.items()])
        messages = []
        last_progress = time.monotonic()
        while ends:
            batch = client.consume(10_000, timeout=0.05)
            if batch:
                last_progress = time.monotonic()
            elif time.monotonic() - last_progress > STALLED_AFTER_S:
                raise RuntimeError(f"no message for {STALLED_AFTER_S} s; partitions {sorted(ends)} are not read to their end")
            for message in batch:
                if message.error() is not None:
                    raise KafkaException(message.error())
                number = message.partition()
                if number not in ends:
                    continue
                if message.offset() < ends[number][1]:
                    messages.append(as_json(message))
                if message.offset() + 1 >= ends[number][1]:
                    del ends[number]
        return sorted(messages, key=lambda message: (message["partition"], message["offset"]))
    finally:
        client.close()


def settled(ask):
    """Asks until a leader that is new has caught up."""
    began = time.monotonic()
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() - began > SETTLED_WITHIN_S:
                raise
            time.sleep(PAUSE_S)


def as_json(message):
    def text(value):
        return None if value is None else value.decode("utf-8", "replace")

    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": text(message.key()),
        "value": text(message.value()),
        "headers": {name: text(value) for name, value in message.headers() or ()},
    }


def wait_until(what, holds):
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > SETTLED_WITHIN_S:
            raise RuntimeError(f"{what}: not so after {SETTLED_WITHIN_S} s")
        time.sleep(PAUSE_S)


def described(admin, topic):
    found = admin.describe_topics([topic])
    return {partition["partition_index"]: partition for partition in found[0]["partitions"]}


def move_leaders(bootstrap, topic):
    """Makes the next replica in sync the leader of each partition; answers the new leaders by partition."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        wanted = {}
        for number, partition in described(admin, topic).items():
            replicas, leader = partition["replica_nodes"], partition["leader_id"]
            others = [replica for replica in replicas if replica != leader and replica in partition["isr_nodes"]]
            if others:
                first = others[0]
                wanted[Partition(topic, number)] = [first] + [replica for replica in replicas if replica != first]
        refused = {str(partition): str(why) for partition, why in admin.alter_partition_reassignments(wanted).items() if why}
        if refused:
            raise RuntimeError(f"the leaders can't be moved: {refused}")

        def moved():
            admin.elect_leaders(PREFERRED, {topic: [partition.partition for partition in wanted]}, raise_errors=False)
            now = described(admin, topic)
            return all(now[partition.partition]["leader_id"] == replicas[0] for partition, replicas in wanted.items())

        wait_until(f"the leaders of {topic} have moved", moved)
        return {str(partition.partition): replicas[0] for partition, replicas in wanted.items()}
    finally:
        admin.close()


def delete(bootstrap, topics):
    """Deletes the topics that are there."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        there = set(admin.list_topics())
        doomed = [topic for topic in topics if topic in there]
        if doomed:
            admin.delete_topics(doomed)
        return doomed
    finally:
        admin.close()


def answer(request):
    match request:
        case {"read": topic, "from": bootstrap}:
            return read(bootstrap, topic)
        case {"move_leaders": topic, "from": bootstrap}:
            return move_leaders(bootstrap, topic)
        case {"delete": topics, "from": bootstrap}:
            return delete(bootstrap, topics)
        case _:
            raise ValueError(f"no such request: {request}")


def main():
    for line in sys.stdin:
        try:
            reply = {"ok": answer(json.loads(line))}
        except Exception as error:  # told to the test, which decides
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
