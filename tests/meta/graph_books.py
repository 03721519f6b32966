"""What Meta goes by when a message is sent: its own books, whatever the hub may believe.

    meta.templates[0]["status"] = "PAUSED"      # after the hub's last sync
    meta.heard = {}                             # nobody has written, as far as Meta knows
    meta.customer_wrote("+14155552671")

Codes: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
Limits: https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
"""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.meta.graph_answers import MEDIA, Answered, message_fault, refusal, template

DAY = 24 * 60 * 60
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# What a template's status makes of it: one that is neither is not there for whoever sends.
UNSENDABLE = {
    "PAUSED": (132015, "Template is Paused", 400),
    "DISABLED": (132016, "Template is Disabled", 400),
}


@dataclass
class Medium:
    content: bytes
    content_type: str
    phone_number_id: str = ""
    filename: str = ""
    expired: bool = False


@dataclass
class Books:
    """`strangers` are numbers that are not on WhatsApp. `heard` is when each customer last wrote, by their digits;
    None: everybody has, just now. A message to one customer uses up `pair_seconds`; so many as `pair_burst` may be
    borrowed of them."""

    templates: list[dict[str, Any]] = field(default_factory=lambda: [template()])
    media: dict[str, Medium] = field(default_factory=dict)
    is_registered: bool = True
    strangers: set[str] = field(default_factory=set)
    heard: dict[str, float] | None = None
    per_second: int = 80
    pair_burst: int = 45
    pair_seconds: float = 6.0
    _of_late: deque[float] = field(default_factory=deque, repr=False)
    _used_to: dict[str, float] = field(default_factory=dict, repr=False)

    def customer_wrote(self, phone: str, seconds_ago: float = 0) -> None:
        self.heard = {**(self.heard or {}), _digits(phone): time.time() - seconds_ago}

    def refusal_of(self, body: Any) -> Answered | None:
        """What Meta says to the body of `POST /{phone}/messages`; None for a message that it takes, and has counted."""
        if fault := message_fault(body):
            return refusal(100, "Invalid parameter", details=fault)
        if not self.is_registered:
            return refusal(133010, "Phone number not registered", details="The number is not registered on WhatsApp.")
        if body.get("status") == "read":
            return None
        rules: tuple[Callable[[str, Any], Answered | None], ...]
        rules = (self._recipient, self._window, self._medium, self._template, self._pair, self._throughput)
        to = _digits(str(body.get("to") or body.get("recipient")))
        if refused := next((answer for rule in rules if (answer := rule(to, body))), None):
            return refused
        self._of_late.append(time.monotonic())
        self._used_to[to] = max(time.monotonic(), self._used_to.get(to, 0)) + self.pair_seconds
        return None

    def _recipient(self, to: str, body: Any) -> Answered | None:
        if to not in map(_digits, self.strangers):
            return None
        return refusal(131026, "Message undeliverable", details="Message Undeliverable.")

    def _window(self, to: str, body: Any) -> Answered | None:
        if body["type"] == "template" or self.heard is None or time.time() - self.heard.get(to, 0) < DAY:
            return None
        words = "Message failed to send because more than 24 hours have passed since the customer last replied."
        return refusal(131047, "Re-engagement message", details=words)

    def _medium(self, to: str, body: Any) -> Answered | None:
        kind = body["type"]
        if kind not in MEDIA or body[kind].get("id", "") in self.media or "link" in body[kind]:
            return None
        words = f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID"
        return refusal(100, words, details=words)

    def _template(self, to: str, body: Any) -> Answered | None:
        if body["type"] != "template":
            return None
        name, language = body["template"]["name"], body["template"]["language"]["code"]
        rows = [row for row in self.templates if (row["name"], row["language"]) == (name, language)]
        status = str(rows[0]["status"]).upper() if rows else ""
        if status in UNSENDABLE:
            code, words, http = UNSENDABLE[status]
            return refusal(code, words, http, details=f"{words}: {name}")
        if status != "APPROVED":
            words = f"template name ({name}) does not exist in {language}"
            return refusal(132001, "Template name does not exist in the translation", 404, details=words)
        return next(_misfits(rows[0], body["template"].get("components", [])), None)

    def _pair(self, to: str, body: Any) -> Answered | None:
        ahead = self._used_to.get(to, 0) - time.monotonic()
        if ahead + self.pair_seconds <= self.pair_seconds * self.pair_burst:
            return None
        said = "Message failed to send because there were too many messages to the same phone number."
        return refusal(131056, "(Business Account, Consumer Account) pair rate limit hit", details=said)

    def _throughput(self, to: str, body: Any) -> Answered | None:
        while self._of_late and self._of_late[0] < time.monotonic() - 1:
            self._of_late.popleft()
        if len(self._of_late) < self.per_second:
            return None
        return refusal(130429, "Rate limit hit", details="Cloud API message throughput has been reached.")


def _misfits(listed: Mapping[str, Any], given: list[Any]) -> Iterator[Answered]:
    """Where the values of a message are not as many as the template's placeholders."""
    counts = {str(each.get("type")).lower(): len(each.get("parameters", [])) for each in given}
    with_value = {str(each.get("index")) for each in given if str(each.get("type")).lower() == "button"}
    for component in listed.get("components", []):
        kind = str(component["type"]).lower()
        if kind in ("header", "body") and counts.get(kind, 0) != (expected := _expected(component)):
            words = f"{kind}: number of localizable_params ({counts.get(kind, 0)}) does not match the expected number"
            words += f" of params ({expected})"
            yield refusal(132000, "Number of parameters does not match the expected number of params", details=words)
        for index, button in enumerate(component.get("buttons", [])):
            if PLACEHOLDER.search(button.get("url", "")) and str(index) not in with_value:
                words = f"buttons: Button at index {index} of type Url requires a parameter"
                yield refusal(131008, "Required parameter is missing", details=words)


def _expected(component: Mapping[str, Any]) -> int:
    if str(component.get("format", "TEXT")).upper() != "TEXT":
        return 1
    return len(set(PLACEHOLDER.findall(component.get("text", ""))))


def _digits(phone: str) -> str:
    return re.sub("[^0-9]", "", phone)
