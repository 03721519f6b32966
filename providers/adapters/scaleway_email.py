"""Scaleway Transactional Email, by django-anymail: https://www.scaleway.com/en/developers/api/transactional-email/

It is asked what became of a mail. Of several recipients each has a mail of its own there: the first one is asked about.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from integrationhub.core.moments import read_moment
from providers import answers, mail_refusals
from providers.adapter import Call
from providers.anymail_family import AnymailEmail, schema, secret
from providers.callbacks import InboundEvent, Kind

# https://www.scaleway.com/en/developers/api/transactional-email/~schemas, Email.Status
_KINDS = {
    "new": Kind.ACCEPTED,
    "sending": Kind.ACCEPTED,
    "sent": Kind.SENT,
    "failed": Kind.FAILED,
    "canceled": Kind.FAILED,
}


class ScalewayEmail(AnymailEmail):
    key = "scaleway_email"
    display_name = "Scaleway Transactional Email"
    summary = "E-mail through Scaleway; at most three recipients and two attachments."
    docs_url = "https://www.scaleway.com/en/developers/api/transactional-email/"
    base_url = "https://api.scaleway.com"
    api_path = "/transactional-email/v1alpha1/regions/fr-par/"
    credential_schema = schema(
        secret_key=secret("the secret key of an API key", "7a1b3c5d-2e4f-4a6b-8c9d-0e1f2a3b4c5d", 20),
        project_id={
            "type": "string",
            "format": "uuid",
            "description": "the project's id",
            "examples": ["5f0e1d2c-3b4a-4958-8776-655443322110"],
        },
    )
    service = "scaleway"
    options = {"secret_key": "secret_key", "project_id": "project_id"}
    # https://www.scaleway.com/en/docs/transactional-email/reference-content/tem-capabilities-and-limits/
    largest = 1_400_000
    checked = (f"{api_path}domains?project_id={{project_id}}&page_size=1", "domains")
    refusals = mail_refusals.SCALEWAY
    carries_metadata = False
    has_templates = False
    tells = frozenset({Kind.SENT})

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"X-Auth-Token": call.secrets["secret_key"]}}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("type")

    def status(self, call: Call, reference: str) -> InboundEvent | None:
        """https://www.scaleway.com/en/developers/api/transactional-email/emails"""
        path = f"{self.api_path}emails/{quote(reference, safe='')}"
        answer = self.ask(self.placed(call), "GET", path, **self.login(call))
        said = answers.document(answer)
        if answer.status == HTTPStatus.NOT_FOUND and said.get("type") == "not_found":
            return None
        status = said.get("status")
        if answer.status != HTTPStatus.OK or said.get("id") != reference or str(status) not in _KINDS:
            raise self.refusal(call, answer)
        kind = _KINDS[str(status)]
        reason = f"scaleway_{status}" if kind == Kind.FAILED else ""
        kept = ("id", "status", "status_details", "updated_at")
        told: dict[str, Any] = {name: said[name] for name in kept if name in said}
        at = said.get("updated_at")
        moment = read_moment(at) if isinstance(at, str) else None
        return InboundEvent(kind, reference, f"{reference} {status}", moment, reason=reason, payload=told)
