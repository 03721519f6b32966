"""How long production waits for its servers. Tests wait longer, since a busy machine stops a server for a second."""

from django.conf import settings

from credentials import hashicorp_client
from integrationhub.core import provisioning

# As it was before the first test: what they run with is set by a fixture.
SHIPPED = {
    "redis": settings.REDIS_TIMEOUT_SECONDS,
    "pool": settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"],
    "pool of the system": settings.DATABASES["system"]["OPTIONS"]["pool"]["timeout"],
    "lock": provisioning.LOCK_TIMEOUT,
    "statement": dict(provisioning.STATEMENT_TIMEOUTS),
    "vault": hashicorp_client.SECONDS,
}


def test_production_waits_as_long_as_tests_of_its_patience_say() -> None:
    assert SHIPPED == {
        "redis": 0.1,
        "pool": 2.0,
        "pool of the system": 2.0,
        "lock": "2s",
        "statement": {"default": "5s", "system": "30s"},
        "vault": 1.5,
    }
