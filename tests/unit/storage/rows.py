"""Small units of work on a table that nothing else cares about."""

from collections.abc import Callable

from storage import models, statements
from storage.database import Store
from storage.session import Session

FACT = models.StoreFact
INSERT = statements.Insert(FACT, FACT.name, FACT.value)


def add(name: str, value: str = "") -> Callable[[Session], str]:
    """Work that adds one fact and answers its name."""

    def work(session: Session) -> str:
        session.run(INSERT, {"name": name, "value": value})
        return name

    return work


def names(store: Store) -> set[str]:
    """The names of all facts that tests have added."""
    with store.reading() as session:
        rows = session.rows(FACT.select(FACT.name).where(FACT.name.startswith("t-")))
    return {row["name"] for row in rows}
