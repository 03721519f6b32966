"""A project as `startproject` makes it, with REST framework, Django's Redis cache and persistent connections."""

import os

import environ

env = environ.Env()

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "bench.control.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "bench.control",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

DATABASES = {"default": {**env.db_url("CONTROL_DATABASE_URL"), "CONN_MAX_AGE": 600}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": env.str("REDIS_URL")}}

JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE = env.str("JWT_SECRET"), env.str("JWT_ISSUER"), env.str("JWT_AUDIENCE")
BROKER_URL = env.str("CELERY_BROKER_URL", env.str("REDIS_URL"))
WEBHOOK_SECRET = env.str("META_WEBHOOK_APP_SECRET", "")
CREDENTIAL_KEY = env.str("CONTROL_CREDENTIAL_KEY")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["bench.control.access.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["bench.control.access.OwnTenant"],
    "DEFAULT_THROTTLE_CLASSES": ["bench.control.access.TenantThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    # REST framework keeps the time of each request in the window, as one value that every request reads and writes
    # whole: by the minute, as the hub counts, that list alone would cost more than the rest of the work.
    "DEFAULT_THROTTLE_RATES": {"tenant": "100000/second"},
    "UNAUTHENTICATED_USER": None,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
