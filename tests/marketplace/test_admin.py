from uuid import UUID, uuid4

import pytest
from django.test import Client

from marketplace import quotas, seeding
from marketplace.models import Installation, Subscription, Tier
from providers.models import Provider


@pytest.mark.parametrize("model", ["integration", "tier", "subscription", "installation"])
def test_operators_see_the_rows_of_all_tenants(operator: Client, tenant: UUID, model: str) -> None:
    seeding.seed_demo(tenant)
    page = operator.get(f"/admin/marketplace/{model}/")
    assert page.status_code == 200
    if model in ("subscription", "installation"):
        assert str(tenant) in page.content.decode()


def test_operators_change_a_tier(operator: Client) -> None:
    form = {"key": "free", "name": "Free", "monthly_quota": "", "requests_per_minute": "90"}
    assert operator.post("/admin/marketplace/tier/free/change/", form).status_code == 302
    tier = Tier.objects.get(key="free")
    assert (tier.monthly_quota, tier.requests_per_minute) == (None, 90)


def test_operators_put_a_tenant_on_another_tier(operator: Client, tenant: UUID) -> None:
    quotas.subscribe(tenant, "free")
    path = f"/admin/marketplace/subscription/{tenant}/change/"
    assert operator.get(path).status_code == 200
    assert operator.post(path, {"tenant_id": str(tenant), "tier": "pro"}).status_code == 302
    assert Subscription.objects.using("system").get(tenant_id=tenant).tier_id == "pro"


def test_a_subscription_cannot_be_moved_to_another_tenant(operator: Client, tenant: UUID) -> None:
    quotas.subscribe(tenant, "free")
    path = f"/admin/marketplace/subscription/{tenant}/change/"
    assert operator.post(path, {"tenant_id": str(uuid4()), "tier": "pro"}).status_code == 302
    assert [row.tenant_id for row in Subscription.objects.using("system")] == [tenant]


def test_operators_subscribe_a_tenant(operator: Client) -> None:
    other = uuid4()
    answer = operator.post("/admin/marketplace/subscription/add/", {"tenant_id": str(other), "tier": "enterprise"})
    assert answer.status_code == 302
    assert quotas.limits_of(other).tier == "enterprise"


def test_operators_add_an_integration(operator: Client) -> None:
    provider = Provider.objects.get(provider_key="quiet_sms")
    form = {"slug": "quiet-for-shops", "provider": str(provider.id), "name": "Quiet for shops", "published": "on"}
    assert operator.post("/admin/marketplace/integration/add/", form).status_code == 302
    assert provider.integrations.filter(slug="quiet-for-shops").exists()


def test_operators_only_look_at_installations(operator: Client, tenant: UUID) -> None:
    seeding.seed_demo(tenant)
    row = Installation.objects.using("system").first()
    path = f"/admin/marketplace/installation/{row.id}"
    assert operator.get(f"{path}/change/").status_code == 200
    assert operator.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
