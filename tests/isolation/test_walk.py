"""Every route, method and id of the URL configuration, walked by a second tenant: another tenant's thing is no thing.

Each of the two walls is seen to hold alone, and with both of them down the walk is seen to find the leak.
"""

import re
from typing import Any
from uuid import uuid4

import pytest

from integrationhub.core import catalogue
from integrationhub.core.views import HubView
from tests.architecture.test_routes import GUARDED, METHODS
from tests.isolation.walls import QUERIES, ROW_SECURITY, without
from tests.isolation.world import World, told
from tests.make import Api, another_tenant

# What every tenant may name: rows and words that all of them share.
SHARED = {"intent", "provider_key", "id_or_slug", "provider"}
OWNED = {"installation_id", "credential_id", "execution_id", "connection_id", "enrolment_id", "run_id", "template_name"}
OWNED |= {"message_id", "media_id", "webhook_id", "endpoint_id", "subscription_id"}
SHARED |= {"phone", "cid"}  # A content address is of a content, whoever has it.
# What the owner sends to act; the stranger sends the same. Without a line here: an empty body.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/integrations/<str:installation_id>"): {"priority": 7},
    ("PATCH", "/webhook-subscriptions/<str:subscription_id>"): {"description": "another"},
    ("POST", "/webhook-subscriptions/<str:subscription_id>/replay"): {"since": "2026-01-01T00:00:00Z"},
    ("POST", "/credentials/<str:credential_id>/rotate"): {"credentials": {"api_key": "the-next-key-of-it"}},
}
WALLS = {"both walls": (), "queries alone": (ROW_SECURITY,), "row security alone": (QUERIES,)}


def names(path: str) -> list[str]:
    return re.findall(r"<\w+:(\w+)>", path)


def filled(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"<\w+:(\w+)>", lambda match: ids[match[1]], path)


WITH_IDS = [route for route in GUARDED if set(names(route[0])) & OWNED]
LISTS = [route for route in GUARDED if hasattr(route[1], "get") and not set(names(route[0])) & OWNED]


def ids(route: tuple[str, type[HubView]]) -> str:
    return route[0]


def methods_of(view: type[HubView]) -> list[str]:
    return [method for method in METHODS if hasattr(view, method.lower())]


def test_every_part_of_an_address_is_known_to_be_a_tenants_own_or_shared_by_all() -> None:
    found = {name for path, _ in GUARDED for name in names(path)}
    assert found == SHARED | OWNED


def is_refused_as_unknown(answer: tuple[Any, ...]) -> bool:
    """The one resource whose entry is a 403 is a delivery; any other 403 would say that there is something. A file that
    cannot be had is a 503, whatever the reason."""
    named = {403: catalogue.DELIVERY_NOT_FOUND.code, 503: '"reason":"unknown_medium"'}
    return answer[0] in (400, 404) or named.get(answer[0], "no such answer") in answer[2]


def differences(stranger: Api, world: World, path: str, view: type[HubView]) -> list[str]:
    """Where the answer to another tenant's id is another one than to an id that nothing has; all of them, by method."""
    found = []
    before = world.rows()
    for method in methods_of(view):
        body = BODIES.get((method, path), {})
        known = world.ids_of(path)
        unknown = {**known, **{name: str(uuid4()) for name in OWNED}}
        answers = [
            told(stranger.request(method, filled(path, given), body), given[names(path)[0]])
            for given in (known, unknown)
        ]
        if answers[0] != answers[1] or not is_refused_as_unknown(answers[0]):
            found.append(f"{method}: {answers}")
    if world.rows() != before:
        found.append("The other tenant's rows are not what they were.")
    return found


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("route", WITH_IDS, ids=ids)
def test_another_tenants_id_is_answered_byte_for_byte_like_an_unknown_one(
    route: tuple[str, type[HubView]], walls: str
) -> None:
    world = World()
    with without(*WALLS[walls]):
        assert differences(another_tenant(), world, *route) == []


@pytest.mark.parametrize("route", WITH_IDS, ids=ids)
def test_the_owner_does_by_the_same_request_what_the_stranger_could_not(route: tuple[str, type[HubView]]) -> None:
    world, (path, view) = World(), route
    for method in methods_of(view):
        answer = world.api.request(method, filled(path, world.ids_of(path)), BODIES.get((method, path), {}))
        assert answer.status_code < 300, (method, answer.content)


@pytest.mark.parametrize("route", WITH_IDS, ids=ids)
def test_with_both_walls_down_the_walk_finds_the_leak(route: tuple[str, type[HubView]]) -> None:
    world = World()
    with without(ROW_SECURITY, QUERIES):
        assert differences(another_tenant(), world, *route) != []


def leaks(world: World, path: str) -> list[str]:
    """What a list tells another tenant of this one."""
    shared = {
        "intent": "message.send.sms",
        "provider_key": "sandbox_primary",
        "id_or_slug": "sandbox_primary",
        "provider": "google",
        "phone": "+14155552671",
        "cid": "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    }
    answer = another_tenant().get(filled(path, shared))
    # There is no node of IPFS here.
    assert answer.status_code < 500 or answer.json()["code"] == catalogue.IPFS_UNAVAILABLE.code
    return [mark for mark in world.marks() if mark in answer.content.decode()]


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("route", LISTS, ids=ids)
def test_no_list_tells_anything_of_another_tenant(route: tuple[str, type[HubView]], walls: str) -> None:
    world = World()
    with without(*WALLS[walls]):
        assert leaks(world, route[0]) == []


@pytest.mark.parametrize(
    "path",
    [
        "/executions",
        "/credentials",
        "/integrations/installed",
        "/saml/idp",
        "/whatsapp/deliveries",
        "/webhooks",
        "/webhook-subscriptions",
    ],
)
def test_with_both_walls_down_a_list_is_found_to_leak(path: str) -> None:
    world = World()
    with without(ROW_SECURITY, QUERIES):
        assert leaks(world, path) != []
