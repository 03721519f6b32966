"""Addresses that an operator gives in place of an adapter's own: judged as the outbound client will judge them."""

import re

from django.conf import settings

from integrationhub.core.outbound import NotSent, addresses, dialling, messages

NO_ADDRESS = "An https:// address, or nothing."
_PORTS = " or ".join(map(str, dialling.PUBLIC_PORTS))
_FAULTS = {
    r"[\x00-\x20\x7f\\]": "An address without white space and backslashes.",
    r"^[^/]*//[^/?#]*@": "An address without a user name and password: those belong in a tenant's credential.",
    r"[?#]": "An address without a query and fragment: the adapter puts its own paths behind it.",
}


def fault(url: str) -> str:
    """What is wrong with an address, in a sentence for a form; empty for one that the hub would call.

    A name is looked up when it is called, and judged then.
    """
    for pattern, words in _FAULTS.items():
        if re.search(pattern, url):
            return words
    try:
        origin = messages.target(url).origin
    except NotSent:
        return NO_ADDRESS
    return _refusal(origin)


def _refusal(origin: dialling.Origin) -> str:
    if not settings.OUTBOUND_ALLOWED_NETWORKS:
        if origin.scheme != "https":
            return NO_ADDRESS
        if origin.port not in dialling.PUBLIC_PORTS:
            return f"Port {_PORTS}: others are called only in a network that OUTBOUND_ALLOWED_NETWORKS opens."
    try:
        addresses.parse(origin.host)
    except ValueError:
        return ""
    if dialling.may_be_dialled(origin, [origin.host]):
        return ""
    return f"It is not on the public internet (https, port {_PORTS}), and OUTBOUND_ALLOWED_NETWORKS does not open it."
