"""The secret is shown once, stands nowhere else but sealed, follows its keys, and only a verification opens it."""

import base64
import logging
import os
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client
from pytest_django import Settings

from credentials import vault
from credentials.errors import VaultUnreadable
from integrationhub.core.logs import JSONLine
from integrationhub.idempotency import sealing as answer_sealing
from oauth.totp import enrolling
from oauth.totp.models import Enrolment
from tests.audit.reading import trail_of
from tests.credentials import openbao
from tests.credentials.openbao import OpenBao
from tests.isolation.channels import found
from tests.make import Api, keyed
from tests.totp.authenticator import ACCOUNT, App


def secrets_of(app: App) -> dict[str, str]:
    """The secret as it is shown, and its bytes as a dump has them."""
    return {"base32": app.secret, "bytes": base64.b32decode(app.secret).hex()}


def everything_stored() -> str:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def test_no_log_line_no_entry_and_no_row_holds_it(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        app = App(api)
        api.post("/totp/enroll", {"account": "grace"}, **keyed())
        app.type(app.code())
        app.type(app.wrong())
    lines = "\n".join(JSONLine().format(record) + repr(vars(record)) for record in caplog.records)
    assert "/totp/verify" in lines
    assert found(secrets_of(app), lines) == []
    assert found(secrets_of(app), repr([entry.__dict__ for entry in trail_of(api.tenant)])) == []
    stored = everything_stored()
    assert bytes(app.row.sealed).hex() in stored, "The search sees the row."
    assert found(secrets_of(app), stored) == []


def test_no_answer_but_the_first_holds_it(api: Api) -> None:
    app = App(api)
    answers = [app.type(app.code()), app.type(app.wrong()), app.type("x"), api.delete(f"/totp/{app.id}")]
    assert found(secrets_of(app), "".join(answer.content.decode() for answer in answers)) == []


def test_neither_the_row_nor_what_was_enrolled_prints_it(api: Api) -> None:
    made = enrolling.enroll(tenant_id=api.tenant, body={"account": ACCOUNT}, subject="tester")
    shown = f"{made!r} {made.enrolment!r} {made.enrolment}"
    assert ACCOUNT in shown
    assert found({"secret": made.secret}, shown) == []


def test_operators_see_who_has_an_app_and_neither_secret_nor_ciphertext(operator: Client, api: Api) -> None:
    app = App(api)
    app.type(app.wrong())
    app.type(app.code())
    for path in ("", f"{app.id}/change/"):
        page = operator.get(f"/admin/totp/enrolment/{path}")
        assert page.status_code == 200
        text = page.content.decode()
        assert ACCOUNT in text
        assert found(secrets_of(app), text) == []
        assert "sealed" not in text.lower()
        assert bytes(app.row.sealed).hex() not in text
    assert operator.post(f"/admin/totp/enrolment/{app.id}/delete/", {"post": "yes"}).status_code == 403


def test_a_sealed_secret_opens_for_its_own_row_only(api: Api) -> None:
    app, other = App(api), App(api)
    Enrolment.objects.using("system").filter(id=other.id).update(sealed=app.row.sealed)
    answer = other.type(app.code())
    assert (answer.status_code, answer.json()["details"]["reason"]) == (503, "tampered")
    with pytest.raises(VaultUnreadable):
        vault.vault().open(bytes(other.row.sealed), other.row.place)


def test_it_follows_a_rotation_of_the_keys(api: Api, settings: Settings) -> None:
    app = App(api)
    was = bytes(app.row.sealed)
    k2 = f"k2:{base64.b64encode(os.urandom(32)).decode()}"
    settings.KEY_ENCRYPTION_KEYS = [k2, *settings.KEY_ENCRYPTION_KEYS]
    said = StringIO()
    call_command("rotate_keys", stdout=said, stderr=said)
    settings.KEY_ENCRYPTION_KEYS = [k2]
    _a_new_process()
    try:
        assert "1 values of totp_enrolment re-encrypted" in said.getvalue()
        assert bytes(app.row.sealed) != was
        assert app.type(app.code()).status_code == 200
    finally:
        _a_new_process()


def test_without_its_key_nobody_is_enrolled_and_no_code_is_right(api: Api, settings: Settings) -> None:
    app = App(api)
    settings.KEY_ENCRYPTION_KEYS = [f"k2:{base64.b64encode(os.urandom(32)).decode()}"]
    _a_new_process()
    try:
        answers = [api.post("/totp/enroll", {"account": "grace"}), app.type(app.code())]
    finally:
        _a_new_process()
    assert [answer.status_code for answer in answers] == [503, 503]
    assert {answer.json()["code"] for answer in answers} == {"ERR_INTEGRATION_HUB_SVC_EXECUTION_FAILED"}
    assert [entry.action for entry in trail_of(api.tenant)] == ["totp.enrolled"]


def test_a_vault_of_another_host_wraps_its_key_and_is_asked_outside_of_every_transaction(
    api: Api, bao: OpenBao, settings: Settings
) -> None:
    """Inside one the client refuses to ask."""
    app = App(api)
    openbao.a_new_process()
    assert app.type(app.code()).status_code == 200
    settings.VAULT_TOKEN = "nobodys"
    openbao.a_new_process()
    answer = app.type(app.code(1))
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert app.row.failed_at == []


def _a_new_process() -> None:
    vault.forget()
    answer_sealing.forget()
