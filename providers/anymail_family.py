"""What all services that django-anymail speaks to have in common: `providers/adapters/anymail_email.py` has their rows.

anymail writes the request and reads the answer of a success (`anymail_messages.py`); the exchange is `Adapter.ask`'s,
and what a refusal means is read from the service's own codes, never from anymail's words. What a service cannot say
(`AnymailUnsupportedFeature`) another may: that is Next, `unsupported_feature`, and nothing was sent.

Of several recipients some may be refused while the others are written to: then it succeeded, and `result.recipients`
says which, since another provider would write to the others twice. Only where all are refused the chain ends.
"""

import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer
from providers import answers, composing, senders
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.composing import Mail
from providers.errors import Ambiguous, Next, ProviderError, Stop

Refusals = Mapping[Any, Mapping[str, Any]]
MB = 1_000_000
CONFIG: dict[str, Any] = {"from": composing.SENDER, "from_name": composing.SENDER_NAME}
_REFUSED = frozenset({"invalid", "rejected"})
_NOT_SENT = _REFUSED | {"failed"}


def schema(optional: JSONObject | None = None, **members: JSONObject) -> JSONObject:
    """A credential of these members, all of them required but those that have a default or are `optional`."""
    required = [name for name, member in members.items() if "default" not in member]
    properties = {**members, **(optional or {})}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def secret(description: str, example: str, shortest: int = 8) -> JSONObject:
    """A member that is shown nowhere."""
    lengths = {"minLength": shortest, "maxLength": 300, "pattern": "^[\\x21-\\x7e]+$"}
    return {"type": "string", **lengths, "x-secret": True, "description": description, "examples": [example]}


def region(*names: str) -> JSONObject:
    """Where an account may be; it is at the first unless the credential says otherwise."""
    return {
        "type": "string",
        "enum": list(names),
        "default": names[0],
        "description": f"where the account is: {' or '.join(names)}; {names[0]} unless set",
    }


def config_schema(**members: JSONObject) -> JSONObject:
    return {"type": "object", "properties": {**CONFIG, **members}, "additionalProperties": False}


