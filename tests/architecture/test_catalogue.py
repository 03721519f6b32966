"""The catalogue is closed: these 54 codes, their statuses and names, and a class for each that the code can raise."""

import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

import credentials
import integrationhub
import marketplace
import oauth
import providers
import templates
import whatsapp
from integrationhub.core import catalogue
from integrationhub.core.catalogue import CATEGORIES, ENTRIES, Entry
from integrationhub.core.errors import HubError

PACKAGES = (integrationhub, providers, credentials, marketplace, oauth, templates, whatsapp)
# Starting programs or another framework's process is what importing these would do.
NOT_IMPORTED = (
    "integrationhub.launcher",
    "integrationhub.gunicorn_conf",
    "integrationhub.server",
    "integrationhub.wsgi",
)

# code, HTTP status, name
REFERENCE = [
    # Execution
    ("ERR_INTEGRATION_HUB_SVC_INVALID_INTENT", 400, "INVALID_INTENT"),
    ("ERR_INTEGRATION_HUB_SVC_UNAUTHORIZED", 401, "UNAUTHORIZED"),
    ("ERR_INTEGRATION_HUB_SVC_FORBIDDEN", 403, "FORBIDDEN"),
    ("ERR_INTEGRATION_HUB_SVC_QUOTA_EXCEEDED", 422, "QUOTA_EXCEEDED"),
    ("ERR_INTEGRATION_HUB_SVC_RATE_LIMIT_EXCEEDED", 429, "RATE_LIMIT_EXCEEDED"),
    ("ERR_INTEGRATION_HUB_SVC_ALL_PROVIDERS_FAILED", 503, "ALL_PROVIDERS_FAILED"),
    ("ERR_INTEGRATION_HUB_SVC_NO_PROVIDERS", 503, "NO_PROVIDERS"),
    ("ERR_INTEGRATION_HUB_SVC_INVALID_REQUEST", 400, "INVALID_REQUEST"),
    ("ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED", 503, "EXECUTION_FAILED"),
    # Provider
    ("ERR_INTEGRATION_HUB_SVC_PROVIDER_NOT_FOUND", 404, "PROVIDER_NOT_FOUND"),
    ("ERR_INTEGRATION_HUB_SVC_PROVIDER_CREATE_FAILED", 400, "PROVIDER_CREATE_FAILED"),
    ("ERR_INTEGRATION_HUB_SVC_ADAPTER_NOT_FOUND", 404, "ADAPTER_NOT_FOUND"),
    # Credential
    ("ERR_INTEGRATION_HUB_SVC_CREDENTIAL_BIND_FAILED", 400, "CREDENTIAL_BIND_FAILED"),
    ("ERR_INTEGRATION_HUB_SVC_INTERNAL_CREDENTIAL_BIND_FAILED", 400, "INTERNAL_CREDENTIAL_BIND_FAILED"),
    ("ERR_INTEGRATION_HUB_SVC_CREDENTIAL_NOT_FOUND", 404, "CREDENTIAL_NOT_FOUND"),
    ("ERR_INTEGRATION_HUB_SVC_CREDENTIAL_EXPIRED", 400, "CREDENTIAL_EXPIRED"),
    # OAuth
    ("ERR_INTEGRATION_HUB_SVC_MISSING_TOKEN", 400, "MISSING_TOKEN"),
    ("ERR_OAUTH_PROVIDER_REQUIRED", 400, "OAUTH_PROVIDER_REQUIRED"),
    ("ERR_OAUTH_CODE_REQUIRED", 400, "OAUTH_CODE_REQUIRED"),
    ("ERR_OAUTH_TOKEN_EXCHANGE_FAILED", 400, "OAUTH_TOKEN_EXCHANGE_FAILED"),
    ("ERR_OAUTH_UNSUPPORTED_PROVIDER", 400, "OAUTH_UNSUPPORTED_PROVIDER"),
    ("ERR_OAUTH_REFRESH_NOT_SUPPORTED", 400, "OAUTH_REFRESH_NOT_SUPPORTED"),
    ("ERR_OAUTH_REFRESH_FAILED", 400, "OAUTH_REFRESH_FAILED"),
    ("ERR_OAUTH_REVOCATION_FAILED", 400, "OAUTH_REVOCATION_FAILED"),
    ("ERR_OAUTH_PROFILE_FETCH_FAILED", 400, "OAUTH_PROFILE_FETCH_FAILED"),
    ("ERR_TOTP_INVALID", 400, "TOTP_INVALID"),
    ("ERR_SAML_DECODE", 400, "SAML_DECODE"),
    # WhatsApp
    ("ERR_INTEGRATION_HUB_SVC_WHATSAPP_UNAVAILABLE", 503, "WHATSAPP_UNAVAILABLE"),
    ("ERR_INTEGRATION_HUB_SVC_WHATSAPP_NOT_CONFIGURED", 503, "WHATSAPP_NOT_CONFIGURED"),
    ("ERR_INTEGRATION_HUB_SVC_WHATSAPP_SYNC_FAILED", 503, "WHATSAPP_SYNC_FAILED"),
    ("ERR_INTEGRATION_HUB_SVC_WHATSAPP_MEDIA_DOWNLOAD_FAILED", 503, "WHATSAPP_MEDIA_DOWNLOAD_FAILED"),
    ("ERR_INTEGRATION_HUB_DELIVERY_NOT_FOUND", 403, "DELIVERY_NOT_FOUND"),
    ("ERR_INTEGRATION_HUB_INVALID_SIGNATURE", 401, "INVALID_SIGNATURE"),
    ("ERR_INTEGRATION_HUB_TEMPLATE_REQUIRED", 400, "TEMPLATE_REQUIRED"),
    ("ERR_INTEGRATION_HUB_TEMPLATE_NOT_FOUND", 404, "TEMPLATE_NOT_FOUND"),
    ("ERR_INTEGRATION_HUB_INVALID_TEMPLATE_PARAMS", 400, "INVALID_TEMPLATE_PARAMS"),
    ("ERR_INTEGRATION_HUB_INVALID_PHONE", 400, "INVALID_PHONE"),
    # Storage
    ("ERR_INTEGRATION_HUB_SVC_IPFS_UNAVAILABLE", 503, "IPFS_UNAVAILABLE"),
    # Integration
    ("ERR_INTEGRATION_HUB_SVC_INTEGRATION_NOT_FOUND", 404, "INTEGRATION_NOT_FOUND"),
    ("ERR_CONNECTION_NOT_FOUND", 404, "CONNECTION_NOT_FOUND"),
    ("ERR_WEBHOOK_NOT_FOUND", 404, "WEBHOOK_NOT_FOUND"),
    # Versioning
    ("ERR_INTEGRATION_HUB_SVC_UNSUPPORTED_API_VERSION", 400, "UNSUPPORTED_API_VERSION"),
    ("ERR_INTEGRATION_HUB_SVC_API_VERSION_SUNSET", 400, "API_VERSION_SUNSET"),
    # Auth
    ("ERR_TENANT_REQUIRED", 401, "TENANT_REQUIRED"),
    ("ERR_RBAC_FORBIDDEN", 403, "RBAC_FORBIDDEN"),
    ("ERR_MTLS_REQUIRED", 401, "MTLS_REQUIRED"),
    ("ERR_RATE_LIMIT_EXCEEDED", 429, "RATE_LIMIT_EXCEEDED"),
    ("ERR_UNEXPECTED", 500, "UNEXPECTED"),
    # Meta Adapter
    ("META_UNAUTHORIZED", 401, "META_UNAUTHORIZED"),
    ("META_INVALID_PARAM", 400, "META_INVALID_PARAM"),
    ("META_UNDELIVERABLE", 400, "META_UNDELIVERABLE"),
    ("META_TEMPLATE_NOT_FOUND", 404, "META_TEMPLATE_NOT_FOUND"),
    ("META_TEMPLATE_PAUSED", 400, "META_TEMPLATE_PAUSED"),
    ("META_RATE_LIMIT", 429, "META_RATE_LIMIT"),
]
COUNTS = {
    "Execution": 9,
    "Provider": 3,
    "Credential": 4,
    "OAuth": 11,
    "WhatsApp": 10,
    "Storage": 1,
    "Integration": 3,
    "Versioning": 2,
    "Auth": 5,
    "Meta Adapter": 6,
}

