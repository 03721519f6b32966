"""Firebase on loopback, its token endpoint included: strict about what it is asked, as the carriers are."""

import json
import re
import time
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrationhub.core.deadline import Deadline
from providers import google_tokens
from providers.adapter import Call, Receipt
from providers.adapters.fcm_push import SCOPE, FcmPush
from tests.providers.answering import RedirectedClient
from tests.providers.carriers import Asked, CarrierServer, Misasked, Told

TOKEN = "ya29.c.the-token-of-a-service-account"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def account(number: int = 0) -> dict[str, Any]:
    """The key file of a service account, as the console of Google Cloud gives it out."""
    pem = key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    email = f"sender-{number or uuid4().hex}@example-orders-4711.iam.gserviceaccount.com"
    return {
        "type": "service_account",
        "project_id": "example-orders-4711",
        "private_key_id": "5f2c01d9a1",
        "private_key": pem.decode(),
        "client_email": email,
        "client_id": "104815162342",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{email}",
        "universe_domain": "googleapis.com",
    }


def log_in(secrets: dict[str, Any]) -> None:
    """Have a token for this account without asking anybody."""
    token = google_tokens._Token(TOKEN, time.monotonic() + 60)
    google_tokens._tokens[google_tokens._name(secrets, SCOPE)] = token


def error(status: int, code: str = "", message: str = "Told so.", **headers: str) -> Told:
    """https://firebase.google.com/docs/cloud-messaging/error-codes"""
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    said = {"code": status, "message": message, "status": "ANY", "details": [detail] if code else []}
    return Told(status, {"error": said}, headers)


class FcmServer(CarrierServer):
    key = "fcm_push"
    config: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.credentials = account()
        self.seconds = 3599

    def examine(self, asked: Asked) -> None:
        if asked.method != "POST":
            raise Misasked("not a POST")
        if asked.path == "/token":
            self._examine_statement(asked)
            return
        if asked.path != "/v1/projects/example-orders-4711/messages:send":
            raise Misasked("unknown path")
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Misasked("no bearer token")
        body = json.loads(asked.body)
        if not body.keys() <= {"message", "validate_only"}:
            raise Misasked(f"members: {sorted(body)}")
        if len({"token", "topic", "condition"} & body["message"].keys()) != 1:
            raise Misasked("not exactly one recipient")
        if not re.fullmatch(r"\d+s", body["message"].get("android", {}).get("ttl", "1s")):
            raise Misasked("no duration")

    def _examine_statement(self, asked: Asked) -> None:
        if asked.form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise Misasked("grant_type")
        claims = jwt.decode(
            asked.form["assertion"], key().public_key(), ["RS256"], audience="https://oauth2.googleapis.com/token"
        )
        if claims["scope"] != SCOPE or claims["exp"] - claims["iat"] > 3600:
            raise Misasked("claims")

    def acceptance(self, asked: Asked) -> Told:
        if asked.path == "/token":
            return Told(200, {"access_token": TOKEN, "expires_in": self.seconds, "token_type": "Bearer"})
        body = json.loads(asked.body)
        if body.get("validate_only"):
            return Told(200, {"name": "projects/example-orders-4711/messages/fake_message_id"})
        name = f"projects/example-orders-4711/messages/0:{self.hits}"
        return Told(200, {"name": name}, text=body["message"]["notification"]["body"])

    def refusal(self, fault: str) -> Told:
        return error(400, "INVALID_ARGUMENT", fault)

    def adapter(self) -> FcmPush:
        return FcmPush(RedirectedClient(self.base_url))

    def call(self, payload: dict[str, Any] | None = None, **secrets: Any) -> Call:
        given = {"token": "device-1", "title": "Shipped", "body": "On its way."} if payload is None else payload
        known = {**self.credentials, **secrets}
        return Call(uuid4(), "message.send.push", given, Deadline.after(5), secrets=known, attempt_id=uuid4())

    def send(self, **payload: Any) -> Receipt:
        whole = {"token": "device-1", "title": "Shipped", "body": "On its way.", **payload}
        return self.adapter().execute(self.call({name: value for name, value in whole.items() if value is not None}))

    def sent(self) -> list[dict[str, Any]]:
        """The bodies that were sent to FCM."""
        return [json.loads(asked.body) for asked in self.asked if asked.path != "/token"]
