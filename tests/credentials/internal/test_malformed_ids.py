"""What is no id, in the one address of a tenant's credential: found by no service, whoever's it is."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core.views import HubView
from tests.architecture.test_routes import INTERNAL, METHODS
from tests.core.envelopes import assert_envelope
from tests.credentials.internal.gateway import Gateway
from tests.isolation.malformed import FORMS
from tests.isolation.world import told

PROVIDER = "parcel_sms"
PATH = "/internal/credentials/<str:tenant_id>/<str:provider_key>"


def asked(gateway: Gateway, tenant: str, provider_key: str, id_: str) -> tuple[Any, ...]:
    """What the answer says, but for the tenant's id; after checking that it is a refusal in the envelope."""
    answer = gateway.request("GET", f"/{tenant}/{provider_key}")
    assert answer.status_code in {400, 404, 414}, answer.content[:300]
    assert_envelope(answer)
    return told(answer, id_)


def test_only_one_route_for_services_takes_ids() -> None:
    found = [(path, view) for path, view in INTERNAL if "<" in path]
    assert [path for path, _ in found] == [PATH]
    view: type[HubView] = found[0][1]
    assert [method for method in METHODS if hasattr(view, method.lower())] == ["GET"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "upper-case"])
def test_a_tenant_that_is_written_wrongly_is_like_one_that_has_nothing(
    gateway: Gateway, tenant: UUID, form: str
) -> None:
    assert gateway.bind(tenant).status_code == 201
    wrong = FORMS[form]
    known, unknown = (
        asked(gateway, wrong.of(id_), PROVIDER, wrong.spelled(id_)) for id_ in (str(tenant), str(uuid4()))
    )
    assert known == unknown


@pytest.mark.parametrize("form", FORMS)
def test_a_provider_that_is_written_wrongly_is_like_one_without_a_credential(
    gateway: Gateway, tenant: UUID, form: str
) -> None:
    assert gateway.bind(tenant).status_code == 201
    with_one, without = (asked(gateway, id_, FORMS[form].of(PROVIDER), id_) for id_ in (str(tenant), str(uuid4())))
    assert with_one == without
