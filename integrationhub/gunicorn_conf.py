"""How gunicorn serves the hub: `gunicorn -c integrationhub/gunicorn_conf.py integrationhub.wsgi`."""

import gc
import os
import shutil
import tempfile
from typing import Any

from integrationhub.core.logs import logging_config
from integrationhub.core.parent_death import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrationhub.settings")

bind = os.environ.get("HUB_BIND", "127.0.0.1:8000")
worker_class = "integrationhub.server.HubWorker"
logger_class = "integrationhub.server.HubLogger"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 30
graceful_timeout = 8
keepalive = 5

# The application's own limits (integrationhub/core/middleware.py) are the ones that callers meet; these lie above them
# so that a token of 8 KiB is refused as a token. Beyond these the worker itself answers, in the same envelope.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16 * 1024

# gunicorn's default trusts X-Forwarded-* of anyone on loopback; a proxy is named, or nobody is trusted.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "")

# It would lie in the home directory, where two hubs of one user would meet.
control_socket_disable = True

# prometheus_client's name for it.
COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"

logconfig_dict = logging_config(level=os.environ.get("LOG_LEVEL", "INFO"))


def on_starting(server: Any) -> None:
    """A directory for what the workers count, which `/metrics` adds up; prometheus_client looks for it by this name."""
    # In memory, where there is such: a disk that is full or slow must not stop a request.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  Made by mkdtemp, for us alone.
    os.environ[COUNTED_IN] = tempfile.mkdtemp(prefix="hub-metrics-", dir=memory)


def on_exit(server: Any) -> None:
    shutil.rmtree(os.environ[COUNTED_IN], ignore_errors=True)


def post_fork(server: Any, worker: Any) -> None:
    """A worker must not outlive its master, not even one that was killed."""
    die_with_parent()


def post_worker_init(worker: Any) -> None:
    """What the application is made of stays for good: the garbage collector need not look through it again."""
    gc.collect()
    gc.freeze()
    # A request leaves hardly any cycles behind; to look for them after each 700 objects costs more than they do.
    gc.set_threshold(20_000, 20, 20)
