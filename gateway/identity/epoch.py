"""The security epoch: a number in the store that grows whenever anybody's rights may change.

Whatever is remembered about logins, passwords and roles is remembered for one epoch only.
"""

import functools
import threading
import time
from collections.abc import Callable

from storage import models
from storage.database import Store
from storage.session import Session, WritingSession

_NAME = "security_epoch"


class SecurityEpoch:
    """The present epoch, known at once after a change by this process.

    A change by another process on the same store is noticed within ``freshness`` seconds.
    """

    def __init__(
        self,
        store: Store,
        monotonic: Callable[[], float] = time.monotonic,
        freshness: float = 1.0,
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._freshness = freshness
        self._refreshing = threading.Lock()
        self._learning = threading.Lock()
        self._value = 0
        self._fresh_until = float("-inf")

    def current(self) -> int:
        """The present epoch. Raises StoreUnavailable when it cannot be known."""
        if self._monotonic() >= self._fresh_until:
            self._refresh()
        return self._value

    def advance(self, session: WritingSession) -> None:
        """Begin a new epoch with this unit of work.

        Call it before anything else in the unit: on PostgreSQL the row stays locked until the
        commit, so that changes of identities are made one after the other and a rule such as
        "the last administrator stays" cannot be broken by two at once.
        """
        fact = models.StoreFact
        following = (fact.value.cast("BIGINT") + 1).cast("TEXT")
        session.execute(fact.update(value=following).where(fact.name == _NAME))
        session.after_commit(functools.partial(self._learn, _read(session)))

    def _refresh(self) -> None:
        # Those who come meanwhile wait: an epoch that cannot be read must not be trusted longer.
        with self._refreshing:
            asked_at = self._monotonic()
            if asked_at < self._fresh_until:
                return
            with self._store.reading() as session:
                self._learn(_read(session))
            self._fresh_until = asked_at + self._freshness

    def _learn(self, value: int) -> None:
        # A lock of its own: the store's writer comes here and must not wait for a read.
        with self._learning:
            # Never backwards: a reader may come here late with what it read before the change.
            self._value = max(self._value, value)


def _read(session: Session) -> int:
    fact = models.StoreFact
    return int(session.scalar(fact.select(fact.value).where(fact.name == _NAME)))
