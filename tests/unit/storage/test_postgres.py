"""What only PostgreSQL does: undone transactions, and connections that break."""

import threading
from collections.abc import Iterator

import peewee
import pytest

from storage import models, postgres
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.session import Session
from tests.conftest import PostgresPlace
from tests.unit.storage.rows import add


@pytest.fixture
def store(postgres_place: PostgresPlace) -> Iterator[postgres.PostgresStore]:
    opened = postgres.PostgresStore(postgres_place.url)
    yield opened
    opened.close()


def terminate(session: Session) -> None:
    """End the session's own connection, as an administrator or a failing network does."""
    session._database.execute_sql("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_connection_that_breaks_before_the_commit_stores_nothing(
    store: postgres.PostgresStore,
) -> None:
    def work(session: Session) -> None:
        add("t-1")(session)
        terminate(session)

    with pytest.raises(StoreUnavailable) as broken:
        store.unit_of_work(work)
    assert not isinstance(broken.value, OutcomeUnknown)
    with store.reading() as session:
        assert (
            session.first(models.StoreFact.select().where(models.StoreFact.name == "t-1")) is None
        )


def test_a_connection_that_breaks_at_the_commit_is_not_called_undone(
    store: postgres.PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store._database.commit

    def commit_and_break() -> None:
        commit()
        raise peewee.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store._database, "commit", commit_and_break)
    with pytest.raises(OutcomeUnknown, match="stored or not"):
        store.unit_of_work(add("t-1"))


def test_two_that_wait_for_each_other_both_get_done(store: postgres.PostgresStore) -> None:
    for name in ("t-1", "t-2"):
        store.unit_of_work(add(name))
    meeting = threading.Barrier(2, timeout=20)
    first_try = {"t-1": True, "t-2": True}

    def touch(session: Session, name: str) -> None:
        facts = models.StoreFact
        session.execute(facts.update(value="touched").where(facts.name == name))

    def work(session: Session, mine: str, other: str) -> None:
        touch(session, mine)
        if first_try.pop(mine, False):
            meeting.wait()
        touch(session, other)

    futures = [
        store.submit(lambda session: work(session, "t-1", "t-2")),
        store.submit(lambda session: work(session, "t-2", "t-1")),
    ]
    for future in futures:
        future.result(60)
