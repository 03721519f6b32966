"""The backend that `ENGINE` names; Django wants it in a module of this name."""

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

from integrationhub.core.postgresql.pool import LivePool


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, but for the pool."""

    _connection_pools: dict[str, LivePool] = {}

    @property
    def pool(self) -> LivePool | None:
        """The pool of this alias in this process; None where `OPTIONS` names none."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            made = LivePool(
                # Django begins transactions by itself.
                kwargs={**self.get_connection_params(), "autocommit": True},
                configure=self._configure_connection,  # type: ignore[attr-defined]  # The stubs lack it.
                open=False,
                **options,
            )
            # Of two threads that make one at the same moment, one wins; the other's was never opened.
            self._connection_pools.setdefault(self.alias, made)
        return self._connection_pools[self.alias]
