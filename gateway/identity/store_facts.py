"""Facts about the store as a whole: short texts under fixed names."""

from storage import models
from storage.session import Session

INCARNATION = "incarnation"
"""Which life of the store this is: another one after a backup was restored."""


def read(session: Session, name: str) -> str | None:
    """The fact, or None when it was never written."""
    fact = models.StoreFact
    value: str | None = session.scalar(fact.select(fact.value).where(fact.name == name))
    return value


def write(session: Session, name: str, value: str) -> None:
    """Write the fact, whether or not it was written before."""
    fact = models.StoreFact
    session.execute(
        fact.insert(name=name, value=value).on_conflict(
            conflict_target=[fact.name], preserve=[fact.value]
        )
    )


def write_once(session: Session, name: str, value: str) -> None:
    """Write the fact unless it is there already."""
    session.execute(models.StoreFact.insert(name=name, value=value).on_conflict_ignore())
