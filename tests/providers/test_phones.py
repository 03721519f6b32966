import pytest

from providers import phones


@pytest.mark.parametrize("number", ["+14155552671", "+15005550006", "+15005559503", "+442071838750", "+917410410123"])
def test_a_possible_number_passes(number: str) -> None:
    assert phones.check(number) is None


@pytest.mark.parametrize(
    "number", ["14155552671", "+1-415-555-2671", " +14155552671", "+14155552671\n", "+", "tel:+1415"]
)
def test_nothing_is_stripped(number: str) -> None:
    assert phones.check(number) == "not_e164"


@pytest.mark.parametrize("number", ["+1415555267", "+999123456789", "+1415555267199"])
def test_a_number_that_no_country_has_is_refused(number: str) -> None:
    assert phones.check(number) == "not_a_possible_number"
