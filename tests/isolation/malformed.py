"""Ways to write an id wrongly, as they stand in an address."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """`around` holds the id as `spelled` writes it, and need not hold it at all."""

    around: str
    spelled: Callable[[str], str] = str

    def of(self, id_: str) -> str:
        return self.around.format(self.spelled(id_))


FORMS = {
    "empty": Form(""),
    "a word": Form("no-such-thing"),
    "a number": Form("1"),
    "a negative number": Form("-1"),
    "a word of SQL": Form("null"),
    "dots": Form("%2e%2e"),
    "cut short": Form("{}", lambda id_: id_[:-1]),
    "too long by one": Form("{}0"),
    "upper-case": Form("{}", str.upper),
    "without dashes": Form("{}", lambda id_: id_.replace("-", "").replace("_", "")),
    "braces": Form("%7B{}%7D"),
    "a URN": Form("urn:uuid:{}"),
    "a blank before it": Form("%20{}"),
    "a line end behind it": Form("{}%0A"),
    "a slash in it": Form("{}%2F"),
    "NUL": Form("{}%00"),
    "an escaped NUL": Form("{}%2500"),
    "a quote": Form("{}'"),
    "an escaped quote": Form("{}%27%20OR%20%271%27=%271"),
    "double quotes": Form("%22{}%22"),
    "a percent sign": Form("{}%25"),
    "a parameter": Form("{};version=1"),
    "bytes that are no UTF-8": Form("{}%FF"),
    "half a surrogate pair": Form("{}%ED%A0%80"),
    "digits of another script": Form("{}%EF%BC%90"),
    "right to left": Form("%E2%80%AE{}"),
    "3 kB": Form("{}" + "a" * 3_000),
    "10 kB": Form("{}" + "a" * 10_000),
}
