"""The version of what may be cached of a tenant's settings: it changes with every change to them.

It stands in Redis, and the limiter's script returns it, so that a cached value costs no trip of its own. While Redis is
away there is no version, and nothing cached is used.
"""

from functools import partial
from uuid import UUID

from django.db import transaction

from integrationhub.core import valkey_client
from integrationhub.core.ids import new_id
from integrationhub.core.valkey_client import Script

FOR_ALL = "hub:version"
# A change whose note does not reach Redis is seen by other processes once what they cached is this old.
LONGEST_LIFE_SECONDS = 5.0

# KEYS: the version. ARGV: its new value. Versions are random, so that one lost with the server never comes back.
_CHANGE = Script("redis.call('SET', KEYS[1], ARGV[1], 'EX', 86400) return 1")


def keys(tenant_id: UUID) -> list[str]:
    """What the version is made of: the tenant's own part, and the one of what all tenants share."""
    return [f"{FOR_ALL}:{tenant_id}", FOR_ALL]


def changed(tenant_id: UUID | None = None, *, using: str | None = None) -> None:
    """Say, once the open transaction (of the role `using`) has committed, that a tenant's settings changed; without a
    tenant: what all tenants share."""
    key = keys(tenant_id)[0] if tenant_id else FOR_ALL
    transaction.on_commit(partial(valkey_client.run, _CHANGE, [key], [str(new_id())]), using=using)
