"""`/healthz`: this process answers. `/readyz`: its database answers too; without Redis the hub still works."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cache

import psycopg
from django.db import connections
from django.http import HttpRequest, HttpResponse

from integrationhub.core.errors import InvalidRequest
from integrationhub.core.exception_handler import respond
from integrationhub.core.representation import JSON, encode

DATABASE_SECONDS = 1.5


def healthz(request: HttpRequest) -> HttpResponse:
    return _answer(request, 200, {"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 or 503 within two seconds, whatever state the database is in."""
    database = _database()
    status = "ok" if database == "ok" else "unavailable"
    return _answer(request, 200 if status == "ok" else 503, {"status": status, "checks": {"database": database}})


def _answer(request: HttpRequest, status: int, body: dict[str, object]) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        error = InvalidRequest(status=405, reason="method_not_allowed", headers={"Allow": "GET, HEAD"})
        return respond(error, request)
    headers = {"Cache-Control": "no-store", **({"Retry-After": "1"} if status == 503 else {})}
    return HttpResponse(encode(body), status=status, content_type=JSON, headers=headers)


@cache
def _probes() -> ThreadPoolExecutor:
    # A thread, since no time-out of libpq bounds a server that takes the connection and then says nothing.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="readyz")


def _database() -> str:
    parameters = connections["default"].get_connection_params()
    probe = _probes().submit(_select_one, parameters)
    try:
        probe.result(timeout=DATABASE_SECONDS)
    except FutureTimeoutError:
        probe.cancel()
        return "timeout"
    except psycopg.Error:
        return "unreachable"
    return "ok"


def _select_one(parameters: dict[str, object]) -> None:
    """On a connection of its own, so that a busy pool does not count as a database that is away."""
    with psycopg.connect(**{**parameters, "connect_timeout": 2, "autocommit": True}) as connection:  # type: ignore[arg-type]
        connection.execute("SELECT 1")
