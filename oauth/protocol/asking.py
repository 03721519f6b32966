"""One question to a provider, and what became of it where it was no good."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, AnswerLost, Client, NotSent, OutboundError
from oauth.table import OAuthProvider
from providers import answers
from providers.retry_after import seconds_to_wait

CALL_SECONDS = 10
MAX_BYTES = 256 * 1024
LONGEST_WORDS = 400
LONGEST_CODE = 100
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)
# What providers say of an application that is not who it says, which no owner of an account can mend.
_OUR_FAULT = ("invalid_client", "unauthorized_client", "incorrect_client_credentials")
# Ids by which a provider's support finds the case, beside its code and words.
_TRACES = ("error_codes", "trace_id", "correlation_id", "error_subcode", "fbtrace_id")
_SENTENCES = {
    "refused_by_provider": "{} refused",
    "client_refused": "{} does not accept this application's client id and secret",
    "client_changed": "{} gave this token to another client than the one that is bound now",
    "rate_limited": "{} is asked too often",
    "provider_unavailable": "{} is not working at the moment",
    "not_supported_by_provider": "{} offers no way to do this",
    "no_refresh_token": "{} gave no refresh token",
    "no_token": "There is no token of {} left to send",
    "token_refused": "{} does not take this token any more",
    "token_not_valid": "{} does not know this token",
    "token_of_another_application": "{} made this token for another application",
    "unusable_private_key": "The application's private key signs nothing for {}",
}
_CODES = ("code", "error_type", "title")
_WORDS = ("error_description", "error_message", "message", "detail")


class Failed(Exception):
    """Whatever was asked was not done. Each use makes this its own error of the catalogue.

    `reason` is a lower_snake word and `code` the provider's own; `said` is for `details`, redacted. `may_pass`: asking
    again can help, `retry_after` seconds from now where that is known. `is_lost`: it was asked, and its answer did not
    come, so that nobody knows what it did.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str = "",
        said: Mapping[str, Any] | None = None,
        may_pass: bool = False,
        retry_after: float | None = None,
        is_lost: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.code, self.said = reason, code, said
        self.may_pass, self.retry_after, self.is_lost = may_pass, retry_after, is_lost

    @property
    def details(self) -> dict[str, Any]:
        """What an error of the catalogue tells of it."""
        return {
            "reason": self.reason,
            "retry_after": self.retry_after,
            **({"provider_error": dict(self.said)} if self.said else {}),
        }

    def told_of(self, name: str) -> str:
        """A sentence of this provider."""
        said = _SENTENCES.get(self.reason, "{} could not be asked, or gave no usable answer")
        return f"{said.format(name)} ({(self.said or {}).get('code', self.reason)})."


@cache
def client() -> Client:
    """One pool of connections to all providers."""
    return Client()


def ask(method: str, url: str, *, deadline: Deadline, **request: Any) -> Answer:
    """One exchange of at most ten seconds. Raises Failed; what the client itself says is not passed on."""
    try:
        return client().request(method, url, deadline=deadline.within(CALL_SECONDS), max_bytes=MAX_BYTES, **request)
    except NotSent as error:
        raise Failed(error.reason, may_pass=error.reason not in ("invalid_url", "invalid_request")) from None
    except OutboundError as error:
        raise Failed(error.reason, may_pass=True, is_lost=True) from None


def document(answer: Answer) -> Any:
    """The body as JSON, or else as a form of named values, as GitHub answers some; None where it is neither."""
    try:
        return answer.json()
    except AnswerLost:
        pass
    if not answer.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    try:
        return dict(parse_qsl(answer.body.decode("ascii"), strict_parsing=True, max_num_fields=50))
    except ValueError:
        return None


def accepted(
    provider: OAuthProvider, answer: Answer, secrets: Iterable[str | None], *, asks_by_token: bool = False
) -> Any:
    """The document of an answer that is a success: 2xx, and no error named in it, as some do with 200.

    Raises Failed. `secrets` are what the question held: no word that is passed on repeats them. Where the token
    alone was the login (`asks_by_token`), it is what a 401 refuses.
    """
    content = document(answer)
    code, error = _named_error(content if isinstance(content, dict) else {}, answer.status)
    if 200 <= answer.status < 300 and not code:
        return content
    reason = _reason(provider, answer.status, code, asks_by_token)
    hidden = [secret for secret in secrets if secret]
    raise Failed(
        reason,
        code=code,  # As it came: to be compared, and never passed on.
        said=_told(answer.status, code, error, hidden),
        may_pass=reason in ("rate_limited", "provider_unavailable", "unexpected_redirect", "unreadable_answer"),
        retry_after=seconds_to_wait(answer.headers),
    )


def _named_error(said: Mapping[str, Any], status: int) -> tuple[str, Mapping[str, Any]]:
    """The code of the error that a document names, empty without one, and the object that tells of it: `error` as in
    RFC 6749, or as Meta and Microsoft nest it; X lists `errors`; Instagram and LinkedIn have neither."""
    error, listed = said.get("error"), said.get("errors")
    if isinstance(error, dict):
        return _first(error, _CODES) or "error", {**said, **error}
    if error:
        return str(error), said
    if isinstance(listed, list) and listed and "data" not in said:
        first = listed[0] if isinstance(listed[0], dict) else {}
        return _first(first, _CODES) or "error", first
    if status >= 400 or said.keys() & {"error_type", "error_message"}:
        return _first(said, _CODES), said
    return "", said


def _reason(provider: OAuthProvider, status: int, code: str, asks_by_token: bool) -> str:
    if status == 429 or code in provider.rate_codes:
        return "rate_limited"
    if status >= 500 or status == 408:
        return "provider_unavailable"
    if 300 <= status < 400:
        return "unexpected_redirect"
    if asks_by_token and (status == 401 or code in provider.reauth_codes):
        return "token_refused"
    if code in _OUR_FAULT or (status == 401 and not code):
        return "client_refused"
    return "refused_by_provider" if code or status >= 400 else "unreadable_answer"


def _told(status: int, code: str, error: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
    told = {
        "status": status,
        "code": quoted(code, hidden, LONGEST_CODE),
        "message": quoted(_first(error, _WORDS), hidden),
        **{name: _trace(error[name], hidden) for name in _TRACES if error.get(name)},
    }
    return {name: value for name, value in told.items() if value != ""}


def _trace(value: Any, hidden: list[str]) -> Any:
    if isinstance(value, list):
        return [_trace(each, hidden) for each in value[:5] if not isinstance(each, list)]
    return quoted(str(value), hidden, LONGEST_CODE)


def quoted(words: str, hidden: Collection[str] = (), longest: int = LONGEST_WORDS) -> str:
    """A provider's words on one line, without secrets, and without addresses, which may hold more of them."""
    words = _URL.sub("[url]", answers.quoted(words, hidden))
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def _first(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these that says something, as text."""
    for name in names:
        value = values.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""
