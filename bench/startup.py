"""What starting costs: the CPU of a whole process until its application can answer, beside `django.setup()` alone."""

import subprocess
import sys
from collections.abc import Mapping

from bench.contenders import environment
from integrationhub.launcher.trouble import Trouble

_TOLD = "; import time; print(time.process_time())"
_STARTS = {
    "product": (
        "product",
        "import integrationhub.wsgi, django.urls; django.urls.resolve('/integrationhub/v1/execute')",
    ),
    "setup": ("product", "import django; django.setup()"),
    "bare": ("bare", "import bench.bare.wsgi, django.urls; django.urls.resolve('/send')"),
}


def one_round(settings: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds of one start of each, interpreter included."""
    return {name: _cpu_seconds(settings, *start) for name, start in _STARTS.items()}


def _cpu_seconds(settings: Mapping[str, str], contender: str, statements: str) -> float:
    words = [sys.executable, "-c", statements + _TOLD]
    finished = subprocess.run(words, env=environment(contender, settings), capture_output=True, text=True, check=False)
    if finished.returncode:
        raise Trouble(f"`{statements}` does not run:\n{finished.stderr}")
    return float(finished.stdout)
