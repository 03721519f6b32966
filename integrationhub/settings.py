"""Everything from the environment, one file. `docs/configuration.md` describes each name."""

from pathlib import Path
from typing import Any

import environ

from integrationhub.core.admin_site import UNFOLD  # noqa: F401  Read by django-unfold.
from integrationhub.core.logs import logging_config

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- The service itself ---

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
PLATFORM_TENANT_ID = env.str("PLATFORM_TENANT_ID", "")
SANDBOX_ENABLED = env.bool("SANDBOX_ENABLED", False)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
WEB_WORKERS = env.int("WEB_WORKERS", 2)
WEB_THREADS = env.int("WEB_THREADS", 8)

ROOT_URLCONF = "integrationhub.urls"
WSGI_APPLICATION = "integrationhub.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "integrationhub.core.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "integrationhub.core",
    "integrationhub.outbox",
    "integrationhub.idempotency",
    "integrationhub.audit",
    "providers",
    "credentials",
    "marketplace",
    "oauth",
    "oauth.totp",
    "oauth.saml",
    "templates",
    "whatsapp",
    "integrationhub.execution",
    "integrationhub.storage",
    "integrationhub.webhooks",
    "integrationhub.webhooks.telling",
    "integrationhub.pages",
]

MIDDLEWARE = [
    "integrationhub.core.middleware.HubMiddleware",
    "integrationhub.pages.content_security.ContentSecurity",
    "django.middleware.security.SecurityMiddleware",
    "integrationhub.core.page_middleware.Files",
    "integrationhub.core.page_middleware.Sessions",
    "integrationhub.core.page_middleware.Common",
    "integrationhub.core.page_middleware.Csrf",
    "integrationhub.core.page_middleware.Authentication",
    "integrationhub.core.page_middleware.Messages",
    "integrationhub.core.page_middleware.XFrameOptions",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # `templates/` at the top level is the message-template app; pages keep their HTML inside their own app.
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Who is calling ---

JWT_ALGORITHM = env.str("JWT_ALGORITHM", "HS256")
JWT_SECRET = env.str("JWT_SECRET", "")
JWT_PUBLIC_KEY = env.str("JWT_PUBLIC_KEY", "", multiline=True)
JWT_JWKS_URL = env.str("JWT_JWKS_URL", "")
JWT_ISSUER = env.str("JWT_ISSUER", "integration-hub")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", "integration-hub")

# Sibling services, whose certificates the API gateway verifies. Subjects hold commas, so ';' stands between identities.
MTLS_TRUSTED_PROXY_CIDRS = env.list("MTLS_TRUSTED_PROXY_CIDRS", default=[])
MTLS_GATEWAY_SECRETS = env.list("MTLS_GATEWAY_SECRETS", default=[])
MTLS_ALLOWED_IDENTITIES = [each.strip() for each in env.str("MTLS_ALLOWED_IDENTITIES", "").split(";") if each.strip()]
MTLS_HEADER_FORMAT = env.str("MTLS_HEADER_FORMAT", "nginx")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("TRUST_FORWARDED_PROTO", False) else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_BASE_URL.startswith("https://")
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31536000 if PUBLIC_BASE_URL.startswith("https://") else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", False)
# TLS ends at the proxy before us, which redirects people; an API that redirects a POST would lose its body. The layers
# that W002 and W003 look for are there, as classes of our own (integrationhub/core/page_middleware.py).
SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W003", "security.W008"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
LOGIN_REDIRECT_URL = "/admin/"

# --- Versions of the API: name -> what it is; dates of a sunset version are RFC 3339 dates ---

API_VERSIONS: dict[str, dict[str, Any]] = {
    "v1": {"status": "current"},
    "v2": {"status": "supported"},
    "v0": {"status": "sunset", "deprecated_at": "2026-01-01", "sunset_at": "2026-07-01"},
}
MIGRATION_GUIDE_URL = env.str("MIGRATION_GUIDE_URL", f"{PUBLIC_BASE_URL}/docs/versions")

# --- PostgreSQL, one database, three roles: row security binds `default`, `system` passes it, `owner` migrates ---


def _database(url_name: str, default: str, pool: dict[str, Any] | bool) -> dict[str, Any]:
    """The settings of one role's connection; django-environ reads the URL, the pool checks what it lends."""
    database = env.db_url(url_name, default)
    database["ENGINE"] = "integrationhub.core.postgresql"
    database["CONN_MAX_AGE"] = 0
    options = database.setdefault("OPTIONS", {})
    # Django turns psycopg's prepared statements off; with a number, those that ask for it are prepared at once.
    options.update({**_SILENT_SERVER, "prepare_threshold": 5, **options, "pool": pool})
    return database


# libpq's: a server that says nothing, or that no packet reaches, is given up; without them a thread waits for minutes.
_SILENT_SERVER = {
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A connection that cannot be made is given up as soon as whoever waits for it; else the pool's pauses would grow to
# minutes, and outlast the outage.
_POOL = {
    "min_size": 0,
    "max_size": env.int("DATABASE_POOL_SIZE", WEB_THREADS + 4),
    "timeout": 2.0,
    "reconnect_timeout": 2.0,
}
_LOCAL = "postgres://hub_{}@127.0.0.1:5432/integrationhub"
DATABASES = {
    "default": _database("DATABASE_URL", _LOCAL.format("app"), _POOL),
    "system": _database("DATABASE_SYSTEM_URL", _LOCAL.format("system"), _POOL),
    "owner": _database("DATABASE_OWNER_URL", _LOCAL.format("owner"), False),
}
DATABASE_ROUTERS = ["integrationhub.core.database.RoleRouter"]

# --- Redis (or Valkey): rate limits; the broker ---

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_TIMEOUT_SECONDS = 0.1

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
# No result is kept, so beat need not schedule a clean-up of them.
CELERY_RESULT_EXPIRES = None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 90
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Else Celery throws the pools of connections away around every task, which then connects anew. See `HubTask`.
CELERY_DB_REUSE_MAX = 10_000
CELERY_WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 2)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 6
# A run that is under way when the broker goes is done to its end; its message, delivered again, then finds nothing.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    # kombu looks for unacknowledged messages on every tenth ten-second tick; this makes it every tick.
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    # Whoever meets a broker that is away (the relay, a worker) has a pause and a next try of its own.
    "max_retries": 0,
    "health_check_interval": 10,
}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_DEFAULT_QUEUE = "maint"
# A worker takes all unless `-Q` names fewer; each has its own key, so that no message lands in two.
CELERY_TASK_QUEUES = {name: {"exchange": name, "routing_key": name} for name in ("execute", "webhook", "sync", "maint")}
CELERY_TASK_DEFAULT_EXCHANGE = CELERY_TASK_DEFAULT_ROUTING_KEY = "maint"

