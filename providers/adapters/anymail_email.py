"""E-mail services that django-anymail speaks to, one row each; `providers/anymail_family.py` is what they share.

Each row names the page of the request, `providers/mail_refusals.py` the pages of the codes. Mailgun, Postmark, Resend
and Scaleway are of the same family and have files of their own. Postal, which anymail knows too, is left out: everybody
runs their own, at an address that no adapter can have.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from integrationhub.core.outbound import Answer
from providers import answers, mail_refusals
from providers.adapter import Call, JSONObject
from providers.anymail_family import MB, config_schema, region, schema, secret
from providers.callbacks import Kind, Webhook
from providers.composing import Mail
from providers.errors import Next, ProviderError
from providers.mail_callbacks import SIGNING_SECRET, WEBHOOK_LOGIN, LoginEmail, TellingEmail, hmac_sha256


def _numbered(service: str, template_id: str) -> int:
    """Of a service whose templates have numbers. Raises Next: the name is another provider's."""
    if not re.fullmatch("[0-9]{1,18}", template_id):
        words = f"{service} knows its templates by number; nothing was sent."
        raise Next(words, reason="unsupported_feature")
    return int(template_id)


class BrevoEmail(LoginEmail):
    """https://developers.brevo.com/reference/sendtransacemail"""

    key = "brevo_email"
    display_name = "Brevo"
    summary = "E-mail through Brevo, formerly Sendinblue."
    docs_url = "https://developers.brevo.com/reference/sendtransacemail"
    base_url = "https://api.brevo.com"
    api_path = "/v3/"
    credential_schema = schema(
        WEBHOOK_LOGIN, api_key=secret("an API key of version 3", "xkeysib-" + "7c1f9e" * 8 + "-Qw3rTy9uIoPaSdFg", 20)
    )
    service = "brevo"
    view = "BrevoTrackingWebhookView"
    tells = frozenset({Kind.DELIVERED})
    options = {"api_key": "api_key"}
    largest = 14 * MB
    checked = ("/v3/account", "email")
    refusals = mail_refusals.BREVO

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"api-key": call.secrets["api_key"], "Accept": "application/json"}}

    def template(self, template_id: str) -> Any:
        return _numbered(self.display_name, template_id)


class MailerSendEmail(TellingEmail):
    """https://developers.mailersend.com/api/v1/email.html#send-an-email"""

    key = "mailersend_email"
    display_name = "MailerSend"
    summary = "E-mail through MailerSend."
    docs_url = "https://developers.mailersend.com/api/v1/email.html"
    base_url = "https://api.mailersend.com"
    api_path = "/v1/"
    credential_schema = schema(
        SIGNING_SECRET, api_token=secret("an API token that may send", "mlsn." + "a4d8f0" * 10, 20)
    )
    service = "mailersend"
    view = "MailerSendTrackingWebhookView"
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    options = {"api_token": "api_token"}
    largest = 18 * MB
    checked = ("/v1/api-quota", "quota")
    refusals = mail_refusals.MAILERSEND
    # Maintenance: https://developers.mailersend.com/general
    status_classes = {421: Next}
    carries_metadata = False

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {call.secrets['api_token']}", "Accept": "application/json"}}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        """It stands behind the words, of the whole or of a member."""
        found = re.search("#MS[0-9]{5}", str(said)[: answers.LONGEST_READ])
        return found.group() if found else None

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """https://developers.mailersend.com/api/v1/webhooks.html#security"""
        expected = hmac_sha256(self.needed(secrets, "signing_secret"), hook.body)
        self.expect(hook.headers.get("signature"), expected)


class MailjetEmail(LoginEmail):
    """https://dev.mailjet.com/email/guides/send-api-v31/"""

    key = "mailjet_email"
    display_name = "Mailjet"
    summary = "E-mail through Mailjet."
    docs_url = "https://dev.mailjet.com/email/guides/send-api-v31/"
    base_url = "https://api.mailjet.com"
    api_path = "/v3.1/"
    regions = {"us": "https://api.us.mailjet.com"}
    allowed_hosts = frozenset({"api.us.mailjet.com"})
    credential_schema = schema(
        WEBHOOK_LOGIN,
        api_key=secret("the API key", "4f2a9c1e7b3d5f60819a2b3c4d5e6f70", 16),
        secret_key=secret("the secret key beside it", "b81d0c9e2f3a4b5c6d7e8f9012a3b4c5", 16),
        region=region("eu", "us"),
    )
    service = "mailjet"
    view = "MailjetTrackingWebhookView"
    tells = frozenset({Kind.DELIVERED})
    options = {"api_key": "api_key", "secret_key": "secret_key"}
    largest = 11 * MB
    checked = ("/v3/REST/sender?Limit=1", "Data")
    refusals = mail_refusals.MAILJET

    def login(self, call: Call) -> dict[str, Any]:
        return {"auth": (call.secrets["api_key"], call.secrets["secret_key"])}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return _mailjet_fault(said).get("ErrorCode")

    def words_of(self, said: Mapping[str, Any]) -> Any:
        return _mailjet_fault(said).get("ErrorMessage")

    def template(self, template_id: str) -> Any:
        return _numbered(self.display_name, template_id)


