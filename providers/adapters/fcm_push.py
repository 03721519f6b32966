"""Firebase Cloud Messaging, HTTP v1.

Send: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
Error codes: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
"""

import re
import time
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, google_tokens
from providers.adapter import Adapter, Call, Receipt
from providers.errors import Next, ProviderError, Retry, Stop

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
# "If no retry-after header is set, default to 60 seconds":
# https://firebase.google.com/docs/cloud-messaging/scale-fcm#handling-retries
QUOTA_SECONDS = 60.0
# INTERNAL comes with 500 and does not say whether FCM acted: it stays what its status makes of it.
_CODES: dict[str, dict[str, Any]] = {
    "INVALID_ARGUMENT": {"kind": Stop},
    "UNREGISTERED": {"kind": Stop},  # The app was removed from the device, or its token is an old one.
    "SENDER_ID_MISMATCH": {"kind": Next},  # The token belongs to another project.
    "THIRD_PARTY_AUTH_ERROR": {"kind": Next},  # The project's key for APNs or web push is missing or wrong.
    "QUOTA_EXCEEDED": {"kind": Retry},
    "UNAVAILABLE": {"kind": Retry},
}
# https://www.rfc-editor.org/rfc/rfc8030#section-5.4
_WEB_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


def _link(name: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": 500, "description": f"`{name}` of the key file; it is not used"}


class FcmPush(Adapter):
    key = "fcm_push"
    display_name = "Firebase Cloud Messaging"
    summary = "Push messages to Android, iOS and browsers through Firebase."
    docs_url = "https://firebase.google.com/docs/cloud-messaging/send/v1-api"
    base_url = "https://fcm.googleapis.com"
    allowed_hosts = frozenset({"oauth2.googleapis.com"})
    intents = frozenset({"message.send.push"})
    # The key file of a service account as Google gives it out, member for member.
    credential_schema = {
        "type": "object",
        "properties": {
            "type": {"const": "service_account", "description": "service_account"},
            "project_id": {
                "type": "string",
                "pattern": "^[a-z0-9.:-]{4,63}$",
                "description": "the project's id",
                "examples": ["example-orders-4711"],
            },
            "private_key_id": {
                "type": "string",
                "pattern": "^[0-9A-Za-z_-]{1,100}$",
                "x-secret": True,
                "description": "the id of the private key",
            },
            "private_key": {
                "type": "string",
                "minLength": 100,
                "maxLength": 8000,
                "x-secret": True,
                "description": "the service account's private key: RSA, in PEM",
                "examples": ["-----BEGIN PRIVATE KEY-----\n" + 8 * "MIIEexample/+" + "\n-----END PRIVATE KEY-----\n"],
            },
            "client_email": {
                "type": "string",
                "format": "email",
                "maxLength": 254,
                "description": "the service account's address",
                "examples": ["sender@example-orders-4711.iam.gserviceaccount.com"],
            },
            "client_id": {"type": "string", "pattern": "^[0-9]{1,40}$", "description": "the service account's number"},
            "token_uri": {"const": google_tokens.EXCHANGE_URL, "description": google_tokens.EXCHANGE_URL},
            "auth_uri": _link("auth_uri"),
            "auth_provider_x509_cert_url": _link("auth_provider_x509_cert_url"),
            "client_x509_cert_url": _link("client_x509_cert_url"),
            "universe_domain": {"const": "googleapis.com", "description": "googleapis.com"},
        },
        "required": ["project_id", "private_key", "client_email"],
        "additionalProperties": False,
    }

    def check(self, call: Call) -> bool:
        """A message to a topic that FCM validates and does not send."""
        self._send(call, {"topic": "integration-hub-check", "notification": {"title": "Check"}}, validate_only=True)
        return True

    def execute(self, call: Call) -> Receipt:
        return Receipt(self._send(call, _message(call)))

    def _send(self, call: Call, message: dict[str, Any], **options: bool) -> str:
        """The name of the message, `projects/<project>/messages/<id>`."""
        token = google_tokens.access_token(self.http, call.secrets, SCOPE, call.deadline)
        answer = self.ask(
            call,
            "POST",
            f"/v1/projects/{call.secrets['project_id']}/messages:send",
            headers={"Authorization": f"Bearer {token}"},
            json={"message": message, **options},
        )
        name = answers.document(answer).get("name")
        if answer.status == HTTPStatus.OK and isinstance(name, str) and name:
            return name
        raise self._failure(replace(call, secrets={**call.secrets, "access_token": token}), answer)

    def _failure(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside another 5xx it says nothing about whether FCM acted."""
        said = answers.document(answer).get("error")
        said = said if isinstance(said, dict) else {}
        code = _code(said)
        known = _CODES.get(code, {}) if 400 <= answer.status < 500 or answer.status == 503 else {}
        if known:
            known = {"reason": f"fcm_{code.lower()}", "credential_refused": False, **known}
        if code == "QUOTA_EXCEEDED" and "Retry-After" not in answer.headers:
            known["retry_after"] = QUOTA_SECONDS
        error = self.failure(call, answer, said.get("message"), **known)
        if answer.status == HTTPStatus.UNAUTHORIZED and error.credential_refused:
            google_tokens.forget(call.secrets, SCOPE)
        return error


def _code(said: dict[str, Any]) -> str:
    """FCM's own code, which stands in one of the details; empty without one."""
    details = said.get("details")
    codes = [each.get("errorCode") for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    return next((code for code in codes if isinstance(code, str) and code in _CODES), "")


def _message(call: Call) -> dict[str, Any]:
    """https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages"""
    payload = call.payload
    notification = {"title": payload["title"], "body": payload["body"]}
    if image := payload.get("image_url"):
        notification["image"] = image
    message = {
        **_recipient(payload),
        "notification": notification,
        "data": payload.get("data"),
        "android": _android(payload),
        "apns": _apns(payload),
        "webpush": _webpush(payload),
    }
    return {name: value for name, value in message.items() if value}


def _recipient(payload: Any) -> dict[str, str]:
    if "token" in payload:
        return {"token": payload["token"]}
    return {"topic": payload["topic"].removeprefix("/topics/")}


def _android(payload: Any) -> dict[str, Any]:
    android = {name: payload[name] for name in ("collapse_key", "priority") if name in payload}
    if "ttl_seconds" in payload:
        android["ttl"] = f"{payload['ttl_seconds']}s"
    return android


def _apns(payload: Any) -> dict[str, Any]:
    """https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns

    An image is shown by the app's own extension, which is only woken for content that it may change.
    """
    headers = {}
    if "ttl_seconds" in payload:
        headers["apns-expiration"] = str(int(time.time()) + payload["ttl_seconds"])
    if "collapse_key" in payload:
        headers["apns-collapse-id"] = payload["collapse_key"]
    if "priority" in payload:
        headers["apns-priority"] = "10" if payload["priority"] == "high" else "5"
    apns: dict[str, Any] = {"headers": headers} if headers else {}
    if "image_url" in payload:
        apns["payload"] = {"aps": {"mutable-content": 1}}
    return apns


def _webpush(payload: Any) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc8030#section-5; a key that is no topic of web push is left out."""
    headers = {}
    if "ttl_seconds" in payload:
        headers["TTL"] = str(payload["ttl_seconds"])
    if _WEB_TOPIC.fullmatch(payload.get("collapse_key", "")):
        headers["Topic"] = payload["collapse_key"]
    if "priority" in payload:
        headers["Urgency"] = payload["priority"]
    return {"headers": headers} if headers else {}
