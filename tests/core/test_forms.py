"""Forms with files: a body is counted as it is read, and what ends early or is too long leaves nothing on the disk."""

import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from gunicorn.http.errors import ChunkMissingTerminator
from urllib3 import encode_multipart_formdata

from integrationhub.core.bodies import Stream
from integrationhub.core.errors import InvalidRequest
from integrationhub.core.multipart import FormParser

MIB = 1024 * 1024
FORM, TYPE = encode_multipart_formdata({"to": "ü", "file": ("a.png", bytes(4 * MIB), "image/png")})


@pytest.fixture(autouse=True)
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


def request(source: Any, declared: int | None, **environ: Any) -> WSGIRequest:
    """As gunicorn hands it over; without a declared length it came in chunks."""
    length = {"wsgi.input_terminated": True} if declared is None else {"CONTENT_LENGTH": str(declared)}
    known = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_TYPE": TYPE, "wsgi.input": source}
    return WSGIRequest({**known, **length, **environ})


def parsed(asked: WSGIRequest, limit: int = 5 * MIB) -> Any:
    return FormParser().parse(Stream(asked, limit), TYPE, {"request": asked})


def refusal(asked: WSGIRequest, limit: int = 5 * MIB) -> tuple[int, str]:
    with pytest.raises(InvalidRequest) as caught:
        parsed(asked, limit)
    return caught.value.status, caught.value.details["reason"]


@pytest.mark.parametrize("declared", [len(FORM), None], ids=["declared", "in chunks"])
def test_a_form_is_its_texts_and_its_files(declared: int | None) -> None:
    found = parsed(request(BytesIO(FORM), declared))
    file = found.files["file"]
    assert (found.data, file.name, file.size) == ({"to": "ü"}, "a.png", 4 * MIB)
    assert Path(file.temporary_file_path()).stat().st_size == 4 * MIB
    file.close()


@pytest.mark.parametrize("declared", [len(FORM), None], ids=["declared", "in chunks"])
def test_a_form_over_the_cap_is_refused(declared: int | None) -> None:
    assert refusal(request(BytesIO(FORM), declared), 3 * MIB) == (413, "body_too_large")


def test_a_form_that_ends_early_is_none() -> None:
    assert refusal(request(BytesIO(FORM[: 3 * MIB]), len(FORM))) == (400, "incomplete_body")


@pytest.mark.parametrize(("fault", "reason"), [(OSError(), "incomplete_body"),
                                               (ChunkMissingTerminator(b"x"), "malformed_chunk")])  # fmt: skip
def test_a_connection_that_fails_in_mid_file_is_told_apart(fault: Exception, reason: str) -> None:
    class Failing(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 3 * MIB:
                raise fault
            return super().read(size)

    assert refusal(request(Failing(FORM), None)) == (400, reason)


def test_texts_are_bounded_by_themselves(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = MIB
    body, _ = encode_multipart_formdata({"to": "x" * (2 * MIB)}, TYPE.rpartition("=")[2])
    assert refusal(request(BytesIO(body), len(body))) == (413, "body_too_large")


def test_a_compressed_form_is_not_read() -> None:
    asked = request(BytesIO(FORM), len(FORM), HTTP_CONTENT_ENCODING="gzip")
    assert refusal(asked) == (415, "content_encoding")