# No code of the hub can meet these yet. What is added takes its codes out of this set, which never grows.
NOT_YET_RAISED: set[str] = set()


def _import_all() -> None:
    for root in PACKAGES:
        for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not found.name.startswith(NOT_IMPORTED):
                importlib.import_module(found.name)


def _subclasses(base: type[HubError]) -> set[type[HubError]]:
    return {base}.union(*(_subclasses(child) for child in base.__subclasses__()))


def _errors() -> set[type[HubError]]:
    _import_all()
    ours = tuple(root.__name__ for root in PACKAGES)
    return {error for error in _subclasses(HubError) if error.__module__.startswith(ours)}


def _source() -> str:
    """The program's text, without the catalogue and what only tells of it (a view lists its codes for OpenAPI)."""
    aside = {"catalogue.py", "schema.py", "error_examples.py", "error_guide.py", "sandbox_guide.py", "views.py"}
    roots = [Path(settings.BASE_DIR, root.__name__) for root in PACKAGES]
    files = [path for root in roots for path in root.rglob("*.py") if path.name not in aside]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_the_codes_statuses_and_names_are_those_of_the_reference() -> None:
    assert [(entry.code, entry.status, entry.name) for entry in ENTRIES.values()] == REFERENCE


def test_there_are_54_codes_and_53_names() -> None:
    names = Counter(entry.name for entry in ENTRIES.values())
    assert len(ENTRIES) == 54
    assert len(names) == 53
    assert names["RATE_LIMIT_EXCEEDED"] == 2


