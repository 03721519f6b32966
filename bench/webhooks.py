"""`python -m bench.webhooks`: taking webhooks in, beside a view that makes a row by the ORM and a task for each.

Each webhook is another one, signed. The hub's relay runs meanwhile, and no worker does on either side; afterwards the
hub's workers are started, and it is told how fast they work off what has come in.
"""

import argparse
import hashlib
import hmac
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import uuid4

import psycopg

from bench import contenders, cpu, load
from bench.contenders import Contender
from bench.stage import PASSED_ON, answers_at, preparations, settings_for
from integrationhub.launcher.arguments import ROOT
from integrationhub.launcher.children import Program
from integrationhub.launcher.ports import free_port
from integrationhub.launcher.supervisor import Supervisor
from integrationhub.launcher.testing import throw_away_servers
from integrationhub.launcher.trouble import Trouble

SECRET = "the-secret-of-the-benchmark"  # noqa: S105
NUMBER = "106540352242922"
PATHS = {"product": "/webhooks/whatsapp", "control": "/webhooks"}
ROWS = {
    "product": "SELECT count(*) FROM webhooks_post",
    "control": "SELECT count(*) FROM control_webhook",
}
BODY = (
    '{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":'
    '"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"' + NUMBER + '"},"statuses":[{"id":'
    '"wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI%012d","status":"delivered","timestamp":"1750000000","recipient_id":"16505551234",'
    '"biz_opaque_callback_data":"0190c8f2-0000-7000-8000-000000000000","pricing":{"billable":true,"pricing_model":"PMP",'
    '"category":"utility","type":"regular"}}]},"field":"messages"}]}]}'
)
# The messages that the webhooks tell of: a tenant has sent them by the deployment's number.
SENT = """
INSERT INTO whatsapp_delivery (id, tenant_id, phone_number_id, recipient, wa_id, user_id, type, template_name,
    template_language, used_fallback, meta_id, status, timeline, meta_status, subject, request_id)
SELECT gen_random_uuid(), %s, %s, '+16505551234', '', '', 'text', '', '', false,
    convert_from(body, 'UTF8')::jsonb #>> '{entry,0,changes,0,value,statuses,0,id}', 'accepted', '{}', '', '', ''
FROM webhooks_post WHERE status = 'received'
"""
START_SECONDS, WARM_UP_SECONDS = 8.0, 0.5
PATIENCE_SECONDS = 120


