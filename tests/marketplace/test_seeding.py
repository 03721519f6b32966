from uuid import UUID

from marketplace import installing, quotas, seeding
from marketplace.models import Integration, Tier


def test_each_provider_has_a_shelf_with_its_key_as_slug() -> None:
    assert {"sandbox_primary", "sandbox_secondary", "quiet_sms"} <= set(
        Integration.objects.values_list("slug", flat=True)
    )


def test_seeding_again_adds_nothing_and_overwrites_nothing() -> None:
    Integration.objects.filter(slug="quiet_sms").update(name="Operators' name", published=False)
    Tier.objects.filter(key="pro").update(monthly_quota=5)
    before = Integration.objects.count()
    seeding.seed()
    assert Integration.objects.count() == before
    assert Integration.objects.get(slug="quiet_sms").name == "Operators' name"
    assert Tier.objects.get(key="pro").monthly_quota == 5


def test_the_demo_tenant_has_both_sandboxes_and_no_quota(tenant: UUID) -> None:
    seeding.seed_demo(tenant)
    assert [each.provider_key for each in installing.candidates(tenant_id=tenant)] == [
        "sandbox_primary",
        "sandbox_secondary",
    ]
    assert quotas.limits_of(tenant) == quotas.Limits("enterprise", 6000, None)


def test_what_the_demo_tenant_changed_stays(tenant: UUID) -> None:
    seeding.seed_demo(tenant)
    [first, _] = installing.candidates(tenant_id=tenant)
    installing.configure(
        tenant_id=tenant,
        installation_id=str(first.installation_id),
        changes={"enabled": False, "priority": 9},
        subject="tester",
    )
    seeding.seed_demo(tenant)
    assert [(each.priority, each.enabled) for each in installing.candidates(tenant_id=tenant)] == [
        (2, True),
        (9, False),
    ]
