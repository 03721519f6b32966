"""The hub as it is deployed: its database, the tenants made ready by its own API, the stub as their providers."""

import http.client
import json
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import psycopg

from bench.tenants import CONFIGURATIONS, QUOTA, REQUESTS_PER_MINUTE, TENANT_PROVIDERS, secrets_of
from integrationhub.launcher import tokens
from integrationhub.launcher.trouble import Trouble

API = "/integrationhub/v1"
TIER = "INSERT INTO marketplace_tier (key, name, monthly_quota, requests_per_minute) VALUES ('bench', 'Bench', %s, %s)"


def make_tier(settings: Mapping[str, str], tenants: Mapping[str, UUID], stub_url: str) -> None:
    """What an operator does in the admin: a tier of the benchmark's own, and where the two providers are reached."""
    with psycopg.connect(settings["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute(TIER, [QUOTA, REQUESTS_PER_MINUTE])
        for tenant in tenants.values():
            connection.execute(
                "INSERT INTO marketplace_subscription (tenant_id, tier_id) VALUES (%s, 'bench')", [tenant]
            )
        keys = TENANT_PROVIDERS["chain"]
        connection.execute("UPDATE providers_provider SET base_url = %s WHERE provider_key = ANY(%s)", [stub_url, keys])


def install(settings: Mapping[str, str], port: int, name: str, tenant: UUID) -> None:
    """What the tenant's admin does by the API: install each provider of the chain, bind its credential."""
    headers = headers_of(settings, tenant, "admin")
    for priority, key in enumerate(TENANT_PROVIDERS[name], 1):
        shelf = f"/marketplace/integrations/{key}/install"
        _post(port, shelf, headers, {"config": CONFIGURATIONS[key], "priority": priority})
        bound = {"provider_key": key, "credentials": secrets_of(name, key), "verify": False}
        _post(port, "/credentials/bind", headers, bound)


def headers_of(settings: Mapping[str, str], tenant: UUID, role: str) -> dict[str, str]:
    """The headers of a caller of this tenant."""
    token = tokens.mint(settings, tenant, role, timedelta(hours=23))
    return {"Authorization": f"Bearer {token}", "x-tenant-id": str(tenant), "Content-Type": "application/json"}


def _post(port: int, path: str, headers: Mapping[str, str], body: object) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", API + path, json.dumps(body), dict(headers))
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    if answer.status != http.HTTPStatus.CREATED:
        raise Trouble(f"POST {path} was answered with {answer.status}: {said}")
