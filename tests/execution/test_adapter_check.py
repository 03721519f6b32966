"""`manage.py adapter_check <key> --tenant <id>`: the tenant's credential, tried by a real call and never shown."""

from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from providers.models import Provider
from tests.execution.test_provider_check import bind
from tests.make import Api
from tests.providers.carriers import TwilioServer


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        Provider.objects.filter(provider_key="twilio_sms").update(base_url=server.base_url)
        yield server


def checked(tenant: UUID, out: StringIO) -> None:
    call_command("adapter_check", "twilio_sms", "--tenant", str(tenant), stdout=out)


def assert_tells_no_secret(told: str, credentials: dict[str, Any]) -> None:
    assert [value for value in credentials.values() if value in told] == []


def test_a_credential_that_works_is_told_to(api: Api, tenant: UUID, twilio: TwilioServer) -> None:
    bind(api, twilio)
    checked(tenant, out := StringIO())
    assert "✓ credential: Twilio accepted these credentials." in out.getvalue()
    assert len(twilio.asked) == 1
    assert_tells_no_secret(out.getvalue(), twilio.credentials)


def test_one_that_is_refused_ends_it_with_an_error_and_the_providers_words(
    api: Api, tenant: UUID, twilio: TwilioServer
) -> None:
    wrong = {"account_sid": twilio.account_sid, "auth_token": "a-token-that-is-wrong-0001"}
    bind(api, twilio, credentials=wrong)
    out = StringIO()
    with pytest.raises(CommandError, match="twilio_sms is not right: credential"):
        checked(tenant, out)
    assert "✗ credential: " in out.getvalue()
    assert "Authenticate" in out.getvalue()
    assert_tells_no_secret(out.getvalue(), wrong)
