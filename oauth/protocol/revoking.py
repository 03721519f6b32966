"""The end of a grant."""

from collections.abc import Mapping
from typing import Any

from integrationhub.core.deadline import Deadline
from integrationhub.core.outbound import Answer
from oauth.application import Application
from oauth.errors import OAuthRevocationFailed
from oauth.protocol.asking import Failed, accepted, ask
from oauth.protocol.client_authentication import signed
from oauth.protocol.places import filled_in
from oauth.protocol.proving import proof
from oauth.protocol.tokens import Tokens
from oauth.table import OAuthProvider, Revocation


def revoke(provider: OAuthProvider, application: Application, tokens: Tokens, deadline: Deadline) -> None:
    """Have the provider end the grant. That it was over before is fine.

    Raises OAuthRevocationFailed; its reason is `not_supported_by_provider` where there is no way to, and `no_token`
    where there is none left to send.
    """
    if provider.revocation is None:
        raise not_supported(provider)
    try:
        _revoke(provider, provider.revocation, application, tokens, deadline)
    except Failed as failure:
        raise _refused(provider, failure) from None


def not_supported(provider: OAuthProvider) -> OAuthRevocationFailed:
    return _refused(provider, Failed("not_supported_by_provider"))


def _refused(provider: OAuthProvider, failure: Failed) -> OAuthRevocationFailed:
    return OAuthRevocationFailed(
        failure.told_of(provider.display_name), retryable=failure.may_pass, provider=provider.key, **failure.details
    )


def _revoke(
    provider: OAuthProvider, way: Revocation, application: Application, tokens: Tokens, deadline: Deadline
) -> None:
    """Where each of the tokens has to be sent, the failure of one keeps no other from being sent."""
    known = {name: token for name in way.tokens if (token := getattr(tokens, name))}
    if not known:
        raise Failed("no_token")
    failures = []
    for name in known if way.is_every else [next(iter(known))]:
        try:
            _send(provider, way, application, name, known[name], deadline)
        except Failed as failure:
            if failure.code not in way.gone_codes:
                failures.append(failure)
    if failures:
        raise failures[0]


def _send(
    provider: OAuthProvider, way: Revocation, application: Application, name: str, token: str, deadline: Deadline
) -> None:
    headers = {"Accept": "application/json", **way.headers}
    request = _request(provider, way, application, name, token)
    answer = ask(way.method, filled_in(way.url, application), deadline=deadline, headers=headers, **request)
    _check(provider, way, answer, [*application.secrets, token])


def _request(
    provider: OAuthProvider, way: Revocation, application: Application, name: str, token: str
) -> Mapping[str, Any]:
    if way.auth == "token":
        return {"params": {"access_token": token, "appsecret_proof": proof(application, token)}}
    if way.auth == "client_json":
        return {"json": {"access_token": token}, "auth": (application.client_id, application.client_secret)}
    form = {"token": token, **({"token_type_hint": name} if way.is_hinted else {})}
    return {"data": form} if way.auth == "none" else signed(provider, application, form)


def _check(provider: OAuthProvider, way: Revocation, answer: Answer, secrets: list[str]) -> None:
    """Raises Failed, also for a 200 that says no. Meta answers `true` or `{"success": true}`, X `{"revoked": true}`."""
    said = accepted(provider, answer, secrets)
    if answer.status not in way.ok_status:
        raise Failed("unreadable_answer", may_pass=True)
    done = said.get("success", said.get("revoked")) if isinstance(said, dict) else said
    if done is False or (way.is_confirmed and done is not True):
        raise Failed("refused_by_provider")