# --- Secrets at rest: `id:base64 of 32 bytes`, the first one encrypts, all of them decrypt ---

VAULT_BACKEND = env.str("VAULT_BACKEND", "local")
KEY_ENCRYPTION_KEYS = env.list("KEY_ENCRYPTION_KEYS", default=[])

VAULT_ADDR = env.str("VAULT_ADDR", "").rstrip("/")
VAULT_TOKEN = env.str("VAULT_TOKEN", "")
VAULT_TOKEN_FILE = env.str("VAULT_TOKEN_FILE", "")
VAULT_NAMESPACE = env.str("VAULT_NAMESPACE", "")
VAULT_TRANSIT_MOUNT = env.str("VAULT_TRANSIT_MOUNT", "transit").strip("/")
VAULT_TRANSIT_KEY = env.str("VAULT_TRANSIT_KEY", "integration-hub")
VAULT_KV_MOUNT = env.str("VAULT_KV_MOUNT", "secret").strip("/")
VAULT_KV_PREFIX = env.str("VAULT_KV_PREFIX", "integration-hub").strip("/")

# --- Providers ---

ADAPTER_MODULES = ["providers.adapters"]
ADAPTER_MODULES += ["oauth.adapters"]
ADAPTER_MODULES += ["whatsapp.adapter"]
ADAPTER_MODULES += ["integrationhub.storage.adapter"]

# Networks that are not public and may be called all the same, as CIDRs; over plain http too. Empty in production.
OUTBOUND_ALLOWED_NETWORKS = env.list("OUTBOUND_ALLOWED_NETWORKS", default=[])

# --- Accounts that people connect ---

OAUTH_PROVIDERS_FILE = env.str("OAUTH_PROVIDERS_FILE", "")
# Off: a front end that makes its own state and verifier may pass on a code without a start of ours.
OAUTH_REQUIRE_STATE = env.bool("OAUTH_REQUIRE_STATE", True)

# --- WhatsApp: the account of tenants that have bound none, and how Meta is reached ---

META_GRAPH_BASE_URL = env.str("META_GRAPH_BASE_URL", "https://graph.facebook.com").rstrip("/")
META_GRAPH_API_VERSION = env.str("META_GRAPH_API_VERSION", "v25.0")
META_MESSAGES_PER_SECOND = env.int("META_MESSAGES_PER_SECOND", 80)
META_MEDIA_HOSTS = env.list("META_MEDIA_HOSTS", default=["lookaside.fbsbx.com"])
META_WABA_ID = env.str("META_WABA_ID", "")
META_WHATSAPP_ACCESS_TOKEN = env.str("META_WHATSAPP_ACCESS_TOKEN", "")
META_WHATSAPP_PHONE_NUMBER_ID = env.str("META_WHATSAPP_PHONE_NUMBER_ID", "")
# During a rotation two: the one in use, and the one before.
META_WEBHOOK_APP_SECRETS = env.list("META_WEBHOOK_APP_SECRET", default=[])
META_WEBHOOK_VERIFY_TOKEN = env.str("META_WEBHOOK_VERIFY_TOKEN", "")
WHATSAPP_KEPT_DAYS = env.int("WHATSAPP_KEPT_DAYS", 90)
# The sync of templates reaches these by dotted path, since the accounts live above it: a tenant's view of Meta, and
# what notes that Meta refuses its token.
WHATSAPP_GRAPH = "whatsapp.accounts.graph"
WHATSAPP_NOTE = "whatsapp.accounts.note"

