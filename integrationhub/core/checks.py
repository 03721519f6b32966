"""What must hold before the hub serves anyone: settings whose defaults suit a developer's machine are refused."""

import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.checks import ERROR, Error, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connections
from jwt import PyJWTError

from integrationhub.core import encryption_keys, gateway_trust, provisioning
from integrationhub.core.outbound.addresses import networks
from integrationhub.core.signing_keys import ALGORITHMS, keys

logger = logging.getLogger(__name__)

LEAST_SECRET_BYTES = 32
_PLACEHOLDERS = ("change-me", "changeme", "change_me", "default", "example", "insecure", "placeholder", "password")


# The tag of other apps' checks that must pass before the hub serves; they may ask the database.
BEFORE_START = "before_start"


def refuse_unsafe() -> None:
    """Raise ImproperlyConfigured naming every unsafe setting and its fix; with DEBUG on, do nothing."""
    if settings.DEBUG:
        return
    faults = [*setting_faults(), *role_faults(), *_faults_of_apps()]
    if faults:
        raise ImproperlyConfigured("The hub does not start:\n" + "\n".join(f"- {fault}" for fault in faults))
    if settings.OUTBOUND_ALLOWED_NETWORKS:
        logger.warning("outbound_networks_opened", extra={"networks": settings.OUTBOUND_ALLOWED_NETWORKS})


def _faults_of_apps() -> Iterator[str]:
    try:
        found = run_checks(tags=[BEFORE_START], databases=["system"])
    except DatabaseError:
        return  # Away at the start; that the role could not be checked has been logged.
    for check in found:
        if check.level >= ERROR:
            yield f"{check.msg} {check.hint or ''}".strip()


@register()
def check_settings(app_configs: Any, **kwargs: Any) -> list[Error]:
    """The same faults for `manage.py check`, without asking the database."""
    if settings.DEBUG:
        return []
    return [Error(fault, id=f"hub.E{number:03}") for number, fault in enumerate(setting_faults(), 1)]


def setting_faults() -> Iterator[str]:
    """One sentence per fault: which setting, what is wrong, how to mend it. Never the value itself."""
    for check in _CHECKS:
        yield from check()


def _secrets() -> Iterator[str]:
    names = ["SECRET_KEY"] + (["JWT_SECRET"] if settings.JWT_ALGORITHM == "HS256" else [])
    for name in names:
        yield from _weakness(name, _secret(name), name)


def _gateway() -> Iterator[str]:
    yield from gateway_trust.faults()
    for number, secret in enumerate(settings.MTLS_GATEWAY_SECRETS, 1):
        entry = f"MTLS_GATEWAY_SECRETS, entry {number},"
        if not (secret.isascii() and secret.isprintable()):
            yield f"{entry} holds what no header holds: {_make_one('it')}"
        yield from _weakness("MTLS_GATEWAY_SECRETS", secret, entry)


def _metrics() -> Iterator[str]:
    if settings.METRICS_TOKEN:
        yield from _weakness("METRICS_TOKEN", settings.METRICS_TOKEN, "METRICS_TOKEN")


def _weakness(name: str, value: str, called: str) -> Iterator[str]:
    if len(value.encode()) < LEAST_SECRET_BYTES:
        yield f"{called} is shorter than {LEAST_SECRET_BYTES} bytes: {_make_one(name)}"
    elif len(set(value)) < 8 or any(word in value.lower() for word in _PLACEHOLDERS):
        yield f"{called} looks like a placeholder: {_make_one(name)}"


def _secret(name: str) -> str:
    try:
        return str(getattr(settings, name))
    except ImproperlyConfigured:  # How Django itself says that SECRET_KEY is empty.
        return ""


def _make_one(name: str) -> str:
    return f"set {name} to what `python -c 'import secrets; print(secrets.token_urlsafe(48))'` prints."


def _encryption_keys() -> Iterator[str]:
    try:
        encryption_keys.parse(settings.KEY_ENCRYPTION_KEYS)
    except ImproperlyConfigured as fault:
        yield str(fault)


