import base64
import json

from kafka import KafkaProducer

from config import SERVER, TOPIC


def lambda_handler(event, context):
    producer = KafkaProducer(bootstrap_servers=SERVER, value_serializer=lambda value: json.dumps(value).encode())
    for each in event["Records"]:
        producer.send(TOPIC, json.loads(base64.b64decode(each["kinesis"]["data"])))
