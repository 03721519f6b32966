"""`VAULT_BACKEND=vault`: HashiCorp Vault or OpenBao. Transit wraps the tenants' data keys, KV version 2 keeps secrets.

What is kept there is sealed under the tenant's data key first, for its place and its pointer: who can read or copy
entries of KV alone has nothing. https://openbao.org/api-docs/secret/kv/kv-v2/
"""

import base64
import logging
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction

from credentials import hashicorp_client, sealing
from credentials.data_keys import MOST_REMEMBERED, REMEMBERED_SECONDS, DataKeys
from credentials.errors import VaultUnavailable, VaultUnreadable
from credentials.hashicorp_client import HashicorpClient, client
from credentials.models import Leftover
from credentials.sealing import Context
from credentials.transit_keys import TransitKeys
from integrationhub.core.deadline import Deadline
from integrationhub.core.ids import new_id
from integrationhub.core.memory import ShortMemory
from integrationhub.core.tenancy import tenant_scope

logger = logging.getLogger(__name__)

# A transaction that claims ends well within the second of these (its role's time-outs see to that), so that nothing is
# deleted while it is being claimed.
UNCLAIMED_KEPT, CLAIMED_BEFORE = timedelta(minutes=3), timedelta(minutes=1)
SWEPT_AT_ONCE = 500


class HashicorpVault:
    keeps_apart = True

    def __init__(self) -> None:
        self._client = client()
        self.keys = TransitKeys(self._client)
        self._data_keys = DataKeys(self.keys)
        # As the vault keeps it, sealed: while it is away, what was used within minutes can be used.
        self._kept: ShortMemory[UUID, bytes] = ShortMemory(seconds=REMEMBERED_SECONDS, capacity=MOST_REMEMBERED)

    def seal(self, plaintext: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        with self._in_time(deadline):
            return sealing.seal(self._data_keys.current(context.tenant_id), plaintext, context)

    def open(self, sealed: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        key_id = sealing.key_id(sealed)
        with self._in_time(deadline):
            key = self._data_keys.of(context.tenant_id, key_id)
            if not sealing.is_pointer(sealed):
                return sealing.unseal(key, sealed, context)
            value_id = sealing.value_id(sealed)
            kept = self._kept.get(value_id) or self._read(_path(context.tenant_id, value_id))
        if sealing.key_id(kept) != key_id:
            raise VaultUnreadable("The kept secret is under another key than its row says.", reason="tampered")
        plaintext = sealing.unseal(key, kept, sealing.kept_as(context, value_id))
        self._kept.put(value_id, kept)
        return plaintext

    def keep(self, plaintext: bytes, context: Context) -> bytes:
        """The leftover's row stands first, so that an entry which no row comes to hold, for whatever reason, is found
        and deleted."""
        value_id = new_id()
        with self._in_time(None):
            key = self._data_keys.current(context.tenant_id)
            due_at = datetime.now(UTC) + UNCLAIMED_KEPT
            with tenant_scope(context.tenant_id):
                Leftover.objects.create(id=value_id, tenant_id=context.tenant_id, due_at=due_at)
            sealed = sealing.seal(key, plaintext, sealing.kept_as(context, value_id))
            self._write(_path(context.tenant_id, value_id), sealed)
        return sealing.pointer(key.id, value_id)

    def claim(self, kept: bytes, context: Context) -> None:
        """Raises VaultUnavailable where it may have been deleted meanwhile."""
        still_there = Leftover.objects.for_tenant(context.tenant_id).filter(
            id=sealing.value_id(kept), due_at__gt=datetime.now(UTC) + CLAIMED_BEFORE
        )
        if not still_there.delete()[0]:
            raise VaultUnavailable("Too long passed since the vault took the secret.", reason="claimed_too_late")

    def discard(self, kept: bytes, context: Context, *, after: timedelta = timedelta(0)) -> None:
        if not sealing.is_pointer(kept):
            return  # Bound before the installation moved to the vault.
        value_id, due_at = sealing.value_id(kept), datetime.now(UTC) + after
        Leftover.objects.create(id=value_id, tenant_id=context.tenant_id, due_at=due_at)
        if after:
            return
        self._kept.forget(value_id)
        transaction.on_commit(partial(_wipe, self._client, context.tenant_id, value_id))

    def key_id(self, sealed: bytes) -> str:
        return str(sealing.key_id(sealed))

    def _in_time(self, deadline: Deadline | None) -> AbstractContextManager[None]:
        seconds = hashicorp_client.SECONDS
        return self._client.within(deadline.within(seconds) if deadline else Deadline.after(seconds))

    def _write(self, path: str, sealed: bytes) -> None:
        self._client.call(
            lambda hvac: hvac.secrets.kv.v2.create_or_update_secret(
                path, {"sealed": base64.b64encode(sealed).decode()}, cas=0, mount_point=settings.VAULT_KV_MOUNT
            )
        )

    def _read(self, path: str) -> bytes:
        found = self._client.call(
            lambda hvac: hvac.secrets.kv.v2.read_secret_version(
                path, mount_point=settings.VAULT_KV_MOUNT, raise_on_deleted_version=True
            )
        )
        try:
            return base64.b64decode(found["data"]["data"]["sealed"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise VaultUnreadable("The vault's entry is not one of ours.", reason="bad_format") from None


def sweep() -> int:
    """Delete from the vault what is due there; returns how many. What it does not take now stays for the next time, and
    so does the rest once it is away."""
    due = Leftover.objects.using("system").filter(due_at__lte=datetime.now(UTC)).order_by("due_at")[:SWEPT_AT_ONCE]
    done = 0
    for row in due:
        fault = _wipe(client(), row.tenant_id, row.id)
        if isinstance(fault, VaultUnavailable):
            break
        done += fault is None
    return done


def _wipe(client: HashicorpClient, tenant_id: UUID, value_id: UUID) -> VaultUnreadable | None:
    """Returns why not."""
    try:
        client.call(
            lambda hvac: hvac.secrets.kv.v2.delete_metadata_and_all_versions(
                path=_path(tenant_id, value_id), mount_point=settings.VAULT_KV_MOUNT
            )
        )
    except VaultUnreadable as error:
        logger.warning("vault_wipe_postponed", extra={"value_id": str(value_id), "reason": error.details["reason"]})
        return error
    Leftover.objects.using("system").filter(id=value_id).delete()
    return None


def _path(tenant_id: UUID, value_id: UUID) -> str:
    return f"{settings.VAULT_KV_PREFIX}/{tenant_id}/{value_id}"
