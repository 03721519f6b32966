"""What docs/executing.md asks for is answered as it says: by the same members, and the same words of the API's own."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.make import Api, keyed, sms

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/executing.md"
# What is the same each time that it is asked; of all else its place is.
SAME = {"status", "code", "reason", "decision", "explanation", "strategy", "outcome", "weight", "max_per_second"}
PATH = "/routing/message.send.sms"


def blocks() -> list[Any]:
    """The document's JSON, with the day that it schedules for still to come."""
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    text = re.sub(r"2026-11-26(?=T09:)", day, DOCUMENT.read_text())
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]


def form(told: Any, name: str = "") -> Any:
    if isinstance(told, dict):
        return {key: form(value, key) for key, value in told.items()}
    if isinstance(told, list):
        return [form(each) for each in told]
    return told if name in SAME else None


def test_it_is_answered_as_the_document_says(api: Api) -> None:
    batch, batched, order, scheduled, cancelled, retried, route, routed, planned, explained = blocks()

    def says(block: Any, answer: Any, status: int = 200) -> str:
        assert (answer.status_code, form(answer.json())) == (status, form(block))
        return str(answer.json().get("execution_id"))

    says(batched, api.post("/execute/batch", batch), 207)
    key = keyed()
    execution_id = says(scheduled, api.post("/execute", order, **key), 202)
    says(cancelled, api.post(f"/executions/{execution_id}/cancel"))
    assert says(scheduled, api.post("/execute", order, **key), 202) == execution_id
    says(retried, api.post(f"/executions/{execution_id}/retry"))
    assert api.post(f"/executions/{execution_id}/retry").json()["details"]["reason"] == "retried_already"

    says(routed, api.put(PATH, route))
    says(planned, api.post("/execute/plan", sms()))
    rows = [{"provider_key": "sandbox_secondary", "max_per_second": 0.1}, {"provider_key": "sandbox_primary"}]
    api.put(PATH, {"providers": rows})
    _, second = (api.post("/execute", sms()).json()["execution_id"] for _ in range(2))
    assert form(api.get(f"/executions/{second}").json()["routing"]) == form(explained)
