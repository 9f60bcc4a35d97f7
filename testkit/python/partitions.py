"""Sends a record for each key of a file to a topic, and prints the partitions that they landed in as a JSON list.

A key is a line of base64, or `-` for none. The partitioner is the one that does as Java's clients do.
"""

import base64
import json
import sys

from confluent_kafka import KafkaException, Producer


def main():
    bootstrap, topic, path = sys.argv[1:]
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    with open(path, encoding="ascii") as file:
        keys = [None if line == "-" else base64.b64decode(line) for line in file.read().splitlines()]
    partitions = [None] * len(keys)

    def landed(place):
        def told(error, message):
            if error is not None:
                raise KafkaException(error)
            partitions[place] = message.partition()

        return told

    for place, key in enumerate(keys):
        producer.produce(topic, key=key, value=b"", on_delivery=landed(place))
        producer.poll(0)
    if producer.flush(60):
        raise SystemExit("not all were acknowledged within 60 s")
    print(json.dumps(partitions))


if __name__ == "__main__":
    main()
