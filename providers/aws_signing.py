"""Requests that Amazon's services know by their signature, by botocore's own signer.

Nothing imports this module: botocore takes a quarter of a second, so that it is loaded by its name with the first call.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signed(
    method: str, url: str, body: bytes, headers: Mapping[str, str], *, key: tuple[str, str], scope: tuple[str, str]
) -> dict[str, str]:
    """All headers to send. `key` is an access key's id and secret, `scope` the service's signing name and region."""
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    SigV4Auth(Credentials(*key), *scope).add_auth(request)
    return dict(request.headers.items())
