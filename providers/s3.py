"""Objects in a store that speaks S3: botocore signs, and our client sends, to the address that it has judged.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import html
import importlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.outbound import Answer
from providers import answers, contents
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.intents import BUCKET

PRESIGN = "storage.presign.object"
DEFAULT_EXPIRES_SECONDS = 3600
# Another store may have it: after a fallback an object lies where the put went. decisions/0023
NOT_FOUND = "object_not_found"
# Of the answer to a look: the words of a refusal are read, and a whole object is not.
_MOST_LOOKED_AT, _LOOK_SECONDS = 64 * 1024, 2.0
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList. Of the codes of a 403 few are about
# the key itself: AccessDenied is also said of an object that is not there, to who may not list its bucket.
_CODES: dict[str, dict[str, Any]] = {
    "SlowDown": {"kind": Retry},
    "ServiceUnavailable": {"kind": Retry},
    "TooManyRequests": {"kind": Retry},
    "RequestTimeout": {"kind": Retry},
    "OperationAborted": {"kind": Retry},
    "TemporaryRedirect": {"kind": Retry},
    # What is put or deleted twice is put or deleted once: "retry the request", says
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ErrorBestPractices.html
    "InternalError": {"kind": Retry},
    "InvalidAccessKeyId": {"kind": Next, "credential_refused": True},
    "SignatureDoesNotMatch": {"kind": Next, "credential_refused": True},
    "ExpiredToken": {"kind": Next, "credential_refused": True},
    "InvalidToken": {"kind": Next, "credential_refused": True},
    "TokenRefreshRequired": {"kind": Next, "credential_refused": True},
    "NotSignedUp": {"kind": Next, "credential_refused": True},
    "AccessDenied": {"kind": Next},
    "AccountProblem": {"kind": Next},
    "AllAccessDisabled": {"kind": Next},
    "AuthorizationHeaderMalformed": {"kind": Next},  # Another region's bucket.
    "IllegalLocationConstraintException": {"kind": Next},
    "PermanentRedirect": {"kind": Next},
    "NoSuchBucket": {"kind": Next},
    "RequestTimeTooSkewed": {"kind": Next},
    "QuotaExceeded": {"kind": Next},
    "NoSuchKey": {"kind": Next, "reason": NOT_FOUND},
    "InvalidObjectState": {"kind": Stop},  # It is in an archive, and has to be restored first.
}
_CODE = re.compile(rb"<Code>([A-Za-z][A-Za-z0-9]{0,59})</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]{0,1000})")


class _Keys(NamedTuple):
    """What botocore's signers read."""

    access_key: str
    secret_key: str
    token: str | None


class Place(NamedTuple):
    """An object's address; `path` is quoted as it is signed and sent."""

    bucket: str
    key: str
    origin: str
    path: str


def config_schema(**more: JSONObject) -> JSONObject:
    properties = {"bucket": {**BUCKET, "examples": ["receipts"]}, **more}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def keys_schema(*required: str, **more: JSONObject) -> JSONObject:
    """A credential of an access key, and of what else belongs to it."""
    visible = r"^[\x21-\x7e]+$"
    text = {"type": "string", "maxLength": 200, "pattern": visible, "x-secret": True}
    properties = {
        "access_key_id": {
            **text,
            "minLength": 8,
            "description": "the access key's id",
            "examples": ["AKIAIOSFODNN7EXAMPLE"],
        },
        "secret_access_key": {
            **text,
            "minLength": 8,
            "description": "the access key's secret",
            "examples": ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        },
        **more,
    }
    names = ["access_key_id", "secret_access_key", *required]
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


