"""What the database refused, told apart by the constraint's name."""

import pytest
from django.db import IntegrityError

from integrationhub.core.database import violates
from providers.models import Provider

KEY_IS_UNIQUE = "providers_provider_provider_key_key"


def refused(**over: str) -> IntegrityError:
    row = {"provider_key": "acme_sms", "display_name": "Acme", "category": "messaging", "status": "planned", **over}
    with pytest.raises(IntegrityError) as caught:
        Provider.objects.create(**row)
    return caught.value


def test_a_taken_key_is_told_from_every_other_refusal() -> None:
    assert violates(refused(provider_key="sandbox_primary"), KEY_IS_UNIQUE)
    assert not violates(refused(category="music"), KEY_IS_UNIQUE)
