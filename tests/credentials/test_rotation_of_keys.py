"""`manage.py rotate_keys`: under a new key-encryption key everything opens, and the old one is needed by nothing."""

import base64
import os
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models.functions import Now
from pytest_django import Settings

from credentials import binding, rekeying
from credentials.models import Credential, TenantKey
from credentials.vault import forget, fresh_vault
from integrationhub.execution import queueing
from integrationhub.execution.models import Execution
from integrationhub.idempotency import sealing as answer_sealing
from integrationhub.idempotency.models import AnswerKey
from marketplace import seeding
from tests.make import LATER, Api, keyed, sms
from tests.telling.receiving import a_receiver, happen, subscribe, work_off

SECRETS = {"account": "AC1", "auth_token": "a-long-auth-token-1234"}


@pytest.fixture(autouse=True)
def _processes_begin_anew() -> Iterator[None]:
    yield
    forget()
    answer_sealing.forget()


@pytest.fixture
def new_key(settings: Settings) -> str:
    """k2, in front of the old one."""
    key = f"k2:{base64.b64encode(os.urandom(32)).decode()}"
    old = settings.KEY_ENCRYPTION_KEYS

    def put_in_front() -> str:
        settings.KEY_ENCRYPTION_KEYS = [key, *old]
        return key

    return put_in_front  # type: ignore[return-value]


def rotate(*arguments: str) -> str:
    said = StringIO()
    call_command("rotate_keys", *arguments, stdout=said, stderr=said)
    return said.getvalue()


def bound(tenant: UUID) -> Credential:
    return binding.bind(tenant_id=tenant, provider_key="parcel_sms", secrets=SECRETS)


def revealed(tenant: UUID) -> Any:
    return binding.opened(binding.in_use(tenant_id=tenant)["parcel_sms"])


def a_new_process() -> None:
    forget()
    answer_sealing.forget()


def keys() -> list[tuple[str, bool]]:
    rows = TenantKey.objects.using("system").order_by("created_at")
    return [(kek_id, retired_at is None) for kek_id, retired_at in rows.values_list("kek_id", "retired_at")]


def test_after_a_rotation_nothing_needs_the_old_key(tenant: UUID, new_key: Any, settings: Settings) -> None:
    was = bound(tenant)
    k2 = new_key()
    rotate()
    now = binding.get(tenant_id=tenant, credential_id=str(was.id))
    assert bytes(now.sealed) != bytes(was.sealed)
    assert (now.key_id != was.key_id, now.fingerprint) == (True, was.fingerprint)
    assert rekeying.sealed_rows.orphans(_column("credentials_credential")) == 0
    settings.KEY_ENCRYPTION_KEYS = [k2]
    a_new_process()
    assert revealed(tenant) == SECRETS
    assert [each for each in run_checks(databases=["system"]) if each.id.startswith("credentials.")] == []


def test_without_a_rotation_the_old_key_is_refused_removal(tenant: UUID, new_key: Any, settings: Settings) -> None:
    bound(tenant)
    settings.KEY_ENCRYPTION_KEYS = [new_key()]
    [fault] = [each for each in run_checks(databases=["system"]) if each.id == "credentials.E003"]
    assert "'k1'" in fault.msg


def test_what_was_read_before_a_rotation_opens_after_it(tenant: UUID, new_key: Any) -> None:
    read_before = bound(tenant)
    new_key()
    rotate()
    a_new_process()
    assert binding.opened(read_before) == SECRETS


def test_two_rotations_in_a_row_take_retired_keys_along(tenant: UUID, new_key: Any, settings: Settings) -> None:
    read_before = bound(tenant)
    new_key()
    rotate()
    k3 = f"k3:{base64.b64encode(os.urandom(32)).decode()}"
    settings.KEY_ENCRYPTION_KEYS = [k3, *settings.KEY_ENCRYPTION_KEYS]
    rotate()
    settings.KEY_ENCRYPTION_KEYS = [k3]
    a_new_process()
    assert binding.opened(read_before) == SECRETS


def test_a_process_that_remembers_the_old_key_reads_and_writes(tenant: UUID, new_key: Any) -> None:
    bound(tenant)
    new_key()
    rotate()
    assert revealed(tenant) == SECRETS
    late = bound(tenant)
    assert late.key_id == str(TenantKey.objects.using("system").exclude(retired_at=None).get().id)
    a_new_process()
    assert revealed(tenant) == SECRETS
    assert "1 values of credentials_credential" in rotate(), "What it sealed is found by the next run."


def test_a_second_run_finds_nothing_to_do(tenant: UUID, new_key: Any) -> None:
    bound(tenant)
    new_key()
    rotate()
    once = keys()
    said = rotate()
    assert keys() == once == [("k2", False), ("k2", True)]
    assert all(line.startswith("0 ") for line in said.splitlines())


def test_a_dry_run_counts_and_changes_nothing(tenant: UUID, new_key: Any) -> None:
    bound(tenant)
    bound(uuid4())
    new_key()
    said = rotate("--dry-run")
    assert "2 data keys re-wrapped, if" in said
    assert "2 values of credentials_credential re-encrypted, if" in said
    assert {kek_id for kek_id, _ in keys()} == {"k1"}


