"""Text stays readable on every ground it stands on, in light and dark: WCAG 2.2 asks for 4.5 to 1."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

# The colour of a text, and what it stands on.
PAIRS = [
    ("text", "ground"),
    ("text", "soft"),
    ("quiet", "ground"),
    ("quiet", "soft"),
    ("link", "ground"),
    ("link", "soft"),
    ("ground", "link"),
    ("text", "ok-soft"),
    ("ok", "ok-soft"),
    ("warn", "warn-soft"),
    ("bad", "bad-soft"),
]


def schemes() -> dict[str, dict[str, str]]:
    """The tokens of both schemes: the first `:root` is the light one, the second the dark one."""
    css = Path(finders.find("hub/hub.css")).read_text(encoding="utf-8")  # type: ignore[arg-type]
    roots = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", root))
        for root in re.findall(r":root \{(.+?)\}", css, re.DOTALL)
    ]
    return dict(zip(("light", "dark"), roots, strict=True))


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(scheme: str, text: str, ground: str) -> None:
    tokens = schemes()[scheme]
    lighter, darker = sorted((luminance(tokens[text]), luminance(tokens[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
