"""A tenant that owns one of everything, and what an observer can tell of it."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connections

from integrationhub.core.tenancy import TenantOwned
from templates import runs
from tests.make import LATER, Api, sms
from tests.oauth import flows
from tests.saml.issuing import make_key
from tests.templates.making import stored
from tests.webhooks import posting
from tests.whatsapp import keeping, talking

TABLES = sorted(model._meta.db_table for model in apps.get_models() if issubclass(model, TenantOwned))
CERTIFICATE = make_key().pem
SECRETS = {"api_key": "key-for-the-loopback"}
# Nobody listens there.
SUBSCRIPTION = {"url": "http://127.0.0.1:9/told", "event_types": ["webhook_subscription.disabled"]}
# What differs between any two answers.
_VOLATILE = re.compile(r'"(requestId|timestamp)":"[^"]*"')


class World:
    """`ids` holds the id of what the tenant owns, by the name that routes give it."""

    def __init__(self, api: Api | None = None) -> None:
        self.api = api or Api(uuid4())
        self.tenant: UUID = self.api.tenant
        installed = self._made("/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 1})
        bind = {"provider_key": "loopback_keyed_sms", "credentials": SECRETS}
        self._made("/credentials/bind", bind)
        credential = self._made("/credentials/bind", bind)  # With a version before it, to go back to.
        execution = self._made("/execute", sms(), headers={"Idempotency-Key": str(uuid4())})
        queued = self._made("/execute", sms(), headers=LATER)
        cancelled = self._made("/execute", sms(), headers=LATER)["execution_id"]
        self._made(f"/executions/{cancelled}/cancel", {})
        enrolment = self._made("/totp/enroll", {"account": "ada@example.com"})
        route = {"providers": [{"provider_key": "sandbox_primary"}]}
        assert self.api.put("/routing/message.send.sms", route).status_code == 200
        flows.bind(self.api)
        connection = flows.connected(self.api)
        idp = {"entity_id": "https://idp.example", "sso_url": "https://idp.example/sso", "certificates": [CERTIFICATE]}
        assert self.api.put("/saml/idp", idp).status_code == 200
        assert self.api.client.get("/saml/login", {"tenant_id": str(self.tenant)}).status_code == 302
        self.ids = {
            "webhook_id": str(posting.event_of(self.tenant).id),
            "endpoint_id": self._made("/webhooks/endpoints", {"provider_key": "meta_whatsapp"})["id"],
            "connection_id": connection["id"],
            "subscription_id": self._made("/webhook-subscriptions", SUBSCRIPTION)["id"],
            "installation_id": installed["id"],
            "credential_id": credential["id"],
            "execution_id": execution["execution_id"],
            "enrolment_id": enrolment["id"],
            "media_id": keeping.kept(self.tenant).media_id,
            "message_id": str(talking.delivered(self.tenant).id),
            "run_id": str(runs.ask(tenant_id=self.tenant).id),
            # As long as the unknown one that it is compared with.
            "template_name": stored(self.tenant, str(uuid4())).name,
        }

        # Where the id of a route is another one than that name's, since not every one allows what is asked.
        self.ids_at = {
            "/executions/<str:execution_id>/cancel": {"execution_id": queued["execution_id"]},
            "/executions/<str:execution_id>/retry": {"execution_id": cancelled},
        }

    def ids_of(self, path: str) -> dict[str, str]:
        return {**self.ids, **self.ids_at.get(path, {})}

    def _made(self, path: str, body: dict[str, Any], **kwargs: Any) -> Any:
        answer = self.api.post(path, body, **kwargs)
        assert answer.status_code in (200, 201, 202), answer.content
        return answer.json()

    def rows(self) -> dict[str, list[str]]:
        """Every row of the tenant, as it stands in the database."""
        return rows_of(self.tenant)

    def marks(self) -> set[str]:
        """What stands in an answer that tells of this tenant: its own id, and that of anything it has."""
        uuids = re.findall(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", json.dumps(self.rows()))
        with connections["system"].cursor() as cursor:
            cursor.execute("SELECT id::text FROM marketplace_integration UNION SELECT id::text FROM providers_provider")
            shared = {row for (row,) in cursor.fetchall()}
        return set(uuids) - shared


def rows_of(tenant: UUID) -> dict[str, list[str]]:
    """Every row of a tenant, by its table."""
    found = {}
    with connections["system"].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM {table} t WHERE tenant_id = %s ORDER BY 1", [tenant])
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def told(answer: Any, id_: str) -> tuple[Any, ...]:
    """Everything that an answer says, but for the id that was asked for and what differs between any two answers."""
    headers = {
        name: value for name, value in answer.items() if not name.lower().startswith(("x-request", "x-rate", "rate"))
    }
    said = _VOLATILE.sub("", answer.content.decode()).replace(id_, "ID")
    return answer.status_code, {name: value.replace(id_, "ID") for name, value in headers.items()}, said
