"""Mail servers on loopback: aiosmtpd, which keeps what it is handed, and one that says what it is told to."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "orders@example.com", "a-password-of-the-tests"


@dataclass
class Delivered:
    sender: str
    recipients: list[str]
    content: bytes
    is_secure: bool
    user: str | None


@dataclass
class MailServer:
    """`tls` is implicit TLS, `starttls` what STARTTLS leads to; `refusals` are replies to RCPT by recipient."""

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    wants_login: bool = False
    refusals: dict[str, str] = field(default_factory=dict)
    end_of_data: str = "250 OK"
    sender_reply: str = ""
    delivered: list[Delivered] = field(default_factory=list)

    def __enter__(self) -> "MailServer":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.port = starting.result(10).sockets[0].getsockname()[1]
        self._server = starting.result()
        return self

    def __exit__(self, *_: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls)

    async def _end(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            tls_context=self.starttls,
            auth_required=self.wants_login,
            auth_require_tls=True,
            authenticator=self._authenticate,
            loop=self._loop,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right, auth_data=USER)

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from, envelope.mail_options = address, options
        return self.sender_reply or "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        is_secure = session.ssl is not None or self.tls is not None
        user = session.auth_data if session.authenticated else None
        told = Delivered(str(envelope.mail_from), list(envelope.rcpt_tos), content, is_secure, user)
        if self.end_of_data.startswith("2"):
            self.delivered.append(told)
        return self.end_of_data


CLOSE, SILENCE = b"CLOSE", b"SILENCE"


class ScriptedServer:
    """Answers each verb with the bytes that `script` has for it, or hangs up, or stays silent; `heard` is every line.

    The message's end is the verb "."; the greeting is the verb "". After `STARTTLS` comes the handshake with `tls`.
    """

    usual = {"": b"220 hi\r\n", "EHLO": b"250 hi\r\n", "DATA": b"354 go\r\n"}

    def __init__(self, tls: ssl.SSLContext | None = None, /, drip: float = 0, **script: bytes) -> None:
        self.script = {**self.usual, **{{"greeting": "", "end": "."}.get(k, k): v for k, v in script.items()}}
        self.heard: list[str] = []
        self._tls, self._drip = tls, drip
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    self._talk(connection)

    def _talk(self, connection: Any) -> None:
        if self._say(connection, ""):
            self._listen(connection)

    def _listen(self, connection: Any) -> None:
        stream = connection.makefile("rb")
        while line := stream.readline().decode():
            self.heard.append(line.rstrip("\r\n"))
            verb = line.split()[0].upper() if line.strip() else ""
            if not self._say(connection, verb):
                return
            if verb == "STARTTLS" and self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._listen(secured)
                return
            if verb == "DATA" and self.script["DATA"].startswith(b"354"):
                _read_message(stream.readline)
                self.heard.append(".")
                if not self._say(connection, "."):
                    return

    def _say(self, connection: Any, verb: str) -> bool:
        said = self.script.get(verb, b"250 OK\r\n")
        if said == SILENCE:
            self._over.wait(30)
        if said in (CLOSE, SILENCE):
            return False
        for piece in [said] if not self._drip else [bytes([byte]) for byte in said]:
            connection.sendall(piece)
            time.sleep(self._drip)
        return True


def _read_message(readline: Callable[[], bytes]) -> None:
    while readline() not in (b".\r\n", b""):
        pass
