"""Answers of providers as data: `<provider key>/<case>.json` holds `status`, `headers` and `body`."""

import json
from pathlib import Path

from tests.providers.carriers import Told


def recorded(provider_key: str, case: str) -> Told:
    return Told(**json.loads((Path(__file__).parent / provider_key / f"{case}.json").read_text()))
