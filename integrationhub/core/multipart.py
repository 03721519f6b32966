"""Forms with files, as `multipart/form-data`: read by pieces, larger files to disk, where they end with their request.

https://www.rfc-editor.org/rfc/rfc7578
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.parsers import BaseParser, DataAndFiles

from integrationhub.core import bodies, strict_json
from integrationhub.core.errors import InvalidRequest


class FormParser(BaseParser):
    """For a view that sets `max_form_bytes`. A field may stand once; `request.data` holds files beside the texts."""

    media_type = bodies.FORM

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        request = (parser_context or {})["request"]
        # Django reads no form of an unknown length; the stream has its own end.
        meta = {"CONTENT_TYPE": media_type, "CONTENT_LENGTH": request.META.get("CONTENT_LENGTH") or stream.limit}
        read: Any = None
        try:
            read = MultiPartParser(meta, stream, request.upload_handlers, "utf-8").parse()
        except RequestDataTooBig as error:
            raise InvalidRequest("The fields of the form are too long.", status=413, reason="body_too_large") from error
        except (MultiPartParserError, SuspiciousOperation) as error:
            raise InvalidRequest(
                "The body is no form that can be read.", reason="malformed_form", expected=self.media_type
            ) from error
        finally:
            # Whatever ended it, what is on disk goes.
            if read is None:
                for handler in request.upload_handlers:
                    handler.upload_interrupted()
        fields, files = read
        found = {name: _once(name, values) for name, values in [*fields.lists(), *files.lists()]}
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        strict_json.check_values(texts)
        return DataAndFiles(texts, files)


def _once(name: str, values: list[Any]) -> Any:
    if len(values) != 1:
        shown = name[:200]
        raise InvalidRequest(f"The field '{shown}' stands twice in the form.", reason="duplicate_key", field=shown)
    return values[0]
