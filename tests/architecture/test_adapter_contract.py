"""Every adapter of the registry, whoever wrote it, keeps the contract of `providers/adapter.py`.

Those that dial out are also put before providers that misbehave, see tests/providers/conformance.py.
"""

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from integrationhub.core.deadline import Deadline
from oauth import table
from providers import base_urls, registry, schema_faults
from providers.adapter import CONNECTION_ID, Adapter, Call
from providers.errors import Ambiguous, Next, ProviderError, Retry, Stop
from providers.intents import CATEGORIES, INTENTS
from tests.providers import conformance
from tests.providers.conformance import CASES, Case, failure, failure_at
from tests.providers.misbehaving import MisbehavingServer, answering
from whatsapp import pacing

ADAPTERS = registry.all()
EACH = pytest.mark.parametrize("adapter", ADAPTERS, ids=[adapter.key for adapter in ADAPTERS])
ACTIONS = pytest.mark.parametrize(("adapter", "intent"), conformance.actions())
SECRET_NAMES = re.compile(r"secret|token|password|private|api_key|access_key")


@pytest.fixture(autouse=True)
def nobody_is_written_to_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of these tests call a hundred times."""
    monkeypatch.setattr(pacing, "PAIR_BURST", 10_000)


def members(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, member in schema.get("properties", {}).items():
        yield name, member
        yield from members(member)


@EACH
def test_it_names_itself_for_people_and_machines(adapter: type[Adapter]) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]{2,63}", adapter.key)
    assert 0 < len(adapter.display_name) <= 100
    assert len(adapter.summary) <= 300
    assert adapter.docs_url == "" or adapter.docs_url.startswith("https://")


@EACH
def test_it_serves_known_intents(adapter: type[Adapter]) -> None:
    assert adapter.intents or adapter.credential_schema, "it is there for nothing"
    assert adapter.intents <= INTENTS.keys()
    assert {INTENTS[name].category for name in adapter.intents} <= set(CATEGORIES)


@EACH
def test_its_schemas_are_closed_objects_that_json_can_carry(adapter: type[Adapter]) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert json.loads(json.dumps(schema)) == schema


@EACH
def test_every_member_that_sounds_secret_is_marked_so(adapter: type[Adapter]) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        open_ones = [
            name
            for name, member in members(schema)
            # What can be one thing only is known to all.
            if SECRET_NAMES.search(name) and not member.get("x-secret") and "const" not in member
        ]
        assert open_ones == []


@EACH
def test_a_secret_is_never_part_of_the_configuration(adapter: type[Adapter]) -> None:
    assert [name for name, member in members(adapter.config_schema) if member.get("x-secret")] == []


@EACH
def test_one_instance_serves_all_threads_and_shows_nothing(adapter: type[Adapter]) -> None:
    instance = registry.instance(adapter.key)
    assert vars(instance).keys() == {"http"}, "what an adapter keeps would be shared between tenants"
    assert "object at" in repr(instance)


@EACH
def test_the_preflight_of_a_good_example_refuses_nothing(adapter: type[Adapter]) -> None:
    for name in sorted(adapter.intents):
        registry.instance(adapter.key).preflight(conformance.call(adapter, name))


@EACH
def test_the_examples_of_its_schemas_are_valid(adapter: type[Adapter]) -> None:
    for schema in filter(None, (adapter.config_schema, adapter.credential_schema)):
        assert schema_faults.faults(schema_faults.compiled(schema), conformance.example_of(schema)) == []


@EACH
def test_it_acts_by_a_credential_or_by_a_connection_of_a_known_provider(adapter: type[Adapter]) -> None:
    if not adapter.connection_provider:
        assert not adapter.connection_scopes
        assert "connection_id" not in adapter.config_schema["properties"]
        return
    assert adapter.connection_provider in table.providers()
    assert adapter.credential_schema is None, "of two logins nobody would know which one acts"
    assert adapter.connection_scopes, "an account that granted nothing of use would be asked"
    assert adapter.config_schema["properties"]["connection_id"] == CONNECTION_ID


@EACH
def test_its_own_address_is_one_that_an_operator_could_give(adapter: type[Adapter]) -> None:
    assert adapter.base_url == "" or base_urls.fault(adapter.base_url) == ""


def test_a_call_does_not_show_its_secrets() -> None:
    call = Call(uuid4(), "message.send.sms", {}, Deadline.after(1), secrets={"auth_token": "hunter2"})
    assert "hunter2" not in repr(call)


# --- Those that dial out, before a provider that misbehaves ---


def lost(adapter: type[Adapter], intent: str) -> type[ProviderError]:
    """What a request is of which nobody knows whether the provider acted."""
    return Next if intent in adapter.looks_first else Ambiguous


@ACTIONS
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_misbehaviour_has_its_class(adapter: type[Adapter], intent: str, case: Case) -> None:
    error = failure_at(adapter, intent, case.answer)
    kind = lost(adapter, intent) if case.kind is Ambiguous else case.kind
    assert type(error) is adapter.status_classes.get(case.status, kind), f"{error} ({error.reason})"
    assert error.upstream_status in (case.status or 200, None)


@ACTIONS
def test_silence_is_ambiguous_and_ends_with_the_deadline(adapter: type[Adapter], intent: str) -> None:
    error = failure_at(adapter, intent, None, seconds=0.5)
    assert (type(error), error.reason) == (lost(adapter, intent), "read_timeout")


@ACTIONS
def test_what_was_refused_or_has_no_address_may_be_sent_by_another(adapter: type[Adapter], intent: str) -> None:
    with conformance.refusing() as refusing:
        for base_url, reason in ((refusing, "refused"), ("https://no-such-host.invalid", "dns")):
            error = failure(adapter, conformance.call(adapter, intent, base_url=base_url))
            assert (type(error), error.reason) == (Next, reason)


@ACTIONS
def test_a_deadline_that_has_passed_sends_nothing(adapter: type[Adapter], intent: str) -> None:
    with MisbehavingServer(answering(200)) as server:
        assert type(failure(adapter, conformance.call(adapter, intent, base_url=server.base_url, seconds=0))) is Next
        assert server.hits == 0


@ACTIONS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(adapter: type[Adapter], intent: str, status: int) -> None:
    with MisbehavingServer(answering(200)) as elsewhere:
        error = failure_at(adapter, intent, answering(status, Location=f"{elsewhere.base_url}/take"))
        assert (type(error), elsewhere.hits) == (lost(adapter, intent), 0)


@ACTIONS
@pytest.mark.parametrize(("status", "kind"), [(429, Retry), (503, Retry)])
def test_how_long_to_wait_is_passed_on(adapter: type[Adapter], intent: str, status: int, kind: type) -> None:
    error = failure_at(adapter, intent, answering(status, Retry_After="7"))
    assert (type(error), error.retry_after) == (kind, 7)


@ACTIONS
def test_an_account_out_of_money_is_left_alone_for_long(adapter: type[Adapter], intent: str) -> None:
    assert failure_at(adapter, intent, answering(402)).retry_after == 300


@ACTIONS
@pytest.mark.parametrize(("status", "is_refused"), [(401, True), (403, True), (400, False), (503, False)])
def test_a_refused_credential_is_told_from_other_failures(
    adapter: type[Adapter], intent: str, status: int, is_refused: bool
) -> None:
    assert failure_at(adapter, intent, answering(status)).credential_refused is is_refused


SPELLINGS: dict[str, Callable[[dict[str, str]], list[str]]] = {
    "as they are": lambda secrets: [json.dumps(secrets)],
    "as a login": conformance.logins,
    "each in base64": lambda secrets: [base64.b64encode(value.encode()).decode() for value in secrets.values()],
}


@ACTIONS
@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_provider_that_repeats_our_secrets_is_not_quoted_with_them(
    adapter: type[Adapter], intent: str, status: int, spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`failure` looks for them in the error; here the provider says them in every place where it has words."""
    caplog.set_level(logging.DEBUG)
    secrets = conformance.secrets_of(adapter)
    for word in SPELLINGS[spelling](secrets):
        for body in _repeating(f"Your {word} is wrong"):
            error = failure_at(adapter, intent, answering(status, body))
            assert type(error) in (Ambiguous, Next, Stop)
            assert word not in str(error)
    hidden = {name for name, member in members(adapter.credential_schema or {}) if member.get("x-secret")}
    hidden |= {"access_token"} if adapter.connection_provider else set()
    assert [name for name in hidden & secrets.keys() if secrets[name] in caplog.text] == []


def _repeating(words: str) -> list[bytes]:
    """At the top of the body, and inside of its `error`."""
    body = {name: words for name in ("message", "error", "detail", "description", "error-text", "error-code-label")}
    nested = {"error": {"code": words, **body, "errors": [{"reason": words, "message": words}]}}
    return [json.dumps({**body, "messages": [{"status": "3", **body}]}).encode(), json.dumps(nested).encode()]
