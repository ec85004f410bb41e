"""Requests that a page of another site lets a browser make.

A browser adds Basic credentials that it remembers to every request to their host, whichever page
asks for it, and posts forms and plain text to other sites without asking them. No client but a
browser sends the headers that are looked at here.
"""

from urllib import parse

from werkzeug.datastructures import Headers

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def problem(method: str, headers: Headers, public_url: str | None) -> str | None:
    """Why a request is refused, or None for one that is not from a page of another site.

    ``public_url`` is the gateway's address as its clients know it, where that is set: a proxy may
    send another Host.
    """
    if method in _SAFE:
        return None
    if headers.get("Sec-Fetch-Site", "").strip().lower() == "cross-site":
        return "a page of another site may not change anything here (Sec-Fetch-Site: cross-site)"
    origin = headers.get("Origin")
    if origin is None or _is_own(origin.strip(), headers.get("Host", ""), public_url):
        return None
    return (
        "a page of another site may not change anything here (its Origin is not the Host of the "
        "request; behind a proxy that changes the Host, set public_url)"
    )


def _is_own(origin: str, host: str, public_url: str | None) -> bool:
    place = _place(origin)
    if place is None:
        return False
    # The scheme is the page's in both: a proxy that ends TLS leaves http to us.
    own = [f"{parse.urlsplit(origin).scheme}://{host}", public_url or ""]
    return place in map(_place, own)


def _place(url: str) -> tuple[str, int | None] | None:
    """Host in lower case and port of a URL; None for what is none, such as the Origin null."""
    try:
        parts = parse.urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None
