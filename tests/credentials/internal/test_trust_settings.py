"""A trust in a gateway that is half set, or too wide, is refused at the start with what mends it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from integrationhub.core.checks import refuse_unsafe
from integrationhub.core.management.commands import doctor
from tests.credentials.internal.authority import BILLING_SUBJECT, BILLING_URI
from tests.credentials.internal.gateway import NEXT_SECRET, SECRET

HALF = "left empty, while the rest of the trust in a gateway is set: set all of"
FAULTS = [
    ({"MTLS_TRUSTED_PROXY_CIDRS": []}, f"MTLS_TRUSTED_PROXY_CIDRS {HALF}"),
    ({"MTLS_GATEWAY_SECRETS": []}, f"MTLS_GATEWAY_SECRETS {HALF}"),
    ({"MTLS_ALLOWED_IDENTITIES": []}, f"MTLS_ALLOWED_IDENTITIES {HALF}"),
    (
        {"MTLS_TRUSTED_PROXY_CIDRS": [], "MTLS_GATEWAY_SECRETS": []},
        f"MTLS_TRUSTED_PROXY_CIDRS and MTLS_GATEWAY_SECRETS {HALF}",
    ),
    ({"MTLS_TRUSTED_PROXY_CIDRS": ["10.0.0.1/32", "0.0.0.0/0"]}, "MTLS_TRUSTED_PROXY_CIDRS, entry 2, would trust"),
    ({"MTLS_TRUSTED_PROXY_CIDRS": ["128.0.0.0/1"]}, "MTLS_TRUSTED_PROXY_CIDRS, entry 1, would trust strangers"),
    ({"MTLS_TRUSTED_PROXY_CIDRS": ["::/0"]}, "MTLS_TRUSTED_PROXY_CIDRS, entry 1, would trust strangers"),
    ({"MTLS_TRUSTED_PROXY_CIDRS": ["10.0.0.1/8"]}, "MTLS_TRUSTED_PROXY_CIDRS, entry 1, is no network"),
    ({"MTLS_TRUSTED_PROXY_CIDRS": ["gateway.internal"]}, "MTLS_TRUSTED_PROXY_CIDRS, entry 1, is no network"),
    ({"MTLS_GATEWAY_SECRETS": [SECRET, "x" * 31]}, "MTLS_GATEWAY_SECRETS, entry 2, is shorter than 32 bytes"),
    ({"MTLS_GATEWAY_SECRETS": ["x" * 64]}, "MTLS_GATEWAY_SECRETS, entry 1, looks like a placeholder"),
    ({"MTLS_GATEWAY_SECRETS": [SECRET + "ü"]}, "MTLS_GATEWAY_SECRETS, entry 1, holds what no header holds"),
    ({"MTLS_GATEWAY_SECRETS": [SECRET, NEXT_SECRET, SECRET]}, "MTLS_GATEWAY_SECRETS holds more than two"),
    ({"MTLS_ALLOWED_IDENTITIES": [BILLING_URI, "billing"]}, "MTLS_ALLOWED_IDENTITIES, entry 2, is no identity"),
    ({"MTLS_ALLOWED_IDENTITIES": ["spiffe://hub.example/*"]}, "MTLS_ALLOWED_IDENTITIES, entry 1, is no identity"),
    ({"MTLS_ALLOWED_IDENTITIES": ["CN=a, O=b"]}, "MTLS_ALLOWED_IDENTITIES, entry 1, is no identity"),
    ({"MTLS_HEADER_FORMAT": "auto"}, "MTLS_HEADER_FORMAT is none of nginx, xfcc, rfc9440"),
]


@pytest.fixture(autouse=True)
def _as_installed(settings: Settings) -> None:
    settings.DEBUG = False


@pytest.mark.parametrize("header_format", ["nginx", "xfcc", "rfc9440"])
def test_a_whole_trust_is_taken(settings: Settings, header_format: str) -> None:
    settings.MTLS_HEADER_FORMAT = header_format
    settings.MTLS_GATEWAY_SECRETS = [SECRET, NEXT_SECRET]
    settings.MTLS_TRUSTED_PROXY_CIDRS = ["10.0.0.0/8", "fd00::7/128"]
    refuse_unsafe()


def test_no_trust_at_all_is_taken_too(settings: Settings) -> None:
    settings.MTLS_TRUSTED_PROXY_CIDRS = settings.MTLS_GATEWAY_SECRETS = settings.MTLS_ALLOWED_IDENTITIES = []
    refuse_unsafe()


@pytest.mark.parametrize(("over", "said"), FAULTS, ids=[said[:70] for _, said in FAULTS])
def test_a_faulty_trust_is_refused_by_name_and_its_values_are_not_told(
    settings: Settings, over: dict[str, Any], said: str
) -> None:
    for name, value in over.items():
        setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        refuse_unsafe()
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert BILLING_URI not in str(caught.value)


def test_doctor_names_it(settings: Settings) -> None:
    settings.MTLS_TRUSTED_PROXY_CIDRS = ["0.0.0.0/0"]
    assert any("MTLS_TRUSTED_PROXY_CIDRS, entry 1, would trust strangers" in fault for fault in doctor.setting_faults())


def test_identities_stand_between_semicolons_in_the_environment() -> None:
    given = f" {BILLING_URI} ;{BILLING_SUBJECT}; ; CN=a\\3Bb"
    done = subprocess.run(
        [sys.executable, "-c", "from integrationhub import settings; print(settings.MTLS_ALLOWED_IDENTITIES)"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "MTLS_ALLOWED_IDENTITIES": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str([BILLING_URI, BILLING_SUBJECT, r"CN=a\3Bb"])
