"""What tests need, made by plain functions."""

import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.test import Client


def claims(tenant: UUID | str, *roles: str, **over: Any) -> dict[str, Any]:
    """The claims of a good token; `over` replaces some of them."""
    now = int(time.time())
    known = {"sub": "tester", "tenant_id": str(tenant), "roles": list(roles) or ["admin"], "iat": now, "exp": now + 600}
    return {**known, "iss": settings.JWT_ISSUER, "aud": settings.JWT_AUDIENCE, **over}


def token(tenant: UUID | str, *roles: str, **over: Any) -> str:
    return jwt.encode(claims(tenant, *roles, **over), settings.JWT_SECRET, algorithm="HS256")


def sms(to: str = "+15005550006", **options: Any) -> dict[str, Any]:
    """The body of a text message; the sandbox acts by its recipient."""
    body = {"category": "messaging", "intent": "message.send.sms", "payload": {"to": to, "text": "hello"}}
    return {**body, "options": options} if options else body


def keyed() -> dict[str, Any]:
    """Arguments of a request under a new Idempotency-Key."""
    return {"headers": {"Idempotency-Key": str(uuid4())}}


LATER = {"Prefer": "respond-async"}


class Api:
    """Requests as one principal. Answers are Django's test responses; `.json()` reads their body."""

    def __init__(self, tenant: UUID, *roles: str) -> None:
        self.tenant, self.roles = tenant, roles or ("admin",)
        self.client = Client(raise_request_exception=False)
        self.key: dict[str, Any] = {}

    def as_role(self, *roles: str) -> "Api":
        return Api(self.tenant, *roles)

    def request(
        self, method: str, path: str, body: Any = None, *, version: str = "v1", headers: dict[str, str] | None = None
    ) -> Any:
        send = {"Authorization": f"Bearer {token(self.tenant, *self.roles)}", "x-tenant-id": str(self.tenant)}
        return self.client.generic(
            method,
            f"/integrationhub/{version}{path}",
            data=body if isinstance(body, bytes) else b"" if body is None else _json(body),
            content_type=(headers or {}).get("Content-Type", "application/json"),
            headers={**send, **(headers or {})},
        )

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("POST", path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("PUT", path, body, **kwargs)

    def patch(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.request("PATCH", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Any:
        return self.request("DELETE", path, **kwargs)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def another_tenant() -> Api:
    return Api(uuid4())
