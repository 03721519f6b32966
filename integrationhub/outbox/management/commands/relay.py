"""`manage.py relay`: the process that publishes the outbox."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from integrationhub.outbox.relay import run


class Command(BaseCommand):
    help = "Publishes the outbox to the broker until it is told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(stop)
