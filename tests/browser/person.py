"""What a person does in a browser, and what the browser says of the hub's pages meanwhile."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError

OURS = ("127.0.0.1", "localhost")
SECONDS = 10


class Person:
    """`complaints` are the errors in the console (of scripts, of the content security policy) and the requests to other
    hosts, of pages of the hub's alone."""

    def __init__(self, context: BrowserContext, hub: str) -> None:
        self.context, self.hub = context, hub
        self.complaints: list[str] = []
        context.set_default_timeout(SECONDS * 1000)
        context.on("console", self._hear)
        context.on("weberror", self._catch)
        context.on("request", self._watch)

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.goto(url)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        where = message.location["url"]
        # That a page was answered with an error is what its reader is told.
        is_page = message.text.startswith("Failed to load resource") and message.page and message.page.url == where
        if message.type in ("error", "warning") and where.startswith(self.hub) and not is_page:
            self.complaints.append(f"{where}: {message.text}")

    def _catch(self, error: WebError) -> None:
        if error.page is None or error.page.url.startswith(self.hub):
            self.complaints.append(str(error.error))

    def _watch(self, request: Request) -> None:
        is_page = request.is_navigation_request()
        asks = "" if is_page else request.frame.url
        if asks.startswith(self.hub) and urlsplit(request.url).hostname not in (*OURS, None):
            self.complaints.append(f"{asks} asks {request.url}")
