"""The control socket: what is answered, who is refused, and that nobody holds up others."""

import contextlib
import json
import logging
import os
import socket
import stat
import threading
from collections.abc import Iterator
from multiprocessing.connection import Client, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

import pytest

from gateway import control
from gateway.control import CommandFailed, ControlClient, ControlServer, Place, ServerUnreachable

WAIT = 20


def echo(**arguments: Any) -> Any:
    return arguments


def count(upto: int) -> Iterator[int | None]:
    yield None
    yield from range(upto)


def refuse(sentence: str) -> None:
    raise CommandFailed("unknown_login", sentence, 2)


def miss() -> None:
    raise FileNotFoundError("secret detail")


def crash() -> None:
    raise RuntimeError("secret detail")


def unencodable() -> object:
    return object()


def describe(error: Exception) -> CommandFailed | None:
    return CommandFailed("file", "no such file") if isinstance(error, OSError) else None


COMMANDS = {f.__name__: f for f in (echo, count, refuse, miss, crash, unencodable)}


@contextlib.contextmanager
def serving(folder: Path, **more: Any) -> Iterator[ControlServer]:
    connections = more.pop("connections", 8)
    server = ControlServer(COMMANDS | more, folder, describe, connections=connections)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "d"
    made.mkdir()
    return made


@pytest.fixture
def client(folder: Path) -> Iterator[ControlClient]:
    with serving(folder):
        yield ControlClient(folder)


def test_values_come_back_as_they_were(client: ControlClient) -> None:
    value = {"a": [1, None, "äöü\0", {"b": 1.5}], "long": "x" * 1_000_000}
    assert client.call("echo", value) == value


def test_a_stream_comes_item_by_item_without_its_signs_of_life(client: ControlClient) -> None:
    assert list(client.stream("count", {"upto": 3})) == [0, 1, 2]
    assert list(client.stream("count", {"upto": 0})) == []


@pytest.mark.parametrize(
    ("command", "arguments", "kind", "exit_code"),
    [
        ("refuse", {"sentence": "there is no login 'x'"}, "unknown_login", 2),
        ("miss", {}, "file", 2),
        ("crash", {}, "internal", 1),
        ("unencodable", {}, "internal", 1),
        ("echo", {"self": 1}, None, None),
        ("nonsense", {}, "unknown_command", 2),
        ("count", {"wrong": 1}, "internal", 1),
    ],
)
def test_errors_come_back_in_words(
    client: ControlClient,
    command: str,
    arguments: dict[str, Any],
    kind: str | None,
    exit_code: int | None,
) -> None:
    if kind is None:
        assert client.call(command, arguments) == arguments
        return
    with pytest.raises(CommandFailed) as raised:
        client.call(command, arguments)
    assert (raised.value.kind, raised.value.exit_code) == (kind, exit_code)
    assert "secret detail" not in raised.value.sentence
    assert client.call("echo", {}) == {}


