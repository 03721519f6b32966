from collections.abc import Iterator
from typing import Any

import pytest

from integrationhub.webhooks import endpoints, receiving
from tests.webhooks.posting import OLD_SECRET, SECRET


@pytest.fixture(autouse=True)
def secrets_of_the_app(settings: Any) -> Iterator[None]:
    """A deployment whose app secret is being rotated."""
    settings.META_WEBHOOK_APP_SECRETS = [SECRET, OLD_SECRET]
    settings.META_WEBHOOK_VERIFY_TOKEN = "the-verify-token"
    yield
    endpoints.forget()
    receiving.forget()
