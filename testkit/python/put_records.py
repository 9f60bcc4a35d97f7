"""Puts a record into a Kinesis stream for each number from FIRST up to END; prints how many were put. Arguments: STREAM FIRST END."""

import json
import sys

import boto3

# What PutRecords takes at once.
MOST = 500

stream, first, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
kinesis = boto3.client("kinesis")
for begin in range(first, end, MOST):
    numbers = range(begin, min(begin + MOST, end))
    records = [{"Data": b'{"n":%d}' % number, "PartitionKey": f"key-{number % 100}"} for number in numbers]
    answer = kinesis.put_records(StreamName=stream, Records=records)
    if answer["FailedRecordCount"]:
        # Some again would be out of order.
        sys.exit(f"{answer['FailedRecordCount']} of {len(records)} records were refused: {answer['Records'][:3]}")
print(json.dumps(max(end - first, 0)))
