"""Whether everything between a business number and the hub works, with Meta's own words where it does not."""

from collections.abc import Callable
from dataclasses import dataclass

from integrationhub.core.deadline import Deadline
from providers.errors import ProviderError
from providers.meta_graph import MetaGraph

SECONDS_PER_QUESTION = 8


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    is_right: bool
    words: str


class _Wrong(Exception):
    """What Meta's answers show to be wrong, in a sentence that says how to mend it."""


def examine(graph: MetaGraph) -> list[Finding]:
    """One finding each for the token, the number, the subscription and the webhook's secret; five to seven calls, none
    of which changes anything. Not inside a transaction."""
    return [_finding(name, question, graph) for name, question in QUESTIONS.items()]


def _finding(name: str, question: Callable[[MetaGraph, Deadline], str], graph: MetaGraph) -> Finding:
    try:
        return Finding(name, True, question(graph, Deadline.after(SECONDS_PER_QUESTION)))
    except (ProviderError, _Wrong) as error:
        return Finding(name, False, str(error))


def _token(graph: MetaGraph, deadline: Deadline) -> str:
    owner = graph.token_owner(deadline)
    return f"It speaks for {owner.get('name') or owner['id']}."


def _number(graph: MetaGraph, deadline: Deadline) -> str:
    number, account = graph.phone_number(deadline), graph.account
    if all(each.get("id") != account.phone_number_id for each in graph.phone_numbers(deadline)):
        raise _Wrong(f"The business account {account.waba_id} has no number {account.phone_number_id}.")
    named = f"{number.get('display_phone_number', 'It')} ({number.get('verified_name', 'without a name')})"
    return f"{named} is of quality {number.get('quality_rating', 'unknown')}."


def _subscription(graph: MetaGraph, deadline: Deadline) -> str:
    """Without it Meta verifies the webhook's address all the same, and then sends nothing there. Those of another
    vendor's app, which may be subscribed beside, go to that vendor."""
    where = f"ask for it by POST /{graph.account.waba_id}/subscribed_apps"
    if not (apps := graph.subscribed_apps(deadline)):
        raise _Wrong(f"No app is subscribed to the business account, so Meta sends no webhooks: {where}.")
    found = (app.get("whatsapp_business_api_data") for app in apps)
    names = {str(data.get("id")): str(data.get("name") or data.get("id")) for data in found if isinstance(data, dict)}
    ours, told = graph.app(deadline), ", ".join(names.values())
    if ours["id"] not in names:
        app = f"{ours.get('name', 'an app')} ({ours['id']})"
        raise _Wrong(f"Webhooks go to {told or 'an unnamed app'}, and not to the token's app, which is {app}: {where}.")
    return f"Webhooks go to {told}."


def _secret(graph: MetaGraph, deadline: Deadline) -> str:
    if not graph.account.app_secrets:
        raise _Wrong("No app secret is set, so webhooks are refused: it stands in the Meta app under Settings, Basic.")
    for number, _ in enumerate(graph.account.app_secrets):
        graph.prove(number, deadline)
    if not graph.account.verify_token:
        raise _Wrong("The secret is the app's, but no verify token is set: Meta cannot be shown whose address it is.")
    return "It is the secret of the token's app."


QUESTIONS: dict[str, Callable[[MetaGraph, Deadline], str]] = {
    "access token": _token,
    "phone number": _number,
    "webhook subscription": _subscription,
    "webhook secret": _secret,
}
