"""A tenant that has bound a WhatsApp number of its own, or sends by the deployment's."""

from typing import Any

from tests.make import Api, keyed
from tests.meta.graph_server import APP_SECRET, GraphServer

KEY = "meta_whatsapp"
PAYLOAD = {"to": "+14155552671", "text": "Hello"}


def credentials(meta: GraphServer, **over: Any) -> dict[str, Any]:
    known = {"access_token": meta.token, "phone_number_id": meta.phone_number_id, "waba_id": meta.waba_id}
    return {**known, "app_secret": APP_SECRET, "verify_token": "a-verify-token", **over}


def bind(api: Api, secrets: dict[str, Any], **more: Any) -> Any:
    return api.post("/credentials/bind", {"provider_key": KEY, "credentials": secrets, **more})


def install(api: Api) -> None:
    assert api.post(f"/marketplace/integrations/{KEY}/install", {"config": {}}).status_code == 201


def execute(api: Api, payload: dict[str, Any] | None = None, **options: Any) -> Any:
    body = {"category": "messaging", "intent": "message.send.whatsapp", "payload": payload or PAYLOAD}
    return api.post("/execute", {**body, "options": options}, **keyed())
