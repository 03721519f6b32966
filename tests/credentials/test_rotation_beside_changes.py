"""`manage.py rotate_keys` beside others who hold what it would change: it waits for nobody, and leaves nothing out."""

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from pytest_django import Settings

from credentials import binding, rekeying
from credentials.models import Credential
from credentials.vault import forget
from integrationhub.idempotency import sealing as answer_sealing
from tests.credentials.openbao import OpenBao
from tests.database import locks_given_up_on

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}
ROW = "SELECT FROM credentials_credential WHERE tenant_id = %s FOR UPDATE"
KEY = "SELECT FROM credentials_tenantkey WHERE tenant_id = %s FOR UPDATE"
TABLE = "LOCK TABLE credentials_credential IN EXCLUSIVE MODE"


@pytest.fixture(autouse=True)
def _processes_begin_anew() -> Iterator[None]:
    yield
    forget()
    answer_sealing.forget()


def bound(tenant: UUID) -> Credential:
    return binding.bind(tenant_id=tenant, provider_key="parcel_sms", secrets=SECRETS)


def new_key(settings: Settings) -> None:
    key = f"k2:{base64.b64encode(os.urandom(32)).decode()}"
    settings.KEY_ENCRYPTION_KEYS = [key, *settings.KEY_ENCRYPTION_KEYS]


def rotate() -> str:
    said = StringIO()
    call_command("rotate_keys", stdout=said, stderr=said)
    return said.getvalue()


def is_moved(was: Credential) -> bool:
    now = binding.get(tenant_id=was.tenant_id, credential_id=str(was.id))
    assert binding.opened(now) == SECRETS
    return now.key_id != was.key_id


def hold(statement: str, tenant: UUID) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant)])
        cursor.execute(statement, [tenant] if "%s" in statement else None)


@contextmanager
def held_by_another(statement: str, tenant: UUID, seconds: float) -> Iterator[None]:
    """For so long, by a transaction that begins before the block."""
    is_held = threading.Event()

    def another() -> None:
        with transaction.atomic(using="owner"):
            hold(statement, tenant)
            is_held.set()
            time.sleep(seconds)
        connections["owner"].close()

    thread = threading.Thread(target=another)
    thread.start()
    assert is_held.wait(10)
    yield
    thread.join(10)


@pytest.mark.parametrize(
    ("statement", "seconds"), [(ROW, 0.5), (KEY, 0.5), (TABLE, 2.5)], ids=["a row", "a data key", "the table"]
)
def test_what_another_holds_for_a_while_is_rotated_in_a_further_pass(
    tenant: UUID, settings: Settings, statement: str, seconds: float
) -> None:
    held, free = bound(tenant), bound(uuid4())
    new_key(settings)
    with locks_given_up_on(), held_by_another(statement, tenant, seconds):
        assert "2 values of credentials_credential re-encrypted" in rotate()
    assert (is_moved(held), is_moved(free)) == (True, True)


def test_what_another_holds_all_along_is_told_and_done_by_the_next_run(
    tenant: UUID, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, free = bound(tenant), bound(uuid4())
    new_key(settings)
    monkeypatch.setattr(rekeying, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(rekeying, "GAVE_UP", ())  # Whoever waits for a lock until it gives up fails.
    with transaction.atomic(using="owner"):
        hold(ROW, tenant)
        with pytest.raises(CommandError, match="1 were held by others all along"):
            rotate()
        assert (is_moved(held), is_moved(free)) == (False, True)
    rotate()
    assert is_moved(held)


@pytest.mark.xdist_group("openbao")
def test_what_a_vault_keeps_is_rotated_in_a_further_pass_too(bao: OpenBao, tenant: UUID, settings: Settings) -> None:
    was = bound(tenant)
    bao.root.secrets.transit.rotate_key("integration-hub")
    with held_by_another(ROW, tenant, 0.5):
        assert "1 values of credentials_credential re-encrypted" in rotate()
    assert is_moved(was)
