"""The operators' order, changed by two of them at once."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connections, transaction

from providers import ordering
from providers.models import Provider, ProviderChange
from providers.recording import Author

OPERATOR = Author("operator", ProviderChange.Via.ADMIN)


def keys() -> list[str]:
    return list(Provider.objects.using("system").values_list("provider_key", flat=True))


def move(key: str, steps: int) -> None:
    try:
        provider = Provider.objects.using("system").get(provider_key=key)
        ordering.move(provider.pk, steps, by=OPERATOR, using="system")
    finally:
        connections.close_all()


def test_a_move_that_waited_for_another_one_keeps_it() -> None:
    before = keys()
    first, second, third = before[:3]
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(using="system"):
            ordering.move(Provider.objects.get(provider_key=second).pk, -1, by=OPERATOR, using="system")
            waiting = pool.submit(move, third, -1)
            wait_for_a_lock()
        waiting.result(timeout=10)
    assert keys() == [second, third, first, *before[3:]]


def wait_for_a_lock() -> None:
    """Until somebody waits for what this transaction holds."""
    with connections["owner"].cursor() as cursor:
        for _ in range(500):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("Nobody waits.")
