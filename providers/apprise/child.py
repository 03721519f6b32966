"""The process in which apprise speaks: it sends one message for each line that it reads, and says what became of it.

Run by its path, it imports nothing of the hub. Its plugins open connections of their own, so this process is confined:
names are not looked up, nothing is dialled but the addresses that the parent has judged, over https to the one host
that the job names, without a proxy, a redirect or another process. Secrets come by stdin, and nothing is logged.

A job is a JSON object of `schema`, `arguments`, `title`, `body`, `host`, `addresses`, `port`, `origin` and `ends`, the
moment on the monotonic clock (one for all processes) by which it has to be over. The answers are lines: `{"sending":
true}` before the first byte leaves, and in the end `{"accepted": true or false, "exchanges": [{"status", "headers",
"body"} or {"lost": reason, "is_sent": true or false}]}`.
"""

import json
import os
import signal
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import requests
from apprise import Apprise, AppriseAsset, NotifyFormat
from requests.adapters import HTTPAdapter

IDLE_SECONDS = 90
CONNECT_SECONDS = 2.0
MOST_BYTES = 256 * 1024
MOST_TOLD = 16 * 1024
_TOLD_HEADERS = ("retry-after", "date", "content-type")
# A process that speaks for tenants starts no other, and listens to nobody.
_NEVER = frozenset(
    {
        *("socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"),
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
    }
)

# What the parent reads, out of reach of whatever a plugin prints.
_parent = os.dup(1)


class Confinement:
    """Where the job at hand may go. Before the first one that is nowhere."""

    def __init__(self) -> None:
        self.host, self.port, self.origin = "", 0, ""
        self.addresses: list[str] = []
        self.ends = 0.0
        self.exchanges: list[dict[str, Any]] = []
        self.is_sent = False

    def begin(self, job: dict[str, Any]) -> None:
        self.host, self.port, self.origin = job["host"], job["port"], job["origin"]
        self.addresses, self.exchanges = job["addresses"], []
        self.ends = job["ends"]

    def enforce(self) -> None:
        """For good: an audit hook cannot be taken out again."""
        socket.getaddrinfo = self.resolve
        requests.sessions.HTTPAdapter = self.transport()
        sys.addaudithook(self.judge)

    def judge(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            where = args[1]
            if not isinstance(where, tuple) or where[0] not in self.addresses or where[1] != self.port:
                raise PermissionError("Another address is not dialled.")
        elif event == "http.client.send" and not self.is_sent:
            # Raised once there is a connection, with its TLS, and before the first byte of the request.
            self.is_sent = True
            tell({"sending": True})
        elif event in _NEVER:
            raise PermissionError(f"{event} is not done here.")

    def resolve(self, *_: Any, **__: Any) -> list[Any]:
        """In the place of `socket.getaddrinfo`: what was judged, whatever is asked for. TLS goes by the name still."""
        families = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in self.addresses}
        return [(family, socket.SOCK_STREAM, 6, "", (address, self.port)) for address, family in families.items()]

    def transport(self) -> type[HTTPAdapter]:
        confinement = self

        class Transport(HTTPAdapter):
            def send(self, request: Any, *_: Any, **__: Any) -> requests.Response:
                """One exchange, noted. A redirect is an answer like others."""
                exchange: dict[str, Any] = {"lost": "not_allowed", "is_sent": False}
                confinement.exchanges.append(exchange)
                confinement.is_sent = False
                request.url = confinement.admitted(request.url)
                seconds = max(0.05, confinement.ends - time.monotonic())
                try:
                    answer = super().send(
                        request, stream=True, timeout=(min(CONNECT_SECONDS, seconds), seconds), verify=True, proxies={}
                    )
                    body = _read(answer)
                except (requests.RequestException, OSError) as error:
                    exchange.update(lost=_loss(error, confinement.is_sent), is_sent=confinement.is_sent)
                    raise
                told = {name: answer.headers[name] for name in _TOLD_HEADERS if name in answer.headers}
                exchange.clear()
                exchange.update(status=answer.status_code, headers=told, body=body[:MOST_TOLD].decode(errors="replace"))
                answer.headers.pop("location", None)
                return answer

        return Transport

    def admitted(self, url: str) -> str:
        """The URL to dial; another one only where an operator has the provider at another address. Raises
        requests.ConnectionError."""
        asked = urlsplit(url)
        if (asked.scheme, asked.hostname, asked.port or 443) != ("https", self.host, 443):
            raise requests.ConnectionError("Another host is not dialled.")
        if not self.origin:
            return url
        return self.origin + url[len(f"{asked.scheme}://{asked.netloc}") :]


def _read(answer: requests.Response) -> bytes:
    """All of a body that is not too long. Raises requests.ConnectionError."""
    body = b""
    for piece in answer.iter_content(64 * 1024):
        body += piece
        if len(body) > MOST_BYTES:
            raise requests.ConnectionError("answer_too_large")
    answer._content, answer._content_consumed = body, True  # type: ignore[attr-defined]
    return body


def _loss(error: Exception, is_sent: bool) -> str:
    """How an exchange failed, in the words of our own client."""
    is_late = isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error)
    if is_sent:
        return "read_timeout" if is_late else "answer_too_large" if "too_large" in str(error) else "connection_lost"
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    return "connect_timeout" if is_late else "refused"


# Pictures of apprise's own would come from another host.
_asset = AppriseAsset(
    app_id="Integration Hub", app_desc="Integration Hub", app_url="", image_url_mask="", image_url_logo="",
    async_mode=False,
)  # fmt: skip


def _sent(job: dict[str, Any]) -> bool:
    """Whether apprise says that the service took the message."""
    # Text stays text: a service that would take Markdown or HTML is told what it is.
    known = {"schema": job["schema"], "format": "text", **job["arguments"]}
    service = Apprise.instantiate(known, asset=_asset)
    if not service:
        return False
    sender = Apprise(asset=_asset)
    sender.add(service)
    return bool(sender.notify(body=job["body"], title=job["title"], body_format=NotifyFormat.TEXT))


def tell(said: dict[str, Any]) -> None:
    """To the parent, in one line."""
    os.write(_parent, f"{json.dumps(said)}\n".encode())


def main() -> None:
    """Until stdin ends, no job has come for a while, or one takes longer than it may."""
    Apprise.instantiate("pushover://user@token", asset=_asset)  # Has apprise read all of its plugins.
    confinement = Confinement()
    confinement.enforce()
    while True:
        signal.setitimer(signal.ITIMER_REAL, IDLE_SECONDS)
        line = sys.stdin.readline()
        if not line:
            return
        job = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, job["ends"] + 1 - time.monotonic()))
        confinement.begin(job)
        tell({"accepted": _sent(job), "exchanges": confinement.exchanges})


if __name__ == "__main__":
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    main()
