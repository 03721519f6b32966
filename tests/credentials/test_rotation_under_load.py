"""10,000 tenants' keys and values are rotated while they are read, with kills on the way: nothing fails to open."""

import base64
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from pytest_django import Settings

from credentials import sealed_rows, sealing
from credentials.data_keys import LocalKeys, fresh_rows
from credentials.models import Credential, TenantKey
from credentials.sealed_field import Column, columns
from credentials.sealing import Context
from credentials.vault import forget
from integrationhub.core.ids import new_id
from integrationhub.idempotency import sealing as answer_sealing
from marketplace import quotas, seeding
from tests.credentials.reading import START, Reader
from tests.database import locked
from tests.make import Api, sms

ROOT = Path(__file__).resolve().parents[2]
TENANTS, EXECUTING = 10_000, 5
PATIENCE_SECONDS = 180.0
# Of the command alone, all runs together, their start included: what else the machine does counts for the clock only.
MOST_CPU_SECONDS = 30.0


@pytest.fixture
def tenants() -> list[UUID]:
    """Each with a data key under k1, and a credential sealed under that."""
    keys, wrapper = [], LocalKeys()
    for start in range(0, TENANTS, 1000):
        rows = fresh_rows(wrapper, [uuid4() for _ in range(start, start + 1000)])
        TenantKey.objects.using("system").bulk_create(rows)
        keys += wrapper.unwrap(rows)
        Credential.objects.using("system").bulk_create(map(credential, keys[start:]))
    with connections["owner"].cursor() as cursor:
        # As autovacuum does within a minute: plans made for the empty tables of the test before take half a minute.
        cursor.execute("ANALYZE credentials_tenantkey, credentials_credential")
    return [key.tenant_id for key in keys]


def credential(key: sealing.DataKey) -> Credential:
    row_id, secrets = new_id(), {"account": "AC1", "auth_token": f"token-of-{key.tenant_id}"}
    place = Context(key.tenant_id, "credentials_credential", row_id, "sealed")
    return Credential(
        id=row_id,
        tenant_id=key.tenant_id,
        provider_key="parcel_sms",
        sealed=sealing.seal(key, json.dumps(secrets).encode(), place),
        key_id=str(key.id),
        fingerprint="f",
        version=1,
        verified="verified",
    )


@pytest.fixture
def old_key(settings: Settings) -> Iterator[str]:
    """k1, behind the new k2 that is current from now on."""
    old = settings.KEY_ENCRYPTION_KEYS[0]
    yield old
    forget()
    answer_sealing.forget()


def operator(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "rotate_keys"], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def killed_when(process: subprocess.Popen[str], is_time: Callable[[], bool]) -> None:
    """kill -9 as soon as it is time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_time():
        assert process.poll() is None, "It had ended before it was killed."
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(timeout=10) == -signal.SIGKILL
    assert process.stdout
    process.stdout.close()


def cpu_of_children() -> float:
    """Seconds of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def under(kek_id: str) -> int:
    return TenantKey.objects.using("system").filter(kek_id=kek_id).count()


def values_due() -> int:
    return sealed_rows.count_due(_credentials(), "k2")


def last_of(tenants: list[UUID]) -> UUID:
    """The value of a tenant that does nothing itself."""
    return Credential.objects.using("system").get(tenant_id=tenants[-1]).id


def _credentials() -> Column:
    return next(column for column in columns() if column.table == "credentials_credential")


class Executions(threading.Thread):
    """A few tenants send, all the time."""

    def __init__(self, tenants: list[UUID]) -> None:
        super().__init__()
        self.callers = [Api(tenant) for tenant in tenants]
        self.is_stopped, self.statuses = threading.Event(), list[int]()
        for caller in self.callers:
            quotas.subscribe(caller.tenant, "enterprise")
            assert caller.post("/marketplace/integrations/parcel_sms/install", {"config": {}}).status_code == 201

    def run(self) -> None:
        while not self.is_stopped.wait(0.05):
            caller = self.callers[len(self.statuses) % EXECUTING]
            self.statuses.append(caller.post("/execute", sms("+14155552671")).status_code)
        connection.close()


@pytest.mark.slow
def test_ten_thousand_tenants_are_rotated_under_load_and_a_kill(
    tenants: list[UUID], old_key: str, settings: Settings, tmp_path: Path
) -> None:
    seeding.seed()
    settings.KEY_ENCRYPTION_KEYS = [f"k2:{base64.b64encode(os.urandom(32)).decode()}", old_key]
    environment = {**os.environ, "KEY_ENCRYPTION_KEYS": ",".join(settings.KEY_ENCRYPTION_KEYS)}
    (tmp_path / "tenants").write_text("\n".join(map(str, tenants)))
    elsewhere = subprocess.Popen(
        [sys.executable, *START, str(tmp_path / "tenants")],
        env={**environment, "DJANGO_SETTINGS_MODULE": "integrationhub.settings"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert elsewhere.stdout
    assert elsewhere.stdout.readline() == "reading\n"
    # Few enough that this process remembers their keys all along.
    remembering, executions = Reader(tenants[:500]), Executions(tenants[:EXECUTING])
    reading = threading.Thread(target=remembering.run)
    reading.start()
    executions.start()
    try:
        began, cpu_before = time.monotonic(), cpu_of_children()
        # A value that is held is never done, so that it cannot have ended before.
        with locked("credentials_credential", last_of(tenants)):
            killed_when(operator(environment), lambda: values_due() < TENANTS - 1000)
        left = values_due()
        both = [operator(environment) for _ in range(2)]
        said = [each.communicate(timeout=PATIENCE_SECONDS)[0] for each in both]
        seconds, cpu = time.monotonic() - began, cpu_of_children() - cpu_before
    finally:
        remembering.is_stopped.set()
        executions.is_stopped.set()
        reading.join()
        executions.join()
        elsewhere.terminate()
        told, _ = elsewhere.communicate(timeout=30)
    opens, failures = (int(number) for number in told.split()[:2])
    print(
        f"{TENANTS} keys re-wrapped and {TENANTS} values re-encrypted in {seconds:.1f} s ({cpu:.1f} s of CPU) "
        f"by a run that was killed with {left} values left, and two at once; meanwhile "
        f"{opens + remembering.opens} opens, {failures + len(remembering.failures)} failures, and "
        f"{len(executions.statuses)} executions"
    )
    assert [each.returncode for each in both] == [0, 0], said
    assert (failures, remembering.failures) == (0, []), told
    assert min(opens, remembering.opens) > 100
    assert set(executions.statuses) == {200}
    assert (under("k1"), under("k2"), values_due()) == (0, 2 * TENANTS, 0)
    assert cpu < MOST_CPU_SECONDS
    assert_all_open_without_the_old_key(tenants, settings)


def assert_all_open_without_the_old_key(tenants: list[UUID], settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEYS = settings.KEY_ENCRYPTION_KEYS[:1]
    forget()
    reader = Reader([])
    for row in Credential.objects.using("system").iterator():
        reader._open(row)
    assert (reader.opens, reader.failures) == (len(tenants), [])
