"""Sends what is on its way, until it has arrived or nothing helps any more."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from gateway import moments
from gateway.identity.errors import IdentityError
from gateway.identity.vault import Vault
from gateway.notifications import outbox, rules
from gateway.notifications.channels import Channel as Sending
from gateway.notifications.channels import Undelivered
from gateway.notifications.outbox import Attempt, Bell, Message, State
from gateway.notifications.rules import Channel, Rule
from storage.database import Store
from storage.errors import StoreUnavailable
from storage.session import Session, WritingSession

log = logging.getLogger(__name__)

_WORKERS = 8
# So many of them for one rule: a slow target holds up no other.
_OF_A_RULE = 2
_PORTION = 50
# For how long a message is this process's: longer than any attempt takes.
_TAKEN = 120 * moments.SECOND
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 3600.0
_GIVE_UP = 24 * 3600 * moments.SECOND
_LOOK_SECONDS = 5.0


class Sender:
    """A thread that finds what is due, and a few that send it."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        channels: Mapping[Channel, Sending],
        now: Callable[[], int] = moments.now,
        pause: Callable[[int], float] | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._channels = channels
        self._now = now
        self._pause = pause or pause_after
        self._rung = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._under_way: Counter[int] = Counter()
        self._taken: set[int] = set()
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="notification")
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Begin to send; what an earlier process left is sent, too."""

        def listen(session: WritingSession) -> None:
            session.kept(Bell).listener = self._rung.set

        self._store.unit_of_work(listen)
        self._thread.start()

    def stop(self) -> None:
        """End; what is being sent is waited for, as long as its own timeout lets it take."""
        self._stopping = True
        self._rung.set()
        if self._thread.is_alive():
            self._thread.join()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def turn(self) -> int:
        """Give all that is due to those who send; answers how many messages."""
        now = self._now()
        with self._store.reading() as session:
            found = outbox.due(session, now, _PORTION)
        begun = 0
        for message in found:
            if self._admit(message):
                begun += 1
                self._threads.submit(self._send, message)
        return begun

    def _run(self) -> None:
        while not self._stopping:
            pause = _LOOK_SECONDS
            try:
                self.turn()
                with self._store.reading() as session:
                    following = outbox.earliest(session)
                if following is not None:
                    ahead = (following - self._now()) / moments.SECOND
                    # What is due and was not begun waits for one of those who send.
                    pause = min(pause, max(ahead, 0.2))
            except StoreUnavailable as error:
                log.warning("notifications wait, the store is not to be had: %s", error)
            except Exception:
                log.exception("notifications could not be looked through; it is tried again")
            self._rung.wait(pause)
            self._rung.clear()

    def _admit(self, message: Message) -> bool:
        with self._lock:
            if message.id in self._taken or self._under_way[message.rule_id] >= _OF_A_RULE:
                return False
            self._taken.add(message.id)
            self._under_way[message.rule_id] += 1
        return True

    def _send(self, message: Message) -> None:
        try:
            until = self._now() + _TAKEN
            if self._store.unit_of_work(lambda session: outbox.take(session, message, until)):
                self._try(message)
        except StoreUnavailable as error:
            log.warning("what came of a notification is not kept, it is sent again: %s", error)
        except Exception:
            log.exception("the notification %s could not be dealt with", message.guid)
        finally:
            with self._lock:
                self._taken.discard(message.id)
                self._under_way[message.rule_id] -= 1
            self._rung.set()

    def _try(self, message: Message) -> None:
        at, began = self._now(), time.monotonic()
        try:
            said, state, next_at = self._delivered(message), State.SENT, None
            ok = True
        except Undelivered as error:
            said, ok = str(error), False
            state, next_at = self._following(message, error, at)
        took = int((time.monotonic() - began) * moments.SECOND)
        attempt = Attempt(at, took, ok, said)
        self._store.unit_of_work(
            lambda session: outbox.settle(session, message, attempt, state, next_at)
        )
        if state is State.GIVEN_UP:
            log.warning("the notification %s is given up: %s", message.guid, said)

    def _delivered(self, message: Message) -> str:
        with self._store.reading() as session:
            rule = rules.by_id(session, message.rule_id)
            secret = self._secret(session, rule)
        if rule is None:
            raise Undelivered("its rule is gone", final=True)
        channel = self._channels.get(rule.channel)
        if channel is None:
            raise Undelivered("there is no such channel", final=True)
        return channel(rule.target, message.guid, message.content, secret)

    def _secret(self, session: Session, rule: Rule | None) -> str | None:
        if rule is None or rule.secret is None:
            return None
        try:
            return self._vault.reveal(session, rule.secret)
        except IdentityError as error:
            raise Undelivered(f"its secret cannot be read: {error}", final=True) from error

    def _following(self, message: Message, error: Undelivered, at: int) -> tuple[State, int | None]:
        if error.final or at - message.created_at > _GIVE_UP:
            return State.GIVEN_UP, None
        seconds = max(self._pause(message.attempts), error.retry_after)
        return State.WAITING, at + int(seconds * moments.SECOND)


def pause_after(attempts: int) -> float:
    """Seconds after the attempt that followed so many others: longer each time, and never alike."""
    longest = min(_FIRST_PAUSE * 2.0 ** min(attempts, 20), _LONGEST_PAUSE)
    return random.uniform(longest / 2, longest)  # noqa: S311  # no secret
