"""The operators' order, changed by two of them at once."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connections, transaction

from providers import ordering
from providers.models import Provider, ProviderChange
from providers.recording import Author
from tests.database import waiting
from tests.launcher.running import eventually

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
            moved = pool.submit(move, third, -1)
            with connections["owner"].cursor() as cursor:
                eventually(lambda: waiting(cursor) == 1, seconds=10, what="it waits for the other one")
        moved.result(timeout=30)
    assert keys() == [second, third, first, *before[3:]]
