"""Answers of providers as data: `<provider key>/<case>.json` holds `status`, `headers` and `body`.

`vonage_sms/statuses.json` lists what that provider says inside of one answer, and the class that each stands for.
"""

import json
from pathlib import Path
from typing import Any

from tests.providers.carriers import Told

HERE = Path(__file__).parent


def recorded(provider_key: str, case: str) -> Told:
    return Told(**json.loads((HERE / provider_key / f"{case}.json").read_text()))


def vonage_statuses() -> list[dict[str, Any]]:
    """Every status but the success: `status`, `error-text` and the `class` of its failure."""
    return json.loads((HERE / "vonage_sms" / "statuses.json").read_text())["statuses"]
