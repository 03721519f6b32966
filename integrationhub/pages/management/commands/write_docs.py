from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from integrationhub.pages.markdown import reference_markdown
from integrationhub.webhooks.telling import describing

ERRORS = Path(settings.BASE_DIR, "docs", "errors.md")
EVENTS = Path(settings.BASE_DIR, "docs", "events.md")


class Command(BaseCommand):
    help = "Write the documents that are made from the code: docs/errors.md, and the list in docs/events.md."

    def handle(self, *args: Any, **options: Any) -> None:
        ERRORS.write_text(reference_markdown(), encoding="utf-8")
        EVENTS.write_text(describing.renewed(EVENTS.read_text(encoding="utf-8")), encoding="utf-8")
        for path in (ERRORS, EVENTS):
            self.stdout.write(f"{path.relative_to(settings.BASE_DIR)} is written.")
