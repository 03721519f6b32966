"""How WhatsApp may write the id of the customer whom a phone number reaches.

Three countries have numbers that WhatsApp keeps with or without a digit. What we send is never rewritten: Meta finds
its user by either.
https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

import re

_BRAZIL = re.compile(r"55(\d{2})(9?)([6-9]\d{7})")
_MEXICO = re.compile(r"52(1?)(\d{10})")
# Not back: a number without the 9 may be a landline.
_ARGENTINA = re.compile(r"549(\d{10})")


def ids_of(phone: str) -> list[str]:
    """The ids under which WhatsApp may know a number in E.164, the number's own digits first."""
    digits = phone.removeprefix("+")
    found = [digits]
    if match := _BRAZIL.fullmatch(digits):
        found += [f"55{match[1]}9{match[3]}", f"55{match[1]}{match[3]}"]
    if match := _MEXICO.fullmatch(digits):
        found += [f"521{match[2]}", f"52{match[2]}"]
    if match := _ARGENTINA.fullmatch(digits):
        found.append(f"54{match[1]}")
    return list(dict.fromkeys(found))
