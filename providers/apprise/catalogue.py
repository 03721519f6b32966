"""Which of apprise's services the hub offers, and what it knows of them. `python -m providers.apprise.catalogue` writes
services.json anew, from these rows and the templates of the apprise that is installed.

Chosen are services with one public host of their own that no user names, that take a message in one request, and whose
answer tells an acceptance: where a service says 200 to what it refuses, `proof` says what an acceptance has.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apprise.manager_plugins import NotificationManager

SERVICES = Path(__file__).with_name("services.json")
KINDS = {"push": "Push messages", "chat": "Chat messages", "sms": "Text messages", "whatsapp": "WhatsApp messages"}
# Marked as secrets beside what apprise marks so.
_SOUNDS_SECRET = re.compile(r"secret|token|password|private|api_key|access_key")
To = dict[str, dict[str, str] | None]


@dataclass(frozen=True)
class Service:
    """See `AppriseService`. `examples` are of members whose form is checked; `optional` are tokens that may be given,
    `left_out` those that may not. `refusals` are its `status_classes`, as `retry` or `next`."""

    key: str
    schema: str
    kind: str
    host: str
    recipients: To
    proof: dict[str, Any] = field(default_factory=dict)
    reference: str = ""
    examples: dict[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    constants: dict[str, Any] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)


def _to(prefix: str = "", argument: str = "targets") -> dict[str, str]:
    return {"argument": argument, "prefix": prefix}


def _push(key: str, schema: str, host: str, /, **more: Any) -> Service:
    """Without recipients of its own, a topic goes to the people whom the key stands for."""
    return Service(key, schema, "push", host, more.pop("recipients", {"topic": None}), **more)


def _chat(key: str, schema: str, host: str, /, **more: Any) -> Service:
    return Service(key, schema, "chat", host, more.pop("recipients", {"channel": _to()}), **more)


def _sms(key: str, schema: str, host: str, reference: str, /, **more: Any) -> Service:
    proof = {reference: None, **more.pop("proof", {})}
    return Service(key, schema, "sms", host, {"to": _to()}, proof, reference, **more)


_HEX40 = "0123456789abcdef0123456789abcdef01234567"
_HEX32 = _HEX40[:32]
_WEBHOOK: To = {"channel": None}

CHOSEN = (
    _push(
        "pushover", "pover", "api.pushover.net", proof={"status": 1}, reference="request",
        recipients={"token": _to(argument="user_key"), "topic": None},
    ),
    _push(
        "pushbullet", "pbul", "api.pushbullet.com", proof={"iden": None}, reference="iden",
        recipients={"token": _to(), "topic": _to("#")},
    ),
    _push(
        "onesignal", "onesignal", "api.onesignal.com", proof={"id": None}, reference="id",
        recipients={"token": _to(), "topic": _to("#")},
    ),
    _push(
        "ntfy", "ntfys", "ntfy.sh", proof={"id": None}, reference="id", recipients={"topic": _to()},
        optional=("token",), left_out=("user", "password"), constants={"secure": True, "mode": "cloud"},
        examples={"token": "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"},
    ),
    _push(
        "pushy", "pushy", "api.pushy.me", proof={"success": True}, reference="id",
        recipients={"token": _to("@"), "topic": _to("#")},
    ),
    _push("pushsafer", "psafers", "www.pushsafer.com", proof={"status": 1}, recipients={"token": _to(), "topic": None}),
    # https://www.prowlapp.com/api.php: so many calls an hour for each address.
    _push("prowl", "prowl", "api.prowlapp.com", examples={"apikey": _HEX40}, refusals={406: "retry"}),
    _push(
        "simplepush", "spush", "api.simplepu.sh", recipients={"topic": _to()},
    ),
    _push(  # https://docs.push.techulus.com/api-documentation
        "techulus", "push", "push.techulus.com", proof={"success": True},
        examples={"apikey": "01234567-89ab-4cde-8f01-23456789abcd"},
    ),
    _push(
        "join", "join", "joinjoaomgcd.appspot.com", proof={"success": True}, recipients={"token": _to()},
        examples={"apikey": _HEX32},
    ),
    _push(  # https://about.pushed.co/docs/api
        "pushed", "pushed", "api.pushed.co", proof={"response.type": "shipment_successfully_sent"},
        recipients={"token": _to("@"), "topic": _to("#")},
    ),
    _push(
        "pushplus", "pushplus", "www.pushplus.plus", proof={"code": 200}, reference="data",
        recipients={"topic": None}, examples={"token": _HEX32},
    ),
    _push("serverchan", "schan", "sctapi.ftqq.com", proof={"code": 0}, reference="data.pushid"),
    _push("pagerduty", "pagerduty", "events.pagerduty.com", proof={"status": "success"}, reference="dedup_key"),
    _push("signl4", "signl4", "connect.signl4.com", reference="eventId"),
    _push("ilert", "ilert", "api.ilert.com"),
    _push("squadcast", "squadcast", "api.squadcast.com"),
    _push("spike", "spike", "api.spike.sh", examples={"token": _HEX32}),
    _push("pagertree", "pagertree", "api.pagertree.com", examples={"integration": "int_0123456789"}),
    _push("incidentio", "incidentio", "api.incident.io", examples={"source": "01HQZ7X8"}),
    _chat(
        "webex", "wxteams", "webexapis.com", proof={"id": None}, reference="id",
        left_out=("token",),
    ),
    _chat("line", "line", "api.line.me", reference="sentMessages.0.id"),
    _chat("revolt", "revolt", "api.revolt.chat", proof={"_id": None}, reference="_id"),
    _chat("viber", "viber", "chatapi.viber.com", proof={"status": 0}, reference="message_token"),
    _chat("kook", "kook", "www.kookapp.cn", proof={"code": 0}, reference="data.msg_id"),
    _chat("google_chat", "gchat", "chat.googleapis.com", proof={"name": None}, reference="name", recipients=_WEBHOOK),
    _chat("flock", "flock", "api.flock.com", recipients=_WEBHOOK, left_out=("botname",)),
    _chat(  # https://dev.groupme.com/docs/responses: 403 too says that there were too many.
        "groupme", "groupme", "api.groupme.com", recipients=_WEBHOOK, examples={"bot_id": _HEX40[:26]},
        refusals={403: "retry", 420: "retry"},
    ),
    _chat(
        "dingtalk", "dingtalk", "oapi.dingtalk.com", proof={"errcode": 0}, recipients=_WEBHOOK, optional=("secret",),
        examples={"token": _HEX40, "secret": _HEX32},
    ),
    _chat("lark", "lark", "open.larksuite.com", proof={"code": 0}, recipients=_WEBHOOK),
    _chat("feishu", "feishu", "open.feishu.cn", proof={"code": 0}, recipients=_WEBHOOK),
    _chat("wecom", "wecombot", "qyapi.weixin.qq.com", proof={"errcode": 0}, recipients=_WEBHOOK),
    _sms("telnyx", "telnyx", "api.telnyx.com", "data.id"),
    _sms(
        "plivo", "plivo", "api.plivo.com", "message_uuid.0",
        examples={"auth_id": "MAEXAMPLE00EXAMPLE00", "token": _HEX40},
    ),
    # https://developer.bulksms.com/json/v1/swagger.yaml: what is FAILED has an id too, and 403 is of missing credits.
    _sms("bulksms", "bulksms", "api.bulksms.com", "0.id", proof={"0.status.type": "ACCEPTED"}, refusals={403: "next"}),
    _sms("46elks", "46elks", "api.46elks.com", "id"),
    Service("gupshup", "gupshup", "whatsapp", "api.gupshup.io", {"to": _to()}, {"messageId": None}, "messageId",
            examples={"source": "+15005550006"}),
    Service("whapi", "whapi", "whatsapp", "gate.whapi.cloud", {"to": _to()}, {"sent": True}, "message.id"),
)  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """What services.json holds."""
    return [_row(service) for service in CHOSEN]


def _row(service: Service) -> dict[str, Any]:
    plugin = NotificationManager()[service.schema]
    tokens = {
        name: token
        for name, token in plugin.template_tokens.items()
        if name not in ("schema", "host", "port", *service.left_out) and token.get("map_to") != "targets"
    }
    sources = [token.get("map_to", name) for name, token in tokens.items() if token.get("map_to", name) == "source"]
    sender = sources[0] if sources and service.kind == "sms" else ""
    taken = {
        name: token
        for name, token in tokens.items()
        if not (sender and token.get("map_to", name) == sender)
        and (token.get("required") or name in service.optional)
        and name != "targets"
    }
    return {
        "key": f"apprise_{service.key}",
        "schema": service.schema,
        "display_name": str(plugin.service_name),
        "summary": f"{KINDS[service.kind]} through {plugin.service_name}, title and text alone, by way of apprise.",
        "docs_url": plugin.setup_url,
        "host": service.host,
        "intent": f"message.send.{service.kind}",
        "members": {name: _member(service, str(plugin.service_name), name, token) for name, token in taken.items()},
        "required": [name for name, token in taken.items() if token.get("required")],
        "arguments": {name: token.get("map_to", name) for name, token in taken.items()},
        "constants": service.constants,
        "recipients": service.recipients,
        "sender": sender,
        "proof": service.proof,
        "reference": service.reference,
        "refusals": {str(status): kind for status, kind in service.refusals.items()},
    }


def _member(service: Service, provider: str, name: str, token: dict[str, Any]) -> dict[str, Any]:
    member: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 500}
    if pattern := token.get("regex"):
        member["pattern"] = _in_both_cases(*pattern)
    if token.get("private") or _SOUNDS_SECRET.search(name):
        member["x-secret"] = True
    example = service.examples.get(name, f"example-{name.replace('_', '-')}")
    return {**member, "description": f"{token['name']}, as {provider} gives it out", "examples": [example]}


def _in_both_cases(pattern: str, flags: str = "") -> str:
    """JSON Schema's patterns know no flags."""
    if "i" not in flags or "A-Za-z" in pattern:
        return pattern
    return re.sub("([A-Za-z])-([A-Za-z])", lambda found: f"{found[0].upper()}{found[0].lower()}", pattern)


if __name__ == "__main__":
    SERVICES.write_text(json.dumps(rows(), indent=1, ensure_ascii=False) + "\n")
