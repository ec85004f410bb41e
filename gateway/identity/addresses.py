"""Network addresses of clients, as texts that came from a socket."""

import ipaddress

_IPV6_CUSTOMER_BITS = 64

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(text: str) -> bool:
    """Whether the address is of this machine itself; False for what is no address."""
    address = _parsed(text)
    return address is not None and address.is_loopback


def origin(text: str) -> str:
    """Who is counted as one: an IPv4 address, the /64 network of an IPv6 one, or the text."""
    address = _parsed(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), _IPV6_CUSTOMER_BITS), strict=False))
    return text if address is None else str(address)


def _parsed(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows an IPv4 client as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
