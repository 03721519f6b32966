"""The alphabet of plain SMS, GSM 03.38: https://www.3gpp.org/dynareport/23038.htm (sections 6.2.1 and 6.2.1.1)."""

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
_LETTERS = frozenset(_BASIC + _EXTENSION)


def fits(text: str) -> bool:
    """Whether every character of a text can be sent without Unicode."""
    return _LETTERS.issuperset(text)
