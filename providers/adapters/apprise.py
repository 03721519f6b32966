"""Services by way of apprise, one adapter for each row of providers/apprise/services.json."""

import json
from pathlib import Path
from typing import Any

from providers import senders
from providers.apprise import service
from providers.errors import Next, Retry

_ROWS = json.loads((Path(service.__file__).with_name("services.json")).read_text())
_KINDS = {kind.outcome_class: kind for kind in (Next, Retry)}
_FROM = senders.member(description="the sender: a number of the account in E.164", example="+15005550006")


def _adapter(row: dict[str, Any]) -> type[service.AppriseService]:
    members = {"from": _FROM} if row["sender"] else {}
    known = {
        "__module__": __name__,
        "intents": frozenset({row["intent"]}),
        "allowed_hosts": frozenset({row["host"]}),
        "status_classes": {int(status): _KINDS[kind] for status, kind in row["refusals"].items()},
        "config_schema": {"type": "object", "properties": members, "additionalProperties": False},
        "credential_schema": {
            "type": "object",
            "properties": row["members"],
            "required": row["required"],
            "additionalProperties": False,
        },
    }
    same = ("key", "display_name", "summary", "docs_url", "schema", "host", "arguments", "constants", "recipients")
    known |= {name: row[name] for name in (*same, "sender", "proof", "reference")}
    name = "".join(word.title() for word in row["key"].split("_"))
    return type(name, (service.AppriseService,), known)


globals().update({adapter.__name__: adapter for adapter in map(_adapter, _ROWS)})
