"""A `requests.Session` for libraries that take one: the transport under it is our client, with all of its limits."""

from collections.abc import Mapping
from typing import Any, Protocol

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound.client import Answer


class Asks(Protocol):
    """A `Client`, or what makes one exchange as it does."""

    def request(
        self, method: str, url: str, *, deadline: Deadline, headers: Mapping[str, str], data: Any
    ) -> Answer: ...


def session_over(client: Asks) -> Session:
    """Each request takes a `timeout` in seconds, over the whole of its exchange. What it raises is what `client` does:
    of a `Client`, OutboundError.

    Nothing of the environment counts (proxies, netrc, bundles of certificates), and nothing is tried again.
    """
    session = Session()
    session.trust_env = False
    session.headers.clear()  # What it would say of itself, and of encodings, is the client's to say.
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Transport(client))
    return session


class _Transport(BaseAdapter):
    def __init__(self, client: Asks) -> None:
        super().__init__()
        self._client = client

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        asked = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        answer = self._client.request(
            request.method or "",
            request.url or "",
            deadline=Deadline.after(timeout),
            headers=asked,
            data=request.body,
        )
        response = Response()
        response.status_code, response.url, response.request = answer.status, request.url or "", request
        response.headers.update(answer.headers)
        response._content = answer.body
        response._content_consumed = True  # type: ignore[attr-defined]  # There is nothing more to read or to close.
        return response

    def close(self) -> None:
        """The client's connections are the process's."""
