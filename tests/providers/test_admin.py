import re
from itertools import product
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.test import Client

from integrationhub.core.admin_site import UNFOLD
from marketplace.models import Integration
from providers.models import Provider

LIST = "/admin/providers/provider/"


@pytest.fixture
def sandbox(operator: Client) -> Provider:
    return Provider.objects.get(provider_key="sandbox_primary")


def form_of(provider: Provider, **over: Any) -> dict[str, Any]:
    names = ("display_name", "category", "status", "summary", "base_url", "position")
    return {**{name: getattr(provider, name) for name in names}, **over}


def test_the_pages_are_for_operators_alone() -> None:
    answer = Client().get(LIST)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_the_list_shows_each_provider(operator: Client) -> None:
    Provider.objects.create(provider_key="acme_sms", display_name="Acme", category="messaging")
    page = operator.get(LIST).content.decode()
    for shown in ("sandbox_primary", "acme_sms", "Planned", "Active"):
        assert shown in page


def test_the_list_can_be_searched(operator: Client) -> None:
    page = operator.get(LIST + "?q=secondary&status__exact=active").content.decode()
    assert "sandbox_secondary" in page
    assert "sandbox_primary" not in page


def test_the_form_shows_the_adapters_schemas(operator: Client, sandbox: Provider) -> None:
    page = operator.get(f"{LIST}{sandbox.pk}/change/").content.decode()
    assert "message.send.sms" in page
    assert "This provider needs no credential." in page


def test_an_operator_edits_a_row(operator: Client, sandbox: Provider) -> None:
    changed = form_of(sandbox, display_name="First", base_url="https://sandbox.example")
    assert operator.post(f"{LIST}{sandbox.pk}/change/", changed).status_code == 302
    sandbox.refresh_from_db()
    assert (sandbox.display_name, sandbox.base_url) == ("First", "https://sandbox.example")


