"""Where a secret could come out: everything that a running hub says, keeps or passes on, as text to look through."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener, urlopen

import psycopg
import redis

from tests.crash.scene import Scene
from tests.credentials.openbao import OpenBao

MOST_PAGES = 400
READERS = {
    "string": lambda server, key: server.get(key),
    "list": lambda server, key: server.lrange(key, 0, -1),
    "hash": lambda server, key: server.hgetall(key),
    "set": lambda server, key: server.smembers(key),
    "zset": lambda server, key: server.zrange(key, 0, -1),
}


def spellings(secret: str) -> set[str]:
    """How a secret may be written: as it is, quoted, in hexadecimal, and in base64 at each of the three alignments."""
    raw = secret.encode()
    cores = set()
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + raw).decode()
        # The first and the last characters also hold bits of what stands beside the secret.
        cores.add(encoded[4 if before else 0 : len(encoded) - len(encoded) % 4 - 4])
    return {secret, quote(secret, safe=""), raw.hex(), raw.hex().upper(), *(core for core in cores if len(core) >= 12)}


def found(secrets: dict[str, str], text: str) -> list[str]:
    """The names of the secrets that stand in the text."""
    return [name for name, secret in secrets.items() if any(spelling in text for spelling in spellings(secret))]


@contextmanager
def overheard(url: str) -> Iterator[list[str]]:
    """Every command that Valkey is given meanwhile: task messages among them, also those that are gone at once."""
    heard: list[str] = []
    server = redis.Redis.from_url(url)
    with server, server.monitor() as monitor:
        ear = threading.Thread(target=_listen, args=(monitor, heard), daemon=True)
        ear.start()
        yield heard
        monitor.connection.disconnect()
        ear.join(5)


def _listen(monitor: Any, heard: list[str]) -> None:
    try:
        heard.extend(event["command"] for event in monitor.listen())
    except (redis.exceptions.RedisError, OSError, ValueError, AttributeError):
        return  # It was told to stop.


def valkey(url: str) -> str:
    with redis.Redis.from_url(url) as server:
        return "\n".join(
            f"{key!r} {READERS[server.type(key).decode()](server, key)!r}" for key in server.scan_iter(count=1000)
        )


def database(url: str) -> str:
    """Every row of every table; bytes are written in hexadecimal."""
    with psycopg.connect(url) as connection:
        names = connection.execute("""SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relisshared
                                      AND relnamespace = 'public'::regnamespace""").fetchall()
        rows = [connection.execute(f'SELECT t::text FROM "{name}" t').fetchall() for (name,) in names]
    return "\n".join(row for table in rows for (row,) in table)


def logs(scene: Scene) -> str:
    """What the processes have written into the state directory and on the terminal."""
    files = [path for path in scene.state.rglob("*.log") if path.is_file()]
    assert files, "No process has a log."
    return "\n".join([scene.hub.said(), scene.hub.told(), *(_text(path) for path in files)])


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def vault(bao: OpenBao) -> str:
    """Everything that the hub keeps there."""
    kept = [bao.root.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True) for path in bao.entries()]
    return "\n".join(str(entry["data"]["data"]) for entry in kept)


def metrics(scene: Scene) -> str:
    headers = {"Authorization": f"Bearer {scene.kept('METRICS_TOKEN')}"}
    request = Request(f"{scene.hub.up()['base_url']}/metrics", headers=headers)  # noqa: S310 - our own address
    with urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
        return str(answer.read().decode())


def admin_pages(scene: Scene) -> dict[str, str]:
    """Every page of the admin that a link leads to, as an operator sees it."""
    up = scene.hub.up()
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    login = f"{up['base_url']}/admin/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', _page(browser, login))
    assert token, "The admin has no login form."
    form = {**up["admin"], "csrfmiddlewaretoken": token[1], "next": "/admin/"}
    browser.addheaders = [("Referer", login)]
    browser.open(login, urlencode(form).encode(), timeout=20)
    seen: dict[str, str] = {}
    waiting = ["/admin/"]
    while waiting and len(seen) < MOST_PAGES:
        path = waiting.pop()
        if path in seen or "logout" in path or "/static/" in path:
            continue
        seen[path] = _page(browser, up["base_url"] + path)
        # Filters and pop-ups show the same rows again.
        waiting += re.findall(r'href="(/admin/[^"#?]*)', seen[path])
    return seen


def _page(browser: OpenerDirector, url: str) -> str:
    try:
        with browser.open(url, timeout=20) as answer:
            return str(answer.read().decode())
    except HTTPError as refusal:
        return refusal.read().decode(errors="replace")


def public_pages(scene: Scene) -> str:
    up = scene.hub.up()
    browser = build_opener()
    paths = ("/openapi.json", "/openapi.json?version=v2", "/docs/api", "/docs/errors", "/readyz", "/status")
    return "\n".join(_page(browser, up["base_url"] + path) for path in paths)