@dataclass
class Webhooks:
    """A `load.Target` whose every request is another one."""

    port: int
    path: str
    proof: bytes = b""
    sent: int = 0
    run: int = field(default_factory=time.time_ns)

    @property
    def request(self) -> bytes:
        self.sent += 1
        body = (BODY % (self.run // 1000 % 10**7 * 10**5 + self.sent)).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return load.post(self.path, {"X-Hub-Signature-256": f"sha256={signature}"}, body)


def bench(options: argparse.Namespace, supervisor: Supervisor) -> None:
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as logs, throw_away_servers(supervisor, durable=True) as own:
        # So that workers look for whose message each status tells of, and handle it.
        meta = {"META_WEBHOOK_APP_SECRET": SECRET, "META_WHATSAPP_PHONE_NUMBER_ID": NUMBER}
        settings = settings_for(own) | meta
        for program in preparations(["control"], settings, {}, Path(logs)):
            if supervisor.run(program):
                raise Trouble(f"{program.name} failed:\n{program.log_tail()}")
        served = {name: serve(supervisor, name, settings, Path(logs)) for name in PATHS}
        relay = supervisor.start(hub_program("relay", [str(ROOT / "manage.py"), "relay"], settings, Path(logs)))
        # Else the first run would share the machine with its start.
        ready_at = time.monotonic() + START_SECONDS
        supervisor.wait_until(relay, lambda: time.monotonic() > ready_at)
        pids = supervisor.pids()
        for clients in options.clients:
            ratios = list(rounds(served, clients, options, pids))
            shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            say(f"{clients} clients: {median(ratios):.2f} times the control ({shown})")
        drain(supervisor, served["product"], settings, Path(logs))


def rounds(
    served: Mapping[str, Contender], clients: int, options: argparse.Namespace, pids: Mapping[str, int]
) -> Iterator[float]:
    """Both in turn, who is first changing; the ratio of each round."""
    for number in range(options.rounds):
        speeds = {}
        for name in sorted(PATHS, reverse=bool(number % 2)):
            speeds[name] = one_run(served[name], clients, options.seconds, pids)
        yield speeds["product"] / speeds["control"]


def one_run(contender: Contender, clients: int, seconds: float, pids: Mapping[str, int]) -> float:
    """Webhooks a second. Raises Trouble unless there is a row, durably, for each that was answered."""
    target = Webhooks(contender.port, PATHS[contender.name])
    roots = (contender.pid, pids["postgres"], pids["relay"])
    try:
        load.drive(target, clients, WARM_UP_SECONDS)  # type: ignore[arg-type]
        before, used = count(contender), [cpu.seconds_of(pid) for pid in roots]
        answers = load.drive(target, clients, seconds)  # type: ignore[arg-type]  # It has what one needs.
    except load.WrongAnswer as error:
        raise Trouble(f"{contender.name}: {error}\n{contender.log_tail()}") from error
    spent = [1000 * (cpu.seconds_of(pid) - was) / len(answers.latencies) for pid, was in zip(roots, used, strict=True)]
    if count(contender) - before != len(answers.latencies) or set(contender.durability().values()) != {"on"}:
        raise Trouble(
            f"{contender.name} gave {len(answers.latencies)} answers and has {count(contender) - before} rows."
        )
    say(
        f"{contender.name:8} {clients:3} clients: {answers.per_second:6.0f}/s, p50 {answers.quantile(0.5):5.1f} ms, "
        f"p99 {answers.quantile(0.99):6.1f} ms; CPU ms each: web {spent[0]:.2f}, PostgreSQL {spent[1]:.2f}, "
        f"relay {spent[2]:.2f}"
    )
    return answers.per_second


def count(contender: Contender) -> int:
    with psycopg.connect(contender.owner_url or "") as connection:
        row = connection.execute(ROWS[contender.name].encode()).fetchone()
    return int(row[0]) if row else 0


def serve(supervisor: Supervisor, name: str, settings: Mapping[str, str], logs: Path) -> Contender:
    port = free_port()
    child = supervisor.start(contenders.program(name, settings, port, logs / f"{name}.log"))
    supervisor.wait_until(child, lambda: answers_at(port, "/readyz"))
    urls = {"product": ("DATABASE_OWNER_URL", "DATABASE_URL"), "control": ("CONTROL_DATABASE_URL",) * 2}
    owner, own = (settings[url] for url in urls[name])
    return Contender(name, child, port, {}, owner, own)


def drain(supervisor: Supervisor, product: Contender, settings: Mapping[str, str], logs: Path) -> None:
    """Start the hub's worker as `./hub up` does, and wait until it has worked off everything: each moves a delivery."""
    words = ["-m", "celery", "-A", "integrationhub.celery", "worker", "--loglevel", "warning"]
    waiting = "SELECT count(*) FROM webhooks_post WHERE status <> 'processed'"
    with psycopg.connect(product.owner_url or "", autocommit=True) as connection:

        def left() -> int:
            row = connection.execute(waiting.encode()).fetchone()
            return int(row[0]) if row else 0

        connection.execute(SENT.encode(), [uuid4(), NUMBER])
        connection.execute(b"ANALYZE")
        first = left()
        child = supervisor.start(hub_program("worker", words, settings, logs))
        supervisor.wait_until(child, lambda: left() < first)
        began, at_first = time.monotonic(), left()
        while (remaining := left()) and time.monotonic() - began < PATIENCE_SECONDS:
            time.sleep(0.1)
        seconds = time.monotonic() - began
    say(f"workers: {at_first - remaining} events in {seconds:.1f} s, {(at_first - remaining) / seconds:.0f}/s; "
        f"{remaining} are left")  # fmt: skip


def hub_program(name: str, words: list[str], settings: Mapping[str, str], logs: Path) -> Program:
    return Program(name, [sys.executable, *words], contenders.environment("product", settings), logs / f"{name}.log")


def say(words: str) -> None:
    print(words, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clients", type=int, nargs="+", default=[16, 64])
    options = parser.parse_args()
    for name in set(os.environ) - set(PASSED_ON):
        del os.environ[name]
    try:
        with Supervisor() as supervisor:
            bench(options, supervisor)
    except Trouble as trouble:
        say(str(trouble))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
