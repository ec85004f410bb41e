"""Tokens: long random texts of which the store keeps a hash.

A token begins with the GUID of what it belongs to, so it is found by key and compared in constant
time. It holds 256 random bits: a plain SHA-256 is enough of a hash, and costs nothing.
"""

import hashlib
import hmac
import secrets
import uuid

_LONGEST = 200


def new(guid: uuid.UUID) -> str:
    """A token of what has this GUID."""
    return f"{guid.hex}.{secrets.token_urlsafe(32)}"


def verifier(token: str) -> str:
    """What is kept of a token, or of any other text that nobody can guess."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches(kept: str, token: str) -> bool:
    """Whether this is the token of which that was kept."""
    return hmac.compare_digest(kept, verifier(token))


def guid_of(token: str) -> uuid.UUID | None:
    """To what a token belongs, if it has the form of one."""
    head, dot, _ = token.partition(".")
    if not dot or len(token) > _LONGEST:
        return None
    try:
        return uuid.UUID(hex=head)
    except ValueError:
        return None


def of_bearer(header: str | None) -> str | None:
    """The token of an Authorization header of the scheme Bearer."""
    scheme, _, token = (header or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