class AnymailEmail(Adapter):
    """One service. `service` is its module in anymail.backends; `options` are that backend's arguments, each with the
    member of the credential or of the configuration that it is given, and `constants` those that are always the same;
    `api_path` comes behind the base URL.

    `code_of` and `refusals` tell a refusal from another. `checked` is a path that only a valid login may get, and the
    member that its answer has.
    """

    intents = frozenset({"message.send.email"})
    config_schema = config_schema()
    service: ClassVar[str]
    options: ClassVar[Mapping[str, str]]
    constants: ClassVar[Mapping[str, Any]] = {}
    api_path: ClassVar[str] = "/"
    regions: ClassVar[Mapping[str, str]] = {}
    largest: ClassVar[int]
    checked: ClassVar[tuple[str, str]]
    refusals: ClassVar[Refusals] = {}
    # Whether what is sent with a message comes back with what is told of it.
    carries_metadata: ClassVar[bool] = True
    has_templates: ClassVar[bool] = True
    # Its templates bring their subject, and a message that names one may not have another.
    titles_templates: ClassVar[bool] = False

    def preflight(self, call: Call) -> None:
        composing.refuse(call)
        if not senders.chosen(call):
            raise senders.refused(self.display_name)

    def check(self, call: Call) -> bool:
        path, member = self.checked
        answer = self.ask(self.placed(call), "GET", path.format(**call.secrets), **self.login(call))
        if answer.status != HTTPStatus.OK or member not in answers.document(answer):
            raise self.refusal(call, answer)
        return True

    def execute(self, call: Call) -> Receipt:
        if not senders.chosen(call):
            raise senders.unset(self.display_name)
        mail = composing.read(
            call, self.http, provider=self.display_name, largest=self.largest, has_templates=self.has_templates
        )
        if mail.template_id and self.titles_templates:
            mail = replace(mail, subject="")
        call, anymail = self.placed(call), _anymail()
        door = _Door(self, call)
        try:
            sending = anymail.Sending(self.service, mail, options=self._options(call), more=self.extras(call, mail))
            recipients = sending.make(door, call.deadline, self.more_headers(call))
        except anymail.Unsupported as error:
            raise Next(f"{error}; nothing was sent.", reason="unsupported_feature") from None
        except anymail.Unwritable:
            words = "An address of the message is none that mail can go to; nothing was sent."
            raise Stop(words, reason="unwritable_message") from None
        except anymail.Unreadable:
            raise self.failure(call, door.answer, kind=Ambiguous) from None
        return self._receipt(call, door.answer, recipients)

    # --- What a row may say for itself ---

    def placed(self, call: Call) -> Call:
        """The call with the address that it goes to."""
        home = self.regions.get(call.secrets.get("region", ""), self.base_url)
        return replace(call, base_url=(call.base_url or home).rstrip("/"))

    def login(self, call: Call) -> dict[str, Any]:
        """How `check` says who asks, as arguments of `ask`."""
        raise NotImplementedError

    def code_of(self, said: Mapping[str, Any]) -> Any:
        """The service's own code of a refusal."""
        return said.get("code")

    def words_of(self, said: Mapping[str, Any]) -> Any:
        return said.get("message")

    def is_accepted(self, answer: Answer) -> bool:
        """Whether this is a success, as far as its status and the whole of it tell."""
        return 200 <= answer.status < 300

    def more_headers(self, call: Call) -> Mapping[str, str]:
        return {}

    def extras(self, call: Call, mail: Mail) -> dict[str, Any]:
        """What anymail knows of a message beside Django: https://anymail.dev/en/stable/sending/anymail_additions/"""
        found: dict[str, Any] = {}
        if self.carries_metadata:
            found["metadata"] = {"attempt_id": str(call.attempt_id)}
        if mail.tags:
            found["tags"] = list(mail.tags)
        if mail.template_id:
            found |= {"template_id": self.template(mail.template_id), "merge_global_data": dict(mail.variables)}
        return found

    def template(self, template_id: str) -> Any:
        return template_id

    # --- Answers ---

    def failure(self, call: Call, answer: Answer, said: Any = "", **known: Any) -> ProviderError:
        """A region is no secret, and stands in many words: "us" would be hidden in "must"."""
        secrets = {name: value for name, value in call.secrets.items() if name != "region"}
        return super().failure(replace(call, secrets=secrets), answer, said, **known)

    def refusal(self, call: Call, answer: Answer) -> ProviderError:
        """A code counts in a refusal only: beside a 5xx it says nothing about whether the service acted."""
        said = answers.document(answer)
        code = self.code_of(said)
        known = self.known(code) if 400 <= answer.status < 500 else {}
        return self.failure(call, answer, self.words_of(said), **known)

    def known(self, code: Any) -> dict[str, Any]:
        known = self.refusals.get(code) if isinstance(code, str | int) else None
        if known is None:
            return {}
        word = answers.word(code) if isinstance(code, str) and code.isalpha() else str(code).lower().lstrip("#")
        reason = f"{self.service}_{word}".replace("-", "_")
        return {"reason": reason, "credential_refused": False, **known}

    def refused(self, call: Call, answer: Answer) -> ProviderError:
        """The error of a success that refuses each of the recipients."""
        return self.failure(call, answer, "every recipient is refused", kind=Stop, reason="recipients_refused")

    def _options(self, call: Call) -> dict[str, Any]:
        given = {**call.config, **call.secrets}
        found = {option: given[name] for option, name in self.options.items() if name in given}
        return {"api_url": call.base_url + self.api_path, **self.constants, **found}

    def _receipt(self, call: Call, answer: Answer, recipients: list[Any]) -> Receipt:
        """Raises Stop where the service refused every recipient, and Next where it could not send to any."""
        went = [each for each in recipients if each.status not in _NOT_SENT]
        if recipients and not went:
            if all(each.status in _REFUSED for each in recipients):
                raise self.refused(call, answer)
            raise self.failure(call, answer, "to no recipient could be sent", kind=Next, reason="recipients_failed")
        reference = next((each.id for each in went if each.id), "")
        if not reference:
            raise self.failure(call, answer, kind=Ambiguous)
        told = [{"to": each.address, "status": each.status, "id": each.id or None} for each in recipients]
        return Receipt(reference, {"status": went[0].status, "recipients": told})


class _Door:
    """The one exchange of a call, by `Adapter.ask`; only what the service may have meant as a success comes back."""

    def __init__(self, adapter: AnymailEmail, call: Call) -> None:
        self._adapter, self._call = adapter, call
        self.answer = Answer(0, {}, b"")

    def request(self, method: str, url: str, *, deadline: Deadline, headers: Mapping[str, str], data: Any) -> Answer:
        path = url.removeprefix(self._call.base_url)
        self.answer = self._adapter.ask(self._call, method, path, headers=headers, data=data)
        if not self._adapter.is_accepted(self.answer):
            raise self._adapter.refusal(self._call, self.answer)
        return self.answer


@cache
def _anymail() -> Any:
    """Loaded with the first message: it would be a fifth of a second of every process's start."""
    return importlib.import_module("providers.anymail_messages")
