"""What the documents say of the code is true."""

import ast
import re
from pathlib import Path

import pytest

from integrationhub.execution.routing import WHY_SKIPPED
from providers import registry

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
APPS = ("integrationhub", "providers", "credentials", "marketplace", "oauth", "templates", "whatsapp")
READ_HERE = ("integrationhub/settings.py", "integrationhub/gunicorn_conf.py")


def names_in(path: Path) -> set[str]:
    """Names of the environment variables that a module reads, by django-environ or `os.environ`."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args)
    readers = {"str", "bool", "int", "list", "get", "_database"}
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and (getattr(call.func, "attr", None) or getattr(call.func, "id", "")) in readers
        and re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", call.args[0].value)
    }


def test_every_setting_is_documented_and_every_documented_setting_is_read() -> None:
    table = (ROOT / "docs/configuration.md").read_text().partition("## `./hub`")[0]
    documented = {
        name for row in re.findall(r"^\| (`.+?) \|", table, re.M) for name in re.findall(r"`([A-Z0-9_]+)`", row)
    }
    read = set().union(*(names_in(ROOT / path) for path in READ_HERE))
    assert documented == read


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_in_documents_compiles(document: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", document.read_text(), re.S):
        compile(block, str(document), "exec")


def test_the_readme_knows_how_many_services_there_are() -> None:
    [told] = re.findall(r"It speaks to (\d+) services", (ROOT / "README.md").read_text())
    assert int(told) == sum(not adapter.is_sandbox for adapter in registry.all())


def test_operators_find_every_reason_for_which_a_provider_was_not_tried() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", (ROOT / "docs/operating.md").read_text(), re.M)
    assert {word: meaning for word, meaning in rows if word in WHY_SKIPPED} == WHY_SKIPPED


def test_words_that_operators_are_to_watch_for_are_logged() -> None:
    sources = "".join(path.read_text() for app in APPS for path in (ROOT / app).rglob("*.py"))
    [words] = re.findall(r"\*\*Words worth an alert\*\*: (.+?)\n- ", (ROOT / "docs/operating.md").read_text(), re.S)
    watched = re.findall(r"`(.+?)`", words)
    assert len(watched) > 5
    assert [word for word in watched if f'"{word}"' not in sources] == []


def test_paths_that_documents_name_exist() -> None:
    for document in DOCUMENTS:
        for path in re.findall(
            r"`((?:integrationhub|providers|credentials|marketplace|tests|docs)/[\w/.-]+\.\w+)`", document.read_text()
        ):
            assert (ROOT / path).exists() or "<" in path or "zeta" in path, f"{document.name}: {path}"
