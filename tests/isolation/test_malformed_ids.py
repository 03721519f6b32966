"""What is no id, in every route and method that takes one: refused in the envelope, by one answer for all tenants."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrationhub.core.views import HubView
from marketplace import quotas
from marketplace.models import Integration
from tests.architecture.test_routes import INTERNAL, ROUTES
from tests.core.envelopes import assert_envelope
from tests.environment import PLATFORM_TENANT
from tests.isolation.malformed import FORMS
from tests.isolation.test_walk import BODIES, OWNED, filled, ids, methods_of, names
from tests.isolation.world import World, told
from tests.make import Api

# Good ones of what all tenants may name, to be written wrongly.
GOOD = {
    "intent": "message.send.sms",
    "provider_key": "sandbox_primary",
    "code": "ERR_UNEXPECTED",
    "phone": "+14155552671",
}
# What else stands in a path beside it.
BESIDE = {"endpoint_token": "of-no-endpoint"}
ROUTE_BODY = {"providers": [{"provider_key": "sandbox_primary"}]}
SENT = {**BODIES, ("PUT", "/routing/<str:intent>"): ROUTE_BODY}
# The entry of an unknown delivery is a 403, that of a file that cannot be had a 503.
REFUSED = {400, 403, 404, 414, 503}
WITH_IDS = [route for route in ROUTES if "<" in route[0] and route not in INTERNAL]
OF_TENANTS = [route for route in WITH_IDS if set(names(route[0])) & OWNED]
OF_ALL = [route for route in WITH_IDS if route not in OF_TENANTS]


def asked(api: Api, method: str, path: str, form: str, id_: str) -> tuple[Any, ...]:
    """What the answer says, but for the id; after checking that it is a refusal in the envelope."""
    body = SENT.get((method, path), {})
    answer = api.request(method, filled(path, {**BESIDE, names(path)[0]: FORMS[form].of(id_)}), body)
    assert answer.status_code in REFUSED, (method, form, answer.content[:300])
    assert_envelope(answer)
    return told(answer, FORMS[form].spelled(id_))


def unlimited(tenant: UUID | None = None) -> Api:
    """A tenant that may ask thousands of times a minute."""
    api = Api(tenant or uuid4())
    quotas.subscribe(api.tenant, "enterprise")
    return api


@pytest.mark.parametrize("route", OF_TENANTS, ids=ids)
def test_an_id_of_ones_own_that_is_written_wrongly_is_no_more_than_anothers_or_nobodys(
    route: tuple[str, type[HubView]],
) -> None:
    path, view = route
    world, stranger = World(unlimited()), unlimited()
    own, before = world.ids[names(path)[0]], world.rows()
    for method in methods_of(view):
        for form in FORMS:
            asks = [(stranger, own), (stranger, str(uuid4()))]
            if form != "upper-case":  # An id in either case is its owner's.
                asks.append((world.api, own))
            answers = [asked(api, method, path, form, id_) for api, id_ in asks]
            assert all(answer == answers[0] for answer in answers), (method, form, answers)
    assert world.rows() == before


def written_wrongly(path: str) -> Iterator[tuple[str, str]]:
    """Each form with a good name to apply it to, where that makes it a wrong one."""
    name = names(path)[0]
    on_shelf = Integration.objects.get(slug="sandbox_primary")
    goods = [GOOD[name]] if name in GOOD else [on_shelf.slug, str(on_shelf.id)]
    for good in goods:
        for form, wrong in FORMS.items():
            if wrong.of(good) != good and not (form == "upper-case" and good == str(on_shelf.id)):
                yield form, good


@pytest.mark.parametrize("route", OF_ALL, ids=ids)
def test_what_all_may_name_is_written_wrongly_for_every_tenant_alike(route: tuple[str, type[HubView]]) -> None:
    path, view = route
    world, stranger, platform = World(unlimited()), unlimited(), unlimited(UUID(PLATFORM_TENANT))
    for method in methods_of(view):
        # What the platform alone may do is refused to the others whatever they name.
        callers = [platform] if method in view.platform_only else [world.api, stranger, platform]
        for form, good in written_wrongly(path):
            answers = [asked(api, method, path, form, good) for api in callers]
            assert all(answer == answers[0] for answer in answers), (method, form, answers)
