"""What routing reads of a tenant is cached; every change shows with the very next request."""

from collections.abc import Callable
from uuid import UUID

import pytest

from integrationhub.core import tenant_version
from integrationhub.execution import resolution
from providers.models import Provider, Status
from tests.execution.conftest import ProviderServer, bind
from tests.make import Api, sms

NUMBER = "+14155552671"
Change = Callable[[Api], object]


def installation(api: Api, key: str) -> str:
    return next(row["id"] for row in api.get("/integrations/installed").json()["data"] if row["provider_key"] == key)


def disable(api: Api) -> object:
    return api.patch(f"/integrations/{installation(api, 'loopback_keyed_sms')}", {"enabled": False})


def uninstall(api: Api) -> object:
    return api.delete(f"/integrations/{installation(api, 'loopback_keyed_sms')}")


def put_last(api: Api) -> object:
    return api.patch(f"/integrations/{installation(api, 'loopback_keyed_sms')}", {"priority": 90})


def route_around(api: Api) -> object:
    return api.put("/routing/message.send.sms", {"providers": [{"provider_key": "loopback_sms"}]})


def revoke(api: Api) -> object:
    [credential] = api.get("/credentials").json()["data"]
    return api.delete(f"/credentials/{credential['id']}")


def retire(_: Api) -> object:
    provider = Provider.objects.get(provider_key="loopback_keyed_sms")
    provider.status = Status.RETIRED
    return provider.save()


@pytest.fixture
def warm(needs_key: Api, live: Api) -> Api:
    """A tenant whose first provider needs a key and whose second does not; its settings are cached."""
    bind(live)
    assert live.post("/execute", sms(NUMBER)).json()["provider_key"] == "loopback_keyed_sms"
    return live


@pytest.mark.parametrize("change", [disable, uninstall, put_last, route_around, revoke, retire])
def test_a_change_shows_with_the_next_request(warm: Api, change: Change) -> None:
    change(warm)
    assert warm.post("/execute", sms(NUMBER)).json()["provider_key"] == "loopback_sms"


def test_a_new_secret_is_used_with_the_next_request(warm: Api, server: ProviderServer) -> None:
    bind(warm, credentials={"api_key": "the-new-key-of-the-loopback"})
    warm.post("/execute", sms(NUMBER))
    assert server.received[-1]["secrets"] == {"api_key": "the-new-key-of-the-loopback"}


def test_without_a_change_nothing_is_read_again(warm: Api, tenant: UUID) -> None:
    before = resolution._known.get(tenant)
    warm.post("/execute", sms(NUMBER))
    assert resolution._known.get(tenant) is before


def test_a_change_that_redis_missed_shows_when_what_is_cached_has_lived_its_time(
    warm: Api, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolution._known.clear()
    monkeypatch.setattr(resolution._known, "_seconds", 60)
    warm.post("/execute", sms(NUMBER))
    with monkeypatch.context() as patched:
        patched.setattr(tenant_version, "valkey_client", _Deaf)
        disable(warm)
    assert warm.post("/execute", sms(NUMBER)).json()["provider_key"] == "loopback_keyed_sms"
    ends, known = resolution._known._kept[tenant]
    resolution._known._kept[tenant] = ends - 60, known
    assert warm.post("/execute", sms(NUMBER)).json()["provider_key"] == "loopback_sms"


class _Deaf:
    """Redis that is away in the moment of the change."""

    @staticmethod
    def run(*_: object) -> None:
        return None