def test_re_wrapping_alone_ends_the_need_for_the_old_key(tenant: UUID, new_key: Any, settings: Settings) -> None:
    was = bound(tenant)
    k2 = new_key()
    rotate("--re-wrap-only")
    assert binding.get(tenant_id=tenant, credential_id=str(was.id)).key_id == was.key_id
    settings.KEY_ENCRYPTION_KEYS = [k2]
    a_new_process()
    assert revealed(tenant) == SECRETS


def test_queued_payloads_are_re_encrypted_and_run(api: Api, new_key: Any, settings: Settings) -> None:
    seeding.seed_demo(api.tenant)
    queued = api.post("/execute", sms(), headers=LATER).json()["execution_id"]
    k2 = new_key()
    assert "1 values of execution_execution re-encrypted" in rotate()
    settings.KEY_ENCRYPTION_KEYS = [k2]
    a_new_process()
    queueing.run_queued(api.tenant, UUID(queued))
    assert api.get(f"/executions/{queued}").json()["status"] == "succeeded"


def test_stored_answers_are_repeated_after_the_old_key_is_gone(api: Api, new_key: Any, settings: Settings) -> None:
    seeding.seed_demo(api.tenant)
    key = keyed()
    first = api.post("/execute", sms(), **key)
    k2 = new_key()
    rotate()
    settings.KEY_ENCRYPTION_KEYS = [k2]
    a_new_process()
    assert api.post("/execute", sms(), **key).content == first.content
    fresh = keyed()
    assert api.post("/execute", sms(), **fresh).content == api.post("/execute", sms(), **fresh).content


def test_a_removed_key_that_stored_answers_need_is_named(settings: Settings, new_key: Any) -> None:
    assert AnswerKey.objects.using("system").get().kek_id == "k1"
    settings.KEY_ENCRYPTION_KEYS = [new_key()]
    assert "credentials.E003" in {each.id for each in run_checks(databases=["system"])}


def test_a_retired_key_goes_when_nothing_has_named_it_for_a_while(tenant: UUID, new_key: Any) -> None:
    bound(tenant)
    new_key()
    rotate()
    assert rekeying.forget_unused() == 0
    assert len(keys()) == 2, "Who read a value before still opens it."
    TenantKey.objects.using("system").update(unused_since=Now() - timedelta(minutes=11))
    assert rekeying.forget_unused() == 1
    assert keys() == [("k2", True)]


def test_a_retired_key_that_is_named_again_stays(tenant: UUID, new_key: Any) -> None:
    bound(tenant)
    new_key()
    rotate()
    bound(tenant)  # This process still seals under the retired key.
    TenantKey.objects.using("system").exclude(retired_at=None).update(unused_since=Now() - timedelta(minutes=11))
    assert rekeying.forget_unused() == 0
    assert revealed(tenant) == SECRETS


def test_a_value_that_does_not_open_is_named_and_left_and_the_others_are_done(tenant: UUID, new_key: Any) -> None:
    broken, good = bound(tenant), bound(uuid4())
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "UPDATE credentials_credential SET sealed = set_byte(sealed, 29, get_byte(sealed, 29) # 1) WHERE id = %s",
            [broken.id],
        )
    new_key()
    with pytest.raises(CommandError, match="1 do not open"):
        rotate()
    assert revealed(good.tenant_id) == SECRETS
    assert binding.get(tenant_id=good.tenant_id, credential_id=str(good.id)).key_id != good.key_id


def test_a_revoked_credential_stays_wiped(tenant: UUID, new_key: Any) -> None:
    was = bound(tenant)
    new_key()
    rotation = rekeying.Rotation()
    list(rotation.rewrap())
    list(rotation.renew())
    [value] = rekeying.sealed_rows.due(_column("credentials_credential"), UUID(int=0))
    binding.revoke(tenant_id=tenant, credential_id=str(was.id), subject="tester")
    assert rekeying.sealed_rows.swap(_column("credentials_credential"), [(value, b"\x01" + bytes(60))]) == (0, 0)


def test_a_lost_data_key_is_named(tenant: UUID) -> None:
    bound(tenant)
    TenantKey.objects.using("system").all().delete()
    [fault] = [each for each in run_checks(databases=["system"]) if each.id == "credentials.E005"]
    assert "1 rows of credentials_credential" in fault.msg


def test_secrets_of_webhook_subscriptions_sign_as_before_the_old_one_too(api: Api, tenant: UUID, new_key: Any) -> None:
    with a_receiver() as receiver:
        made = subscribe(api, receiver)
        secret = api.post(f"/webhook-subscriptions/{made['id']}/rotate-secret").json()["secret"]
        new_key()
        a_new_process()
        assert "2 values of telling_subscription" in rotate()
        a_new_process()
        happen(tenant)
        work_off()
        assert receiver.received[0].verified_by(made["secret"])
        assert receiver.received[0].verified_by(secret)


def test_every_sealed_column_is_known() -> None:
    assert {(column.table, column.name) for column in rekeying.columns()} >= {
        ("credentials_credential", "sealed"),
        ("execution_execution", "sealed_payload"),
        ("telling_subscription", "sealed"),
        ("telling_subscription", "previous_sealed"),
    }
    assert Execution._meta.get_field("sealed_payload").deconstruct()[1] == "django.db.models.BinaryField"


def _column(table: str) -> Any:
    return next(column for column in rekeying.columns() if column.table == table)


def test_a_vault_that_remembers_nothing_is_another_one() -> None:
    assert fresh_vault() is not fresh_vault()
