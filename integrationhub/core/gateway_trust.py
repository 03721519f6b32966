"""Which gateway is believed when it tells whose client certificate it verified, and which services may come."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from django.conf import settings

from integrationhub.core.client_certificates import READERS, Identity, read_identity
from integrationhub.core.outbound.addresses import Network, networks

NAMES = ("MTLS_TRUSTED_PROXY_CIDRS", "MTLS_GATEWAY_SECRETS", "MTLS_ALLOWED_IDENTITIES")
# A gateway has a few addresses; a network wider than this holds strangers.
SHORTEST_PREFIX = 8
MOST_SECRETS = 2


@dataclass(frozen=True, slots=True)
class Trust:
    proxies: tuple[Network, ...]
    secrets: tuple[str, ...] = field(repr=False)
    identities: frozenset[Identity]
    header_format: str


def trust() -> Trust | None:
    """What the settings say. None while one of them is missing or cannot be read: then nobody is let in."""
    return _trust(*(tuple(getattr(settings, name)) for name in NAMES), settings.MTLS_HEADER_FORMAT)


@cache
def _trust(
    cidrs: tuple[str, ...], secrets: tuple[str, ...], identities: tuple[str, ...], header_format: str
) -> Trust | None:
    if not (cidrs and secrets and all(secrets) and identities and header_format in READERS):
        return None
    try:
        return Trust(networks(cidrs), secrets, frozenset(map(read_identity, identities)), header_format)
    except ValueError:
        return None


def faults() -> Iterator[str]:
    """One sentence per fault with its fix, and never a value; how strong the secrets are is asked elsewhere."""
    if settings.MTLS_HEADER_FORMAT not in READERS:
        yield f"MTLS_HEADER_FORMAT is none of {', '.join(READERS)}: set it to what your gateway sends."
    empty = [name for name in NAMES if not getattr(settings, name)]
    if 0 < len(empty) < len(NAMES):
        yield (
            f"{' and '.join(empty)} left empty, while the rest of the trust in a gateway is set: set all of "
            f"{', '.join(NAMES)}, or none."
        )
    yield from _network_faults()
    if len(settings.MTLS_GATEWAY_SECRETS) > MOST_SECRETS:
        yield "MTLS_GATEWAY_SECRETS holds more than two: keep the one in use, and during a change the next one."
    for number, text in enumerate(settings.MTLS_ALLOWED_IDENTITIES, 1):
        if not _is_identity(text):
            yield (
                f"MTLS_ALLOWED_IDENTITIES, entry {number}, is no identity: write spiffe://<trust domain>/<path>, or "
                "the subject as `openssl x509 -noout -subject -nameopt RFC2253` prints it, and separate them by ';'."
            )


def _network_faults() -> Iterator[str]:
    for number, text in enumerate(settings.MTLS_TRUSTED_PROXY_CIDRS, 1):
        entry = f"MTLS_TRUSTED_PROXY_CIDRS, entry {number},"
        try:
            [network] = networks((text,))
        except ValueError:
            yield f"{entry} is no network: write it as in 10.1.2.3/32, with no bits set after the prefix."
        else:
            if network.prefixlen < SHORTEST_PREFIX:
                yield f"{entry} would trust strangers: name the addresses of the gateway alone."


def _is_identity(text: str) -> bool:
    try:
        read_identity(text)
    except ValueError:
        return False
    return True
