"""An authenticator app, by another's hand (pyotp), and what the API is asked with its codes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyotp

from oauth.totp import verifying
from oauth.totp.models import Enrolment
from tests.make import Api

ACCOUNT = "ada@example.com"
INVALID = "ERR_TOTP_INVALID"


class App:
    """One app of an account."""

    def __init__(self, api: Api, account: str = ACCOUNT) -> None:
        answer = api.post("/totp/enroll", {"account": account})
        assert answer.status_code == 201, answer.content
        self.api, self.id, self.secret = api, answer.json()["id"], answer.json()["secret"]
        self.totp = pyotp.TOTP(self.secret)

    def code(self, steps: int = 0, now: datetime | None = None) -> str:
        """The code of the present step, or of one so many steps away."""
        return str(self.totp.at(now or datetime.now(UTC), counter_offset=steps))

    def wrong(self, now: datetime | None = None) -> str:
        """A code that is right neither now nor in the minutes around."""
        near = {self.code(steps, now) for steps in range(-4, 5)}
        return next(guess for guess in (f"{number:06d}" for number in range(20)) if guess not in near)

    def type(self, code: str, **kwargs: Any) -> Any:
        """What the API answers to a code."""
        return self.api.post("/totp/verify", {"id": self.id, "code": code}, **kwargs)

    def verify(self, code: str, now: datetime) -> verifying.Verified:
        """The same at another time than the present. Raises what the use case raises."""
        body = {"id": self.id, "code": code}
        return verifying.verify(tenant_id=self.api.tenant, body=body, subject="tester", now=now)

    @property
    def row(self) -> Enrolment:
        return row(self.id)


def row(enrolment_id: str) -> Enrolment:
    return Enrolment.objects.using("system").get(id=UUID(enrolment_id))


def refusal(answer: Any) -> str:
    """Why a code was refused; fails for any other answer."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (400, INVALID, False), body
    return str(body["details"]["reason"])