def _mailjet_fault(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first of the message, or of the request."""
    messages = said.get("Messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    errors = first.get("Errors") if isinstance(first, dict) else None
    fault = errors[0] if isinstance(errors, list) and errors else None
    return fault if isinstance(fault, dict) else said


class MailtrapEmail(TellingEmail):
    """https://docs.mailtrap.io/developers/email-sending; it has no codes."""

    key = "mailtrap_email"
    display_name = "Mailtrap"
    summary = "E-mail through Mailtrap, or into one of its sandboxes."
    docs_url = "https://docs.mailtrap.io/developers/email-sending"
    base_url = "https://send.api.mailtrap.io"
    allowed_hosts = frozenset({"mailtrap.io", "sandbox.api.mailtrap.io"})
    api_path = "/api/"
    credential_schema = schema(SIGNING_SECRET, api_token=secret("an API token", "5e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b", 16))
    config_schema = config_schema(
        sandbox_id={
            "type": "integer",
            "minimum": 1,
            "description": "the sandbox that keeps all messages; without one they are sent",
        }
    )
    service = "mailtrap"
    view = "MailtrapTrackingWebhookView"
    tells = frozenset({Kind.DELIVERED})
    options = {"api_token": "api_token", "sandbox_id": "sandbox_id"}
    largest = 7 * MB
    titles_templates = True

    def placed(self, call: Call) -> Call:
        home = "https://sandbox.api.mailtrap.io" if "sandbox_id" in call.config else self.base_url
        return super().placed(replace(call, base_url=call.base_url or home))

    def check(self, call: Call) -> bool:
        """https://docs.mailtrap.io/developers/account-management/accounts"""
        call = replace(call, base_url=call.base_url or "https://mailtrap.io")
        answer = self.ask(call, "GET", "/api/accounts", headers={"Api-Token": call.secrets["api_token"]})
        accounts = answers.items(answer) if answer.status == HTTPStatus.OK else []
        if not any("id" in account for account in accounts):
            raise self.refusal(call, answer)
        return True

    def words_of(self, said: Mapping[str, Any]) -> Any:
        errors = said.get("errors", said.get("error"))
        return "; ".join(map(str, errors)) if isinstance(errors, list) else errors

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """https://docs.mailtrap.io/email-api-smtp/advanced/webhooks#webhook-signature-verification"""
        expected = hmac_sha256(self.needed(secrets, "signing_secret"), hook.body)
        self.expect(hook.headers.get("mailtrap-signature"), expected)


class MandrillEmail(TellingEmail):
    """https://mailchimp.com/developer/transactional/api/messages/send-new-message/"""

    key = "mandrill_email"
    display_name = "Mailchimp Transactional"
    summary = "E-mail through Mailchimp Transactional, formerly Mandrill."
    docs_url = "https://mailchimp.com/developer/transactional/api/messages/"
    base_url = "https://mandrillapp.com"
    api_path = "/api/1.0/"
    credential_schema = schema(
        {"webhook_key": secret("the key of the webhook", "an-example-of-a-webhook-key")},
        api_key=secret("an API key", "md-3kX9vQ2tR7wY1zB5nM8cA", 16),
    )
    service = "mandrill"
    view = "MandrillCombinedWebhookView"
    tells = frozenset({Kind.SENT})
    options = {"api_key": "api_key"}
    largest = 18 * MB
    refusals = mail_refusals.MANDRILL

    def check(self, call: Call) -> bool:
        """https://mailchimp.com/developer/transactional/api/users/ping-2/"""
        answer = self.ask(self.placed(call), "POST", "/api/1.0/users/ping2.json", json={"key": call.secrets["api_key"]})
        if answer.status != HTTPStatus.OK or answers.document(answer).get("PING") != "PONG!":
            raise self.refusal(call, answer)
        return True

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("name")

    def refusal(self, call: Call, answer: Answer) -> ProviderError:
        """Its names count beside any status."""
        said = answers.document(answer)
        known = self.known(self.code_of(said)) if answer.status >= HTTPStatus.BAD_REQUEST else {}
        return self.failure(call, answer, self.words_of(said), **known)

    def more_headers(self, call: Call) -> Mapping[str, str]:
        """anymail names no type for this body, and our client would call it bytes."""
        return {"Content-Type": "application/json"}

    def refused(self, call: Call, answer: Answer) -> ProviderError:
        reasons = {str(item.get("reject_reason")) for item in answers.items(answer)}
        if reasons and reasons <= mail_refusals.MANDRILL_ACCOUNT_REASONS:
            reason = f"mandrill_{sorted(reasons)[0].replace('-', '_')}"
            return self.failure(call, answer, "the account may not send this", kind=Next, reason=reason)
        return super().refused(call, answer)

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests"""
        key = self.needed(secrets, "webhook_key")
        try:
            form = hook.form()
        except ValueError:
            raise self.unverified("the body is no form.", reason="unreadable") from None
        signed = hook.url + "".join(name + form[name] for name in sorted(form))
        expected = hmac.new(key.encode(), signed.encode("utf-8", "replace"), hashlib.sha1).digest()
        self.expect(hook.headers.get("x-mandrill-signature"), base64.b64encode(expected).decode())


class SparkPostEmail(LoginEmail):
    """https://developers.sparkpost.com/api/transmissions/"""

    key = "sparkpost_email"
    display_name = "SparkPost"
    summary = "E-mail through SparkPost."
    docs_url = "https://developers.sparkpost.com/api/transmissions/"
    base_url = "https://api.sparkpost.com"
    api_path = "/api/v1/"
    regions = {"eu": "https://api.eu.sparkpost.com"}
    allowed_hosts = frozenset({"api.eu.sparkpost.com"})
    credential_schema = schema(
        WEBHOOK_LOGIN,
        api_key=secret(
            "an API key that may send; one that may read the account too can be verified",
            "c91f0e2d3b4a596877665544332211ffeeddccbb",
            20,
        ),
        region=region("us", "eu"),
    )
    config_schema = config_schema(
        subaccount={"type": "string", "pattern": "^[0-9]{1,10}$", "description": "the subaccount that sends"}
    )
    service = "sparkpost"
    view = "SparkPostTrackingWebhookView"
    tells = frozenset({Kind.DELIVERED})
    options = {"api_key": "api_key", "subaccount": "subaccount"}
    largest = 14 * MB
    checked = ("/api/v1/account", "results")
    refusals = mail_refusals.SPARKPOST
    # "Exceed Sending Limit": https://support.sparkpost.com/docs/tech-resources/extended-error-codes
    status_classes = {420: Next}
    titles_templates = True

    def login(self, call: Call) -> dict[str, Any]:
        return {"headers": {"Authorization": call.secrets["api_key"]}}

    def code_of(self, said: Mapping[str, Any]) -> Any:
        return _first(said).get("code")

    def words_of(self, said: Mapping[str, Any]) -> Any:
        first = _first(said)
        return ": ".join(str(first[name]) for name in ("message", "description") if first.get(name))

    def is_accepted(self, answer: Answer) -> bool:
        """Where the numbers are not its own, anymail knows of nobody whether he was refused."""
        return super().is_accepted(answer) and not _took_none(answer)

    def refusal(self, call: Call, answer: Answer) -> ProviderError:
        return self.refused(call, answer) if _took_none(answer) else super().refusal(call, answer)

    def extras(self, call: Call, mail: Mail) -> dict[str, Any]:
        """A template has its sender, and a message that names it may not have another."""
        return {**super().extras(call, mail), **({"from_email": None} if mail.template_id else {})}


def _took_none(answer: Answer) -> bool:
    results = answers.document(answer).get("results") if answer.status == HTTPStatus.OK else None
    return isinstance(results, dict) and results.get("total_accepted_recipients") == 0


def _first(said: Mapping[str, Any]) -> Mapping[str, Any]:
    errors = said.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


class UnisenderGoEmail(TellingEmail):
    """https://godocs.unisender.ru/web-api-ref#email-send"""

    key = "unisender_go_email"
    display_name = "Unisender Go"
    summary = "E-mail through Unisender Go."
    docs_url = "https://godocs.unisender.ru/web-api-ref#email-send"
    base_url = "https://go1.unisender.ru"
    api_path = "/ru/transactional/api/v1/"
    regions = {"go2": "https://go2.unisender.ru"}
    allowed_hosts = frozenset({"go2.unisender.ru"})
    credential_schema = schema(
        api_key=secret("an API key of the user or of a project", "6w5xk9q3n1zr8t7y4u2i0opasdfgh", 16),
        region=region("go1", "go2"),
    )
    service = "unisender_go"
    view = "UnisenderGoTrackingWebhookView"
    tells = frozenset({Kind.SENT, Kind.DELIVERED})
    options = {"api_key": "api_key"}
    # The message is known by the id that the service gives it.
    constants = {"generate_message_id": False}
    largest = 7 * MB
    refusals = mail_refusals.UNISENDER_GO

    def check(self, call: Call) -> bool:
        """https://godocs.unisender.ru/web-api-ref#system-info"""
        path, login = f"{self.api_path}system/info.json", {"X-API-KEY": call.secrets["api_key"]}
        answer = self.ask(self.placed(call), "POST", path, headers=login, json={})
        if answer.status != HTTPStatus.OK or answers.document(answer).get("status") != "success":
            raise self.refusal(call, answer)
        return True

    def verify_webhook(self, hook: Webhook, secrets: JSONObject) -> None:
        """The digest stands in the body, in the place of the key that it was made with.

        https://godocs.unisender.ru/web-api-ref#callback-format
        """
        key = self.needed(secrets, "api_key")
        try:
            given = hook.json()["auth"].encode()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise self.unverified("the body has no auth.", reason="unreadable") from None
        if not given or given not in hook.body:
            # Spelled by escapes it would not be replaced, and what is signed without the key anybody can sign.
            raise self.unverified("the body's auth is no plain digest.", reason="unreadable")
        signed = hook.body.replace(given, key.encode())
        self.expect(given.decode(), hashlib.md5(signed, usedforsecurity=False).hexdigest())
