"""A process that is killed in the middle of a rotation: nothing is half done, and what it left is cleared."""

import json
import os
import signal
import subprocess
import sys
from threading import Event

import pytest

from credentials import tasks
from tests.credentials.test_rotating import age
from tests.credentials.twilio import NEW, OLD, ManyTokensTwilio, kept, rotate, secrets, send
from tests.make import Api

ROTATE = """
import django, json, os
django.setup()
from uuid import UUID
from credentials import rotating
body = {"credentials": json.loads(os.environ["TEST_SECRETS"])}
tenant_id = UUID(os.environ["TEST_TENANT"])
rotating.rotate(tenant_id=tenant_id, credential_id=os.environ["TEST_CREDENTIAL"], body=body, subject="tester")
"""


@pytest.mark.slow
def test_a_rotation_killed_while_its_provider_is_asked_changes_nothing(
    api: Api, first: str, twilio: ManyTokensTwilio
) -> None:
    is_asked, is_over = Event(), Event()
    twilio.meanwhile = lambda: (is_asked.set(), is_over.wait(30))
    told = {"TEST_SECRETS": json.dumps(secrets(NEW)), "TEST_TENANT": str(api.tenant), "TEST_CREDENTIAL": first}
    environment = {**os.environ, **told, "DJANGO_SETTINGS_MODULE": "integrationhub.settings"}
    process = subprocess.Popen([sys.executable, "-c", ROTATE], env=environment)
    assert is_asked.wait(60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    is_over.set()
    twilio.meanwhile = lambda: None
    assert kept(api) == [(1, "active", True), (2, "pending", True)]
    assert [send(api).status_code for _ in range(3)] == [200, 200, 200]
    age(api.tenant, seconds=61)
    tasks.wipe_abandoned_rotations()
    assert kept(api) == [(1, "active", True), (2, "revoked", False)]
    assert rotate(api, first).json()["version"] == 3
    assert send(api).status_code == 200
    assert twilio.sent == {OLD: 3, NEW: 1}
