from collections.abc import Iterator

import pytest
from pytest_django import Settings

from integrationhub.idempotency import sealing as answer_sealing
from providers import registry, seeding
from tests.credentials import openbao
from tests.credentials.openbao import OpenBao


@pytest.fixture(autouse=True)
def providers(settings: Settings) -> Iterator[None]:
    """The providers of this installation, and those of `tests.credentials.adapters`."""
    usual = settings.ADAPTER_MODULES
    settings.ADAPTER_MODULES = [*usual, "tests.credentials.adapters"]
    registry.load()
    seeding.seed()
    yield
    settings.ADAPTER_MODULES = usual
    registry.load()


@pytest.fixture(scope="session")
def server() -> Iterator[OpenBao]:
    with openbao.running() as bao:
        yield bao


@pytest.fixture
def bao(server: OpenBao, settings: Settings) -> Iterator[OpenBao]:
    """The hub's vault is an OpenBao, and its token may do what it needs."""
    settings.VAULT_BACKEND, settings.VAULT_ADDR, settings.VAULT_TOKEN = "vault", server.url, server.token()
    openbao.a_new_process()
    yield server
    openbao.a_new_process()
    answer_sealing.forget()