# --- Where files are kept: any store that speaks S3. `STORAGES` below puts these together ---

AWS_STORAGE_BUCKET_NAME = env.str("AWS_STORAGE_BUCKET_NAME", "")
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", "").rstrip("/")
MEDIA_URL_SECONDS = env.int("MEDIA_URL_SECONDS", 900)

# --- IPFS: the node of tenants that have installed none ---

IPFS_API_URL = env.str("IPFS_API_URL", "").rstrip("/")
# What it keeps for one tenant.
IPFS_MAX_BYTES_PER_TENANT = env.int("IPFS_MAX_BYTES_PER_TENANT", 1024**3)

# --- Limits. Core reads these by dotted path, since the tiers live in an app above it ---

TENANT_LIMITS = "marketplace.quotas.limits_of"

# --- The audit trail. Core tells these by dotted path of what was refused and what operators did ---

REFUSAL_RECORDER = "integrationhub.audit.refusals.note"
OPERATOR_RECORDER = "integrationhub.audit.operators.record"

# --- Executions left behind. The relay calls this by dotted path, since it is below them ---

SETTLER = "integrationhub.execution.settling.settle_when_due"

# --- Webhooks that wait for a worker, from providers and to tenants. The relay calls these before each round ---

COLLECTORS = ["integrationhub.webhooks.collecting.collect", "integrationhub.webhooks.telling.collecting.collect"]

# --- REST framework ---

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["integrationhub.core.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "integrationhub.core.permissions.TenantHeader",
        "integrationhub.core.permissions.Roles",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["integrationhub.core.throttling.TenantThrottle"],
    "DEFAULT_VERSIONING_CLASS": None,
    "DEFAULT_RENDERER_CLASSES": ["integrationhub.core.representation.HubJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["integrationhub.core.strict_json.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "integrationhub.core.schema.HubSchema",
    "EXCEPTION_HANDLER": "integrationhub.core.exception_handler.handle",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Integration Hub",
    "DESCRIPTION": "Say what is to be done, and the hub finds out who does it. Every operation lists the codes "
    f"of its errors; the error reference is at {PUBLIC_BASE_URL}/docs/errors.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "DEFAULT_GENERATOR_CLASS": "integrationhub.core.schema.HubSchemaGenerator",
    "POSTPROCESSING_HOOKS": [
        "integrationhub.core.schema.complete",
        "integrationhub.webhooks.telling.describing.add_webhooks",
    ],
    "SCHEMA_PATH_PREFIX": "/integrationhub/v[0-9]+",
    # A description of an enum's values would repeat the values.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "TAGS": [
        {"name": "execution", "description": "Run an intent, and see what became of it."},
        {"name": "providers", "description": "Who can be talked to, and which intents there are."},
        {"name": "marketplace", "description": "What can be installed, and what the tenant has installed."},
        {"name": "credentials", "description": "The tenant's secrets; they go in and never come out."},
        {"name": "oauth", "description": "Accounts of people, connected by OAuth."},
        {"name": "totp", "description": "One-time codes of authenticator apps."},
        {"name": "saml", "description": "Sign-in through the tenant's identity provider."},
        {"name": "whatsapp", "description": "Messages, templates, media and deliveries of WhatsApp Business."},
        {"name": "storage", "description": "Files on IPFS."},
        {
            "name": "webhooks",
            "description": "What providers told the hub, and what the hub tells the tenant's own addresses.",
        },
        {"name": "internal", "description": "For sibling services, over mTLS."},
        {"name": "errors", "description": "The catalogue of errors."},
    ],
}

# --- Files and logs ---

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # boto3 is imported when the first file is stored: integrationhub/core/object_store.py.
    "objects": {
        "BACKEND": "integrationhub.core.s3_objects.S3Objects",
        "OPTIONS": {
            "bucket_name": AWS_STORAGE_BUCKET_NAME,
            "access_key": env.str("AWS_ACCESS_KEY_ID", "") or None,
            "secret_key": env.str("AWS_SECRET_ACCESS_KEY", "") or None,
            "security_token": env.str("AWS_SESSION_TOKEN", "") or None,
            "region_name": env.str("AWS_S3_REGION_NAME", env.str("AWS_REGION", "us-east-1")),
            "endpoint_url": S3_ENDPOINT_URL or None,
            # Names of buckets before the host's are Amazon's; of other stores few know them without being told.
            "addressing_style": env.str("AWS_S3_ADDRESSING_STYLE", "path" if S3_ENDPOINT_URL else "virtual"),
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Static files are served from the packages they ship in: nothing to collect, nothing to forget.
WHITENOISE_USE_FINDERS = True
LOGGING = logging_config(level=env.str("LOG_LEVEL", "INFO"))
# Bodies are capped route by route (`HubView.max_body_bytes`), so that a refusal is an error of the catalogue. This one,
# which lies above those, is for the fields of a form beside its files.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
