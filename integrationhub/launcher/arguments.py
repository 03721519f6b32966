"""The command line of `./hub`.

The standard library alone and no import of ours: `./hub` runs this file by its path before there is a virtual
environment, so that `--help` and a mistyped option are answered at once.
"""

import argparse
import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("user", "organizer", "admin")
LONGEST_TTL = timedelta(hours=24)
# The commands that need the tools of requirements-dev.txt.
DEVELOPMENT = ("test", "check")
WORK = ("one", "chain")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Returns the parsed command line; `command` names what to do. Exits with status 2 on a usage error."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["test"] and argv[1:2] not in (["-h"], ["--help"]):
        return argparse.Namespace(command="test", pytest_arguments=argv[1:])
    return _parser().parse_args(argv)


def ttl(text: str) -> timedelta:
    """Reads a time to live: `90s`, `30m`, `1h`; at most 24 hours."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write 90s, 30m or 1h")
    lifetime = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if lifetime > LONGEST_TTL:
        raise argparse.ArgumentTypeError(f"{text} is longer than a token may live: at most 24h")
    return lifetime


def directory(text: str) -> Path:
    """Reads a directory as the caller means it: relative to where `./hub` was called from, not to the repository."""
    return Path(os.environ.get("HUB_CALLED_FROM", os.getcwd()), Path(text).expanduser()).resolve()


def port(text: str) -> int:
    """Reads a TCP port; 0 asks for a free one."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: write a number from 0 (any free port) to 65535")
    return int(text)


def tenant(text: str) -> UUID:
    """Reads a tenant's UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a UUID such as 01975b9e-3c4d-7aaa-8bbb-0123456789ab"
        ) from None


def positive(text: str) -> float:
    """Reads a number of seconds above zero."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds such as 5 or 0.5")
    return float(text)


def rounds(text: str) -> int:
    """Reads how often."""
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999")
    return int(text)


def numbers(text: str) -> list[int]:
    """Reads numbers from 1 to 512, separated by commas."""
    if not re.fullmatch(r"[0-9]{1,3}(,[0-9]{1,3})*", text) or not all(1 <= int(n) <= 512 for n in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers from 1 to 512, as in 1,16,64")
    return [int(number) for number in text.split(",")]


def kinds_of_work(text: str) -> list[str]:
    """Reads kinds of work, separated by commas."""
    if not set(words := text.split(",")) <= set(WORK):
        raise argparse.ArgumentTypeError(f"{text!r} names something else than {' and '.join(WORK)}")
    return words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hub", description="The Integration Hub: start it, try it, test it.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, sentence: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=sentence, description=sentence, allow_abbrev=False)

    up = command("up", "Starts the hub with everything this machine lacks, and stays until Ctrl-C.")
    _add_port(up, 8000)
    _add_state(up)
    demo = command("demo", "Starts the hub, runs one intent that falls back, and ends: exit code 0 if it fell back.")
    _add_port(demo, 0)
    _add_state(demo)
    test = command("test", "Runs the whole test suite, starting the servers that it needs; takes pytest's arguments.")
    test.usage = "hub test [pytest arguments]"
    check = command(
        "check", "Checks format, lint, types, import contracts, migrations and settings, then runs the fast tests."
    )
    check.add_argument("--static", action="store_true", help="stop before the tests")
    check.add_argument("--all", action="store_true", help="run the whole test suite instead of the fast tests")
    _add_bench(command("bench", "Measures the hub beside the same work done plainly and a bare view, on this machine."))
    token = command("token", "Prints a token for the API of the hub that keeps its state in the state directory.")
    token.add_argument(
        "--tenant", type=tenant, required=True, metavar="UUID", help="the tenant that the token speaks for"
    )
    token.add_argument(
        "--role", choices=ROLES, required=True, help="what the token may do; each includes the one before"
    )
    token.add_argument("--ttl", type=ttl, default=timedelta(hours=1), help="90s, 30m or 1h; at most 24h (default: 1h)")
    _add_state(token)
    doctor = command("doctor", "Names each missing or wrong setting with its fix; exits non-zero if there is any.")
    _add_state(doctor)
    return parser


def _add_bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("--seconds", type=positive, default=5.0, help="how long each run lasts (default: 5)")
    bench.add_argument("--rounds", type=rounds, default=6, help="how often all is repeated; even is fair (default: 6)")
    bench.add_argument("--clients", type=numbers, default=[1, 16, 64], help="connections at once (default: 1,16,64)")
    bench.add_argument(
        "--only", type=kinds_of_work, default=list(WORK), help="one: a provider that delivers; chain: the second does"
    )
    bench.add_argument("--profile", action="store_true", help="show instead where the hub's own time goes")
    bench.add_argument("--strict", action="store_true", help="fail when a goal is missed")


def _add_port(parser: argparse.ArgumentParser, default: int) -> None:
    told = "default: any free port" if default == 0 else f"default: {default}; 0: any free port"
    parser.add_argument("--port", type=port, default=default, help=f"the port of the API on 127.0.0.1 ({told})")


def _add_state(parser: argparse.ArgumentParser) -> None:
    default = directory(os.environ["HUB_STATE"]) if os.environ.get("HUB_STATE") else ROOT / ".hub"
    parser.add_argument(
        "--state",
        type=directory,
        default=default,
        metavar="DIR",
        help="where data, secrets and logs are kept (default: HUB_STATE, else .hub in the repository)",
    )
