"""Meta's Graph API as far as WhatsApp Business needs it: messages, media, templates, the number and its account.

https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from http import HTTPStatus
from typing import IO, Any, NoReturn
from urllib.parse import parse_qs, quote, urlsplit

from integrationhub.core.catalogue import Entry
from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, Client, OutboundError
from providers import answers, meta_refusals
from providers.errors import Ambiguous, Stop

BASE_URL = "https://graph.facebook.com"
VERSION = "v25.0"
MEDIA_HOSTS = ("lookaside.fbsbx.com",)
LARGEST_MEDIA = 100 * 1024 * 1024
TEMPLATES_PER_PAGE = 200
# Meta allows 6,000 templates for an account; a list that is longer by far is a fault, not an account.
MOST_PAGES = 100
LARGEST_PAGE = 16 * 1024 * 1024
TEMPLATE_FIELDS = (
    "id,name,language,status,category,previous_category,correct_category,sub_category,parameter_format,components,"
    "rejected_reason,quality_score,message_send_ttl_seconds,library_template_name,cta_url_link_tracking_opted_out"
)
NUMBER_FIELDS = "id,display_phone_number,verified_name,quality_rating,code_verification_status,throughput"

_client = cache(Client)  # One pool of connections for this process.


@dataclass(frozen=True, slots=True)
class Account:
    """A business phone number, the WhatsApp Business Account it belongs to, and what Meta wants to hear for it.

    `app_secrets` sign its webhooks: the one in use first, and during a rotation the one before. `was_refused`: Meta did
    not take the token when it was last used.
    """

    phone_number_id: str
    waba_id: str
    access_token: str = field(repr=False)
    app_secrets: tuple[str, ...] = field(default=(), repr=False)
    verify_token: str = field(default="", repr=False)
    was_refused: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """What Meta accepted. `wa_id` and `user_id` are the recipient as WhatsApp knows it; `status` is told for messages
    that are held back. Empty is what Meta did not tell."""

    message_id: str
    wa_id: str = ""
    user_id: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """Where a medium can be fetched for five minutes; `sha256` is hexadecimal, `size` in bytes. Empty where untold."""

    media_id: str
    url: str = field(repr=False)
    content_type: str = ""
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """What was downloaded: its SHA-256, hexadecimal, and its size in bytes."""

    sha256: str
    size: int


class _Taken:
    """Counts and digests what it writes."""

    def __init__(self, into: IO[bytes]) -> None:
        self.sha256, self.size, self._into = hashlib.sha256(), 0, into

    def __call__(self, piece: bytes) -> None:
        self.sha256.update(piece)
        self.size += len(piece)
        self._into.write(piece)


class MetaGraph:
    """One account's view of the Graph API. The token travels in a header, never in a URL.

    Every method raises Retry, Next, Ambiguous or Stop, with the entry of `meta_codes` and `details["meta"]`.
    """

    def __init__(
        self,
        account: Account,
        *,
        http: Client | None = None,
        base_url: str = BASE_URL,
        api_version: str = VERSION,
        media_hosts: tuple[str, ...] = MEDIA_HOSTS,
    ) -> None:
        self.account = account
        self._http = http or _client()
        self._root = f"{base_url.rstrip('/')}/{api_version}"
        self._media_hosts = media_hosts

    # --- Messages: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages ---

    def send(self, message: Mapping[str, Any], deadline: Deadline) -> Sent:
        """Send what has `to`, `type` and a member of that type. There is no key against a second sending: after an
        `Ambiguous`, only a status with our `biz_opaque_callback_data` tells whether Meta took it."""
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", **message}
        answer = self._ask("POST", f"{self.account.phone_number_id}/messages", deadline, json=body)
        said = self._said(answer, acts=True)
        sent, contact = _first(said, "messages"), _first(said, "contacts")
        if not (message_id := _text(sent, "id")):
            self._unreadable(answer, acts=True)
        return Sent(message_id, _text(contact, "wa_id"), _text(contact, "user_id"), _text(sent, "message_status"))

    def mark_read(self, message_id: str, deadline: Deadline, *, typing: bool = False) -> None:
        """Show a user's message as read; with `typing`, also that an answer is being written (for 25 s at most)."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": message_id}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        answer = self._ask("POST", f"{self.account.phone_number_id}/messages", deadline, json=body)
        if self._said(answer).get("success") is not True:
            self._unreadable(answer)

    # --- Templates: https://developers.facebook.com/docs/graph-api/results ---

    def template_pages(self, deadline: Deadline, seconds_per_page: float) -> Iterator[list[dict[str, Any]]]:
        """Every page of the account's templates, each asked for by its cursor on our own base URL.

        A cursor that comes twice, more than 100 pages, or no time for the next one raises Ambiguous: what was read
        until then is no whole list.
        """
        after: str | None = ""
        seen = {after}
        for _ in range(MOST_PAGES):
            params = {"fields": TEMPLATE_FIELDS, "limit": TEMPLATES_PER_PAGE} | ({"after": after} if after else {})
            if not deadline.remaining():
                raise meta_refusals.unfinished("timed_out", "Meta had more pages than there was time for.")
            where, page_deadline = f"{self.account.waba_id}/message_templates", deadline.within(seconds_per_page)
            answer = self._ask("GET", where, page_deadline, params=params, max_bytes=LARGEST_PAGE)
            said = self._said(answer)
            yield self._rows(answer, said)
            after = _cursor(said)
            if after is None:
                return
            if after in seen:
                raise meta_refusals.unfinished("cursor_loop", "Meta's list of templates leads back to where it was.")
            seen.add(after)
        raise meta_refusals.unfinished("too_many_pages", f"Meta's list of templates has more than {MOST_PAGES} pages.")

    # --- Media: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media ---

    def upload(self, content: IO[bytes], content_type: str, filename: str, deadline: Deadline) -> str:
        """The id of a medium to send, which Meta keeps for 30 days. The file is read as it is sent."""
        form = {"messaging_product": "whatsapp", "type": content_type}
        files = {"file": (filename, content, content_type)}
        where = f"{self.account.phone_number_id}/media"
        answer = self._ask("POST", where, deadline, data=form, files=files)
        return _text(self._said(answer), "id") or self._unreadable(answer)

    def media(self, media_id: str, deadline: Deadline) -> MediaPlace:
        """Where a medium of this number is. One of another number is refused by Meta."""
        answer = self._ask(
            "GET", quote(media_id, safe=""), deadline, params={"phone_number_id": self.account.phone_number_id}
        )
        said = self._said(answer)
        if not (url := _text(said, "url")):
            self._unreadable(answer)
        size = str(said.get("file_size", ""))
        return MediaPlace(
            media_id,
            url,
            _text(said, "mime_type"),
            hexadecimal(_text(said, "sha256")),
            int(size) if re.fullmatch("[0-9]{1,12}", size) else 0,
        )

    def download(
        self, place: MediaPlace, into: IO[bytes], deadline: Deadline, *, largest: int = LARGEST_MEDIA
    ) -> Content:
        """Write the content to a file: at most `largest` bytes, of Meta's hosts alone, and what its SHA-256 says, if
        that was told. Of what fails, the file may hold a part.

        A place that has moved (404) is asked for again with `media`. Raises with WHATSAPP_MEDIA_DOWNLOAD_FAILED.
        """
        if urlsplit(place.url).netloc.lower() not in self._media_hosts:
            raise meta_refusals.no_medium(Stop, "foreign_media_host", "Meta named a host for it that is not Meta's.")
        if place.size > largest:
            raise meta_refusals.no_medium(Stop, "media_too_large", f"It has more than {largest} bytes.")
        taken = _Taken(into)
        try:
            answer = self._exchange(
                "GET", place.url, deadline, entry=meta_refusals.MEDIA_LOST, max_bytes=largest, into=taken
            )
        except Ambiguous as error:
            if error.reason != "answer_too_large":
                raise
            raise meta_refusals.no_medium(Stop, "media_too_large", f"It has more than {largest} bytes.") from None
        if answer.status != HTTPStatus.OK:
            raise meta_refusals.refused(answer, self._error(answer), acts=False, entry=meta_refusals.MEDIA_LOST)
        content = Content(taken.sha256.hexdigest(), taken.size)
        if place.sha256 and content.sha256 != place.sha256:
            raise meta_refusals.no_medium(Ambiguous, "wrong_sha256", "What came is not what its SHA-256 says.")
        return content

    # --- The account: https://developers.facebook.com/docs/whatsapp/business-management-api ---

    def phone_number(self, deadline: Deadline) -> dict[str, Any]:
        return self._object(self.account.phone_number_id, deadline, fields=NUMBER_FIELDS)

    def phone_numbers(self, deadline: Deadline) -> list[dict[str, Any]]:
        """The numbers of the business account; it has a handful."""
        return self._list("phone_numbers", deadline, fields=NUMBER_FIELDS, limit=100)

    def subscribed_apps(self, deadline: Deadline) -> list[dict[str, Any]]:
        """The apps that get the account's webhooks; without ours there are none."""
        return self._list("subscribed_apps", deadline)

    def app(self, deadline: Deadline) -> dict[str, Any]:
        """The app that the token was made by: `id`, and `name` if Meta tells it."""
        return self._object("app", deadline, fields="id,name")

    def token_owner(self, deadline: Deadline) -> dict[str, Any]:
        """Who the token speaks for: `id`, and `name` if Meta tells it."""
        return self._object("me", deadline, fields="id,name")

    def prove(self, number: int, deadline: Deadline) -> None:
        """That `app_secrets[number]` is a secret of the token's app: Meta refuses a proof made with another one.

        https://developers.facebook.com/docs/graph-api/guides/secure-requests
        """
        key, token = self.account.app_secrets[number].encode(), self.account.access_token.encode()
        self._object("me", deadline, fields="id", appsecret_proof=hmac.new(key, token, "sha256").hexdigest())

    def _object(self, node: str, deadline: Deadline, **params: Any) -> dict[str, Any]:
        answer = self._ask("GET", quote(node, safe=""), deadline, params=params)
        said = self._said(answer)
        return said if _text(said, "id") else self._unreadable(answer)

    def _list(self, edge: str, deadline: Deadline, **params: Any) -> list[dict[str, Any]]:
        answer = self._ask("GET", f"{self.account.waba_id}/{edge}", deadline, params=params)
        return self._rows(answer, self._said(answer))

    def _ask(self, method: str, path: str, deadline: Deadline, **request: Any) -> Answer:
        return self._exchange(method, f"{self._root}/{path}", deadline, **request)

    def _exchange(
        self, method: str, url: str, deadline: Deadline, *, entry: Entry | None = None, **request: Any
    ) -> Answer:
        login = {"Authorization": f"Bearer {self.account.access_token}"}
        try:
            return self._http.request(method, url, deadline=deadline, headers=login, **request)
        except OutboundError as error:
            raise meta_refusals.not_exchanged(error, acts=method != "GET", entry=entry) from None

    def _said(self, answer: Answer, *, acts: bool = False) -> dict[str, Any]:
        """The body of an answer that holds no error. A status of 200 is no proof of that."""
        error = self._error(answer)
        if error or answer.status != HTTPStatus.OK:
            raise meta_refusals.refused(answer, error, acts=acts)
        return answers.document(answer)

    def _error(self, answer: Answer) -> meta_refusals.Said | None:
        return meta_refusals.said_in(answers.document(answer), asdict(self.account))

    def _rows(self, answer: Answer, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = said.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self._unreadable(answer)
        return rows

    def _unreadable(self, answer: Answer, *, acts: bool = False) -> NoReturn:
        raise meta_refusals.refused(answer, None, acts=acts)


def _first(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    items = said.get(name)
    first = items[0] if isinstance(items, list) and items else None
    return first if isinstance(first, dict) else {}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def _cursor(said: Mapping[str, Any]) -> str | None:
    """Where the next page begins; None after the last one, which has cursors too, but no `next`.

    The address in `next` is not followed: it is another host's to choose, and may hold the token. An empty cursor
    beside it leads back to the first page.
    """
    paging = said.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = _text(cursors, "after") if isinstance(cursors, dict) else ""
    return after or next(iter(parse_qs(urlsplit(str(paging["next"])).query).get("after", [])), "")


def hexadecimal(digest: str) -> str:
    """A SHA-256 as Meta's media have it, or as its webhooks do, which is in base64; empty for anything else."""
    if re.fullmatch("[0-9a-fA-F]{64}", digest):
        return digest.lower()
    try:
        raw = base64.b64decode(digest, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == 32 else ""
