"""Requests that a reader can paste: the same data is printed as curl and run by the tests."""

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

TOKEN, ADMIN_TOKEN, TENANT = "$TOKEN", "$ADMIN_TOKEN", "$TENANT"
PREFIX = "/integrationhub/v1"


@dataclass(frozen=True, slots=True)
class Command:
    """One request to the API. `token` and `tenant` are shell variables, or literal values, or None to leave out."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    token: str | None = TOKEN
    tenant: str | None = TENANT
    prefix: str = field(default=PREFIX)

    @property
    def full_path(self) -> str:
        return self.prefix + self.path

    def as_curl(self, base_url: str) -> str:
        """The request as a curl command, a line for each header."""
        method = "" if self.method == "GET" else f"-X {self.method} "
        lines = [f"curl -sS {method}{base_url}{self.full_path}"]
        lines += [f'-H "Authorization: Bearer {self.token}"'] if self.token else []
        lines += [f'-H "x-tenant-id: {self.tenant}"'] if self.tenant else []
        if self.body is not None:
            lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(json.dumps(self.body))}"]
        return " \\\n  ".join(lines)


def sms(recipient: str, **options: Any) -> Command:
    """An SMS to a recipient, which selects the outcome where the chain is a sandbox."""
    body = {"category": "messaging", "intent": "message.send.sms", "payload": {"to": recipient, "text": "hello"}}
    return Command("POST", "/execute", {**body, **({"options": options} if options else {})})


def get(path: str, **over: Any) -> Command:
    return Command("GET", path, **over)


def post(path: str, body: dict[str, Any], **over: Any) -> Command:
    return Command("POST", path, body, **over)