def test_what_nobody_expected_is_logged(
    client: ControlClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(CommandFailed):
        client.call("crash", {})
    assert "secret detail" in caplog.text


def test_a_failure_within_a_stream_ends_it(folder: Path) -> None:
    def half() -> Iterator[int]:
        yield 1
        raise CommandFailed("lost", "the job is gone")

    with serving(folder, half=half):
        items = ControlClient(folder).stream("half", {})
        assert next(items) == 1
        with pytest.raises(CommandFailed, match="the job is gone"):
            next(items)


def test_a_client_that_leaves_closes_the_stream(folder: Path) -> None:
    closed = threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            closed.set()

    with serving(folder, endless=endless):
        items = ControlClient(folder).stream("endless", {})
        assert next(items)
        items.close()  # type: ignore[attr-defined]  # a generator
        assert closed.wait(WAIT)


def test_silent_and_wrong_clients_keep_nobody_waiting(folder: Path) -> None:
    with serving(folder), contextlib.ExitStack() as hanging:
        address = Place.read(folder).address
        for _ in range(4):
            silent = hanging.enter_context(socket.socket(socket.AF_UNIX))
            silent.connect(address)
        cut = socket.socket(socket.AF_UNIX)
        cut.connect(address)
        cut.sendall(b"\0\0\0")
        cut.close()
        assert ControlClient(folder).call("echo", {"a": 1}) == {"a": 1}


def test_a_slow_command_does_not_keep_others_waiting(folder: Path) -> None:
    release = threading.Event()

    def slow() -> str:
        assert release.wait(WAIT)
        return "done"

    results: list[str] = []
    with serving(folder, slow=slow):
        waiting = threading.Thread(
            target=lambda: results.append(ControlClient(folder).call("slow", {}))
        )
        waiting.start()
        assert ControlClient(folder).call("echo", {}) == {}
        release.set()
        waiting.join(WAIT)
    assert results == ["done"]


def test_more_connections_than_there_is_room_for_are_told(folder: Path) -> None:
    with serving(folder, connections=1), socket.socket(socket.AF_UNIX) as silent:
        silent.connect(Place.read(folder).address)
        with pytest.raises(ServerUnreachable, match="busy"):
            ControlClient(folder).call("echo", {})


def test_a_client_without_the_key_runs_nothing(folder: Path) -> None:
    ran = threading.Event()
    with serving(folder, touch=ran.set):
        place = Place.read(folder)
        Place(place.address, b"x" * 32).write(folder)
        with pytest.raises(ServerUnreachable):
            ControlClient(folder).call("touch", {})
        place.write(folder)
        assert ControlClient(folder).call("echo", {}) == {}
    assert not ran.is_set()


def test_a_server_without_the_key_is_told_nothing(folder: Path) -> None:
    """Who took over the address cannot make a client send it a password."""
    with serving(folder):
        place = Place.read(folder)
        Place(place.address, b"y" * 32).write(folder)
        with pytest.raises(ServerUnreachable):
            ControlClient(folder).call("echo", {"password": "x"})


@pytest.mark.parametrize("request_", [b"", b"[]", b"{", b'{"command": "echo"}', b"\xff", b"null"])
def test_malformed_requests_are_answered(folder: Path, request_: bytes) -> None:
    with serving(folder):
        place = Place.read(folder)
        with Client(place.address) as connection:
            answer_challenge(connection, place.key)
            deliver_challenge(connection, place.key)
            connection.send_bytes(request_)
            assert "error" in json.loads(connection.recv_bytes())
        assert ControlClient(folder).call("echo", {}) == {}


def test_the_key_is_readable_by_the_user_alone_and_goes_with_the_server(folder: Path) -> None:
    with serving(folder):
        record = folder / "control.json"
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert list(folder.iterdir()) == []


def test_no_server() -> None:
    with pytest.raises(ServerUnreachable, match="takes no commands"):
        ControlClient(Path("/nonexistent")).call("echo", {})


def test_a_server_that_was_killed_leaves_the_way_free_for_the_next(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "control.sock"))
    Place(str(folder / "control.sock"), b"k" * 32).write(folder)
    with pytest.raises(ServerUnreachable, match="does not listen"):
        ControlClient(folder).call("echo", {})
    with serving(folder):
        assert ControlClient(folder).call("echo", {}) == {}


def test_a_stop_cuts_off_what_is_under_way(folder: Path) -> None:
    started, release = threading.Event(), threading.Event()

    def hang() -> None:
        started.set()
        release.wait(WAIT)

    failures: list[CommandFailed] = []

    def call() -> None:
        try:
            ControlClient(folder).call("hang", {})
        except CommandFailed as error:
            failures.append(error)

    with serving(folder, hang=hang) as server:
        waiting = threading.Thread(target=call)
        waiting.start()
        assert started.wait(WAIT)
        server.stop()
        waiting.join(WAIT)
        release.set()
    assert [failure.kind for failure in failures] == ["unreachable"]


def test_a_folder_with_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("deep" * 10)
    folder.mkdir(parents=True)
    with serving(folder):
        place = Place.read(folder)
        private = Path(place.address).parent
        assert private != folder
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert len(os.fsencode(place.address)) <= control._PATH_BYTES
        assert ControlClient(folder).call("echo", {"a": 1}) == {"a": 1}
    assert not private.exists()
