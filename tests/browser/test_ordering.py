"""The operators' list of providers in a browser: rows are moved by the mouse and by the keyboard."""

import pytest
from playwright.sync_api import Locator, Page, expect

from providers.models import Provider, ProviderChange
from tests.browser.person import Person

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
LIST = "/admin/providers/provider/"


def rows() -> list[Provider]:
    return list(Provider.objects.using("system"))


def stored() -> list[str]:
    return [row.provider_key for row in rows()]


def shown(page: Page) -> list[str]:
    """The keys in the order of the rows on the page."""
    return [words.partition(",")[0] for words in page.locator("#result_list .data-row th small").all_inner_texts()]


def changes() -> list[tuple[str, dict[str, int], dict[str, int]]]:
    """Each with its provider, and what it replaced by what; in the order of the providers."""
    found = ProviderChange.objects.using("system").select_related("provider").order_by("provider__position")
    return [(each.provider.provider_key, each.before, each.after) for each in found]


def number_through() -> None:
    for position, row in enumerate(rows()):
        Provider.objects.using("system").filter(pk=row.pk).update(position=position)


def row_of(page: Page, key: str) -> Locator:
    return page.locator(".data-row", has_text=f"{key}, ")


def drag(page: Page, key: str, *, past: str) -> None:
    """By its handle, and let go over the lower half of another row's if that stands below, over the upper one else."""
    ours, other = (row_of(page, each).locator("[x-sort\\:handle]") for each in (key, past))
    box = other.bounding_box()
    assert box
    is_below = shown(page).index(past) > shown(page).index(key)
    ours.drag_to(other, target_position={"x": box["width"] / 2, "y": box["height"] * (0.9 if is_below else 0.1)})


def save(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("successfully")).to_be_visible()


def test_a_dragged_row_stays_where_it_was_let_go(operators: Person) -> None:
    number_through()
    first, second, third, *others = before = stored()
    page = operators.open(operators.hub + LIST)
    assert shown(page) == before
    drag(page, first, past=third)
    assert shown(page) == [second, third, first, *others]
    assert stored() == before  # Nothing is saved unasked.
    save(page)
    assert stored() == [second, third, first, *others]
    page.reload()
    assert shown(page) == stored()
    assert changes() == [
        (second, {"position": 1}, {"position": 0}),
        (third, {"position": 2}, {"position": 1}),
        (first, {"position": 0}, {"position": 2}),
    ]


def test_the_first_drag_numbers_the_rows(operators: Person) -> None:
    """As they are seeded all have one position, and stand by their names."""
    *others, last = stored()
    page = operators.open(operators.hub + LIST)
    drag(page, last, past=others[-2])
    save(page)
    assert stored() == [*others[:-2], last, *others[-2:]]


def test_a_drag_among_the_rows_of_a_search_leaves_the_others_where_they_are(operators: Person) -> None:
    number_through()
    before = stored()
    page = operators.open(f"{operators.hub}{LIST}?q=sandbox_")
    assert shown(page) == ["sandbox_primary", "sandbox_secondary"]
    drag(page, "sandbox_primary", past="sandbox_secondary")
    save(page)
    at = before.index("sandbox_primary")
    assert stored() == [*before[:at], "sandbox_secondary", "sandbox_primary", *before[at + 2 :]]


def test_a_row_goes_down_by_the_keyboard_step_by_step(operators: Person) -> None:
    first, second, third, *others = stored()
    name = rows()[0].display_name
    page = operators.open(operators.hub + LIST)
    page.get_by_role("button", name=f"Move {name} down").focus()
    for order in ([second, first, third, *others], [second, third, first, *others]):
        page.keyboard.press("Enter")
        expect(page.locator("#result_list .data-row th small").nth(order.index(first))).to_contain_text(first)
        assert stored() == shown(page) == order
        expect(page.get_by_role("button", name=f"Move {name} down")).to_be_focused()
