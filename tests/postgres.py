"""A PostgreSQL server for one session of tests, from the machine's own binaries.

It lies in a temporary folder, listens on a loopback port, and ends with the tests, also when they
are killed: a shell holds the reading end of a pipe from here and stops the server at its end.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

# Nothing of a test's database has to survive the machine, only the client.
_OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
_START_SECONDS = 60
_PORT_TRIES = 5
_HOLD = """
"$@" &
cat > /dev/null
kill -INT $! 2> /dev/null
wait $!
"""
_ADVICE = "PostgreSQL's server is not installed: run scripts/install-test-packages"


class PostgresFailed(Exception):
    """The server could not be started; the text holds its own words."""


@dataclass(frozen=True)
class Server:
    """A running server, as its superuser sees it."""

    port: int
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template1") -> str:
        """Make a database of a new name as a copy of ``template``; answers the name."""
        name = f"test_{uuid.uuid4().hex}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def cut(self, name: str) -> None:
        """End all connections to a database, as a server's restart would."""
        self._administer(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    def _administer(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for the length of a block. Raises PostgresFailed."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
    password = secrets.token_hex(16)
    try:
        _initialise(binaries, folder, password)
        with contextlib.ExitStack() as stack:
            yield _start(stack, binaries, folder, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``, the newest version's. Raises PostgresFailed."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: float(path.parent.parent.name),
    )
    if debian:
        return debian[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise PostgresFailed(_ADVICE)
    return Path(found).resolve().parent


def _initialise(binaries: Path, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o600)
    for path in (folder, secret):
        _hand_over(path)
    command = [
        *(str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--no-sync"),
        *("--username=postgres", f"--pwfile={secret}", "--auth=password"),
        *("--encoding=UTF8", "--locale=C"),
    ]
    done = subprocess.run(
        command, cwd=folder, user=_user(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PostgresFailed(f"initdb failed: {done.stderr}")


def _start(stack: contextlib.ExitStack, binaries: Path, folder: Path, password: str) -> Server:
    """Start on a port that the system says is free; another, should somebody be faster."""
    log = folder / "log"
    for _ in range(_PORT_TRIES):
        server = Server(_free_port(), password)
        holder = _launch(binaries, folder, server.port, log)
        if _ready(server, log):
            stack.callback(_end, holder)
            return server
        _end(holder)
    raise PostgresFailed(log.read_text())


def _launch(binaries: Path, folder: Path, port: int, log: Path) -> "subprocess.Popen[bytes]":
    options = [f"--{name}={value}" for name, value in _OPTIONS.items()]
    server = [
        *(str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port)),
        *("-h", "127.0.0.1", "-k", ""),
        *options,
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            ["/bin/sh", "-c", _HOLD, "sh", *server],
            cwd=folder,
            user=_user(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )


def _ready(server: Server, log: Path) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            psycopg.connect(server.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            if "database system is shut down" in log.read_text():
                return False
            time.sleep(0.05)
        else:
            return True
    return False


def _end(holder: "subprocess.Popen[bytes]") -> None:
    if holder.stdin is not None:
        holder.stdin.close()
    holder.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _user() -> str | None:
    """PostgreSQL refuses to run as root: then it is Debian's user of that name."""
    return "postgres" if os.geteuid() == 0 else None


def _hand_over(path: Path) -> None:
    user = _user()
    if user is not None:
        shutil.chown(path, user, user)


def statements(url: str, texts: Sequence[str]) -> None:
    """Run statements on a database, each committed by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for text in texts:
            connection.execute(text.encode())
