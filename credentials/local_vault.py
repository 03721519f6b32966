"""`VAULT_BACKEND=local`: sealed values stay in their rows, under data keys that the settings' keys wrap."""

from datetime import UTC, datetime, timedelta

from credentials import sealing
from credentials.data_keys import DataKeys, LocalKeys
from credentials.errors import VaultUnreadable
from credentials.models import Leftover
from credentials.sealing import Context
from integrationhub.core.deadline import Deadline


class LocalVault:
    keeps_apart = False

    def __init__(self) -> None:
        self.keys = LocalKeys()
        self._data_keys = DataKeys(self.keys)

    def seal(self, plaintext: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        return sealing.seal(self._data_keys.current(context.tenant_id), plaintext, context)

    def open(self, sealed: bytes, context: Context, deadline: Deadline | None = None) -> bytes:
        key_id = sealing.key_id(sealed)
        if sealing.is_pointer(sealed):
            raise VaultUnreadable("The secret is kept by the vault: set VAULT_BACKEND=vault.", reason="kept_elsewhere")
        return sealing.unseal(self._data_keys.of(context.tenant_id, key_id), sealed, context)

    def keep(self, plaintext: bytes, context: Context) -> bytes:
        return self.seal(plaintext, context)

    def claim(self, kept: bytes, context: Context) -> None:
        """The row is where it is kept."""

    def discard(self, kept: bytes, context: Context, *, after: timedelta = timedelta(0)) -> None:
        """It goes with the row; what a vault keeps is deleted there once that is the back end again."""
        if sealing.is_pointer(kept):
            due_at = datetime.now(UTC) + after
            Leftover.objects.create(id=sealing.value_id(kept), tenant_id=context.tenant_id, due_at=due_at)

    def key_id(self, sealed: bytes) -> str:
        return str(sealing.key_id(sealed))
