"""Meta's Graph API on loopback, as far as WhatsApp Business uses it: over real HTTP, with Meta's shapes and refusals.

    with graph_server.running() as meta:
        settings.META_GRAPH_BASE_URL = meta.base_url          # or the fixture `meta` of tests/meta/fixtures.py
        meta.fail(131026, details="Message undeliverable.")   # the next call fails so
        ...
        assert meta.sent[0]["to"] == "+14155552671"

Whoever breaks Meta's rules (no bearer, another version, a token in a URL, a body it cannot read, a message that its
books (graph_books.py) do not allow) is refused as Meta refuses it; a token in a URL is a fault of the test too, which
`stop` tells.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from tests.meta.graph_answers import LOST, SILENT, Answered, Recipe, error, oddly, refusal
from tests.meta.graph_books import Books, Medium
from tests.meta.graph_http import Asked, form, read

TOKEN = "EAAGm0PX4ZCpsBAtestTOKENwithoutEND"
VERSION = "v25.0"
PHONE_NUMBER_ID = "106540352242922"
WABA_ID = "102290129340398"
DISPLAY_NUMBER = "+1 555-060-2200"
APP_ID = "670843887433847"
APP_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass
class GraphServer(Books):
    """State that a test may set before or between calls. `asked` is all that came, `sent` the messages accepted.

    `disorder` deals templates onto the pages in another order; `odd` answers in the shapes that Meta's have been seen
    to have now and then; `regain_minutes` stands in the usage header of every answer; `delay`, in seconds, is before
    each.
    """

    token: str = TOKEN
    version: str = VERSION
    phone_number_id: str = PHONE_NUMBER_ID
    waba_id: str = WABA_ID
    app_secret: str = APP_SECRET
    apps: list[str] = field(default_factory=lambda: ["Integration Hub"])
    other_numbers: list[str] = field(default_factory=list)
    disorder: bool = False
    odd: bool = False
    cursor_loop: bool = False
    largest_page: int = 1000
    media_host: str = ""
    false_sha256: bool = False
    regain_minutes: int = 0
    delay: float = 0
    asked: list[Asked] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    recipes: list[Recipe] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    # --- Life ---

    def start(self) -> None:
        self._over = threading.Event()
        self._servers = [self._serve(self._graph), self._serve(self._lookaside)]

    def stop(self) -> None:
        self._over.set()
        for server, thread in self._servers:
            server.shutdown()
            server.server_close()
            thread.join()
        assert self.faults == []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0][0].server_port}"

    @property
    def media_netloc(self) -> str:
        """Where media are: another host, as far as a port makes one."""
        return f"127.0.0.1:{self._servers[1][0].server_port}"

    # --- Recipes ---

    def fail(
        self,
        code: int | None = None,
        status: int = 400,
        *,
        on: str = "",
        times: int = 1,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        """The next `times` calls whose "METHOD path" matches the expression `on` fail with this code, or with `body`.

        `members` are those of Meta's error: `details`, `subcode`, `message`, `type`, `is_transient`, ...
        """
        answer = Answered(status, error(code, **members) if body is None else body, headers or {})
        self.recipes.append(Recipe(on, times, answer))

    def lose_answer(self, on: str = "", times: int = 1) -> None:
        """Do what is asked, and close the connection without a word: nobody can know that it was done."""
        self.recipes.append(Recipe(on, times, LOST))

    def be_silent(self, on: str = "", times: int = 1) -> None:
        """Do what is asked, and never answer."""
        self.recipes.append(Recipe(on, times, SILENT))

    def store(self, content: bytes, content_type: str, media_id: str = "", **more: Any) -> str:
        """A medium that a user has sent, or that was uploaded; its id."""
        media_id = media_id or str(uuid4().int)[:16]
        self.media[media_id] = Medium(content, content_type, **{"phone_number_id": self.phone_number_id, **more})
        return media_id

    # --- The Graph host ---

    def _graph(self, asked: Asked, version: str) -> Answered:
        if version != self.version:
            return refusal(2500, f"Unknown path components: /{version}{asked.path}")
        if refused := self._unauthorized(asked):
            return refused
        for method, pattern, answer in self._routes():
            if method == asked.method and (match := re.fullmatch(pattern, asked.path)):
                return answer(asked, *match.groups())
        return self._unknown(asked)

    def _routes(self) -> list[tuple[str, str, Callable[..., Answered]]]:
        phone, waba = f"/{self.phone_number_id}", f"/{self.waba_id}"
        return [
            ("POST", f"{phone}/messages", self._message),
            ("POST", f"{phone}/media", self._upload),
            ("GET", phone, lambda asked: Answered(200, self._number(self.phone_number_id))),
            ("GET", f"{waba}/message_templates", self._templates),
            ("GET", f"{waba}/phone_numbers", self._numbers),
            ("GET", f"{waba}/subscribed_apps", self._subscribed),
            ("POST", f"{waba}/subscribed_apps", self._subscribe),
            ("GET", "/me", self._me),
            ("GET", "/app", lambda asked: Answered(200, {"id": APP_ID, "name": "Integration Hub"})),
            ("GET", "/([0-9]+)", self._node),
            ("DELETE", "/([0-9]+)", self._forget),
        ]

    def _unauthorized(self, asked: Asked) -> Answered | None:
        given = asked.headers.get("authorization", "")
        if not given:
            return refusal(104, "An access token is required to request this resource.", 401)
        if given != f"Bearer {self.token}":
            return refusal(190, "Error validating access token: Session has expired.", 401, subcode=463)
        return None

    def _unknown(self, asked: Asked, node: str = "") -> Answered:
        words = f"Unsupported {asked.method.lower()} request. Object with ID '{node or asked.path}' does not exist."
        return refusal(100, words, 400, subcode=33, type="GraphMethodException")

    def _message(self, asked: Asked) -> Answered:
        try:
            body = json.loads(asked.body)
        except ValueError:
            return refusal(100, "Invalid parameter", details="The body is not JSON.")
        if asked.headers.get("content-type", "").split(";")[0] != "application/json":
            return refusal(100, "Invalid parameter", details="The Content-Type is not application/json.")
        if refused := self.refusal_of(body):
            return refused
        if body.get("status") == "read":
            self.read.append(body["message_id"])
            return Answered(200, {"success": True})
        self.sent.append(body)
        return Answered(200, self._accepted(body))

    def _accepted(self, body: dict[str, Any]) -> dict[str, Any]:
        wamid = "wamid." + base64.b64encode(uuid4().bytes).decode()
        to = str(body.get("to") or body.get("recipient"))
        contact = {"input": to, "wa_id": re.sub("[^0-9]", "", to)}
        message = {"id": wamid}
        if body["type"] == "template":
            message["message_status"] = "accepted"
        if self.odd:
            # Users with a user name: https://developers.facebook.com/docs/whatsapp/business-scoped-user-ids
            contact = {"input": to, "user_id": "US.13491208655302741918"}
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}

    def _templates(self, asked: Asked) -> Answered:
        wanted = {name: asked.query[name] for name in ("name", "status", "category", "language") if name in asked.query}
        rows = [row for row in self.templates if all(str(row.get(name)) == value for name, value in wanted.items())]
        if self.disorder:
            rows = rows[::2][::-1] + rows[1::2]
        limit = min(int(asked.query.get("limit", 25)), self.largest_page)
        begin = int(base64.b64decode(asked.query["after"])) if "after" in asked.query else 0
        page = rows[begin : begin + limit]
        fields = asked.query.get("fields", "").split(",")
        if "quality_score" not in fields:
            page = [{name: value for name, value in row.items() if name != "quality_score"} for row in page]
        end = begin + len(page)
        after = base64.b64encode(str(0 if self.cursor_loop and begin else end).encode()).decode()
        paging: dict[str, Any] = {"cursors": {"before": base64.b64encode(str(begin).encode()).decode(), "after": after}}
        if end < len(rows) or self.cursor_loop:
            # Meta writes the token into it.
            paging["next"] = f"https://graph.facebook.com{asked.path}?access_token={self.token}&after={after}"
        return Answered(200, {"data": [oddly(row) if self.odd else row for row in page], "paging": paging})

    def _me(self, asked: Asked) -> Answered:
        proof = hmac.new(self.app_secret.encode(), self.token.encode(), "sha256").hexdigest()
        if asked.query.get("appsecret_proof", proof) != proof:
            return refusal(100, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException")
        return Answered(200, {"id": "122093", "name": "hub-system-user"})

    def _number(self, phone_number_id: str) -> dict[str, Any]:
        return {
            "id": phone_number_id,
            "display_phone_number": DISPLAY_NUMBER,
            "verified_name": "Jasper's Market",
            "quality_rating": "GREEN",
            "code_verification_status": "VERIFIED",
            "throughput": {"level": "STANDARD"},
        }

    def _numbers(self, asked: Asked) -> Answered:
        return Answered(200, {"data": [self._number(each) for each in [*self.other_numbers, self.phone_number_id]]})

    def _subscribed(self, asked: Asked) -> Answered:
        ids = {
            name: APP_ID if name == "Integration Hub" else f"67084388743{at:04}" for at, name in enumerate(self.apps)
        }
        data = [{"whatsapp_business_api_data": {"id": app_id, "name": name}} for name, app_id in ids.items()]
        return Answered(200, {"data": data})

    def _subscribe(self, asked: Asked) -> Answered:
        self.apps = self.apps or ["Integration Hub"]
        return Answered(200, {"success": True})

    def _node(self, asked: Asked, node: str) -> Answered:
        for row in self.templates:
            if row["id"] == node:
                return Answered(200, row)
        medium = self.media.get(node)
        if medium is None or asked.query.get("phone_number_id", medium.phone_number_id) != medium.phone_number_id:
            return self._unknown(asked, node)
        digest = hashlib.sha256(b"another" if self.false_sha256 else medium.content)
        size: Any = len(medium.content)
        return Answered(
            200,
            {
                "messaging_product": "whatsapp",
                "url": f"http://{self.media_host or self.media_netloc}/whatsapp_business/attachments/?mid={node}&ext=1",
                "mime_type": medium.content_type,
                # In webhooks it is in base64.
                "sha256": base64.b64encode(digest.digest()).decode() if self.odd else digest.hexdigest(),
                "file_size": str(size) if self.odd else size,
                "id": node,
            },
        )

    def _upload(self, asked: Asked) -> Answered:
        parts = form(asked)
        if parts.get("messaging_product", (b"", "", ""))[0] != b"whatsapp":
            return refusal(100, "Invalid parameter", details="The parameter messaging_product is required.")
        if "file" not in parts:
            return refusal(100, "Invalid parameter", details="The parameter file is required.")
        content, content_type, filename = parts["file"]
        return Answered(200, {"id": self.store(content, content_type, filename=filename)})

    def _forget(self, asked: Asked, node: str) -> Answered:
        return Answered(200, {"success": True}) if self.media.pop(node, None) else self._unknown(asked, node)

    # --- The host of media ---

    def _lookaside(self, asked: Asked, version: str) -> Answered:
        medium = self.media.get(asked.query.get("mid", ""))
        if medium is None or medium.expired or asked.headers.get("authorization") != f"Bearer {self.token}":
            return Answered(404, b"<html><title>Not Found</title></html>", {"Content-Type": "text/html"})
        return Answered(200, medium.content, {"Content-Type": medium.content_type})

    # --- HTTP ---

    def _answer(self, respond: Callable[[Asked, str], Answered], asked: Asked, version: str) -> Answered:
        with self._lock:
            self.asked.append(asked)
            if "access_token" in asked.query or self.token in f"{asked.path}{asked.query}":
                self.faults.append(f"a token in the URL of {asked.method} {asked.path}")
            called = f"{asked.method} {asked.path}"
            recipe = next((each for each in self.recipes if each.times > 0 and re.search(each.on, called)), None)
            if recipe:
                recipe.times -= 1
                if recipe.answer not in (LOST, SILENT):
                    return recipe.answer
            answered = respond(asked, version)
            return recipe.answer if recipe else answered

    def _serve(self, respond: Callable[[Asked, str], Answered]) -> tuple[ThreadingHTTPServer, threading.Thread]:
        graph = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                asked, version = read(self)
                answered = graph._answer(respond, asked, version)
                time.sleep(graph.delay)
                if answered == SILENT:
                    graph._over.wait(30)
                if answered in (LOST, SILENT):
                    self.close_connection = True
                    return
                self.send_response(answered.status)
                for name, value in {**graph._usage(), **answered.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answered.content)))
                self.end_headers()
                self.wfile.write(answered.content)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        return server, thread

    def _usage(self) -> dict[str, str]:
        item = {
            "type": "whatsapp_business_management",
            "call_count": 100 if self.regain_minutes else 1,
            "total_cputime": 1,
            "total_time": 1,
            "estimated_time_to_regain_access": self.regain_minutes,
        }
        return {"X-Business-Use-Case-Usage": json.dumps({self.waba_id: [item]}), "Content-Type": "application/json"}


@contextmanager
def running(**state: Any) -> Iterator[GraphServer]:
    """A server of one's own; `state` are members of `GraphServer`."""
    server = GraphServer(**state)
    server.start()
    try:
        yield server
    finally:
        server.stop()
