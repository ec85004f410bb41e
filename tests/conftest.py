"""What all tests share: a store on each database, one process-wide PostgreSQL server."""

import abc
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import hypothesis
import pytest

from storage import opening
from storage.database import Store
from tests import postgres

DATABASES = ("sqlite", "postgresql")

# How long an example takes says nothing on a machine that does other things too.
# The same examples in every run: what has passed goes on passing. ``make fuzz`` looks for new ones.
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000)
hypothesis.settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip", action="store_true", help="a skipped test counts as a failed one"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = reporter.stats.get("skipped")
    if skipped and session.config.getoption("--fail-on-skip") and not session.exitstatus:
        reporter.write_line(f"{len(skipped)} skipped, which counts as failed", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class StorePlace(abc.ABC):
    """Where a test's store lies: it may be opened, closed and opened again."""

    kind: Literal["sqlite", "postgresql"]

    @abc.abstractmethod
    def open(self) -> Store:
        """Open the store; the caller closes it."""


@dataclass(frozen=True)
class SqlitePlace(StorePlace):
    """A file in the test's own folder."""

    path: Path
    kind = "sqlite"

    def open(self) -> Store:
        return opening.open_sqlite(self.path, self.path.parent / "backups")


@dataclass(frozen=True)
class PostgresPlace(StorePlace):
    """A database of the session's server."""

    server: postgres.Server
    name: str
    kind = "postgresql"

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def open(self) -> Store:
        return opening.open_postgres(self.url)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """The one PostgreSQL server of this session, started when first asked for."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server) -> str:
    """A migrated database that tests' databases are copied from."""
    name = postgres_server.create()
    opening.open_postgres(postgres_server.url(name)).close()
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, closed SQLite file that tests' files are copied from."""
    path = tmp_path_factory.mktemp("template") / "gateway.sqlite3"
    opening.open_sqlite(path, path.parent).close()
    return path


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> SqlitePlace:
    """A migrated SQLite file of the test's own."""
    path = tmp_path / "gateway.sqlite3"
    shutil.copy(sqlite_template, path)
    return SqlitePlace(path)


@pytest.fixture
def postgres_place(
    postgres_server: postgres.Server, postgres_template: str
) -> Iterator[PostgresPlace]:
    """A migrated PostgreSQL database of the test's own."""
    name = postgres_server.create(postgres_template)
    yield PostgresPlace(postgres_server, name)
    postgres_server.drop(name)


@pytest.fixture(params=DATABASES)
def store_place(request: pytest.FixtureRequest) -> StorePlace:
    """A migrated store of the test's own, on each database in turn, not opened."""
    fixture = {"sqlite": "sqlite_place", "postgresql": "postgres_place"}[request.param]
    place: StorePlace = request.getfixturevalue(fixture)
    return place


@pytest.fixture
def store(store_place: StorePlace) -> Iterator[Store]:
    """An open store of the test's own, on each database in turn."""
    with contextlib.closing(store_place.open()) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_place: SqlitePlace) -> Iterator[Store]:
    """An open store on SQLite only: for what does not depend on the database."""
    with contextlib.closing(sqlite_place.open()) as opened:
        yield opened
