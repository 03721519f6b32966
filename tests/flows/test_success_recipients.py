"""`success_status` is for one recipient: the next provider would send again to all of them."""

from typing import Any

import pytest

from tests.make import Api

MAIL = {"to": ["ada@example.com"], "subject": "Hello", "text": "hello"}


def ask(api: Api, **payload: Any) -> Any:
    """By the sandbox, of which nobody hears how far a message came."""
    body = {"category": "messaging", "intent": "message.send.email", "payload": {**MAIL, **payload}}
    return api.post("/execute", {**body, "options": {"success_status": "delivered"}})


@pytest.mark.parametrize(
    "payload",
    [{"to": ["ada@example.com", "bob@example.com"]}, {"cc": ["bob@example.com"]}, {"bcc": ["bob@example.com"]}],
)
def test_an_email_to_several_is_refused_with_the_field_the_cause_and_the_fix(api: Api, payload: dict[str, Any]) -> None:
    answer = ask(api, **payload)
    assert answer.status_code == 400
    [fault] = answer.json()["details"]["fields"]
    assert (fault["field"], fault["reason"]) == ("options.success_status", "several_recipients")
    assert "one address in to, cc and bcc" in fault["expected"]


def test_an_email_to_one_is_no_fault_of_the_body(api: Api) -> None:
    assert ask(api, cc=[], bcc=[]).json()["details"]["reason"] == "none_available"
