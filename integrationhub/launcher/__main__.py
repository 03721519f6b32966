"""`python -m integrationhub.launcher COMMAND`: what `./hub` hands over to."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from integrationhub.launcher import checks, environment, installation, servers, story, testing, tokens
from integrationhub.launcher.arguments import ROOT, parse
from integrationhub.launcher.children import Program
from integrationhub.launcher.state import State
from integrationhub.launcher.supervisor import Stopped, Supervisor
from integrationhub.launcher.trouble import Trouble


def up(options: argparse.Namespace, supervisor: Supervisor) -> int:
    with _started(options, supervisor) as hub:
        try:
            _tell_story(hub, supervisor)
            _tell_what_next(hub)
            _say("ready; Ctrl-C stops it")
            supervisor.watch(hub.write_up_json, installation.REFRESH_SECONDS)
        except Stopped:
            _say("stopping")
            return 0


def demo(options: argparse.Namespace, supervisor: Supervisor) -> int:
    with _started(options, supervisor) as hub:
        status = _tell_story(hub, supervisor)
    _say("this hub ends here; `./hub up` starts one that stays, and tells where its pages are and what to paste")
    return status


def test(options: argparse.Namespace, supervisor: Supervisor) -> int:
    with testing.throw_away_servers(supervisor) as settings:
        return supervisor.run(testing.pytest_program(options.pytest_arguments, settings))


def check(options: argparse.Namespace, supervisor: Supervisor) -> int:
    return checks.run_checks(supervisor, static=options.static, everything=options.all)


def bench(options: argparse.Namespace, supervisor: Supervisor) -> int:
    # It has children of its own to stop, one after another.
    words = [sys.executable, "-m", "bench", *sys.argv[2:]]
    return supervisor.run(Program("bench", words, os.environ, grace_seconds=14.0))


def token(options: argparse.Namespace, _: Supervisor) -> int:
    settings = environment.token_settings(os.environ, State(options.state).known_secrets())
    sys.stdout.write(tokens.mint(settings, options.tenant, options.role, options.ttl) + "\n")
    return 0


def doctor(options: argparse.Namespace, supervisor: Supervisor) -> int:
    state = State(options.state)
    if not state.has_secrets() and not servers.has_database(os.environ):
        _say(
            f"no hub has been started on {state.directory}, and no DATABASE_URL is set: what follows judges this bare "
            "environment. Run `./hub up`, name its --state, or set what a deployment needs"
        )
    if state.has_secrets() and not state.up_json.exists():
        _say(f"no hub is running on {state.directory}: servers of its own will not answer until `./hub up` starts them")
    settings = installation.settings_of_directory(state)
    return supervisor.run(Program("doctor", [sys.executable, str(ROOT / "manage.py"), "doctor"], settings))


COMMANDS = {"up": up, "demo": demo, "test": test, "check": check, "bench": bench, "token": token, "doctor": doctor}


@contextmanager
def _started(options: argparse.Namespace, supervisor: Supervisor) -> Iterator[installation.Installation]:
    # Every child inherits it, and is known by it.
    os.environ["HUB_STATE"] = str(options.state)
    state = State(options.state)
    state.open()
    hub = installation.Installation(supervisor, state, installation.listen_on(options.port))
    _say(f"starting on {hub.base_url}, state in {options.state}")
    try:
        hub.start()
        yield hub
    finally:
        # What it says is no longer so; the children are stopped by the supervisor. Who calls from now on is refused.
        state.up_json.unlink(missing_ok=True)
        hub.listener.close()


def _tell_story(hub: installation.Installation, supervisor: Supervisor) -> int:
    if hub.settings["JWT_ALGORITHM"] != "HS256":
        _say("only the issuer of this hub's tokens can make one, so no intent is run for show")
        return 1
    words = [sys.executable, "-m", "integrationhub.launcher.story", str(hub.state.up_json)]
    status = supervisor.run(Program("story", words, hub.settings))
    if status:
        _say(f"the demo intent did not fall back as promised: see {hub.state.log('web')}")
    return status


def _tell_what_next(hub: installation.Installation) -> None:
    up = json.loads(hub.state.up_json.read_text())
    if up["tokens"]:
        sys.stdout.write(f"\n{story.what_next(up, colour=story.wants_colour())}\n")
        sys.stdout.flush()


def _say(words: str) -> None:
    print(f"hub: {words}", file=sys.stderr, flush=True)


def main() -> int:
    options = parse()
    try:
        with Supervisor() as supervisor:
            return COMMANDS[options.command](options, supervisor)
    except Trouble as trouble:
        _say(str(trouble))
        return 1
    except Stopped as stopped:
        return stopped.exit_status


if __name__ == "__main__":
    sys.exit(main())
