"""Every adapter dials the hosts that it declares and no other, whatever it speaks through and whatever it is told.

All of them are looked up by the hub's client, in this process: that of an adapter which speaks through a library or a
child process too. What dials by itself is stopped by tests/loopback.py.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from integrationhub.core.errors import HubError
from integrationhub.core.outbound import Client, NotSent
from integrationhub.execution import adapter_checking
from providers import hosts, registry
from providers.adapter import Adapter, Call, Receipt
from providers.adapters.fcm_push import FcmPush
from providers.errors import Ambiguous
from tests.providers import conformance, fcm
from tests.providers.answering import call
from tests.providers.misbehaving import MisbehavingServer, answering

ADAPTERS = [adapter for adapter in registry.all() if not adapter.is_sandbox]
EACH = pytest.mark.parametrize("adapter", ADAPTERS, ids=[adapter.key for adapter in ADAPTERS])
DONE = [(adapter, intent) for adapter in ADAPTERS for intent in adapter_checking.actions(adapter)]
ACTIONS = pytest.mark.parametrize(
    ("adapter", "intent"), [pytest.param(*each, id=f"{each[0].key} {each[1] or 'check'}") for each in DONE]
)
ELSEWHERE = "elsewhere.example"
URL = f"https://{ELSEWHERE}/take"
NAMED = {name: URL for name in ("url", "next", "href", "location", "upload_url", "next_page_uri", "uri", "api_url")}
BODY = json.dumps({**NAMED, "links": NAMED, "data": [NAMED], "ok": True, "id": URL, "messages": [{**NAMED}]}).encode()


def choices(schema: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Each member that has a few values to choose from, with each of them: a region may be another host."""
    for name, member in (schema or {}).get("properties", {}).items():
        yield from ((name, value) for value in member.get("enum", []))


def variants(adapter: type[Adapter], asked: Call) -> list[Call]:
    secrets = [replace(asked, secrets={**asked.secrets, name: v}) for name, v in choices(adapter.credential_schema)]
    return [
        asked,
        *secrets,
        *(replace(asked, config={**asked.config, n: v}) for n, v in choices(adapter.config_schema)),
    ]


def strays(adapter: type[Adapter], asked: Call) -> list[str]:
    return [host for host in hosts.dialled(adapter, asked)[0] if not hosts.may_dial(adapter, asked, host)]


@ACTIONS
def test_it_dials_only_the_hosts_that_it_declares(adapter: type[Adapter], intent: str) -> None:
    for asked in variants(adapter, conformance.call(adapter, intent)):
        assert strays(adapter, asked) == []


def test_where_one_logs_in_first_is_declared_too() -> None:
    """Google gives a token at an address of its own; this account has none yet."""
    assert conformance.LOGGED_IN.keys() == {FcmPush.key}
    asked = replace(call("message.send.push"), secrets=fcm.account())
    assert hosts.dialled(FcmPush, asked)[0] == ["oauth2.googleapis.com"]
    assert strays(FcmPush, asked) == []


@pytest.mark.parametrize(("adapter", "intent"), conformance.actions())
@pytest.mark.parametrize("status", [200, 202, 302, 401, 404, 429])
def test_no_answer_sends_it_to_another_host(adapter: type[Adapter], intent: str, status: int) -> None:
    looked_up: list[str] = []

    def resolve(host: str, _: float) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    with MisbehavingServer(answering(status, BODY, Location=URL, Link=f'<{URL}>; rel="next"')) as server:
        asked = conformance.call(adapter, intent, base_url=server.base_url)
        instance = adapter(Client(resolve=resolve))
        with suppress(HubError):
            instance.execute(asked) if intent else instance.check(asked)
    assert set(looked_up) == {"127.0.0.1"}


@EACH
def test_what_manage_py_adapter_check_looks_at_is_right(adapter: type[Adapter]) -> None:
    assert [finding for finding in adapter_checking.examine(adapter) if finding.faults] == []


class Straying(Adapter):
    """One that is told where to go, and goes."""

    key = "straying_sms"
    display_name = "Straying"
    docs_url = "https://straying.example"
    base_url = "https://api.straying.example"
    intents = frozenset({"message.send.sms"})

    def execute(self, call: Call) -> Receipt:
        try:
            self.http.request("GET", "https://other.example/", deadline=call.deadline)
        except NotSent as error:
            raise Ambiguous(f"Lost {call.payload['text']}.", reason=error.reason) from None
        return Receipt("1")


def test_a_host_that_is_not_declared_is_found() -> None:
    asked = call("message.send.sms")
    assert strays(Straying, asked) == ["other.example"]
    declared = type("Declared", (Straying,), {"allowed_hosts": frozenset({"*.example"})})
    assert strays(declared, asked) == []


@pytest.mark.parametrize(
    ("allowed", "host", "may"),
    [
        ((), "api.straying.example", True),
        ((), "straying.example", False),
        (("b.example",), "b.example", True),
        (("b.example",), "a.b.example", False),
        (("*.b.example",), "a.b.example", True),
        (("*.b.example",), "b.example", False),
        (("*.b.example",), "evilb.example", False),
        (("*",), "mine.example", True),
        (("*",), "bucket.mine.example", True),
        (("*",), "other.example", False),
        ((), "mine.example", False),
    ],
)
def test_which_host_is_declared(allowed: tuple[str, ...], host: str, may: bool) -> None:
    adapter = type("Some", (Straying,), {"allowed_hosts": frozenset(allowed)})
    asked = replace(call("message.send.sms", endpoint="https://mine.example:8443/x"))
    assert hosts.may_dial(adapter, asked, host) is may


def test_an_operators_address_takes_the_place_of_its_own() -> None:
    asked = replace(call("message.send.sms"), base_url="https://proxy.example")
    told = [hosts.may_dial(Straying, asked, host) for host in ("proxy.example", "api.straying.example")]
    assert told == [True, False]


# --- manage.py adapter_check ---


def checked(*arguments: str) -> str:
    out = StringIO()
    call_command("adapter_check", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_what_it_looked_at_and_what_would_be_dialled() -> None:
    told = checked("twilio_sms")
    assert "✓ schemas\n" in told
    assert "✓ hosts: message.send.sms dials api.twilio.com; check dials api.twilio.com\n" in told
    assert "✗" not in told


def test_an_unknown_key_lists_those_that_there_are() -> None:
    with pytest.raises(CommandError, match=r"There are: .*twilio_sms"):
        checked("nobody_sms")


def test_each_fault_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {
        "type": "object",
        "properties": {"api_token": {"type": "string", "minLength": 9, "examples": ["short"]}, "port": {"type": "int"}},
        "required": ["api_token"],
    }
    broken = {"docs_url": "", "credential_schema": schema, "allowed_hosts": frozenset({"https://x"})}
    monkeypatch.setitem(registry._adapters, "straying_sms", type("Broken", (Straying,), broken))
    out = StringIO()
    with pytest.raises(CommandError, match="is not right: documents, schemas, secrets, examples, addresses, hosts"):
        call_command("adapter_check", "straying_sms", stdout=out)
    told = out.getvalue()
    assert 'credential_schema.api_token sounds secret and has no "x-secret": true' in told
    assert "message.send.sms dials other.example, which is not declared" in told
    assert "says that it may have acted, and its provider has no address" in told


def test_without_a_credential_bound_it_says_so(tenant: UUID) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="is not right: credential"):
        call_command("adapter_check", "twilio_sms", "--tenant", str(tenant), stdout=out)
    assert "✗ credential: No credential is bound for Twilio" in out.getvalue()
