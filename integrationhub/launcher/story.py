"""One intent that falls back, run over HTTP and told as a tree: `python -m integrationhub.launcher.story UP_JSON`.

Exits with 0 if the first provider failed and the second delivered. The recipient selects that outcome in the sandbox.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

INTENT = "message.send.sms"
RECIPIENT = "+15005550503"
BODY = {"category": "messaging", "intent": INTENT, "payload": {"to": RECIPIENT, "text": "Hello from the hub"}}
DELIVERER = "sandbox_secondary"

_GREEN, _RED, _DIM = "32", "31", "2"


def run(up: dict[str, Any]) -> dict[str, Any]:
    """Execute the intent as the demo tenant's user; returns the hub's answer, an error body included."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{up['base_url']}/integrationhub/v1/execute",
        data=json.dumps(BODY).encode(),
        headers={
            "Authorization": f"Bearer {up['tokens']['user']}",
            "x-tenant-id": up["tenant_id"],
            "Content-Type": "application/json",
        },
    )
    # Whatever proxy the environment names, this host is our own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            raw = answer.read()
    except urllib.error.HTTPError as error:
        raw = error.read()
    content: dict[str, Any] = json.loads(raw)
    return content


def fell_back(answer: dict[str, Any]) -> bool:
    """Whether the story went as promised: the first provider failed, and the second delivered."""
    return (
        answer.get("fallback_used") is True
        and answer.get("provider_key") == DELIVERER
        and len(answer.get("attempts", [])) >= 2
    )


def tree(answer: dict[str, Any], *, colour: bool) -> str:
    """The execution with its attempts, one a line, as a terminal shows it."""
    attempts = answer.get("attempts")
    if not attempts:
        return (
            f"{INTENT} -> {RECIPIENT}   {answer.get('code')}: {answer.get('message')}\n{answer.get('resolution', '')}"
        )
    how = "delivered by fallback" if answer["fallback_used"] else answer["status"]
    width = max(len(attempt["provider_key"]) for attempt in attempts)
    lines = [f"{INTENT} -> {RECIPIENT}   {how} in {answer['duration_ms']} ms"]
    for number, attempt in enumerate(attempts, 1):
        is_last = number == len(attempts)
        what = " ".join(str(part) for part in (attempt.get("upstream_status"), attempt.get("reason")) if part)
        outcome = _painted(
            f"{attempt['outcome']:<9}", _GREEN if attempt["outcome"] == "succeeded" else _RED, colour=colour
        )
        line = f"{'└─' if is_last else '├─'} {attempt['sequence']} {attempt['provider_key']:<{width}}  {outcome}"
        line += f"  {what:<20} {attempt['latency_ms']:>5} ms" + ("" if is_last else "   -> next provider")
        lines.append(line)
    return "\n".join(lines)


def what_next(up: dict[str, Any], *, colour: bool) -> str:
    """Where to look and what to paste, once the hub is up."""
    admin = up["admin"]
    title = {name: _painted(f"{name:<8}", _DIM, colour=colour) for name in ("API docs", "Admin", "Tenant", "Paste")}
    return "\n".join(
        [
            f"{title['API docs']}  {up['base_url']}/docs/api",
            f"{title['Admin']}  {up['base_url']}/admin/   {admin['username']} / {admin['password']}",
            f"{title['Tenant']}  {up['tenant_id']}",
            title["Paste"].rstrip(),
            f"curl -s {up['base_url']}/integrationhub/v1/execute \\",
            f"  -H 'Authorization: Bearer {up['tokens']['user']}' \\",
            f"  -H 'x-tenant-id: {up['tenant_id']}' -H 'Content-Type: application/json' \\",
            f"  -d '{json.dumps(BODY)}'",
        ]
    )


def wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _painted(text: str, code: str, *, colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text


def main() -> int:
    up = json.loads(Path(sys.argv[1]).read_text())
    answer = run(up)
    sys.stdout.write(f"{tree(answer, colour=wants_colour())}\n")
    return 0 if fell_back(answer) else 1


if __name__ == "__main__":
    sys.exit(main())