class S3(Adapter):
    """What all stores have in common. A subclass says where one is (`endpoint`), in which `region` it signs, and
    whether a bucket's name `is_before_host` where nothing else is said."""

    docs_url = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html"
    intents = frozenset({"storage.put.object", "storage.get.object", "storage.delete.object", PRESIGN})
    # What one store has not another may have.
    status_classes = {404: Next}
    looks_first = frozenset({"storage.delete.object", PRESIGN})

    def endpoint(self, call: Call) -> str:
        return self.address(call)

    def region(self, call: Call) -> str:
        raise NotImplementedError

    def is_before_host(self, call: Call) -> bool:
        return bool(call.config.get("addressing") == "virtual")

    def preflight(self, call: Call) -> None:
        if not _bucket(call):
            expected = "a bucket: here, or as `bucket` of the installation's config"
            raise InvalidRequest(
                f"{self.display_name} is given no bucket: payload.bucket, or the installation's config.bucket.",
                reason="invalid_fields",
                fields=[{"field": "payload.bucket", "reason": "required", "expected": expected}],
            )

    def check(self, call: Call) -> bool:
        """List the buckets. A key that may not is a key that the store knows: it looks at the signature first."""
        answer = self._send(call, "GET", self.endpoint(call), "/")
        if answer.status == HTTPStatus.FORBIDDEN and _code(answer) == "AccessDenied":
            return True
        if answer.status != HTTPStatus.OK or b"<ListAllMyBucketsResult" not in answer.body:
            raise self._failure(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        place = self._place(call)
        act = {"storage.put.object": self._put, "storage.get.object": self._get, PRESIGN: self._presign}
        return act.get(call.intent, self._delete)(call, place)

    def _put(self, call: Call, place: Place) -> Receipt:
        with contents.opened(call, self.http) as (file, type_):
            body = file.read()
        headers = {"Content-Type": type_ or "application/octet-stream"}
        answer = self._send(call, "PUT", place.origin, place.path, headers=headers, body=body)
        etag = answer.headers.get("ETag")
        if answer.status != HTTPStatus.OK or not etag:
            raise self._failure(call, answer)
        version = answer.headers.get("x-amz-version-id")
        told = {"size": len(body), "etag": etag, **({"version_id": version} if version else {})}
        return Receipt(etag.strip('"'), {**_shown(place), **told})

    def _get(self, call: Call, place: Place) -> Receipt:
        with contents.room(call) as file:
            try:
                answer = self._send(call, "GET", place.origin, place.path, into=file.write, max_bytes=call.largest)
            except Ambiguous as error:
                if error.reason != "answer_too_large":
                    raise
                words = f"The object is longer than {call.largest:,} bytes: {PRESIGN} gives an address of it."
                raise Stop(words, reason="object_too_large") from None
            etag = answer.headers.get("ETag")
            if answer.status != HTTPStatus.OK or not etag:
                raise self._failure(call, answer)
            type_ = answer.headers.get("Content-Type", "application/octet-stream")
            told = {**_shown(place), "size": file.tell(), "content_type": type_, "etag": etag}
            return Receipt(etag.strip('"'), told, {"content": contents.in_base64(file)})

    def _delete(self, call: Call, place: Place) -> Receipt:
        """Only what is there: a store says of any key that it is deleted, and the object may lie in another one."""
        self._find(call, place)
        answer = self._send(call, "DELETE", place.origin, place.path)
        if answer.status != HTTPStatus.NO_CONTENT:
            raise self._failure(call, answer)
        return Receipt(place.key, {**_shown(place), "deleted": True})

    def _presign(self, call: Call, place: Place) -> Receipt:
        """The address gives access by itself, so that no row of ours keeps it. One to read leads to what is there."""
        method = call.payload.get("method", "GET")
        if method == "GET":
            self._find(call, place)
        seconds = call.payload.get("expires", DEFAULT_EXPIRES_SECONDS)
        request = _botocore("awsrequest").AWSRequest(method, place.origin + place.path)
        signer = _botocore("auth").S3SigV4QueryAuth(_keys(call), "s3", self.region(call), expires=seconds)
        signer.add_auth(request)
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        told = {"method": method, "expires_at": ends.isoformat(timespec="seconds").replace("+00:00", "Z")}
        return Receipt(place.key, {**_shown(place), **told}, {"url": request.url})

    def _find(self, call: Call, place: Place) -> None:
        """Raises Next where the store has not this object, does not let the key look, or does not say: nothing is done
        yet, and another store may be asked. Raises Retry and Stop as the store's code says.

        By its first byte: a HEAD is not told why. An empty object has none, and one in an archive gives none:
        https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
        """
        try:
            self._look(call, place)
        except Ambiguous as error:
            raise Next(error.message, reason=error.reason, upstream_status=error.upstream_status) from None

    def _look(self, call: Call, place: Place) -> None:
        """Who reads no `Range` gives the whole object, of which the head is enough."""
        limits: dict[str, Any] = {"max_bytes": _MOST_LOOKED_AT, "body_within": _LOOK_SECONDS}
        answer = self._send(call, "GET", place.origin, place.path, headers={"Range": "bytes=0-0"}, **limits)
        if answer.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and answer.headers.get("ETag"):
            return
        if answer.lost:
            words = f"{self.display_name} did not say whether it has the object ({answer.lost})."
            raise Next(words, reason=answer.lost, upstream_status=answer.status, credential_refused=False)
        if _code(answer) not in ("InvalidRange", "InvalidObjectState"):
            raise self._failure(call, answer)

    def _place(self, call: Call) -> Place:
        bucket, key = _bucket(call), call.payload["key"]
        if not bucket:
            raise Next(f"{self.display_name} is given no bucket; nothing was sent.", reason="bucket_unset")
        where = urlsplit(self.endpoint(call))
        path = where.path.rstrip("/")
        quoted = quote(key, safe="/~")
        if self.is_before_host(call) and _may_stand_before(bucket, where.hostname or ""):
            return Place(bucket, key, f"{where.scheme}://{bucket}.{where.netloc}", f"{path}/{quoted}")
        return Place(bucket, key, f"{where.scheme}://{where.netloc}", f"{path}/{bucket}/{quoted}")

    def _send(
        self,
        call: Call,
        method: str,
        origin: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        **limits: Any,
    ) -> Answer:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html"""
        origin = origin.rstrip("/")
        request = _botocore("awsrequest").AWSRequest(method, origin + path, headers or {}, body)
        _botocore("auth").S3SigV4Auth(_keys(call), "s3", self.region(call)).add_auth(request)
        return self.ask(
            replace(call, base_url=origin), method, path, headers=dict(request.headers.items()), data=body, **limits
        )

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        code = _code(answer) if answer.status >= HTTPStatus.MULTIPLE_CHOICES else ""
        said = _MESSAGE.search(answer.body) if code else None
        words = html.unescape(said[1].decode("utf-8", "replace")) if said else ""
        known: dict[str, Any] = {"reason": f"s3_{answers.word(code)}"} if code else {}
        if code in _CODES:
            known = {**known, "credential_refused": False, **_CODES[code]}
        return self.failure(call, answer, words, **known)


@cache
def _botocore(module: str) -> Any:
    """Imported with the first call: it takes a third of a second and hundreds of modules."""
    return importlib.import_module(f"botocore.{module}")


def _keys(call: Call) -> _Keys:
    secrets = call.secrets
    return _Keys(secrets["access_key_id"], secrets["secret_access_key"], secrets.get("session_token"))


def _bucket(call: Call) -> str:
    return str(call.payload.get("bucket") or call.config.get("bucket") or "")


def _may_stand_before(bucket: str, host: str) -> bool:
    """A certificate of *.host fits no name with a dot in it, and an address has no names before it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    try:
        ip_address(host)
    except ValueError:
        return "." not in bucket
    return False


def _code(answer: Answer) -> str:
    """By its pattern alone: no parser of XML is given what a stranger has written."""
    found = _CODE.search(answer.body[:8192])
    return found[1].decode() if found else ""


def _shown(place: Place) -> dict[str, Any]:
    return {"bucket": place.bucket, "key": place.key}
