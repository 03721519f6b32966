from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _door(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.core.door"
    settings.TENANT_LIMITS = "tests.core.door.limits_of"
