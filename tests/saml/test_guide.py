"""The page for who connects an identity provider."""

import re
from pathlib import Path

from django.conf import settings

from oauth.saml.errors import REASONS


def test_it_says_what_to_do_about_every_refusal() -> None:
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", Path(settings.BASE_DIR, "docs/saml.md").read_text(), re.M)
    assert set(REASONS) <= {word for row in rows for word in re.findall(r"`([a-z_0-9]+)`", row)}
