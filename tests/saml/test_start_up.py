"""A process that meets no SAML response does not load what reads one."""

import subprocess
import sys

import pytest

LOADED = """
import sys, django
django.setup()
from django.urls import get_resolver
assert any(str(each.pattern) == "saml/" for each in get_resolver().url_patterns)
assert "oauth.saml.validating" in sys.modules
print(sorted({"lxml", "signxml"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_the_libraries_are_not_loaded_with_the_hub() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