def _hosts() -> Iterator[str]:
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield "ALLOWED_HOSTS is empty or holds '*': list the host names that callers use, comma-separated."
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield "PUBLIC_BASE_URL is not a URL: set it to the address that callers use, as in https://hub.example.com."


def _token_keys() -> Iterator[str]:
    if settings.JWT_ALGORITHM not in ALGORITHMS:
        yield f"JWT_ALGORITHM is none of {', '.join(ALGORITHMS)}: set it to the one that signs your tokens."
    elif settings.JWT_ALGORITHM != "HS256" and not settings.JWT_JWKS_URL:
        if not settings.JWT_PUBLIC_KEY:
            yield f"JWT_ALGORITHM is {settings.JWT_ALGORITHM} without a key: set JWT_PUBLIC_KEY or JWT_JWKS_URL."
        elif not _is_loadable():
            yield f"JWT_PUBLIC_KEY does not fit {settings.JWT_ALGORITHM}: set it to the public key in PEM."
    for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
        if not getattr(settings, name):
            yield f"{name} is empty: set it to what your tokens say, or every token would do."


def _is_loadable() -> bool:
    try:
        keys()
    except (ValueError, TypeError, PyJWTError):
        return False
    return True


def _platform_tenant() -> Iterator[str]:
    try:
        UUID(settings.PLATFORM_TENANT_ID or "00000000-0000-0000-0000-000000000000")
    except ValueError:
        yield "PLATFORM_TENANT_ID is not a UUID: set it to the tenant whose admins edit providers, or leave it empty."


def _opened_networks() -> Iterator[str]:
    try:
        networks(tuple(settings.OUTBOUND_ALLOWED_NETWORKS))
    except ValueError:
        yield (
            "OUTBOUND_ALLOWED_NETWORKS is no list of networks: separate them by commas, each as in 10.1.0.0/16 with no "
            "bits set after the prefix, or leave it empty."
        )


def _ipfs_node() -> Iterator[str]:
    if not settings.IPFS_API_URL:
        return
    parts = urlsplit(settings.IPFS_API_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.path.endswith("/api/v0"):
        yield (
            "IPFS_API_URL is not the address of a node's RPC: set it as in http://127.0.0.1:5001, without /api/v0, or "
            "leave it empty."
        )


_CHECKS: tuple[Callable[[], Iterator[str]], ...] = (
    _secrets,
    _encryption_keys,
    _hosts,
    _token_keys,
    _platform_tenant,
    _opened_networks,
    _ipfs_node,
    _gateway,
    _metrics,
)


ROLE = """
SELECT quote_ident(rolname), rolsuper OR rolbypassrls, current_setting('statement_timeout'),
       current_setting('lock_timeout')
FROM pg_roles WHERE rolname = current_user
"""


def role_faults() -> Iterator[str]:
    """Whether row-level security binds the application's role, and time-outs end what it and the system's role do.

    A database that is away is only logged.
    """
    for alias, setting in (("default", "DATABASE_URL"), ("system", "DATABASE_SYSTEM_URL")):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(ROLE)
                name, passes_walls, statement_timeout, lock_timeout = cursor.fetchone()
        except DatabaseError as error:
            logger.warning("database_role_not_checked", extra={"reason": type(error).__name__})
            return
        finally:
            connections[alias].close()
        if alias == "default" and passes_walls:
            yield (
                "DATABASE_URL connects as a role that is a superuser or has BYPASSRLS, which no tenant wall binds: use "
                "a role made by `manage.py prepare_database`, or ALTER ROLE ... NOSUPERUSER NOBYPASSRLS."
            )
        if statement_timeout == "0":
            yield _without_end(setting, name, "statement_timeout", provisioning.STATEMENT_TIMEOUTS[alias])
        if lock_timeout == "0":
            yield _without_end(setting, name, "lock_timeout", provisioning.LOCK_TIMEOUT)


def _without_end(setting: str, role: str, limit: str, value: str) -> str:
    return (
        f"{setting} connects as a role without {limit}, so that one statement may hold a thread for ever: run "
        f"`ALTER ROLE {role} SET {limit} = '{value}'`."
    )
