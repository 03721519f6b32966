"""Phone numbers in E.164, exactly as given: nothing is stripped, completed or corrected."""

import re

import phonenumbers

# E.164 allows 15 digits, country code included; https://www.itu.int/rec/T-REC-E.164
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def check(value: str) -> str | None:
    """None for a number that could exist, else the reason in lower_snake: `not_e164` or `not_a_possible_number`.

    Possible is a matter of the country's lengths alone: whether a number is assigned, only its carrier knows.
    """
    if not _E164.fullmatch(value):
        return "not_e164"
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return "not_a_possible_number"
    return None if phonenumbers.is_possible_number(number) else "not_a_possible_number"
