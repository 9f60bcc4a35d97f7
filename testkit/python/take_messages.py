"""Takes all messages out of an SQS queue and prints their bodies, as a JSON list. Argument: the queue's URL."""

import json
import sys

import boto3

queue = sys.argv[1]
sqs = boto3.client("sqs")
bodies = []
while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
    bodies += [message["Body"] for message in messages]
    for message in messages:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
print(json.dumps(bodies))
