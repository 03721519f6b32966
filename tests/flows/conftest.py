"""A tenant as `./hub up` makes it: both sandbox providers installed, the primary first."""

from uuid import UUID

import pytest

from marketplace import seeding


@pytest.fixture(autouse=True)
def sandboxes(tenant: UUID) -> None:
    seeding.seed_demo(tenant)
