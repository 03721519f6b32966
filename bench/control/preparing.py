"""`python -m bench.control.preparing STUB_URL TENANT=UUID ...`: the control's own database, and both tenants in it."""

import json
import sys
from uuid import UUID

import django
import psycopg
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from psycopg import sql

from bench.tenants import CONFIGURATIONS, QUOTA, TENANT_PROVIDERS, secrets_of


def prepare(stub_url: str, tenants: dict[str, UUID]) -> None:
    _make_database()
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    models = {model.__name__: model for model in apps.get_app_config("control").get_models()}
    fernet = Fernet(settings.CREDENTIAL_KEY)
    rows = {key: models["Provider"].objects.create(key=key, base_url=stub_url) for key in TENANT_PROVIDERS["chain"]}
    for name, tenant_id in tenants.items():
        models["Quota"].objects.create(tenant_id=tenant_id, executions=QUOTA)
        for priority, key in enumerate(TENANT_PROVIDERS[name], 1):
            models["Installation"].objects.create(tenant_id=tenant_id, provider=rows[key], priority=priority)
            sealed = fernet.encrypt(json.dumps(secrets_of(name, key) | CONFIGURATIONS[key]).encode())
            models["Credential"].objects.create(tenant_id=tenant_id, provider=rows[key], sealed=sealed)


def _make_database() -> None:
    database = settings.DATABASES["default"]
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    parameters = {name: database[given] for name, given in names.items()}
    with psycopg.connect(**parameters, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database["NAME"])))


if __name__ == "__main__":
    prepare(sys.argv[1], {name: UUID(tenant) for name, _, tenant in (word.partition("=") for word in sys.argv[2:])})
