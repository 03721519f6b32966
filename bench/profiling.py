"""Where the hub's time goes: `python -m bench.profiling REQUESTS_JSON SECONDS`, one process, one thread, by sampling.

A timer interrupts the process each millisecond (each tick of the kernel, where that is longer) and the stack is noted,
so that nothing is slowed down by being counted, as it would be under cProfile. `cpu` samples tell what is computed;
`wall` samples, taken in a second turn, tell what is waited for as well.
"""

import io
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from bench.report import markdown

OURS = ("integrationhub", "providers", "credentials", "marketplace", "oauth", "templates", "whatsapp")
TICK_SECONDS = 0.001
CLOCKS = {"cpu": (signal.ITIMER_PROF, signal.SIGPROF), "wall": (signal.ITIMER_REAL, signal.SIGALRM)}
MOST_ROWS = 45


@dataclass
class Samples:
    """What was found on the stack: by our own functions with and without what they call, and by the package at work."""

    total: int = 0
    requests: int = 0
    seconds: float = 0.0
    inclusive: Counter[str] = field(default_factory=Counter)
    exclusive: Counter[str] = field(default_factory=Counter)
    packages: Counter[str] = field(default_factory=Counter)

    def take(self, _: int, frame: FrameType | None) -> None:
        names = [(f.f_globals.get("__name__", "?"), f.f_code.co_name) for f in _stack(frame)]
        ours = [f"{module}.{function}" for module, function in names if module.partition(".")[0] in OURS]
        self.total += 1
        self.inclusive.update(set(ours))
        self.exclusive[ours[0] if ours else "(Django around it)"] += 1
        self.packages[_package(names[0][0])] += 1


def sample(application: Any, orders: Mapping[str, Any], clock: str, seconds: float) -> Samples:
    """Serve one request after another for so long."""
    samples = Samples()
    timer, number = CLOCKS[clock]
    began = time.process_time() if clock == "cpu" else time.perf_counter()
    before = signal.signal(number, samples.take)
    signal.setitimer(timer, TICK_SECONDS, TICK_SECONDS)
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            serve(application, orders)
            samples.requests += 1
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
    samples.seconds = (time.process_time() if clock == "cpu" else time.perf_counter()) - began
    return samples


def serve(application: Any, order: Mapping[str, Any]) -> None:
    """One request, as gunicorn would hand it over. Raises RuntimeError unless it is answered with 200."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": order["path"],
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(order["body"])),
        "wsgi.input": io.BytesIO(order["body"].encode()),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in order["headers"].items()},
    }
    answer = application(environ, lambda status, headers, exc_info=None: statuses.append(status))
    body = b"".join(answer)
    answer.close()
    if not statuses[0].startswith("200"):
        raise RuntimeError(f"{statuses[0]}: {body.decode()}")


def told(tenant: str, clock: str, samples: Samples) -> str:
    """Three tables: shares of the samples, and microseconds of one request."""
    each = samples.seconds / samples.requests * 1e6
    head = f"\n{tenant}, {clock} time: {each:.0f} us for one request, {samples.total} samples of "
    head += f"{samples.requests} requests\n"
    parts = [
        ("our function, with what it calls", samples.inclusive),
        ("our function, what it calls of others alone", samples.exclusive),
        ("package at work", samples.packages),
    ]
    return head + "".join(f"\n{_rows(title, counts, samples.total, each)}" for title, counts in parts)


def _rows(title: str, counts: Counter[str], total: int, each: float) -> str:
    shown = [(name, count) for name, count in counts.most_common(MOST_ROWS) if count / total >= 0.005]
    rows = [[name, f"{count / total:.1%}", f"{count / total * each:.0f}"] for name, count in shown]
    return markdown([[title, "share", "us"], *rows])


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _package(module: str) -> str:
    """The first name of the module's; two for Django and for us."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] in ("django", *OURS) else 1])


def main(load_application: Callable[[], Any], orders: Mapping[str, Any], seconds: float) -> None:
    application = load_application()
    for tenant, order in orders.items():
        for _ in range(20):
            serve(application, order)
        for clock in CLOCKS:
            sys.stdout.write(told(tenant, clock, sample(application, order, clock, seconds)))


def _application() -> Any:
    from bench.wsgi import application  # noqa: PLC0415 - what is imported is what is measured.

    return application


if __name__ == "__main__":
    main(_application, json.loads(sys.argv[1]), float(sys.argv[2]))
