"""With DEBUG off the hub does not start on what suits a developer's machine only; it says all that is wrong at once."""

import base64
import os
import subprocess
import sys
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from credentials.vault import Context, vault
from integrationhub.core import provisioning, signing_keys
from integrationhub.core.checks import refuse_unsafe, role_faults

KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(autouse=True)
def _no_kept_keys() -> Any:
    signing_keys.keys.cache_clear()
    yield
    signing_keys.keys.cache_clear()


def test_settings_of_an_installation_are_taken(settings: Any) -> None:
    settings.DEBUG = False
    refuse_unsafe()


def test_opened_networks_are_told_at_the_start(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.DEBUG, settings.OUTBOUND_ALLOWED_NETWORKS = False, []
    refuse_unsafe()
    assert "outbound_networks_opened" not in caplog.messages
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    refuse_unsafe()
    assert "outbound_networks_opened" in caplog.messages


UNSAFE = [
    ({"SECRET_KEY": ""}, "SECRET_KEY is shorter"),
    ({"SECRET_KEY": "x" * 31}, "SECRET_KEY is shorter"),
    ({"SECRET_KEY": "x" * 64}, "SECRET_KEY looks like a placeholder"),
    ({"SECRET_KEY": "django-insecure-0123456789abcdefghijklmnop"}, "SECRET_KEY looks like a placeholder"),
    ({"JWT_SECRET": "short"}, "JWT_SECRET is shorter"),
    ({"JWT_SECRET": "change-me-please-0123456789-0123456789"}, "JWT_SECRET looks like a placeholder"),
    ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN is shorter"),
    ({"METRICS_TOKEN": "x" * 64}, "METRICS_TOKEN looks like a placeholder"),
    ({"KEY_ENCRYPTION_KEYS": []}, "KEY_ENCRYPTION_KEYS is missing"),
    ({"KEY_ENCRYPTION_KEYS": [KEY]}, "KEY_ENCRYPTION_KEYS, entry 1"),
    ({"KEY_ENCRYPTION_KEYS": [f"k1:{KEY}", "k2:c2hvcnQ="]}, "KEY_ENCRYPTION_KEYS, entry 2"),
    ({"KEY_ENCRYPTION_KEYS": [f"k1:{KEY}", f"k1:{KEY}"]}, "names one id twice"),
    ({"ALLOWED_HOSTS": ["*"]}, "ALLOWED_HOSTS"),
    ({"ALLOWED_HOSTS": []}, "ALLOWED_HOSTS"),
    ({"PUBLIC_BASE_URL": "hub.example"}, "PUBLIC_BASE_URL"),
    ({"JWT_ALGORITHM": "none"}, "JWT_ALGORITHM is none of"),
    ({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": "", "JWT_JWKS_URL": ""}, "RS256 without a key"),
    ({"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": "nonsense", "JWT_JWKS_URL": ""}, "JWT_PUBLIC_KEY does not fit"),
    ({"JWT_ISSUER": ""}, "JWT_ISSUER is empty"),
    ({"OUTBOUND_ALLOWED_NETWORKS": ["10.0.0.1/8"]}, "OUTBOUND_ALLOWED_NETWORKS is no list of networks"),
    ({"OUTBOUND_ALLOWED_NETWORKS": ["localhost"]}, "OUTBOUND_ALLOWED_NETWORKS is no list of networks"),
    ({"PLATFORM_TENANT_ID": "demo"}, "PLATFORM_TENANT_ID is not a UUID"),
    ({"IPFS_API_URL": "localhost:5001"}, "IPFS_API_URL is not the address"),
    ({"IPFS_API_URL": "http://127.0.0.1:5001/api/v0"}, "IPFS_API_URL is not the address"),
]


@pytest.mark.parametrize(("over", "said"), UNSAFE, ids=lambda value: str(value)[:60])
def test_unsafe_setting_is_refused_by_name_and_its_value_is_not_told(
    settings: Any, over: dict[str, Any], said: str
) -> None:
    settings.DEBUG = False
    for name, value in over.items():
        setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_unsafe()
    assert said in str(caught.value)
    assert KEY not in str(caught.value)
    assert "0123456789" not in str(caught.value)


def test_all_faults_are_named_at_once(settings: Any) -> None:
    settings.DEBUG, settings.SECRET_KEY, settings.ALLOWED_HOSTS = False, "", ["*"]
    with pytest.raises(ImproperlyConfigured, match=r"(?s)SECRET_KEY.*ALLOWED_HOSTS"):
        refuse_unsafe()


def test_debug_lets_everything_pass(settings: Any) -> None:
    settings.DEBUG, settings.SECRET_KEY = True, ""
    refuse_unsafe()


@pytest.mark.parametrize(("alias", "url_name"), [("default", "DATABASE_URL"), ("system", "DATABASE_SYSTEM_URL")])
@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_a_role_without_a_time_out_is_refused_with_what_mends_it(alias: str, url_name: str, limit: str) -> None:
    role = connections[alias].settings_dict["USER"]
    assert list(role_faults()) == []
    with connections["owner"].cursor() as owner:
        owner.execute(f'ALTER ROLE "{role}" RESET {limit}')
        connections[alias].close_pool()
        try:
            (fault,) = role_faults()
            assert fault.startswith(f"{url_name} ")
            owner.execute(fault.partition("`")[2].partition("`")[0])
            connections[alias].close_pool()
            assert list(role_faults()) == []
        finally:
            provisioning.provision()
            connections[alias].close_pool()


def test_preparing_the_database_keeps_to_what_its_url_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    demands = {"sslmode": "verify-full", "sslrootcert": "/nonexistent/root.crt"}
    monkeypatch.setitem(connections["owner"].settings_dict, "OPTIONS", demands)
    with pytest.raises(psycopg.OperationalError, match=r"root\.crt|SSL"):
        provisioning.provision()


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "integrationhub.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_role_that_no_wall_binds_is_refused_at_the_start() -> None:
    start = ("-c", "import integrationhub.wsgi")
    assert manage(*start).returncode == 0
    superuser = manage(*start, DATABASE_URL=os.environ["DATABASE_OWNER_URL"])
    assert superuser.returncode != 0
    assert "BYPASSRLS" in superuser.stderr


@pytest.mark.slow
def test_start_goes_on_while_the_database_is_away() -> None:
    done = manage("-c", "import integrationhub.wsgi", DATABASE_URL="postgres://a:b@127.0.0.1:1/x")
    assert done.returncode == 0, done.stderr
    assert "database_role_not_checked" in done.stderr


@pytest.mark.slow
def test_deployment_check_has_nothing_to_say_about_an_installation() -> None:
    done = manage("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [("-c", "import integrationhub.wsgi"), ("-m", "celery", "-A", "integrationhub", "worker")]
)
def test_a_key_that_a_row_still_names_is_missed_at_the_start(start: tuple[str, ...]) -> None:
    tenant = uuid4()
    vault().seal(b"anything", Context(tenant, "somewhere", uuid4(), "field"))
    other = "k9:" + base64.b64encode(os.urandom(32)).decode()
    done = manage(*start, KEY_ENCRYPTION_KEYS=other)
    assert done.returncode != 0
    assert "lacks the key 'k1'" in done.stderr
