"""One class for all services that apprise speaks to; what tells them apart is data: services.json."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from integrationhub.core.outbound import AddressBlocked, Answer, AnswerLost, NotSent, messages
from providers import senders
from providers.adapter import Adapter, Call, JSONObject, Receipt
from providers.apprise.children import children
from providers.errors import Ambiguous, Blocked, Next, ProviderError

_RECIPIENTS = ("token", "topic", "channel", "to")
_ONE = re.compile(r"[^\s,;]+")


class AppriseService(Adapter):
    """`schema` is apprise's name of the service, `host` the only one that may be dialled for it.

    `recipients` says which member of a payload becomes which argument of the plugin, and what stands before its value;
    a member that is null there goes to whom the credential reaches by itself. `arguments` names the plugin's argument
    of each member of the credential, `constants` what every message is sent with, `sender` the argument that holds the
    sender. Where apprise knows less than the service's answer says, `proof` names a member that an acceptance has, by
    its path, and its value, or null for any; `reference` is the path of the service's own id.
    """

    schema: ClassVar[str]
    host: ClassVar[str]
    arguments: ClassVar[Mapping[str, str]]
    constants: ClassVar[JSONObject]
    recipients: ClassVar[Mapping[str, Any]]
    sender: ClassVar[str]
    proof: ClassVar[Mapping[str, Any]]
    reference: ClassVar[str]

    def serves_without_credential(self) -> bool:
        return not (self.credential_schema or {}).get("required")

    def preflight(self, call: Call) -> None:
        if self.sender and not senders.chosen(call):
            raise senders.refused(self.display_name)

    def execute(self, call: Call) -> Receipt:
        title, body = _words(call)
        job = {"schema": self.schema, "arguments": self._arguments(call), "title": title, "body": body}
        said = self._asked(call, {**job, "host": self.host})
        exchanges = said["exchanges"]
        if len(exchanges) != 1 or "lost" in exchanges[0]:
            raise self._unanswered(exchanges)
        answer = _answer(exchanges[0])
        document = _document(answer)
        is_proved = all(_at(document, path) == value or value is None for path, value in self.proof.items())
        reference = _at(document, self.reference)
        is_proved = is_proved and (bool(reference) or self.reference not in self.proof)
        if said["accepted"] and is_proved and 200 <= answer.status < 300:
            return Receipt(str(reference or call.attempt_id))
        raise self._refusal(call, answer)

    def _asked(self, call: Call, job: dict[str, Any]) -> dict[str, Any]:
        """What the child says. Raises Next where nothing was sent, and Ambiguous where something may have been."""
        where = call.base_url or f"https://{self.host}"
        try:
            job |= {"addresses": self.http.addresses(where, call.deadline), "port": messages.target(where).origin.port}
            job |= {"origin": call.base_url.rstrip("/")}
            return children.ask(job, call.deadline)
        except NotSent as error:
            words = f"{self.display_name} cannot be reached ({error.reason}); nothing was sent."
            raise (Blocked if isinstance(error, AddressBlocked) else Next)(words, reason=error.reason) from None
        except AnswerLost as error:
            raise self._lost(error.reason) from None

    def _arguments(self, call: Call) -> dict[str, Any]:
        """Raises Next for a recipient or a sender that this service knows nothing of."""
        arguments = {**self.constants, **{self.arguments[name]: value for name, value in call.secrets.items()}}
        if self.sender:
            sender = senders.chosen(call)
            if not sender:
                raise senders.unset(self.display_name)
            arguments[self.sender] = sender
        return arguments | self._recipient(call)

    def _recipient(self, call: Call) -> dict[str, Any]:
        """Apprise would read a name with white space or a comma in it as several. Raises Next."""
        [name] = [name for name in _RECIPIENTS if name in call.payload]
        to = self.recipients.get(name)
        value = str(call.payload[name]).removeprefix(to["prefix"] or "#") if to else ""
        if name not in self.recipients or (to and not _ONE.fullmatch(value)):
            words = f"{self.display_name} knows no such {name} to send to; nothing was sent."
            raise Next(words, reason="recipient_unsupported")
        if not to:
            return {}
        value = f"{to['prefix']}{value}"
        return {to["argument"]: [value] if to["argument"] == "targets" else value}

    def _unanswered(self, exchanges: list[dict[str, Any]]) -> ProviderError:
        """No answer, or more than one, of which nobody knows what they mean together."""
        if any(each.get("is_sent", True) for each in exchanges):
            return self._lost(exchanges[-1].get("lost", "several_answers"))
        reason = exchanges[-1]["lost"] if exchanges else "not_sendable"
        return Next(f"{self.display_name} was not asked ({reason}); nothing was sent.", reason=reason)

    def _lost(self, reason: str) -> Ambiguous:
        return Ambiguous(f"{self.display_name} was asked, and its answer was lost ({reason}).", reason=reason)

    def _refusal(self, call: Call, answer: Answer) -> ProviderError:
        """By its status. A 2xx that apprise takes for a failure, or that proves nothing, does not tell; one whose id is
        empty has made no message (OneSignal says so of its own)."""
        text = answer.body.decode(errors="replace")
        known = {"kind": Next, "reason": "not_created"} if _at(_document(answer), self.reference) == "" else {}
        return self.failure(call, answer, "" if text.lstrip().startswith("<") else text, **known)


def _words(call: Call) -> tuple[str, str]:
    """Title and text: of all that a payload may hold, what every service can show. Raises Next for a message that is
    something else."""
    if call.intent == "message.send.push":
        return call.payload["title"], call.payload["body"]
    if "text" not in call.payload:
        raise Next("This provider sends text alone; nothing was sent.", reason="text_only")
    return "", call.payload["text"]


def _answer(exchange: dict[str, Any]) -> Answer:
    headers = {name.title(): value for name, value in exchange["headers"].items()}
    return Answer(exchange["status"], headers, exchange["body"].encode())


def _document(answer: Answer) -> Any:
    try:
        return answer.json()
    except AnswerLost:
        return None


def _at(document: Any, path: str) -> Any:
    """What stands at `data.messages.0.id`; None where nothing does."""
    for step in path.split(".") if path else []:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document if path else None
