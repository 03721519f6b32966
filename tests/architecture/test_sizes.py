"""Files and functions stay small enough to be read at once."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("integrationhub", "providers", "credentials", "marketplace")
CODE = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py") if "migrations" not in p.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Tables are as long as what they list.
DATA = {"integrationhub/core/catalogue.py", "integrationhub/pages/error_guide.py", "providers/intents.py"}
LONGEST_FILE, LONGEST_DATA_OR_TEST, LONGEST_FUNCTION = 400, 600, 50


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*CODE, *TESTS], ids=relative)
def test_a_file_is_short(path: Path) -> None:
    is_long_by_nature = relative(path) in DATA or path in TESTS
    limit = LONGEST_DATA_OR_TEST if is_long_by_nature else LONGEST_FILE
    if relative(path) not in DATA:
        assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_its_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_its_name_says_what_happens_in_it(path: Path) -> None:
    assert path.stem not in {"services", "utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("path", [p for p in CODE if p.stem not in ("views", "serializers")], ids=relative)
def test_only_the_door_knows_the_version(path: Path) -> None:
    assert "request.version" not in path.read_text()
