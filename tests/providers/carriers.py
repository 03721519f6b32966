"""Twilio and Vonage on loopback: strict about what they are asked, and they count what they accepted.

Of the standard library alone, so that a server can also live in a process of its own:
`python tests/providers/carriers.py` prints its two addresses as JSON, serves until its stdin ends, and then prints what
was accepted and what was at fault.
"""

import base64
import json
import re
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Told:
    """An answer. With `text` the carrier has accepted that message, whatever it answers and whether or not it does.

    It is sent after `delay` seconds; `drops` closes the connection without a word instead.
    """

    status: int
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drops: bool = False
    text: str | None = None


class Misasked(Exception):
    """The request is not what the provider documents."""


class CarrierServer(ABC):
    """What both have in common. Use it as a context manager; `base_url` is what a provider's row is to hold.

    `answer` is asked first about every request that fits, and may return what to say, or None for an acceptance:
    `carrier.answer = lambda asked: Told(503)`, `lambda asked: replace(carrier.acceptance(asked), delay=0.3)`.
    """

    key: str
    credentials: dict[str, str]
    config: dict[str, str]

    def __init__(self, answer: Callable[[Asked], Told | None] | None = None, port: int = 0) -> None:
        self.answer = answer
        self.accepted: Counter[str] = Counter()
        self.faults: list[str] = []
        self.asked: deque[Asked] = deque(maxlen=1000)
        self.hits = 0
        self._lock = threading.Lock()
        self._http = _Listener(("127.0.0.1", port), _handler_for(self))
        self.port = self._http.server_port
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop at once: connections that are kept alive end too."""
        self._http.shutdown()
        self._http.close_all()
        self._thread.join()

    def respond(self, asked: Asked) -> Told:
        with self._lock:
            self.hits += 1
            self.asked.append(asked)
        try:
            self.examine(asked)
            told = (self.answer and self.answer(asked)) or self.acceptance(asked)
        except (Misasked, ValueError) as fault:
            with self._lock:
                self.faults.append(f"{asked.method} {asked.path}: {fault}")
            return self.refusal(str(fault))
        if told.text is not None:
            with self._lock:
                self.accepted[told.text] += 1
        return told

    @abstractmethod
    def examine(self, asked: Asked) -> None:
        """Raises Misasked where the request is not what the provider documents."""

    @abstractmethod
    def acceptance(self, asked: Asked) -> Told:
        """The answer to a request that fits."""

    @abstractmethod
    def refusal(self, fault: str) -> Told:
        """The answer to one that does not."""


class TwilioServer(CarrierServer):
    """https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource"""

    key = "twilio_sms"
    account_sid = "AC" + "1" * 32
    auth_token = "0123456789abcdef0123456789abcdef"
    credentials = {"account_sid": account_sid, "auth_token": auth_token}
    config = {"from": "+15005550006"}
    members = frozenset({"To", "From", "MessagingServiceSid", "Body", "ValidityPeriod", "StatusCallback"})

    def examine(self, asked: Asked) -> None:
        _expect("authorization" in asked.headers, "no Authorization header")
        if asked.method == "GET":
            readable = r"/2010-04-01/Accounts/AC\w{32}(\.json|/Messages\.json\?PageSize=1|/Messages/SM\w{32}\.json)"
            _expect(re.fullmatch(readable, asked.path) is not None, "unknown path")
            return
        _expect(asked.method == "POST" and urlsplit(asked.path).query == "", "not a POST without a query")
        _expect(re.fullmatch(r"/2010-04-01/Accounts/AC\w{32}/Messages\.json", asked.path) is not None, "unknown path")
        form = _examined_form(asked, self.members, {"To", "Body"})
        _expect(("From" in form) != ("MessagingServiceSid" in form), "not exactly one of From, MessagingServiceSid")
        _expect(re.fullmatch(r"\+[1-9][0-9]{6,14}", form["To"]) is not None, "To is not E.164")
        _expect(0 < len(form["Body"]) <= 1600, "Body is not of 1 to 1600 characters")
        _expect(re.fullmatch(r"MG[0-9a-f]{32}", form.get("MessagingServiceSid", "MG" + "0" * 32)) is not None, "no MG")
        _expect(0 < int(form.get("ValidityPeriod", "1")) <= 36_000, "ValidityPeriod is not of 1 to 36000 seconds")

    def acceptance(self, asked: Asked) -> Told:
        if asked.headers["authorization"] != f"Basic {_base64(f'{self.account_sid}:{self.auth_token}')}":
            return _twilio_error(401, 20003, "Authenticate")
        if asked.method == "GET" and "/Messages/" in asked.path:
            return Told(200, {"sid": asked.path.rpartition("/")[2].removesuffix(".json"), "status": "queued"})
        if asked.method == "GET":
            return Told(200, {"sid": self.account_sid, "status": "active", "messages": []})
        form = asked.form
        sid = f"SM{self.hits:032x}"
        body = {"sid": sid, "account_sid": self.account_sid, "status": "queued", "num_segments": "1", "to": form["To"]}
        body |= {"from": form.get("From"), "body": form["Body"], "error_code": None, "direction": "outbound-api"}
        return Told(201, body, text=form["Body"])

    def refusal(self, fault: str) -> Told:
        return _twilio_error(400, 21600, fault)


class VonageServer(CarrierServer):
    """https://developer.vonage.com/en/api/sms"""

    key = "vonage_sms"
    api_key = "abcd1234"
    api_secret = "abcdef0123456789Carrier"
    credentials = {"api_key": api_key, "api_secret": api_secret}
    config = {"from": "IntegrHub"}
    members = frozenset({"api_key", "api_secret", "from", "to", "text", "type", "ttl", "client-ref", "callback"})

    def examine(self, asked: Asked) -> None:
        if asked.method == "GET":
            _expect(asked.path == "/account/get-balance", "unknown path")
            _expect(asked.headers.get("authorization", "").startswith("Basic "), "no Basic authorization")
            return
        _expect((asked.method, asked.path) == ("POST", "/sms/json"), "not POST /sms/json")
        form = _examined_form(asked, self.members, {"api_key", "api_secret", "from", "to", "text"})
        _expect(re.fullmatch(r"[1-9][0-9]{6,14}", form["to"]) is not None, "to is not E.164 without its plus sign")
        _expect(not form["from"].startswith("+") and form["from"] != "", "from is empty or begins with a plus sign")
        _expect(form.get("type", "text") in ("text", "unicode"), "type is not text or unicode")
        _expect("type" in form or set(form["text"]) <= _GSM, "Unicode is not announced")
        _expect(20_000 <= int(form.get("ttl", "20000")) <= 604_800_000, "ttl is not of 20000 to 604800000 milliseconds")
        _expect(len(form.get("client-ref", "")) <= 100, "client-ref is longer than 100 characters")

    def acceptance(self, asked: Asked) -> Told:
        if asked.method == "GET":
            if asked.headers["authorization"] != f"Basic {_base64(f'{self.api_key}:{self.api_secret}')}":
                return Told(401, {"error-code": "401", "error-code-label": "authentication failed"})
            return Told(200, {"value": 10.28, "autoReload": False})
        form = asked.form
        if (form["api_key"], form["api_secret"]) != (self.api_key, self.api_secret):
            return self.refused("4", "Bad Credentials")
        part = {"to": form["to"], "message-id": f"{self.hits:016X}", "status": "0", "message-price": "0.0333"}
        return Told(200, {"message-count": "1", "messages": [part]}, text=form["text"])

    def refused(self, status: str, words: str) -> Told:
        """A refusal as Vonage gives it: HTTP 200."""
        return Told(200, {"message-count": "1", "messages": [{"status": status, "error-text": words}]})

    def refusal(self, fault: str) -> Told:
        return Told(400, {"error-code": "400", "error-code-label": fault})


