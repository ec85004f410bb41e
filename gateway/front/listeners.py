"""Where the front listens: addresses, ports, certificates, and the surfaces behind each."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

BACKLOG = 2048


class ListenerError(Exception):
    """A listener cannot be opened; the text names it, the cause and what to do."""


@dataclasses.dataclass(frozen=True)
class Tls:
    """The certificate files of a listener, in PEM.

    ``certificate`` holds the server's certificate followed by its chain; ``client_ca`` those who
    sign client certificates.  With ``client_ca`` a client may present a certificate, with
    ``require_client_certificate`` it must.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    require_client_certificate: bool = False


@dataclasses.dataclass(frozen=True)
class Listener:
    """One address and port.

    Port 0 lets the system choose one.  ``surfaces`` names what is served here; None is everything.
    An IPv6 address is listened on for IPv6 alone, so that ``0.0.0.0`` and ``::`` can be listed
    side by side.
    """

    address: str
    port: int
    tls: Tls | None = None
    surfaces: frozenset[str] | None = None

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


def bind_all(listeners: Sequence[Listener]) -> list[socket.socket]:
    """Bind and listen on all or none; raises ``ListenerError``."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(bind(listener)) for listener in listeners]
        opened.pop_all()
    return sockets


def bind(listener: Listener) -> socket.socket:
    """Return a listening socket; raises ``ListenerError``."""
    if not 0 <= listener.port <= 65535:  # noqa: PLR2004 (the range of a port)
        raise ListenerError(f"cannot listen on {listener}: a port is a number from 0 to 65535")
    try:
        family, kind, protocol, _, where = _resolve(listener)
    except (OSError, UnicodeError) as error:
        raise ListenerError(
            f"cannot listen on {listener}: {listener.address!r} is no address of this machine "
            f"({error}); give an IP address or a host name that resolves to one"
        ) from error
    return _listening(listener, socket.socket(family, kind, protocol), where)


def _resolve(
    listener: Listener,
) -> tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int, ...]]:
    found = socket.getaddrinfo(
        listener.address or None,
        listener.port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    return found[0]  # type: ignore[return-value]  # an address tuple, whatever its family


def _listening(
    listener: Listener, opened: socket.socket, where: tuple[str | int, ...]
) -> socket.socket:
    try:
        _set_options(opened)
        opened.bind(where)
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise ListenerError(f"cannot listen on {listener}: {_advice(listener, error)}") from error
    return opened


def _set_options(opened: socket.socket) -> None:
    if sys.platform == "win32":
        # SO_REUSEADDR would let another program take the same port there.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _advice(listener: Listener, error: OSError) -> str:
    # Windows reports a port that another program holds exclusively as "access denied" (10013).
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; stop the program that holds it or choose another port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"no permission for port {listener.port}; choose a port above 1023 or give the program "
            "the right to bind low ports (on Linux CAP_NET_BIND_SERVICE)"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {listener.address}; use one of its own or 0.0.0.0"
    return f"{os.strerror(error.errno) if error.errno else error}"


def tls_context(listener: Listener) -> ssl.SSLContext | None:
    """Read a listener's certificates; None without TLS.  Raises ``ListenerError``.

    TLS 1.2 is the oldest version; older clients need a reverse proxy.
    """
    tls = listener.tls
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load_certificate(listener, tls, context)
    _load_client_ca(listener, tls, context)
    return context


def _load_certificate(listener: Listener, tls: Tls, context: ssl.SSLContext) -> None:
    for path in (tls.certificate, tls.key):
        _require_readable(listener, path)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (ssl.SSLError, _EncryptedKeyError, ValueError) as error:
        raise ListenerError(
            f"cannot listen on {listener}: certificate {tls.certificate} and key {tls.key} cannot "
            f"be used together ({_reason(error)}); both must be PEM, the key unencrypted, and the "
            "first certificate made from that key"
        ) from error


class _EncryptedKeyError(Exception):
    """A key that needs a password, for which OpenSSL would ask on the terminal."""


def _no_password() -> str:
    raise _EncryptedKeyError("the key is encrypted")


def _load_client_ca(listener: Listener, tls: Tls, context: ssl.SSLContext) -> None:
    if tls.client_ca is None:
        if tls.require_client_certificate:
            raise ListenerError(
                f"cannot listen on {listener}: client certificates are required, but no client_ca "
                "is given that says which are good"
            )
        return
    _require_readable(listener, tls.client_ca)
    try:
        context.load_verify_locations(tls.client_ca)
    except ssl.SSLError as error:
        raise ListenerError(
            f"cannot listen on {listener}: {tls.client_ca} holds no certificate in PEM "
            f"({_reason(error)})"
        ) from error
    required = tls.require_client_certificate
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def _require_readable(listener: Listener, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ListenerError(
            f"cannot listen on {listener}: {path} cannot be read ({error.strerror})"
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)
