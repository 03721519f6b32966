"""The admin's pages work under the policy they are sent with, which runs no script that stands in a page."""

import re

from django.test import Client

from tests.pages.test_shell import Elements


def test_no_page_of_the_admin_brings_a_script_that_its_policy_refuses(operator: Client) -> None:
    index = operator.get("/admin/").content.decode()
    addresses = sorted(set(re.findall(r'href="(/admin/[a-z_]+/[a-z_]+/(?:add/)?)"', index)))
    assert "/admin/providers/provider/" in addresses
    for address in ["/admin/", *addresses]:
        answer = operator.get(address)
        assert answer.status_code == 200, address
        page = Elements(answer.content.decode())
        runs = [script for script in page.named("script") if script.get("type") != "application/json"]
        assert all("src" in script for script in runs), address
        assert [name for _, given in page.found for name in given if re.fullmatch(r"on[a-z]+", name)] == [], address