def test_no_two_entries_share_a_code() -> None:
    entries = [value for value in vars(catalogue).values() if isinstance(value, Entry)]
    assert [code for code, count in Counter(entry.code for entry in entries).items() if count > 1] == []


def test_the_ten_categories_hold_what_the_reference_holds() -> None:
    assert Counter(entry.category for entry in ENTRIES.values()) == COUNTS
    assert list(CATEGORIES) == list(COUNTS)


def test_codes_are_spelled_out_where_they_are_defined() -> None:
    text = Path(catalogue.__file__).read_text(encoding="utf-8")
    assert [code for code in ENTRIES if text.count(f'"{code}"') != 1] == []


def test_a_code_is_written_in_the_catalogue_alone() -> None:
    spelled = re.findall(r"[\"']((?:ERR|META)_[A-Z_]+)[\"']", _source())
    assert [code for code in spelled if code in ENTRIES] == []


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_messages_and_resolutions_are_written_in_one_style(entry: Entry) -> None:
    assert re.fullmatch(r"([A-Z]|mTLS).*[^.\s]", entry.message), "a headline: capital first, no full stop"
    assert re.fullmatch(r"[A-Z].*\.", entry.resolution), "a sentence: capital first, full stop last"
    assert entry.resolution != entry.message
    assert "  " not in entry.resolution


def test_only_what_may_cure_itself_is_retryable() -> None:
    retryable = [entry for entry in ENTRIES.values() if entry.retryable]
    assert {entry.status for entry in retryable} <= {400, 429, 503}
    assert [entry.code for entry in retryable if entry.status == 400] == [catalogue.OAUTH_REVOCATION_FAILED.code]
    assert [entry.code for entry in ENTRIES.values() if entry.status == 429 and not entry.retryable] == []


def test_every_error_class_has_an_entry_of_the_catalogue() -> None:
    strangers = [error.__name__ for error in _errors() if ENTRIES.get(error.entry.code) is not error.entry]
    assert strangers == []


def test_what_no_code_raises_yet_is_known_exactly() -> None:
    source = _source()
    constants = {name for name, value in vars(catalogue).items() if isinstance(value, Entry)}
    named = {name for name in constants if re.search(rf"\bcatalogue\.{name}\b", source)}
    assert constants - named == NOT_YET_RAISED
