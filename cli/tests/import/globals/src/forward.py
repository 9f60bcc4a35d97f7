import os

from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": os.environ["BOOTSTRAP_SERVERS"], "sasl.mechanisms": "OAUTHBEARER"})


def main(event, context):
    for each in event["Records"]:
        producer.produce(os.environ["TOPIC"], each["kinesis"]["data"])
    producer.flush()
    return {"batchItemFailures": []}
