"""Logs: one JSON object per line on stderr, for our own loggers and those of Django, gunicorn and Celery alike."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

HIDDEN = "[hidden]"

# A backstop, not the rule: code hands no secret to a logger in the first place.
_SECRET_NAMES = re.compile(
    r"secret|password|passwd|token|authorization|cookie|api[-_]?key|private[-_]?key|credential(s)?$", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"""(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}
      | (?P<jwt>(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?)
      | (?P<url>://[^\s/:@]*:)[^\s/@]+(?=@)
      | (?P<pair>(?:secret|password|passwd|token|api[-_]?key)["']?\s*[=:]\s*["']?)[^\s"'&,;})]{4,}""",
    re.VERBOSE | re.IGNORECASE,
)


# Without one of these a line has nothing that the two above would find, which cost far more than to look for this.
_HINTS = (
    *("bearer", "basic", "eyj", "://", "secret", "passw"),
    *("token", "api", "authorization", "cookie", "private", "credential"),
)


def redact(value: Any) -> Any:
    """The value with whatever looks like a secret replaced, at any depth; what is no JSON becomes text first."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {k: HIDDEN if _SECRET_NAMES.search(str(k)) else redact(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item) for item in value]
    return _SECRET_TEXT.sub(_hide, str(value))


def _hide(match: re.Match[str]) -> str:
    return (match["scheme"] or match["url"] or match["pair"] or "") + HIDDEN


# What every record has: anything beside it came by a call's `extra`.
_OF_A_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "_logger", "_name"}


class JSONLine(logging.Formatter):
    """One JSON object: `event` and its members, the bound context, `level`, `logger` and `time`.

    JSON escapes newlines, escape sequences and U+2028, so that no value can forge a line. Of a traceback the lines are
    written, and no local variables, since those can hold secrets.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = dict(record.msg) if isinstance(record.msg, dict) else self._said(record)
        exc_info = line.pop("exc_info", None) or record.exc_info
        line |= structlog.contextvars.get_contextvars()
        line |= {
            "level": record.levelname.lower(),
            "logger": record.name,
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z"),
        }
        if exc_info:
            line["exception"] = self.formatException(sys.exc_info() if exc_info is True else exc_info)
        text = json.dumps(line, default=str)
        lowered = text.lower()
        return json.dumps(redact(line), default=str) if any(hint in lowered for hint in _HINTS) else text

    def _said(self, record: logging.LogRecord) -> dict[str, Any]:
        extra = {name: value for name, value in vars(record).items() if name not in _OF_A_RECORD}
        return {"event": record.getMessage(), **extra}


# What no line tells need not be found out for each: https://docs.python.org/3/howto/logging.html#optimization
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
# A handler that cannot write would print the record as it came, before any redaction.
logging.raiseExceptions = False


def _send_structlog_through_logging() -> None:
    """Unconfigured, structlog prints text of its own on stdout, past level and redaction, with local variables."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def logging_config(level: str) -> dict[str, Any]:
    """The `logging.config.dictConfig` of every process: `time`, `level`, `logger`, `event`, and the bound context.

    The context (`request_id`, `tenant_id`, `execution_id`) is what `structlog.contextvars` holds; other members come
    from a call's `extra`, or from the keywords of a structlog logger, which leaves through the same handler.
    """
    _send_structlog_through_logging()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JSONLine}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # Each 4xx would be a line of its own here; the access line of the middleware says it already.
            "django.request": {"level": "CRITICAL"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "gunicorn.error": {"handlers": [], "level": level.upper(), "propagate": True},
            "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": True},
            # Below that it says paths and queries, where some providers want a token.
            "urllib3": {"level": "WARNING"},
        },
    }