_GSM = frozenset("£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€\n\r\f") | frozenset(map(chr, range(32, 127))) - {"`"}


def _expect(holds: bool, fault: str) -> None:
    if not holds:
        raise Misasked(fault)


def _examined_form(asked: Asked, known: frozenset[str], required: set[str]) -> dict[str, str]:
    _expect(asked.headers.get("content-type", "").split(";")[0] == FORM, "the body is not a form")
    pairs = parse_qsl(asked.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    form = dict(pairs)
    _expect(len(form) == len(pairs), "a member is given twice")
    _expect(form.keys() <= known, f"unknown members: {sorted(form.keys() - known)}")
    _expect(form.keys() >= required, f"missing members: {sorted(required - form.keys())}")
    return form


def _twilio_error(status: int, code: int, words: str) -> Told:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Told(status, {"code": code, "message": words, "more_info": more, "status": status})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in mid-call is what some tests are about; anything else is a fault of a test."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def close_all(self) -> None:
        self.server_close()
        for connection in list(self._open):
            connection.shutdown(socket.SHUT_RDWR) if connection.fileno() >= 0 else None


def _handler_for(carrier: CarrierServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            told = carrier.respond(Asked(self.command, self.path, headers, body))
            if told.delay:
                time.sleep(told.delay)
            if told.drops:
                self.close_connection = True
                return
            content = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            self.send_response(told.status)
            defaults = {"Content-Type": "application/json", "Content-Length": str(len(content))}
            for name, value in {**defaults, **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _serve_until_stdin_ends() -> None:
    with TwilioServer() as twilio, VonageServer() as vonage:
        print(json.dumps({"twilio_sms": twilio.base_url, "vonage_sms": vonage.base_url}), flush=True)
        sys.stdin.read()
        ends = {"twilio_sms": twilio, "vonage_sms": vonage}
        print(json.dumps({key: {"accepted": each.accepted, "faults": each.faults} for key, each in ends.items()}))


if __name__ == "__main__":
    _serve_until_stdin_ends()