@pytest.mark.parametrize("address", ["http://sandbox.example", "javascript:alert(1)", "sandbox.example"])
def test_an_address_that_is_not_https_is_refused(
    operator: Client, sandbox: Provider, settings: Any, address: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    answer = operator.post(f"{LIST}{sandbox.pk}/change/", form_of(sandbox, base_url=address))
    assert "An https:// address, or nothing." in answer.content.decode()
    sandbox.refresh_from_db()
    assert sandbox.base_url == ""


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("https://user:pass@sandbox.example", "without a user name"),
        ("https://sandbox.example/a b", "without white space"),
        ("https://sandbox.example\\@other.example", "without white space"),
        ("https://sandbox.example/?key=1", "without a query"),
        ("https://sandbox.example/#top", "without a query"),
        ("https://sandbox.example?", "without a query"),
        ("https://sandbox.example:22", "Port 443 or 8443"),
        ("https://sandbox.example:99999", "An https:// address"),
        ("https://[::1", "An https:// address"),
        ("https://sand_box.exa mple", "without white space"),
        ("https://" + "a" * 70 + ".example", "An https:// address"),
        ("https://127.0.0.1", "not on the public internet"),
        ("https://[fd00::1]:8443", "not on the public internet"),
        ("https://169.254.169.254/latest", "not on the public internet"),
    ],
)
def test_an_address_that_the_hub_would_not_call_is_refused_by_what_is_wrong(
    operator: Client, sandbox: Provider, settings: Any, address: str, fault: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    answer = operator.post(f"{LIST}{sandbox.pk}/change/", form_of(sandbox, base_url=address))
    assert fault in answer.content.decode()
    sandbox.refresh_from_db()
    assert sandbox.base_url == ""


def test_an_address_with_a_line_end_is_none(sandbox: Provider) -> None:
    sandbox.base_url = "https://sandbox.example\n"
    with pytest.raises(ValidationError, match="without white space"):
        sandbox.full_clean()


@pytest.mark.parametrize(
    "address", ["https://sandbox.example:8443/proxy/", "https://8.8.8.8", "https://bücher.example"]
)
def test_an_address_of_a_host_and_a_path_is_taken(
    operator: Client, sandbox: Provider, settings: Any, address: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    assert operator.post(f"{LIST}{sandbox.pk}/change/", form_of(sandbox, base_url=address)).status_code == 302


def test_a_plain_address_is_taken_where_a_network_is_opened(operator: Client, sandbox: Provider) -> None:
    changed = form_of(sandbox, base_url="http://127.0.0.1:9000")
    assert operator.post(f"{LIST}{sandbox.pk}/change/", changed).status_code == 302


def test_an_operator_adds_a_row(operator: Client) -> None:
    row = {
        "provider_key": "acme_sms",
        "display_name": "Acme",
        "category": "messaging",
        "status": "planned",
        "position": 5,
    }
    assert operator.post(LIST + "add/", row).status_code == 302
    assert Provider.objects.get(provider_key="acme_sms").position == 5


@pytest.mark.parametrize("key", ["Acme", "sandbox_primary"])
def test_a_key_of_another_form_or_taken_is_refused(operator: Client, key: str) -> None:
    row = {"provider_key": key, "display_name": "Acme", "category": "messaging", "status": "planned", "position": 5}
    assert operator.post(LIST + "add/", row).status_code == 200
    assert not Provider.objects.filter(display_name="Acme").exists()


def test_a_key_once_given_stays(operator: Client, sandbox: Provider) -> None:
    operator.post(f"{LIST}{sandbox.pk}/change/", form_of(sandbox, provider_key="other_key"))
    sandbox.refresh_from_db()
    assert sandbox.provider_key == "sandbox_primary"


def test_enabling_changes_the_status_and_is_remembered(operator: Client, sandbox: Provider) -> None:
    Provider.objects.filter(pk=sandbox.pk).update(status="disabled")
    operator.post(LIST, {"action": "enable", "_selected_action": [str(sandbox.pk)]})
    sandbox.refresh_from_db()
    assert sandbox.status == "active"
    assert LogEntry.objects.filter(object_id=str(sandbox.pk)).exists()


def test_a_provider_without_an_adapter_cannot_be_enabled(operator: Client) -> None:
    planned = Provider.objects.create(provider_key="acme_sms", display_name="Acme", category="messaging")
    answer = operator.post(LIST, {"action": "enable", "_selected_action": [str(planned.pk)]}, follow=True)
    planned.refresh_from_db()
    assert planned.status == "planned"
    assert "without an adapter: acme_sms" in answer.content.decode()


def test_the_form_refuses_an_active_provider_without_an_adapter(operator: Client) -> None:
    row = {
        "provider_key": "acme_sms",
        "display_name": "Acme",
        "category": "messaging",
        "status": "active",
        "position": 5,
    }
    answer = operator.post(LIST + "add/", row)
    assert "This provider has no adapter yet" in answer.content.decode()
    assert not Provider.objects.filter(provider_key="acme_sms").exists()


def test_a_provider_cannot_be_deleted(operator: Client, sandbox: Provider) -> None:
    assert operator.post(f"{LIST}{sandbox.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Provider.objects.filter(pk=sandbox.pk).exists()


@pytest.mark.parametrize(
    "path",
    ["", "auth/user/", "auth/user/add/", "auth/group/add/", "django_celery_beat/periodictask/",
     "django_celery_beat/periodictask/add/", "django_celery_beat/crontabschedule/add/",
     "django_celery_beat/intervalschedule/", "providers/provider/add/"],
)  # fmt: skip
def test_each_page_answers_without_another_host(operator: Client, path: str) -> None:
    answer = operator.get(f"/admin/{path}")
    assert answer.status_code == 200
    assert 'src="http' not in answer.content.decode()


def test_a_page_shows_no_setting_that_is_secret(operator: Client, sandbox: Provider, settings: Any) -> None:
    pages = [operator.get(path).content.decode() for path in (LIST, f"{LIST}{sandbox.pk}/change/", "/admin/")]
    for secret, page in product((settings.SECRET_KEY, settings.JWT_SECRET), pages):
        assert secret not in page


# --- Order ---


def order_of(operator: Client) -> list[str]:
    """The keys in the order of the list's rows."""
    return re.findall(r"<small>(\w+), \w+", operator.get(LIST).content.decode())


def button(operator: Client, label: str) -> dict[str, str]:
    """What the button of this label sends; it stands in the form of the rows' buttons."""
    page = operator.get(LIST).content.decode()
    assert re.search(r'<form id="row-buttons" method="post"><input type="hidden" name="csrfmiddlewaretoken"', page)
    [attributes] = [each for each in re.findall(r"<button([^>]+)>", page) if f'aria-label="{label}"' in each]
    assert 'form="row-buttons"' in attributes
    assert 'type="submit"' in attributes
    return {"move": re.search(r'value="([^"]+)"', attributes)[1]}  # type: ignore[index]


def test_a_row_moves_by_a_button_and_the_focus_stays_on_it(operator: Client) -> None:
    before = order_of(operator)
    wanted = button(operator, "Move Twilio up")
    answer = operator.post(LIST, wanted)
    provider_id, direction = wanted["move"].split(":")
    assert answer["Location"] == f"{LIST}#{direction}-{provider_id}"
    page = operator.get(LIST).content.decode()
    assert f'id="{direction}-{provider_id}"' in page
    assert "Twilio moved up." in page
    at = before.index("twilio_sms")
    before.insert(at - 1, before.pop(at))
    assert order_of(operator) == before


def test_a_row_moves_step_by_step_to_either_end_and_no_further(operator: Client) -> None:
    Integration.objects.all().delete()
    Provider.objects.exclude(provider_key__endswith="_sms").delete()
    *others, last = order_of(operator)
    assert len(others) > 1
    name = Provider.objects.get(provider_key=last).display_name
    for _ in range(len(others) + 1):
        operator.post(LIST, button(operator, f"Move {name} up"))
    assert order_of(operator) == [last, *others]
    for _ in others:
        operator.post(LIST, button(operator, f"Move {name} down"))
    assert order_of(operator) == [*others, last]
    said = operator.post(LIST, button(operator, f"Move {name} down"), follow=True).content.decode()
    assert f"{name} is the last already." in said


def test_a_move_keeps_the_filters_of_the_list(operator: Client) -> None:
    answer = operator.post(f"{LIST}?status__exact=active", button(operator, "Move Twilio up"))
    assert answer["Location"].startswith(f"{LIST}?status__exact=active#up-")


@pytest.mark.parametrize("move", ["nonsense", ":up", "00000000-0000-7000-8000-000000000000:up", "{id}:sideways"])
def test_a_move_of_nothing_moves_nothing(operator: Client, sandbox: Provider, move: str) -> None:
    before = order_of(operator)
    assert operator.post(LIST, {"move": move.format(id=sandbox.pk)}).status_code == 302
    assert order_of(operator) == before


def test_dragged_rows_are_saved_as_the_browser_numbers_them(operator: Client) -> None:
    rows = list(Provider.objects.all())
    wanted = list(reversed(rows))
    form = {"_save": "Save", "form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for at, row in enumerate(rows):
        form |= {f"form-{at}-id": str(row.pk), f"form-{at}-position": wanted.index(row)}
    assert operator.post(LIST, form).status_code == 302
    assert order_of(operator) == [row.provider_key for row in wanted]


def form_of_the_list(operator: Client) -> dict[str, Any]:
    """What the browser sends back of the list as it is read now."""
    page = operator.get(LIST).content.decode()
    inputs = [dict(re.findall(r'(name|value)="([^"]*)"', each)) for each in re.findall(r"<input[^>]+>", page)]
    return {each["name"]: each.get("value", "") for each in inputs if each.get("name", "").startswith("form-")}


def number_of(form: dict[str, Any], provider: Provider) -> str:
    """The name that the row's position has in the form."""
    return next(name for name, value in form.items() if value == str(provider.pk)).removesuffix("id") + "position"


def positions() -> dict[str, int]:
    return dict(Provider.objects.values_list("provider_key", "position"))


def test_an_old_page_saves_the_one_position_that_was_changed_in_it(operator: Client, sandbox: Provider) -> None:
    old = form_of_the_list(operator)
    twilio = Provider.objects.get(provider_key="twilio_sms")
    Provider.objects.filter(pk=twilio.pk).update(position=77)
    before = positions()
    changed = {**old, number_of(old, sandbox): "55"}
    assert operator.post(LIST, {**changed, "_save": "Save"}).status_code == 302
    assert positions() == {**before, "sandbox_primary": 55}


def test_an_old_page_does_not_move_what_others_have_moved_meanwhile(operator: Client, sandbox: Provider) -> None:
    old = form_of_the_list(operator)
    Provider.objects.filter(pk=sandbox.pk).update(position=77)
    before = positions()
    twilio = Provider.objects.get(provider_key="twilio_sms")
    changed = {**old, number_of(old, sandbox): "55", number_of(old, twilio): "56"}
    answer = operator.post(LIST, {**changed, "_save": "Save"})
    assert "Somebody else has changed it since. Nothing is saved: load the page again." in answer.content.decode()
    assert positions() == before
    new = form_of_the_list(operator)
    operator.post(LIST, {**new, number_of(new, sandbox): "55", "_save": "Save"})
    assert positions() == {**before, "sandbox_primary": 55}


def test_a_drag_renumbers_no_position_that_the_page_had_read(operator: Client) -> None:
    """The browser finds what to renumber by the end of its name."""
    read = [name for name in form_of_the_list(operator) if name.endswith("-read")]
    assert len(read) == Provider.objects.count()
    assert not [name for name in read if name.endswith("-position")]


def test_an_order_is_saved_although_a_row_is_active_without_its_adapter(operator: Client) -> None:
    row = Provider.objects.create(provider_key="gone_sms", display_name="Gone", category="messaging", status="active")
    rows = list(Provider.objects.all())
    form = {"_save": "Save", "form-TOTAL_FORMS": len(rows), "form-INITIAL_FORMS": len(rows)}
    for at, each in enumerate(rows):
        form |= {f"form-{at}-id": str(each.pk), f"form-{at}-position": 0 if each == row else each.position}
    assert operator.post(LIST, form).status_code == 302
    assert order_of(operator)[0] == "gone_sms"


def test_each_position_says_whose_it_is(operator: Client) -> None:
    page = operator.get(LIST).content.decode()
    inputs = re.findall(r'<input[^>]+name="form-\d+-position"[^>]*>', page)
    assert len(inputs) == Provider.objects.count()
    assert all(re.search(r'aria-label="Position of [^"]+"', each) for each in inputs)


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("base-600", "white"),
        ("base-600", "base-50"),
        ("base-400", "base-900"),
        ("base-500", "base-900"),
        ("primary-600", "white"),
        ("primary-500", "base-900"),
        ("white", "primary-600"),
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str) -> None:
    colors = {
        f"{name}-{weight}": value for name in ("base", "primary") for weight, value in UNFOLD["COLORS"][name].items()
    }
    colors["white"] = "#ffffff"
    darker, lighter = sorted((luminance(colors[text]), luminance(colors[ground])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
