"""Why each provider of an execution was, or was not, the next one: told from what its rows hold anyway."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrationhub.execution.models import Attempt, Execution, Outcome, Status
from integrationhub.execution.routing import WHY_SKIPPED

WHY_TRIED = {
    "": "Its call is under way.",
    "retry": "It said that it had not acted, so that another could be asked.",
    "next": "It could not be reached or did not take the call, so that another could be asked.",
    "ambiguous": "Nobody knows whether it acted.",
    "stop": "It found the recipient or the content at fault, which another would not mend.",
}


def explained(execution: Execution, attempts: Sequence[Attempt]) -> dict[str, Any] | None:
    """By which strategy the providers stood in which order, and what became of each; None before that was settled."""
    plan: Mapping[str, Any] = execution.routing
    if not plan:
        return None
    last = {attempt.provider_key: attempt for attempt in attempts}
    skipped = {each["provider_key"]: each["reason"] for each in execution.skipped}
    out_of_it = [key for key in skipped if key not in plan["chain"]]
    return {
        "strategy": plan["strategy"],
        "providers": [
            *(
                {"provider_key": key, "position": position, **_said(execution, last.get(key), skipped.get(key))}
                | _moved(plan.get("behind", {}).get(key))
                for position, key in enumerate(plan["chain"], start=1)
            ),
            *({"provider_key": key, "position": None, **_said(execution, None, skipped[key])} for key in out_of_it),
        ],
    }


def _said(execution: Execution, attempt: Attempt | None, reason: str | None) -> dict[str, Any]:
    if attempt:
        if attempt.outcome == Outcome.SUCCEEDED:
            return _accepted(execution)
        return _decision("tried", attempt.reason or None, WHY_TRIED[attempt.outcome_class])
    if reason:
        return _decision("skipped", reason, WHY_SKIPPED[reason])
    if execution.status == Status.SUCCEEDED:
        return _decision("not_reached", "delivered_before", "One before it delivered.")
    if execution.status in (Status.QUEUED, Status.RUNNING):
        return _decision("not_reached", "not_ended", "Its turn may come.")
    return _decision("not_reached", "chain_ended", "The attempt before it ended the chain.")


def _accepted(execution: Execution) -> dict[str, Any]:
    if execution.status == Status.RUNNING:
        return _decision("awaited", None, "It accepted, and how far the message comes is waited for.")
    if execution.status == Status.CANCELLED:
        return _decision("awaited", "called_off", "It accepted, and the wait for the message was called off.")
    return _decision("delivered", None, "It accepted.")


def _decision(decision: str, reason: str | None, words: str) -> dict[str, Any]:
    return {"decision": decision, "reason": reason, "explanation": words}


def _moved(figures: Sequence[int] | None) -> dict[str, Any]:
    return {"moved_back_for": {"calls": figures[0], "failures": figures[1]}} if figures else {}
