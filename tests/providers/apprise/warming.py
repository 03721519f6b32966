"""A process that has imported apprise, as there is after the first message: on a busy machine that takes seconds."""

from integrationhub.core.deadline import Deadline
from providers.apprise.children import children
from tests.providers.misbehaving import MisbehavingServer, answering

TAKEN = answering(200, b'{"status": 1, "request": "r-1"}')


def warm() -> None:
    if any(child.is_fresh for child in children._idle):
        return
    with MisbehavingServer(TAKEN) as server:
        where = {"host": "api.pushover.net", "addresses": ["127.0.0.1"], "origin": server.base_url}
        where["port"] = int(server.base_url.rsplit(":", 1)[1])
        arguments = {"user_key": "u" * 30, "token": "t" * 30}
        children.ask(
            {"schema": "pover", "arguments": arguments, "title": "Warm", "body": "Up", **where}, Deadline.after(60)
        )
