"""The operators' page of a sync of templates in a browser: it follows the sync to its end by itself."""

from uuid import UUID

import pytest
from playwright.sync_api import expect

from templates import runs, sync
from tests.browser.person import Person
from tests.meta.fixtures import meta
from tests.meta.graph_server import GraphServer

__all__ = ["meta"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


def test_an_operator_who_waits_sees_the_end_of_a_sync(operators: Person, tenant: UUID, meta: GraphServer) -> None:
    run = runs.ask(tenant_id=tenant)
    page = operators.open(f"{operators.hub}/admin/templates/syncrun/{run.id}/change/")
    expect(page.get_by_text("0 of 0 templates, 0 pages")).to_be_visible()
    sync.attend_to(tenant_id=tenant, run_id=run.id)
    expect(page.get_by_text("1 of 1 templates, 1 pages")).to_be_visible()
