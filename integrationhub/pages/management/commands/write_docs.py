from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from integrationhub.pages.markdown import reference_markdown

ERRORS = Path(settings.BASE_DIR, "docs", "errors.md")


class Command(BaseCommand):
    help = "Write the documents that are made from the code: docs/errors.md."

    def handle(self, *args: Any, **options: Any) -> None:
        ERRORS.write_text(reference_markdown(), encoding="utf-8")
        self.stdout.write(f"{ERRORS.relative_to(settings.BASE_DIR)} is written.")
