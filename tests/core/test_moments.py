import pytest

from integrationhub.core.moments import read_moment


@pytest.mark.parametrize(
    ("text", "is_read"),
    [
        ("2026-11-26T10:00:00Z", "2026-11-26T10:00:00+00:00"),
        ("2026-11-26t10:00:00.123456789+02:00", "2026-11-26T08:00:00.123456+00:00"),
        ("2026-11-26T10:00:00-14:59", "2026-11-27T00:59:00+00:00"),
        *((text, None) for text in ("2026-11-26T10:00:00", "2026-11-26 10:00:00Z", "2026-02-30T10:00:00Z", "now", "")),
        *((text, None) for text in ("9999-12-31T23:59:59-01:00", "2026-11-26T10:00:00+15:00", "20261126T100000Z")),
        *((text, None) for text in ("٢026-11-26T10:00:00Z", "2026-11-26T10:00:00Z\n", "2026-W48-4T10:00:00Z")),
    ],
)
def test_a_time_is_read_as_rfc_3339_writes_it_or_not_at_all(text: str, is_read: str | None) -> None:
    read = read_moment(text)
    assert (read and read.isoformat()) == is_read
