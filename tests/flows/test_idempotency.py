"""One key, one effect, one answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connections
from django.db.models.functions import Now

from integrationhub.core.tenancy import tenant_scope
from integrationhub.execution.models import Execution
from integrationhub.idempotency import answers
from integrationhub.idempotency.models import StoredAnswer
from marketplace import seeding
from tests.make import Api, keyed, sms


def test_a_repeat_gets_the_first_answer_byte_for_byte(api: Api) -> None:
    key = keyed()
    first, again = api.post("/execute", sms(), **key), api.post("/execute", sms(), **key)
    assert again.content == first.content
    assert (first.has_header("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (False, "true")


def test_a_failure_is_repeated_like_a_success(api: Api) -> None:
    key = keyed()
    first, again = (api.post("/execute", sms("+15005550505"), **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (503, 503)
    assert again.content == first.content


def test_a_key_with_another_body_is_refused(api: Api) -> None:
    key = keyed()
    api.post("/execute", sms(), **key)
    answer = api.post("/execute", sms("+15005550503"), **key)
    assert (answer.status_code, answer.json()["details"]["reason"]) == (422, "idempotency_key_reused")


def test_the_order_of_members_is_not_another_body(api: Api) -> None:
    key = keyed()
    api.post("/execute", sms(), **key)
    assert api.post("/execute", dict(reversed(sms().items())), **key)["Idempotent-Replayed"] == "true"


def test_the_same_key_of_another_tenant_is_another_key(api: Api) -> None:
    stranger = Api(uuid4())
    seeding.seed_demo(stranger.tenant)
    key = keyed()
    mine, theirs = api.post("/execute", sms(), **key), stranger.post("/execute", sms(), **key)
    assert mine.json()["execution_id"] != theirs.json()["execution_id"]


def test_a_version_is_not_part_of_the_path(api: Api) -> None:
    key = keyed()
    first = api.post("/execute", sms(), **key)
    assert api.post("/execute", sms(), version="v2", **key).content == first.content


def test_a_refusal_leaves_the_key_free(api: Api) -> None:
    key = keyed()
    assert api.post("/execute", sms("+15005550401"), **key).status_code == 400
    assert api.post("/execute", sms("+15005550401") | sms(), **key).status_code == 200


def test_twelve_at_once_act_once(api: Api, tenant: UUID) -> None:
    key = keyed()

    def post(_: int) -> int:
        try:
            return int(api.post("/execute", sms(), **key).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        statuses = set(pool.map(post, range(12)))
    assert statuses <= {200, 409}
    assert 200 in statuses
    with tenant_scope(tenant):
        assert Execution.objects.count() == 1


def test_a_key_must_be_printable(api: Api) -> None:
    for bad in ("", "x" * 256, "ключ"):
        answer = api.post("/execute", sms(), headers={"Idempotency-Key": bad})
        assert (answer.status_code, answer.json()["details"]["reason"]) == (400, "invalid_idempotency_key"), bad


def test_the_stored_answer_is_sealed(api: Api, tenant: UUID) -> None:
    api.post("/execute", sms(), **keyed())
    with tenant_scope(tenant):
        (sealed,) = StoredAnswer.objects.values_list("answer", flat=True)
    assert b"sandbox" not in bytes(sealed)


def test_an_installation_made_under_a_key_is_made_once(api: Api) -> None:
    fresh, key = Api(uuid4()), keyed()
    path, body = "/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 3}
    first, again = fresh.post(path, body, **key), fresh.post(path, body, **key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"


def test_what_was_done_is_not_done_again_when_only_its_answer_could_not_be_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, key = Api(uuid4()), keyed()
    path, body = "/marketplace/integrations/sandbox_primary/install", {"config": {}, "priority": 3}

    def away(*_: object, **__: object) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(answers, "store", away)
        assert fresh.post(path, body, **key).status_code == 201
    assert fresh.post(path, body, **key).json()["details"]["reason"] == "idempotency_key_in_use"
    assert len(fresh.get("/integrations/installed").json()["data"]) == 1


def test_a_claim_that_was_taken_over_is_left_alone_by_who_had_it(tenant: UUID) -> None:
    mine, theirs = (
        answers.Key.of(tenant_id=tenant, path="/credentials/bind", value="k", body={"n": n}) for n in range(2)
    )
    with tenant_scope(tenant):
        first = answers.claim(mine)
        StoredAnswer.objects.update(created_at=Now() - timedelta(seconds=61))
        second = answers.claim(theirs)
        assert first
        assert second
        answers.store(mine, answers.Answer(201, {}, b"{}"), claim_id=first)
        answers.release(mine, claim_id=first)
    assert isinstance(answers.find(theirs), answers.Running)


def test_a_key_on_a_path_of_any_length(api: Api) -> None:
    answer = api.post(f"/marketplace/integrations/{'a' * 400}/install", {"config": {}}, **keyed())
    assert (answer.status_code, answer.json()["code"]) == (404, "ERR_INTEGRATION_HUB_SVC_INTEGRATION_NOT_FOUND")
