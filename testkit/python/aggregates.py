"""Makes random aggregates of the Kinesis Producer Library with AWS's own library and prints what that library takes out of each.

One JSON object a line: what it is, the data of the Kinesis record in base64, and the records in it (partition key, explicit hash key, data in base64);
for what is no aggregate to AWS's library, `records` is null.
"""

import base64
import hashlib
import json
import random
import string
import sys

from aws_kinesis_agg import MAGIC
from aws_kinesis_agg.aggregator import AggRecord
from aws_kinesis_agg.deaggregator import deaggregate_records

LETTERS = string.ascii_letters + string.digits + "äßж中😀\" \\\n"


def text(source, longest):
    return "".join(source.choices(LETTERS, k=source.randint(1, longest)))


def random_records(source, count):
    keys = [text(source, 40) for _ in range(source.randint(1, 8))]
    # Without an index AWS's library takes the table's first hash key: so all records of an aggregate have one, or none has.
    with_hash_keys = source.random() < 0.5
    for _ in range(count):
        hash_key = str(source.randrange(2**128)) if with_hash_keys else None
        yield source.choice(keys), hash_key, source.randbytes(source.choice([0, 1, 10, 100, source.randint(0, 2000)]))


def aggregate(records):
    made = AggRecord()
    for key, hash_key, data in records:
        if not made.add_user_record(key, data, hash_key):
            break
    return made._serialize_to_bytes()


def sealed(body):
    return MAGIC + body + hashlib.md5(body).digest()


def cases(source, count):
    for _ in range(count):
        yield "random", aggregate(random_records(source, source.choice([1, 2, 5, source.randint(1, 60)])))
    whole = aggregate(random_records(source, 20))
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    yield "wrong checksum", bytes(flipped)
    for _ in range(50):
        yield "truncated", whole[: source.randrange(len(whole))]
        yield "truncated and sealed again", sealed(whole[4 : source.randrange(5, len(whole) - 16)])
    yield "nested", aggregate([("outer", None, whole), ("outer", None, b"plain")])
    yield "of 10,000", aggregate((f"key-{n % 100}", None, b"%d" % n) for n in range(10_000))
    yield "of none", sealed(b"\n\x01k")
    yield "of nothing at all", sealed(b"")
    yield "the magic alone", MAGIC
    yield "plain", b"hello"


def taken_apart(data):
    record = {"kinesis": {
        "kinesisSchemaVersion": "1.0",
        "sequenceNumber": "1",
        "partitionKey": "own",
        "approximateArrivalTimestamp": 1.5,
        "data": base64.b64encode(data),
    }}
    found = deaggregate_records([record])
    if found == [record]:
        return None
    return [
        {
            "partition_key": one["kinesis"]["partitionKey"],
            "explicit_hash_key": one["kinesis"]["explicitHashKey"],
            "data": one["kinesis"]["data"].decode(),
        }
        for one in found
    ]


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for what, data in cases(random.Random(seed), count):
        print(json.dumps({"what": what, "data": base64.b64encode(data).decode(), "records": taken_apart(data)}))


if __name__ == "__main__":
    main()
