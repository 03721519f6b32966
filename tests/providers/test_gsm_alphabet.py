import pytest

from providers.gsm_alphabet import fits


@pytest.mark.parametrize(
    "text", ["", "Your code is 4921.", "àèéìòù ÄÖÑÜ äöñü Ç ß", "£¥$€ ¤ @ §", "[a] {b} ~ | \\ ^", "a\r\nb"]
)
def test_plain_letters_fit(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text", ["ç", "á", "`", "\u2019", "ł", "Ж", "日本", "☃", "🙂", "\u00a0", "\t", "\x00", "a\x1bb"]
)
def test_others_need_unicode(text: str) -> None:
    assert not fits(text)


def test_the_alphabet_has_127_letters_and_10_more() -> None:
    assert sum(fits(chr(point)) for point in range(0x10000)) == 127 + 10
