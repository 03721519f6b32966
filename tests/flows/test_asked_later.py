"""Messages that nobody waits for, of providers that tell nothing by themselves: they are asked."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution import asking, awaiting, ledger, settling, tasks
from integrationhub.execution.models import Delivery
from integrationhub.outbox.models import Event
from providers import registry
from tests.database import locked
from tests.execution.test_carriers import NUMBER, installed
from tests.flows.test_success_status import shown, work
from tests.make import Api, sms
from tests.providers.carriers import Asked, Told, TwilioServer
from tests.webhooks.posting import subscribe
from tests.webhooks.test_carriers import following

MINUTE = timedelta(minutes=1, seconds=2)


class Asking:
    """Twilio, and what it says when it is asked."""

    def __init__(self, server: TwilioServer) -> None:
        self.server, self.status, self.http_status = server, "queued", 200
        server.answer = self._answer

    def _answer(self, asked: Asked) -> Told | None:
        sid = asked.path.rpartition("/")[2].removesuffix(".json")
        return Told(self.http_status, {"sid": sid, "status": self.status}) if asked.method == "GET" else None

    @property
    def asked(self) -> int:
        return sum(each.method == "GET" and "/Messages/" in each.path for each in self.server.asked)


@pytest.fixture(autouse=True)
def fresh() -> None:
    """As a new process, which has asked nobody."""
    asking._silent.clear()


@pytest.fixture
def twilio() -> Iterator[Asking]:
    with TwilioServer() as server:
        yield Asking(server)
        assert server.faults == []


@pytest.fixture
def sender(api: Api, twilio: Asking) -> Api:
    """Without an address at which Twilio would tell."""
    subscribe(api)
    return installed(api, twilio.server)


def send(api: Api) -> str:
    body = api.post("/execute", sms(NUMBER)).json()
    assert (body["status"], body["provider_key"]) == ("succeeded", "twilio_sms")
    return str(body["execution_id"])


def pass_by(time: timedelta) -> None:
    """As if it were so much later, and workers had done what is due by then."""
    rows = Delivery.objects.using("system")
    rows.update(created_at=F("created_at") - time)
    rows.filter(look_at__isnull=False).update(look_at=F("look_at") - time)
    tasks.settle_executions()
    work()


def told(api: Api) -> list[Any]:
    kinds = Event.objects.using("system").filter(tenant_id=api.tenant, kind__startswith="message.")
    return [event.kind for event in kinds.order_by("id")]


def test_what_became_of_it_is_known_after_a_minute_and_told_to_the_tenant(sender: Api, twilio: Asking) -> None:
    execution_id = send(sender)
    twilio.status = "delivered"
    pass_by(MINUTE / 2)
    assert twilio.asked == 0
    pass_by(MINUTE)
    body = shown(sender, execution_id)
    assert (body["status"], body["delivery"]["status"]) == ("succeeded", "delivered")
    assert told(sender) == ["message.delivered"]


def test_it_is_asked_for_less_and_less_often_until_all_is_told(sender: Api, twilio: Asking) -> None:
    execution_id = send(sender)
    pass_by(MINUTE)
    twilio.status = "sent"
    pass_by(MINUTE * 1.2)
    assert (twilio.asked, shown(sender, execution_id)["delivery"]["status"]) == (2, "sent")
    twilio.status = "delivered"
    pass_by(MINUTE)
    assert twilio.asked == 2, "After two minutes, two more."
    pass_by(MINUTE * 1.5)
    assert (twilio.asked, shown(sender, execution_id)["delivery"]["status"]) == (3, "delivered")
    pass_by(MINUTE * 60)
    assert twilio.asked == 3


def test_one_that_came_as_far_as_was_wanted_is_followed_on(sender: Api, twilio: Asking) -> None:
    answer = sender.post("/execute", sms(NUMBER, success_status="sent"))
    work()
    twilio.status = "sent"
    pass_by(MINUTE / 10)
    twilio.status = "delivered"
    pass_by(MINUTE)
    body = shown(sender, answer.json()["execution_id"])
    assert (body["status"], body["delivery"]["status"]) == ("succeeded", "delivered")


def test_one_that_did_not_come_in_time_is_followed_on(sender: Api, twilio: Asking) -> None:
    answer = sender.post("/execute", sms(NUMBER, success_status="delivered", fallback_after_ms=5000))
    work()
    rows = Delivery.objects.using("system")
    rows.update(due_at=Now(), look_at=Now())
    settling.settle()
    work()
    twilio.status = "delivered"
    pass_by(MINUTE)
    body = shown(sender, answer.json()["execution_id"])
    assert (body["status"], body["delivery"]["status"]) == ("failed", "delivered")


def test_a_failure_is_the_end_of_it(sender: Api, twilio: Asking) -> None:
    execution_id = send(sender)
    twilio.status = "undelivered"
    pass_by(MINUTE)
    pass_by(MINUTE * 60)
    assert (twilio.asked, shown(sender, execution_id)["delivery"]["status"]) == (1, "failed")
    assert told(sender) == ["message.failed"]


def test_after_a_day_nobody_asks_any_more(sender: Api, twilio: Asking) -> None:
    send(sender)
    asked_after: list[float] = []
    for halves in range(1, 80):
        pass_by(timedelta(minutes=30))
        asked_after += [halves / 2] * (twilio.asked - len(asked_after))
    assert asked_after == [0.5, 1.5, 3.5, 7.5, 15.5, 24]


def test_one_that_was_looked_at_meanwhile_is_not_asked_for_again(sender: Api, twilio: Asking) -> None:
    """Its message comes twice where workers are slow."""
    send(sender)
    pass_by(MINUTE)
    row = Delivery.objects.using("system").get()
    tasks.look_at_delivery(tenant_id=str(row.tenant_id), delivery_id=str(row.id))
    assert twilio.asked == 1


def test_a_provider_that_does_not_answer_is_left_alone(sender: Api, twilio: Asking) -> None:
    send(sender)
    send(sender)
    twilio.http_status = 500
    pass_by(MINUTE)
    assert twilio.asked == 1
    assert Delivery.objects.using("system").filter(look_at__gt=Now()).count() == 2


def test_a_provider_that_is_switched_off_is_left_alone(sender: Api, twilio: Asking) -> None:
    send(sender)
    ids = {row["provider_key"]: row["id"] for row in sender.get("/integrations/installed").json()["data"]}
    assert sender.patch(f"/integrations/{ids['twilio_sms']}", {"enabled": False}).status_code == 200
    pass_by(MINUTE)
    assert twilio.asked == 0


@pytest.mark.parametrize("is_nested", [False, True])
def test_few_are_asked_for_at_a_time_and_each_tenant_has_its_turn(tenant: UUID, is_nested: bool) -> None:
    """Questions that nobody waits for keep no execution waiting, however PostgreSQL plans the search for them."""
    other = uuid4()
    for owner, how_many in ((tenant, 30), (other, 1)):
        with tenant_scope(owner):
            Delivery.objects.bulk_create(
                Delivery(
                    tenant_id=owner, execution_id=uuid4(), provider_key="twilio_sms", reference=str(n), look_at=Now()
                )
                for n in range(how_many)
            )
    assert awaiting.ring_for_looks() == 0, "That is for those that are waited for."
    with connections["system"].cursor() as cursor:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material") if is_nested else ():
            cursor.execute(f"SET enable_{way} = off")
        try:
            assert awaiting.ring_for_looks(awaiting.UNAWAITED_DUE) == 20
        finally:
            cursor.execute("RESET ALL")
    assert not Delivery.objects.using("system").filter(tenant_id=other, look_at__lte=Now()).exists()


def test_one_whose_news_is_written_at_this_moment_keeps_no_other_waiting(sender: Api) -> None:
    """Whoever waited for it, holding others, could wait in a circle."""
    send(sender)
    send(sender)
    rows = Delivery.objects.using("system")
    rows.update(look_at=Now())
    with locked("execution_delivery", rows.order_by("id")[0].id):
        assert awaiting.ring_for_looks(awaiting.UNAWAITED_DUE) == 1
    assert awaiting.ring_for_looks(awaiting.UNAWAITED_DUE) == 1


def test_what_a_process_of_the_release_before_sends_is_not_asked_for(
    sender: Api, twilio: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_now = ledger.insisted

    def told_before(tenant_id: UUID, function: str, words: dict[str, Any]) -> Any:
        return told_now(tenant_id, function, {name: words[name] for name in words if name != "look_seconds"})

    monkeypatch.setattr(ledger, "insisted", told_before)
    execution_id = send(sender)
    pass_by(MINUTE)
    assert (twilio.asked, shown(sender, execution_id)["delivery"]["status"]) == (0, "accepted")


def test_one_that_tells_by_itself_is_not_asked(api: Api, twilio: Asking) -> None:
    following(api, twilio.server)
    send(api)
    pass_by(MINUTE * 60)
    assert twilio.asked == 0


def test_one_whose_provider_was_removed_is_asked_for_by_nobody(sender: Api, twilio: Asking) -> None:
    send(sender)
    ids = {row["provider_key"]: row["id"] for row in sender.get("/integrations/installed").json()["data"]}
    assert sender.delete(f"/integrations/{ids['twilio_sms']}").status_code == 204
    pass_by(MINUTE)
    assert twilio.asked == 0
    assert Delivery.objects.using("system").filter(look_at__gt=Now()).count() == 1, "It may be installed again."


def test_a_provider_without_webhooks_is_one_that_has_to_be_asked() -> None:
    asked = [each.key for each in registry.all() if each.can_be_asked() and not each.is_told_where({})]
    assert asked == ["messagebird_sms", "scaleway_email", "twilio_sms"]
