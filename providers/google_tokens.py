"""Access tokens of Google's service accounts: a signed statement of who asks, exchanged for a token of an hour.

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import hashlib
import time
from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer, AnswerLost, Client, NotSent
from providers import answers
from providers.adapter import JSONObject
from providers.errors import Next, ProviderError, Retry

# Never what a key's file names: whoever is sent the statement can act as the account.
EXCHANGE_URL = "https://oauth2.googleapis.com/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
STATEMENT_SECONDS = 3600
# A token is not used in its last minutes, so that none ends on its way.
SPARE_SECONDS = 300
MOST_TOKENS = 1000
_REFUSALS = ("invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied")


class _Token(NamedTuple):
    value: str
    ends: float


_tokens: OrderedDict[bytes, _Token] = OrderedDict()
_lock = Lock()


def access_token(http: Client, secrets: JSONObject, scope: str, deadline: Deadline) -> str:
    """The token of a service account, of this process's memory where it is good for some minutes more.

    `secrets` are the members of the account's key file. Raises Next or Retry: whatever becomes of the exchange, nothing
    has been asked of the service that the token is for.
    """
    name = _name(secrets, scope)
    with _lock:
        kept = _tokens.get(name)
    if kept and kept.ends > time.monotonic():
        return kept.value
    token = _exchanged(http, secrets, scope, deadline)
    with _lock:
        _tokens[name] = token
        _tokens.move_to_end(name)
        while len(_tokens) > MOST_TOKENS:
            _tokens.popitem(last=False)
    return token.value


def forget(secrets: JSONObject, scope: str) -> None:
    """A token that was refused is not used again."""
    with _lock:
        _tokens.pop(_name(secrets, scope), None)


def _name(secrets: JSONObject, scope: str) -> bytes:
    """What tells accounts apart: of a key that was replaced, no token is used any more."""
    parts = (secrets["client_email"], secrets["private_key"], scope)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def _exchanged(http: Client, secrets: JSONObject, scope: str, deadline: Deadline) -> _Token:
    statement = _statement(secrets, scope)
    asked = time.monotonic()
    form = {"grant_type": GRANT_TYPE, "assertion": statement}
    try:
        answer = http.request("POST", EXCHANGE_URL, deadline=deadline, data=form)
    except NotSent as error:
        raise Next(f"Google gives no token ({error.reason}); nothing was sent.", reason=error.reason) from None
    except AnswerLost as error:
        raise Retry(f"Google gave no token ({error.reason}); nothing was sent.", reason=error.reason) from None
    said = answers.document(answer)
    token, seconds = said.get("access_token"), said.get("expires_in")
    if answer.status == 200 and isinstance(token, str) and token and isinstance(seconds, int):
        return _Token(token, asked + seconds - SPARE_SECONDS)
    raise _failure(answer, said, {**secrets, "assertion": statement})


def _statement(secrets: JSONObject, scope: str) -> str:
    """Raises Next, as Google would refuse what is signed with no key, or with another one."""
    now = int(time.time())
    claims = {"iss": secrets["client_email"], "scope": scope, "aud": EXCHANGE_URL}
    claims |= {"iat": now, "exp": now + STATEMENT_SECONDS}
    headers = {"kid": secrets["private_key_id"]} if "private_key_id" in secrets else {}
    try:
        return jwt.encode(claims, secrets["private_key"], algorithm="RS256", headers=headers)
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        # What it says may hold the key.
        words = "The service account's private key is no RSA key in PEM; nothing was sent."
        raise Next(words, reason="private_key_unreadable", credential_refused=True) from None


def _failure(answer: Answer, said: dict[str, Any], secrets: JSONObject) -> ProviderError:
    code = said.get("error")
    words = answers.quoted(said.get("error_description") or code, secrets)
    if code in _REFUSALS and 400 <= answer.status < 500:
        known: dict[str, Any] = {"kind": Next, "reason": f"google_{code}", "credential_refused": True}
    else:
        known = {"kind": Retry if answer.status == 429 or answer.status >= 500 else Next, "reason": "token_refused"}
    return answers.failure_of(answer, "Google's token endpoint", words, **known)
