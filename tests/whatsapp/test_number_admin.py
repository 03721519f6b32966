"""Operators ask Meta from the admin whether a number works."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from lxml import html

from tests.make import Api, another_tenant
from tests.meta.graph_server import GraphServer
from tests.whatsapp import numbers
from whatsapp.models import BusinessNumber

LIST = "/admin/whatsapp/businessnumber/"
DEPLOYMENTS = f"{LIST}check-deployments/"


@pytest.fixture
def bound(api: Api, meta: GraphServer) -> BusinessNumber:
    assert numbers.bind(api, numbers.credentials(meta)).status_code == 201
    meta.asked.clear()
    number: BusinessNumber = BusinessNumber.objects.using("system").get()
    return number


def page_of(number: BusinessNumber) -> str:
    return f"{LIST}{number.pk}/check/"


def test_the_list_tells_whose_number_it_is_and_whether_meta_has_taken_its_token(
    bound: BusinessNumber, operator: Client
) -> None:
    shown = operator.get(LIST).content.decode()
    assert bound.phone_number_id in shown
    assert str(bound.tenant_id) in shown
    assert operator.get(f"{LIST}{bound.pk}/change/").status_code == 200


def test_the_list_tells_which_of_two_tenants_hears_the_number(
    bound: BusinessNumber, operator: Client, meta: GraphServer
) -> None:
    """And a number of which nobody has shown a proof is nobody's."""
    unproven = numbers.credentials(meta, phone_number_id="109999999999999")
    assert numbers.bind(another_tenant(), numbers.credentials(meta)).status_code == 201
    assert numbers.bind(another_tenant(), unproven, verify=False).status_code == 201
    page: Any = html.fromstring(operator.get(LIST).content)
    assert page.xpath("//td[contains(@class, 'field-hears_it')]//@title") == ["False", "False", "True"]
    proofs = [cell.text_content().strip() for cell in page.xpath("//td[contains(@class, 'field-proven_at')]")]
    assert [len(proof) > 1 for proof in proofs] == [False, True, True]


def test_meta_is_asked_when_the_button_is_pressed_and_not_before(
    bound: BusinessNumber, operator: Client, meta: GraphServer
) -> None:
    assert "Ask Meta" in operator.get(page_of(bound)).content.decode()
    assert meta.asked == []
    shown = operator.post(page_of(bound)).content.decode()
    assert "is of quality GREEN" in shown
    assert shown.count("hub-good") == 4
    assert {asked.method for asked in meta.asked} == {"GET"}


def test_each_fault_is_told_in_metas_words_and_no_secret_is(
    bound: BusinessNumber, operator: Client, meta: GraphServer
) -> None:
    meta.fail(190, 401, on="/me", message="Error validating access token")
    shown = operator.post(page_of(bound)).content.decode()
    assert "Error validating access token" in shown
    assert (shown.count("hub-good"), shown.count("hub-bad")) == (3, 1)
    assert meta.token not in shown


def test_the_deployments_number_is_asked_about_too(operator: Client, meta: GraphServer, settings: Any) -> None:
    assert operator.post(DEPLOYMENTS).content.decode().count("hub-good") == 4
    settings.META_WHATSAPP_ACCESS_TOKEN = ""
    assert "Not asked" in operator.post(DEPLOYMENTS).content.decode()


def test_who_may_only_look_asks_nothing(bound: BusinessNumber, meta: GraphServer) -> None:
    clerk, client = User.objects.create_user("clerk", is_staff=True), Client()
    clerk.user_permissions.add(Permission.objects.get(codename="view_businessnumber"))
    client.force_login(clerk)
    assert client.get(LIST).status_code == 200
    for page in (page_of(bound), DEPLOYMENTS):
        assert client.post(page).status_code in (302, 403)
    assert meta.asked == []
