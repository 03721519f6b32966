"""A person with a browser at an OpenID provider: signs in, agrees or cancels, and is sent back to a callback."""

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

MOST_STEPS = 15


@dataclass(frozen=True)
class Callback:
    """What the browser does in the end, and did not do yet: GET `url`, which holds the `fields`, or POST them to it."""

    method: str
    url: str
    fields: Mapping[str, str]


class _Page(HTMLParser):
    """The first form of a page with its named inputs, and where the link that cancels leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action, self.inputs, self.links = "", dict[str, str](), list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = said["action"]
        elif tag == "input" and said.get("name"):
            self.inputs[said["name"]] = said.get("value", "")
        elif tag == "a":
            self.links.append(said.get("href", ""))


def visit(url: str, *, name: str = "ada", is_willing: bool = True) -> Callback:
    """Follow `url` through the provider's pages until one leads away from its host; every page is a real request.

    `name` is typed where somebody is to sign in. Raises AssertionError with the page where none leads on.
    """
    provider = urlsplit(url)[:2]
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, allow_redirects=False, timeout=10)
        for _ in range(MOST_STEPS):
            here = answer.url
            if answer.is_redirect:
                there = urljoin(here, answer.headers["Location"])
                if urlsplit(there)[:2] != provider:
                    return Callback("GET", there, dict(parse_qsl(urlsplit(there).query)))
                answer = session.get(there, allow_redirects=False, timeout=10)
                continue
            page = _Page(answer.text)
            assert page.action, f"HTTP {answer.status_code} at {urlsplit(here).path}: {answer.text[:2000]}"
            action = urljoin(here, page.action)
            if urlsplit(action)[:2] != provider:
                return Callback("POST", action, page.inputs)
            cancel = next((link for link in page.links if link.endswith("/abort")), "")
            if is_willing or not cancel:
                fields = {**page.inputs, "login": name, "password": "any"} if "login" in page.inputs else page.inputs
                answer = session.post(action, data=fields, allow_redirects=False, timeout=10)
            else:
                answer = session.get(urljoin(here, cancel), allow_redirects=False, timeout=10)
    raise AssertionError(f"after {MOST_STEPS} steps no page led away")
