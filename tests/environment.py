"""The environment of a test run, set before Django's settings are read (pytest loads this by `-p`).

`./hub test` gives a superuser's `DATABASE_OWNER_URL` and a `REDIS_URL`; the two other roles, the secrets and, for each
worker process, a database of its own in either server are made up here.
"""

import base64
import os
import secrets
from urllib.parse import urlsplit

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
PLATFORM_TENANT = "01900000-0000-7000-8000-000000000001"


def _prepare() -> None:
    owner = urlsplit(os.environ.get("DATABASE_OWNER_URL", ""))
    if not owner.hostname:
        raise SystemExit("Run the tests by `./hub test`: they need PostgreSQL and Redis, which it starts.")
    database = f"{owner.path.lstrip('/') or 'hub'}_test_{WORKER}"
    where = f"{owner.hostname}:{owner.port or 5432}/{database}"
    credentials = owner.netloc.rpartition("@")[0]
    os.environ["DATABASE_OWNER_URL"] = f"postgres://{credentials}@{where}"
    for name, role in (("DATABASE_URL", "app"), ("DATABASE_SYSTEM_URL", "system")):
        os.environ[name] = f"postgres://{database}_{role}:{secrets.token_hex(16)}@{where}"
    os.environ["REDIS_URL"] = os.environ["CELERY_BROKER_URL"] = _redis_url(
        os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
    )
    os.environ.update(
        SECRET_KEY=secrets.token_urlsafe(48),
        JWT_ALGORITHM="HS256",
        JWT_SECRET=secrets.token_urlsafe(48),
        JWT_ISSUER="tests",
        JWT_AUDIENCE="hub-tests",
        KEY_ENCRYPTION_KEYS="k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        PLATFORM_TENANT_ID=PLATFORM_TENANT,
        SANDBOX_ENABLED="true",
        OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8",
        ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
        PUBLIC_BASE_URL="https://hub.example",
    )


def _redis_url(given: str) -> str:
    """The given URL; a worker process counts on from its database's number (a server has 16 unless told otherwise)."""
    url = urlsplit(given)
    number = int(url.path.strip("/") or 0) + int(WORKER.removeprefix("gw") if WORKER != "main" else 0)
    return url._replace(path=f"/{number % 16}").geturl()


_prepare()
