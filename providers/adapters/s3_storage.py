"""Objects on Amazon S3, and on any other store with its API.

https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html; endpoints: https://docs.aws.amazon.com/general/latest/gr/s3.html
"""

from providers import endpoints
from providers.adapter import Call, JSONObject
from providers.s3 import S3, config_schema, keys_schema

_ADDRESSING: JSONObject = {
    "type": "string",
    "enum": ["virtual", "path"],
    "description": "where the bucket's name stands: before the host's (virtual), or in the path",
}


def _region(description: str, example: str) -> JSONObject:
    return {"type": "string", "pattern": "^[a-z0-9-]{2,30}$", "description": description, "examples": [example]}


class AmazonStorage(S3):
    key = "amazon_storage"
    display_name = "Amazon S3"
    summary = "Objects in the buckets of an AWS account."
    base_url = "https://s3.us-east-1.amazonaws.com"
    allowed_hosts = frozenset({"*.amazonaws.com"})
    config_schema = config_schema(
        region=_region("the bucket's region; us-east-1 where it is not set", "eu-central-1"), addressing=_ADDRESSING
    )
    credential_schema = keys_schema(
        session_token={
            "type": "string",
            "minLength": 16,
            "maxLength": 4000,
            "pattern": r"^[\x21-\x7e]+$",
            "x-secret": True,
            "description": "beside a temporary key: its session token",
        }
    )

    def endpoint(self, call: Call) -> str:
        return call.base_url or f"https://s3.{self.region(call)}.amazonaws.com"

    def region(self, call: Call) -> str:
        return str(call.config.get("region", "us-east-1"))

    def is_before_host(self, call: Call) -> bool:
        return call.config.get("addressing", "virtual") == "virtual"


class S3Storage(S3):
    key = "s3_storage"
    display_name = "S3-compatible storage"
    summary = "Objects in any store with the API of S3: Cloudflare R2, Backblaze B2, MinIO, Wasabi and others."
    has_own_address = True
    config_schema = config_schema(addressing={**_ADDRESSING, "default": "path"})
    credential_schema = keys_schema(
        "endpoint",
        endpoint=endpoints.member("the store's own", "https://s3.eu-central-003.backblazeb2.com"),
        region=_region("in which requests are signed; us-east-1 where it is not set", "auto"),
    )

    def region(self, call: Call) -> str:
        return str(call.secrets.get("region", "us-east-1"))
