"""Makes tokens for MSK's IAM access control with AWS's own signer, at times that the caller chooses.

The argument is a JSON list of requests; a JSON list of answers is printed, in the same order. The signer puts the suffix
amazonaws.com into every URL, so it is given each region's own, from the table of partitions that AWS ships with botocore.
"""

import datetime
import json
import re
import sys

import botocore.auth
import botocore.loaders
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
from botocore.credentials import CredentialProvider, Credentials


class Given(CredentialProvider):
    """Credentials that the caller named."""

    def __init__(self, request):
        super().__init__()
        self.request = request

    def load(self):
        request = self.request
        return Credentials(request["access_key_id"], request["secret_access_key"], request["session_token"])


def dns_suffix(region):
    partitions = botocore.loaders.create_loader().load_data("partitions")["partitions"]
    [found] = [it for it in partitions if re.match(it["regionRegex"], region)]
    return found["outputs"]["dnsSuffix"]


def answer(request):
    now = datetime.datetime.fromtimestamp(request["seconds"], datetime.timezone.utc).replace(tzinfo=None)
    botocore.auth.get_current_datetime = lambda: now
    region = request["region"]
    MSKAuthTokenProvider.ENDPOINT_URL_TEMPLATE = "https://kafka.{}." + dns_suffix(region) + "/"
    token, expires = MSKAuthTokenProvider.generate_auth_token_from_credentials_provider(region, Given(request))
    return {"token": token, "expires_millis": expires}


print(json.dumps([answer(request) for request in json.loads(sys.argv[1])]))
