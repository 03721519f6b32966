"""Files and functions stay small enough to be read at once."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("integrationhub", "providers", "credentials", "marketplace", "oauth", "templates", "whatsapp", "bench")
CODE = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py") if "migrations" not in p.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Tables are as long as what they list.
DATA = {"integrationhub/core/catalogue.py", "integrationhub/pages/error_guide.py", "providers/intents.py"}
LONGEST_FILE, LONGEST_DATA_OR_TEST, LONGEST_FUNCTION = 400, 600, 50


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_files_are_short() -> None:
    limits = {path: LONGEST_FILE for path in CODE if relative(path) not in DATA}
    limits |= {path: LONGEST_DATA_OR_TEST for path in TESTS}
    lines = {relative(path): len(path.read_text().splitlines()) - limit for path, limit in limits.items()}
    assert [name for name, over in lines.items() if over > 0] == []


def test_functions_are_short() -> None:
    functions = [
        (f"{relative(path)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(functions) > 300
    assert [name for name, lines in functions if lines > LONGEST_FUNCTION] == []


def test_names_say_what_happens() -> None:
    vague = {"services", "utils", "helpers", "common", "misc"}
    assert [relative(path) for path in [*CODE, *TESTS] if path.stem in vague] == []


def test_only_the_doors_know_the_version() -> None:
    """A use case that asked for the API's version would begin to differ by it."""
    doors = {"views", "versioning", "schema", "middleware", "exception_handler", "door"}
    behind = [
        path for path in CODE if path.stem not in doors and "pages" not in path.parts and "launcher" not in path.parts
    ]
    asking = [
        f"{relative(path)}: {node.name}"
        for path in behind
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        if "version" in [argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]]
    ]
    assert asking == []
