"""Delivers a batch as the first thing of a fresh process, with confluent-kafka: settings and messages from a file, over to the brokers,
flushed. The line `done` tells when, another that it failed."""

import json
import sys

import confluent_kafka


def main():
    with open(sys.argv[1], "rb") as file:
        job = json.load(file)
    failed = []

    def report(error, _message):
        if error is not None:
            failed.append(error)

    producer = confluent_kafka.Producer(job["settings"])
    for message in job["messages"]:
        producer.produce(
            job["topic"],
            value=message["value"].encode(),
            key=message["key"].encode(),
            timestamp=message["timestamp"],
            headers=[(name, value.encode()) for name, value in message["headers"]],
            on_delivery=report,
        )
    left = producer.flush(60)
    if left or failed:
        print(f"{left} messages without an answer, {len(failed)} refused: {failed[:1]}")
    else:
        print("done", confluent_kafka.__version__, ".".join(str(part) for part in sys.version_info[:3]))
    sys.stdout.flush()


main()
