"""Which addresses the hub may dial. Our own table, since what Python calls global includes multicast, addresses that
wrap another one, and some clouds' metadata services.

https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = (
    "0.0.0.0/8",  # This host
    "10.0.0.0/8",
    "100.64.0.0/10",  # Carrier-grade NAT; Alibaba's metadata
    "127.0.0.0/8",
    "168.63.129.16/32",  # Azure's wire server
    "169.254.0.0/16",  # Link-local; the metadata of most clouds
    "172.16.0.0/12",
    "192.0.0.0/24",  # Protocol assignments; Oracle's metadata
    "192.0.2.0/24",  # Documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # Benchmarking
    "198.51.100.0/24",  # Documentation
    "203.0.113.0/24",  # Documentation
    "224.0.0.0/4",  # Multicast
    "240.0.0.0/4",  # Reserved, and broadcast
)
# Everything outside it is refused: loopback, IPv4-mapped and -compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard
# (100::/64), segment routing (5f00::/16), unique local, link-local, site-local, multicast.
_PUBLIC_V6 = "2000::/3"
_NOT_PUBLIC_V6 = (
    "2001::/23",  # Protocol assignments: Teredo, benchmarking, ORCHID
    "2001:db8::/32",  # Documentation
    "2002::/16",  # 6to4, which wraps any IPv4 address
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # Documentation
)


@cache
def networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    """The networks written as CIDRs. Raises ValueError for what is none, host bits set included."""
    return tuple(ip_network(value) for value in values)


def is_public(address: Address) -> bool:
    """Whether this address lies on the public internet, where providers and tenants' own servers are."""
    if isinstance(address, IPv4Address):
        return not is_within(address, networks(_NOT_PUBLIC_V4))
    return is_within(address, networks((_PUBLIC_V6,))) and not is_within(address, networks(_NOT_PUBLIC_V6))


def is_within(address: Address, among: Iterable[Network]) -> bool:
    """Whether one of these networks holds the address; one of the other version never does."""
    return any(address in network for network in among)


def parse(text: str) -> Address:
    """The address that a socket names so. An IPv4 address in IPv6 clothes (::ffff:a.b.c.d) is dialled, and so judged,
    as IPv4. Raises ValueError."""
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address
