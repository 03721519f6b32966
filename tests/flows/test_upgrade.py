"""What the release before this one has left in the database, and what its processes still write there meanwhile."""

import importlib
import json
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from credentials.vault import Context, vault
from integrationhub.execution import queueing
from integrationhub.execution.models import Execution
from integrationhub.idempotency.models import StoredAnswer
from marketplace import seeding
from tests.make import LATER, Api, keyed, sms


@pytest.fixture
def sender(api: Api) -> Api:
    seeding.seed_demo(api.tenant)
    return api


def queued_by_the_release_before(api: Api) -> UUID:
    """Its payload is sealed for a field of another name."""
    queued = UUID(api.post("/execute", sms(), headers=LATER).json()["execution_id"])
    payload = json.dumps(sms()["payload"]).encode()
    sealed = vault().seal(payload, Context(api.tenant, "execution_execution", queued, "payload"))
    Execution.objects.using("system").filter(id=queued).update(sealed_payload=sealed)
    return queued


@pytest.mark.parametrize("is_rotated", [False, True], ids=["as it is", "re-encrypted"])
def test_what_was_queued_before_the_upgrade_runs_after_it(sender: Api, settings: Settings, is_rotated: bool) -> None:
    queued = queued_by_the_release_before(sender)
    if is_rotated:
        old = settings.KEY_ENCRYPTION_KEYS
        settings.KEY_ENCRYPTION_KEYS = [old[0].replace("k1:", "k2:"), *old]
        call_command("rotate_keys", stdout=StringIO())
    queueing.run_queued(sender.tenant, queued)
    assert sender.get(f"/executions/{queued}").json()["status"] == "succeeded"


def test_an_answer_from_before_the_upgrade_is_forgotten_and_newer_ones_are_not(sender: Api) -> None:
    old, new = keyed(), keyed()
    first = [sender.post("/execute", sms(), **key) for key in (old, new)]
    answered = StoredAnswer.objects.using("system").order_by("created_at")
    answered.filter(id=answered[0].id).update(answer=Fernet(Fernet.generate_key()).encrypt(b"{}"))
    migration: Any = importlib.import_module("integrationhub.idempotency.migrations.0003_answer_keys")
    with connections["owner"].cursor() as cursor:
        cursor.execute(migration.FORGET_OLD_ANSWERS)
    repeated = [sender.post("/execute", sms(), **key) for key in (old, new)]
    assert [answer.status_code for answer in repeated] == [200, 200]
    assert repeated[0].json()["execution_id"] != first[0].json()["execution_id"]
    assert repeated[1].content == first[1].content


def test_a_process_of_the_release_before_may_still_bind() -> None:
    """It knows nothing of the columns that are new."""
    tenant = uuid4()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])
        cursor.execute(
            """INSERT INTO credentials_tenantkey (id, tenant_id, wrapped, kek_id, created_at)
               VALUES (%s, %s, '\\x01', 'k1', now()) RETURNING first_kek_id""",
            [uuid4(), tenant],
        )
        assert cursor.fetchone() == ("",)
        cursor.execute(
            """INSERT INTO credentials_credential (id, tenant_id, provider_key, sealed, key_id, last4, fingerprint,
                   version, verified, status, created_at, updated_at)
               VALUES (%s, %s, 'parcel_sms', '\\x01', '', '', '', 1, 'unchecked', 'active', now(), now())
               RETURNING refusals""",
            [uuid4(), tenant],
        )
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT set_config('app.tenant_id', '', false)")


def test_a_process_of_the_release_before_may_still_set_a_route() -> None:
    tenant = uuid4()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant)])
        cursor.execute(
            """INSERT INTO execution_route (id, tenant_id, intent, providers, updated_at)
               VALUES (%s, %s, 'message.send.sms', '[]', now()) RETURNING strategy""",
            [uuid4(), tenant],
        )
        assert cursor.fetchone() == ("",)
        cursor.execute("SELECT set_config('app.tenant_id', '', false)")
