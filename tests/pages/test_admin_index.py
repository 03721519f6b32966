"""The admin's first page: the same groups and names as the sidebar beside it."""

from itertools import chain

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory

from integrationhub.core.admin_site import UNFOLD


def titles(groups: list) -> dict[str, list[str]]:
    return {group["title"]: [str(item["title"]) for item in group["items"]] for group in groups}


def test_the_first_page_is_grouped_and_named_as_the_sidebar_is(client: Client) -> None:
    client.force_login(User.objects.create_superuser("operator"))
    shown = client.get("/admin/").context["app_list"]
    groups = {group["name"]: [model["name"] for model in group["models"]] for group in shown}
    assert groups == titles(UNFOLD["SIDEBAR"]["navigation"])


def test_every_model_with_pages_is_in_the_sidebar() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User(is_superuser=True, is_active=True)
    with_pages = [str(model["name"]) for app in admin.site.get_app_list(request) for model in app["models"]]
    assert sorted(with_pages) == sorted(chain.from_iterable(titles(UNFOLD["SIDEBAR"]["navigation"]).values()))


def test_an_operator_who_may_see_little_is_offered_little(client: Client) -> None:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_tier"))
    client.force_login(user)
    shown = client.get("/admin/").context["app_list"]
    assert [(group["name"], [model["name"] for model in group["models"]]) for group in shown] == [
        ("Tenants", ["Tiers"])
    ]
