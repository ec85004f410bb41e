from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from gateway.front import listeners
from gateway.front.listeners import Listener, ListenerError, Tls


def test_ports_chosen_by_the_system() -> None:
    sockets = listeners.bind_all([Listener("127.0.0.1", 0), Listener("::1", 0)])
    try:
        assert all(opened.getsockname()[1] for opened in sockets)
        assert [opened.family for opened in sockets] == [socket.AF_INET, socket.AF_INET6]
    finally:
        for opened in sockets:
            opened.close()


def test_all_or_none() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        with pytest.raises(ListenerError, match=rf"127\.0\.0\.1:{port}: the port is in use"):
            listeners.bind_all([Listener("127.0.0.1", free), Listener("127.0.0.1", port)])
        listeners.bind(Listener("127.0.0.1", free)).close()


@pytest.mark.parametrize(
    ("listener", "said"),
    [
        (Listener("127.0.0.1", 65536), "a port is a number"),
        (Listener("127.0.0.1", -1), "a port is a number"),
        (Listener("no such host.invalid", 0), "no address of this machine"),
        (Listener("192.0.2.1", 0), "this machine has no address 192.0.2.1"),
        (Listener("2001:db8::1", 80), r"\[2001:db8::1\]:80"),
    ],
)
def test_errors_name_the_listener_and_the_cause(listener: Listener, said: str) -> None:
    with pytest.raises(ListenerError, match=said):
        listeners.bind(listener)


def test_a_port_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidding(socket.socket):
        def bind(self, _address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Forbidding)
    with pytest.raises(ListenerError, match=r"no permission for port 80; .*above 1023"):
        listeners.bind(Listener("127.0.0.1", 80))


def test_unusable_certificates(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    for tls, said in [
        (Tls(missing, text), f"{missing} cannot be read"),
        (Tls(text, missing), f"{missing} cannot be read"),
        (Tls(tmp_path, text), "cannot be read"),
        (Tls(text, text), "cannot be used together"),
    ]:
        with pytest.raises(ListenerError, match=said):
            listeners.tls_context(Listener("127.0.0.1", 8443, tls))


def test_without_tls_there_is_no_context() -> None:
    assert listeners.tls_context(Listener("127.0.0.1", 0)) is None
