"""`manage.py seed_demo` makes the operator's login once; what operators change in it stays."""

from io import StringIO
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_ADMIN_USERNAME", "operator")
    monkeypatch.setenv("HUB_ADMIN_PASSWORD", "the first password")


def seed(tenant: UUID) -> User:
    call_command("seed_demo", tenant=tenant, stdout=StringIO())
    return User.objects.get(username="operator")


def test_the_operator_may_do_everything(tenant: UUID) -> None:
    operator = seed(tenant)
    assert operator.check_password("the first password")
    assert (operator.is_staff, operator.is_superuser) == (True, True)


def test_a_changed_password_survives_the_next_start(tenant: UUID) -> None:
    operator = seed(tenant)
    operator.set_password("another password")
    operator.save()
    assert seed(tenant).check_password("another password")


def test_rights_that_were_taken_away_are_not_given_back(tenant: UUID) -> None:
    operator = seed(tenant)
    operator.is_superuser = False
    operator.save()
    assert not seed(tenant).is_superuser
