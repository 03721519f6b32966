from collections.abc import Iterator

import pytest
from pytest_django import Settings

import marketplace.seeding
from credentials import hashicorp_client
from integrationhub.idempotency import sealing as answer_sealing
from providers import registry, seeding
from tests.credentials import openbao
from tests.credentials.openbao import OpenBao
from tests.credentials.twilio import ManyTokensTwilio, bind, install
from tests.make import Api


@pytest.fixture(autouse=True)
def providers(settings: Settings) -> Iterator[None]:
    """The providers of this installation, and those of `tests.credentials.adapters`."""
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, "tests.credentials.adapters"]
    registry.load()
    seeding.seed()
    marketplace.seeding.seed()
    yield
    settings.ADAPTER_MODULES = usual
    registry.load()


@pytest.fixture
def twilio() -> Iterator[ManyTokensTwilio]:
    with ManyTokensTwilio() as server:
        yield server
        assert server.faults == []


@pytest.fixture
def first(api: Api, twilio: ManyTokensTwilio) -> str:
    """The id of the first version that the tenant has bound for Twilio, which is installed."""
    install(api, twilio)
    return bind(api)


@pytest.fixture(scope="session")
def server() -> Iterator[OpenBao]:
    with openbao.running() as bao:
        yield bao


@pytest.fixture
def bao(server: OpenBao, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenBao]:
    """The hub's vault is an OpenBao, and its token may do what it needs. It is waited for as long as a busy machine may
    stop it; who tests how long that is sets it for himself."""
    monkeypatch.setattr(hashicorp_client, "SECONDS", 30.0)
    settings.VAULT_BACKEND, settings.VAULT_ADDR, settings.VAULT_TOKEN = "vault", server.url, server.token()
    openbao.a_new_process()
    yield server
    openbao.a_new_process()
    answer_sealing.forget()
