"""The settings that `./hub` gives its children. What the caller's environment says comes first."""

from collections.abc import Mapping

TOKEN_DEFAULTS = {"JWT_ALGORITHM": "HS256", "JWT_ISSUER": "integration-hub", "JWT_AUDIENCE": "integration-hub"}

_SECRET_SETTINGS = (
    "SECRET_KEY",
    "JWT_SECRET",
    "KEY_ENCRYPTION_KEYS",
    "METRICS_TOKEN",
    "PLATFORM_TENANT_ID",
    "HUB_ADMIN_USERNAME",
    "HUB_ADMIN_PASSWORD",
)


def settings_of(
    given: Mapping[str, str], secrets: Mapping[str, str], servers: Mapping[str, str], port: int
) -> dict[str, str]:
    """The environment of an installation's children: the caller's, with what is missing or empty filled in."""
    defaults = {
        **TOKEN_DEFAULTS,
        # One that has not been started since lacks what is new.
        **{name: secrets[name] for name in _SECRET_SETTINGS if name in secrets},
        **servers,
        "CELERY_BROKER_URL": servers["REDIS_URL"],
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "SANDBOX_ENABLED": "true",
        # A log that is read while it is written must not wait for a full buffer.
        "PYTHONUNBUFFERED": "1",
    }
    missing = {name: value for name, value in defaults.items() if not given.get(name)}
    return {**given, **missing, "HUB_BIND": f"127.0.0.1:{port}"}


def token_settings(given: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Just the settings that make a token."""
    kept = {**TOKEN_DEFAULTS, "JWT_SECRET": secrets["JWT_SECRET"]}
    return {name: given.get(name) or value for name, value in kept.items()}
